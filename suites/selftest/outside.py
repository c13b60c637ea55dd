#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""outside.py - programs that the probe cannot get into, watched by the tracer (outside.c).

    outside.py WALGRIND STATIC PLAIN [CHECK...]

STATIC is outside.c linked statically with SQLite, PLAIN the same without. A check is a function with @check; it gets a
Place and returns sentences about what is wrong. What a mechanism leads to is asked for with the right pid; what
is healthy, and what is hard on a tracer, must run as without it and give no finding. Prints one line per problem and
exits with 1.
"""
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

from checks import check, run_checks

WALGRIND, STATIC, PLAIN = (os.path.abspath(word) for word in sys.argv[1:4])


class Place:
    """A directory of its own, in which commands run under walgrind exec."""

    def __init__(self, path):
        self.path = path
        self.count = 0

    def within(self, name):
        return os.path.join(self.path, name)

    def start(self, command, options=()):
        self.count += 1
        return subprocess.Popen([WALGRIND, "exec", f"--output=record{self.count}", *options, "--", *command],
                                cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *command, options=()):
        """(exit code, what walgrind said, [(id, pid)])"""
        with self.start(command, options) as process:
            _out, said = process.communicate(timeout=100)
        return process.returncode, said, self.findings()

    def findings(self):
        path = self.within(f"record{self.count}/findings.json")
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as file:
            return [(finding["id"], finding["pid"]) for finding in json.load(file)["findings"]]

    def trace(self):
        return subprocess.run([WALGRIND, "trace", f"record{self.count}"], cwd=self.path, stdout=subprocess.PIPE,
                              text=True, check=False).stdout

    def culprit(self):
        with open(self.within("culprit"), encoding="ascii") as file:
            return int(file.read())

    def clean(self):
        """Nothing of a database is left for the next program."""
        for name in os.listdir(self.path):
            if not name.startswith("record"):
                os.unlink(self.within(name))

    def database(self, name="app.db"):
        connection = sqlite3.connect(self.within(name))
        connection.execute("CREATE TABLE t(a)")
        connection.commit()
        connection.close()


SERVED = (("unlinks_database", "unlink-open"), ("unlinks_wal", "wal-unlink"), ("truncates", "truncate-db"),
          ("renames_over", "unlink-open"), ("copies_over", "copy-over"))
DYNAMIC = ("import sqlite3, subprocess, sys\n"
           "c = sqlite3.connect('app.db', isolation_level=None)\n"
           "c.execute('PRAGMA journal_mode=wal'); c.execute('CREATE TABLE IF NOT EXISTS t(a)')\n"
           "c.execute('INSERT INTO t VALUES(1)')\n"
           "subprocess.run(sys.argv[1:], check=True)\n"
           "try:\n    c.execute('INSERT INTO t VALUES(1)')\nexcept sqlite3.Error:\n    pass\n")


@check
def a_static_program_that_breaks_a_database_is_named(place):
    """By SQLite inside a static program, and in a Python one; by a program with SQLite in it, and one without."""
    problems = []
    for deed, name in SERVED:
        for program, server in ((PLAIN, [STATIC, "serves"]), (STATIC, [sys.executable, "-c", DYNAMIC])):
            place.clean()
            place.database("template.db")
            place.database("new.db")
            _code, said, findings = place.run(*server, program, deed)
            if not findings or set(findings) != {(name, place.culprit())} or "not covered" in said:
                problems.append(f"{deed} by {program} beside {server}: {findings}, not {place.culprit()}, {said!r}")
    return problems


@check
def a_dynamic_program_that_breaks_what_a_static_one_uses_is_named(place):
    """The tracer does not see the call, only that a file changed; the probe in the other program sees it."""
    problems = []
    for command, name in (("rm app.db", "unlink-open"), ("mv new.db app.db", "unlink-open"),
                          ("rm app.db-wal", "wal-unlink"), ("cp template.db app.db", "copy-over"),
                          ("truncate -s 4096 app.db", "truncate-db")):
        place.clean()
        place.database("template.db")
        place.database("new.db")
        _code, said, findings = place.run(STATIC, "serves", "sh", "-c", f"printf $$ >culprit; exec {command}")
        if not findings or set(findings) != {(name, place.culprit())} or "not covered" in said:
            problems.append(f"{command}: {findings}, not {place.culprit()}, {said!r}")
    return problems


@check
def locks_that_a_close_drops_are_found(place):
    problems = []
    for deed in ("reads_in_wal_mode", "reads_in_delete_mode"):
        place.clean()
        code, said, findings = place.run(STATIC, deed)
        if (code, findings) != (1, [("close-drops-locks", place.culprit())]) or "{SHARED" not in said:
            problems.append(f"{deed}: {code}, {findings}, not {place.culprit()}: {said!r}")
    return problems


@check
def a_connection_used_after_fork_is_found(place):
    _code, said, findings = place.run(STATIC, "uses_after_fork")
    return [] if findings == [("fork-use", place.culprit())] else [f"{findings}: {said!r}"]


@check
def healthy_programs_have_no_findings(place):
    problems = []
    for options in ((), ("--trace=seccomp",), ("--trace=both",)):
        for deed in ("works_in_wal_mode", "works_in_delete_mode", "works_in_truncate_mode", "works_on_other_files"):
            place.clean()
            code, said, findings = place.run(STATIC, deed, options=options)
            if code != 0 or findings or "not covered" in said:
                problems.append(f"{deed} {options}: {code}, {findings}, {said!r}")
    place.clean()
    code, said, findings = place.run(sys.executable, "-c", DYNAMIC, PLAIN, "reads")
    return problems + ([] if (code, findings) == (0, []) else [f"a reader beside: {code}, {findings}, {said!r}"])


@check
def programs_go_on_as_without_a_tracer(place):
    problems = []
    for deed, expected in (("takes_signals", 0), ("stops_and_goes_on", 0), ("execs_in_a_thread", 0), ("vforks", 0),
                           ("runs_threads", 0), ("forks_a_lot", 0), ("debugs", 0), ("is_killed", 128 + signal.SIGKILL)):
        place.clean()
        place.database()
        code, said, findings = place.run(PLAIN, deed)
        if code != expected or findings:
            problems.append(f"{deed}: exit {code}, {findings}: {said!r}")
    return problems


def wait_for(path, seconds=60):
    end = time.monotonic() + seconds
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.01)
    return os.path.exists(path)


@check
def a_daemon_outlives_the_command(place):
    place.database()
    with open(place.within("culprit.new"), "w", encoding="ascii"):
        pass
    code, said, findings = place.run(PLAIN, "leaves_a_daemon")
    shutil.copy(place.within("app.db"), place.within("go"))
    return [text for text, wrong in ((f"exit {code}, {findings}, {said!r}", code != 0 or findings),
                                     ("the daemon did not get on", not wait_for(place.within("done")))) if wrong]


@check
def a_program_survives_the_end_of_walgrind(place):
    problems = []
    for number in (signal.SIGKILL, signal.SIGTERM):
        place.clean()
        place.database()
        with place.start([PLAIN, "waits_for_go"]) as process:
            if not wait_for(place.within("culprit")):
                problems.append("the program did not start")
            # SIGTERM is handed on to the command, which it ends.
            process.send_signal(number)
            process.wait(60)
        with open(place.within("go"), "w", encoding="ascii"):
            pass
        if number == signal.SIGKILL and not wait_for(place.within("done")):
            problems.append("the program did not get on after kill -9 of walgrind")
        if number == signal.SIGKILL and " close " not in place.trace():
            problems.append("what it did after kill -9 of walgrind is not on record")
        if number == signal.SIGTERM and process.returncode != 128 + number:
            problems.append(f"exit {process.returncode} after SIGTERM")
    return problems


@check
def where_nobody_may_trace_it_says_so(place):
    place.database()
    place.count += 1
    done = subprocess.run([os.environ["WG_FORBID_TRACING"], WALGRIND, "exec", f"--output=record{place.count}", "--",
                           PLAIN, "unlinks_database"], cwd=place.path, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=100, env=dict(os.environ, LSAN_OPTIONS="detect_leaks=0"))  # which it does by ptrace
    gap = re.search(r"^walgrind: not covered: .*(plain|outside).*: ptrace: .*not permitted", done.stderr, re.M)
    return [text for text, wrong in ((f"exit {done.returncode}", done.returncode != 0),
                                     (f"it says {done.stderr!r}", not gap),
                                     ("the program did not run", os.path.exists(place.within("app.db")))) if wrong]


@check
def what_is_not_seen_is_said(place):
    problems = []
    for program, deed, options, words in (
            (PLAIN, "reads", ("--trace=preload",), "statically linked"), (PLAIN, "uses_io_uring", (), "io_uring"),
            (sys.executable, None, (), "io_uring"), (PLAIN, "debugs", (), "--trace=preload")):
        place.clean()
        place.database()
        command = [program, deed] if deed else [program, "-c", "import ctypes; ctypes.CDLL(None).syscall(425, 0, 0)"]
        _code, said, findings = place.run(*command, options=options)
        if findings or not any("not covered" in line and words in line for line in said.splitlines()):
            problems.append(f"{command} {options}: {findings}, {said!r}")
    return problems


def lines_of(trace, *words):
    return [line for line in trace.splitlines() if all(word in line for word in words)]


@check
def threads_that_outlive_the_first_are_seen(place):
    problems = []
    place.database()
    code, said, findings = place.run(PLAIN, "unlinks_in_a_thread")
    if code != 0 or findings or not lines_of(place.trace(), " unlink ", "app.db"):
        problems.append(f"unlink: {code}, {findings}, {said!r}, {place.trace()}")
    place.clean()
    code, said, findings = place.run(STATIC, "works_in_a_thread")
    if code != 0 or findings or "not covered" in said or not lines_of(place.trace(), " close ", "app.db-wal"):
        problems.append(f"healthy: {code}, {findings}, {said!r}, {place.trace()}")
    return problems


@check
def what_exec_passes_on_is_known(place):
    """Whatever open() said, and also from a program that only the probe sees."""
    problems = []
    passes_on = "import os, sys; d = os.open('app.db', os.O_RDWR); os.set_inheritable(d, True); " \
        "os.execv(sys.argv[1], [sys.argv[1], 'truncates_inherited', str(d)])"
    for command in ((PLAIN, "decides_late_what_exec_closes"), (sys.executable, "-c", passes_on, PLAIN)):
        place.clean()
        place.database()
        code, said, findings = place.run(*command)
        trace = place.trace()
        outside = lines_of(trace, "[outside")
        inherited = [line for line in outside if " open " in line and "inherited" in line]
        if (code, findings, len(inherited)) != (0, [], 1) or not [line for line in outside if "truncate" in line]:
            problems.append(f"{command}: {code}, {findings}, {said!r}, {trace}")
    return problems


@check
def a_program_that_hides_is_not_covered(place):
    """It may be looked at by root only (prctl(2), PR_SET_DUMPABLE)."""
    os.chmod(os.path.dirname(place.path), 0o755)
    os.chmod(place.path, 0o777)
    place.database()
    nobody = {"user": 65534} if os.geteuid() == 0 else {}
    done = subprocess.run([WALGRIND, "exec", "--output=record1", "--", PLAIN, "hides"], cwd=place.path, text=True,
                          stderr=subprocess.PIPE, check=False, timeout=100, **nobody)
    problems = [] if lines_of(done.stderr, "not covered", "forbidden") else [f"{done.returncode}: {done.stderr}"]
    return problems


@check
def a_variable_with_its_name_is_not_the_probe(place):
    place.database()
    code, said, findings = place.run(PLAIN, "starts_bare", shutil.which("rm"), "app.db")
    trace = place.trace()
    seen = (code, findings) == (0, []) and lines_of(trace, " unlink", "app.db")
    return [] if seen else [f"{code}, {said!r}, {trace}"]


@check
def a_copy_that_fails_closes_nothing(place):
    place.database()
    code, said, _findings = place.run(PLAIN, "copies_no_descriptor")
    closes = lines_of(place.trace(), " close ", "app.db")
    return [] if code == 0 and len(closes) == 1 and "dup" not in closes[0] else [f"{code}, {said!r}, {closes}"]


@check
def a_program_without_standard_descriptors_is_traced(place):
    place.database()
    code, said, findings = place.run(sys.executable, "-c", "import os, sys; os.closerange(0, 3); "
                                     "os.execv(sys.argv[1], [sys.argv[1], 'reads'])", PLAIN)
    trace = place.trace()
    seen = "not covered" not in said and lines_of(trace, " close ", "app.db")
    return [] if seen else [f"{code}, {findings}, {said!r}, {trace}"]


@check
def a_program_with_raised_rights_is_not_covered(place):
    """Of another group; the dynamic linker loads nothing into it that the environment names."""
    if os.geteuid() != 0:
        return []
    shutil.copy(shutil.which("true"), place.within("other"))
    os.chown(place.within("other"), 0, 65534)
    os.chmod(place.within("other"), 0o2755)
    problems = []
    path = f"PATH={place.path}:{os.environ['PATH']}"
    spawnp = "import os; os.wait() if os.posix_spawnp('other', ['other'], {}) else 0"
    for command in ([place.within("other")], ["sh", "-c", "./other; true"], ["env", path, "other"],
                    ["env", path, sys.executable, "-c", spawnp]):
        _code, said, _findings = place.run(*command)
        if not lines_of(said, "not covered", "other", "raised privileges"):
            problems.append(f"{command}: {said!r}")
    return problems


@check
def a_script_that_names_no_shell_runs_as_ever(place):
    problems = []
    for how in ("auto", "seccomp", "both"):
        place.clean()
        place.database()
        with open(place.within("script"), "w", encoding="ascii") as file:
            file.write('test "$1" = one && rm app.db; exit 4\n')
        os.chmod(place.within("script"), 0o755)
        code, said, _findings = place.run("./script", "one", options=(f"--trace={how}",))
        if code != 4 or "not covered" in said or not lines_of(place.trace(), " unlink", "app.db"):
            problems.append(f"{how}: {code}, {said!r}")
    return problems


@check
def a_command_that_is_not_there_leaves_nothing(place):
    problems = []
    for command in ("./no-such-program", place.path):
        for more in ([], ["--output=chosen"], ["--trace=seccomp"]):
            done = subprocess.run([WALGRIND, "exec", *more, "--", command], cwd=place.path, text=True,
                                  stderr=subprocess.PIPE, check=False, timeout=100)
            if done.returncode != 2 or done.stderr.count("\n") != 1 or os.listdir(place.path):
                problems.append(f"{command} {more}: {done.returncode}, {done.stderr!r}, {os.listdir(place.path)}")
                shutil.rmtree(place.within(".walgrind"), ignore_errors=True)
                shutil.rmtree(place.within("chosen"), ignore_errors=True)
    return problems


ANY_ORDER = "verify_asan_link_order=0"  # for walgrind with AddressSanitizer, when the environment is another


def with_musl(place, program):
    """A program of this machine that says that it is of musl, whose dynamic linker would not load the probe."""
    with open(shutil.which(program), "rb") as file:
        content = file.read()
    interpreter = re.search(rb"/lib[^\0]*/ld-linux[^\0]*", content)[0]
    shutil.copy(interpreter.decode(), place.within("ld-musl.so.1"))
    with open(place.within(program), "wb") as file:
        file.write(content.replace(interpreter + b"\0", b"./ld-musl.so.1".ljust(len(interpreter) + 1, b"\0"), 1))
    os.chmod(place.within(program), 0o755)


@check
def a_program_of_musl_is_traced(place):
    """With the probe in LD_PRELOAD it would not even start."""
    problems = []
    for begin in ([], ["sh", "-c", '"$@"; exit $?', "sh"]):
        place.clean()
        place.database()
        with_musl(place, "rm")
        with_musl(place, "env")
        code, said, _findings = place.run(*begin, "./rm", "app.db")
        if code != 0 or "not covered" in said or not lines_of(place.trace(), " unlink", "app.db", "[outside]"):
            problems.append(f"{begin}: {code}, {said!r}, {place.trace()}")
        place.count += 1
        done = subprocess.run([WALGRIND, "exec", f"--output=record{place.count}", "--", *begin, "./env"], text=True,
                              cwd=place.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=100,
                              env=dict(os.environ, LD_PRELOAD="libm.so.6", ASAN_OPTIONS=ANY_ORDER))
        preload = [line for line in done.stdout.splitlines() if line.startswith("LD_PRELOAD=")]
        if preload != ["LD_PRELOAD=libm.so.6"]:
            problems.append(f"{begin}: {preload}, {done.stderr!r}")
    return problems


EXECL = ("import ctypes, sys\n"
         "libc, program, deed = ctypes.CDLL(None), sys.argv[2].encode(), sys.argv[3].encode()\n"
         f"environment = (ctypes.c_char_p * 2)(b'ASAN_OPTIONS={ANY_ORDER}', None)\n"
         "getattr(libc, sys.argv[1])(program, program, deed, None, environment)\n")


@check
def a_program_is_traced_however_it_is_started(place):
    """libc makes an array of the arguments of execl() itself, and then calls what nobody else can."""
    problems = []
    for function in ("execl", "execlp", "execle"):
        for program, deed in ((PLAIN, "unlinks_database"), (shutil.which("rm"), "app.db")):
            place.clean()
            place.database()
            code, said, _findings = place.run(sys.executable, "-c", EXECL, function, program, deed)
            trace = place.trace()
            if code != 0 or not lines_of(trace, " unlink", "app.db") or not lines_of(trace, " exec ", program):
                problems.append(f"{function} {program}: {code}, {said!r}, {trace[-500:]}")
    return problems


CHROOT = ("import os, sqlite3, sys\n"
          "if os.fork() == 0:\n"
          "    sqlite3.connect('app.db').execute('CREATE TABLE t(a)')\n"  # so that its trace is begun
          "    os.chroot('.'); os.execv('/program', ['/program', 'works_on_other_files'])\n"
          "sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))\n")


@check
def a_program_where_the_tracer_is_out_of_reach_runs(place):
    if os.geteuid() != 0:
        return []
    shutil.copy(PLAIN, place.within("program"))
    code, said, findings = place.run(sys.executable, "-c", CHROOT)
    return [] if (code, findings) == (0, []) and "out of reach" in said else [f"{code}, {findings}, {said!r}"]


@check
def a_call_seen_twice_counts_once(place):
    """By the probe and by the tracer: one finding, and one record of each call."""
    problems = []
    command = (sys.executable, "-c", DYNAMIC, PLAIN, "unlinks_database")
    _code, _said, findings = place.run(*command, options=("--trace=both",))
    if findings != [("unlink-open", place.culprit())]:
        problems.append(f"both: {findings}, not {place.culprit()}")
    outside = [line for line in place.trace().splitlines() if "[outside]" in line and " lock " in line]
    if outside:
        problems.append(f"both: {len(outside)} locks are told twice: {outside[:2]}")
    place.clean()
    _code, _said, findings = place.run(*command, options=("--trace=seccomp",))
    if findings != [("unlink-open", place.culprit())]:
        problems.append(f"seccomp: {findings}, not {place.culprit()}")
    return problems


run_checks(Place, sys.argv[4:])
