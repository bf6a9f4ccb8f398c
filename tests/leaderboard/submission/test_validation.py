"""Good packs pass; what is no matter of one file: races, budgets of whole packs, flags, the network, the words."""

import dataclasses
import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pack_forge import SAMPLES, Ordinary, edit_card, put, read_card, relist

from alphabench.leaderboard.submission import architecture, card, ground, limits, tree, validation
from alphabench.leaderboard.submission.findings import Refused, shown, shown_markdown, shown_path
from alphabench.leaderboard.submission.ground import Ground
from alphabench.leaderboard.submission.predictions import IDENTICAL
from alphabench.leaderboard.submission.validation import validated
from alphabench.models.checkpoints import settings_from
from alphabench.models.registry import resolve
from alphabench.protocols import list_protocols

Run = Callable[..., tuple[int, str, str]]
NAMES = ["scope", "tree", "card", "header", "weights", "images", "record"]


@pytest.mark.parametrize("kind", ["bare", "full", "predictions"])
def test_a_good_pack_of_each_kind_passes_every_stage(
    kind: str, run: Run, pack_of: Callable[[str], Path], on_small_ground: Ground
) -> None:
    pack = pack_of(kind)
    code, out, _ = run("leaderboard", "validate", pack)
    assert (code, [line.split()[1] for line in out.splitlines()[:7]]) == (0, NAMES), out
    assert out.splitlines()[-1].startswith("accepted  pack ")
    code, out, _ = run("leaderboard", "validate", pack, "--json")
    document = json.loads(out)
    assert (code, document["accepted"], document["findings"], document["flags"]) == (0, True, [], [])
    assert document["kind"] == ("predictions" if kind == "predictions" else "checkpoint")


def test_a_pack_in_json_names_every_finding_and_has_the_error_first(
    run: Run, pack_of: Callable[[str], Path], on_small_ground: Ground
) -> None:
    pack = pack_of("bare")
    (pack / "setup.py").touch()
    (pack / "conftest.py").touch()
    code, out, _ = run("leaderboard", "validate", pack, "--json")
    document = json.loads(out)
    assert (code, document["exit_code"], document["accepted"]) == (6, 6, False)
    assert {item["path"] for item in document["findings"]} == {"setup.py", "conftest.py"}
    assert document["error"]["code"] == "E_EXTRA"
    assert document["error"]["message"].endswith("(and 1 more)")


def test_a_place_without_a_pack_and_a_diff_that_is_not_there_leave_with_3(run: Run, tmp_path: Path) -> None:
    assert run("leaderboard", "validate", tmp_path / "nowhere")[0] == 3
    assert run("leaderboard", "validate", tmp_path, "--base-diff", tmp_path / "no")[0] == 3


def test_a_diff_that_touches_only_the_own_pack_passes_and_a_torn_one_does_not(
    pack_of: Callable[[str], Path], ground: Ground
) -> None:
    pack, zero = pack_of("bare"), "0" * 40
    own = "leaderboard/submissions/acme__tiny"
    diff = f":000000 100644 {zero} {zero} A\0{own}/card.toml\0:100644 100644 {zero} {zero} R100\0{own}/a\0{own}/b\0"
    with validated(pack, base_diff=diff.encode(), on=ground) as found:
        assert found.ok, found.findings
        assert found.stages[0].summary == "2 changes, all inside the pack"
    for torn in (diff[:-1], diff[:-30], "x" + diff, f":000000 100644 {zero} {zero} A\0"):
        with validated(pack, base_diff=torn.encode(), on=ground) as found:
            assert [item.code for item in found.findings] == ["E_SCOPE"]


