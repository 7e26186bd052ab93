// A directory of a test's own, removed at the end, and short ways to make requests.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "provider/blocking.hpp"
#include "provider/file.hpp"

namespace snapvault::provider {

class Scratch {
 public:
  Scratch() {
    std::string name = base() / "snapvault-test-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  // In memory if there is room, because some tests sync thousands of files.
  static std::filesystem::path base() {
    std::error_code none;
    const auto space = std::filesystem::space("/dev/shm", none);
    if (!none && space.available > (std::uintmax_t{1} << 30)) return "/dev/shm";
    return std::filesystem::temp_directory_path();
  }
  std::string path_;
};

inline base::Bytes bytes_of(std::string_view text) {
  const auto view = base::as_bytes(text);
  return {view.begin(), view.end()};
}

inline std::shared_ptr<BlockingProvider> blocking(std::shared_ptr<Provider> provider) {
  return std::dynamic_pointer_cast<BlockingProvider>(std::move(provider));
}
inline std::shared_ptr<BlockingProvider> file_store(const std::string& root) {
  return blocking(*open_file(root));
}

inline PutRequest put_of(std::string key, std::string_view text, bool durable = true) {
  return {.key = std::move(key), .body = PutBody(bytes_of(text)), .durable = durable};
}
inline Result<std::string> text_of(BlockingProvider& store, std::string key) {
  auto bytes = store.get_now({.key = std::move(key)});
  if (!bytes) return std::move(bytes).error();
  return std::string(base::as_text(*bytes));
}
inline std::vector<std::string> keys_of(const ListPage& page) {
  std::vector<std::string> out;
  for (const auto& object : page.objects) out.push_back(object.key);
  return out;
}

}  // namespace snapvault::provider
