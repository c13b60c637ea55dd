# SPDX-License-Identifier: MIT
"""sources.py - the files of the project as the rules see them.

A Source holds the text of one file three ways: as it is, with the comments blanked out (`no_comments`), and with
comments and the insides of literals blanked out (`code`). Blanking keeps every newline, so a position found in any of
them is a position in the file.

Limits: C is read with one regular expression, not a parser. Line continuations inside literals and trigraphs are not
understood; the project uses neither.
"""
import os
import re
import subprocess

KINDS = {".c": "c", ".h": "h", ".py": "python", ".sh": "shell", ".build": "meson", ".md": "markdown", ".sql": "sql"}
INTERPRETERS = (("python", "python"), ("bash", "shell"), ("sh", "shell"))
SKIPPED_DIRECTORIES = {".git", "__pycache__", "node_modules", ".cache"}

TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def blank(text):
    return re.sub(r"[^\n]", " ", text)


class Source:
    """One file: `path` is relative to the project root and uses slashes."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        self.kind = self._kind()
        self.comments = []  # (line number, text) of each comment of a C file
        self.no_comments, self.code = text, text
        if self.kind in ("c", "h"):
            self.no_comments = TOKEN.sub(self._without_comment, text)
            self.code = TOKEN.sub(self._without_inside, text)

    def _kind(self):
        kind = KINDS.get(os.path.splitext(self.path)[1])
        if kind:
            return kind
        if os.path.basename(self.path) in ("meson_options.txt", "meson.options"):
            return "meson"
        first = self.lines[0]
        if first.startswith("#!"):
            for word, kind in INTERPRETERS:
                if re.search(r"[/ ]" + word, first):
                    return kind
        return "other"

    def _without_comment(self, match):
        token = match.group()
        if token[0] != "/":
            return token
        self.comments.append((self.line_at(match.start()), token))
        return blank(token)

    @staticmethod
    def _without_inside(match):
        token = match.group()
        return blank(token) if token[0] == "/" else token[0] + blank(token[1:-1]) + token[-1]

    def line_at(self, position):
        return self.text.count("\n", 0, position) + 1

    def matches(self, pattern, text=None):
        """Yields (line, match) of a compiled pattern in `text` (default: the code)."""
        for match in pattern.finditer(self.code if text is None else text):
            yield self.line_at(match.start()), match


def list_paths(root):
    """Paths that belong to the project: what git tracks or would track, or a walk when there is no git."""
    if os.path.exists(os.path.join(root, ".git")):
        command = ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            return sorted({p for p in done.stdout.decode().split("\0") if os.path.isfile(os.path.join(root, p))})
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f not in SKIPPED_DIRECTORIES and not f.startswith("build")]
        found += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return sorted(found)


def load(root):
    """Every readable text file of the project; binary data has no style."""
    sources = []
    for path in list_paths(root):
        with open(os.path.join(root, path), "rb") as file:
            content = file.read()
        try:
            sources.append(Source(path, content.decode("utf-8")))
        except UnicodeDecodeError:
            continue
    return sources