def test_a_file_swapped_while_the_pack_is_checked_is_not_seen(
    pack_of: Callable[[str], Path], ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = pack_of("full")
    stages = dict(validation.STAGES)

    def swapping(state: Any) -> str:
        summary = stages["tree"](state)
        for path in (pack / "card.toml", pack / "model.safetensors"):
            path.unlink()
            path.symlink_to("/etc/passwd")
        return summary

    monkeypatch.setattr(validation, "STAGES", tuple((stages | {"tree": swapping}).items()))
    with validated(pack, on=ground) as found:
        assert found.ok, found.findings


def test_a_file_that_changes_while_it_is_copied_is_refused(
    pack_of: Callable[[str], Path], ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = pack_of("bare")
    walk = tree._walk

    def growing(folder: Any, above: str, seen: Any) -> int:
        count = walk(folder, above, seen)
        with (pack / "config.toml").open("ab") as file:
            file.write(b"#")
        return count

    monkeypatch.setattr(tree, "_walk", growing)
    with validated(pack, on=ground) as found:
        assert [(item.code, item.path) for item in found.findings] == [("E_CHANGED", "config.toml")]
    monkeypatch.setattr(tree, "check_unchanged", lambda *_: [])
    with validated(pack, on=ground) as found:
        assert "E_CHANGED" not in {item.code for item in found.findings}


def test_a_pack_of_too_many_files_is_refused_without_listing_them_all(
    pack_of: Callable[[str], Path], ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = pack_of("full")
    monkeypatch.setattr(limits, "FILES", 5)
    with validated(pack, on=ground) as found:
        assert [item.code for item in found.findings] == ["E_BUDGET"]
    monkeypatch.setattr(tree, "check_count", lambda *_: [])
    with validated(pack, on=ground) as found:
        assert found.ok, found.findings


def test_a_model_beyond_the_budget_is_refused_before_it_has_memory(
    pack_of: Callable[[str], Path], ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = pack_of("bare")
    put(pack, "config.toml", b"patch = 64\nlatent_channels = 16384\n")
    monkeypatch.setattr(limits, "PARAMETERS", 1_000_000)
    with validated(pack, on=ground) as found:
        (item,) = found.findings
    assert (item.code, "parameters in 1 modules" in item.fact) == ("E_CONFIG", True)


def test_the_largest_settings_of_every_architecture_stay_cheap_to_refuse(pack_of: Callable[[str], Path]) -> None:
    """Every whole number among the settings has a range, and its largest value builds in no memory."""
    for slug in architecture.submittable():
        found = architecture.find_architecture(slug)
        settings = resolve(found.settings)
        numbers = {item.name for item in dataclasses.fields(settings) if item.type in {int, float, "int", "float"}}
        assert numbers <= found.ranges.keys(), slug
        most = {name: type(getattr(settings(), name))(high) for name, (_, high) in found.ranges.items()}
        with torch.device("meta"):
            module = resolve(found.build)(settings_from(most, settings, where="test"))
        assert sum(1 for _ in module.modules()) <= limits.MODULES


def test_references_as_predictions_are_accepted_and_flagged(
    pack_of: Callable[[str], Path], ordinary: Ordinary, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = pack_of("predictions")
    for sample in SAMPLES:
        (pack / "predictions" / f"{sample}.png").write_bytes((ordinary.data / f"{sample}.png").read_bytes())
    for path in (pack / "record").iterdir():
        path.unlink()
    (pack / "record").rmdir()
    relist(pack)
    with validated(pack, on=ground) as found:
        assert found.ok, found.findings
        assert found.flags == (IDENTICAL,)
    monkeypatch.setattr(validation.predictions, "check_identical", lambda *_: [])
    with validated(pack, on=ground) as found:
        assert found.flags == ()


def test_a_protocol_that_is_not_shipped_is_refused(
    pack_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = pack_of("bare")
    with validated(pack) as found:
        assert [item.code for item in found.findings] == ["E_CARD"]
        assert "there is no protocol 'small@1'" in found.findings[0].fact
    monkeypatch.setattr(ground, "check_protocol", lambda *_: [])
    with pytest.raises(KeyError), validated(pack):
        pass


def test_every_protocol_of_reconstruction_has_a_set_that_is_known(pack_of: Callable[[str], Path]) -> None:
    made_for = {protocol.name for protocol in list_protocols() if protocol.task == "reconstruction"}
    assert made_for <= ground.MADE_FOR.keys() | {"harmlessness-mini"}


def test_nothing_of_a_pack_is_imported_and_no_network_is_used(
    pack_of: Callable[[str], Path], ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An audit hook sees every socket, import and opened file; pickle and its friends are made to fail."""
    pack = pack_of("full")

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("called on a submission")

    for owner, name in ((pickle, "loads"), (pickle, "load"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(owner, name, never)
    for name, module in list(sys.modules.items()):  # whichever library that can do it is there
        if name.partition(".")[0] not in {"diffusers", "transformers"}:
            continue
        owner = getattr(module, "ModelMixin", None) or getattr(module, "PreTrainedModel", None)
        if hasattr(owner, "from_pretrained"):
            monkeypatch.setattr(owner, "from_pretrained", never)
    with validated(pack, on=ground) as found:  # so that what is imported once is there before
        assert found.ok
    events = audited(lambda: run_through(pack, ground))
    seen = {event for event, _ in events}
    assert not [event for event in seen if event.startswith("socket.")]
    assert not seen & {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "ctypes.dlopen"}
    run_code = [str(arguments[0]) + str(arguments[-1]) for event, arguments in events if event in {"exec", "compile"}]
    assert not [text for text in run_code if "alphabench-pack-" in text or str(pack) in text]
    imported = [str(arguments[0]) for event, arguments in events if event == "import"]
    strangers = {"modeling", "setup", "conftest", "tiny", "diffusers", "transformers"}
    assert not [name for name in imported if name.partition(".")[0] in strangers]
    opened = [str(arguments[0]) for event, arguments in events if event == "open"]
    assert not [path for path in opened if path.startswith(str(pack) + os.sep)]  # by descriptor, or the copy
    assert str(pack) not in sys.path


def run_through(pack: Path, on: Ground) -> None:
    with validated(pack, on=on) as found:
        assert found.ok, found.findings


AUDITED: list[list[tuple[str, Any]]] = []


def audited(action: Callable[[], None]) -> list[tuple[str, Any]]:
    """Return the audit events of `action`; the hook stays, as Python has no way to remove it, and sleeps."""
    if not AUDITED:
        AUDITED.append([])
        sys.addaudithook(lambda event, arguments: AUDITED[-1].append((event, arguments)) if len(AUDITED) > 1 else None)
    AUDITED.append([])
    try:
        action()
    finally:
        events = AUDITED.pop()
    return events


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "</script><b>", "[x](javascript:alert(1)) @all #1"])
def test_a_summary_with_markup_is_accepted_and_shown_as_text(
    text: str, run: Run, pack_of: Callable[[str], Path], on_small_ground: Ground
) -> None:
    pack = pack_of("bare")
    edit_card(pack, model={"summary": text})
    assert run("leaderboard", "validate", pack)[0] == 0
    safe = shown_markdown(text)
    assert not set("<>[]()@") & set(safe)
    assert shown(text) == text


def test_what_a_stranger_wrote_is_printable_and_of_limited_length() -> None:
    assert shown("a\x1b[2J\n::set-env\r\u202eb\u200b\udcff") == "a\\x1b[2J\\n::set-env\\r\\u202eb\\u200b\\udcff"
    assert shown("ä 漢 ok") == "ä 漢 ok"
    assert shown_path("d/ä\u0430") == "d/\\xe4\\u0430"  # a Cyrillic letter that looks like a Latin one
    assert len(shown("x" * 10_000)) == 300


def test_a_card_keeps_what_it_says(pack_of: Callable[[str], Path]) -> None:
    pack = pack_of("bare")
    found = card.read_card((pack / "card.toml").read_bytes())
    assert found.slug == pack.name
    assert found.files == read_card(pack)["files"]
    with pytest.raises(Refused, match=r"model[.]org"):
        card.read_card((pack / "card.toml").read_text(encoding="utf-8").replace("acme", "con").encode())
