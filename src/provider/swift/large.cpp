// Large objects of Swift: segments in a container beside, and a manifest that names them (SLO).
#include <algorithm>
#include <array>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/swift/store.hpp"
#include "wire/digest.hpp"

namespace snapvault::provider::swift {
namespace {

// Swift's documentation of the middleware "slo": the most segments of a manifest, by default.
constexpr std::uint64_t kSegmentsMax = 1000;
constexpr std::uint64_t kPartMin = 1u << 20;
constexpr std::uint64_t kSegmentsAtOnce = 4;
constexpr std::uint64_t kExpectFrom = 1u << 20;

}  // namespace

// What the store takes in one piece is learnt (DE-06). false: it cannot be less.
bool SwiftProvider::shrink_parts(std::uint64_t refused) noexcept {
  if (refused <= kPartMin) return false;
  part_size_ = std::min(part_size_, std::max(kPartMin, refused / 2));
  return true;
}

// A name of its own for each upload: what a broken one leaves is nobody else's.
std::string SwiftProvider::new_segments_prefix(const std::string& key) {
  std::array<std::byte, 8> random;
  env().random(random);
  return object_name(key) + "/" + base::hex(random) + "/";
}

base::Task<Result<void>> SwiftProvider::put_segment(const PutBody& piece,
                                                    wire::SwiftSegment& segment,
                                                    RequestLimits limits) {
  auto hashing = md5_of(piece);
  const auto md5 = co_await std::move(hashing);
  if (!md5) co_return md5.error();
  segment.etag = *md5;
  segment.size = piece.size();
  const auto slash = segment.path.find('/', 1);
  auto call =
      call_for("PUT", path_of(segment.path.substr(1, slash - 1), segment.path.substr(slash + 1)),
               segment.path);
  call.request.headers.add("Content-Type", "application/octet-stream");
  call.request.headers.add("ETag", *md5);
  call.request.body = piece;
  call.expect_continue = piece.size() >= kExpectFrom;
  auto asking = ask(std::move(call), std::move(limits));
  const auto answer = co_await std::move(asking);
  if (!answer) co_return answer.error();
  co_return Result<void>();
}

base::Task<Result<void>> SwiftProvider::put_segments(const PutRequest& request,
                                                     const std::vector<PutBody>& pieces,
                                                     std::vector<wire::SwiftSegment>& segments) {
  const auto prefix = new_segments_prefix(request.key);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    wire::SwiftSegment segment;
    segment.path =
        "/" + segments_container() + "/" + prefix + base::hex8(static_cast<std::uint32_t>(i));
    segments.push_back(std::move(segment));
  }
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      auto spawning = group.spawn(put_segment(pieces[i], segments[i], request.limits));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  auto putting = base::with_group(env().loop(), kSegmentsAtOnce, body);
  auto put = co_await std::move(putting);
  co_return put;
}

base::Task<Result<void>> SwiftProvider::put_manifest(
    const PutRequest& request, const std::vector<wire::SwiftSegment>& segments) {
  const auto text = wire::slo_manifest(segments);
  const auto bytes = base::as_bytes(text);
  auto call = object_call("PUT", request.key);
  call.request.query.push_back({"multipart-manifest", "put"});
  call.request.headers.add("Content-Type", "application/octet-stream");
  if (request.if_absent) call.request.headers.add("If-None-Match", "*");
  call.request.body = PutBody(base::Bytes(bytes.begin(), bytes.end()));
  call.conditional = request.if_absent;
  auto asking = ask(std::move(call), request.limits);
  const auto answer = co_await std::move(asking);
  if (!answer) co_return answer.error();
  co_return Result<void>();
}

// Not bound by the caller's limits, which may be why it is given up.
base::Task<void> SwiftProvider::drop_segments(const std::vector<wire::SwiftSegment>& segments,
                                              RequestLimits limits) {
  std::vector<std::string> paths;
  for (const auto& segment : segments) {
    const auto slash = segment.path.find('/', 1);
    paths.push_back(path_of(segment.path.substr(1, slash - 1), segment.path.substr(slash + 1)));
  }
  auto removing = remove_small(std::move(paths), std::move(limits));
  const auto removed = co_await std::move(removing);
  base::permit_unchecked(removed, "what stays takes room only, and is named after its object");
}

base::Task<Result<void>> SwiftProvider::put_large(const PutRequest& request) {
  const auto least = (request.body.size() + kSegmentsMax - 1) / kSegmentsMax;
  const auto size = std::max(part_size_, least);
  auto cut = [&request, size] { return wire::split(request.body, size); };
  auto cutting = base::run_on(env(), env().cpu(), cut);
  const auto pieces = co_await std::move(cutting);
  if (!segments_made_) {
    auto creating = create_container(segments_container(), request.limits);
    SV_CO_CHECK(std::move(creating));
    segments_made_ = true;
  }
  std::vector<wire::SwiftSegment> segments;
  auto putting = put_segments(request, pieces, segments);
  auto put = co_await std::move(putting);
  if (put) {
    auto finishing = put_manifest(request, segments);
    put = co_await std::move(finishing);
    // Where the manifest may be there its segments stay.
    if (put || put.error().code() == Errc::outcome_unknown) co_return put;
  }
  RequestLimits none;
  auto dropping = drop_segments(segments, std::move(none));
  co_await std::move(dropping);
  co_return put;
}

}  // namespace snapvault::provider::swift
