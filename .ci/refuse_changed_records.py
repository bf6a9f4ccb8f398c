"""Refuse a change that edits or deletes a record: a store is only ever added to.

Usage: python .ci/refuse_changed_records.py BASE [HEAD]

Compares HEAD with the commit where it left BASE. Every path `leaderboard/<name>@<version>/...` and every line
of `leaderboard/withdrawn.csv` that BASE has must be there unchanged; golden records too. Exit code 1 and one
line for each path where that is not so.
"""

import re
import subprocess
import sys

KEPT = re.compile(r"leaderboard/(?:[^/]+@[0-9]+|golden)/.+")
WITHDRAWN = "leaderboard/withdrawn.csv"


def git(*arguments: str) -> bytes:
    """Return what a git command prints."""
    return subprocess.run(["git", *arguments], check=True, capture_output=True).stdout


def faults(base: str, head: str) -> list[str]:
    """Return one line for each kept path that `head` changes or removes."""
    start = git("merge-base", base, head).decode().strip()
    fields = git("diff", "--name-status", "--no-renames", "-z", start, head).decode().split("\0")
    found = [
        f"{path}: {'deleted' if status == 'D' else 'changed'}; a record is corrected by a new one that supersedes it"
        for status, path in zip(fields[::2], fields[1::2], strict=False)
        if status != "A" and KEPT.fullmatch(path)
    ]
    listed = git("ls-tree", "--name-only", "-z", start, WITHDRAWN)
    if listed:
        before = git("show", f"{start}:{WITHDRAWN}").decode().splitlines()
        there = git("ls-tree", "--name-only", "-z", head, WITHDRAWN)
        after = git("show", f"{head}:{WITHDRAWN}").decode().splitlines() if there else []
        found += [f"{WITHDRAWN}: the line {line!r} is gone" for line in before if line not in after]
    return found


def main(arguments: list[str]) -> int:
    """Print the faults and return the exit code."""
    if not 1 <= len(arguments) <= 2:
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    found = faults(arguments[0], arguments[1] if len(arguments) == 2 else "HEAD")
    for line in found:
        print(line)  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
