/* snapvault.h: back up volumes to object storage and restore them, from C.
 *
 * C99. This header is the manual; ABI.md says what stays the same from release to release.
 *
 * ERRORS. A function that can fail returns an sv_code, 0 (SV_OK) for success, and takes an
 * sv_error** last, which may be NULL. Else *error is overwritten: NULL on success, on failure an
 * error that the caller owns and frees with sv_error_free(), or NULL if there was no memory even
 * for that. Nothing is thread-local, nothing is printed, no C++ exception comes out. Every function
 * answers SV_INVALID_ARGUMENT to a NULL where no NULL may be, and SV_RESOURCE_EXHAUSTED without
 * memory; each lists its other expected codes.
 *
 * OWNERSHIP. What a function puts into *out belongs to the caller, who frees it with the type's one
 * _free function; *out is NULL on failure. Freeing NULL does nothing. What goes in is only read, is
 * copied where it is kept, and need not live longer than the call. Strings are UTF-8 and end at a
 * NUL. Members of structs that snapvault gives out live as long as the struct.
 *
 * STRUCTS. Options and tables of callbacks start with struct_size, are initialised with their
 * _INIT macro, and grow at the end: 0 or NULL in a member is its default. A caller newer than the
 * library is understood as long as the members that the library does not know are 0; else
 * SV_INVALID_ARGUMENT. Structs that snapvault gives out grow at the end too: a member is there if
 * it ends within struct_size. Flags of type int32_t mean yes if they are not 0.
 *
 * THREADS.
 *   sv_repository       any thread, any calls at once; freed after all of them returned
 *   sv_cancel           any thread, any calls at once; freed after all sv_cancel_request returned,
 *                       also while a job that was given it still runs
 *   sv_rates            any thread, any calls at once; freed after all sv_rates_set returned, also
 *                       while a job that was given it still runs
 *   sv_error, reports,
 *   sv_snapshot_list    immutable: any thread; freed once, when nobody reads them
 *   free functions      any thread
 * All functions block. No thread exists before the first sv_repository_init or _open; the library's
 * threads end with the last repository. After fork() a child may use none of its parent's handles
 * (SV_PRECONDITION_FAILED, reason forked).
 *
 * CALLBACKS run on library threads, never after the call they were given to returned. They may
 * block. They must neither call a function of the same repository that blocks (it answers
 * SV_INVALID_ARGUMENT, reason called_from_callback) nor leave by longjmp. Each is followed by, or
 * comes in a table followed by, the user_data that it is called with.
 */
#ifndef SNAPVAULT_H
#define SNAPVAULT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SV_API __attribute__((visibility("default")))
#else
#define SV_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version ------------------------------------------------------------------------------- */

/* The release this header belongs to, and as one number that can be compared. */
#define SV_VERSION_MAJOR 0
#define SV_VERSION_MINOR 1
#define SV_VERSION_PATCH 0
#define SV_VERSION_NUMBER (SV_VERSION_MAJOR * 1000000 + SV_VERSION_MINOR * 1000 + SV_VERSION_PATCH)

/* SV_VERSION_NUMBER of the library that is loaded. Any thread. */
SV_API int32_t sv_version_number(void);

/* The loaded library's version as text, such as "0.1.0". Static: it is never freed. Any thread. */
SV_API const char* sv_version_string(void);

/* ---- errors -------------------------------------------------------------------------------- */

/* What a caller can do about a failure. One of the values below; they are frozen, and a later
 * release may add some: treat an unknown one like SV_INTERNAL. */
typedef int32_t sv_code;

