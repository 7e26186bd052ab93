// Where volume data comes from and goes to: BlockSource and BlockSink. Implement one to back up an
// engine's own volumes; VolumeFile and VolumeTarget are ours, for image files and block devices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <snapvault/config.hpp>
#include <snapvault/result.hpp>

namespace snapvault {

// What is known of a range. `zero` and `hole` both mean "reads as zeros"; `hole` adds that nothing
// is allocated there. Neither: read it. `changed`/`unchanged` are against the base that open_base
// accepted; neither means unknown, and so does a contradiction. Over-reporting a change is always
// harmless.
enum class ExtentFlags : std::uint32_t { none = 0, zero = 1, hole = 2, changed = 4, unchanged = 8 };
constexpr ExtentFlags operator|(ExtentFlags a, ExtentFlags b) {
  return static_cast<ExtentFlags>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr bool has(ExtentFlags set, ExtentFlags flag) {
  return (static_cast<std::uint32_t>(set) & static_cast<std::uint32_t>(flag)) != 0;
}

struct Extent {
  std::uint64_t offset = 0;  // bytes
  std::uint64_t length = 0;  // bytes, not 0
  ExtentFlags flags = ExtentFlags::none;
};

// What the ranges between the extents of a page mean.
enum class Gaps : std::uint32_t { unknown = 0, zero = 1, unchanged = 2 };

// One answer of extents(): rising, not overlapping. The page speaks for [offset, covered_to) of the
// request, gaps included; covered_to > offset, else the source is treated as failed.
struct ExtentPage {
  std::vector<Extent> extents;
  std::uint64_t covered_to = 0;
  Gaps gaps = Gaps::unknown;
};

struct BlockInfo {
  std::uint64_t size = 0;              // bytes; constant while a job runs
  std::uint32_t io_optimal = 262144;   // preferred length of one read or write, bytes
  std::uint32_t max_concurrency = 16;  // calls of read/write that may run at once, at least 1
  bool in_use = false;                 // somebody may be writing to it now
  std::string in_use_by;               // who, for the message; not empty says in_use too
  std::string file_system;             // such as "ext4"; kept with the snapshot; may be empty
};

// A volume to read. Calls come from library threads and may block; at most `max_concurrency` reads
// run at once, the other functions one at a time. An exception counts as a failed call.
class SNAPVAULT_EXPORT BlockSource {
 public:
  virtual ~BlockSource();
  virtual Result<BlockInfo> info() = 0;

  // Fills all of `into` from `offset`; the range lies inside the volume.
  virtual Result<void> read(std::uint64_t offset, std::span<std::byte> into) = 0;

  // What is known of [offset, offset + length). Left out: nothing.
  virtual Result<ExtentPage> extents(std::uint64_t offset, std::uint64_t length);

  // true if `changed`/`unchanged` will be against the state at which `token` was taken. Called once
  // before extents(), with the token kept in the parent snapshot. false (the default): base lost.
  virtual Result<bool> open_base(std::span<const std::byte> token);

  // Names the state being read, for a later open_base; at most 4,096 bytes. Empty: none.
  virtual Result<std::vector<std::byte>> token();

  // Asks calls that are running to return early with an error. Any thread. Left out: nothing.
  virtual void interrupt() noexcept;
};

// A volume to write. Same calling rules as BlockSource.
class SNAPVAULT_EXPORT BlockSink {
 public:
  virtual ~BlockSink();
  // `size` is what the sink holds now.
  virtual Result<BlockInfo> info() = 0;
  // Called once, first. Errors: precondition_failed (reason target_too_small).
  virtual Result<void> resize(std::uint64_t bytes) = 0;
  virtual Result<void> write(std::uint64_t offset, std::span<const std::byte> data) = 0;
  // After success the range reads as zeros, whatever was there. `may_trim`: it may be deallocated.
  virtual Result<void> zero(std::uint64_t offset, std::uint64_t length, bool may_trim) = 0;
  // true if every byte not yet written reads as zero (a new file), so that zeros need no writing.
  virtual bool reads_zero_initially() const;
  // Reads back what is there. Needed for in-place restore. Errors: unsupported.
  virtual Result<void> read(std::uint64_t offset, std::span<std::byte> into);
  // true if [offset, offset + length) is certainly a hole now. Left out: false.
  virtual bool is_hole(std::uint64_t offset, std::uint64_t length);
  // Everything written so far is as durable as the sink makes it.
  virtual Result<void> flush() = 0;
  // Called exactly once, last: with true after flush, or with false when the restore failed.
  virtual Result<void> finish(bool complete);
  virtual void interrupt() noexcept;
};

struct VolumeFileOptions {
  // Extents known to have changed since the snapshot that `base_token` names: what open_base gets
  // must be exactly that, byte for byte, or they are not used. In any order; not empty, not beyond
  // the end (else invalid_argument). Of their flags `zero` counts: believed, and not read.
  std::optional<std::vector<Extent>> changed = {};
  std::string base_token = {};
};

// An image file or block device as a source. Sparse files give their holes. A volume that is
// mounted, backs a loop device, or carries a qemu or OFD write lock says in_use. Its size is that
// of the open: a file that becomes shorter is data_loss (source_failed) where it is missed.
//
// Errors of open: not_found, permission_denied, invalid_argument (reason not_a_volume).
class SNAPVAULT_EXPORT VolumeFile final : public BlockSource {
 public:
  static Result<std::unique_ptr<VolumeFile>> open(const std::string& path,
                                                  VolumeFileOptions options = {});
  ~VolumeFile() override;
  Result<BlockInfo> info() override;
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override;
  Result<ExtentPage> extents(std::uint64_t offset, std::uint64_t length) override;
  Result<bool> open_base(std::span<const std::byte> token) override;
  Result<std::vector<std::byte>> token() override;

 private:
  struct State;
  explicit VolumeFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

enum class TargetMode : std::uint32_t {
  create = 0,     // a new file; an existing target is refused (reason target_exists)
  overwrite = 1,  // a device is written whole, an existing file is replaced in the end, if any
  in_place = 2,   // an existing file or device, or PATH.partial; only what differs is written
};

// An image file or block device as a target.
//
// A file is written as PATH.partial (mode 0600, or owner and mode of the file it replaces), and
// gets its name in finish(true). finish(false) keeps PATH.partial: opened with in_place, a PATH
// that does not exist goes on with it. Nothing is kept if nothing was written or the disk was full.
// create and overwrite replace a PATH.partial, unless a living process writes it (target_busy).
// Files are locked (OFD) while they are written.
//
// A device is opened O_EXCL. Its first MiB is zeroed before the first change and written by
// finish(true), after all else is durable, so that an unfinished one does not mount.
//
// Errors of open: already_exists (target_exists), precondition_failed (target_busy: mounted, held
// or locked, and by whom), invalid_argument (not_a_volume), not_found, permission_denied,
// resource_exhausted (no_space). Of finish(true): already_exists, if PATH appeared meanwhile.
class SNAPVAULT_EXPORT VolumeTarget final : public BlockSink {
 public:
  static Result<std::unique_ptr<VolumeTarget>> open(const std::string& path,
                                                    TargetMode mode = TargetMode::create);
  // Writes in rising order and without gaps to a stream such as a pipe; `fd` stays the caller's. A
  // reader that went away is an error, never a SIGPIPE. interrupt() works. Of a volume only the
  // range [offset, offset + length) is sent, as RestoreOptions::range says too; length 0: to its
  // end. Errors: invalid_argument (range, bad_argument: not open for writing).
  static Result<std::unique_ptr<BlockSink>> stream(int fd, std::uint64_t offset = 0,
                                                   std::uint64_t length = 0);
  ~VolumeTarget() override;
  Result<BlockInfo> info() override;
  Result<void> resize(std::uint64_t bytes) override;
  Result<void> write(std::uint64_t offset, std::span<const std::byte> data) override;
  Result<void> zero(std::uint64_t offset, std::uint64_t length, bool may_trim) override;
  bool reads_zero_initially() const override;
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override;
  bool is_hole(std::uint64_t offset, std::uint64_t length) override;
  Result<void> flush() override;
  Result<void> finish(bool complete) override;

 private:
  struct State;
  explicit VolumeTarget(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace snapvault
