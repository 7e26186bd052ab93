#!/usr/bin/env python3
"""Plants one defect after another in the engine and expects the property tests to find each.

    mutants.py BUILD [NAME...]

BUILD is a build directory of Ninja. A mutant is its program `property` with one text replaced in
one source file, which is compiled on the side with the flags of BUILD and linked in place of its
own object; nothing else changes. The program as it is must pass, each mutant must fail. A mutant
that survives, hangs, or whose text is gone from the source fails this test."""

import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 400
# Quick ones first: some histories, the fixed cases, all histories.
HISTORY = "--test-case=whatever happens to a volume*"
STAGES = [(HISTORY, "50"), ("--test-case-exclude=whatever happens to a volume*", "0"),
          (HISTORY, "1000")]

# name, file below src, text that stands there once, what takes its place
MUTANTS = [
    # What a backup reads and keeps.
    ("zeroed_block_kept_as_old", "engine/unit.cpp",
     "block.state = claim == Claim::hole ? BlockState::hole : BlockState::zero;",
     "block.state = claim == Claim::hole ? BlockState::hole : BlockState::zero;\n"
     "      if (const auto old = old_block(window, i); old.usable) keep_old(old, block);"),
    ("zeros_found_by_reading_kept_as_old", "engine/unit.cpp",
     "const bool was_empty = old.usable && old.state != BlockState::data;",
     "const bool was_empty = old.usable;"),
    ("tail_block_lost", "engine/backup.cpp",
     "unit.claims.resize((end - at + block - 1) / block, Claim::unknown);",
     "unit.claims.resize((end - at) / block, Claim::unknown);"),
    ("grown_tail_trusted", "engine/backup.cpp",
     "size() == old_size ? size() : common",
     "common > 0 && size() >= old_size ? size() : common"),
    ("cut_tail_trusted", "engine/backup.cpp",
     "size() == old_size ? size() : common / plan_.block_size * plan_.block_size;",
     "common;"),
    ("kept_run_one_leaf_too_long", "engine/backup.cpp",
     ": run.end / span * span;",
     ": base::round_up(run.end, span);"),
    ("parent_of_another_source", "engine/plan.cpp",
     "if (found && found->commit.manifest.source == options.source) {",
     "if (found) {"),
    ("refused_base_trusted", "engine/backup.cpp",
     "SV_CO_TRY(base, open_base());",
     "SV_CO_TRY(base, open_base());\n    base = true;"),
    # The audit.
    ("audit_skipped", "engine/backup.cpp",
     "if (!audited->passed) {",
     "if (!audited->passed && audit_failed_) {"),
    ("stale_samples_kept", "engine/audit.cpp",
     "inherited_.erase(inherited_.lower_bound(offset), inherited_.lower_bound(offset + length));",
     "(void)offset, (void)length;"),
    # Deduplication.
    ("id_of_a_part_of_the_block", "engine/unit.cpp",
     "window.workspace.ids(window.bytes(i));",
     "window.workspace.ids(window.bytes(i).first(std::min<std::size_t>(window.length(i), 512)));"),
    ("fingerprint_of_the_parent_not_compared", "engine/unit.cpp",
     "old.entry->fingerprint == block.fingerprint) {",
     "true) {"),
    ("duplicate_in_the_wrong_slot", "store/index.cpp",
     "  out.slot = at.slot;",
     "  out.slot = 0;"),
    ("damaged_frame_kept_from_the_parent", "engine/unit.cpp",
     "if (log.damaged.contains(pack, entry.place.start16) ||",
     "if ("),
    ("damaged_frame_reused", "store/pack_places.cpp",
     "{&repository_.log.damaged, &repository_.log.condemned}",
     "{&repository_.log.condemned}"),
    ("damaged_frame_in_a_kept_run", "engine/backup.cpp",
     "wide_ = base && log.damaged.empty() && log.condemned.empty() &&",
     "wide_ = base && log.condemned.empty() &&"),
    ("damaged_pack_adopted", "store/index.cpp",
     "reader.directory(id, true)",
     "reader.directory(id, false)"),
    # The map and what it refers to.
    ("refs_miscounted", "store/map_writer.cpp",
     "  if (in_pack(old)) book.add(old.pack, -1);\n  co_return false;",
     "  co_return false;"),
    ("old_node_put", "store/map_writer.cpp",
     "if (in_pack(old) && old.id == child.id && level",
     "if (in_pack(old) && level"),
    # Restore.
    ("hole_not_punched_on_a_dirty_target", "engine/target.cpp",
     "SV_CHECK(sink_.zero(rest.offset, step, true));",
     ""),
    ("in_place_skips_the_last_block", "engine/in_place.cpp",
     "if (segment.need) *segment.same = same;",
     "if (segment.need) *segment.same = same || i + 1 == last;"),
    ("range_restored_from_before_its_start", "engine/restore_plan.cpp",
     "  begin = std::max(begin, begin_);\n",
     ""),
    ("id_not_checked", "engine/fetcher.cpp",
     "options_.check_ids && opener.ids(bytes) != need.id;",
     "false && opener.ids(bytes) != need.id;"),
    ("fingerprint_not_checked", "engine/block_bytes.cpp",
     "if (codec::fingerprint(secret, bytes) == block.fingerprint) return bytes;",
     "(void)secret;\n    return bytes;"),
    ("damage_passed_over", "engine/fetcher.cpp",
     "if (!options_.keep_going) co_return lost_range(inside, why);",
     ""),
    # Verify.
    ("frames_of_a_broken_pack_not_tried", "engine/verify.cpp",
     "if (whole) SV_CO_CHECK(try_frames(pack));",
     ""),
    ("id_not_verified", "engine/verify.cpp",
     "if (ids(bytes) != block.id) {",
     "if (false) {"),
]


