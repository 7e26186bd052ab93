// VolumeFile: an image file or a block device as a source.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include <snapvault/source.hpp>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "source/file_system.hpp"
#include "source/in_use.hpp"

namespace snapvault {
namespace {

using namespace source;

constexpr std::size_t kExtentsPerPage = 1024;

// A range [from, to).
struct Range {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};

// Sorts and joins.
std::vector<Range> joined(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](Range a, Range b) { return a.from < b.from; });
  std::vector<Range> out;
  for (const auto& range : ranges) {
    if (!out.empty() && range.from <= out.back().to) {
      out.back().to = std::max(out.back().to, range.to);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

// Whether `at` lies in one of the joined `ranges`, and up to where that stays so.
struct Where {
  bool inside = false;
  std::uint64_t until = 0;
};
Where locate(const std::vector<Range>& ranges, std::uint64_t at) {
  const auto next = std::upper_bound(ranges.begin(), ranges.end(), at,
                                     [](std::uint64_t a, Range range) { return a < range.to; });
  if (next == ranges.end()) return {false, UINT64_MAX};
  return next->from <= at ? Where{true, next->to} : Where{false, next->from};
}

}  // namespace

struct VolumeFile::State {
  std::string path;
  File file;
  struct stat about {};
  std::uint64_t size = 0;
  std::optional<std::string> base;  // the token that `changed` counts against
  std::vector<Range> changed;
  std::vector<Range> changed_data;  // those not said to be zero
  bool base_accepted = false;

  Result<void> take(const VolumeFileOptions& options);
  Result<Where> hole(std::uint64_t at) const;
};

// Checks and keeps the options.
Result<void> VolumeFile::State::take(const VolumeFileOptions& options) {
  if (!options.changed) return {};
  for (const auto& extent : *options.changed) {
    if (extent.length == 0) {
      return Error(Errc::invalid_argument, reason::bad_argument, "a changed extent is empty")
          .with_subject(path);
    }
    SV_CHECK(check_range(extent.offset, extent.length, size, path));
    const Range range{extent.offset, extent.offset + extent.length};
    changed.push_back(range);
    if (!has(extent.flags, ExtentFlags::zero | ExtentFlags::hole)) changed_data.push_back(range);
  }
  changed = joined(std::move(changed));
  changed_data = joined(std::move(changed_data));
  if (!options.base_token.empty()) base = options.base_token;
  return {};
}

// Whether a hole is at `at`, and up to where.
Result<Where> VolumeFile::State::hole(std::uint64_t at) const {
  if (S_ISBLK(about.st_mode)) return Where{false, size};
  const auto data = ::lseek(file.get(), static_cast<off_t>(at), SEEK_DATA);
  const bool none_left = data < 0 && errno == ENXIO;
  if (data < 0 && !none_left) return Where{false, size};  // a file system that does not know
  if (none_left || static_cast<std::uint64_t>(data) > at) {
    // What was cut off the end of the file must not pass for a hole.
    struct stat now {};
    if (::fstat(file.get(), &now) != 0) {
      return failure(errno, reason::source_failed, "looking at the volume", path);
    }
    if (static_cast<std::uint64_t>(now.st_size) < size) {
      return Error(Errc::data_loss, reason::source_failed, "the volume became shorter")
          .with_subject(path);
    }
    return Where{true, none_left ? size : static_cast<std::uint64_t>(data)};
  }
  const auto end = ::lseek(file.get(), data, SEEK_HOLE);
  return Where{false, end > data ? static_cast<std::uint64_t>(end) : size};
}

VolumeFile::VolumeFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
VolumeFile::~VolumeFile() = default;

Result<std::unique_ptr<VolumeFile>> VolumeFile::open(const std::string& path,
                                                     VolumeFileOptions options) {
  return base::answer([&]() -> Result<std::unique_ptr<VolumeFile>> {
    SV_CHECK(check_path(path));
    auto state = std::make_unique<State>();
    state->path = path;
    // Looked at before it is opened: to open a tape or a pipe can do things.
    if (::stat(path.c_str(), &state->about) != 0) {
      return failure(errno, reason::source_failed, "opening the volume", path);
    }
    const auto is_volume = [](const struct stat& it) {
      return S_ISREG(it.st_mode) || S_ISBLK(it.st_mode);
    };
    if (is_volume(state->about)) {
      if (const int error = source::open(path, O_RDONLY | O_NONBLOCK, state->file)) {
        return failure(error, reason::source_failed, "opening the volume", path);
      }
      if (::fstat(state->file.get(), &state->about) != 0) {
        return failure(errno, reason::source_failed, "opening the volume", path);
      }
    }
    if (!is_volume(state->about)) {
      return Error(Errc::invalid_argument, reason::not_a_volume,
                   "only a file or a block device can be backed up as a volume")
          .with_subject(path);
    }
    if (S_ISBLK(state->about.st_mode)) {
      SV_TRY(state->size, device_size(state->file, path));
      // Another node may have written to a shared device: what was read before may be old.
      ::posix_fadvise(state->file.get(), 0, 0, POSIX_FADV_DONTNEED);
    } else {
      state->size = static_cast<std::uint64_t>(state->about.st_size);
    }
    SV_CHECK(state->take(options));
    return std::unique_ptr<VolumeFile>(new VolumeFile(std::move(state)));
  });
}

Result<BlockInfo> VolumeFile::info() {
  BlockInfo info;
  info.size = state_->size;
  info.in_use_by = user_of(state_->file, state_->about, state_->path);
  info.in_use = !info.in_use_by.empty();
  info.file_system = file_system(state_->file);
  return info;
}

Result<void> VolumeFile::read(std::uint64_t offset, std::span<std::byte> into) {
  SV_CHECK(check_range(offset, into.size(), state_->size, state_->path));
  std::size_t got = 0;
  if (const int error = read_at(state_->file, offset, into, got)) {
    return failure(error, reason::source_failed, "reading the volume", state_->path);
  }
  if (got == into.size()) return {};
  return Error(Errc::data_loss, reason::source_failed, "the volume became shorter")
      .with_subject(state_->path);
}

Result<ExtentPage> VolumeFile::extents(std::uint64_t offset, std::uint64_t length) {
  SV_CHECK(check_range(offset, length, state_->size, state_->path));
  const auto end = offset + length;
  const bool with_changes = state_->base_accepted;
  ExtentPage page;
  page.gaps = with_changes ? Gaps::unchanged : Gaps::unknown;
  page.covered_to = offset;
  Where hole;
  while (page.covered_to < end) {
    const auto at = page.covered_to;
    if (hole.until <= at) {
      SV_TRY(hole, state_->hole(at));
    }
    auto until = std::min(hole.until, end);
    auto flags = hole.inside ? ExtentFlags::zero | ExtentFlags::hole : ExtentFlags::none;
    if (with_changes) {
      const auto changed = locate(state_->changed, at);
      const auto data = locate(state_->changed_data, at);
      until = std::min({until, changed.until, data.until});
      flags = flags | (changed.inside ? ExtentFlags::changed : ExtentFlags::unchanged);
      if (changed.inside && !data.inside) flags = flags | ExtentFlags::zero;
    }
    auto& out = page.extents;
    if (!out.empty() && out.back().offset + out.back().length == at && out.back().flags == flags) {
      out.back().length += until - at;
    } else if (flags != ExtentFlags::none && flags != ExtentFlags::unchanged) {
      if (out.size() == kExtentsPerPage) break;
      out.push_back({at, until - at, flags});
    }
    page.covered_to = until;
  }
  return page;
}

Result<bool> VolumeFile::open_base(std::span<const std::byte> token) {
  state_->base_accepted = state_->base && *state_->base == base::as_text(token);
  return state_->base_accepted;
}

// A file does not know its past: who gives `changed` knows what it counts against.
Result<std::vector<std::byte>> VolumeFile::token() { return std::vector<std::byte>(); }

}  // namespace snapvault
