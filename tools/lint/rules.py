# SPDX-License-Identifier: MIT
"""rules.py - the rules over source text, one row each.

A rule is an id, one sentence that says what must hold, the kinds of files it reads (see sources.KINDS), and a function
that yields (line, message) for each break. `project` is a Project.

To add a rule: write its function, add its row to RULES, and give it a sample that breaks it and one that keeps it in
selftest.py; the self-test fails for a rule without both.
"""
import os
import re
from collections import namedtuple

import tables

Rule = namedtuple("Rule", "id what kinds check")
Project = namedtuple("Project", "paths texts")  # all paths, and the texts of the documents

C = ("c", "h")
PROGRAMS = ("c", "h", "python", "shell", "meson")
TEXTS = PROGRAMS + ("markdown", "sql")

INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"\n]+)[>\"]", re.M)


def call_pattern(names):
    """A call of one of the functions: not a member, not part of a longer name."""
    return re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(sorted(names)))


def arguments(code, start):
    """The text between the bracket at `start` and the one that closes it."""
    depth = 0
    for end in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        if depth == 0:
            return code[start + 1 : end]
    return code[start + 1 :]


def longest_row(path, rows):
    found = [row for row in rows if path.startswith(row[0])]
    return max(found, key=lambda row: len(row[0]), default=None)


def includes(source):
    return source.matches(INCLUDE, source.no_comments)


def check_direction(source, _project):
    row = longest_row(source.path, tables.DIRECTIONS)
    if row is None:
        yield 1, "no row of tables.DIRECTIONS says what this directory may include"
        return
    for line, match in includes(source):
        target = match.group(2)
        at_home = longest_row(target, tables.DIRECTIONS) is row
        if match.group(1) == '"' and not at_home and not target.startswith(row[1]):
            yield line, f"{row[0]} may not include {target}; it sees {', '.join(row[1]) or 'only itself'}"


def check_library(source, _project):
    row = longest_row(source.path, tables.DIRECTIONS)
    if row is None or "*" in row[2]:
        return
    for line, match in includes(source):
        target = match.group(2)
        if match.group(1) != "<":
            continue
        if "c" in row[2]:
            if target not in tables.C_STANDARD_HEADERS:
                yield line, f"{row[0]} includes headers of the C standard only, not <{target}>"
            continue
        for prefix, library in tables.LIBRARIES:
            if target.startswith(prefix) and library not in row[2]:
                yield line, f"{row[0]} may not use {library}"


def check_include_root(source, _project):
    tops = ("harness/", "fixtures/", "suites/", "tools/")
    for line, match in includes(source):
        target = match.group(2)
        if match.group(1) == '"' and (not target.startswith(tops) or "/../" in target):
            yield line, f'"{target}" does not start at the project root'
        if match.group(1) == "<" and target.startswith(tops):
            yield line, f"<{target}> is ours: use quotation marks"


def check_own_header(source, project):
    own = source.path[:-2] + ".h"
    if own not in project.paths:
        return
    for line, match in includes(source):
        if match.group(2) != own:
            yield line, f'the first include must be "{own}"'
        return
    yield 1, f'"{own}" is not included'


def check_guard(source, _project):
    name = re.sub(r"[^A-Z0-9]", "_", os.path.basename(source.path).upper())
    match = re.search(r"#ifndef (\w+)\n#define (\w+)\n", source.code)
    if not match or match.group(1) != match.group(2):
        yield 1, f"no include guard; expected WG_..._{name}"
    elif not re.fullmatch(f"WG_(\\w+_)?{name}", match.group(1)):
        yield source.line_at(match.start()), f"the guard is {match.group(1)}, expected WG_..._{name}"


def check_spdx(source, _project):
    if source.kind == "markdown":
        return
    line = 2 if source.lines[0].startswith("#!") else 1
    if len(source.lines) < line or "SPDX-License-Identifier: MIT" not in source.lines[line - 1]:
        yield line, "the first line must be the SPDX-License-Identifier"


def check_head(source, project):
    """Scripts open with 'name - what it is', C files with a comment beyond the licence (not needed beside a header)."""
    if source.kind in C:
        if source.kind == "c" and source.path[:-2] + ".h" in project.paths:
            return
        head = source.text[: len(source.text) - len(re.sub(r"\A(\s*/\*.*?\*/)+", "", source.text, flags=re.S))]
        if len(re.findall(r"[a-z]{2,}", head.replace("License-Identifier", ""))) < 3:
            yield 2, "no head comment: say what the file is"
        return
    name = os.path.basename(source.path)
    head = "\n".join(source.lines[1:6])
    if not re.search(r"(^|[\s*#\"/])%s - \S" % re.escape(name), head):
        yield 2, f"no head comment: expected '{name} - what it is' behind the SPDX line"


