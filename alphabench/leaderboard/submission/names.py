"""Which names a file of a pack may have, and what each place in a pack is for."""

import re
from collections.abc import Mapping

from alphabench.data.naming import DEVICE_STEMS
from alphabench.leaderboard.submission import limits
from alphabench.leaderboard.submission.findings import Finding, finding

CARD, CONFIG = "card.toml", "config.toml"
PREDICTIONS, RECORD = "predictions", "record"
RECORD_FILES = (f"{RECORD}/record.json", f"{RECORD}/samples.parquet")
WEIGHTS = re.compile(r"[a-z0-9][a-z0-9._-]*[.]safetensors")
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
JUNK = frozenset({".ds_store", "__macosx", "thumbs.db", "desktop.ini", "@eadir"})
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".npz", ".npy", ".h5", ".joblib")


def is_allowed_file(path: str) -> bool:
    """Say whether a pack can hold a file at `path`."""
    top, _, rest = path.partition("/")
    if not rest:
        return path in {CARD, CONFIG} or bool(WEIGHTS.fullmatch(path))
    return path in RECORD_FILES or (top == PREDICTIONS and rest.endswith(".png"))


def is_allowed_folder(path: str) -> bool:
    """Say whether a pack can hold a folder at `path`."""
    return path == RECORD or path.split("/", maxsplit=1)[0] == PREDICTIONS


def check_name(path: str, name: str, neighbours: Mapping[str, str]) -> list[Finding]:
    """Refuse a name that some file system or reader takes for another one.

    Args:
        path: where the file is in the pack.
        name: last part of the path.
        neighbours: names already seen in the same folder, by their folded form.
    """
    remedy = "Use letters, digits, '.', '_' and '-' of ASCII, beginning with a letter or digit."
    if not NAME.fullmatch(name):
        return [finding("E_NAME", path, "its name has characters that are not allowed", remedy)]
    if name.endswith("."):
        return [finding("E_NAME", path, "its name ends in a dot, which some systems drop", remedy)]
    if name.partition(".")[0].casefold() in DEVICE_STEMS:
        return [finding("E_NAME", path, "its name is that of a device on some systems", "Rename it.")]
    if twin := neighbours.get(name.casefold()):
        return [finding("E_NAME", path, f"its name differs from {twin} in upper and lower case only", "Rename one.")]
    return []


def check_place(path: str, *, folder: bool) -> list[Finding]:
    """Refuse a file or folder that is no part of a pack."""
    if is_allowed_folder(path) if folder else is_allowed_file(path):
        return []
    name = path.rsplit("/", 1)[-1].lower()
    fact, remedy = "it is no part of a pack", f"Delete it: rm -r '{path}'"
    if name in JUNK or name.startswith("."):
        fact = "it is hidden or was left by a system"
    elif name.endswith(ARCHIVES):
        fact, remedy = "it is an archive", "unpack it: packs are plain folders"
    elif name.endswith(PICKLES):
        fact, remedy = "it may hold pickled weights", "Save the weights as model.safetensors and delete it."
    elif name.endswith((".py", ".sh", ".toml", ".cfg", ".so", ".ipynb")) and not folder:
        fact, remedy = "packs hold data, no code and no other settings", f"Delete it: rm '{path}'"
    elif name == "config.json":
        fact, remedy = "settings are in config.toml", f"Write the architecture's keys there; rm '{path}'"
    return [finding("E_EXTRA", path, fact, remedy)]


def check_path_length(path: str) -> list[Finding]:
    """Refuse a path that some systems cannot hold."""
    size = len(path.encode("utf-8", "surrogateescape"))
    if size <= limits.PATH_BYTES and path.count("/") <= limits.DEPTH:
        return []
    fact = f"its path has {size} bytes in {path.count('/')} folders, more than {limits.PATH_BYTES} or {limits.DEPTH}"
    return [finding("E_BUDGET", path, fact, "Shorten it.")]
