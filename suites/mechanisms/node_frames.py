#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""node_frames.py - the JavaScript frames of the probe are those that V8 names itself, and taking them changes nothing.

    node_frames.py [--all] WALGRIND ADDON [NODE...]    ADDON: addon.c, built; NODE: programs to try, `node` by default

frames.cjs deletes databases in JavaScript of every kind and asks V8, right after, where it was: the innermost frame
must be the same, those around it too but for functions that V8 has compiled, of which the probe knows the beginning
alone; with the flags of COMPILING that is so everywhere. storm.cjs does as much as it can at which frames are taken,
in each of ENDS, and while V8 does what a row of FLAGS asks of it: it must end as it does without the probe, without a
finding. What an addon deletes while V8 collects garbage has no frames of JavaScript. --all has more rounds. Exit code
77 when there is no Node. To add one: a row.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from common import CANNOT, traced_deletions

HERE = os.path.dirname(os.path.abspath(__file__))
FRAMES_MAX = 16  # the probe keeps as many
BEGINS = " (begins)"
BAD_OPTION = 9  # exit code of Node
PLAIN = (("--expose-gc",), ("--no-short-builtin-calls",), ("--jitless",))
COMPILING = (("--always-sparkplug",), ("--interpreted-frames-native-stack",))
COLLECT = ("gc();", "const list = []; for (let i = 0; i < 3000000; i++) list[i % 10] = { i };")
COMPILED = re.compile(r"(worker-)?(compiled|hot|replaced\d+)\.db")  # places in functions that V8 may have compiled
ENDS = ("return", "exit", "throw", "terminate", "worker-exit")
FLAGS = ((), ("--stress-compaction",), ("--stress-scavenge=50",), ("--gc-interval=500",), ("--stress-flush-code",),
         ("--stress-incremental-marking", "--max-semi-space-size=1"), ("--always-sparkplug",), ("--always-turbofan",),
         ("--always-opt",), ("--maglev", "--no-lazy-feedback-allocation"), ("--jitless",),
         ("--interpreted-frames-native-stack",), ("--stress-lazy-source-positions",), ("--no-short-builtin-calls",))


def same(got, wanted):
    """A frame of the probe is V8's, or begins the same function of the same file before it."""
    if not got.endswith(BEGINS):
        return got == wanted
    place, function = got[:-len(BEGINS)].split(" ", 1)
    file, line = place.rsplit(":", 1)
    return wanted.startswith(file + ":") and wanted.endswith(" " + function) and line.isdecimal() and \
        int(line) <= int(wanted[len(file) + 1:].split(" ")[0])


def compare(found, expected, compiling):
    for name, wanted in expected.items():
        got = [frame for frame in found.get(name, [[]])[0] if not frame.startswith("node:")]
        wanted = wanted[:FRAMES_MAX - 1]
        exact = got and (got[0] == wanted[0] or compiling or COMPILED.fullmatch(name))
        # What is compiled at once calls some functions through C++, where the walk ends.
        whole = len(got[:FRAMES_MAX - 1]) == len(wanted) or (got and compiling)
        if not exact or not whole or not all(map(same, got, wanted)):
            yield f"{name}: V8 says {wanted}, the probe {found.get(name)}"


def places(walgrind, node, flags):
    """Checks what is said of frames.cjs."""
    with tempfile.TemporaryDirectory(prefix="walgrind-frames-") as place:
        done = subprocess.run([walgrind, "exec", f"--output={place}/record", "--", node, *flags,
                               os.path.join(HERE, "frames.cjs")], cwd=place, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=120)
        if done.returncode == BAD_OPTION:
            return
        if done.returncode != 0:
            yield f"exit code {done.returncode}: {done.stderr[-1000:]}"
            return
        with open(os.path.join(place, "expected.json"), encoding="utf-8") as file:
            expected = json.load(file)
        if len(expected) < 50:
            yield f"only {len(expected)} places"
        yield from compare(traced_deletions(walgrind, os.path.join(place, "record")), expected, flags in COMPILING)


