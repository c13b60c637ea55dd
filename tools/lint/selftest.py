# SPDX-License-Identifier: MIT
"""selftest.py - shows for every rule that it complains about a bad sample and not about a good one.

A sample is a path and a text; the rule under test alone reads it. A rule with no bad or no good sample fails, so a new
row of rules.RULES needs both. The rules over object files are tried on a file compiled in a temporary directory.
"""
import json
import os
import subprocess
import tempfile

import objects
import rules
import sources

HEAD = "/* SPDX-License-Identifier: MIT */\n"
OTHERS = {"harness/base/err.h", "harness/sys/tree.h", "harness/run/plan.h", "docs/index.md", "a/own.h"}
TEXTS = {"docs/dependencies.md": "| `gcc` | the compiler |\n"}

# rule id, path, text that breaks the rule, text that keeps it
SAMPLES = (
    ("include-direction", "harness/base/a.c", '#include "harness/sys/tree.h"\n', '#include "harness/base/err.h"\n'),
    ("include-direction", "harness/sys/a.c", '#include "harness/run/plan.h"\n', '#include "harness/base/err.h"\n'),
    ("include-direction", "harness/suite/a.c", '#include "harness/sys/tree.h"\n', '#include "harness/wire/x.h"\n'),
    ("include-direction", "harness/report/a.c", '#include "harness/run/plan.h"\n', '#include "harness/wire/x.h"\n'),
    ("include-direction", "harness/bisect/a.c", '#include "harness/wire/x.h"\n', '#include "harness/sys/tree.h"\n'),
    ("include-direction", "harness/wire/a.h", '#include "harness/base/err.h"\n', "#include <stdint.h>\n"),
    ("include-direction", "harness/run/a.c", '#include "fixtures/walgrind.h"\n', '#include "harness/sys/tree.h"\n'),
    ("include-direction", "fixtures/db/a.c", '#include "suites/api/x.h"\n', '#include "harness/sys/tree.h"\n'),
    ("include-direction", "suites/api/a.c", '#include "tools/walgrind/x.h"\n', '#include "fixtures/walgrind.h"\n'),
    ("include-direction", "tools/walgrind/a.c", '#include "tools/refserver/x.h"\n', '#include "fixtures/walgrind.h"\n'),
    ("include-direction", "tools/refserver/a.c", '#include "harness/base/err.h"\n', '#include "tools/refserver/x.h"\n'),
    ("include-direction", "elsewhere/a.c", "int a;\n", None),
    ("include-direction", "tools/walgrind/a.c", None, '/* #include "tools/refserver/x.h" */\n'),
    ("include-library", "harness/wire/a.h", "#include <sys/types.h>\n", "#include <stdint.h>\n"),
    ("include-library", "harness/base/a.c", "#include <sqlite3.h>\n", "#include <jansson.h>\n#include <unistd.h>\n"),
    ("include-root", "tools/walgrind/a.c", '#include "command.h"\n', '#include "tools/walgrind/command.h"\n'),
    ("include-root", "tools/walgrind/a.c", "#include <harness/base/err.h>\n", "#include <errno.h>\n"),
    ("own-header-first", "a/own.c", '#include <errno.h>\n#include "a/own.h"\n',
     '#include "a/own.h"\n#include <errno.h>\n'),
    ("own-header-first", "a/own.c", "int x;\n", '/* #include <errno.h> */\n#include "a/own.h"\n'),
    ("include-guard", "a/b.h", "int x;\n", "#ifndef WG_A_B_H\n#define WG_A_B_H\n#endif\n"),
    ("include-guard", "a/b.h", "#ifndef B_H\n#define B_H\n#endif\n", "#ifndef WG_A_B_H\n#define WG_A_B_H\n#endif\n"),
    ("spdx", "a/b.c", "int x;\n", HEAD),
    ("spdx", "a/b.sh", "#!/bin/sh\n# b.sh - a script\n", "#!/bin/sh\n# SPDX-License-Identifier: MIT\n"),
    ("head-comment", "a/b.h", HEAD + "int x;\n", HEAD + "/* What this is. */\n"),
    ("head-comment", "a/b.c", HEAD + "int x;\n", HEAD[:-3] + "\n * What this is.\n */\n"),
    ("head-comment", "a/b.c", HEAD + "int x;\n/* What this is. */\n", HEAD + "\n/* What this is. */\nint x;\n"),
    ("head-comment", "a/b.sh", "#!/bin/sh\n# a thing\n",
     "#!/bin/sh\n# SPDX-License-Identifier: MIT\n# b.sh - a thing\n"),
    ("banned-call", "a/b.c", "int f(void) { return atoi(x); }\n", "int f(void) { return my_atoi(x) + s.atoi(x); }\n"),
    ("banned-call", "a/b.c", "x = strcpy (a, b);\n", '/* strcpy(a, b) */ x = "strcpy(a)";\n'),
    ("banned-call", "a/b.c", "sleep(1);\n", "wg_sleep(1);\n"),
    ("close-on-exec", "a/b.c", "fd = open(p, O_RDONLY);\n", "fd = open(f(p), O_RDONLY |\n O_CLOEXEC);\n"),
    ("close-on-exec", "a/b.c", 'f = fopen(p, "r");\n', 'f = fopen(p, "re");\n'),
    ("print", "harness/run/a.c", 'printf("x");\n', 'snprintf(b, n, "x");\n'),
    ("print", "fixtures/db/a.c", 'fprintf(stderr, "x");\n', 'fprintf(out, "x");\n'),
    ("typedef-struct", "a/b.h", "typedef struct x x_t;\n", "typedef int (*f)(struct x *);\n"),
    ("typedef-struct", "a/b.h", "typedef struct {\n    int a;\n} x;\n", "typedef const struct x *f(int a);\n"),
    ("goto-out", "a/b.c", "int f(void)\n{\n    goto again;\n}\n", "int f(void)\n{\n    goto out;\nout:\n    x();\n}\n"),
    ("goto-out", "a/b.c", "int f(void)\n{\nout:\n    goto out;\n}\n",
     "int f(void)\n{\n    goto out;\nout:\n    x();\n}\n"),
    ("function-length", "a/b.c", "int f(void)\n{\n%s}\n" % ("    x();\n" * 71), "{\n%s}\n" % ("    x();\n" * 70)),
    ("file-length", "a/b.c", "\n" * 601, "\n" * 600),
    ("line-length", "a/b.c", "x" * 121 + "\n", "x" * 120 + "\n"),
    ("mark", "a/b.c", "/* TO" + "DO: later */\n", '"name.XXXXXX"\n'),
    ("dead-code", "a/b.c", "#if 0\nint x;\n#endif\n", "#if WG_X\nint x;\n#endif\n"),
    ("dead-code", "a/b.c", "/* x = y + 1; */\n", "/* x is y and one more; that is all. */\n"),
    ("dead-code", "a/b.c", "/*\n * if (x) {\n * }\n */\n", "/*\n * As in\n *\n *     if (x) {\n *     }\n */\n"),
    ("line-comment", "a/b.c", "int x; // why\n", 'x = "http://localhost";\n'),
    ("whitespace", "a/b.c", "\tint x;\n", "    int x;\n"),
    ("whitespace", "docs/index.md", "text \n", "text\n"),
    ("whitespace", "a/b.c", "int x;", "int x;\n"),
    ("machine-path", "docs/index.md", "See /ho" + "me/me/x.\n", "See ~/x, $HOME/x, https://example.org/home/x.\n"),
    ("machine-path", "a/b.c", 'x = "/tm' + 'p/fixed";\n', 'x = "/tmp/name-XXXXXX";\n'),
    ("cited-document", "a/b.c", "/* See NOWHERE" + ".md. */\n", "/* See docs/index.md and index.md. */\n"),
    ("issue-number", "a/b.c", "/* Fixes #" + "12. */\n", '#define X 12\nx = "&#12;"; /* the third one */\n'),
    ("package-reason", "tools/setup", "#!/bin/sh\nbuild tcc\n", "#!/bin/sh\nbuild gcc\n"),
    ("file-name", "a/B.c", "int x;\n", None),
    ("file-name", "a/b.c", None, "int x;\n"),
)

