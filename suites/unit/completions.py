#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""completions.py - what bash, zsh and fish offer for a line that begins with walgrind.

    completions.py WALGRIND

bash and fish are asked, with a walgrind on the path; zsh, which answers only a terminal, reads its script and has every
option in it. Prints one line per failed check and exits with 1.
"""
import os
import shlex
import subprocess
import sys
import tempfile

WALGRIND = os.path.abspath(sys.argv[1])
problems = []
# The line (its last word is completed), words that must be offered, words that must not.
LINES = (
    ("walgrind re", {"report"}, {"run"}),
    ("walgrind report --format=", {"tty", "tap", "perfetto"}, {"suite"}),
    ("walgrind report --format=t", {"tty", "tap", "tap13"}, {"json"}),
    ("walgrind run --isolate=", {"suite", "swarm"}, {"tty"}),
    ("walgrind run --isol", {"--isolate="}, {"--format="}),
    ("walgrind list --js", {"--json"}, set()),
    ("walgrind run health/", {"health/says_ok"}, set()),
    ("walgrind run --suite-binary=/etc/host", {"/etc/hosts"}, set()),
)


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


def output(*words, **environment):
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False,
                          env={**os.environ, **environment})
    return done.stdout if done.returncode == 0 else f"exit {done.returncode}: {done.stderr}"


def bash(line):
    """As readline would: '=' is a word of its own."""
    words = line.replace("=", " = ").split(" ") if not line.endswith("=") else line[:-1].split(" ") + ["="]
    quoted = " ".join(map(shlex.quote, words))
    script = f"compopt() {{ :; }}; . {shlex.quote(scripts['bash'])}; COMP_WORDS=({quoted}); " \
             f"COMP_CWORD={len(words) - 1}; _walgrind; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return set(output("bash", "-c", script).split("\n"))


def fish(line):
    """Without what is typed already: fish gives the whole word --isolate=suite."""
    script = f"source {shlex.quote(scripts['fish'])}; complete -C {shlex.quote(line)}"
    offered = {answer.split("\t")[0] for answer in output("fish", "-c", script).split("\n")}
    head = line.split(" ")[-1].rpartition("=")[0]
    return {word.removeprefix(f"{head}=") if head else word for word in offered} | {f"{word}=" for word in offered}


with tempfile.TemporaryDirectory(prefix="walgrind completions ") as directory:
    os.symlink(WALGRIND, f"{directory}/walgrind")
    os.environ.update(PATH=f"{directory}:{os.environ['PATH']}", HOME=directory, XDG_CONFIG_HOME=directory,
                      XDG_DATA_HOME=directory)
    scripts = {}
    for shell in ("bash", "zsh", "fish"):
        scripts[shell] = f"{directory}/{shell}"
        with open(scripts[shell], "w", encoding="utf-8") as file:
            file.write(output(WALGRIND, "completions", shell))
        said = output(shell, "-n", scripts[shell])
        check(f"{shell} reads its script", said == "", said)
    for line, wanted, unwanted in LINES:
        for shell, ask in (("bash", bash), ("fish", fish)):
            offered = ask(line)
            check(f"{shell}: {line}", wanted <= offered and not unwanted & offered, sorted(offered)[:20])
    with open(scripts["zsh"], encoding="utf-8") as file:
        text = file.read()
    for command in output(WALGRIND, "--help").split("commands:\n")[1].split("\n\n")[0].splitlines():
        name = command.split()[0]
        part = text.split(f"\n    {name})\n", 1)[-1].split(";;", 1)[0]
        for line in output(WALGRIND, name, "--help").splitlines():
            option = line.strip().split("--", 1)[-1].split(" ")[0].split("=")[0] if line.startswith("  -") else ""
            check(f"zsh: {name} --{option}", not option or f"--{option}" in part, part[:200])
sys.exit(1 if problems else 0)
