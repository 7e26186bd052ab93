// faultfs: a pass-through file system that fails in one way, for tests of the file provider.
//
//   faultfs FAULT BACKING MOUNTPOINT
//
// Everything goes to the directory BACKING; FAULT, one of kFaults, says what goes wrong. Runs in
// the foreground until it is unmounted.
#define FUSE_USE_VERSION 31

#include <dirent.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <iterator>
#include <string>
#include <string_view>

namespace {

constexpr const char* kFaults[] = {
    "none",
    "link_eexist",       // a link is done, but EEXIST answered, as when NFS repeats a lost call
    "link_eio",          // a link is done, but EIO answered
    "link_eio_undone",   // a link is not done
    "link_dark",         // a link is done, EIO answered, and one look at the new name fails as well
    "link_blind",        // a link is not done, EIO answered, and one look at the old name fails
    "link_undone_dark",  // a link is not done, EIO answered, and one look at the new name fails
    "link_eacces",       // links are not permitted
    "no_link",           // no hard links
    "no_exclusive",      // no hard links, and no RENAME_NOREPLACE
    "rename_eio",        // no hard links; a rename is done, but EIO answered
    "rename_dark",       // no hard links; as link_dark
    "rename_flags_eio",  // no hard links; RENAME_NOREPLACE answers EIO
    "rename_eio_undone",  // no hard links; a rename is not done
    "weak_eio_undone",    // neither hard links nor RENAME_NOREPLACE, and a rename is not done
    "weak_locked",        // neither; names that begin with "locked" cannot be looked up
    "read_estale",
    "read_eio",
    "read_short",      // files end at 1000 bytes, although their size says more
    "short_write",     // at most 10,000 bytes a call
    "write_zero",      // a write that writes nothing
    "write_enospc",    // no space behind 64 KiB of a file
    "write_edquot",    // no quota behind 64 KiB of a file
    "flush_enospc",    // the error comes at close
    "fsync_eio",       // every fsync of a file
    "fsync_eio_once",  // the first fsync of a file
    "fsync_enospc",
    "fsyncdir_eio",       // every fsync of a directory but for the two topmost levels
    "fsyncdir_all_eio",   // every fsync of a directory but for the root
    "fsyncdir_root_eio",  // every fsync of the root
    "fsyncdir_einval",    // directories have no fsync
    "create_erofs",
    "create_eacces",
    "create_once_enoent",  // the first file cannot be made: its directory is said to be missing
    "mkdir_eacces",
    "unlink_eacces",
    "readdir_eio",
    "opendir_eacces",
    "lookup_eacces",  // names that begin with "locked"
    "no_types",       // a directory does not tell what its entries are
    "vanishing",      // names that begin with "ghost" are listed, but not there
};

std::string_view fault;
std::string backing;
std::atomic<int> count{0};
// The next `looks` looks at this path fail. One thread only.
std::string dark;
int looks = 0;

bool is(std::string_view name) { return fault == name; }
bool first() { return count.fetch_add(1) == 0; }
std::string real(const char* path) { return backing + path; }
bool begins(const char* path, std::string_view with) {
  return std::string_view(strrchr(path, '/') + 1).starts_with(with);
}
int done(int result) { return result < 0 ? -errno : result; }

int get_attributes(const char* path, struct stat* about, fuse_file_info*) {
  if ((is("lookup_eacces") || is("weak_locked")) && begins(path, "locked")) return -EACCES;
  if (is("vanishing") && begins(path, "ghost")) return -ENOENT;
  if (looks > 0 && dark == path) return --looks, -EIO;
  return done(lstat(real(path).c_str(), about));
}

int make_directory(const char* path, mode_t mode) {
  if (is("mkdir_eacces")) return -EACCES;
  return done(mkdir(real(path).c_str(), mode));
}

int remove_file(const char* path) {
  if (is("unlink_eacces") && !begins(path, "+")) return -EACCES;
  return done(unlink(real(path).c_str()));
}

int remove_directory(const char* path) { return done(rmdir(real(path).c_str())); }

// The kernel looks twice at a name that it knows.
int darken(const char* path, int times) {
  dark = path;
  looks = times;
  return -EIO;
}

bool has_links() {
  return !is("no_link") && !is("no_exclusive") && !is("weak_locked") && !is("weak_eio_undone") &&
         fault.substr(0, 7) != "rename_";
}

int make_link(const char* from, const char* to) {
  if (!has_links()) return -EPERM;
  if (is("link_eacces")) return -EACCES;
  const bool trial = begins(to, "+");  // the provider tries out what works
  if (!trial && is("link_blind")) return darken(from, 2);
  if (!trial && is("link_undone_dark")) return darken(to, 1);
  if (!trial && is("link_eio_undone")) return -EIO;
  const int result = done(link(real(from).c_str(), real(to).c_str()));
  if (result != 0) return result;
  if (is("link_eexist")) return -EEXIST;
  if (is("link_eio")) return -EIO;
  if (!trial && is("link_dark")) return darken(to, 1);
  return 0;
}

int rename_entry(const char* from, const char* to, unsigned flags) {
  const bool exclusive = flags != 0;
  if (exclusive && fault.substr(0, 5) == "weak_") return -EINVAL;
  if (exclusive && is("no_exclusive")) return -EINVAL;
  if (exclusive && is("rename_flags_eio")) return -EIO;
  const bool trial = begins(to, "+");
  if (!trial && (is("rename_eio_undone") || is("weak_eio_undone"))) return -EIO;
  const int result =
      done(renameat2(AT_FDCWD, real(from).c_str(), AT_FDCWD, real(to).c_str(), flags));
  if (result != 0) return result;
  if (!trial && is("rename_dark")) return darken(to, 1);
  return is("rename_eio") ? -EIO : 0;
}

// Marks a file opened for writing: flush is not told the flags.
constexpr std::uint64_t kWrites = std::uint64_t{1} << 32;

int opened(int descriptor, fuse_file_info* info) {
  if (descriptor < 0) return -errno;
  info->fh = static_cast<std::uint64_t>(descriptor);
  if ((info->flags & O_ACCMODE) != O_RDONLY) info->fh |= kWrites;
  info->direct_io = 1;
  return 0;
}

int open_file(const char* path, fuse_file_info* info) {
  return opened(open(real(path).c_str(), info->flags & ~O_CREAT), info);
}

int create_file(const char* path, mode_t mode, fuse_file_info* info) {
  if (is("create_erofs")) return -EROFS;
  if (is("create_eacces")) return -EACCES;
  if (is("create_once_enoent") && first()) return -ENOENT;
  return opened(open(real(path).c_str(), info->flags, mode), info);
}

int descriptor_of(const fuse_file_info* info) { return static_cast<int>(info->fh & ~kWrites); }

int read_file(const char*, char* into, size_t size, off_t offset, fuse_file_info* info) {
  if (is("read_estale")) return -ESTALE;
  if (is("read_eio")) return -EIO;
  if (is("read_short")) size = offset >= 1000 ? 0 : std::min<size_t>(size, 1000 - offset);
  return done(static_cast<int>(pread(descriptor_of(info), into, size, offset)));
}

int write_file(const char*, const char* from, size_t size, off_t offset, fuse_file_info* info) {
  if (is("short_write")) size = std::min<size_t>(size, 10'000);
  if (is("write_zero")) return 0;
  if (offset + static_cast<off_t>(size) > 65'536) {
    if (is("write_enospc")) return -ENOSPC;
    if (is("write_edquot")) return -EDQUOT;
  }
  return done(static_cast<int>(pwrite(descriptor_of(info), from, size, offset)));
}

int flush_file(const char*, fuse_file_info* info) {
  return is("flush_enospc") && (info->fh & kWrites) != 0 ? -ENOSPC : 0;
}

int release_file(const char*, fuse_file_info* info) { return done(close(descriptor_of(info))); }

int sync_file(const char*, int, fuse_file_info* info) {
  if (is("fsync_eio") || (is("fsync_eio_once") && first())) return -EIO;
  if (is("fsync_enospc")) return -ENOSPC;
  return done(fsync(descriptor_of(info)));
}

int sync_directory(const char* path, int, fuse_file_info*) {
  if (is("fsyncdir_einval")) return -EINVAL;
  const bool root = strcmp(path, "/") == 0;
  const bool deep = strchr(path + 1, '/') != nullptr;
  if (is("fsyncdir_eio") && deep) return -EIO;
  if (is("fsyncdir_all_eio") && !root) return -EIO;
  return is("fsyncdir_root_eio") && root ? -EIO : 0;
}

int open_directory(const char* path, fuse_file_info* info) {
  if (is("opendir_eacces")) return -EACCES;
  DIR* directory = opendir(real(path).c_str());
  if (directory == nullptr) return -errno;
  info->fh = reinterpret_cast<std::uint64_t>(directory);
  return 0;
}

int read_directory(const char*, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info* info,
                   fuse_readdir_flags) {
  if (is("readdir_eio")) return -EIO;
  auto* directory = reinterpret_cast<DIR*>(info->fh);
  rewinddir(directory);
  while (const dirent* entry = readdir(directory)) {
    struct stat about {};
    about.st_ino = entry->d_ino;
    about.st_mode = static_cast<mode_t>(DTTOIF(entry->d_type));
    fill(buffer, entry->d_name, is("no_types") ? nullptr : &about, 0, fuse_fill_dir_flags{});
  }
  return 0;
}

int release_directory(const char*, fuse_file_info* info) {
  return done(closedir(reinterpret_cast<DIR*>(info->fh)));
}

int set_times(const char* path, const timespec times[2], fuse_file_info*) {
  return done(utimensat(AT_FDCWD, real(path).c_str(), times, AT_SYMLINK_NOFOLLOW));
}

int truncate_file(const char* path, off_t size, fuse_file_info*) {
  return done(truncate(real(path).c_str(), size));
}

void* start(fuse_conn_info*, fuse_config* config) {
  // Nothing is remembered, and inodes are those of the backing file system: as with NFS, two names
  // of one file are seen to be one.
  config->use_ino = 1;
  config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
  config->hard_remove = 1;
  return nullptr;
}

fuse_operations operations() {
  fuse_operations all{};
  all.init = start;
  all.getattr = get_attributes;
  all.mkdir = make_directory;
  all.unlink = remove_file;
  all.rmdir = remove_directory;
  all.link = make_link;
  all.rename = rename_entry;
  all.open = open_file;
  all.create = create_file;
  all.read = read_file;
  all.write = write_file;
  all.flush = flush_file;
  all.release = release_file;
  all.fsync = sync_file;
  all.fsyncdir = sync_directory;
  all.opendir = open_directory;
  all.readdir = read_directory;
  all.releasedir = release_directory;
  all.utimens = set_times;
  all.truncate = truncate_file;
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 || std::find(std::begin(kFaults), std::end(kFaults), std::string_view(argv[1])) ==
                       std::end(kFaults)) {
    fprintf(stderr, "faultfs FAULT BACKING MOUNTPOINT; see kFaults\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // never outlives the test
  fault = argv[1];
  backing = argv[2];
  const auto all = operations();
  char foreground[] = "-f";
  char single[] = "-s";
  char* arguments[] = {argv[0], foreground, single, argv[3], nullptr};
  return fuse_main(4, arguments, &all, nullptr);
}
