#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bisect_real.py - walgrind bisect on real repositories: 200 commits with merges, a failure in one run of five.

    bisect_real.py WALGRIND

A run fails as a function of WALGRIND_SEED, so with a fixed --seed every bisection here takes the same course whenever
it is run. Prints one line per failed check and exits with 1.
"""
import os
import subprocess

from bisect_world import (COMMITS, Bisection, History, check_found, git, kill_at, left_over, main, make_untidy, records,
                          snapshot, wait_until)

FAILS_SOMETIMES = 'test "$(cat level)" != bad || test $((WALGRIND_SEED % 5)) != 0'
BUILDS = "grep -q works build && touch built"


def finds_culprits(checks, walgrind, place):
    """
    Several histories with several culprits; the checkout is the same afterwards, to the byte and the second. One
    bisection of a hundred is wrong (docs/benchmarks.md); these seeds are of right ones.
    """
    for seed, culprit in ((1, 57), (2, 120), (3, 9), (4, 188)):
        history = History(seed, culprit, broken=0.15)
        directory = os.path.join(place, f"find{seed}")
        ids = history.write(directory)
        make_untidy(directory)
        before = snapshot(directory, ignored=("walgrind-bisect",))
        bisection = Bisection(walgrind, directory)
        done, report = bisection.find(ids[0], ids[COMMITS - 1], FAILS_SOMETIMES, f"--build={BUILDS}",
                                      f"--seed={seed + 10}")
        check_found(checks, done, report, ids[culprit], f"history {seed}")
        checks.equal(snapshot(directory, ignored=("walgrind-bisect",)), before,
                     f"history {seed}: checkout, index, stash, refs and configuration are untouched")
        checks.that("uncommitted changes" in done.stderr, f"history {seed}: says that changes are not tested")
        checks.that(f"verify: walgrind bisect {ids[culprit][:12]}^" in done.stdout, f"history {seed}: how to verify")
        checks.that(not os.path.exists(os.path.join(directory, ".git/walgrind-bisect/trees")),
                    f"history {seed}: no worktree is left")


def survives_kills(checks, walgrind, place):
    """The command and the build kill walgrind at several points; no run is lost, none is made up."""
    history = History(5, 77, broken=0.1)
    directory = os.path.join(place, "kill")
    ids = history.write(directory)
    make_untidy(directory)
    before = snapshot(directory)
    bisection = Bisection(walgrind, directory)
    points = os.path.join(place, "points")
    os.makedirs(points)
    kill = (f'n=$(ls {points} | wc -l); touch {points}/$$; '
            'case $n in 7|19|20|41) kill -9 $(cut -d" " -f4 /proc/$PPID/stat); exit 0;; esac; ')
    options = (f"--build={kill}{BUILDS}", "--seed=11")
    kills = 0
    for _ in range(12):
        done, report = bisection.find(ids[0], ids[COMMITS - 1], kill + FAILS_SOMETIMES, *options)
        if done.returncode != -9:
            break
        kills += 1
        checks.equal(snapshot(directory), before, f"after kill {kills}: checkout, index and stash are untouched")
        status = bisection.call("status")
        checks.equal(status.returncode, 0, f"after kill {kills}: status works")
    checks.equal(kills, 4, "killed in the middle")
    check_found(checks, done, report, ids[77], "after kills")
    disturbed = [(run["n"], run["seed"]) for run in records(directory)]
    checks.equal([n for n, _ in disturbed], list(range(1, len(disturbed) + 1)), "no run is lost or counted twice")
    bisection.call("reset")
    checks.that(not os.path.exists(os.path.join(directory, ".git/walgrind-bisect")), "reset removes everything")
    bisection.find(ids[0], ids[COMMITS - 1], kill.replace("7|19|20|41", "none") + FAILS_SOMETIMES,
                   f"--build={kill.replace('7|19|20|41', 'none')}{BUILDS}", "--seed=11")
    undisturbed = [(run["n"], run["seed"]) for run in records(directory)]
    common = min(len(disturbed), len(undisturbed))
    checks.equal(disturbed[:common], undisturbed[:common], "killed and resumed it draws the same seeds")


def leaves_no_process(checks, walgrind, place):
    """Every run starts a daemon that detaches itself; it ends with the run, and with walgrind when that is killed."""
    history = History(5, 77)
    directory = os.path.join(place, "daemons")
    ids = history.write(directory)
    bisection = Bisection(walgrind, directory)
    daemon = "setsid sleep 100 >/dev/null 2>&1 & "
    done, report = bisection.find(ids[0], ids[COMMITS - 1], daemon + 'test "$(cat level)" = good', "--seed=1")
    check_found(checks, done, report, ids[77], "with daemons")
    checks.equal(left_over(directory), [], "what a run leaves behind ends with it")
    done, _ = bisection.find(ids[0], ids[COMMITS - 1], daemon + "sleep 100", "--timeout=200ms", "--budget=2")
    checks.equal((done.returncode, left_over(directory)), (1, []), "and when it takes too long")
    build = "--build=setsid sleep 100 >/dev/null 2>&1 & touch built; sleep 100"
    for claim, options, command in (("run", [], f"{daemon}touch begun; sleep 100"), ("build", [build], "true")):
        arguments = [*options, ids[0], ids[COMMITS - 1], "--", "sh", "-c", command]
        checks.that(kill_at(bisection, arguments, lambda: len(left_over(directory)) >= 3), f"killed during a {claim}")
        checks.that(wait_until(lambda: not left_over(directory)), f"a {claim} ends when walgrind is killed")
        bisection.call("reset")


COUNT_SYNCS = r"""
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int fd)
{
    int log = open(getenv("SYNC_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log < 0 || write(log, ".", 1) != 1)
        abort();
    close(log);
    return (int)syscall(SYS_fdatasync, fd);
}
"""


def syncs_every_record(checks, walgrind, place):
    history = History(5, 77)
    directory = os.path.join(place, "syncs")
    ids = history.write(directory)
    library, log = os.path.join(place, "syncs.so"), os.path.join(place, "syncs.log")
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=COUNT_SYNCS, text=True, check=True)
    # Under AddressSanitizer its runtime wants to be the first library; the counter before it hides nothing of it.
    added = {"LD_PRELOAD": library, "SYNC_LOG": log,
             "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        done, _report = Bisection(walgrind, directory).find(ids[0], ids[COMMITS - 1], 'test "$(cat level)" = good',
                                                            "--seed=1")
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    checks.equal(done.returncode, 0, f"the bisection with counted syncs works ({done.stderr.strip()})")
    lines = len(records(directory, None))
    checks.equal(os.path.getsize(log) if os.path.exists(log) else 0, lines, "every record of the log is synced")


def tells_kinds_apart(checks, walgrind, place):
    """Another failure came in before the hunted one; only --match and --match-regex see through it."""
    history = History(6, 140, other=40)
    directory = os.path.join(place, "kinds")
    ids = history.write(directory)
    bisection = Bisection(walgrind, directory)
    command = ('if test "$(cat other)" = bad && test $((WALGRIND_SEED % 4)) = 1; then echo other trouble; exit 3; fi; '
               'if test "$(cat level)" = bad && test $((WALGRIND_SEED % 3)) = 0; then '
               'echo "finding: close-drops-locks (pid 7)"; exit 1; fi')
    for option in ("--match=finding:close-drops-locks", "--match-regex=^finding: close-drops"):
        done, report = bisection.find(ids[0], ids[COMMITS - 1], command, option, "--seed=3")
        check_found(checks, done, report, ids[140], option)
    checks.that(any(run["result"] == "other" for run in records(directory)), "other failures are recorded as no answer")
    done, report = bisection.find(ids[0], ids[COMMITS - 1], command, "--match=finding:close-drops", "--bad-runs=20",
                                  "--seed=3")
    checks.equal((done.returncode, report.get("step")), (1, "bad-passes"), "half a word is no match")
    checks.that("failed in another way" in done.stdout, "and it says that there were other failures")


JOB = """
import os, shutil, sqlite3, sys
db = sqlite3.connect(os.path.join(sys.argv[1], "x.db"))
db.execute("PRAGMA journal_mode = WAL").fetchall()
db.execute("CREATE TABLE IF NOT EXISTS t(a)")
if {bad} and int(os.environ["WALGRIND_SEED"]) % 2:
    shutil.copy(os.path.join(sys.argv[1], "x.db"), os.path.join(sys.argv[1], "copy"))
"""


def hunts_findings(checks, walgrind, place):
    """Nothing fails; only the diagnosis of walgrind exec tells good from bad."""
    def content(number):
        return {"job.py": JOB.replace("{bad}", str(history.descends(number, 77)))}
    history = History(15, 77, content=content)
    directory = os.path.join(place, "findings")
    ids = history.write(directory)
    command = f"d=$(mktemp -d) && '{walgrind}' exec --output=$d/run -- python3 job.py $d; code=$?; rm -r $d; exit $code"
    done, report = Bisection(walgrind, directory).find(ids[0], ids[COMMITS - 1], command,
                                                       "--match=finding:close-drops-locks", "--seed=5")
    check_found(checks, done, report, ids[77], "a finding of the diagnosis")


def works_in_parallel(checks, walgrind, place):
    history = History(7, 33, broken=0.1)
    directory = os.path.join(place, "parallel")
    ids = history.write(directory)
    before = snapshot(directory, ignored=("walgrind-bisect",))
    done, report = Bisection(walgrind, directory).find(
        ids[0], ids[COMMITS - 1], FAILS_SOMETIMES, f"--build={BUILDS}", "--jobs=3", "--share-tree", "--seed=5",
        "--touching=level")
    check_found(checks, done, report, ids[33], "three jobs")
    checks.equal(snapshot(directory, ignored=("walgrind-bisect",)), before, "three jobs: everything is untouched")


def speaks_git(checks, walgrind, place):
    """`git bisect replay` takes our log, and ours is taken back."""
    history = History(8, 101)
    directory = os.path.join(place, "speak")
    ids = history.write(directory)
    bisection = Bisection(walgrind, directory)
    done, report = bisection.find(ids[0], ids[COMMITS - 1], FAILS_SOMETIMES, "--seed=2")
    check_found(checks, done, report, ids[101], "git log format")
    text = bisection.call("log", "--format=git").stdout
    clone = os.path.join(place, "clone")
    git(place, "clone", "-q", directory, clone)
    log = os.path.join(place, "git.log")
    with open(log, "w", encoding="utf-8") as file:
        file.write(text)
    replayed = git(clone, "bisect", "replay", log)
    checks.that(f"{ids[101]} is the first bad commit" in replayed, f"git replays our log: {replayed!r}")
    with open(log, "w", encoding="utf-8") as file:
        file.write(git(clone, "bisect", "log") + "\n")
    git(clone, "bisect", "reset")
    started = bisection.call("start", f"--from-git-log={log}", "--", "sh", "-c", FAILS_SOMETIMES, directory=clone)
    checks.equal(started.returncode, 0, f"starts from a log of git ({started.stderr.strip()})")
    checks.that(all(run["imported"] for run in records(clone)) and records(clone), "what git knew is in the log")
    state = os.path.join(clone, ".git/walgrind-bisect/log.jsonl")
    with open(state, "rb") as file:
        whole = file.read()
    for cut in range(whole.index(b"\n"), len(whole) - 1, 37):
        os.truncate(state, cut)
        checks.that("no bisection has been started" in bisection.call("run", directory=clone).stderr,
                    f"killed while it takes a log of git over (byte {cut}): nothing was begun")
        bisection.call("start", f"--from-git-log={log}", "--seed=7", "--", "sh", "-c", FAILS_SOMETIMES, directory=clone)
        checks.equal(len(records(clone)), whole.count(b"imported"), f"byte {cut}: the same command takes all over")
    checks.equal(bisection.call("run", directory=clone).returncode, 0, "goes on from a log of git")


def tells_how_it_stands(checks, walgrind, place):
    """status and log while another process leads; --jobs=0 runs as many at a time as there are processors."""
    history = History(17, 60)
    directory = os.path.join(place, "stands")
    ids = history.write(directory)
    bisection = Bisection(walgrind, directory)
    gate = os.path.join(place, "gate")
    os.mkfifo(gate)
    command = f'test "$(cat level)" = good || test $((WALGRIND_SEED % 3)) != 0 || read line < {gate}'
    with subprocess.Popen([walgrind, "bisect", "--seed=1", ids[0], ids[COMMITS - 1], "--", "sh", "-c", command],
                          cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        checks.that(wait_until(lambda: records(directory) and left_over(directory)), "a run waits")
        status, log, reset = (bisection.call(verb) for verb in ("status", "log", "reset"))
        checks.that(status.returncode == 0 and "next: up to" in status.stdout, f"status meanwhile: {status.stderr}")
        checks.equal((log.returncode, log.stdout.count("\n")), (0, len(records(directory, None))), "log meanwhile")
        checks.that(reset.returncode == 3 and "another process is bisecting" in reset.stderr, "but no reset")
        process.terminate()
    bisection.call("reset")
    bisection.call("start", "--jobs=0", ids[0], ids[COMMITS - 1], "--", "true")
    checks.equal(records(directory, "start")[0]["jobs"], min(os.cpu_count(), 256), "--jobs=0: one per processor")


def provokes(checks, walgrind, place):
    """What fails in one run of twenty is first made to fail in one of two, also when killed on the way."""
    history = History(16, 77)
    directory = os.path.join(place, "provoke")
    ids = history.write(directory)
    bisection = Bisection(walgrind, directory)
    command = ('n=20; case $STRESS in harm) exit 1;; skip) exit 125;; crash) kill -9 $$;; some) n=5;; '
               'most) n=2; case $OTHER in ""|*[!0-9]*) exit 125;; esac;; esac; '
               'test "$(cat level)" != bad || test $((WALGRIND_SEED % n)) != 0')
    ways = ["STRESS=none", "STRESS=skip", "STRESS=some", "STRESS=crash", "STRESS=harm", "OTHER={seed} STRESS=most"]
    options = ["--seed=3", *(f"--provoke={way}" for way in ways)]
    done, report = bisection.find(ids[0], ids[COMMITS - 1], command, *options)
    check_found(checks, done, report, ids[77], "provoked")
    tried = report.get("ways", [])
    checks.equal([way["words"] for way in tried if way["kept"]], [ways[5]], "the way that fails most is kept")
    checks.equal([way["words"] for way in tried if way["dropped"]], [ways[1], ways[3], ways[4]],
                 "ways without answers, and the one that makes GOOD fail, are dropped")
    checks.that(0 < report.get("runs", 0) < 150, f"searched with a failure rate of 1/2: {report.get('runs')} runs")
    checks.equal(report.get("runs", 0) + report.get("runs_provoking", 0), len(records(directory)), "all runs are told")
    checks.that(f"--provoke '{ways[5]}'" in done.stdout and "STRESS=most [kept]" in done.stdout,
                f"the answer says how it was provoked: {done.stdout}")

    def course():
        return [(run["n"], run["seed"], run.get("way", 0), run["result"]) for run in records(directory)]
    undisturbed = course()
    arguments = [*options, "--build-cost=5", ids[0], ids[COMMITS - 1], "--", "sh", "-c", command]
    for runs in (20, 45, 60):
        checks.that(kill_at(bisection, arguments, lambda wanted=runs: len(records(directory)) >= wanted),
                    f"killed after {runs} runs")
    done, report = bisection.find(ids[0], ids[COMMITS - 1], command, *options)
    check_found(checks, done, report, ids[77], "provoked and killed")
    checks.equal([run[:2] for run in course()], [run[:2] for run in undisturbed][:len(course())], "no run is lost")
    checks.equal([way["words"] for way in report["ways"] if way["kept"]], [ways[5]], "killed, it keeps the same way")
    bisection.call("reset")
    for words, expected in (([walgrind, "run"], {"--swarm", "WALGRIND_CHAOS=1"}),
                            ([walgrind, "exec", "true"], {"WALGRIND_CHAOS=1"}), (["true"], set())):
        bisection.call("start", ids[0], ids[COMMITS - 1], "--", *words)
        usual = set(records(directory, "start")[0]["ways"])
        checks.that(expected <= usual and bool(usual) == bool(expected), f"{words} is provoked with {usual}")
        bisection.call("reset")
    fades = 'test "$FADES" && test $(wc -l < {0}) -lt 3 && echo >> {0} && exit 1; true'
    tally = os.path.join(place, "fades")
    open(tally, "w", encoding="ascii").close()
    bisection.find(ids[0], ids[COMMITS - 1], fades.format(tally), "--provoke=FADES=1", "--provoke=OTHER=1",
                   "--budget=120", "--seed=1")
    kept = [way["way"] for way in records(directory, "way")]
    checks.equal((kept, {run.get("way", 0) for run in records(directory)[-60:]}), ([1], {1}),
                 "a way that is kept is kept, whatever follows")
    bisection.call("reset")
    bisection.call("start", "--provoke=off", ids[0], ids[COMMITS - 1], "--", walgrind, "run")
    checks.equal(records(directory, "start")[0]["ways"], [], "--provoke=off tries nothing")


def checks_out_submodules(checks, walgrind, place):
    inner, outer = os.path.join(place, "inner"), os.path.join(place, "outer")
    for directory in (inner, outer):
        os.makedirs(directory)
        git(directory, "init", "-q", "-b", "main")
    for number in range(8):
        with open(os.path.join(inner, "level"), "w", encoding="utf-8") as file:
            file.write("bad\n" if number >= 5 else "good\n")
        git(inner, "add", "-A")
        git(inner, "commit", "-q", "--allow-empty", "-m", f"inner {number}")
    git(outer, "submodule", "--quiet", "add", inner, "part")
    for number in range(8):
        git(os.path.join(outer, "part"), "checkout", "-q", git(inner, "rev-parse", f"main~{7 - number}"))
        git(outer, "add", "-A")
        git(outer, "commit", "-q", "--allow-empty", "-m", f"outer {number}")
    git(outer, "submodule", "deinit", "-q", "--all")
    before = snapshot(outer, ignored=("walgrind-bisect",))
    done, report = Bisection(walgrind, outer).find("HEAD~7", "HEAD", 'test "$(cat part/level)" = good')
    check_found(checks, done, report, git(outer, "rev-parse", "HEAD~2"), "in a submodule")
    checks.equal(snapshot(outer, ignored=("walgrind-bisect",)), before, "in a submodule: everything is untouched")


def minds_no_settings(checks, walgrind, place):
    """What users have in their configuration, environment and paths makes no difference, and their hooks do not run."""
    history = History(14, 120)
    directory = os.path.join(place, "it's a \"path\" with $PATH & spaces")
    ids = history.write(directory)
    hooks, ran = os.path.join(place, "hooks"), os.path.join(place, "hook-ran")
    os.mkdir(hooks)
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        with open(os.path.join(hooks, name), "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\necho {name} >> '{ran}'\nexit 1\n")
        os.chmod(os.path.join(hooks, name), 0o755)
    settings = {"core.hooksPath": hooks, "log.showSignature": "true", "color.ui": "always", "core.pager": "false",
                "submodule.recurse": "true", "core.fsmonitor": os.path.join(hooks, "post-checkout"),
                "log.date": "relative", "format.pretty": "oneline", "core.quotePath": "true", "diff.noprefix": "true",
                "core.autocrlf": "true", "checkout.defaultRemote": "none", "advice.detachedHead": "true"}
    for name, value in settings.items():
        git(directory, "config", name, value)
    if os.path.exists(ran):
        os.remove(ran)
    added = {"GIT_DIR": os.path.join(directory, ".git"), "GIT_WORK_TREE": directory, "GIT_PREFIX": "sub/",
             "GIT_INDEX_FILE": os.path.join(directory, ".git/index"), "CDPATH": place, "LC_ALL": "de_DE.UTF-8"}
    before = dict(os.environ)
    os.environ.update(added)
    try:
        done, report = Bisection(walgrind, directory).find(ids[0], ids[COMMITS - 1], 'test "$(cat level)" = good',
                                                           "--seed=4", "--build=true")
    finally:
        os.environ.clear()
        os.environ.update(before)
    check_found(checks, done, report, ids[120], "under odd settings")
    checks.that(not os.path.exists(ran), "no hook of the user's ran")


def answers_honestly(checks, walgrind, place):
    """When there is no culprit to be named, the answer says why; exit code 1."""
    history = History(9, 60)
    directory = os.path.join(place, "honest")
    ids = history.write(directory)
    bisection = Bisection(walgrind, directory)
    for claim, options, command, step, words in (
            ("never fails", ["--bad-runs=60"], "true", "bad-passes", "never failed in 60 runs"),
            ("always fails", [], "false", "good-fails", "the good end also fails"),
            ("too few runs", ["--budget=30"], FAILS_SOMETIMES, "budget", "the budget of 30 runs"),
            ("nothing builds", ["--build=false"], "true", "end-untestable", "cannot be tested")):
        done, report = bisection.find(ids[0], ids[COMMITS - 1], command, "--seed=1", *options)
        checks.equal((done.returncode, report.get("step")), (1, step), claim)
        checks.that(words in done.stdout, f"{claim}: says '{words}', not {done.stdout[:200]!r}")
        checks.that(len(report.get("candidates", [])) > 0, f"{claim}: candidates are listed")
    done, _ = bisection.find(ids[0], ids[COMMITS - 1], "kill -9 $$")
    checks.equal(done.returncode, 3, "a run that ends with a signal ends the bisection")
    checks.that("no answer" in done.stderr, "and says that it is no answer")


def writes_html(checks, walgrind, place):
    history = History(10, 50)
    directory = os.path.join(place, "html")
    ids = history.write(directory)
    page = os.path.join(place, "page.html")
    done, _ = Bisection(walgrind, directory).find(
        ids[0], ids[COMMITS - 1], "test \"$(cat level)\" = good # <&>'", f"--html={page}", "--seed=1")
    checks.equal(done.returncode, 0, "html")
    with open(page, encoding="utf-8") as file:
        text = file.read()
    checks.that("change 50 &lt;b&gt;&amp;amp;&#39;&quot;" in text, "subjects are escaped")
    checks.that("<b>&amp;'" not in text and "# <&>" not in text, "nothing unescaped slips through")
    checks.that(text.count("<svg") == 1 and text.count("<rect") > 10, "a picture is there")
    checks.that(text.endswith("</html>\n"), "the page is whole")
    checks.that("http" not in text.replace("http://www.w3.org/2000/svg", ""), "nothing is loaded from outside")


def complains_in_one_line(checks, walgrind, place):
    history = History(12, 60)
    directory = os.path.join(place, "complain")
    ids = history.write(directory)
    shallow = os.path.join(place, "shallow")
    git(place, "clone", "-q", "--depth=5", "file://" + directory, shallow)
    side = git(directory, "commit-tree", "-p", ids[0], "-m", "side", ids[0] + "^{tree}")
    bisection = Bisection(walgrind, directory)
    first, last = ids[0], ids[COMMITS - 1]
    for claim, where, arguments, words in (
            ("bad range", directory, ["nothing", last, "--", "true"], "'nothing' is no commit here"),
            ("swapped", directory, [last, first, "--", "true"], "swapped"),
            ("same", directory, [last, last, "--", "true"], "the same commit"),
            ("no ancestor", directory, [side, last, "--", "true"], "not an ancestor"),
            ("shallow clone", shallow, [first, "HEAD", "--", "true"], "git fetch --unshallow"),
            ("no repository", place, [first, last, "--", "true"], "not a git repository"),
            ("no such command", directory, [first, last, "--", "no-such-command"], "command not found"),
            ("no command", directory, [first, last], "no command to run"),
            ("one commit", directory, [first], "two commits are needed"),
            ("not started", directory, ["run"], "no bisection has been started"),
            ("bad pattern", directory, [first, last, "--match-regex=(", "--", "true"], "--match-regex"),
            ("bad finding", directory, [first, last, "--match=x", "--", "true"], "finding:ID"),
            ("no way", directory, [first, last, "--provoke=8", "--", "true"], "NAME=VALUE, not '8'"),
            ("no options", directory, [first, last, "--provoke=--swarm", "--", "true"],
             "to 'walgrind run' and"),
            ("nothing touched", directory, [first, last, "--touching=none/*", "--", "true"], "touches 'none/*'")):
        done = bisection.call(*arguments, directory=where)
        checks.equal(done.returncode, 2, f"{claim}: exit code")
        checks.that(words in done.stderr and done.stderr.count("\n") == 1, f"{claim}: one clear line: {done.stderr!r}")
        checks.that(not os.path.exists(os.path.join(where, ".git/walgrind-bisect")), f"{claim}: nothing was written")


main(finds_culprits, survives_kills, leaves_no_process, syncs_every_record,
     tells_kinds_apart, hunts_findings, works_in_parallel, tells_how_it_stands, provokes, speaks_git, minds_no_settings,
     checks_out_submodules, answers_honestly, writes_html, complains_in_one_line)
