import subprocess
import sys

import cv2
import pytest

from kerashand.cli import data

WITHOUT_HEAVY_MODULES = """
import sys
from kerashand.cli.data import main
try:
    code = main(sys.argv[2:])
except SystemExit as stop:
    code = stop.code
heavy = set(sys.argv[1].split(",")) & set(sys.modules)
assert not heavy, heavy
sys.exit(code)
"""


def run_light(*arguments, heavy="tensorflow,keras,cv2,matplotlib"):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HEAVY_MODULES, heavy, *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("command", [[], ["sheet"], ["render"]])
def test_help_is_light(command):
    done = run_light(*command, "--help")
    assert done.returncode == 0
    assert "kerashand-data" in done.stdout


def test_sheet_is_drawn_without_tensorflow(tmp_path):
    out = tmp_path / "new" / "sheet.png"
    done = run_light(
        "sheet", "--domain", "target", "--split", "val", "--seed", "2", "--first", "7",
        "--count", "3", "--size", "64", "--out", str(out), heavy="tensorflow,keras",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "3 samples" in done.stdout
    picture = cv2.imread(str(out))
    assert picture.shape[1] > 8 * 256
    assert [p.name for p in out.parent.iterdir()] == ["sheet.png"]


SHEET = ["sheet", "--domain", "source", "--out", "sheet.png"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([*SHEET, "--count", "0"], "--count must be 1 to 200. Received: 0"),
        ([*SHEET, "--count", "100000"], "--count must be 1 to 200"),
        ([*SHEET, "--size", "8"], "--size must be 32 to 512. Received: 8"),
        ([*SHEET, "--first", "-1"], "--first must be at least 0. Received: -1"),
        ([*SHEET, "--seed", "-3"], "--seed must be at least 0"),
        (["sheet", "--domain", "source", "--out", "a.jpg"], "--out must name a .png file"),
        (["render", "--config", "wek"], "Did you mean `weak.yaml`"),
        (["render", "--config", "weak", "--set", "data.sed=1"], "Did you mean `seed`"),
    ],
)
def test_user_mistake_is_a_message_and_code_2(arguments, text, capsys):
    assert data.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("kerashand-data: ")
    assert text in error


@pytest.mark.parametrize(
    "arguments", [[], ["draw"], ["sheet", "--domain", "real", "--out", "a.png"], ["sheet"]]
)
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        data.main(arguments)
    assert stop.value.code == 2
    assert "usage: kerashand-data" in capsys.readouterr().err


def test_sheet_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "sheet.png"
    arguments = ["sheet", "--domain", "source", "--count", "1", "--size", "32", "--out", str(out)]
    assert data.main(arguments) == 2
    assert "cannot be written" in capsys.readouterr().err


def render(tmp_path):
    sizes = [f"data.{d}.{s}=4" for d in ("source", "target") for s in ("train", "val", "test")]
    return [
        "render", "--config", "weak", "--set", f"data.cache_dir={tmp_path}", "data.workers=1",
        "data.image_size_px=32", *sizes,
    ]  # fmt: skip


def test_render_fills_the_cache_once(tmp_path, capsys):
    assert data.main(render(tmp_path)) == 0
    output = capsys.readouterr().out
    assert "24 of 24 samples" in output
    assert "images/s" in output
    assert len(list(tmp_path.rglob("*.tfrecord"))) == 6
    assert data.main(render(tmp_path)) == 0
    assert "all 24 samples were there already" in capsys.readouterr().out


def test_ctrl_c(monkeypatch, capsys):
    def stop(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "run_sheet", stop)
    assert data.main(SHEET) == 130
    assert "run the same command again" in capsys.readouterr().err
