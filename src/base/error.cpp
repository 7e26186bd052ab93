#include <new>
#include <system_error>

#include <snapvault/result.hpp>

#include "base/reasons.hpp"
#include "base/try.hpp"

namespace snapvault {

struct Error::Detail {
  std::string message, hint, subject, request_id;
};

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::cancelled:
      return "cancelled";
    case Errc::invalid_argument:
      return "invalid_argument";
    case Errc::not_found:
      return "not_found";
    case Errc::already_exists:
      return "already_exists";
    case Errc::permission_denied:
      return "permission_denied";
    case Errc::unauthenticated:
      return "unauthenticated";
    case Errc::unavailable:
      return "unavailable";
    case Errc::outcome_unknown:
      return "outcome_unknown";
    case Errc::data_loss:
      return "data_loss";
    case Errc::aborted:
      return "aborted";
    case Errc::precondition_failed:
      return "precondition_failed";
    case Errc::deadline_exceeded:
      return "deadline_exceeded";
    case Errc::resource_exhausted:
      return "resource_exhausted";
    case Errc::unsupported:
      return "unsupported";
    case Errc::internal:
      return "internal";
  }
  return "internal";
}

Error::Error(Errc code, const char* reason, std::string_view message) noexcept
    : code_(code), reason_(reason) {
  edit(&Detail::message, message);
}

// Copies the shared record; without memory the text is dropped and the code and reason stay.
void Error::edit(std::string Detail::*field, std::string_view text) noexcept {
  try {
    auto detail = detail_ ? std::make_shared<Detail>(*detail_) : std::make_shared<Detail>();
    (*detail).*field = text;
    detail_ = std::move(detail);
  } catch (...) {
  }
}

std::string_view Error::message() const noexcept {
  return detail_ ? std::string_view(detail_->message) : "";
}
std::string_view Error::hint() const noexcept {
  return detail_ ? std::string_view(detail_->hint) : "";
}
std::string_view Error::subject() const noexcept {
  return detail_ ? std::string_view(detail_->subject) : "";
}
std::string_view Error::request_id() const noexcept {
  return detail_ ? std::string_view(detail_->request_id) : "";
}

Error&& Error::with_hint(std::string_view hint) && noexcept {
  edit(&Detail::hint, hint);
  return std::move(*this);
}
Error&& Error::with_subject(std::string_view subject) && noexcept {
  edit(&Detail::subject, subject);
  return std::move(*this);
}
Error&& Error::with_request_id(std::string_view id) && noexcept {
  edit(&Detail::request_id, id);
  return std::move(*this);
}
Error&& Error::with_native(int native) && noexcept {
  native_ = native;
  return std::move(*this);
}
Error&& Error::with_context(std::string_view context) && noexcept {
  try {
    std::string text(context);
    text.append(": ").append(message());
    edit(&Detail::message, text);
  } catch (...) {
  }
  return std::move(*this);
}

const char* Exception::what() const noexcept {
  const auto text = error_.message();
  return text.empty() ? error_.reason().data() : text.data();  // both end in NUL
}

Error base::error_from(std::exception_ptr failure) noexcept {
  try {
    std::rethrow_exception(std::move(failure));
  } catch (const std::bad_alloc&) {
    return Error(Errc::resource_exhausted, reason::no_memory, "out of memory");
  } catch (const Exception& wrapped) {
    return wrapped.error();
  } catch (const std::exception& other) {
    return Error(Errc::internal, reason::unexpected, other.what());
  } catch (...) {
    return Error(Errc::internal, reason::unexpected, "an unknown exception");
  }
}

}  // namespace snapvault