enum {
  SV_OK = 0,
  SV_CANCELLED = 1,            /* asked for by the caller */
  SV_INVALID_ARGUMENT = 2,     /* change the call */
  SV_NOT_FOUND = 3,            /* it is not there */
  SV_ALREADY_EXISTS = 4,       /* it is there already */
  SV_PERMISSION_DENIED = 5,    /* ask for more rights */
  SV_UNAUTHENTICATED = 6,      /* wrong or missing credential, key or passphrase */
  SV_UNAVAILABLE = 7,          /* try the same call again later */
  SV_OUTCOME_UNKNOWN = 8,      /* a write may have happened: look, then decide */
  SV_DATA_LOSS = 9,            /* bytes are missing, wrong or not authentic */
  SV_ABORTED = 10,             /* start the whole operation again */
  SV_PRECONDITION_FAILED = 11, /* change the state of things first; a repeat fails the same way */
  SV_DEADLINE_EXCEEDED = 12,   /* it took longer than allowed */
  SV_RESOURCE_EXHAUSTED = 13,  /* no memory, no space, no quota */
  SV_UNSUPPORTED = 14,         /* this build, store or source cannot do it */
  SV_INTERNAL = 15             /* a defect of snapvault: report it */
};

/* The frozen lower-case name of a code, such as "data_loss"; "ok" for 0, "unknown" for a number
 * that is no code. Static. Any thread. */
SV_API const char* sv_code_name(sv_code code);

/* One failure: immutable, owned by whoever was given it. */
typedef struct sv_error sv_error;

/* The code that the function returned, too. SV_OK for NULL. */
SV_API sv_code sv_error_code(const sv_error* error);

/* The following texts live as long as the error; none is ever NULL, and all are "" for a NULL
 * error. None holds a secret. */

/* A frozen slug to match on, such as "wrong_passphrase": the same in C++ and on the command line.
 */
SV_API const char* sv_error_reason(const sv_error* error);

/* One sentence that a person can act on; may be "". */
SV_API const char* sv_error_message(const sv_error* error);

/* What to try next, or "". */
SV_API const char* sv_error_hint(const sv_error* error);

/* The object, path or source concerned, or "". */
SV_API const char* sv_error_subject(const sv_error* error);

/* errno of the failed system call or the HTTP status; 0 if there was none. */
SV_API int32_t sv_error_native(const sv_error* error);

/* The id by which whoever runs the store finds the request in its logs, or "". */
SV_API const char* sv_error_request_id(const sv_error* error);

/* Frees an error and its texts. */
SV_API void sv_error_free(sv_error* error);

/* ---- cancelling and progress --------------------------------------------------------------- */

/* Asks jobs to stop. One may be given to several jobs; once requested it stays so. */
typedef struct sv_cancel sv_cancel;

/* Makes one that is not requested yet. */
SV_API sv_code sv_cancel_create(sv_cancel** out, sv_error** error);

/* Asks every job that was given `cancel`, now or later, to stop: it returns SV_CANCELLED soon, or
 * its result if it was done by then. Does not wait; runs the interrupt callbacks of the jobs. Any
 * thread and any callback, but no signal handler. NULL does nothing. */
SV_API void sv_cancel_request(sv_cancel* cancel);

/* Frees it. Jobs that were given it go on and can no longer be stopped by it. */
SV_API void sv_cancel_free(sv_cancel* cancel);

/* Where a job is. */
enum {
  SV_PHASE_OPENING = 0,
  SV_PHASE_RUNNING = 1,
  SV_PHASE_FINISHING = 2,
  SV_PHASE_CANCELLING = 3,
  SV_PHASE_DONE = 4 /* the last report, whether the job succeeded or not */
};

/* How far a job is. Given to a callback, and valid until it returns. */
typedef struct sv_progress {
  size_t struct_size;
  uint32_t phase;           /* SV_PHASE_ */
  uint32_t reserved;        /* 0 */
  uint64_t bytes_total;     /* to be looked at */
  uint64_t bytes_done;      /* never falls, never above bytes_total */
  uint64_t new_bytes;       /* backup: to be stored, before compression */
  uint64_t changed_bytes;   /* backup: found to differ; restore: written */
  uint64_t unchanged_bytes; /* found as they were */
  uint64_t stored_bytes;    /* backup: uploaded; restore: fetched */
  double seconds;           /* since the job began */
} sv_progress;

/* Called from a library thread, one call at a time for a job, about every progress_period_ms and
 * once with SV_PHASE_DONE. Not 0: stop, and the job returns SV_CANCELLED unless it was done. */
