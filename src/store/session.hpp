// Session: one writer's way from begin to commit, without locks. Design: format-and-protocol,
// section 4; src/format/FORMAT.md restates it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/sources.hpp"

namespace snapvault::store {

// Loop only, but for salt(), which the loop calls too. Single use.
class Session {
 public:
  // Puts `.begin`, which pins the parent, then reads the log. A parent that is condemned is
  // dropped: parent() is then empty. Draws the session id and its random. Errors: permission_denied
  // (access: the repository is read-only), those of the provider.
  static base::Task<Result<std::unique_ptr<Session>>> begin(provider::Client& client,
                                                            Repository& repository,
                                                            std::string source,
                                                            const SourceListing& listing,
                                                            std::optional<Snapshot> parent);

  const SnapshotName& name() const noexcept { return name_; }
  const format::SessionId& id() const noexcept { return name_.session; }
  const std::string& source() const noexcept { return source_; }
  const std::optional<Snapshot>& parent() const noexcept { return parent_; }
  std::optional<Snapshot>& parent() noexcept { return parent_; }

  // A salt that never repeats, for the next object of this session.
  std::array<std::byte, 24> salt();

  // Notes that the session refers to a pack that is neither its own nor the parent's: then refs may
  // not be inline.
  void reuses(const format::PackId& pack) { (void)pack, foreign_ = true; }

  // Writes refs (inline only if small and nothing foreign), reads the log once more, and puts the
  // commit register. Packs of `refs` that the log condemns meanwhile: aborted (session_aborted),
  // the caller starts over. A lost answer is settled by reading. When this succeeds the snapshot is
  // durable and listed; `cancelled` means that it will never be there: a stop during the put is
  // settled too. Sets the manifest's stored_bytes and requests. Errors: aborted (session_aborted:
  // ABORT won the register).
  base::Task<Result<void>> commit(provider::Client& client, Repository& repository,
                                  format::Manifest manifest, format::InlineNodes nodes,
                                  format::Refs refs);

 private:
  Session() = default;
  base::Task<Result<void>> put_begin(provider::Client& client, const Repository& repository);
  base::Task<Result<void>> place_refs(provider::Client& client, const Repository& repository,
                                      format::Refs refs, format::Commit& commit);
  base::Task<Result<void>> check_log(provider::Client& client, Repository& repository,
                                     const format::Refs& refs);
  base::Task<Result<void>> settle_stopped(provider::Client& client, const Repository& repository,
                                          std::string key, PutBody body);

  SnapshotName name_;
  std::string source_;
  std::optional<Snapshot> parent_;
  codec::Key random_;
  base::Env* env_ = nullptr;
  std::uint64_t objects_ = 0;
  bool foreign_ = false;
};

}  // namespace snapvault::store
