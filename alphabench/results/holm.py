"""Several tests at once: p-values adjusted so that one false alarm in the family stays rare."""

from collections.abc import Mapping


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return Holm's adjusted p-values under the names they came with.

    With the k p-values sorted, the j-th is the running maximum of `(k - j + 1) * p`, at most 1.
    Source: Holm 1979, Scandinavian Journal of Statistics 6:65.
    """
    adjusted: dict[str, float] = {}
    highest = 0.0
    for position, name in enumerate(sorted(p_values, key=lambda name: (p_values[name], name))):
        highest = max(highest, min(1.0, (len(p_values) - position) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}
