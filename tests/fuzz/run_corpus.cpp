// Runs the fuzz targets over files, where libFuzzer is not at hand: each file as it is, cut at each
// length and with each byte changed, so that a build of any compiler tests the decoders a little.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "fuzz/fuzz.hpp"

namespace {

std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void run(const std::vector<std::uint8_t>& input) {
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

void run_near(std::vector<std::uint8_t> input) {
  run(input);
  for (std::size_t size = 1; size < input.size(); ++size) {
    run(std::vector<std::uint8_t>(input.begin(), input.begin() + static_cast<long>(size)));
  }
  for (std::size_t i = 1; i < input.size(); ++i) {
    const auto right = input[i];
    for (const int change : {1, 0x80, 0xFF}) {
      input[i] = static_cast<std::uint8_t>(right ^ change);
      run(input);
    }
    input[i] = right;
  }
}

}  // namespace

int main(int count, char** arguments) {
  int files = 0;
  for (int i = 1; i < count; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(arguments[i])) {
      run_near(read_file(entry.path()));
      ++files;
    }
  }
  std::printf("%d passed, %d failed\n", files, files == 0 ? 1 : 0);
  return files == 0 ? 1 : 0;
}
