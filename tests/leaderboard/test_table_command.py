"""`alphabench leaderboard`: in a terminal, as JSON, CSV, Markdown and LaTeX."""

import csv
import io
import json
import subprocess
import sys

import pytest

from alphabench.cli import app as command_line
from alphabench.leaderboard.board import build_board
from alphabench.leaderboard.cells import table_metrics
from alphabench.leaderboard.export import csv_text, latex_text, markdown_text
from alphabench.leaderboard.published import PublishedRow, PublishedTable


@pytest.fixture(scope="module")
def store(tmp_path_factory, writer):
    root = tmp_path_factory.mktemp("records")
    writer(root / "good", model="good", images=12, draws=10_000)
    writer(root / "worse", model="worse", images=12, shifts={"psnr": -0.5}, noise={"psnr": 0.05}, draws=10_000)
    return root


@pytest.fixture
def run(capsys, tmp_path, monkeypatch, store):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALPHABENCH_CACHE", str(tmp_path / "cache"))

    def execute(*arguments, columns=None):
        if columns is not None:
            monkeypatch.setenv("COLUMNS", str(columns))
        capsys.readouterr()
        code = command_line.run(["leaderboard", "--root", str(store), *map(str, arguments)])
        streams = capsys.readouterr()
        assert code != 70, streams.err
        return code, streams.out, streams.err

    return execute


@pytest.fixture
def with_published(store):
    """The table of the store beside two published rows, one with hostile text."""
    (table,) = build_board([store]).tables
    rows = tuple(
        PublishedRow("2507.1", "T", "Table 2", method, {"psnr": "99.10"}, "[full text]")
        for method in ("=cmd|' /C calc'!A0", "<b>[x](javascript:y)|$\\")
    )
    printed = PublishedTable(table.protocol, table.data, "reconstruction", "all", "mean", (("psnr", "dB", True),), rows)
    return type(table)(**{**vars(table), "published": printed})


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_broken(run, columns):
    code, out, _ = run(columns=columns)
    assert code == 0
    body = [line for line in out.splitlines() if not line.startswith("signature")]
    assert max(map(len, body)) <= columns
    (good,) = [line for line in body if "good" in line and line[0].isdigit()]
    assert good.split()[0] == "1"
    assert "30.0" in good
    (worse,) = [line for line in body if "worse" in line and line[0].isdigit()]
    assert worse.split()[0] == "2"
    if columns >= 80:
        assert all(word in out for word in ("psnr↑", "tier", "date", "record", "12 images"))
    if columns in {80, 200}:
        assert ("no room for" in out) == (columns == 80)
    assert "signature  alphabench|alpha-mini@1|" in out


def test_the_chosen_metrics_are_shown_and_the_first_ranks(run):
    _, out, _ = run("--metric", "sad", "--metric", "ssim_luma", columns=100)
    heads = out.splitlines()[1:4]
    assert any("sad↓" in line for line in heads)
    assert not any("psnr" in line for line in heads)
    assert "proved better in sad" in out
    code, _, err = run("--metric", "nope")
    assert (code, "no table has" in err) == (2, True)


def test_json_is_one_document_with_ranks_and_intervals(run):
    code, out, _ = run("--json")
    (table,) = json.loads(out)["tables"]
    assert code == 0
    assert [(row["rank"], row["model"], row["tier"]) for row in table["records"]] == [(1, "good", 0), (2, "worse", 0)]
    psnr = table["records"][1]["aggregates"]["psnr"]
    assert psnr["low"] < psnr["value"] < psnr["high"]
    assert (psnr["unit"], psnr["n"], psnr["state"]) == ("dB", 12, "ok")


def test_csv_has_full_precision_and_the_signature_in_each_row(run):
    code, out, _ = run("--csv", "-")
    rows = list(csv.DictReader(io.StringIO(out)))
    _, text, _ = run("--json")
    records = json.loads(text)["tables"][0]["records"]
    assert code == 0
    for row, record in zip(rows, records, strict=True):
        assert row["signature"] == record["signature"]
        assert row["record_id"] == record["record_id"]
        for metric, item in record["aggregates"].items():
            assert float(row[metric]) == item["value"]
        assert float(row["psnr_low"]) == record["aggregates"]["psnr"]["low"]
        assert (row["rank"], row["n"], row["protocol"]) == (str(record["rank"]), "12", "alpha-mini@1")


