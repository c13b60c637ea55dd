# SPDX-License-Identifier: MIT
"""tables.py - what the rules compare with: include directions, bans, limits, exceptions.

Each table is data; the code that reads it is in rules.py and objects.py. Its row is the place to change a decision.
"""

FUNCTION_LINES_MAX = 70  # lines between the braces
FILE_LINES_MAX = 600
LINE_COLUMNS_MAX = 120  # clang-format keeps to 100 but does not break strings

HARNESS = "harness/"

# What the files below a directory may include. The longest matching prefix decides. Columns: directory, project
# directories besides itself, libraries ("*" any, "c" only headers of the C standard).
DIRECTIONS = (
    ("harness/base/", (), ("jansson", "nettle")),
    ("harness/wire/", (), ("c",)),
    ("harness/sys/", ("harness/base/", "harness/wire/"), ()),
    ("harness/suite/", ("harness/base/", "harness/wire/"), ("*",)),
    ("harness/run/", ("harness/base/", "harness/sys/", "harness/wire/"), ("jansson",)),
    ("harness/foreign/", ("harness/base/", "harness/sys/", "harness/wire/", "harness/run/"), ("jansson", "libxml")),
    ("harness/report/", ("harness/base/", "harness/wire/"), ("jansson", "libxml")),
    ("harness/probe/", ("harness/wire/",), ("sqlite3",)),
    ("harness/trace/", ("harness/base/", "harness/wire/"), ("jansson",)),
    ("harness/tracer/", ("harness/base/", "harness/wire/", "harness/trace/", "harness/probe/"), ()),
    ("harness/diag/", ("harness/base/", "harness/wire/", "harness/trace/"), ("jansson", "elfutils")),
    ("harness/explore/", ("harness/base/", "harness/sys/", "harness/wire/"), ("jansson", "sqlite3")),
    ("harness/bisect/", ("harness/base/", "harness/sys/"), ("jansson",)),
    ("fixtures/", (HARNESS,), ("*",)),
    ("suites/", ("fixtures/", HARNESS), ("*",)),
    ("docs/", ("fixtures/",), ("*",)),
    ("suites/unit/", ("tools/", "suites/", "fixtures/", HARNESS), ("*",)),
    ("tools/", ("suites/", "fixtures/", HARNESS), ("*",)),
    ("tools/refserver/", (), ("*",)),
)

# Libraries by the beginning of their header's name; every other <header> is libc or the kernel.
LIBRARIES = (
    ("sqlite3", "sqlite3"),
    ("criterion/", "criterion"),
    ("curl/", "curl"),
    ("jansson", "jansson"),
    ("nettle/", "nettle"),
    ("microhttpd", "microhttpd"),
    ("libxml/", "libxml"),
    ("archive", "archive"),
    ("elfutils/", "elfutils"),
)

C_STANDARD_HEADERS = frozenset(
    name + ".h"
    for name in (
        "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg "
        "stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype"
    ).split()
)

# Calls that are never made, and what is used instead.
BANNED_CALLS = {
    "strcpy": "snprintf or wg_strdup",
    "gt": "lt with the operands exchanged, or ge: Criterion 2.4.1's gt also holds for equal values",
    "strcat": "wg_buf_puts",
    "strncpy": "memcpy of a checked length",
    "strncat": "wg_buf_append",
    "sprintf": "snprintf or wg_format",
    "vsprintf": "vsnprintf or wg_buf_vprintf",
    "gets": "getline",
    "strtok": "strcspn or strtok_r",
    "system": "the process functions of harness/sys",
    "popen": "the process functions of harness/sys",
    "vfork": "the process functions of harness/sys",
    "tmpnam": "mkdtemp",
    "tempnam": "mkdtemp",
    "mktemp": "mkdtemp or mkostemp",
    "tmpfile": "memfd_create with MFD_CLOEXEC",
    "alloca": "wg_malloc or an array with a limit",
    "atoi": "wg_str_to_long",
    "atol": "wg_str_to_long",
    "atoll": "wg_str_to_long",
    "atof": "strtod with an end pointer",
    "signal": "sigaction",
    "sleep": "poll on what is waited for, with a deadline",
    "usleep": "poll on what is waited for, with a deadline",
    "nanosleep": "poll on what is waited for, with a deadline",
    "clock_nanosleep": "poll on what is waited for, with a deadline",
    "thrd_sleep": "poll on what is waited for, with a deadline",
    "rand": "wg_random_bytes, or a seeded generator of one's own",
    "srand": "wg_random_bytes, or a seeded generator of one's own",
    "random": "wg_random_bytes, or a seeded generator of one's own",
    "gmtime": "gmtime_r",
    "localtime": "localtime_r",
    "ctime": "wg_clock_format_utc",
    "asctime": "wg_clock_format_utc",
    "pipe": "pipe2 with O_CLOEXEC",
    "dup": "fcntl with F_DUPFD_CLOEXEC",
    "accept": "accept4 with SOCK_CLOEXEC",
    "mkstemp": "mkostemp with O_CLOEXEC",
    "epoll_create": "epoll_create1 with EPOLL_CLOEXEC",
    "inotify_init": "inotify_init1 with IN_CLOEXEC",
}

