"""`alphabench leaderboard add | compare | check` as a user and a script see them."""

import json
import subprocess
import sys

import pytest

from alphabench.cli import app as command_line


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run one command line in an empty folder and return exit code, stdout and stderr."""
    empty = tmp_path / "cwd"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.setenv("ALPHABENCH_DEBUG", "1")

    def execute(*arguments):
        capsys.readouterr()
        code = command_line.run([str(argument) for argument in arguments])
        streams = capsys.readouterr()
        assert code != 70, streams.err
        return code, streams.out, streams.err

    return execute


@pytest.fixture
def check(run):
    def execute(baseline, candidate, *options):
        return run("leaderboard", "check", "--baseline", baseline, "--candidate", candidate, *options)

    return execute


def edit(folder):
    path = folder / "record.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"wall_s":1.5', '"wall_s":2.5'), encoding="utf-8")
    return folder


def test_check_leaves_with_the_code_of_its_verdict(check, make_record):
    good = make_record("good")
    worse = make_record("worse", model="worse", shifts={"psnr": -0.5}, noise={"psnr": 0.2})
    assert check(good, good)[0] == 0
    code, out, _ = check(good, worse)
    assert code == 1
    assert "verdict    regression" in out
    assert out.count("psnr↑ dB") == 1
    assert check(worse, good)[0] == 0
    assert check(worse, good, "--same")[0] == 1
    assert check(good, good, "--same")[0] == 0


def test_check_leaves_with_5_where_the_images_are_too_few_and_says_what_would_settle_it(check, make_record, tmp_path):
    few = (
        make_record("few", images=12),
        make_record("other", images=12, model="other", shifts={"psnr": -0.2}, noise={"psnr": 0.8}),
    )
    code, out, _ = check(*few)
    assert code == 5
    assert "12 images detect" in out
    code, out, _ = check(*few, "--allow-inconclusive", "--summary", tmp_path / "summary.md")
    assert code == 0
    assert "inconclusive (allowed)" in out
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("### alphabench: inconclusive (allowed)\n")
    assert text.count("\n| ") == 7  # heading, rule, five metrics
    assert "images would exclude a loss of 0.100 dB" in text
    assert "|gate:1|bs:10000|seed:12345`" in text


def test_check_refuses_what_is_edited_incomplete_or_not_comparable(check, make_record):
    good = make_record("good", images=12)
    assert check(good, edit(make_record("edited", images=12)))[0] == 3
    assert check(good, make_record("data", images=12, manifest="c"))[0] == 3
    code, _, err = check(good, make_record("lacking", images=12, unavailable=("sad",)))
    assert code == 4
    assert "weights fetch" in err
    assert check(good, make_record("part", images=12, taken=6))[0] == 4
    assert check(good, "nowhere")[0] == 3
    assert check(good, "abc")[0] == 2
    assert check(edit(make_record("both", images=12, unavailable=("sad",))), good)[0] == 3


def test_check_in_json_is_one_document_with_the_exit_code(check, make_record):
    good, few = (
        make_record("good", images=12),
        make_record("b", images=12, model="b", shifts={"psnr": -0.2}, noise={"psnr": 0.8}),
    )
    code, out, _ = check(good, few, "--json")
    document = json.loads(out)
    assert (code, document["exit_code"], document["verdict"]) == (5, 5, "inconclusive")
    psnr = document["metrics"][0]
    assert (psnr["metric"], psnr["margin"], psnr["verdict"], psnr["n"]) == ("psnr", 0.1, "inconclusive", 12)
    assert psnr["images_needed"] > 12
    assert psnr["low"] < psnr["difference"] < psnr["high"]
    assert document["gate"]["name"] == "gate@1"
    assert len(document["most_changed"]["samples"]) == 5
    code, out, _ = check(good, edit(few), "--json")
    assert (code, json.loads(out)["error"]["code"]) == (3, "data")


def test_compare_shows_every_metric_and_leaves_with_0_whatever_it_finds(run, make_record):
    good = make_record("good", images=12)
    worse = make_record("worse", images=12, model="worse", shifts={"psnr": -0.5, "sad": -0.02})
    code, out, _ = run("leaderboard", "compare", good, worse)
    assert code == 0
    for words in ("tests/worse", "verdict        regression", "kid-rand", "most changed in psnr", "psnr by category"):
        assert words in out
    code, out, _ = run("leaderboard", "compare", good, worse, "--json")
    document = json.loads(out)
    assert (code, document["verdict"], document["candidate"]["model"]) == (0, "regression", "worse")
    assert {item["metric"] for item in document["metrics"]} >= {"psnr", "ssim_rgb", "sad", "rfid-rand", "kid-rand"}


def test_compare_takes_incomplete_records_as_far_as_they_go(run, make_record):
    good, lacking = make_record("good", images=12), make_record("lacking", images=12, unavailable=("sad",))
    code, out, err = run("leaderboard", "compare", good, lacking)
    assert code == 0
    assert "a metric of the gate is missing" in out
    assert "not compared: sad: unavailable in the candidate" in err


@pytest.mark.parametrize(("name", "start"), [("plot.svg", b"<?xml"), ("plot.png", b"\x89PNG")])
def test_the_forest_plot_is_a_picture_with_equal_bytes_each_time(run, make_record, tmp_path, name, start):
    good, worse = make_record("good", images=12), make_record("worse", images=12, model="worse", noise={"psnr": 0.2})
    pictures = []
    for _ in range(2):
        assert run("leaderboard", "compare", good, worse, "--plot", tmp_path / name)[0] == 0
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0].startswith(start)
    assert pictures[0] == pictures[1]
    if name.endswith("svg"):
        assert b"psnr" in pictures[0]
        assert b"glass (2)" in pictures[0]


def test_a_plot_of_an_unknown_kind_or_place_is_refused(run, make_record, tmp_path):
    good = make_record("good", images=12)
    assert run("leaderboard", "compare", good, good, "--plot", "plot.jpeg")[0] == 2
    assert run("leaderboard", "compare", good, good, "--plot", tmp_path / "absent" / "plot.svg")[0] == 3


def test_add_then_table_then_compare_by_id(run, make_record):
    folders = [make_record(name, images=12, model=name, config=len(name)) for name in ("first", "second")]
    code, out, _ = run("leaderboard", "add", *folders)
    assert code == 0
    assert out.count("added leaderboard/alpha-mini@1/tests__") == 2
    code, out, _ = run("leaderboard", "add", folders[0], "--json")
    assert json.loads(out)["records"][0]["status"] == "already recorded"
    code, out, _ = run("leaderboard", "add", folders[0])
    assert out.startswith("already recorded as ")
    code, out, _ = run("leaderboard", "--json")
    (table,) = json.loads(out)["tables"]
    ids = [record["record_id"] for record in table["records"]]
    assert len(ids) == 2
    assert run("leaderboard", "compare", ids[0][:8], ids[1][:8])[0] == 0
    assert run("leaderboard", "--root", "leaderboard", "compare", ids[0][:8], ids[1][:8])[0] == 0
    assert run("leaderboard", "compare", ids[0][:8], ids[1][:8], "--root", folders[0])[0] == 3
    assert run("leaderboard", "check", "--baseline", ids[0][:8], "--candidate", ids[1][:8])[0] == 0


def test_add_refuses_with_the_code_of_the_fault_and_copies_nothing(run, make_record, tmp_path):
    good = make_record("good", images=12)
    lacking = make_record("lacking", images=12, model="lacking", unavailable=("sad",))
    assert run("leaderboard", "add", good, lacking)[0] == 4
    assert run("leaderboard", "add", good, edit(make_record("edited", images=12)))[0] == 3
    assert run("leaderboard", "add", tmp_path / "nowhere")[0] == 3
    assert run("leaderboard", "add")[0] == 2
    assert run("leaderboard", "add", good, "--root", "a", "--json")[0] == 0
    assert run("leaderboard", "--root", "a", "add", good, "--root", "b")[0] == 2
    assert not (tmp_path / "cwd" / "leaderboard").exists()


def test_comparing_imports_no_torch(make_record):
    good = make_record("good", images=6)
    script = (
        "import sys\n"
        "from alphabench.cli.app import run\n"
        f"assert run(['leaderboard', 'check', '--baseline', {str(good)!r}, '--candidate', {str(good)!r}]) == 0\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