def collected(walgrind, node, addon, collect):
    """Checks what is said of a deletion by the collector."""
    program = f"""const fs = require("node:fs");
        fs.writeFileSync("collected.db", Buffer.concat([Buffer.from("SQLite format 3\\0"), Buffer.alloc(4080)]));
        (() => {{ require({json.dumps(addon)})(); }})();
        (function collect() {{ {collect} }})();
        process.exit(fs.existsSync("collected.db") ? 1 : 0);"""
    with tempfile.TemporaryDirectory(prefix="walgrind-frames-") as place:
        record = os.path.join(place, "record")
        done = subprocess.run([walgrind, "exec", f"--output={record}", "--", node, "--no-warnings", "--expose-gc", "-e",
                               program], cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=120)
        if done.returncode != 0:
            yield f"nothing was collected: {done.stderr[-1000:]}"
        if traced_deletions(walgrind, record) != {"collected.db": [[]]}:
            yield f"the collector has no frames, not {traced_deletions(walgrind, record)}"


def end_of(command, place):
    os.makedirs(place)
    done = subprocess.run(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=300)
    return done.returncode, done.stdout, done.stderr[-1000:]


def storm(walgrind, node, flags, end, rounds):
    """Checks what is said of storm.cjs."""
    command = [node, "--no-warnings", "--expose-gc", *flags, os.path.join(HERE, "storm.cjs"), end, str(rounds)]
    with tempfile.TemporaryDirectory(prefix="walgrind-frames-") as place:
        alone = end_of(command, os.path.join(place, "alone"))
        if alone[0] == BAD_OPTION:
            return
        record = os.path.join(place, "record")
        probed = end_of([walgrind, "exec", f"--output={record}", "--", *command], os.path.join(place, "probed"))
        if probed[:2] != alone[:2]:
            yield f"ends as {probed}, without the probe as {alone}"
        with open(os.path.join(record, "findings.json"), encoding="utf-8") as file:
            found = json.load(file)["findings"]
        if found:
            yield f"a false alarm, {[finding['id'] for finding in found]}"
        yield from unnamed(traced_deletions(walgrind, record), rounds)


def unnamed(found, rounds):
    """What storm.cjs deletes, files() does; a WAL goes with its connection, which close() ends or the collector."""
    for name, deletions in found.items():
        function = "database" if name.endswith("-wal") else "files"
        for frames in deletions:
            named = any(re.search(rf"/storm\.cjs:\d+ {function}\b", frame) for frame in frames)
            if not named and (frames or function == "files"):
                yield f"the deletion of {name} is by {function}(), not {frames}"
    if len(found) < rounds:
        yield f"only {len(found)} files were deleted"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("walgrind", type=os.path.abspath)
    parser.add_argument("addon", type=os.path.abspath)
    parser.add_argument("nodes", nargs="*", default=["node"])
    options = parser.parse_args()
    if not all(shutil.which(node) for node in options.nodes):
        print(f"no {options.nodes}")
        sys.exit(CANNOT)
    problems = []
    for node in options.nodes:
        node = shutil.which(os.path.abspath(node) if "/" in node else node)
        rows = [("places", flags, places(options.walgrind, node, flags)) for flags in (*PLAIN, *COMPILING)]
        rows += [("collected", (), collected(options.walgrind, node, options.addon, how)) for how in COLLECT]
        rounds = 200 if options.all else 6
        rows += [(end, (), storm(options.walgrind, node, (), end, rounds)) for end in ENDS]
        rows += [("return", flags, storm(options.walgrind, node, flags, "return", rounds)) for flags in FLAGS[1:]]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(lambda row: list(row[2]), rows)
            for (what, flags, _), found in zip(rows, results):
                problems += [f"{node} {' '.join(flags)} {what}: {problem}" for problem in found]
        print(f"{node}: {len(rows)} rows")
    for problem in problems:
        print(f"FAIL {problem}")
    sys.exit(1 if problems else 0)


main()
