"""Records of alpha-mini@1 with made-up rows: equal arguments give equal rows."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from alphabench.models.spec import ModelInfo
from alphabench.protocols import load_protocol
from alphabench.results import RunRequest, build_record, load_record, model_document
from alphabench.results.aggregate import aggregate
from alphabench.results.document import document_bytes
from alphabench.results.merged import Merged
from alphabench.results.record import Record

CATEGORIES = ("glass", "glow", "hair", "logo", "shadow", "smoke")
LEVELS = {"psnr": 30.0, "ssim": 0.9, "lpips": 0.1, "sad": 5.0, "rfid": 10.0, "kid": 0.01}
ENVIRONMENT = {
    "python": "3.11.7",
    "platform": "linux-x86_64",
    "torch": "2.15.0",
    "device": {"kind": "cpu", "name": "cpu", "count": 1},
    "dtype": "float32",
    "tf32": False,
    "deterministic": True,
    "world_size": 1,
    "libraries": {"numpy": "2.4.6"},
}
MakeRecord = Callable[..., Path]


class Lacking:
    """A metric that this machine cannot compute."""

    reason = "the weights are absent"
    remedy = "alphabench weights fetch alexnet"


def write_record(
    folder: Path,
    *,
    model: str = "model",
    images: int = 48,
    shifts: Mapping[str, float] | None = None,
    noise: Mapping[str, float] | None = None,
    distance: float = 10.0,
    unavailable: tuple[str, ...] = (),
    taken: int | None = None,
    manifest: str = "b",
    seed: int = 1,
    regrouped: bool = False,
    protocol_id: str = "alpha-mini@1",
    config: int = 1,
    draws: int = 0,
) -> Path:
    """Write the record of a made-up model into `folder` and return the folder.

    Args:
        folder: where to.
        model: its name.
        images: images of the set, in six categories.
        shifts: what is added to every value of a metric.
        noise: standard deviation of what is added to each image's values of a metric.
        distance: the Fréchet distance.
        unavailable: metrics without a value.
        taken: how many of the images were taken, as with `--limit`.
        manifest: the digit of the data's hash.
        seed: seed of the noise.
        regrouped: whether the first image stands in another category.
        protocol_id: its protocol.
        config: the model's settings, which its hash covers.
        draws: bootstrap draws of the record's own intervals; 0 for none.
    """
    protocol = load_protocol(protocol_id)
    names = [f"img/{index:04d}" for index in range(taken or images)]
    samples = [(name, CATEGORIES[index % 6]) for index, name in enumerate(names)]
    if regrouped:
        samples[0], samples[6] = (names[0], "hair"), (names[6], "glass")
    keys = protocol.sample_keys()
    base = np.random.default_rng(7).uniform(0, 0.01, (images, len(keys)))[: len(names)]
    extra = np.random.default_rng(seed).normal(size=images)[: len(names)]
    rows = []
    for column, (view, metric) in enumerate(keys):
        if metric in unavailable:
            continue
        level = next((value for start, value in LEVELS.items() if metric.startswith(start)), 0.5)
        values = level + base[:, column] + (shifts or {}).get(metric, 0.0) + (noise or {}).get(metric, 0.0) * extra
        rows += [(*sample, view, metric, float(value)) for sample, value in zip(samples, values, strict=True)]
    set_values = {
        metric: {
            group: {view.removeprefix("set/"): distance for view in protocol.metric_views(metric)}
            for group in (["all"] if protocol.scope(metric) == "all" else {category for _, category in samples})
        }
        for metric in protocol.set_metrics()
    }
    metrics = aggregate(
        protocol,
        samples,
        rows,
        [],
        set_values=set_values,
        unavailable=dict.fromkeys(unavailable, Lacking()),
        draws=draws,
    )
    info = ModelInfo(
        name=model, org="tests", licence="MIT", kind="builtin", architecture="stub", config={"size": config}
    )
    request = RunRequest(
        protocol_id=protocol.id,
        protocol_hash=protocol.hash,
        protocol=protocol.resolved(),
        data_id="tiny@1",
        manifest_hash=manifest * 64,
        split="all",
        samples=images,
        limit=taken,
        model=model_document(info),
        task=protocol.task,
        seeds={"bootstrap": 12345},
        dtype="float32",
        device_kind="cpu",
    )
    document, parquet = build_record(
        request=request,
        protocol=protocol,
        samples=samples,
        merged=Merged(rows=sorted(rows), not_applicable=[], features={}, predictions={}, facts={}, missing=()),
        metrics=metrics,
        code={"version": "0.1.0", "commit": "0" * 40, "dirty": False},
        environment=ENVIRONMENT,
        started="2026-01-02T03:04:05Z",
        resumed=0,
        timings={"wall_s": 1.5},
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_bytes(document_bytes(document))
    (folder / "samples.parquet").write_bytes(parquet)
    return folder


@pytest.fixture(scope="session")
def writer() -> MakeRecord:
    """Return the maker of records for fixtures that outlive a test: `writer(folder, **settings)`."""
    return write_record


@pytest.fixture
def make_record(tmp_path: Path) -> MakeRecord:
    """Return a maker of records: `make_record(name, **settings)` gives the folder."""

    def make(name: str, **settings: object) -> Path:
        return write_record(tmp_path / name, **settings)  # type: ignore[arg-type]

    return make


@pytest.fixture
def record(make_record: MakeRecord) -> Callable[..., Record]:
    """Return a maker of records that are read back."""

    def make(name: str, **settings: object) -> Record:
        return load_record(make_record(name, **settings), thorough=False)

    return make