BANNED = call_pattern(tables.BANNED_CALLS)


def check_banned(source, _project):
    for line, match in source.matches(BANNED):
        name = match.group(1)
        yield line, f"{name}() is not used here: {tables.BANNED_CALLS[name]}"


CLOEXEC = call_pattern(tables.CLOEXEC_CALLS)
FOPEN = re.compile(r"(?<![\w.>])(?:fopen|fdopen|freopen)\s*\([^;]*?,\s*\"([^\"\n]*)\"")


def check_cloexec(source, _project):
    for line, match in source.matches(CLOEXEC):
        flag = tables.CLOEXEC_CALLS[match.group(1)]
        if flag not in arguments(source.code, match.end() - 1):
            yield line, f"{match.group(1)}() without {flag}"
    for line, match in source.matches(FOPEN, source.no_comments):
        if "e" not in match.group(1):
            yield line, f'stream opened with "{match.group(1)}": add "e" (close on exec)'


PRINTS = call_pattern(tables.PRINT_CALLS)
STREAM_PRINTS = re.compile(
    r"(?<![\w.>])(?:v?fprintf\s*\(\s*(?:stdout|stderr)\b|fput[sc]\s*\([^;]*\b(?:stdout|stderr)\b)"
)


def check_print(source, _project):
    if source.path.startswith(tables.PRINTERS):
        return
    for pattern in (PRINTS, STREAM_PRINTS):
        for line, _match in source.matches(pattern):
            yield line, f"only {', '.join(tables.PRINTERS)} print; give an error or an event instead"


TYPEDEF = re.compile(r"\btypedef\s+(?:const\s+)?(?:struct|union)\b[^;(]*[;{]")


def check_typedef(source, _project):
    for line, _match in source.matches(TYPEDEF):
        yield line, "structs are named 'struct wg_x', never typedef'd"


GOTO = re.compile(r"\bgoto\s+(\w+)")


def check_goto(source, _project):
    for line, match in source.matches(GOTO):
        if match.group(1) != "out":
            yield line, f"goto {match.group(1)}: the only label is a forward 'out:'"
        elif not re.search(r"^out:", source.code[match.end() : source.code.find("\n}", match.end())], re.M):
            yield line, "goto out must jump forward within its function"


def check_function_length(source, _project):
    opened = None
    for number, line in enumerate(source.code.split("\n"), 1):
        if line.startswith("{"):
            opened = number
        elif line.startswith("}") and opened:
            length = number - opened - 1
            if length > tables.FUNCTION_LINES_MAX:
                yield opened, f"function of {length} lines; at most {tables.FUNCTION_LINES_MAX}"
            opened = None


def check_file_length(source, _project):
    length = source.text.count("\n")
    if length > tables.FILE_LINES_MAX:
        yield length, f"file of {length} lines; at most {tables.FILE_LINES_MAX}"


def check_line_length(source, _project):
    for number, line in enumerate(source.lines, 1):
        if len(line) > tables.LINE_COLUMNS_MAX:
            yield number, f"line of {len(line)} columns; at most {tables.LINE_COLUMNS_MAX}"


MARK = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b")


def check_mark(source, _project):
    for line, match in source.matches(MARK, source.text):
        yield line, f"{match.group(1)}: do it, or say in the docs that it is not there"


DEAD_STATEMENT = re.compile(
    r"^[\s/*]{0,6}(?:(?:if|for|while|switch) ?\(.*\)\s*[{;]?|return\b[^.]*;|[\w.\->\[\]*]+\s*(?:=|\+=|-=)[^=].*;|"
    r"[a-z_]\w*\([^)]*\);|[{}])\s*(?:\*/)?$"
)


def check_dead_code(source, _project):
    for line, _match in source.matches(re.compile(r"^[ \t]*#[ \t]*if[ \t]+0\b", re.M)):
        yield line, "code behind '#if 0': delete it, git remembers"
    for first, comment in source.comments:
        for offset, text in enumerate(comment.split("\n")):
            text = re.sub(r"^\s*(?:/\*|//|\*(?!/))", "", text)
            if not text.startswith("     ") and DEAD_STATEMENT.match(text):
                yield first + offset, "looks like commented-out code (examples are indented by four more spaces)"


def check_line_comment(source, _project):
    for line, comment in source.comments:
        if comment.startswith("//"):
            yield line, "comments are /* */"


