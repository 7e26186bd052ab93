// Every reason slug, in one place: frozen names that C++, C, JSON and the command line share.
// One only exists if a caller could react to it. To add one: append it here and use it.
#pragma once

namespace snapvault::reason {

// asked for
inline constexpr const char* cancelled = "cancelled";
// the call
inline constexpr const char* bad_argument = "bad_argument";
inline constexpr const char* bad_url = "bad_url";
inline constexpr const char* bad_name = "bad_name";
inline constexpr const char* bad_block_size = "bad_block_size";
inline constexpr const char* bad_pack_size = "bad_pack_size";
inline constexpr const char* called_from_callback = "called_from_callback";
inline constexpr const char* forked = "forked";
inline constexpr const char* access = "access";  // opened for less
inline constexpr const char* range = "range";
// the repository
inline constexpr const char* not_a_repository = "not_a_repository";
inline constexpr const char* repository_exists = "repository_exists";
inline constexpr const char* newer_format = "newer_format";
inline constexpr const char* wrong_passphrase = "wrong_passphrase";
inline constexpr const char* wrong_key = "wrong_key";
inline constexpr const char* key_required = "key_required";  // none was given
inline constexpr const char* key_callback = "key_callback";
inline constexpr const char* no_snapshot = "no_snapshot";
inline constexpr const char* ambiguous_name = "ambiguous_name";
inline constexpr const char* last_key = "last_key";  // nobody could open it any more
inline constexpr const char* log_full = "log_full";
inline constexpr const char* has_dependents = "has_dependents";
// stored bytes
inline constexpr const char* not_authentic = "not_authentic";
inline constexpr const char* bad_format = "bad_format";
inline constexpr const char* bad_compression = "bad_compression";
inline constexpr const char* fingerprint_mismatch = "fingerprint_mismatch";
inline constexpr const char* id_mismatch = "id_mismatch";
inline constexpr const char* object_missing = "object_missing";
inline constexpr const char* bad_extents = "bad_extents";  // ranges that cannot be restored
// sessions
inline constexpr const char* session_aborted = "session_aborted";
inline constexpr const char* base_lost = "base_lost";
inline constexpr const char* no_parent = "no_parent";
inline constexpr const char* source_busy = "source_busy";  // in use, and no force
inline constexpr const char* weak_store = "weak_store";
// sources and targets
inline constexpr const char* not_a_volume = "not_a_volume";
inline constexpr const char* source_failed = "source_failed";
inline constexpr const char* source_changed_size = "source_changed_size";
inline constexpr const char* bad_extent_page = "bad_extent_page";
inline constexpr const char* target_exists = "target_exists";
inline constexpr const char* target_busy = "target_busy";
inline constexpr const char* target_too_small = "target_too_small";
inline constexpr const char* target_failed = "target_failed";
// the store and the system
inline constexpr const char* no_object = "no_object";
inline constexpr const char* object_exists = "object_exists";
inline constexpr const char* store_failed = "store_failed";
inline constexpr const char* no_space = "no_space";
inline constexpr const char* read_only = "read_only";
inline constexpr const char* permission = "permission";
inline constexpr const char* no_path = "no_path";
inline constexpr const char* system = "system";
inline constexpr const char* no_memory = "no_memory";
inline constexpr const char* deadline = "deadline";
inline constexpr const char* list_incomplete = "list_incomplete";
inline constexpr const char* lost_answer = "lost_answer";
// the network and a store on it
inline constexpr const char* unreachable = "unreachable";        // nothing reached a server
inline constexpr const char* tls = "tls";                        // certificate, or no TLS there
inline constexpr const char* bad_answer = "bad_answer";          // no HTTP, no XML, too large
inline constexpr const char* busy = "busy";                      // 429, 503: too much to do
inline constexpr const char* no_credential = "no_credential";    // none was found
inline constexpr const char* bad_credential = "bad_credential";  // refused, or cannot be read
inline constexpr const char* expired_credential = "expired_credential";
inline constexpr const char* clock_skew = "clock_skew";
inline constexpr const char* wrong_region = "wrong_region";
inline constexpr const char* no_bucket = "no_bucket";
inline constexpr const char* too_large = "too_large";    // for one request of this store
inline constexpr const char* unexpected = "unexpected";  // a defect of ours

}  // namespace snapvault::reason
