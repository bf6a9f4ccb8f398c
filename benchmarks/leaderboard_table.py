"""Times of the table and of a comparison, on made-up records: `python benchmarks/leaderboard_table.py`.

Writes COUNT records of `alpha-mini@1` over SAMPLES images (every row of the protocol: 70 for an image, nine
backgrounds among them), then times whole commands in fresh processes: the table without its cache, with it,
and `compare` with 10,000 draws. Nothing is measured on images; the values are random.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from alphabench.leaderboard.board_cache import QUIET_S
from alphabench.protocols import Protocol, load_protocol, signature
from alphabench.results.aggregate import aggregate
from alphabench.results.columnar import read_columns
from alphabench.results.document import document_bytes, record_id
from alphabench.results.rows import Row, rows_sha256, write_parquet

BASES = 12
SHARED = 10
CATEGORIES = ("glass", "hair", "hard", "smoke", "soft", "text")
LEVELS = {"psnr": 35.0, "ssim": 0.95, "lpips": 0.07, "sad": 1.0}


def write_store(root: Path, count: int, samples: int) -> None:
    """Write `count` records under `root`; `SHARED` models at a time have the same values.

    The values are mixtures of two of `BASES` made-up runs. Means are linear, and no value reaches a cap, so that
    the means of a mixture are the same mixture: averaging row by row is needed `BASES` times only.
    """
    protocol = load_protocol("alpha-mini@1")
    keys = sorted(protocol.sample_keys())
    images = [(f"img/{index:04d}", CATEGORIES[index % 6]) for index in range(samples)]
    generator = np.random.default_rng(1)
    level = np.array([next((v for k, v in LEVELS.items() if metric.startswith(k)), 0.5) for _, metric in keys])
    common = level * (1 + 0.1 * generator.normal(size=(samples, len(keys))))
    runs = []
    for number in range(BASES):
        values = common * (1 + 0.02 * generator.normal(size=common.shape)) + level * 2e-3 * number
        rows = rows_of(images, keys, values)
        sets = {
            name: {"all": {view.removeprefix("set/"): 1.0 for view in protocol.metric_views(name)}}
            for name in protocol.set_metrics()
        }
        runs.append((values, aggregate(protocol, images, rows, [], set_values=sets, draws=0)))
    for number in range(0, count, SHARED):
        group = number // SHARED
        first, second = runs[group % BASES], runs[(group * 7 + 1 + group // BASES) % BASES]
        share = (number + 1) / (count + 1)
        rows = rows_of(images, keys, share * first[0] + (1 - share) * second[0])
        parquet, digest = write_parquet(rows), rows_sha256(rows)
        metrics = mixed(first[1], second[1], share)
        for member in range(number, min(number + SHARED, count)):
            write_record(root, member, protocol, images, metrics, parquet, len(rows), digest)


def rows_of(images: list[tuple[str, str]], keys: list[tuple[str, str]], values: np.ndarray) -> list[Row]:
    """Return sorted rows."""
    return [
        (*image, view, metric, value)
        for image, line in zip(images, values.tolist(), strict=True)
        for (view, metric), value in zip(keys, line, strict=True)
    ]


def mixed(first: list[dict[str, Any]], second: list[dict[str, Any]], share: float) -> list[dict[str, Any]]:
    """Return metrics whose means are `share` of the first ones and the rest of the second ones."""
    found = []
    for ours, theirs in zip(first, second, strict=True):
        pairs = zip(ours["aggregates"], theirs["aggregates"], strict=True)
        means = [{**a, "value": share * a["value"] + (1 - share) * b["value"]} for a, b in pairs]
        found.append({**ours, "aggregates": means})
    return found


def write_record(
    root: Path,
    number: int,
    protocol: Protocol,
    images: list[tuple[str, str]],
    metrics: list[dict[str, Any]],
    parquet: bytes,
    rows: int,
    digest: str,
) -> None:
    """Write one record in the place that its content names."""
    time_stamp, name = "2026-01-02T03:04:05Z", f"model-{number:04d}"
    document: dict[str, Any] = {
        "schema": "alphabench.record/1",
        "created": time_stamp,
        "task": "reconstruction",
        "signature": signature(protocol, "bench@1", "b" * 64),
        "protocol": {"name": protocol.name, "version": protocol.version, "hash": protocol.hash},
        "data": {
            "name": "bench",
            "version": 1,
            "split": "all",
            "manifest_hash": "b" * 64,
            "samples": len(images),
            "categories": dict(Counter(category for _, category in images)),
        },
        "model": {
            "architecture": "stub",
            "checkpoints": [],
            "config": {"size": number},
            "config_hash": "c" * 64,
            "hash": f"{number:064x}",
            "kind": "builtin",
            "licence": "MIT",
            "name": name,
            "org": "bench",
        },
        "code": {"version": "0.1.0", "commit": "0" * 40, "dirty": False},
        "environment": {
            "python": "3.11.7",
            "platform": "linux-x86_64",
            "torch": "2.15.0",
            "device": {"kind": "cpu", "name": "cpu", "count": 1},
            "dtype": "float32",
            "tf32": False,
            "deterministic": True,
            "world_size": 1,
            "libraries": {"numpy": "2.4.6"},
        },
        "seeds": {"bootstrap": 12345},
        "run": {"hash": f"{number:064x}", "started": time_stamp, "finished": time_stamp, "resumed": 0},
        "metrics": metrics,
        "samples": {
            "path": "samples.parquet",
            "rows": rows,
            "rows_sha256": digest,
            "file_sha256": hashlib.sha256(parquet).hexdigest(),
            "file_bytes": len(parquet),
        },
        "timings": {"wall_s": 1.5},
        "verification": {"tier": 0},
        "complete": True,
        "incomplete_reasons": [],
    }
    document["record_id"] = record_id(document)
    folder = root / protocol.id / f"bench__{name}" / document["record_id"]
    folder.mkdir(parents=True)
    (folder / "record.json").write_bytes(document_bytes(document))
    (folder / "samples.parquet").write_bytes(parquet)


def timed(arguments: list[str], cache: Path) -> tuple[float, float, bytes]:
    """Return wall seconds, processor seconds and the output of one command in a fresh process."""
    environment = os.environ | {"ALPHABENCH_CACHE": str(cache)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "alphabench", "leaderboard", *arguments],
        check=True,
        capture_output=True,
        env=environment,
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main() -> None:
    """Write the records and print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=402)
    parser.add_argument("--root", type=Path, help="Keep the records here, and use them again.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = chosen.root or Path(scratch) / "store"
        if not root.is_dir():
            start = time.perf_counter()
            write_store(root, chosen.count, chosen.samples)
            print(f"{chosen.count} records of {chosen.samples} images written in {time.perf_counter() - start:.0f} s")
            time.sleep(QUIET_S + 1)
        folders = sorted(path.parent for path in root.rglob("record.json"))
        read_columns(folders[0])
        cache = Path(scratch) / "cache"
        for name in ("table, cold", "table, from its cache"):
            wall, processor, output = timed(["--root", str(root), "--json"], cache)
            rows = len(json.loads(output)["tables"][0]["records"])
            print(f"{name:28s} {wall:6.2f} s wall  {processor:6.2f} s processor  {rows} rows")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{'largest of these processes':28s} {peak:6.0f} MiB")
        wall, processor, _ = timed(["compare", str(folders[0]), str(folders[1])], cache)
        print(f"{'compare, 10,000 draws':28s} {wall:6.2f} s wall  {processor:6.2f} s processor")


if __name__ == "__main__":
    main()
