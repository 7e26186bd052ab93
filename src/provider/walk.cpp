#include "provider/walk.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <vector>

#include "base/try.hpp"
#include "provider/posix.hpp"
#include "provider/request.hpp"

namespace snapvault::provider {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

class Walk {
 public:
  Walk(const std::string& root, const ListRequest& request) : root_(root), request_(request) {}

  Result<ListPage> run() && {
    // The directory that the prefix names; a key that begins with it stands nowhere else.
    const auto directory = posix::parent(request_.prefix);
    SV_CHECK(visit(directory.empty() ? directory : directory + "/"));
    return std::move(page_);
  }

 private:
  Result<void> visit(const std::string& directory);
  Result<std::vector<std::string>> read(const std::string& directory);
  Result<void> add(const std::string& key);
  bool is_directory(DIR* in, const dirent& entry) const;
  bool wants_below(const std::string& directory) const;
  Error failed(int error) const {
    return posix::failure(error, "listing the directory", request_.prefix);
  }

  const std::string& root_;
  const ListRequest& request_;
  ListPage page_;
};

// Whether a key that begins with `directory`, which ends in '/', may belong on the page.
bool Walk::wants_below(const std::string& directory) const {
  if (directory.size() >= kKeySizeMax) return false;
  const std::string_view prefix = request_.prefix;
  const std::string_view after = request_.start_after;
  if (!directory.starts_with(prefix) && !prefix.starts_with(directory)) return false;
  return directory > after || after.starts_with(directory);
}

bool Walk::is_directory(DIR* in, const dirent& entry) const {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat about {};
  return ::fstatat(::dirfd(in), entry.d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(about.st_mode);
}

// The names in `directory` that the page may need; those of directories end in '/', so that they
// sort as the keys below them do.
Result<std::vector<std::string>> Walk::read(const std::string& directory) {
  std::vector<std::string> names;
  posix::File file;
  // Without the '/' at the end, which would follow a link.
  const auto path = root_ + "/" + posix::parent(directory);
  const int flags = O_RDONLY | O_DIRECTORY | (directory.empty() ? 0 : O_NOFOLLOW);
  const int error = posix::open(path, flags, file);
  // Gone since, or a file or a link by that name: no object is below it.
  if (error == ENOENT) return names;
  if ((error == ENOTDIR || error == ELOOP) && !directory.empty()) return names;
  if (error != 0) return failed(error);
  const Directory open(::fdopendir(file.get()));
  if (!open) return failed(errno);
  file.release();
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(open.get());
    if (entry == nullptr && errno != 0) return failed(errno);
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (!is_component(name)) continue;
    const auto key = directory + name;
    if (is_directory(open.get(), *entry)) {
      if (wants_below(key + "/")) names.push_back(name + "/");
    } else if (key.starts_with(request_.prefix) && key > request_.start_after &&
               key.size() <= kKeySizeMax) {
      names.push_back(std::move(name));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> Walk::add(const std::string& key) {
  struct stat about {};
  if (::lstat((root_ + "/" + key).c_str(), &about) != 0) {
    if (errno == ENOENT) return {};  // removed since
    return failed(errno);
  }
  if (!S_ISREG(about.st_mode)) return {};
  if (page_.objects.size() == request_.max_keys) {
    page_.truncated = true;
    return {};
  }
  page_.objects.push_back({.key = key,
                           .size = static_cast<std::uint64_t>(about.st_size),
                           .modified = about.st_mtim.tv_sec});
  return {};
}

Result<void> Walk::visit(const std::string& directory) {
  SV_CHECK(check(request_.limits));
  SV_TRY(const auto names, read(directory));
  for (const auto& name : names) {
    const auto path = directory + name;
    if (name.ends_with('/')) {
      SV_CHECK(visit(path));
    } else {
      SV_CHECK(add(path));
    }
    if (page_.truncated) break;
  }
  return {};
}

}  // namespace

Result<ListPage> walk(const std::string& root, const ListRequest& request) {
  return Walk(root, request).run();
}

}  // namespace snapvault::provider
