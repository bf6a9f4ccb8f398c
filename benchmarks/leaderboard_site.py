"""How long a site of many models takes: `python benchmarks/leaderboard_site.py [--models 100] [--images 48]`.

The records are made up, with every row that alpha-mini asks for, so that the size of
rows, pages and scripts is the real one; there are no pictures. The processor's time is given beside the clock's.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "leaderboard"))

from conftest import write_record

from alphabench.leaderboard.site import SiteSettings, build_site
from alphabench.leaderboard.site.folder import size_words
from alphabench.results import load_record


def main() -> None:
    """Build one site and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--images", type=int, default=48)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "store"
        for number in range(arguments.models):
            made = write_record(
                Path(folder) / "made",
                model=f"model-{number:03d}",
                images=arguments.images,
                noise={"psnr": 1.0},
                seed=number,
                config=number,
            )
            identity = load_record(made, thorough=False).id
            place = root / "alpha-mini@1" / f"tests__model-{number:03d}" / identity
            place.parent.mkdir(parents=True)
            made.rename(place)
        wall, processor = time.perf_counter(), time.process_time()
        built = build_site(SiteSettings((root,)), Path(folder) / "pages")
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        index = (built.path / "index.html").stat().st_size
        print(f"{built.records} models x {arguments.images} images: {wall:.1f} s ({processor:.1f} s of one processor)")
        print(f"{size_words(built.bytes)} in {built.files} files, the table page {size_words(index)}")


if __name__ == "__main__":
    main()
