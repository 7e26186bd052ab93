// Resumable uploads of Google Cloud Storage: one piece after the other, and after a failure from
// where the store says that it is. Source:
// cloud.google.com/storage/docs/performing-resumable-uploads.
#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/gcs/store.hpp"
#include "wire/digest.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider::gcs {
namespace {

constexpr std::uint64_t kQuantum = 256u << 10;  // all pieces but the last are multiples of it
// Times that the store may say that it has no more than before.
constexpr unsigned kStandstillsMax = 8;

// The upload's id out of the session's URL. Nothing else of that URL is used: requests go to the
// endpoint that was named, and no credential follows a Location.
std::string upload_id(std::string_view location) {
  auto query = location.substr(std::min(location.find('?'), location.size()));
  if (!query.empty()) query.remove_prefix(1);
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto part = query.substr(0, end);
    query.remove_prefix(end == query.npos ? query.size() : end + 1);
    constexpr std::string_view kName = "upload_id=";
    if (!part.starts_with(kName)) continue;
    const auto id = wire::decode(part.substr(kName.size()));
    constexpr std::size_t kIdMax = 1024;
    return id && id->size() <= kIdMax ? *id : std::string();
  }
  return {};
}

// How many bytes the store has: "bytes=0-524287", or no field at all.
std::optional<std::uint64_t> received(const wire::Response& answer) {
  const auto text = answer.headers.get("Range");
  if (text.empty()) return 0;
  constexpr std::string_view kStart = "bytes=0-";
  if (!text.starts_with(kStart)) return {};
  const auto last = wire::parse_number(text.substr(kStart.size()));
  if (!last || *last == UINT64_MAX) return {};
  return *last + 1;
}

bool is_passing(const Error& error) noexcept {
  return error.code() == Errc::unavailable || error.code() == Errc::outcome_unknown ||
         (error.code() == Errc::data_loss && error.reason() == reason::bad_answer);
}

}  // namespace

base::Task<Result<std::string>> GcsStore::begin_upload(const PutRequest& request,
                                                       std::string_view crc) {
  auto call = upload_call(request, "resumable");
  const auto json = wire::gcs_object_json(settings_.prefix + request.key, crc);
  const auto bytes = base::as_bytes(json);
  call.request.body = PutBody(base::Bytes(bytes.begin(), bytes.end()));
  call.request.headers.set("Content-Type", "application/json; charset=UTF-8");
  call.request.headers.set("X-Upload-Content-Type", "application/octet-stream");
  call.request.headers.set("X-Upload-Content-Length", std::to_string(request.body.size()));
  auto sending = exchanger_.send(std::move(call), request.limits);
  const auto answer = co_await std::move(sending);
  if (!answer) co_return answer.error();
  auto id = upload_id(answer->headers.get("Location"));
  if (id.empty()) co_return bad_answer(*answer, "the store began no upload", request.key);
  co_return id;
}

base::Task<Result<wire::Response>> GcsStore::send_piece(const PutRequest& request,
                                                        const std::string& session,
                                                        std::uint64_t offset,
                                                        const PutBody& piece) {
  auto call = upload_call(request, "resumable");
  call.request.method = "PUT";
  call.request.query.push_back({"upload_id", session});
  const auto end = offset + piece.size(), size = request.body.size();
  call.request.headers.set("Content-Range", "bytes " + std::to_string(offset) + "-" +
                                                std::to_string(end - 1) + "/" +
                                                std::to_string(size));
  call.request.body = piece;
  // The last piece makes the object.
  call.conditional = request.if_absent && end == size;
  auto sending = exchanger_.send(std::move(call), request.limits);
  auto answer = co_await std::move(sending);
  co_return answer;
}

base::Task<Result<wire::Response>> GcsStore::ask_upload(const PutRequest& request,
                                                        const std::string& session) {
  auto call = upload_call(request, "resumable");
  call.request.method = "PUT";
  call.request.query.push_back({"upload_id", session});
  call.request.headers.set("Content-Range", "bytes */" + std::to_string(request.body.size()));
  auto sending = exchanger_.send(std::move(call), request.limits);
  auto answer = co_await std::move(sending);
  co_return answer;
}

base::Task<Result<void>> GcsStore::put_in_pieces(PutRequest request, std::string crc,
                                                 std::uint64_t piece_size) {
  auto beginning = begin_upload(request, crc);
  SV_CO_TRY(const auto session, std::move(beginning));
  const auto step = std::max(kQuantum, piece_size / kQuantum * kQuantum);
  const auto size = request.body.size();
  std::uint64_t offset = 0;
  for (unsigned standstills = 0; standstills <= kStandstillsMax;) {
    const auto length = std::min(step, size - offset);
    auto cut = [&] { return wire::slice(request.body, offset, length); };
    auto cutting = base::run_on(env(), env().cpu(), cut);
    const auto piece = co_await std::move(cutting);
    auto sending = send_piece(request, session, offset, piece);
    auto answer = co_await std::move(sending);
    if (!answer) {
      if (!is_passing(answer.error())) co_return std::move(answer).error();
      // What was lost may have arrived.
      auto asking = ask_upload(request, session);
      auto asked = co_await std::move(asking);
      if (!asked) co_return std::move(answer).error();
      answer = std::move(asked);
    }
    if (answer->status != 308) co_return check_kept(*answer, request.body, crc, request.key);
    const auto there = received(*answer);
    if (!there || *there > size || *there < offset) {
      co_return bad_answer(*answer, "the store forgot a part of the upload", request.key);
    }
    standstills = *there == offset ? standstills + 1 : 0;
    offset = *there;
    if (offset == size) {
      // All is there, but the store has not said that it is an object.
      auto asking = ask_upload(request, session);
      SV_CO_TRY(const auto last, std::move(asking));
      if (last.status != 308) co_return check_kept(last, request.body, crc, request.key);
      co_return bad_answer(last, "the store does not end the upload", request.key);
    }
  }
  co_return Error(Errc::unavailable, reason::store_failed, "the upload makes no progress")
      .with_subject(request.key);
}

}  // namespace snapvault::provider::gcs
