"""Measure a pack again, compare its claim with what was found, and write the record of the verification."""

import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alphabench.data.manifest import Sample
from alphabench.errors import DataError, IncompleteError, UsageError, ValidationRefused
from alphabench.leaderboard.gate import shipped_gate
from alphabench.leaderboard.submission import child
from alphabench.leaderboard.submission.comparison import (
    Compared,
    compare_images,
    compare_means,
    compare_rows,
    headline_means,
    largest,
)
from alphabench.leaderboard.submission.findings import shown
from alphabench.leaderboard.submission.ground import Ground
from alphabench.leaderboard.submission.sandbox import Exceeded, Limits, isolation, run_limited
from alphabench.leaderboard.submission.validation import Validation, validated
from alphabench.results.document import FILE, document_bytes, record_id, sentence, validate_document
from alphabench.results.durable import readable_refusals, replace_folder, write_durably
from alphabench.results.provenance import code_version
from alphabench.results.record import ROWS_FILE, Record, load_record
from alphabench.version import __version__

MOST_REGENERATED = 16
WHOLE_SET = 64
"""Sets of at most so many images are generated whole."""

GENERATING = shipped_gate().tolerances["generating-float32"]

WORST = 5
RECORD = "record"
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Verification:
    """What a verification found.

    Attributes:
        tier: 1, the pack's predictions were scored; 2, the checkpoint made images itself.
        record: the new record, with the numbers found here.
        claimed: the pack's own record, where it has one.
        means: macro means, claimed and found, to be read.
        compared: every number that was judged.
        subset: samples that the checkpoint made here.
        flags: what a person should look at.
        isolation: how the measuring process was kept from the network.
        pack_hash: identity of the pack.
    """

    tier: int
    record: Record
    claimed: Record | None
    means: tuple[Compared, ...]
    compared: tuple[Compared, ...]
    subset: tuple[str, ...]
    flags: tuple[str, ...]
    isolation: str
    pack_hash: str

    @property
    def worst(self) -> list[Compared]:
        """Return the comparisons that lie outside their tolerance, the worst first, at most five."""
        return sorted((item for item in self.compared if not item.ok), key=lambda item: -item.excess)[:WORST]

    @property
    def ok(self) -> bool:
        """Say whether the claim stands."""
        return not self.worst


def verify(
    folder: Path,
    out: Path,
    *,
    tier: int | None = None,
    by: str = f"alphabench {__version__}",
    fetch: bool = False,
    limits: Limits | None = None,
    on: Ground | None = None,
    report: Report = lambda done, total: None,
) -> Verification:
    """Measure the pack in `folder` again, in a limited process without network, and write its record.

    The record under `out/record` holds the numbers found here, whatever was claimed.

    Args:
        folder: the pack.
        out: folder for the run and the record; what an earlier verification left in it is replaced.
        tier: 1 scores the pack's predictions; 2 also lets the checkpoint make images; None takes the highest
            that the pack can reach.
        by: who verifies, for the record.
        fetch: bring the files that its card names at a hub.
        limits: of the measuring process.
        on: what to judge it on, instead of what its card names.
        report: called with the samples done and their number.

    Raises:
        ValidationRefused: the pack is refused, or its checkpoint does not make its predictions (E_VERIFY).
        UsageError: the pack cannot reach the tier.
        IncompleteError: the measuring process used too much, or a metric cannot be computed here.
        DataError: the images are not on this machine, or `out` cannot be written.
    """
    with validated(folder, fetch=fetch, on=on) as pack:
        if not pack.ok:
            first, more = pack.findings[0], len(pack.findings) - 1
            raise ValidationRefused(
                f"{first.code} {first.path}: {first.fact}" + (f" (and {more} more)" if more else ""),
                remedy=first.remedy or "Run `alphabench leaderboard validate` for all findings.",
            )
        assert pack.ground is not None
        tier = chosen_tier(pack, tier)
        samples = pack.ground.data.manifest.samples
        generate = tier == 2 and not _has_predictions(pack)
        seed = subset_seed(pack.pack_hash)
        subset = _subset(samples, seed, generate=generate) if tier == 2 else ()
        _refuse_nesting(out, folder)
        with readable_refusals(out):
            out.mkdir(parents=True, exist_ok=True)
            result = _measured(pack, out, subset, limits or Limits(), report, generate=generate)
            found = load_record(Path(result["record"]), protocol=pack.ground.protocol)
            if not found.complete:
                remedy = next((item["remedy"] for item in found.missing if item["remedy"]), "")
                raise IncompleteError(
                    f"the pack could not be measured whole: {found.document['incomplete_reasons'][0]}",
                    remedy=remedy or "Repeat where every metric can be computed.",
                )
            images = compare_images(result["subset"], half=_is_half(pack))
            _refuse_foreign_images(images)
            claims = [] if pack.claim is None else (compare_means if generate else compare_rows)(pack.claim, found)
            facts = {
                "tier": tier,
                "by": sentence(by, limit=200),
                "pack_hash": pack.pack_hash,
                **_subset_facts(tier, subset, seed),
                **_tolerance_facts(tier, [*images, *claims]),
            }
            record = _write(found, out / RECORD, facts, pack)
        return Verification(
            tier=tier,
            record=record,
            claimed=pack.claim,
            means=tuple(headline_means(pack.claim, record)),
            compared=(*images, *claims),
            subset=subset,
            flags=pack.flags,
            isolation=isolation(),
            pack_hash=pack.pack_hash,
        )