typedef int32_t (*sv_progress_fn)(const sv_progress* progress, void* user_data);

/* ---- rates --------------------------------------------------------------------------------- */

/* Bounds on one job, or on all jobs together that are given the same sv_rates. 0: no bound. */
typedef struct sv_rate_limits {
  size_t struct_size;
  uint64_t upload;   /* bytes a second to the store */
  uint64_t download; /* bytes a second from the store */
  uint64_t read;     /* bytes a second from sources */
  uint64_t requests; /* to the store, a second */
} sv_rate_limits;

#define SV_RATE_LIMITS_INIT \
  { sizeof(sv_rate_limits), 0, 0, 0, 0 }

/* Rates that can be changed while the jobs that were given them run. */
typedef struct sv_rates sv_rates;

/* Makes rates. `limits` may be NULL: no bounds yet. */
SV_API sv_code sv_rates_create(const sv_rate_limits* limits, sv_rates** out, sv_error** error);

/* Changes them, at once and for all jobs that were given them. */
SV_API sv_code sv_rates_set(sv_rates* rates, const sv_rate_limits* limits, sv_error** error);

/* Frees them. Jobs that were given them go on with what was set last. */
SV_API void sv_rates_free(sv_rates* rates);

/* ---- sources and sinks --------------------------------------------------------------------- */

/* What the callbacks of this section answer: SV_OK, or the code that suits. A code of a source or
 * sink comes back from the job, with reason source_failed or target_failed and the callback's name
 * in the message. SV_CANCELLED comes back as it is; a number that is no code is SV_UNAVAILABLE, and
 * a C++ exception SV_ABORTED. */

/* A range of a volume, in bytes. */
typedef struct sv_range {
  uint64_t offset;
  uint64_t length;
} sv_range;

/* Filled in by the info callback. The library sets it to 0 first. It never grows: members come out
 * of `reserved`. The strings are copied when the callback returns. */
typedef struct sv_block_info {
  uint64_t size;            /* bytes; constant while a job runs. A sink: what it holds now */
  uint32_t io_optimal;      /* preferred length of one read or write; 0: 256 KiB */
  uint32_t max_concurrency; /* calls of read or write that may run at once; 0: 16 */
  int32_t in_use;           /* somebody may be writing to it now */
  int32_t reads_zero;       /* a sink: what is not written reads as zeros, as in a new file */
  const char* in_use_by;    /* who, for the message; may be NULL */
  const char* file_system;  /* such as "ext4"; kept with the snapshot; may be NULL */
  uint64_t reserved[8];     /* 0 */
} sv_block_info;

/* What is known of an extent. ZERO and HOLE both mean that it reads as zeros; HOLE adds that
 * nothing is allocated. CHANGED and UNCHANGED are against the base that open_base accepted; neither
 * means unknown. To report too much as changed is always harmless. */
enum { SV_EXTENT_ZERO = 1, SV_EXTENT_HOLE = 2, SV_EXTENT_CHANGED = 4, SV_EXTENT_UNCHANGED = 8 };

/* What the ranges between the extents of one answer mean. */
enum { SV_GAPS_UNKNOWN = 0, SV_GAPS_ZERO = 1, SV_GAPS_UNCHANGED = 2 };

/* One extent. Its layout is frozen. */
typedef struct sv_extent {
  uint64_t offset;   /* bytes */
  uint64_t length;   /* bytes, not 0 */
  uint32_t flags;    /* SV_EXTENT_ bits; others are an error */
  uint32_t reserved; /* 0 */
} sv_extent;

/* The most bytes of a token. */
#define SV_TOKEN_MAX 4096

/* A volume to back up, as a table of callbacks, which must be there where not marked optional. At
 * most max_concurrency calls of read run at once; interrupt comes at any time; the others one at a
 * time. */
