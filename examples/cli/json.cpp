#include "json.hpp"

#include <boost/json.hpp>

#include "command.hpp"
#include "text.hpp"

namespace cli {

namespace json = boost::json;

namespace {

json::object text_map(const std::map<std::string, std::string>& from) {
  json::object out;
  for (const auto& [key, value] : from) out[key] = value;
  return out;
}

json::array range_array(const std::vector<snapvault::ByteRange>& ranges) {
  json::array out;
  for (const auto& range : ranges) {
    out.push_back(json::object{{"offset", range.offset}, {"length", range.length}});
  }
  return out;
}

json::object traffic_object(const snapvault::Traffic& traffic) {
  return {{"gets", traffic.gets},
          {"puts", traffic.puts},
          {"lists", traffic.lists},
          {"removes", traffic.removes},
          {"stats", traffic.stats},
          {"bytes_up", traffic.bytes_up},
          {"bytes_down", traffic.bytes_down}};
}

json::object snapshot_object(const snapvault::SnapshotInfo& info) {
  json::object out;
  out["snapshot"] = info.id;
  out["name"] = info.name;
  out["source"] = info.source;
  out["kind"] = info.kind;
  out["parent"] = info.parent ? json::value(*info.parent) : json::value(nullptr);
  out["is_incremental"] = info.is_incremental;
  out["has_dependent_backups"] = info.has_dependents;
  out["crash_consistent"] = info.crash_consistent;
  out["status"] = "done";
  out["size"] = info.size;
  out["block_size"] = info.block_size;
  out["started"] = show_utc(info.started);
  out["finished"] = show_utc(info.finished);
  out["mode"] = info.mode;
  out["mode_reason"] = info.mode_reason;
  out["logical_bytes"] = info.logical_bytes;
  out["read_bytes"] = info.read_bytes;
  out["changed_bytes"] = info.changed_bytes;
  out["new_bytes"] = info.new_bytes;
  out["stored_bytes"] = info.stored_bytes;
  out["blocks"] = {{"total", info.blocks.total},
                   {"zero", info.blocks.zero},
                   {"unchanged", info.blocks.unchanged},
                   {"duplicate", info.blocks.duplicate},
                   {"new", info.blocks.fresh}};
  out["file_system"] = info.file_system;
  out["tags"] = text_map(info.tags);
  out["attributes"] = text_map(info.attributes);
  out["marked"] = range_array(info.marked);
  return out;
}

}  // namespace

std::string to_json(const std::string& what, const snapvault::Error& error) {
  json::object out;
  out["error"] = {{"what", what},
                  {"code", snapvault::to_string(error.code())},
                  {"reason", error.reason()},
                  {"message", error.message()},
                  {"hint", error.hint()},
                  {"subject", error.subject()},
                  {"request_id", error.request_id()},
                  {"native", error.native()}};
  return json::serialize(out);
}

std::string to_json(const snapvault::BackupReport& report) {
  auto out = snapshot_object(report.snapshot);
  out["dedup"] = report.dedup;
  out["requests"] = report.requests;
  out["traffic"] = traffic_object(report.traffic);
  out["pack_size"] = report.pack_size;
  out["audit_failed"] = report.audit_failed;
  out["audit_chance"] = report.audit_chance;
  out["warnings"] = json::value_from(report.warnings);
  out["seconds"] = report.seconds;
  return json::serialize(out);
}

std::string to_json(const snapvault::RestoreReport& report, const snapvault::SnapshotInfo& from) {
  json::object out;
  out["snapshot"] = from.id;
  out["source"] = from.source;
  out["size"] = from.size;
  out["block_size"] = from.block_size;
  out["file_system"] = from.file_system;
  out["attributes"] = text_map(from.attributes);
  out["bytes_total"] = report.bytes_total;
  out["written_bytes"] = report.written_bytes;
  out["zeroed_bytes"] = report.zeroed_bytes;
  out["unchanged_bytes"] = report.unchanged_bytes;
  out["fetched_bytes"] = report.fetched_bytes;
  out["frames"] = report.frames;
  out["gap_bytes"] = report.gap_bytes;
  out["requests"] = report.requests;
  out["traffic"] = traffic_object(report.traffic);
  out["marked"] = range_array(report.bad);
  out["seconds"] = report.seconds;
  return json::serialize(out);
}

std::string to_json(const snapvault::VerifyReport& report) {
  json::object out;
  out["clean"] = report.clean();
  out["snapshots"] = report.snapshots;
  out["packs"] = report.packs;
  out["nodes"] = report.nodes;
  out["frames"] = report.frames;
  out["blocks"] = report.blocks;
  out["bytes"] = report.bytes;
  out["requests"] = report.requests;
  out["traffic"] = traffic_object(report.traffic);
  json::array objects;
  for (const auto& object : report.objects) {
    objects.push_back(
        json::object{{"key", object.key}, {"reason", object.reason}, {"message", object.message}});
  }
  out["damaged_objects"] = std::move(objects);
  json::array affected;
  for (const auto& snapshot : report.affected) {
    affected.push_back(json::object{{"name", snapshot.name},
                                    {"unreadable", snapshot.unreadable},
                                    {"extents", range_array(snapshot.extents)}});
  }
  out["affected"] = std::move(affected);
  out["seconds"] = report.seconds;
  return json::serialize(out);
}

std::string to_json(const snapvault::SnapshotInfo& snapshot) {
  return json::serialize(snapshot_object(snapshot));
}

std::string to_json(const std::vector<snapvault::SnapshotInfo>& snapshots) {
  json::array out;
  for (const auto& snapshot : snapshots) out.push_back(snapshot_object(snapshot));
  return json::serialize(out);
}

std::string to_json(const snapvault::RepositoryInfo& info) {
  json::object out;
  out["id"] = info.id;
  out["url"] = info.url;
  out["format"] = info.format;
  out["weak"] = info.weak;
  out["weak_because"] = info.weak_because;
  out["no_passphrase"] = info.no_passphrase;
  out["read_only"] = info.read_only;
  json::array keys;
  for (const auto& key : info.keys) {
    keys.push_back(json::object{{"slot", key.slot}, {"kind", key.kind}, {"label", key.label}});
  }
  out["keys"] = std::move(keys);
  out["snapshots"] = info.snapshots;
  out["sources"] = info.sources;
  out["logical_bytes"] = info.logical_bytes;
  out["stored_bytes"] = info.stored_bytes;
  out["objects"] = info.objects;
  out["damaged_commits"] = info.damaged_commits;
  out["damaged_frames"] = info.damaged_frames;
  out["pack_size"] = info.pack_size;
  out["compression"] = info.compression;
  out["full_every"] = info.full_every;
  out["protect_parents"] = info.protect_parents;
  return json::serialize(out);
}

std::string to_json(const std::vector<snapvault::Finding>& findings) {
  json::array out;
  bool good = true;
  for (const auto& finding : findings) {
    good = good && finding.state != snapvault::Finding::State::bad;
    out.push_back(json::object{{"topic", finding.topic},
                               {"state", show_state(finding.state)},
                               {"detail", finding.detail},
                               {"hint", finding.hint}});
  }
  json::object all;
  all["good"] = good;
  all["findings"] = std::move(out);
  return json::serialize(all);
}

std::string to_json(const std::vector<snapvault::ByteRange>& ranges) {
  return json::serialize(range_array(ranges));
}

std::string to_json(const std::vector<snapvault::Extent>& extents) {
  json::array out;
  for (const auto& extent : extents) {
    const bool zero = has(extent.flags, snapvault::ExtentFlags::zero);
    const bool hole = has(extent.flags, snapvault::ExtentFlags::hole);
    out.push_back(json::object{{"offset", extent.offset},
                               {"length", extent.length},
                               {"zero", zero || hole},
                               {"hole", hole}});
  }
  return json::serialize(out);
}

std::string to_json(const snapvault::Progress& progress, const char* job) {
  using Phase = snapvault::Progress::Phase;
  const char* phase = "running";
  if (progress.phase == Phase::opening) phase = "opening";
  if (progress.phase == Phase::finishing) phase = "finishing";
  if (progress.phase == Phase::cancelling) phase = "cancelling";
  if (progress.phase == Phase::done) phase = "done";
  json::object out;
  out["job"] = job;
  out["phase"] = phase;
  out["bytes_total"] = progress.bytes_total;
  out["bytes_done"] = progress.bytes_done;
  out["new_bytes"] = progress.new_bytes;
  out["changed_bytes"] = progress.changed_bytes;
  out["unchanged_bytes"] = progress.unchanged_bytes;
  out["stored_bytes"] = progress.stored_bytes;
  out["seconds"] = progress.seconds;
  return json::serialize(out);
}

snapvault::Extent parse_extent(const std::string& line, std::size_t number) {
  const auto bad = [number](const char* why) {
    wrong_usage("--changed, line " + std::to_string(number) + ": " + why);
  };
  boost::system::error_code error;
  const auto value = json::parse(line, error);
  if (error || !value.is_object()) bad("not a JSON object");
  const auto& object = value.get_object();
  const auto field = [&](const char* name) -> std::uint64_t {
    const auto* found = object.if_contains(name);
    if (!found || !(found->is_int64() || found->is_uint64())) bad("offset and length are numbers");
    if (found->is_uint64()) return found->get_uint64();
    if (found->get_int64() < 0) bad("offset and length are not negative");
    return static_cast<std::uint64_t>(found->get_int64());
  };
  snapvault::Extent extent;
  extent.offset = field("offset");
  extent.length = field("length");
  extent.flags = snapvault::ExtentFlags::changed;
  if (const auto* zero = object.if_contains("zero")) {
    if (!zero->is_bool()) bad("zero is true or false");
    if (zero->get_bool()) extent.flags = extent.flags | snapvault::ExtentFlags::zero;
  }
  return extent;
}

}  // namespace cli
