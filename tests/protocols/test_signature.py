"""The line under a table: made from the protocol, read back without loss."""

import importlib.metadata

import pytest

from alphabench import __version__
from alphabench.errors import UsageError
from alphabench.protocols import format_signature, list_protocols, load_protocol, parse_signature, signature

DATA_HASH = "99ff0011" + "0" * 56


@pytest.mark.parametrize("name", ["alpha-exact@1", "alpha-mini@1", "alpha-paper@1"])
@pytest.mark.parametrize("data", ["alpha-test@1", "a-name-that-is-much-longer-than-a-field-may-ever-be@12"])
def test_a_signature_survives_a_round_trip(name, data):
    line = signature(load_protocol(name), data, DATA_HASH)
    fields = parse_signature(line)
    assert format_signature(fields) == line
    assert fields["protocol"] == name
    parts = line.split("|")
    assert all(len(part) <= 40 for part in parts)
    assert len({part.split(":")[0] for part in parts}) == len(parts)
    assert len(line) <= 400
    assert line.isascii()
    assert line.isprintable()


def test_the_signature_of_alpha_mini():
    protocol = load_protocol("alpha-mini")
    assert signature(protocol, "alpha-mini@1", DATA_HASH) == (
        "alphabench|alpha-mini@1|data:alpha-mini@1|bg:9+4|px:native|q:png8|psnr:rgb-cap100|"
        "ssim:rgb-g11-s1.5-valid|lpips-rand:seed20250709|rfid-rand:rand960-all|kid-rand:rand960-all|"
        f"agg:sample-cat-macro|v:{__version__}|sha:{protocol.hash[:8]}|dsha:99ff0011"
    )


def test_an_unavailable_metric_reads_none():
    exact = load_protocol("alpha-exact")
    fields = parse_signature(signature(exact, "d@1", DATA_HASH, ["lpips", "kid"]))
    assert fields["lpips"] == fields["kid"] == "none"
    assert fields["rfid"] == "incep-clean-cat"


def test_signatures_of_the_shipped_protocols_differ():
    lines = [signature(protocol, "d@1", DATA_HASH) for protocol in list_protocols()]
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alphabench",
        "alphabench|alpha-mini@1",
        "sacrebleu|alpha-mini@1|data:d@1|sha:1|dsha:2",
        "alphabench|alpha-mini@1|data:d@1|sha:1|sha:2|dsha:2",
        "alphabench|alpha-mini@1|data:d@1|sha:1 2|dsha:2",
        "alphabench|alpha-mini@1|data:d@1|sha|dsha:2",
    ],
)
def test_what_is_no_signature_is_refused(text):
    with pytest.raises(UsageError, match="not a signature"):
        parse_signature(text)


def test_the_signature_names_the_installed_version():
    assert importlib.metadata.version("alphabench") == __version__