def chosen_tier(pack: Validation, tier: int | None) -> int:
    """Return the tier that is asked for, or the highest one that the pack can reach.

    Raises:
        UsageError: the pack cannot reach it.
    """
    assert pack.card is not None
    assert pack.ground is not None
    is_small = len(pack.ground.data.manifest.samples) <= WHOLE_SET
    reachable = [1] if _has_predictions(pack) else []
    if pack.card.kind == "checkpoint" and (reachable or is_small):
        reachable.append(2)
    if not reachable:
        raise UsageError(
            f"the set has more than {WHOLE_SET} images, so that a checkpoint needs its predictions beside it",
            remedy="Add predictions/ to the pack (`alphabench leaderboard submit --with-predictions`).",
        )
    if tier is None:
        return reachable[-1]
    if tier not in reachable:
        lacking = "it has no checkpoint" if tier == 2 else "it has no predictions"
        raise UsageError(
            f"the pack cannot reach tier {tier}: {lacking}", remedy=f"Use --tier {reachable[-1]}, or leave it out."
        )
    return tier


def subset_seed(pack_hash: str) -> str:
    """Return the seed of a subset's choice: nobody can know it before, everybody can read it afterwards.

    SHA-256 of the pack's hash, this code's commit and 32 random bytes.
    """
    commit = code_version()["commit"] or ""
    return hashlib.sha256(f"{pack_hash}{commit}".encode() + secrets.token_bytes(32)).hexdigest()


def spread_subset(samples: Sequence[Sample], seed: str, count: int) -> tuple[str, ...]:
    """Return `count` samples spread evenly over the categories, chosen by `seed`.

    Args:
        samples: of the set.
        seed: 64 hexadecimal digits.
        count: how many; all where there are no more.
    """
    random = np.random.Generator(np.random.PCG64(int(seed, 16)))
    by_category: dict[str, list[str]] = {}
    for sample in sorted(samples, key=lambda sample: sample.id):
        by_category.setdefault(sample.category, []).append(sample.id)
    queues = [[names[index] for index in random.permutation(len(names))] for names in by_category.values()]
    queues = [queues[index] for index in random.permutation(len(queues))]
    rounds = max(map(len, queues), default=0)
    taken = [queue[turn] for turn in range(rounds) for queue in queues if turn < len(queue)]
    return tuple(sorted(taken[:count]))


def previous_record(found: Record, root: Path) -> Path | None:
    """Return the folder of the record that a new one follows, or None.

    Of the same model, protocol and data it is the newest of the highest tier.

    Args:
        found: the new record.
        root: the store.
    """
    document = found.document
    protocol, model = document["protocol"], document["model"]
    home = root / f"{protocol['name']}@{protocol['version']}" / f"{model['org']}__{model['name']}"
    candidates = []
    for path in sorted(home.glob(f"*/{FILE}")):
        there = load_record(path, thorough=False).document
        if there["data"]["manifest_hash"] == document["data"]["manifest_hash"]:
            candidates.append((there["verification"]["tier"], there["created"], path.parent))
    return max(candidates)[2] if candidates else None


def _has_predictions(pack: Validation) -> bool:
    return pack.card is not None and bool(pack.card.predictions)


def _is_half(pack: Validation) -> bool:
    """Say whether the pack's predictions were made in 16 bits, as far as its record says."""
    return pack.claim is not None and pack.claim.document["environment"]["dtype"] in {"bfloat16", "float16"}