# Calls whose arguments must name a close-on-exec flag.
CLOEXEC_CALLS = {
    "open": "O_CLOEXEC",
    "openat": "O_CLOEXEC",
    "pipe2": "O_CLOEXEC",
    "mkostemp": "O_CLOEXEC",
    "socket": "SOCK_CLOEXEC",
    "socketpair": "SOCK_CLOEXEC",
    "accept4": "SOCK_CLOEXEC",
    "memfd_create": "MFD_CLOEXEC",
    "eventfd": "EFD_CLOEXEC",
    "timerfd_create": "TFD_CLOEXEC",
    "signalfd": "SFD_CLOEXEC",
    "epoll_create1": "EPOLL_CLOEXEC",
    "inotify_init1": "IN_CLOEXEC",
}

# Calls that write to the standard streams, and the directories that may.
PRINT_CALLS = ("printf", "vprintf", "puts", "putchar", "perror", "psignal")
PRINTERS = ("tools/", "suites/", "docs/", "harness/report/")

# Roots of paths that exist on somebody's machine only.
MACHINE_ROOTS = ("home", "root", "Users", "work", "workspace", "builds", "mnt", "nix")

# Accepted breaks of a rule: (rule, path, reason). A row that excuses nothing is a finding too.
EXCEPTIONS = (
    ("close-on-exec", "suites/unit/sys_process.c", "tests that such a descriptor does not reach a child"),
    ("banned-call", "suites/unit/probe_storm.c", "a child of vfork() is one of the storms"),
)

# Writable objects of static storage: (object file's source, symbol pattern, reason).
WRITABLE = (
    (r"(suites|tools/bench|docs/example)/.*", r"\w+_(meta|extra)", "Criterion's Test() and TestSuite() make two each"),
    (r"suites/.*", r"fixture|plan|directory", "Criterion's .init takes no argument: what it shares is static"),
    (r"suites/.*", r"__compound_literal", ".data of TestSuite() takes a pointer to writable data"),
    (r"suites/.*", r"rows|indices|seeds", "cr_make_param_array() takes a pointer to writable cases"),
    (r"suites/.*", r"\w+_dps", "Criterion's TheoryDataPoints() makes one"),
    (r"harness/suite/hooks\.c", r"child", "Criterion's functions take no context: the one test of a child process"),
    (r"harness/suite/main\.c", r"prepare_list", "filled by constructors, before main() could own it"),
    (r"tools/refserver/hazard/limit\.c", r"disk_left", "SQLite's system calls take no context"),
    (r"harness/probe/.*",
     r"wg_probe|wg_probe_reals|wg_dlsym_real|learnt|python|cpython|v8|searched|sql|state|cached\.\d+",
     "injected code has no owner"),
    (r"tools/walgrind/foreground\.c", r"child_pid", "a signal handler takes no argument: the process that it signals"),
    (r"suites/unit/probe_worker\.c", r"memory|signal_path", "what a signal handler works with and on"),
    (r"suites/mechanisms/outside\.c", r"signals_seen", "a signal handler takes no argument: what it counts"),
    (r"suites/unit/server_start\.c", r"without_diag", "send() of libc takes no context"),
    (r"suites/unit/fault_calls\.c", r"state", "libc's functions and SQLite's allocator take no context"),
    (r"suites/unit/probe_cpython\.c", r".*", "the objects of an interpreter, which the probe finds by their symbols"),
    (r"suites/unit/db_worker\.c", r"line", "a line as long as the limit, in a program of its own"),
)

# External names of harness/ and fixtures/ that do not begin with wg_: (source, symbol pattern, reason).
EXTERNAL = (
    (r"harness/suite/hooks\.c", r"criterion_\w+|cri_\w+|cr_(redirect_\w+|theory_main)", "stands in for Criterion's"),
    (r"harness/probe/calls_\w+\.c", r"[a-z_]\w*", "stands in for libc's and SQLite's, which is what it is for"),
    (r"harness/suite/main\.c", r"main", "the main() of every suite binary"),
)