def check_whitespace(source, _project):
    for number, line in enumerate(source.lines, 1):
        if "\t" in line:
            yield number, "tab"
        if line != line.rstrip():
            yield number, "space at the end of the line" if not line.endswith("\r") else "carriage return"
    if source.text and not source.text.endswith("\n"):
        yield len(source.lines), "no newline at the end"
    if source.text.endswith("\n\n"):
        yield len(source.lines), "empty line at the end"


MACHINE_PATH = re.compile(r"(?<![\w.$}/])/(?:%s)/[\w.]" % "|".join(tables.MACHINE_ROOTS))
FIXED_TEMPORARY = re.compile(r"(?<![\w.])/tmp/(?!\S*(?:XXXXXX|[*$%{<]))[\w.-]+")


def check_machine_path(source, _project):
    for line, _match in source.matches(MACHINE_PATH, source.text):
        yield line, "a path of one machine"
    for line, _match in source.matches(FIXED_TEMPORARY, source.text):
        yield line, "a fixed name in /tmp: make a directory with mkdtemp"


DOCUMENT = re.compile(r"(?<![\w/.-])((?:\.\./)*(?:[\w-]+/)*[\w-]+\.md)\b")


def check_document(source, project):
    for line, match in source.matches(DOCUMENT, source.text):
        cited = match.group(1)
        near = os.path.normpath(os.path.join(os.path.dirname(source.path), cited))
        if not {cited, "docs/" + cited, near} & project.paths:
            yield line, f"{cited} is cited and does not exist"


ISSUE = re.compile(r"(?:(?<![\w&\[(/])#\d+\b(?!\s*(?:define|if))|\b[Ii]ssue\s+#?\d+)")


def check_issue_number(source, _project):
    if source.kind in C:
        texts = source.comments
    else:
        texts = list(enumerate(source.lines, 1))
    for line, text in texts:
        if ISSUE.search(text):
            yield line, "a ticket number: say the reason itself"


PACKAGE = re.compile(r"^(?:build|run|test|bench) ([\w.+-]+)$", re.M)


def check_package_reason(source, project):
    if source.path != "tools/setup":
        return
    reasons = project.texts.get("docs/dependencies.md", "")
    for line, match in source.matches(PACKAGE, source.text):
        if f"`{match.group(1)}`" not in reasons:
            yield line, f"docs/dependencies.md does not say why {match.group(1)} is needed"


def check_file_name(source, _project):
    if re.search(r"[A-Z ]", source.path) and source.kind in PROGRAMS:
        yield 1, "names of program files are lower case without spaces"


RULES = (
    Rule("include-direction", "includes go tools -> suites -> fixtures -> harness and never back", C, check_direction),
    Rule("include-library", "a part uses only the libraries of its row", C, check_library),
    Rule("include-root", "our includes start at the project root", C, check_include_root),
    Rule("own-header-first", "a C file includes its own header first", ("c",), check_own_header),
    Rule("include-guard", "a header has a guard named after it", ("h",), check_guard),
    Rule("spdx", "the first line names the licence", TEXTS, check_spdx),
    Rule("head-comment", "a file says at its head what it is", C + ("python", "shell"), check_head),
    Rule("banned-call", "calls with a better replacement are not made", C, check_banned),
    Rule("close-on-exec", "descriptors are closed on exec", C, check_cloexec),
    Rule("print", "only tools, suites and reports print", C, check_print),
    Rule("typedef-struct", "structs are not typedef'd", C, check_typedef),
    Rule("goto-out", "goto jumps forward to 'out' only", C, check_goto),
    Rule("function-length", "a function fits on a screen", C, check_function_length),
    Rule("file-length", "a file has one subject", PROGRAMS, check_file_length),
    Rule("line-length", "a line fits beside another", PROGRAMS, check_line_length),
    Rule("mark", "work is done, not marked", PROGRAMS, check_mark),
    Rule("dead-code", "code is not kept in comments", C, check_dead_code),
    Rule("line-comment", "comments are /* */", C, check_line_comment),
    Rule("whitespace", "no tabs, no trailing blanks, one newline at the end", TEXTS, check_whitespace),
    Rule("machine-path", "no path of one machine, no fixed temporary name", TEXTS, check_machine_path),
    Rule("cited-document", "documents that are cited exist", TEXTS, check_document),
    Rule("issue-number", "comments give reasons, not ticket numbers", PROGRAMS, check_issue_number),
    Rule("package-reason", "docs/dependencies.md gives a reason for each package", ("shell",), check_package_reason),
    Rule("file-name", "names of program files are lower case", PROGRAMS, check_file_name),
)


def check(source, project, rules=RULES):
    """Yields (rule id, path, line, message) for each break in one file."""
    for rule in rules:
        if source.kind in rule.kinds:
            for line, message in rule.check(source, project):
                yield rule.id, source.path, line, message
