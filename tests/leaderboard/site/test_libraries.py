"""The vendored libraries are whole, licensed, and of the versions that fit together."""

import hashlib
import re
from importlib.resources import files

import altair as alt
import pytest

from alphabench.errors import DataError
from alphabench.leaderboard.site import libraries as module
from alphabench.leaderboard.site.libraries import libraries, library_bytes, licence_text

VENDOR = files("alphabench.leaderboard") / "vendor"


def test_every_vendored_file_is_listed_with_its_hash_and_size():
    listed = {library.file: library for library in libraries()}
    there = {
        f"{folder.name}/{path.name}": path.read_bytes()
        for folder in VENDOR.iterdir()
        if folder.is_dir()
        for path in folder.iterdir()
        if not path.name.startswith("LICENSE")
    }
    assert there.keys() == listed.keys()
    for name, data in there.items():
        assert hashlib.sha256(data).hexdigest() == listed[name].sha256
        assert len(data) == listed[name].bytes
        assert b"sourceMappingURL" not in data


def test_every_library_brings_its_licence_and_a_free_one():
    for library in libraries():
        folder = VENDOR / library.file.partition("/")[0]
        assert (folder / "LICENSE").is_file()
        assert (folder / "LICENSE.bundled").is_file() == bool(library.bundles)
        assert library.licence in {"MIT", "BSD-3-Clause"}
        assert library.home.startswith("https://")
        assert f"{library.name}-{library.version}" == folder.name
    assert "Dmitry Snisarenko" in licence_text()
    assert "University of Washington Interactive Data Lab" in licence_text()


def test_altair_writes_for_the_vendored_vega_lite():
    vendored = next(library.version for library in libraries() if library.name == "vega-lite")
    schema = re.search(r"vega-lite/v([0-9]+)", alt.SCHEMA_URL)
    assert schema is not None
    assert schema.group(1) == vendored.partition(".")[0]


def test_a_changed_library_is_refused(monkeypatch):
    library = libraries()[0]
    data = library_bytes(library)
    monkeypatch.setattr(module, "_bytes", lambda _path: data + b" ")
    with pytest.raises(DataError, match="was changed"):
        library_bytes(library)
