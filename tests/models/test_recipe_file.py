"""Recipes that extend one another."""

from pathlib import Path

import pytest

from alphabench.errors import UsageError
from alphabench.models.recipe_file import bundled_recipes, merged, parsed_changes, read_recipe, recipe_chain
from alphabench.tasks.training import recipe


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder / f"{next(iter(files))}.toml"


def test_only_what_differs_needs_to_be_written(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        child='extends = "parent.toml"\n[data]\nbatch = 2\n[[data.sources]]\nfolder = "mine"\n[new]\nx = 1\n',
        parent='extends = "grand.toml"\nsteps = 5\n[data]\nsize = 64\nbatch = 4\n',
        grand='trainer = "pca"\nsteps = 9\n[data]\n[[data.sources]]\nfolder = "a"\n[[data.sources]]\nfolder = "b"\n',
    )
    assert read_recipe(path) == {
        "trainer": "pca",
        "steps": 5,
        "data": {"size": 64, "batch": 2, "sources": [{"folder": "mine"}]},
        "new": {"x": 1},
    }
    assert [file.name for file in recipe_chain(path)] == ["child.toml", "parent.toml", "grand.toml"]
    assert recipe(str(path))[0].name == "pca"


def test_a_bundled_recipe_can_be_extended_from_anywhere(tmp_path: Path) -> None:
    path = write(tmp_path, mine='extends = "alphavae/mini"\n[run]\nsteps = 3\n')
    spec, file = recipe("alphavae/mini")
    assert read_recipe(path) == merged(read_recipe(file), {"run": {"steps": 3}})
    assert recipe(str(path)) == (spec, path)


def test_the_base_lies_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = write(inner, child='extends = "../parent.toml"\n')
    write(tmp_path, parent='extends = "grand.toml"\n', grand="steps = 4\n")
    assert read_recipe(path) == {"steps": 4}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extends = "absent.toml"', r"extends 'absent\.toml', which is neither"),
        ("extends = 3", "extends is 3"),
        ('extends = ""', "extends is ''"),
        ('extends = "a.toml"', r"in a circle: a\.toml -> a\.toml"),
        ('extends = "b.toml"', r"in a circle: a\.toml -> b\.toml -> a\.toml"),
        ('extends = "broken.toml"', r"broken\.toml is not readable TOML"),
    ],
)
def test_bases_that_cannot_be_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, a=text, b=f'extends = "../{tmp_path.name}/a.toml"', broken="x = = 1")
    for read in (read_recipe, recipe_chain, lambda file: recipe(str(file))):
        with pytest.raises(UsageError, match=message):
            read(path)


def test_merging_alters_neither_side() -> None:
    base, changes = {"a": {"b": [1], "c": 2}}, {"a": {"b": [3]}}
    result = merged(base, changes)
    result["a"]["b"].append(4)
    assert (base, changes) == ({"a": {"b": [1], "c": 2}}, {"a": {"b": [3]}})
    assert result == {"a": {"b": [3, 4], "c": 2}}
    assert merged({"a": 1}, {"a": {"b": 2}}) == {"a": {"b": 2}}


def test_assignments_are_toml_values_or_texts() -> None:
    lines = ["run.steps=500", "run.ema = 0.5", "data.flips=false", "model.base=/some/where", 'hidden_colour="zero"']
    assert parsed_changes(lines) == {
        "run": {"steps": 500, "ema": 0.5},
        "data": {"flips": False},
        "model": {"base": "/some/where"},
        "hidden_colour": "zero",
    }
    for wrong in ("steps", "=3", "run.=3"):
        with pytest.raises(UsageError, match="sets no key"):
            parsed_changes([wrong])


def test_an_unknown_recipe_is_refused_with_the_nearest_known_one() -> None:
    assert "alphavae/mini" in bundled_recipes()
    with pytest.raises(UsageError) as refusal:
        recipe("alphavae/mni")
    assert "Did you mean 'alphavae/mini'" in refusal.value.remedy