typedef struct sv_source {
  size_t struct_size;

  /* Says what the volume is. Called first. */
  sv_code (*info)(void* user_data, sv_block_info* out);

  /* Fills all `length` bytes of `into` from `offset`; the range lies inside the volume. Tried again
   * before a failure counts. */
  sv_code (*read)(void* user_data, uint64_t offset, void* into, size_t length);

  /* Optional. What is known of [offset, offset + length): up to `capacity` extents inside it,
   * rising and not overlapping, and how many in *count. The answer speaks for [offset, *covered_to)
   * with its gaps, which mean *gaps (SV_GAPS_); *covered_to must be above `offset`. */
  sv_code (*extents)(void* user_data, uint64_t offset, uint64_t length, sv_extent* out,
                     size_t capacity, size_t* count, uint64_t* covered_to, uint32_t* gaps);

  /* Optional. Sets *accepted to 1 if extents will answer CHANGED and UNCHANGED against the state in
   * which `token` was taken, else leaves 0: then the volume is scanned. Called once, before
   * extents, with the token kept in the parent snapshot. */
  sv_code (*open_base)(void* user_data, const void* token, size_t length, int32_t* accepted);

  /* Optional. Names the state being read, for a later open_base: at most `capacity` (SV_TOKEN_MAX)
   * bytes into `out`, and how many in *length. 0 bytes: no name. */
  sv_code (*token)(void* user_data, void* out, size_t capacity, size_t* length);

  /* Optional. Asks calls that are running to return early with SV_CANCELLED. From any thread, at
   * once with any other callback. */
  void (*interrupt)(void* user_data);
} sv_source;

#define SV_SOURCE_INIT \
  { sizeof(sv_source), NULL, NULL, NULL, NULL, NULL, NULL }

/* A volume to restore to, as a table of callbacks, which must be there where not marked optional.
 * At most max_concurrency calls of write and read run at once; interrupt comes at any time; the
 * others one at a time. */
typedef struct sv_sink {
  size_t struct_size;

  /* Says what the sink holds now. Called first. */
  sv_code (*info)(void* user_data, sv_block_info* out);

  /* Makes room for `bytes`. Called once, before any write. SV_PRECONDITION_FAILED: it cannot (comes
   * back with reason target_too_small). */
  sv_code (*resize)(void* user_data, uint64_t bytes);

  /* Writes all `length` bytes at `offset`. */
  sv_code (*write)(void* user_data, uint64_t offset, const void* data, size_t length);

  /* After success the range reads as zeros, whatever was there. may_trim: it may be deallocated. */
  sv_code (*zero)(void* user_data, uint64_t offset, uint64_t length, int32_t may_trim);

  /* Makes everything written so far as durable as it gets. */
  sv_code (*flush)(void* user_data);

  /* Optional; needed for in_place. Reads back what is there. */
  sv_code (*read)(void* user_data, uint64_t offset, void* into, size_t length);

  /* Optional. Called exactly once, last: complete is 1 after flush, 0 if the restore failed. */
  sv_code (*finish)(void* user_data, int32_t complete);

  /* Optional. As in sv_source. */
  void (*interrupt)(void* user_data);
} sv_sink;