# rule id, path, text that breaks the rule, text that keeps it
OBJECT_SAMPLES = (
    ("writable-state", "harness/base/a.c", "int wg_count = 3;\n", "extern const int wg_x;\nconst int wg_x = 3;\n"),
    ("writable-state", "tools/x/a.c", "int f(void);\nint f(void)\n{\n static int n;\n return n++;\n}\n",
     "extern const char *const wg_t[];\nconst char *const wg_t[] = {\"a\"};\n"),
    ("sqlite-text", "fixtures/db/a.c", "const char *wg_f(void)\n{\n return \"-mj%06X9%02X\";\n}\n",
     "const char *wg_f(void)\n{\n return \"-mj%09llX\";\n}\n"),
    ("external-name", "fixtures/db/a.c", "int helper(void)\n{\n return 1;\n}\n", "int wg_f(void)\n{\n return 1;\n}\n"),
)


def flagged(rule_id, path, text):
    source = sources.Source(path, text)
    rule = next(r for r in rules.RULES if r.id == rule_id)
    return bool(list(rules.check(source, rules.Project(OTHERS | {path}, TEXTS), (rule,))))


def flagged_object(rule_id, path, text):
    """Compiles the text where meson would put it and reads the object."""
    with tempfile.TemporaryDirectory() as build:
        root = os.path.join(build, "root")
        folder = os.path.join(build, os.path.dirname(path), "libx.a.p")
        os.makedirs(folder)
        target = os.path.join(folder, os.path.basename(path) + ".o")
        command = [os.environ.get("CC", "cc"), "-fPIC", "-x", "c", "-c", "-o", target, "-"]
        subprocess.run(command, input=text, text=True, check=True)
        with open(os.path.join(build, "compile_commands.json"), "w", encoding="utf-8") as file:
            json.dump([{"directory": build, "file": os.path.join(root, path), "output": target}], file)
        found = list(objects.check(root, build))
        if any(finding[1] != path for finding in found):
            raise AssertionError(f"{path} was taken for {found[0][1]}")
        return any(finding[0] == rule_id for finding in found)


def run():
    checks = 0
    failures = []
    proven = {}  # rule id -> {True, False}: which answers a sample has shown
    for table, try_sample in ((SAMPLES, flagged), (OBJECT_SAMPLES, flagged_object)):
        for rule_id, path, bad, good in table:
            for text, expected in ((bad, True), (good, False)):
                if text is None:
                    continue
                checks += 1
                if try_sample(rule_id, path, text) == expected:
                    proven.setdefault(rule_id, set()).add(expected)
                else:
                    answer = "passes a bad" if expected else "flags a good"
                    failures.append(f"{rule_id} {answer} sample of {path}: {text[:60]!r}")
    for rule_id in [r.id for r in rules.RULES] + [r[0] for r in objects.RULES]:
        if proven.get(rule_id) != {True, False}:
            failures.append(f"{rule_id} has no working pair of samples")
    for failure in failures:
        print(f"lint self-test: {failure}")
    print(f"lint self-test: {checks} samples, {len(failures)} failures")
    return 1 if failures else 0
