// What a store on the network takes from its process, as a test gives it: variables, files,
// commands, a clock, and services that answer as the test says.
#pragma once

#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "provider/surroundings.hpp"
#include "unit/provider/exchange.hpp"
#include "unit/provider/scratch.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider {

inline wire::Response text_answer(int status, std::string_view text,
                                  std::vector<wire::Field> headers = {}) {
  auto out = answer_of(status, std::move(headers));
  out.body = bytes_of(text);
  return out;
}

inline std::string body_of(const wire::Request& request) {
  std::string out;
  for (const auto& part : request.body.parts()) out += base::as_text(*part);
  return out;
}

// A field of a form, decoded; or empty.
inline std::string form_field(const wire::Request& request, std::string_view name) {
  const auto body = "&" + body_of(request);
  const auto at = body.find("&" + std::string(name) + "=");
  if (at == std::string::npos) return {};
  const auto from = at + name.size() + 2;
  return wire::decode(body.substr(from, body.find('&', from) - from)).value_or("");
}

struct World {
  World() {
    transport->heeds_limits = false;
    transport->script = [this](const net::Exchange& exchange, std::size_t) {
      return answer(exchange);
    };
    variables["HOME"] = scratch.path();
  }

  Surroundings around() {
    Surroundings out;
    out.env = env;
    out.transport = transport;
    out.variable = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      if (found == variables.end()) return {};
      return found->second;
    };
    out.run = [this](const std::vector<std::string>& command) -> Result<std::string> {
      commands.push_back(command);
      return process;
    };
    out.options = options;
    return out;
  }
  // Its path.
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(scratch / name) << text;
    return scratch / name;
  }
  const net::Exchange& last() const { return transport->sent.back().exchange; }
  // Where requests went, in order.
  std::vector<std::string> asked() const {
    std::vector<std::string> out;
    for (const auto& one : transport->sent) {
      out.push_back(one.exchange.request.origin.url() + one.exchange.request.path);
    }
    return out;
  }

  Scratch scratch;
  std::shared_ptr<base::Env> env = base::make_virtual_env(3);  // begins at 2026-01-01
  std::shared_ptr<ScriptedTransport> transport = std::make_shared<ScriptedTransport>(*env);
  std::map<std::string, std::string> variables;
  std::vector<std::vector<std::string>> commands;
  Result<std::string> process = std::string();
  StoreOptions options;
  std::function<Result<wire::Response>(const net::Exchange&)> answer =
      [](const net::Exchange&) -> Result<wire::Response> { return unreachable(); };
};

inline constexpr std::int64_t kWorldBegins = 1767225600;  // 2026-01-01

}  // namespace snapvault::provider
