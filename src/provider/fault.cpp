#include "provider/fault.hpp"

#include <algorithm>
#include <optional>

#include "base/reasons.hpp"
#include "base/try.hpp"

namespace snapvault::provider {
namespace {

// How many keys a stale list leaves out.
constexpr std::size_t kStaleMax = 4;

bool only_reads(Fault fault) noexcept {
  return fault == Fault::corrupt_read || fault == Fault::short_read;
}

Error error_of(Fault fault, bool put) {
  switch (fault) {
    case Fault::lost_before:
    case Fault::lost_after:
      if (put) return Error(Errc::outcome_unknown, reason::lost_answer, "injected: answer lost");
      break;
    case Fault::deadline:
      return Error(Errc::deadline_exceeded, reason::deadline, "injected: too late");
    case Fault::permission:
      return Error(Errc::permission_denied, reason::permission, "injected: not permitted");
    case Fault::no_space:
      return Error(Errc::resource_exhausted, reason::no_space, "injected: no space");
    default:
      break;
  }
  return Error(Errc::unavailable, reason::store_failed, "injected: unavailable");
}

}  // namespace

const char* to_string(Fault fault) noexcept {
  switch (fault) {
    case Fault::lost_before:
      return "lost_before";
    case Fault::lost_after:
      return "lost_after";
    case Fault::unavailable:
      return "unavailable";
    case Fault::deadline:
      return "deadline";
    case Fault::corrupt_read:
      return "corrupt_read";
    case Fault::short_read:
      return "short_read";
    case Fault::stale_list:
      return "stale_list";
    case Fault::permission:
      return "permission";
    case Fault::no_space:
      return "no_space";
  }
  return "?";
}

Result<std::shared_ptr<FaultProvider>> FaultProvider::wrap(std::shared_ptr<Provider> inner) {
  auto blocking = std::dynamic_pointer_cast<BlockingProvider>(std::move(inner));
  if (!blocking) {
    return Error(Errc::invalid_argument, reason::bad_argument,
                 "only the providers of this library can be made to fail");
  }
  return std::shared_ptr<FaultProvider>(new FaultProvider(std::move(blocking)));
}

void FaultProvider::arm(Fault fault, std::uint64_t first, bool for_ever) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  first_ = first;
  for_ever_ = for_ever;
  calls_ = 0;
  fired_ = 0;
}

std::uint64_t FaultProvider::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::uint64_t FaultProvider::fired() const {
  const std::lock_guard lock(mutex_);
  return fired_;
}

template <class Possible>
bool FaultProvider::next(Fault& fault, Possible possible) {
  const std::lock_guard lock(mutex_);
  ++calls_;
  fault = fault_;
  if ((for_ever_ ? calls_ < first_ : calls_ != first_) || !possible(fault_)) return false;
  ++fired_;
  return true;
}

// A call that changes nothing.
template <class T, class Call>
Result<T> FaultProvider::read(Call call) {
  Fault fault{};
  const auto possible = [](Fault f) {
    return !only_reads(f) && f != Fault::stale_list && f != Fault::no_space;
  };
  if (next(fault, possible)) return error_of(fault, false);
  return call();
}

Result<base::Bytes> FaultProvider::do_get(const GetRequest& request) {
  Fault fault{};
  const auto possible = [](Fault f) { return f != Fault::stale_list && f != Fault::no_space; };
  if (!next(fault, possible)) return inner_->get_now(request);
  if (!only_reads(fault)) return error_of(fault, false);
  SV_TRY(auto bytes, inner_->get_now(request));
  if (bytes.empty()) return bytes;
  if (fault == Fault::short_read) {
    bytes.pop_back();
  } else {
    const auto bit = calls() * 7919;  // another place each time
    bytes[bit / 8 % bytes.size()] ^= static_cast<std::byte>(1u << bit % 8);
  }
  return bytes;
}

Result<void> FaultProvider::do_put(const PutRequest& request) {
  Fault fault{};
  const auto possible = [](Fault f) { return !only_reads(f) && f != Fault::stale_list; };
  const bool fails = next(fault, possible);
  if (fails && fault != Fault::lost_after && fault != Fault::deadline) return error_of(fault, true);
  std::list<std::string> note{request.key};  // made now: nothing may fail once it is put
  const auto done = inner_->put_now(request);
  if (done) {
    const std::lock_guard lock(mutex_);
    newest_.splice(newest_.end(), note);
    if (newest_.size() > kStaleMax) newest_.pop_front();
  }
  if (fails) return error_of(fault, true);
  return done;
}

Result<ListPage> FaultProvider::do_list(const ListRequest& request) {
  Fault fault{};
  const auto possible = [](Fault f) { return !only_reads(f) && f != Fault::no_space; };
  if (!next(fault, possible)) return inner_->list_now(request);
  if (fault != Fault::stale_list) return error_of(fault, false);
  SV_TRY(auto page, inner_->list_now(request));
  const auto last = page.objects.empty() ? std::nullopt : std::optional(page.objects.back());
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(page.objects, [&](const ObjectInfo& object) {
      return std::find(newest_.begin(), newest_.end(), object.key) != newest_.end();
    });
  }
  // More follows only behind a key.
  if (page.truncated && page.objects.empty()) page.objects.push_back(*last);
  return page;
}

Result<void> FaultProvider::do_remove(const RemoveRequest& request) {
  Fault fault{};
  const auto possible = [](Fault f) {
    return !only_reads(f) && f != Fault::stale_list && f != Fault::no_space;
  };
  const bool fails = next(fault, possible);
  if (fails && fault != Fault::lost_after && fault != Fault::deadline) {
    return error_of(fault, false);
  }
  const auto done = inner_->remove_now(request);
  if (fails) return error_of(fault, false);
  return done;
}

Result<ObjectInfo> FaultProvider::do_stat(const StatRequest& request) {
  return read<ObjectInfo>([&] { return inner_->stat_now(request); });
}

Result<void> FaultProvider::do_sync(const RequestLimits& limits) {
  Fault fault{};
  const auto possible = [](Fault f) { return !only_reads(f) && f != Fault::stale_list; };
  if (next(fault, possible)) return error_of(fault, false);
  return inner_->sync_now(limits);
}

}  // namespace snapvault::provider
