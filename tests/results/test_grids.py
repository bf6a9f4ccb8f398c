"""Where rows stand is found once for equal label columns, and anew where one label differs."""

from itertools import product

from alphabench.results.grids import grid_of
from alphabench.results.rows import Row, open_rows, write_parquet


def rows(samples: tuple[str, ...], shift: float = 0.0) -> list[Row]:
    keys = [("alpha", "mad"), ("composite/black", "psnr"), ("composite/white", "psnr")]
    return [
        (name, "hair", view, metric, shift + place + index)
        for (place, name), (index, (view, metric)) in product(enumerate(samples), enumerate(keys))
    ]


def grid(table: list[Row]) -> object:
    data = write_parquet(table)
    return grid_of(open_rows(data, name="a.parquet"), data)


def test_other_values_under_the_same_labels_stand_at_the_same_places() -> None:
    assert grid(rows(("a", "b", "c"))) is grid(rows(("a", "b", "c"), shift=0.5))


def test_another_label_is_another_grid() -> None:
    first, second = grid(rows(("a", "b", "c"))), grid(rows(("a", "b", "d")))
    assert first is not second
    assert first[0][0] == ["a", "b", "c"]  # type: ignore[index]
    assert second[0][0] == ["a", "b", "d"]  # type: ignore[index]
    assert first[2] == second[2] == [("alpha", "mad"), ("composite/black", "psnr"), ("composite/white", "psnr")]  # type: ignore[index]
