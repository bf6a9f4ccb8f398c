"""Packs whose tree, card or surroundings are wrong."""

import os
import shutil
import socket
import unicodedata
from pathlib import Path
from typing import Any

from pack_forge import Case, edit_card, good_png, put, read_card, relist, write_card

from alphabench.leaderboard.submission import limits

OUTSIDE = b"outside"


def link_weights(pack: Path) -> None:
    (pack / "model.safetensors").unlink()
    (pack / "model.safetensors").symlink_to("/etc/passwd")


def link_folder(pack: Path) -> None:
    shutil.move(pack / "predictions", pack.parent / "elsewhere")
    (pack / "predictions").symlink_to(pack.parent / "elsewhere")


def hard_link(pack: Path) -> None:
    os.link(pack / "model.safetensors", pack.parent / "outside")


def linked_pack(pack: Path) -> Path:
    real = pack.rename(pack.parent / "real")
    pack.symlink_to(real)
    return pack


def pipe(pack: Path) -> None:
    (pack / "card.toml").unlink()
    os.mkfifo(pack / "card.toml")


def listening(pack: Path) -> None:
    (pack / "card.toml").unlink()
    here = Path.cwd()
    os.chdir(pack)  # the address of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("card.toml")
    finally:
        os.chdir(here)


def lists(path: str) -> Any:
    def spoil(pack: Path) -> None:
        edit_card(pack, files={path: "0" * 64})

    return spoil


def holds(path: str, data: bytes = OUTSIDE) -> Any:
    """Return a spoiler that adds a file, listed by the card where it can be."""

    def spoil(pack: Path) -> None:
        (pack / path).parent.mkdir(parents=True, exist_ok=True)
        (pack / path).write_bytes(data)

    return spoil


def holds_folder(path: str) -> Any:
    def spoil(pack: Path) -> None:
        (pack / path).mkdir(parents=True)

    return spoil


def archive_instead(pack: Path) -> Path:
    target = pack.parent / "pack.zip"
    target.write_bytes(b"PK\x03\x04")
    return target


def both_cases(pack: Path) -> None:
    for name in ("A", "a"):
        (pack / "predictions" / "glass" / f"{name}.png").write_bytes(good_png())


def sparse(path: str, size: int) -> Any:
    def spoil(pack: Path) -> None:
        with (pack / path).open("ab") as file:
            file.truncate(size)

    return spoil


def six_hundred_mebibytes(pack: Path) -> None:
    for index in range(7):
        with (pack / f"part{index}.safetensors").open("wb") as file:
            file.truncate(90 * limits.MEBIBYTE)


def five_thousand(pack: Path) -> None:
    home = pack / "predictions" / "many"
    home.mkdir()
    for index in range(5000):
        (home / f"{index}.png").touch()


def long_comment(pack: Path) -> None:
    with (pack / "card.toml").open("a", encoding="utf-8") as card:
        card.write("#" * limits.TOML_BYTES)


def other_digit(pack: Path) -> None:
    digest = read_card(pack)["files"]["model.safetensors"]
    edit_card(pack, files={"model.safetensors": ("0" if digest[0] != "0" else "1") + digest[1:]})


def without(path: str) -> Any:
    def spoil(pack: Path) -> None:
        (pack / path).unlink()

    return spoil


def without_listed(path: str) -> Any:
    def spoil(pack: Path) -> None:
        (pack / path).unlink()
        relist(pack)

    return spoil


def one_image_more(pack: Path) -> None:
    put(pack, "predictions/glass/extra.png", good_png())


def unlisted(pack: Path) -> None:
    card = read_card(pack)
    del card["files"]["config.toml"]
    write_card(pack, card)


def called(**model: Any) -> Any:
    return lambda pack: edit_card(pack, model=model)


def appended(text: str) -> Any:
    def spoil(pack: Path) -> None:
        path = pack / "card.toml"
        path.write_text(text + path.read_text(encoding="utf-8"), encoding="utf-8")

    return spoil


def moved(pack: Path) -> Path:
    return pack.rename(pack.parent / "someone__else")


def predictions_with_weights(pack: Path) -> None:
    put(pack, "model.safetensors", b"x")


def diff_of(*entries: tuple[str, str, str]) -> Any:
    """Return a spoiler that gives `--base-diff`: entries of status, new mode and path."""

    def spoil(pack: Path) -> dict[str, Any]:
        zero, one = "0" * 40, "1" * 40
        lines = [f":000000 {mode} {zero} {one} {status}\0{path}\0" for status, mode, path in entries]
        file = pack.parent / "diff"
        file.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
        return {"--base-diff": file}

    return spoil