def test_text_that_a_spreadsheet_would_run_is_defused_and_numbers_are_left_alone(with_published):
    rows = list(csv.DictReader(io.StringIO(csv_text(with_published, ["psnr", "kid-rand"]))))
    assert rows[2]["model"] == "'=cmd|' /C calc'!A0"
    assert [(row["rank"], row["state"]) for row in rows[2:]] == [("", "published, not ranked")] * 2
    assert rows[2]["psnr"] == "99.10"
    assert not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())


def test_published_rows_never_rank_and_never_are_the_best(with_published):
    assert with_published.best()["psnr"] < 99
    for text in (markdown_text([with_published], ["psnr"]), latex_text([with_published], ["psnr"])):
        assert "not ranked" in text
        assert "99.10" in text
        assert "**99.10**" not in text
        assert "textbf{99.10}" not in text


def test_markdown_marks_the_best_and_shows_hostile_text_as_text(with_published):
    text = markdown_text([with_published], ["psnr"])
    lines = text.splitlines()
    (good,) = [line for line in lines if "tests/good" in line]
    assert "**30." in good
    assert "**" not in next(line for line in lines if "tests/worse" in line)
    assert "<b>" not in text
    assert "](javascript" not in text
    widths = {line.replace("\\|", "").count("|") for line in lines if line.startswith("|")}
    assert len(widths) == 1


def test_latex_escapes_and_marks_the_best(with_published):
    text = latex_text([with_published], ["psnr", "ssim_rgb"])
    assert r"\textbf{30." in text
    assert r"psnr$\uparrow$ dB" in text
    assert r"ssim\_rgb" in text
    assert r"\textcolor{gray}{99.10}" in text
    assert r"\$\textbackslash{}" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.replace(r"\&", "").count("&") for line in rows}) == 1


def test_files_are_written_and_two_cannot_share_the_output(run, tmp_path):
    code, out, err = run("--csv", "t.csv", "--markdown", "t.md", "--latex", "t.tex")
    assert code == 0
    assert "signature" in out
    assert err.count("written: ") == 3
    assert (tmp_path / "t.md").read_text(encoding="utf-8").startswith("### alpha-mini@1 on tiny@1")
    assert run("--csv", "-", "--latex", "-")[0] == 2
    assert run("--json", "--csv", "-")[0] == 2
    assert run("--csv", tmp_path / "absent" / "t.csv")[0] == 3


def test_csv_of_two_protocols_or_data_sets_is_refused(run, make_record, tmp_path):
    other = make_record("other", model="other", images=12, manifest="c")
    code, _, err = run("--root", other, "--csv", "-")
    assert code == 2
    assert "--data" in err
    assert run("--root", other, "--csv", "-", "--data", "cccccc")[0] == 0


def test_published_numbers_show_without_a_record(run):
    code, out, _ = run("--protocol", "alpha-paper@1", columns=100)
    assert code == 0
    assert "not ranked" in out
    assert "38.1987" in out
    code, out, _ = run("--protocol", "alpha-paper@1", "--json")
    tables = json.loads(out)["published"]
    assert {row["rank"] for table in tables for row in table["rows"]} == {None}


def test_sort_metric_comes_first(store):
    (table,) = build_board([store]).tables
    assert table_metrics(table, ["sad", "nope", "psnr"]) == ["psnr", "sad"]


def test_the_table_imports_no_torch_and_from_its_cache_little_else(store, tmp_path):
    script = (
        "import sys, time\n"
        "from alphabench.cli.app import run\n"
        "import alphabench.leaderboard.board_cache as cache\n"
        "cache.QUIET_S = -1e9\n"
        f"assert run(['leaderboard', '--root', {str(store)!r}]) == 0\n"
        "heavy = set(sys.argv[1:]) & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {"ALPHABENCH_CACHE": str(tmp_path), "PATH": ""}
    cold, warm = ("torch", "pandas", "matplotlib"), ("torch", "numpy", "pyarrow", "scipy", "pydantic")
    for names in (cold, warm):
        subprocess.run([sys.executable, "-c", script, *names], check=True, capture_output=True, env=environment)
