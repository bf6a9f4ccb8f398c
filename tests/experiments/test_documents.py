"""Documents are changed key by key, and survive being written."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphabench.errors import UsageError
from alphabench.experiments.documents import nested, to_toml, without

VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.lists(st.integers(0, 9), max_size=3),
)
KEYS = st.text("abcxyz_-", min_size=1, max_size=5)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.one_of(
        VALUES,
        st.dictionaries(KEYS, VALUES, max_size=3),
        st.lists(st.dictionaries(KEYS, VALUES), min_size=1, max_size=2),
    ),
)


@settings(max_examples=40, deadline=None)
@given(DOCUMENTS)
def test_a_document_is_read_back_as_it_was_written(document: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(document)) == document


def test_dotted_names_become_tables() -> None:
    assert nested({"loss.kl": 0, "loss": {"mse": 1}, "top": 2}, where="here") == {"loss": {"kl": 0, "mse": 1}, "top": 2}


def test_a_name_inside_a_value_is_refused() -> None:
    with pytest.raises(UsageError, match="lies inside a value"):
        nested({"loss": 1, "loss.kl": 0}, where="here")


def test_keys_are_taken_out_and_absent_ones_are_no_fault() -> None:
    document = {"loss": {"a": 1, "b": 2}}
    assert without(document, ["loss.a", "loss.none", "none.at.all", "loss.b.deeper"]) == {"loss": {"b": 2}}
    assert document == {"loss": {"a": 1, "b": 2}}
