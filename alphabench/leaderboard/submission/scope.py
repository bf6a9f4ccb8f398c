"""What else a pull request changes: a submission may touch its own pack and nothing else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from alphabench.leaderboard.submission.findings import Finding, Refused, finding

HOME = "leaderboard/submissions"
ENTRY = re.compile(rb":([0-7]{6}) ([0-7]{6}) [0-9a-f.]{4,64} [0-9a-f.]{4,64} ([A-Z])[0-9]*")
LINK, SUBMODULE = "120000", "160000"


@dataclass(frozen=True)
class Change:
    """One entry of a raw diff: the new mode, and every path that it names."""

    mode: str
    paths: tuple[str, ...]


def read_diff(data: bytes) -> list[Change]:
    """Return the changes in the output of `git diff --raw -z BASE...HEAD`.

    Raises:
        Refused: it is not such an output.
    """
    fields = iter(data.split(b"\0"))
    changes = list(_changes(fields))
    if data and not data.endswith(b"\0"):
        raise _unreadable("its last entry is cut off")
    return changes


def check_scope(changes: list[Change], slug: str) -> list[Finding]:
    """Refuse changes outside the pack `slug`, and links and submodules anywhere.

    Args:
        changes: of the pull request.
        slug: `org__model`, the name of the pack's folder.
    """
    own = f"{HOME}/{slug}/"
    found = []
    for change in changes:
        found += [
            finding("E_SCOPE", path, f"it is outside {own}", "Submit the pack, and only the pack.")
            for path in change.paths
            if not path.startswith(own) or ".." in path.split("/")
        ]
        if change.mode in {LINK, SUBMODULE}:
            what = "a symbolic link" if change.mode == LINK else "a submodule"
            found.append(finding("E_SCOPE", change.paths[-1], f"it becomes {what}", "Add plain files."))
    return found


def _changes(fields: Iterator[bytes]) -> Iterator[Change]:
    for head in fields:
        if not head:
            continue
        match = ENTRY.fullmatch(head)
        if match is None:
            raise _unreadable(f"{head[:60]!r} is no entry")
        count = 2 if match[3] in {b"R", b"C"} else 1
        paths = tuple(next(fields, b"").decode("utf-8", "surrogateescape") for _ in range(count))
        if not all(paths):
            raise _unreadable("an entry has no path")
        yield Change(match[2].decode(), paths)


def _unreadable(fact: str) -> Refused:
    return Refused([finding("E_SCOPE", "diff", f"the list of changes is not readable: {fact}", "Make it anew.")])
