"""Where rows stand is found once for equal label columns, and anew where one label differs."""

from itertools import product

import numpy as np

from alphabench.results.grids import Grid, grid_of
from alphabench.results.rows import Row, open_rows, write_parquet

KEYS = (("alpha", "mad"), ("composite/black", "psnr"), ("composite/white", "psnr"))


def rows(samples: tuple[str, ...], shift: float = 0.0) -> list[Row]:
    return [
        (name, "hair", view, metric, shift + place + index)
        for (place, name), (index, (view, metric)) in product(enumerate(samples), enumerate(KEYS))
    ]


def grid(table: list[Row]) -> Grid:
    data = write_parquet(table)
    return grid_of(open_rows(data, name="a.parquet"), data)


def test_other_values_under_the_same_labels_stand_at_the_same_places() -> None:
    assert grid(rows(("a", "b", "c"))) is grid(rows(("a", "b", "c"), shift=0.5))


def test_another_label_is_another_grid() -> None:
    first, second = grid(rows(("a", "b", "c"))), grid(rows(("a", "b", "d")))
    assert first is not second
    assert first.images == ("a", "b", "c")
    assert second.images == ("a", "b", "d")
    assert first.places == second.places == KEYS


def test_a_row_that_is_not_there_leaves_a_gap_in_the_matrix() -> None:
    table = rows(("a", "b", "c"))
    del table[4]  # the second key of b
    found = grid(table)
    assert found.places == KEYS
    assert found.sizes == {"hair": 3}
    matrix = found.matrix(np.array([row[4] for row in table]))
    np.testing.assert_array_equal(matrix, [[0, 1, 2], [1, np.nan, 3], [2, 3, 4]])