#define SV_SINK_INIT \
  { sizeof(sv_sink), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/* ---- repositories -------------------------------------------------------------------------- */

/* An open repository. Keeps its key in memory until it is freed. */
typedef struct sv_repository sv_repository;

/* How a repository is made. Exactly one of passphrase, raw_key and no_passphrase. */
typedef struct sv_init_options {
  size_t struct_size;
  const char* passphrase;  /* or NULL */
  const uint8_t* raw_key;  /* 32 random bytes, or NULL */
  int32_t no_passphrase;   /* keep the key in the repository: no protection against readers */
  uint32_t full_every;     /* every n-th backup of a source is full; 0: 7; SV_FULL_NEVER */
  uint64_t pack_size;      /* bytes, 1 to 512 MiB; 0: 32 MiB */
  const char* compression; /* "none", "zstd:1" to "zstd:19"; NULL: "zstd:3" */
  int32_t protect_parents; /* refuse to delete a snapshot that is a parent */
  uint32_t reserved;       /* 0 */
  /* since 1.1 */
  int32_t create_bucket; /* make the bucket or container of the address if it is not there */
  uint32_t reserved_2;   /* 0 */
} sv_init_options;

#define SV_FULL_NEVER UINT32_MAX
#define SV_INIT_OPTIONS_INIT \
  { sizeof(sv_init_options), NULL, NULL, 0, 0, 0, NULL, 0, 0, 0, 0 }

/* What a handle may do. */
enum { SV_ACCESS_DEFAULT = 0, SV_ACCESS_READ = 1, SV_ACCESS_APPEND = 2, SV_ACCESS_MANAGE = 3 };

/* How a repository is opened. One of passphrase and raw_key, or none if it was made without. */
typedef struct sv_open_options {
  size_t struct_size;
  const char* passphrase; /* or NULL */
  const uint8_t* raw_key; /* 32 bytes, or NULL */
  uint32_t access;        /* SV_ACCESS_; default: append */
  uint32_t reserved;      /* 0 */
} sv_open_options;

#define SV_OPEN_OPTIONS_INIT \
  { sizeof(sv_open_options), NULL, NULL, 0, 0 }

/* Makes a repository at `url` ("file:///path", a path, "memory:NAME" in this process,
 * "s3://bucket/prefix", "azure://container/prefix", "gs://bucket/prefix" or
 * "swift://container/prefix", with options behind a '?' as README.md, "Stores", has them) and opens
 * it for manage. No secret stands in a URL: credentials come from the environment. Durable on
 * success; nothing is left behind on failure, but perhaps the bucket.
 * Errors: SV_ALREADY_EXISTS (repository_exists), SV_INVALID_ARGUMENT (bad_url, key_required,
 * bad_pack_size, bad_compression), SV_UNAUTHENTICATED (no_credential, bad_credential,
 * expired_credential, clock_skew), SV_NOT_FOUND (no_bucket), SV_PERMISSION_DENIED,
 * SV_PRECONDITION_FAILED (tls, wrong_region), SV_UNAVAILABLE. */
SV_API sv_code sv_repository_init(const char* url, const sv_init_options* options,
                                  sv_repository** out, sv_error** error);

/* Opens the repository at `url`. `options` may be NULL: no key, append.
 * Errors: SV_NOT_FOUND (not_a_repository, no_bucket), SV_UNAUTHENTICATED (wrong_passphrase,
 * wrong_key, key_required, and those of a store), SV_UNSUPPORTED (newer_format),
 * SV_PRECONDITION_FAILED (tls, wrong_region), SV_UNAVAILABLE. */
SV_API sv_code sv_repository_open(const char* url, const sv_open_options* options,
                                  sv_repository** out, sv_error** error);

/* Closes a repository, after every call with it returned. Waits for its threads. Lists and reports
 * that came from it stay valid. Not from a callback. */
SV_API void sv_repository_free(sv_repository* repository);

/* ---- snapshots ----------------------------------------------------------------------------- */

/* What is known of one snapshot. Part of a list or report and freed with it. */
typedef struct sv_snapshot_info {
  size_t struct_size;
  const char* id;          /* 32 hex digits */
  const char* name;        /* SOURCE-ID: what to restore it by */
  const char* source;      /* [cluster/]name */
  const char* kind;        /* "volume" */
  const char* parent;      /* id, or NULL for a full backup */
  const char* mode;        /* how changes were found, such as "changed" or "scan" */
  const char* mode_reason; /* why not better, or "" */
  const char* file_system; /* such as "ext4", or "" */
  int32_t is_incremental;
  int32_t has_dependents;    /* another snapshot names it as parent */
  int32_t crash_consistent;  /* the source was in use */
  uint32_t block_size;       /* bytes */
  uint64_t size;             /* of the volume, bytes */
  int64_t started, finished; /* seconds since 1970-01-01 UTC, the writer's clock */
  uint64_t logical_bytes, read_bytes, changed_bytes, new_bytes, stored_bytes;
  const sv_range* marked; /* unreadable when it was taken; NULL if none */
  size_t marked_count;
} sv_snapshot_info;

/* Snapshots as they were when they were listed; newest first. Immutable. */
typedef struct sv_snapshot_list sv_snapshot_list;

/* Which snapshots to list. */
typedef struct sv_list_options {
  size_t struct_size;
  const char* source; /* exactly this one; NULL: all */
  int64_t since;      /* finished at or after, in seconds since 1970-01-01 UTC */
  uint64_t limit;     /* at most so many; 0: all */
} sv_list_options;

#define SV_LIST_OPTIONS_INIT \
  { sizeof(sv_list_options), NULL, 0, 0 }

/* Lists snapshots; `options` may be NULL: all. Those whose record is damaged are left out.
 * Errors: SV_UNAVAILABLE. */
SV_API sv_code sv_repository_list(sv_repository* repository, const sv_list_options* options,
                                  sv_snapshot_list** out, sv_error** error);

/* How many there are; 0 for NULL. */
SV_API size_t sv_snapshot_list_count(const sv_snapshot_list* list);

/* The index-th, from 0, or NULL behind the last. Lives as long as the list. */
SV_API const sv_snapshot_info* sv_snapshot_list_at(const sv_snapshot_list* list, size_t index);

/* Frees a list and all that is in it. */
SV_API void sv_snapshot_list_free(sv_snapshot_list* list);

/* ---- backup -------------------------------------------------------------------------------- */

/* Which backup to make. */
enum {
  SV_BACKUP_AUTOMATIC = 0,    /* incremental, every full_every-th full */
  SV_BACKUP_INCREMENTAL = 1,  /* fails without a parent */
  SV_BACKUP_FULL = 2,         /* reads everything, trusts no earlier fingerprint */
  SV_BACKUP_FULL_PHYSICAL = 3 /* and shares no stored data with earlier snapshots */
};

/* What to back up as what. `source` is needed. */
typedef struct sv_backup_options {
  size_t struct_size;
  const char* source;          /* [cluster/]name of the volume */
  const char* parent;          /* a snapshot's name; NULL: the latest of the source */
  const char* compression;     /* NULL: the repository's */
  uint32_t mode;               /* SV_BACKUP_ */
  uint32_t block_size;         /* a power of two, 4 KiB to 4 MiB; 0: the parent's or 64 KiB */
  int32_t force;               /* also if it is in use; then it is crash_consistent */
  int32_t mark_unreadable;     /* go on past unreadable ranges and mark them */
  sv_cancel* cancel;           /* or NULL */
  sv_progress_fn on_progress;  /* or NULL */
  void* progress_data;         /* user_data of on_progress */
  uint32_t progress_period_ms; /* 0: 500 */
  uint32_t reserved;           /* 0 */
  sv_rates* rates;             /* since 1.1; or NULL: no bounds */
} sv_backup_options;

#define SV_BACKUP_OPTIONS_INIT \
  { sizeof(sv_backup_options), NULL, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, NULL }

/* What a backup did. */
typedef struct sv_backup_report {
  size_t struct_size;
  const sv_snapshot_info* snapshot; /* the new one */
  uint64_t requests;                /* to the store */
  double seconds;
  int32_t audit_failed; /* the source hid changes: everything was read */
  uint32_t reserved;
  const char* const* warnings; /* slugs such as "source_busy"; NULL if none */
  size_t warning_count;
  /* Since 1.1: what the job cost. `requests` is the sum of the first five. */
  uint64_t gets, puts, lists, removes, stats;
  uint64_t syncs; /* of a local store; no request of another one */
  uint64_t bytes_up, bytes_down;
} sv_backup_report;

/* Backs up the volume that `source` reads. When this succeeds the snapshot is durable and listed;
 * else there is none. `report` may be NULL, and so is *report after a success if there was no
 * memory for it. user_data is passed to each callback. Errors: SV_PRECONDITION_FAILED (source_busy,
 * no_parent), SV_INVALID_ARGUMENT (bad_name, bad_block_size, bad_extent_page), SV_CANCELLED,
 * SV_UNAVAILABLE and the codes of the callbacks (source_failed), SV_PERMISSION_DENIED (access),
 * SV_ABORTED (session_aborted). */
SV_API sv_code sv_repository_backup(sv_repository* repository, const sv_source* source,
                                    void* user_data, const sv_backup_options* options,
                                    sv_backup_report** report, sv_error** error);

/* The same of the image file or block device at `path`. Holes are not read.
 * Errors: besides those, SV_NOT_FOUND, SV_PERMISSION_DENIED, SV_INVALID_ARGUMENT (not_a_volume). */
SV_API sv_code sv_repository_backup_path(sv_repository* repository, const char* path,
                                         const sv_backup_options* options,
                                         sv_backup_report** report, sv_error** error);

/* Frees a report and its snapshot. */
SV_API void sv_backup_report_free(sv_backup_report* report);

/* ---- restore ------------------------------------------------------------------------------- */

/* What to restore and how. `snapshot` is needed. */
typedef struct sv_restore_options {
  size_t struct_size;
  const char* snapshot;        /* SOURCE@latest, SOURCE@latest~N, SOURCE-ID or 6 digits of an id */
  sv_range range;              /* only this, at the same offsets; length 0: all */
  int32_t in_place;            /* write only what differs; also goes on with what was interrupted */
  int32_t overwrite;           /* to a path: replace what is there; not with in_place */
  int32_t check_ids;           /* recompute block ids too; costs about half as much again */
  int32_t keep_going;          /* go on past damage: success, and the bad ranges in the report */
  sv_cancel* cancel;           /* or NULL */
  sv_progress_fn on_progress;  /* or NULL */
  void* progress_data;         /* user_data of on_progress */
  uint32_t progress_period_ms; /* 0: 500 */
  uint32_t reserved;           /* 0 */
  sv_rates* rates;             /* since 1.1; or NULL: no bounds */
} sv_restore_options;

#define SV_RESTORE_OPTIONS_INIT \
  { sizeof(sv_restore_options), NULL, {0, 0}, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, NULL }

/* What a restore did. */
typedef struct sv_restore_report {
  size_t struct_size;
  uint64_t bytes_total;     /* of the volume or range */
  uint64_t written_bytes;   /* data written */
  uint64_t zeroed_bytes;    /* punched, zeroed or known to be zero */
  uint64_t unchanged_bytes; /* in place: already right */
  uint64_t fetched_bytes;   /* from the store */
  uint64_t requests;        /* to the store */
  double seconds;
  const sv_range* bad; /* not restored: damaged, or unreadable when backed up; NULL if none */
  size_t bad_count;
  /* Since 1.1: what the job cost. `requests` is the sum of the first five. */
  uint64_t gets, puts, lists, removes, stats;
  uint64_t syncs; /* of a local store; no request of another one */
  uint64_t bytes_up, bytes_down;
} sv_restore_report;

/* Writes a snapshot to `sink`. When this succeeds flush and finish(1) succeeded: the bytes are as
 * durable as the sink makes them. Nothing unchecked is ever written. `report` and user_data as in
 * sv_repository_backup.
 * Errors: SV_NOT_FOUND (no_snapshot), SV_INVALID_ARGUMENT (ambiguous_name, bad_name), SV_DATA_LOSS
 * (see keep_going), SV_PRECONDITION_FAILED (target_too_small), SV_CANCELLED (again with in_place to
 * go on), SV_UNAVAILABLE and the codes of the callbacks (target_failed). */
SV_API sv_code sv_repository_restore(sv_repository* repository, const sv_sink* sink,
                                     void* user_data, const sv_restore_options* options,
                                     sv_restore_report** report, sv_error** error);

/* The same to the file or block device at `path`. A file appears whole under its name in the end,
 * and is durable; until then it is PATH.partial, which in_place goes on with.
 * Errors: besides those, SV_ALREADY_EXISTS (target_exists), SV_PRECONDITION_FAILED (target_busy),
 * SV_RESOURCE_EXHAUSTED (no_space), SV_PERMISSION_DENIED. */
SV_API sv_code sv_repository_restore_path(sv_repository* repository, const char* path,
                                          const sv_restore_options* options,
                                          sv_restore_report** report, sv_error** error);

/* Frees a report. */
SV_API void sv_restore_report_free(sv_restore_report* report);

#ifdef __cplusplus
}
#endif

#endif /* SNAPVAULT_H */
