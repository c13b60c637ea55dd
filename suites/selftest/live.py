#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""live.py - what a run tells while it goes on: the line of a terminal, the key 't', SIGUSR1, slow tests.

    live.py WALGRIND SUITE

SUITE is the binary of live_suite.c. Prints one line per failed check and exits
with 1.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

WALGRIND, SUITE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
WAIT_S = 30
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown!r}")


class Terminal:
    """A run on a terminal of its own, `columns` wide."""

    def __init__(self, words, columns):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.execv(WALGRIND, [WALGRIND, *words])

    def read_until(self, pattern):
        """The match; None when it does not come in time, or the run ends before."""
        deadline = time.monotonic() + WAIT_S
        while not (found := re.search(pattern, self.text, re.S)):
            if time.monotonic() > deadline or not select.select([self.fd], [], [], 1)[0]:
                if time.monotonic() > deadline:
                    return None
                continue
            try:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                return re.search(pattern, self.text, re.S)
        return found

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self):
        os.kill(self.pid, signal.SIGINT)
        self.read_until("run directory: [^\n]*\n")
        echoes = self.echoes()
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status), echoes


def on_a_terminal(words):
    terminal = Terminal(words, 60)
    check("the line shows the oldest test and its age", terminal.read_until(r"\d running  \d+\.\d s live/hangs"),
          terminal.text[-300:])
    check("the age grows by itself", terminal.read_until(r"running  1\.[0-9] s live/hangs"), terminal.text[-300:])
    check("keys are not echoed", not terminal.echoes())
    os.write(terminal.fd, b"xt")
    told = terminal.read_until(r"of \d+ tests done, \d+ failed, \d running\r\n +\d+\.\d s  live/hangs "
                               r"\(suite, worker \d+, pid \d+\)")
    check("t tells what runs", told, terminal.text[-400:])
    lines = [line.split("\033[K")[0] for line in re.split(r"[\r\n]+", terminal.text) if " running  " in line]
    check("the line fits", lines and max(map(len, lines)) < 60, max(lines, key=len, default=""))
    code, echoes = terminal.end()
    check("an interrupted run ends with 3", code == 3, code)
    check("the terminal is as it was", echoes)


def on_a_wide_terminal(words, place):
    """A bar, and all that runs as far as there is room."""
    terminal = Terminal([*words, f"--run-dir={place}/wide"], 100)
    check("a bar, and two tests with their ages",
          terminal.read_until(r"none \[#{5}-{11}\] 1/3  2 running  \d+\.\d s live/hangs\w*, \d+\.\d s live/hangs"),
          terminal.text[-300:])
    terminal.end()
    terminal = Terminal([*words, f"--run-dir={place}/narrow"], 62)
    check("without room for the second it is not cut",
          terminal.read_until(r"\rnone 1/3  2 running  \d+\.\d s live/hangs\w*, \.\.\.\033"), terminal.text[-300:])
    terminal.end()


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def await_text(path, pattern):
    deadline = time.monotonic() + WAIT_S
    while not re.search(pattern, read(path), re.M) and time.monotonic() < deadline:
        time.sleep(0.05)


def without_a_terminal(words, option, wants_notice):
    place = option[0].split("=", 1)[1]
    err_path = f"{place}.err"
    with open(err_path, "w", encoding="utf-8") as err_file, \
            subprocess.Popen([WALGRIND, *words, *option], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=err_file) as run:
        await_text(f"{place}/events.jsonl", '"test-started".*live/hangs')
        run.send_signal(signal.SIGUSR1)
        await_text(err_path, r"\d running\n")
        check("SIGUSR1 stops nothing", run.poll() is None)
        if wants_notice:
            await_text(err_path, "^slow: ")
        run.send_signal(signal.SIGINT)
        run.wait(timeout=WAIT_S)
    err = read(err_path)
    check(f"{option}: SIGUSR1 tells what runs", re.search(r"\d running\n +\d\.\d s  live/hangs \(suite", err), err)
    check(f"{option}: no control characters", "\033" not in err and "\r" not in err, err)
    named = len(re.findall(r"^slow: live/hangs has run for 1[01] s \(suite, pid \d+\)$", err, re.M))
    check(f"{option}: a test that takes long is named {'once' if wants_notice else 'not'}", named == wants_notice, err)


def main():
    with tempfile.TemporaryDirectory(prefix="walgrind 'live' ") as place:
        os.environ.update(WALGRIND_SANDBOX=place, XDG_CACHE_HOME=place, TERM="xterm")
        words = ["run", f"--suite-binary={SUITE}", "--isolate=suite", "--timeout=60s", "live/hangs", "live/passes"]
        on_a_terminal([*words, f"--run-dir={place}/terminal"])
        swarm = [word for word in words if not word.startswith("--isolate")]
        on_a_wide_terminal([*swarm, "--swarm", "live/hangs_too"], place)
        without_a_terminal(words, [f"--run-dir={place}/notice"], True)
        without_a_terminal(words, [f"--run-dir={place}/quiet", "--no-progress"], False)
    sys.exit(1 if problems else 0)


main()
