"""Every hostile pack is refused with exit code 6, by the check that is meant for it, quickly and in safe words."""

import inspect
import pkgutil
import re
import resource
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import hostile_images
import hostile_tree
import hostile_weights
import pytest
from pack_forge import Case

import alphabench.leaderboard.submission as package
from alphabench.leaderboard.submission.findings import Finding
from alphabench.leaderboard.submission.ground import Ground
from alphabench.leaderboard.submission.validation import validated

CASES: list[Case] = [*hostile_tree.CASES, *hostile_weights.CASES, *hostile_images.CASES]
MODULES = {
    info.name: import_module(f"{package.__name__}.{info.name}")
    for info in pkgutil.iter_modules(package.__path__)
    if info.name != "child"
}
ELSEWHERE = {
    "tree.check_count": "test_validation.py: a pack of too many files",
    "tree.check_unchanged": "test_validation.py: a file that changes while it is copied",
    "architecture.check_size": "test_validation.py: a model beyond the budget",
    "fetching.check_number": "test_fetching.py: too many files to fetch",
    "ground.check_protocol": "test_validation.py: a protocol that is not shipped",
    "predictions.check_identical": "test_validation.py: references as predictions",
}
HEAVY = {
    "five thousand files",
    "600 MiB",
    "96 MiB",
    "10 TiB, sparse",
    "a million tensors",
    "4 GiB of pixels",
    "header of lists",
    "three million rows",
}
"""Without their check these would be read whole: a lighter pack stands for each of their checks."""
SECONDS, MEBIBYTES = 2.0, 200


def test_every_row_of_the_table_is_here() -> None:
    # 33 to 35 are no refusals by a single check: test_validation.py and test_verify.py hold them.
    assert {case.row for case in CASES} - {0} == set(range(1, 33))


def test_every_check_of_the_validator_has_a_pack_that_it_alone_refuses() -> None:
    checks = {
        f"{name}.{function}"
        for name, module in MODULES.items()
        for function, value in vars(module).items()
        if function.startswith("check_") and inspect.isfunction(value) and value.__module__ == module.__name__
    }
    tested = {case.check for case in CASES if ".check_" in case.check and case.name not in HEAVY}
    assert checks == tested | ELSEWHERE.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.row:02d} {case.name}".strip())
def test_a_hostile_pack_is_refused(
    case: Case, run: Callable[..., tuple[int, str, str]], pack_of: Callable[[str], Path], on_small_ground: Ground
) -> None:
    pack, options = spoilt(case, pack_of)
    memory, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    code, out, err = run("leaderboard", "validate", pack, *[part for item in options.items() for part in item])
    assert time.process_time() - started < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MEBIBYTES * 1024
    assert code == 6, out + err
    (line, *_) = [line for line in out.splitlines() if line.startswith(f"{case.code} ") and case.words in line]
    assert line.startswith(f"{case.code} {case.path}{': ' if case.path else ''}")
    assert re.fullmatch(r"[A-Z_]+ .+: .+[.] .+", line)
    assert "\x1b" not in out + err
    assert all(letter.isprintable() or letter == "\n" for letter in out + err)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if ".check_" in case.check and case.name not in HEAVY],
    ids=lambda case: f"{case.check} {case.name}",
)
def test_without_its_check_a_hostile_pack_would_not_be_refused_so(
    case: Case, pack_of: Callable[[str], Path], ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack, options = spoilt(case, pack_of)
    name = case.check.partition(".")[2]
    check = getattr(MODULES[case.check.partition(".")[0]], name)
    for module in MODULES.values():
        if getattr(module, name, None) is check:
            monkeypatch.setattr(module, name, lambda *_, **__: [])
    assert not any(item.code == case.code and case.words in str(item) for item in findings(pack, options, ground))


def spoilt(case: Case, pack_of: Callable[[str], Path]) -> tuple[Path, dict[str, Any]]:
    pack = pack_of(case.kind)
    changed = case.spoil(pack)
    if isinstance(changed, Path):
        return changed, {}
    return pack, changed or {}


def findings(pack: Path, options: dict[str, Any], ground: Ground) -> tuple[Finding, ...]:
    diff = options["--base-diff"].read_bytes() if "--base-diff" in options else None
    try:
        with validated(pack, base_diff=diff, on=ground) as found:
            return found.findings
    except Exception:  # noqa: BLE001 - without a check anything may go wrong later; it only must not be this finding
        return ()