def commands_of(build):
    subprocess.run(["ninja", "-C", build, "property"], check=True)
    printed = subprocess.run(["ninja", "-C", build, "-t", "commands", "property"], check=True,
                             capture_output=True, text=True).stdout
    return [line for line in printed.splitlines() if line.strip()]


def mutated_text(mutant):
    _, name, old, new = mutant
    text = (ROOT / "src" / name).read_text()
    if text.count(old) != 1:
        raise RuntimeError(f"its text stands {text.count(old)} times in src/{name}")
    return text.replace(old, new)


def make(build, commands, mutant):
    """The property program with the defect in it, in a folder of its own."""
    source = ROOT / "src" / mutant[1]
    folder = Path(build) / "mutants" / mutant[0]
    folder.mkdir(parents=True, exist_ok=True)
    copy, mutated, program = folder / source.name, folder / "mutant.o", folder / "property"
    copy.write_text(mutated_text(mutant))
    compile_line = next(line for line in commands if f" -c {source}" in line)
    words = shlex.split(compile_line)
    object_file = words[words.index("-o") + 1]
    changes = {"-o": mutated, "-c": copy, "-MF": folder / "mutant.d", "-MT": mutated}
    for flag, value in changes.items():
        if flag in words:
            words[words.index(flag) + 1] = str(value)
    # What is left unused by a defect is not what this is about.
    run(words + ["-Wno-error"], build)
    link = [word for word in shlex.split(commands[-1]) if word not in (":", "&&")]
    if object_file not in link:
        raise RuntimeError(f"{object_file} is not linked into property")
    link = [str(mutated) if word == object_file else word for word in link]
    link[link.index("-o") + 1] = str(program)
    run(link, build)
    return program


def run(words, folder):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise RuntimeError(f"{words[0]} failed:\n{done.stderr}")


def fails(program):
    """None if the property tests pass, else what the first failure says."""
    for cases, histories in STAGES:
        environment = dict(os.environ, SNAPVAULT_HISTORIES=histories, SNAPVAULT_SEED="1")
        try:
            ran = subprocess.run([program, cases, "--abort-after=1"], capture_output=True,
                                 text=True, errors="replace", timeout=TIMEOUT_SECONDS,
                                 env=environment)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"no answer within {TIMEOUT_SECONDS} s") from None
        if re.search(r"test cases: +0 \|", ran.stdout):
            raise RuntimeError(f"no test is named by {cases}")
        if ran.returncode != 0:
            lines = [line.strip() for line in ran.stdout.splitlines()]
            said = [line for line in lines if re.match(r"logged:|.*(ERROR|FATAL)", line)]
            return said[-1] if said else f"exit status {ran.returncode}"
    return None


def judge(build, commands, mutant):
    """(whether it was found, one line about it)."""
    start = time.monotonic()
    try:
        program = make(build, commands, mutant)
        made = time.monotonic()
        why = fails(program)
        program.unlink()
    except (RuntimeError, StopIteration) as broken:
        return False, f"error: {mutant[0]}: {broken}"
    seconds = f"built in {made - start:.1f} s, {time.monotonic() - made:.1f} s"
    if why is None:
        return False, f"error: {mutant[0]} survived: {seconds}"
    return True, f"found {mutant[0]}: {seconds}: {why[:160]}"


def judge_original(build):
    try:
        why = fails(Path(build) / "tests/property")
    except RuntimeError as broken:
        why = broken
    return why is None, f"error: the original: {why}" if why else "the original passes"


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    build = os.path.realpath(sys.argv[1])
    chosen = [mutant for mutant in MUTANTS if not sys.argv[2:] or mutant[0] in sys.argv[2:]]
    commands = commands_of(build)
    passed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        work = [pool.submit(judge_original, build)]
        work += [pool.submit(judge, build, commands, mutant) for mutant in chosen]
        for judged in concurrent.futures.as_completed(work):
            is_good, line = judged.result()
            passed += is_good
            print(line, flush=True)
    print(f"{passed} passed, {len(work) - passed} failed")
    raise SystemExit(0 if passed == len(work) else 1)


if __name__ == "__main__":
    main()
