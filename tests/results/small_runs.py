"""Small runs for the tests of the store and of records; as a program it is the stub that gets killed.

Usage: `python small_runs.py FOLDER SAMPLES BATCH WORLD_SIZE PAUSE`.
"""

import hashlib
import os
import sys
import time
from pathlib import Path

import numpy as np

from alphabench.models.spec import ModelInfo
from alphabench.protocols import parse_protocol
from alphabench.results import Part, RunRequest, RunStore, build_record, model_document
from alphabench.results.aggregate import aggregate
from alphabench.results.document import document_bytes

SAD = {"version": 1, "views": ["alpha"]}
RAND = "a10556d04bb4be21c8725c32e1df9346d0803faf43ddc7baecadb1a7dbb3b925"
TABLES = {
    "protocol": {"name": "small", "version": 1, "task": "reconstruction"},
    "views": {"backgrounds": [{"name": "gray", "rgb": [128, 128, 128]}, {"name": "black", "rgb": [0, 0, 0]}]},
    "metrics": {
        "psnr": {"version": 1, "views": ["composite", "straight-rgb"], "partial": ["straight-rgb"]},
        "sad": {"version": 1, "views": ["alpha"]},
        "sad_unknown": {"version": 1, "views": ["alpha"], "partial": ["alpha"]},
        "rfid-rand": {"version": 1, "views": ["set"], "weights_sha256": RAND, "scope": "category"},
    },
}
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
CODE = {"version": "0.1.0", "commit": "0" * 40, "dirty": False}
NETWORK = "random"


def protocol(**metrics):
    """Return the small protocol, or one with the given metrics."""
    tables = {**TABLES, "metrics": metrics or TABLES["metrics"]}
    return parse_protocol(tables, name="small.toml")


def samples(count):
    """Return samples in three categories of unequal size."""
    return [(f"img/{index:04d}", ("glass", "hair", "hair", "smoke")[index % 4]) for index in range(count)]


def request(ruler, count, *, limit=None, **changes):
    """Return a request."""
    info = ModelInfo(name="stub", org="tests", licence="MIT", kind="builtin", architecture="stub", config={"a": 1})
    members = {
        "protocol_id": ruler.id,
        "protocol_hash": ruler.hash,
        "protocol": ruler.resolved(),
        "data_id": "tiny@1",
        "manifest_hash": "b" * 64,
        "split": "all",
        "samples": count,
        "limit": limit,
        "model": model_document(info),
        "task": "reconstruction",
        "seeds": {"bootstrap": 12345},
        "dtype": "float32",
        "device_kind": "cpu",
    }
    return RunRequest(**(members | changes))


def value(index, view, metric):
    """Return a value that depends on nothing but its place; NaN where there is none."""
    digest = hashlib.sha256(f"{index}/{view}/{metric}".encode()).digest()
    share = int.from_bytes(digest[:6], "big") / 2**48
    if metric == "sad_unknown" and index % 5 == 0:
        return float("nan")
    if metric == "psnr":
        return float("inf") if view == "composite/gray" and index % 7 == 3 else 20 + 20 * share
    return share


def png(index):
    """Return the bytes that stand for a prediction."""
    return b"\x89PNG" + index.to_bytes(4, "big") * 50


def part(store, indices, *, predictions=True):
    """Return the part of a batch, with its predictions written."""
    rows, absent, hashes = [], [], {}
    for index in indices:
        name, category = store.samples[index]
        for view, metric in store.keys:
            number = value(index, view, metric)
            if number != number:
                absent.append((name, view, metric))
            else:
                rows.append((name, category, view, metric, number))
        if predictions:
            hashes[name] = store.write_prediction(name, png(index))
    features = np.array([[[index + 0.25, 2.0], [3.0, index]] for index in indices], np.float32)
    facts = {store.samples[index][0]: {"index": index} for index in indices}
    return Part(list(indices), rows, absent, {NETWORK: features}, hashes, facts)


def open_store(folder, count, batch, *, ruler=None, **options):
    """Open a store."""
    ruler = ruler or protocol()
    settings = {"networks": [NETWORK], "infinite": ["psnr"]} | options
    return RunStore(Path(folder), request(ruler, count), samples(count), ruler.sample_keys(), batch, **settings)


def set_values(ruler, count):
    """Return values of the set metrics."""
    groups = sorted({category for _, category in samples(count)})
    return {
        metric: {
            group: {
                view.removeprefix("set/"): value(0, f"{group}{view}", metric) for view in ruler.metric_views(metric)
            }
            for group in groups
        }
        for metric in ruler.set_metrics()
    }


def conclude(store, ruler, **options):
    """Build the record of a store's content and finish the run; return its folder."""
    merged = store.merged()
    metrics = aggregate(
        ruler,
        store.samples,
        merged.rows,
        merged.not_applicable,
        set_values=set_values(ruler, len(store.samples)),
        **{key: options.pop(key) for key in ("unavailable", "failed") if key in options},
    )
    document, parquet = build_record(
        request=store.request,
        protocol=ruler,
        samples=store.samples,
        merged=merged,
        metrics=metrics,
        code=CODE,
        environment=ENVIRONMENT,
        started=store.started,
        resumed=store.resumed,
        timings={"wall_s": 1.5},
        **options,
    )
    return store.finish(document_bytes(document), parquet)


def run(folder, count, batch, size=1, pause=0.0):
    """Do a whole run: fork one process for each rank, wait for all, conclude."""
    ruler = protocol()
    with open_store(folder, count, batch) as store:
        if store.finished:
            return store.finished
        children = []
        for rank in range(size):
            child = os.fork() if size > 1 else 0
            if child:
                children.append(child)
                continue
            for indices in store.todo(rank, size):
                for index in indices:
                    time.sleep(pause)
                    os.write(2, f"{index}\n".encode())
                store.append(part(store, indices))
            if size > 1:
                os._exit(0)
        for child in children:
            if os.waitpid(child, 0)[1] != 0:
                sys.exit(70)
        return conclude(store, ruler)


if __name__ == "__main__":
    folder, *numbers = sys.argv[1:]
    run(folder, int(numbers[0]), int(numbers[1]), int(numbers[2]), float(numbers[3]))
