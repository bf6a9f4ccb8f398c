"""The run log: one JSON line a step, cut back to the checkpoint when a run is resumed."""

import json
from collections.abc import Mapping
from pathlib import Path


class RunLog:
    """`train.jsonl` of a run; a line has `step`, `seconds` and the values of that step."""

    def __init__(self, path: Path, *, resumed_at: int) -> None:
        kept = []
        if path.exists():
            # A killed run can leave steps that the checkpoint does not know, and half a line.
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    step = int(json.loads(line)["step"])
                except (ValueError, KeyError, TypeError):
                    continue
                if step <= resumed_at:
                    kept.append(line)
        # Replaced at once: a full disk must not cost the log of the steps that were done.
        shortened = path.with_name(f".{path.name}.partial")
        shortened.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        shortened.replace(path)
        self.path = path

    def write(self, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """Append the values of one step."""
        line = {"step": step, "seconds": round(seconds, 4)} | {
            name: float(f"{value:.6g}") for name, value in values.items()
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
