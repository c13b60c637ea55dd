# SPDX-License-Identifier: MIT
"""objects.py - the rules that only the compiler can answer, read from the object files of a build.

`writable-state`: no writable object of static storage (tables.WRITABLE lists the accepted ones).
`external-name`: what harness/ and fixtures/ export begins with wg_ (tables.EXTERNAL lists the rest).
`sqlite-text`: no object of ours contains the text by which the probe knows SQLite (known.h).

A constant table with pointers lies in .data.rel.ro, which the loader makes read-only: allowed. Sections with names of
their own (Criterion's registry of tests) are not data of ours. Reads `objdump -t`; needs a build without sanitizers,
which add state of their own.
"""
import json
import os
import re
import subprocess

import tables

WRITABLE_SECTION = re.compile(r"^(\.data(?!\.rel\.ro)|\.bss|\.tdata|\.tbss|\*COM\*)")
SYMBOL = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+)\s+(?:\.hidden |\.internal |\.protected )?(\S+)$")
SQLITE_TEXT = b"-mj%06X9%02X"
RULES = (
    ("writable-state", "no writable objects of static storage"),
    ("external-name", "external names of harness and fixtures begin with wg_"),
    ("sqlite-text", "no text by which the probe knows SQLite"),
)


def objects(root, build):
    """Yields (object file, source relative to the root) of what has been compiled."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        rows = json.load(file)
    for row in rows:
        path = os.path.join(row["directory"], row["output"])
        source = os.path.relpath(os.path.join(row["directory"], row["file"]), root)
        if os.path.exists(path) and source.endswith(".c") and not source.startswith(".."):
            yield path, source


def symbols(path):
    """Yields (flags, section, size, name) of one object file."""
    done = subprocess.run(["objdump", "-t", path], stdout=subprocess.PIPE, check=True, text=True)
    for line in done.stdout.splitlines():
        match = SYMBOL.match(line)
        if match:
            flags, section, size, name = match.groups()
            yield flags, section, int(size, 16), name


def excused(table, source, name):
    return any(re.fullmatch(row[0], source) and re.fullmatch(row[1], name) for row in table)


def check_object(path, source):
    for flags, section, size, name in symbols(path):
        plain = re.sub(r"\.\d+$", "", name)  # name.123 is a static of a function
        if "O" in flags and size > 0 and WRITABLE_SECTION.match(section):
            if not excused(tables.WRITABLE, source, plain):
                yield "writable-state", source, 1, f"'{plain}' is writable state ({section}, {size} bytes)"
        exported = flags[0] in "gu" and section != "*UND*"
        if exported and source.startswith(("harness/", "fixtures/")) and not plain.startswith("wg_"):
            if not excused(tables.EXTERNAL, source, plain):
                yield "external-name", source, 1, f"'{plain}' is visible to every other file; it needs wg_ or static"
    with open(path, "rb") as file:
        if SQLITE_TEXT in file.read():
            text = SQLITE_TEXT.decode()
            yield "sqlite-text", source, 1, f"with '{text}' in it the probe takes a program for SQLite"


def check(root, build):
    """Yields (rule id, path, line, message) over every object of a build directory."""
    seen = set()
    for path, source in objects(root, build):
        for finding in check_object(path, source):
            if finding not in seen:
                seen.add(finding)
                yield finding
