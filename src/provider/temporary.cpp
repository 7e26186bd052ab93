#include "provider/temporary.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/try.hpp"
#include "provider/request.hpp"

namespace snapvault::provider {
namespace {

constexpr std::string_view kPrefix = "+put-";
constexpr std::int64_t kAgeMax = 8 * 24 * 3600;
// Bounds of one sweep: it runs before the first put of a process.
constexpr std::size_t kDirectoriesMax = 512;
constexpr std::size_t kEntriesMax = 65'536;

// Only for names and for where to look: never for anything secret or decided. 0 if there is none.
std::uint64_t any_number() noexcept {
  std::uint64_t out = 0;
  return ::getrandom(&out, sizeof out, GRND_NONBLOCK) == sizeof out ? out : 0;
}

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

class Sweep {
 public:
  explicit Sweep(std::int64_t now) : before_(now - kAgeMax) {}

  void run(const std::string& root) {
    std::vector<std::string> todo{root};
    for (std::size_t done = 0; !todo.empty() && done < kDirectoriesMax; ++done) {
      // A random one, so that repeated sweeps of a large tree reach everything.
      std::swap(todo[any_number() % todo.size()], todo.back());
      const auto directory = std::move(todo.back());
      todo.pop_back();
      look(directory, todo);
    }
  }

 private:
  void look(const std::string& directory, std::vector<std::string>& todo) {
    const std::unique_ptr<DIR, CloseDirectory> open(::opendir(directory.c_str()));
    if (!open) return;
    while (const dirent* entry = ::readdir(open.get())) {
      if (++entries_ > kEntriesMax) return;
      const std::string_view name = entry->d_name;
      const auto path = directory + "/" + entry->d_name;
      if (is_temporary(name)) {
        remove_if_old(path);
      } else if (entry->d_type == DT_DIR && is_component(name)) {
        todo.push_back(path);
      }
    }
  }

  void remove_if_old(const std::string& path) const {
    struct stat about {};
    if (::lstat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) return;
    if (about.st_mtim.tv_sec < before_) ::unlink(path.c_str());
  }

  std::int64_t before_;
  std::size_t entries_ = 0;
};

}  // namespace

std::string temporary_name() {
  // The process and a count keep names apart in one host even without randomness.
  static std::atomic<std::uint32_t> count{0};
  return std::string(kPrefix) + base::hex16(any_number()) + "-" +
         base::hex8(static_cast<std::uint32_t>(::getpid())) + "-" +
         base::hex8(count.fetch_add(1, std::memory_order_relaxed));
}

bool is_temporary(std::string_view name) noexcept { return name.starts_with(kPrefix); }

Result<Temporary> Temporary::create(const std::string& directory, const std::string& key) {
  for (;;) {
    auto path = directory + "/" + temporary_name();
    posix::File file;
    const int error = posix::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, file);
    if (error == 0) return Temporary(std::move(path), std::move(file));
    if (error != EEXIST) return posix::failure(error, "creating a file", key);
  }
}

void Temporary::remove() noexcept {
  if (path_.empty()) return;
  ::unlink(path_.c_str());
  path_.clear();
}

void sweep_temporaries(const std::string& root, std::int64_t now) { Sweep(now).run(root); }

}  // namespace snapvault::provider