OWN = ("A", "100644", "leaderboard/submissions/acme__tiny/card.toml")
NFD = unicodedata.normalize("NFD", "é")

CASES = [
    Case("weights are a link", "tree.check_link", "E_LINK", "symbolic link", link_weights, 1, path="model.safetensors"),
    Case("folder is a link", "tree.check_link", "E_LINK", "symbolic link", link_folder, 2, path="predictions"),
    Case("hard link", "tree.check_link", "E_LINK", "2 names", hard_link, 3, path="model.safetensors"),
    Case("pack is a link", "tree.check_is_folder", "E_LINK", "it is a link", linked_pack),
    Case("pipe", "tree.check_type", "E_FILETYPE", "neither a file nor a folder", pipe, 4, path="card.toml"),
    Case("socket", "tree.check_type", "E_FILETYPE", "neither a file nor a folder", listening, 4, path="card.toml"),
    Case("path upwards", "card.check_paths", "E_PATH", "'../../README.md'", lists("../../README.md"), 5),
    Case("absolute path", "card.check_paths", "E_PATH", "'/etc/passwd'", lists("/etc/passwd"), 5),
    Case("path to no part", "card.check_paths", "E_PATH", "no part of a pack", lists("record/notes.txt"), 5),
    *(
        Case(f"pickle {name}", "names.check_place", "E_EXTRA", "pickled", holds(name), 6, path=name)
        for name in ("model.pt", "pytorch_model.bin", "model.pkl")
    ),
    *(
        Case(f"code {name}", "names.check_place", "E_EXTRA", "packs hold data", holds(name), 8, path=name)
        for name in ("modeling.py", "setup.py", "conftest.py")
    ),
    Case("workflow", "names.check_place", "E_EXTRA", "hidden", holds(".github/workflows/x.yml"), 8, path=".github"),
    Case("json settings", "names.check_place", "E_EXTRA", "config.toml", holds("config.json", b'{"auto_map":{}}'), 9),
    Case(
        "one image less",
        "predictions.check_samples",
        "E_SAMPLES",
        "1 of 4 samples have no prediction, first 'hair/a'",
        without_listed("predictions/hair/a.png"),
        23,
    ),
    Case(
        "one image more",
        "predictions.check_samples",
        "E_SAMPLES",
        "1 of 5 predictions have no sample, first 'glass/extra'",
        one_image_more,
        23,
    ),
    Case("upper and lower case", "names.check_name", "E_NAME", "upper and lower case", both_cases, 24),
    Case("composed letter", "names.check_name", "E_NAME", "\\xe9", holds("predictions/é.png"), 24),
    Case("decomposed letter", "names.check_name", "E_NAME", "e\\u0301", holds(f"predictions/{NFD}.png"), 24),
    Case("turned text", "names.check_name", "E_NAME", "\\u202e", holds("predictions/\u202egnp.png"), 24),
    Case("zero width", "names.check_name", "E_NAME", "\\u200b", holds("predictions/a\u200b.png"), 24),
    Case("device", "names.check_name", "E_NAME", "device", holds("predictions/CON.png"), 24),
    Case("trailing dot", "names.check_name", "E_NAME", "ends in a dot", holds("predictions/a.png."), 24),
    Case("trailing space", "names.check_name", "E_NAME", "not allowed", holds("predictions/a.png "), 24),
    Case("escapes in a name", "names.check_name", "E_NAME", "\\x1b[2J", holds("predictions/\x1b[2J.png"), 24),
    Case("invalid bytes in a name", "names.check_name", "E_NAME", "\\udcff", holds("predictions/\udcff.png"), 24),
    Case("finder", "names.check_place", "E_EXTRA", "rm -r '.DS_Store'", holds(".DS_Store"), 25),
    Case("resource folder", "names.check_place", "E_EXTRA", "rm -r '__MACOSX'", holds("__MACOSX/x"), 25),
    Case("thumbnails", "names.check_place", "E_EXTRA", "rm -r 'Thumbs.db'", holds("Thumbs.db"), 25),
    Case(
        "empty folder", "tree.check_not_empty", "E_EXTRA", "rmdir 'predictions/no'", holds_folder("predictions/no"), 25
    ),
    Case(
        "archive inside", "names.check_place", "E_EXTRA", "unpack it: packs are plain folders", holds("good.tar.gz"), 26
    ),
    Case(
        "archive instead", "tree.check_is_folder", "E_EXTRA", "unpack it: packs are plain folders", archive_instead, 26
    ),
    Case("five thousand files", "tree.check_count", "E_BUDGET", "more than 4096 files", five_thousand, 27),
    Case(
        "96 MiB",
        "tree.check_budget",
        "E_BUDGET",
        f"has {96 * limits.MEBIBYTE} bytes",
        sparse("model.safetensors", 96 * limits.MEBIBYTE),
        27,
    ),
    Case("600 MiB", "tree.check_budget", "E_BUDGET", "together", six_hundred_mebibytes, 27),
    Case(
        "10 TiB, sparse",
        "tree.check_budget",
        "E_BUDGET",
        f"has {10 * 1024**4} bytes",
        sparse("model.safetensors", 10 * 1024**4),
        27,
    ),
    Case("long card", "tree.check_budget", "E_BUDGET", "card.toml", long_comment),
    Case("long path", "names.check_path_length", "E_BUDGET", "its path has", holds(f"predictions/{'p' * 170}.png")),
    Case("other digit", "card.check_hashes", "E_HASH", "the card states", other_digit, 28, path="model.safetensors"),
    Case("listed and absent", "card.check_listed", "E_MISSING", "it is not there", without("predictions/hair/a.png")),
    Case(
        "present and not listed",
        "card.check_listed",
        "E_EXTRA",
        "does not list it",
        holds("predictions/a.png"),
        kind="bare",
    ),
    Case("no settings", "card.check_kind", "E_MISSING", "a checkpoint needs this file", without_listed("config.toml")),
    Case(
        "weights among predictions",
        "card.check_kind",
        "E_EXTRA",
        "no weights",
        predictions_with_weights,
        kind="predictions",
    ),
    Case("folder of another name", "card.check_folder_name", "E_CARD", "'someone__else'", moved),
    Case("workflow command", "card.read_card", "E_CARD", "is no slug", called(name="x\n::set-env name=A::b"), 29),
    Case("element", "card.read_card", "E_CARD", "is no slug", called(name="<script>"), 29),
    Case("link in Markdown", "card.read_card", "E_CARD", "is no slug", called(name="x](javascript:alert(1))"), 29),
    Case("escapes", "card.read_card", "E_CARD", "is no slug", called(name="\x1b[2J\x1b]0;owned\x07"), 29),
    Case("escapes in the summary", "card.read_card", "E_CARD", "U+001B", called(summary="\x1b[31mred"), 29),
    Case("homepage that is code", "card.read_card", "E_CARD", "https", called(homepage="javascript:alert(1)"), 29),
    Case("unknown key", "card.read_card", "E_CARD", "unknown key 'score'", appended("score = 1\n")),
    Case("no number", "strict_toml.check_values", "E_CARD", "is nan", appended("score = nan\n")),
    Case("date", "strict_toml.check_values", "E_CARD", "date or time", appended("when = 2026-01-01\n")),
    Case("deep", "strict_toml.check_values", "E_CARD", "levels deep", appended("deep = [[[[[[1]]]]]]\n")),
    Case("bottomless", "strict_toml.read_toml", "E_CARD", "", appended(f"deep = {'[' * 20_000}\n")),
    Case("key twice", "strict_toml.read_toml", "E_CARD", "no TOML", appended('kind = "checkpoint"\n')),
    Case(
        "trained on the test set",
        "card.check_not_trained_on",
        "E_CARD",
        "the test set 'Pictures@1'",
        called(trained_on=["coco", "Pictures@1"]),
    ),
    Case(
        "code of the project",
        "scope.check_scope",
        "E_SCOPE",
        "outside",
        diff_of(OWN, ("M", "100644", "alphabench/x.py")),
        32,
    ),
    Case("workflows", "scope.check_scope", "E_SCOPE", "outside", diff_of(OWN, ("A", "100644", ".github/x.yml")), 32),
    Case(
        "a record",
        "scope.check_scope",
        "E_SCOPE",
        "outside",
        diff_of(("M", "100644", "leaderboard/a@1/x/record.json")),
        32,
    ),
    Case(
        "another's pack",
        "scope.check_scope",
        "E_SCOPE",
        "outside",
        diff_of(("D", "000000", "leaderboard/submissions/acme__tiny2/card.toml")),
        32,
    ),
    Case("path that climbs", "scope.check_scope", "E_SCOPE", "\\x1b", diff_of(("A", "100644", "\x1b[2J")), 32),
    Case(
        "a link in the diff", "scope.check_scope", "E_SCOPE", "symbolic link", diff_of((OWN[0], "120000", OWN[2])), 32
    ),
    Case("a submodule", "scope.check_scope", "E_SCOPE", "submodule", diff_of((OWN[0], "160000", OWN[2])), 32),
]
