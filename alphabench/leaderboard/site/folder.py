"""The files of a site: written beside their place, checked against budgets, then moved into it whole."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from alphabench.errors import NO_SPACE, DataError, UsageError

KIB = 1024
MIB = 1024 * KIB
MARK = "alphabench-site.txt"
MARK_TEXT = b"This folder is written by `alphabench leaderboard site`; building the site again replaces it whole.\n"
INDEX_BUDGET, INDEX_RECORDS = 400 * KIB, 200
RECORD_BUDGET, RECORD_SAMPLES = 300 * KIB, 24
ASSETS_BUDGET = int(2.5 * MIB)
IMAGES_BUDGET = 60 * MIB


@dataclass
class SiteFolder:
    """Collects the files of a site.

    Attributes:
        out: where the site goes.
        work: where it is written first.
        sizes: bytes of each file by its path in the site.
    """

    out: Path
    work: Path
    sizes: dict[str, int] = field(default_factory=dict)

    def put(self, name: str, data: bytes) -> None:
        """Write a file; one that is there already under a name of its content stays as it is."""
        if name in self.sizes and name.startswith("img/"):
            return
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.sizes[name] = len(data)

    def check(self, *, records: int, shown: int) -> None:
        """Check the budgets: they grow with more records and more samples than they were made for.

        Raises:
            DataError: one is passed; the message names the largest files.
        """
        pages = max(1.0, shown / RECORD_SAMPLES)
        budgets = [
            ("the table page", ("index.html",), INDEX_BUDGET * max(1.0, records / INDEX_RECORDS)),
            ("assets", ("assets/",), ASSETS_BUDGET),
            ("images", ("img/",), IMAGES_BUDGET),
        ]
        for what, starts, budget in budgets:
            members = {name: size for name, size in self.sizes.items() if name.startswith(starts)}
            if sum(members.values()) > budget:
                raise _over(what, sum(members.values()), budget, members)
        for name, size in self.sizes.items():
            if name.startswith("r/") and size > RECORD_BUDGET * pages:
                raise _over(f"the page {name}", size, RECORD_BUDGET * pages, {name: size})

    def finish(self) -> None:
        """Move the site into its place; an older site there is replaced."""
        self.put(MARK, MARK_TEXT)
        old = self.out.parent / f".{self.out.name}.old"
        if self.out.exists():
            shutil.rmtree(old, ignore_errors=True)
            self.out.rename(old)
        self.work.rename(self.out)
        shutil.rmtree(old, ignore_errors=True)


def open_site_folder(out: Path) -> SiteFolder:
    """Return an empty work folder beside `out`.

    Raises:
        UsageError: `out` is a file, or a folder that holds something else than a site.
        DataError: the folder cannot be made.
    """
    out = out.absolute()
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARK).is_file())):
        raise UsageError(
            f"{out} holds something else than a site of alphabench",
            remedy="Name an empty or a new folder with --out; nothing was changed.",
        )
    work = out.parent / f".{out.name}.new"
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
    except OSError as error:
        raise writing_fault(out, error) from error
    return SiteFolder(out, work)


def writing_fault(path: Path, error: OSError) -> DataError:
    """Return the error of a file or folder that cannot be written."""
    if error.errno in NO_SPACE:
        return DataError(f"disk full: {path} could not be written whole", remedy="Free some space, then repeat.")
    return DataError(f"{path} cannot be written: {error.strerror}", remedy="Name another place with --out.")


def size_words(size: float | int) -> str:
    """Return bytes for people."""
    return f"{size / MIB:.1f} MiB" if size >= MIB else f"{size / KIB:.0f} KiB"


def _over(what: str, size: int, budget: float | int, members: dict[str, int]) -> DataError:
    largest = sorted(members.items(), key=lambda item: (-item[1], item[0]))[:5]
    names = ", ".join(f"{name} ({size_words(bytes_)})" for name, bytes_ in largest)
    return DataError(
        f"{what} would have {size_words(size)}, more than {size_words(budget)}; the largest: {names}",
        remedy="Show fewer samples with --images N, or fewer records with --protocol.",
    )
