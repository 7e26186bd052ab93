#include <snapvault/source.hpp>

#include <sys/stat.h>

#include "base/reasons.hpp"
#include "place.hpp"

TEST_SUITE_BEGIN("source/volume_file");

namespace snapvault::source {
namespace {

std::unique_ptr<VolumeFile> opened(const std::string& path, VolumeFileOptions options = {}) {
  auto volume = VolumeFile::open(path, std::move(options));
  REQUIRE(volume.has_value());
  return *std::move(volume);
}

base::Bytes read(BlockSource& source, std::uint64_t offset, std::size_t length) {
  base::Bytes out(length);
  REQUIRE(source.read(offset, out).has_value());
  return out;
}

// All extents of a range; checks each page as the engine does.
std::vector<Extent> all_extents(BlockSource& source, std::uint64_t offset, std::uint64_t length,
                                Gaps gaps = Gaps::unknown, int* pages = nullptr) {
  std::vector<Extent> out;
  for (const auto end = offset + length; offset < end;) {
    auto page = source.extents(offset, end - offset);
    REQUIRE(page.has_value());
    CHECK(page->gaps == gaps);
    CHECK(page->extents.size() <= 1024);
    REQUIRE(page->covered_to > offset);
    REQUIRE(page->covered_to <= end);
    for (const auto& extent : page->extents) {
      REQUIRE(extent.length > 0);
      REQUIRE(extent.offset >= offset);
      offset = extent.offset + extent.length;
      REQUIRE(offset <= page->covered_to);
      out.push_back(extent);
    }
    offset = page->covered_to;
    if (pages != nullptr) ++*pages;
  }
  return out;
}

std::string words(const std::vector<Extent>& extents) {
  std::string out;
  for (const auto& [offset, length, flags] : extents) {
    out += std::to_string(offset) + "+" + std::to_string(length) + ":";
    if (has(flags, ExtentFlags::zero)) out += 'z';
    if (has(flags, ExtentFlags::hole)) out += 'h';
    if (has(flags, ExtentFlags::changed)) out += 'c';
    if (has(flags, ExtentFlags::unchanged)) out += 'u';
    out += ' ';
  }
  return out;
}

std::span<const std::byte> token(std::string_view text) { return base::as_bytes(text); }

TEST_CASE("an image gives its size and its bytes, up to a tail of any length") {
  const Place place;
  const auto content = noise(100'001);
  put(place / "image", content);
  auto volume = opened(place / "image");
  const auto info = volume->info();
  REQUIRE(info.has_value());
  CHECK(info->size == content.size());
  CHECK(info->max_concurrency >= 1);
  CHECK_FALSE(info->in_use);
  CHECK(info->file_system == "");
  CHECK(read(*volume, 0, content.size()) == content);
  CHECK(read(*volume, 100'000, 1).front() == content.back());
  CHECK(read(*volume, 100'001, 0).empty());
  base::Bytes two(2);
  check_error(volume->read(100'000, two), Errc::invalid_argument, reason::range);
  check_error(volume->read(UINT64_MAX, two), Errc::invalid_argument, reason::range);
  check_error(volume->extents(0, 100'002), Errc::invalid_argument, reason::range);
  CHECK(volume->token()->empty());
  volume->interrupt();
}

TEST_CASE("an empty image is a volume of no bytes") {
  const Place place;
  put(place / "image", "");
  CHECK(opened(place / "image")->info()->size == 0);
}

TEST_CASE("a link to an image is followed") {
  const Place place;
  put(place / "image", "abc");
  std::filesystem::create_symlink("image", place / "link");
  CHECK(opened(place / "link")->info()->size == 3);
}

TEST_CASE("what is no volume is refused in words, and is not even opened") {
  const Place place;
  REQUIRE(::mkfifo((place / "fifo").c_str(), 0600) == 0);  // to open it would block
  check_error(VolumeFile::open(place / "fifo"), Errc::invalid_argument, reason::not_a_volume);
  check_error(VolumeFile::open(place / ""), Errc::invalid_argument, reason::not_a_volume);
  check_error(VolumeFile::open("/dev/null"), Errc::invalid_argument, reason::not_a_volume);
  const Loop no_medium;
  check_error(VolumeFile::open(no_medium.path()), Errc::invalid_argument, reason::not_a_volume);
  check_error(VolumeFile::open(place / "none"), Errc::not_found, reason::no_path);
  put(place / "image", "abc");
  check_error(VolumeFile::open(place / "image/below"), Errc::not_found, reason::no_path);
  check_error(VolumeFile::open(""), Errc::invalid_argument, reason::bad_argument);
  check_error(VolumeFile::open(std::string("a\0b", 3)), Errc::invalid_argument,
              reason::bad_argument);
  check_error(VolumeFile::open(std::string(5000, 'a')), Errc::invalid_argument,
              reason::bad_argument);
  std::filesystem::create_symlink("circle", place / "circle");
  check_error(VolumeFile::open(place / "circle"), Errc::invalid_argument, reason::bad_argument);
}

TEST_CASE("an image without the right to read it is permission_denied, and says which") {
  const Place place;
  put(place / "image", "abc");
  std::filesystem::permissions(place / "", std::filesystem::perms(0755));
  REQUIRE(::seteuid(65534) == 0);
  const auto volume = VolumeFile::open(place / "image");
  REQUIRE(::seteuid(0) == 0);
  check_error(volume, Errc::permission_denied, reason::permission);
  CHECK(volume.error().subject() == place / "image");
  CHECK(volume.error().native() == EACCES);
}

TEST_CASE("a sparse image gives its holes, and nothing else is called zero") {
  const Place place;
  const auto image = sparse(place / "image", 1u << 20);
  put(image, noise(4096), 64u << 10);
  put(image, noise(100), 512u << 10);
  auto volume = opened(image);
  CHECK(words(all_extents(*volume, 0, 1u << 20)) == "0+65536:zh 69632+454656:zh 528384+520192:zh ");
  CHECK(words(all_extents(*volume, 1, 10)) == "1+10:zh ");
  CHECK(words(all_extents(*volume, 65537, 10)) == "");
  CHECK(words(all_extents(*volume, 65000, 5000)) == "65000+536:zh 69632+368:zh ");
  CHECK(all_extents(*volume, 5, 0).empty());
}

TEST_CASE("holes of random images are all zeros, and most zeros are found") {
  const Place place;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    const auto size = 200'000 + seed * 777;
    const auto image = sparse(place / "image", size);
    for (std::uint64_t i = 0; i < seed; ++i) {
      put(image, noise(100 + 300 * i, seed), (i * 48'611 + seed * 3'001) % 190'000);
    }
    auto volume = opened(image);
    const auto content = read(*volume, 0, size);
    std::uint64_t holes = 0;
    for (const auto& [offset, length, flags] : all_extents(*volume, 0, size)) {
      REQUIRE(has(flags, ExtentFlags::hole));
      REQUIRE(base::is_zero(base::ByteView(content).subspan(offset, length)));
      holes += length;
    }
    if (seed < 10) CHECK(holes > 0);
  }
}

TEST_CASE("an image with very many holes is told in bounded pages") {
  const Place place;
  constexpr std::uint64_t kPieces = 3000;
  const auto image = sparse(place / "image", kPieces * 8192);
  File file;
  REQUIRE(open(image, O_WRONLY, file) == 0);
  for (std::uint64_t i = 0; i < kPieces; ++i) {
    REQUIRE(write_at(file, i * 8192, base::as_bytes("data")) == 0);
  }
  auto volume = opened(image);
  int pages = 0;
  const auto extents = all_extents(*volume, 0, kPieces * 8192, Gaps::unknown, &pages);
  CHECK(extents.size() == kPieces);
  CHECK(pages == 3);
}

TEST_CASE("an image that became shorter fails where it is missed, and never reads as zeros") {
  const Place place;
  const auto image = place / "image";
  SUBCASE("data") { put(image, noise(65536)); }
  SUBCASE("hole") { sparse(image, 65536); }
  auto volume = opened(image);
  REQUIRE(::truncate(image.c_str(), 8192) == 0);
  CHECK(volume->info()->size == 65536);
  CHECK(read(*volume, 0, 8192).size() == 8192);
  base::Bytes into(4096);
  check_error(volume->read(8000, into), Errc::data_loss, reason::source_failed);
  check_error(volume->extents(0, 65536), Errc::data_loss, reason::source_failed);
  check_error(volume->extents(32768, 4096), Errc::data_loss, reason::source_failed);
}

TEST_CASE("an image that grew keeps the size it had") {
  const Place place;
  put(place / "image", noise(5000));
  auto volume = opened(place / "image");
  put(place / "image", noise(5000), 5000);
  CHECK(volume->info()->size == 5000);
  CHECK(words(all_extents(*volume, 0, 5000)) == "");
  base::Bytes one(1);
  check_error(volume->read(5000, one), Errc::invalid_argument, reason::range);
}

TEST_CASE("changed extents count only against exactly the base they were given for") {
  const Place place;
  const auto image = sparse(place / "image", 1u << 20);
  put(image, noise(512u << 10));
  const VolumeFileOptions options{.changed = {{{4096, 4096}}}, .base_token = "base-1"};
  for (const std::string_view other : {"", "base-", "base-2", "base-11", "Base-1"}) {
    CAPTURE(other);
    auto volume = opened(image, options);
    CHECK_FALSE(*volume->open_base(token(other)));
    CHECK(words(all_extents(*volume, 0, 1u << 20)) == "524288+524288:zh ");
  }
  auto volume = opened(image, options);
  CHECK(words(all_extents(*volume, 0, 1u << 20)) == "524288+524288:zh ");  // nobody asked yet
  CHECK(*volume->open_base(token("base-1")));
  CHECK(words(all_extents(*volume, 0, 1u << 20, Gaps::unchanged)) ==
        "4096+4096:c 524288+524288:zhu ");
  CHECK_FALSE(*volume->open_base(token("base-2")));
}

TEST_CASE("without changed extents, or without the name of a base, there is no base") {
  const Place place;
  put(place / "image", "abc");
  CHECK_FALSE(*opened(place / "image")->open_base(token("")));
  CHECK_FALSE(*opened(place / "image", {.base_token = "b"})->open_base(token("b")));
  CHECK_FALSE(*opened(place / "image", {.changed = std::vector<Extent>()})->open_base(token("")));
}

TEST_CASE("no changed extent at all means that everything is unchanged") {
  const Place place;
  put(place / "image", noise(8192));
  auto volume = opened(place / "image", {.changed = std::vector<Extent>(), .base_token = "b"});
  CHECK(*volume->open_base(token("b")));
  CHECK(words(all_extents(*volume, 0, 8192, Gaps::unchanged)) == "");
}

TEST_CASE("changed extents are sorted and joined, and zero only where all of them say so") {
  const Place place;
  const auto image = sparse(place / "image", 1000);
  put(image, noise(1000));
  constexpr auto kZero = ExtentFlags::zero;
  auto volume = opened(image, {.changed = {{{500, 100},
                                            {100, 100},
                                            {150, 100},
                                            {250, 50, kZero},
                                            {300, 100, kZero},
                                            {350, 10},
                                            {900, 100, ExtentFlags::hole}}},
                               .base_token = "b"});
  REQUIRE(*volume->open_base(token("b")));
  CHECK(words(all_extents(*volume, 0, 1000, Gaps::unchanged)) ==
        "100+150:c 250+100:zc 350+10:c 360+40:zc 500+100:c 900+100:zc ");
  CHECK(words(all_extents(*volume, 255, 100, Gaps::unchanged)) == "255+95:zc 350+5:c ");
}

TEST_CASE("holes and changes of one range are both told") {
  const Place place;
  const auto image = sparse(place / "image", 65536);
  put(image, noise(4096), 8192);
  auto volume = opened(image, {.changed = {{{4096, 6144}}}, .base_token = "b"});
  REQUIRE(*volume->open_base(token("b")));
  CHECK(words(all_extents(*volume, 0, 65536, Gaps::unchanged)) ==
        "0+4096:zhu 4096+4096:zhc 8192+2048:c 12288+53248:zhu ");
}

TEST_CASE("very many changed extents are told in bounded pages") {
  const Place place;
  std::vector<Extent> changed;
  for (std::uint64_t i = 0; i < 5000; ++i) changed.push_back({i * 8, 4});
  put(place / "image", noise(40'000));
  auto volume = opened(place / "image", {.changed = changed, .base_token = "b"});
  REQUIRE(*volume->open_base(token("b")));
  int pages = 0;
  CHECK(all_extents(*volume, 0, 40'000, Gaps::unchanged, &pages).size() == 5000);
  CHECK(pages == 5);
}

TEST_CASE("changed extents that cannot be are refused") {
  const Place place;
  put(place / "image", noise(1000));
  const auto refused = [&](Extent extent, const char* reason) {
    check_error(VolumeFile::open(place / "image", {.changed = {{{0, 1}, extent}}}),
                Errc::invalid_argument, reason);
  };
  refused({10, 0}, reason::bad_argument);
  refused({999, 2}, reason::range);
  refused({1001, 1}, reason::range);
  refused({UINT64_MAX, 2}, reason::range);
  refused({2, UINT64_MAX}, reason::range);
}

TEST_CASE("a block device gives its size and bytes, and says nothing of its extents") {
  const Place place;
  const auto content = noise(1u << 20);
  put(place / "image", content);
  const Loop loop(place / "image");
  auto volume = opened(loop.path(), {.changed = {{{512, 512}}}, .base_token = "b"});
  CHECK(volume->info()->size == content.size());
  CHECK(read(*volume, 0, content.size()) == content);
  CHECK(words(all_extents(*volume, 0, content.size())) == "");
  REQUIRE(*volume->open_base(token("b")));
  CHECK(words(all_extents(*volume, 0, content.size(), Gaps::unchanged)) == "512+512:c ");
}

TEST_CASE("a device that fails says so with the error of the system, for another try") {
  const Place place;
  const auto image = place / "image";
  put(image, noise(1u << 20));
  const Loop loop(image);
  auto volume = opened(loop.path());
  REQUIRE(::truncate(image.c_str(), 4096) == 0);  // reads behind the end of its file fail
  base::Bytes into(4096);
  const auto result = volume->read(512u << 10, into);
  check_error(result, Errc::unavailable, reason::source_failed);
  CHECK(result.error().native() == EIO);
}

// Only what must be.
class Bare final : public BlockSource {
 public:
  Result<BlockInfo> info() override { return BlockInfo{}; }
  Result<void> read(std::uint64_t, std::span<std::byte>) override { return {}; }
};

TEST_CASE("a source that leaves out what it may knows nothing of its extents and its past") {
  Bare bare;
  const auto page = bare.extents(3, 4);
  CHECK(page->extents.empty());
  CHECK(page->covered_to == 7);
  CHECK(page->gaps == Gaps::unknown);
  CHECK_FALSE(*bare.open_base(token("b")));
  CHECK(bare.token()->empty());
  bare.interrupt();
}

}  // namespace
}  // namespace snapvault::source
TEST_SUITE_END();