def _subset(samples: Sequence[Sample], seed: str, *, generate: bool) -> tuple[str, ...]:
    return spread_subset(samples, seed, len(samples) if generate else MOST_REGENERATED)


def _refuse_nesting(out: Path, folder: Path) -> None:
    inner, outer = out.resolve(), folder.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise UsageError(
            f"the folder {str(out)!r} and the pack lie one inside the other", remedy="Name another with --out DIR."
        )


def _measured(
    pack: Validation, out: Path, subset: Sequence[str], limits: Limits, report: Report, *, generate: bool
) -> dict[str, Any]:
    """Return what the child process found; its own errors are raised here."""
    assert pack.ground is not None
    out = out.absolute()
    (out / child.RESULT).unlink(missing_ok=True)
    task = child.Task(
        pack=str(pack.copy),
        protocol=pack.ground.protocol_name,
        data=pack.ground.data_name,
        out=str(out),
        generate=generate,
        subset=tuple(subset),
    )
    path = out / "task.json"
    path.write_text(task.to_json(), encoding="utf-8")
    run_limited(child.__name__, [str(path)], limits=limits, folder=out, report=report)
    result: dict[str, Any] = json.loads((out / child.RESULT).read_text(encoding="utf-8"))
    if error := result.get("error"):
        message, remedy = shown(error["message"]), shown(error["remedy"])
        if error["code"] == "memory":
            raise Exceeded(message, remedy="Submit a smaller model, or its predictions.")
        if error["code"] == DataError.code and "model" in message:
            raise ValidationRefused(f"E_VERIFY {message}", remedy=remedy)
        raise DataError(message, remedy=remedy)
    return result


def _refuse_foreign_images(images: Sequence[Compared]) -> None:
    """Refuse predictions that the pack's checkpoint does not make: no record is written.

    Raises:
        ValidationRefused: with the worst differences.
    """
    bad = sorted((item for item in images if not item.ok), key=lambda item: -item.excess)[:WORST]
    if bad:
        facts = "; ".join(f"{item.place}: {item.metric} {item.difference:.4g} > {item.tolerance:g}" for item in bad)
        raise ValidationRefused(
            f"E_VERIFY the checkpoint does not make the pack's predictions: {shown(facts, limit=600)}",
            remedy="Submit the predictions of this very checkpoint, made on 8-bit references in float32.",
        )


def _subset_facts(tier: int, subset: Sequence[str], seed: str) -> dict[str, Any]:
    return {"subset": list(subset), "subset_seed": seed} if tier == 2 else {}


def _tolerance_facts(tier: int, compared: Sequence[Compared]) -> dict[str, Any]:
    tolerances, differences = largest(compared)
    if tolerances:
        return {"tolerance": tolerances, "largest": differences}
    if tier == 1:
        return {}
    # Nothing was claimed: what a claim would have been held to, and no difference.
    return {"tolerance": {"aggregate-psnr": GENERATING["aggregate_psnr"]}, "largest": {}}


def _write(found: Record, folder: Path, facts: Mapping[str, Any], pack: Validation) -> Record:
    """Write the record of the verification into `folder` and return it, read again with every check."""
    assert found.path is not None
    document = {key: value for key, value in found.document.items() if key != "record_id"}
    document["verification"] = dict(facts)
    if pack.claim is not None:
        document["verification"]["of"] = pack.claim.id
        document["supersedes"] = pack.claim.id
    if notes := _notes(found, pack):
        document["notes"] = notes
    document["record_id"] = record_id(document)
    validate_document(document, name="the verified record")
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    write_durably(temporary / ROWS_FILE, (found.path / ROWS_FILE).read_bytes())
    write_durably(temporary / FILE, document_bytes(document))
    shutil.rmtree(folder, ignore_errors=True)
    replace_folder(temporary, folder)
    return load_record(folder, protocol=found.protocol)


def _notes(found: Record, pack: Validation) -> str:
    assert pack.card is not None
    parts = [
        found.document.get("notes", ""),
        f"summary by its maker: {pack.card.model.summary}" if pack.card.model.summary else "",
        f"homepage: {pack.card.model.homepage}" if pack.card.model.homepage else "",
        f"flags: {', '.join(pack.flags)}" if pack.flags else "",
    ]
    return "; ".join(filter(None, parts))[:2000]
