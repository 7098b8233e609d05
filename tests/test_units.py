"""Units and cameras of a recording: what is wrong is explained, what is right stays silent."""

import json
import re

import cv2
import numpy as np
import pytest
import yaml
from dataset_writers import write_rgbd

from kerashand.cli.data import main
from kerashand.data.kinds import rgbd
from kerashand.data.readers.checks import check_depth
from kerashand.data.readers.units import check_units
from kerashand.errors import UserError


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    root = tmp_path_factory.mktemp("recordings")
    for name in (True, False):
        write_rgbd(root / str(name), np.random.default_rng(5), frames=10, registered=name)
    return root


def settings(folder, change):
    path = folder / "recording.yaml"
    held = yaml.safe_load(path.read_text())
    change(held)
    path.write_text(yaml.safe_dump(held))


def focal(factor, *cameras):
    def change(held):
        for camera in cameras:
            held[camera]["fx"] *= factor
            held[camera]["fy"] *= factor

    return lambda folder: settings(folder, change)


def unit(unit_mm):
    return lambda folder: settings(folder, lambda held: held["depth"].update(unit_mm=unit_mm))


def depth(change):
    def repaint(folder):
        for path in sorted((folder / "depth").glob("*.png")):
            values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert cv2.imwrite(str(path), change(values.astype(np.int64)).astype(np.uint16))

    return repaint


def swapped(values):
    return values % 256 * 256 + values // 256


def translation(factor):
    def change(held):
        shift = held["depth_to_colour"]["translation_mm"]
        held["depth_to_colour"]["translation_mm"] = [factor * value for value in shift]

    return lambda folder: settings(folder, change)


def copied(originals, folder, *, registered):
    import shutil

    shutil.copytree(originals / str(registered), folder)
    return folder


def check(folder, capsys):
    code = main(["check", str(folder)])
    told = capsys.readouterr()
    return code, told.out + told.err


# What is done to a recording whose hands are 600 mm away, in depth of 1 mm; what is said.
WRONG = {
    "in 0.1 mm": (
        depth(lambda z: 10 * z), r"measures 8\d\d mm .* explain it: `depth.unit_mm: 0.1`\."
    ),
    "in 0.25 mm": (
        depth(lambda z: 4 * z), r"measures 3\d\d mm .* explain it: `depth.unit_mm: 0.25`\."
    ),
    "called 0.1 mm": (unit(0.1), r"measures (8|12)\.\d+ mm .* explain it: `depth.unit_mm: 1`\."),
    "called 0.25 mm": (unit(0.25), r"measures [23]\d\.?\d* mm .* explain it: `depth.unit_mm: 1`\."),
    "called 0.001 mm": (
        unit(0.001), r"(measures 0\.0\d+|no depth was) .* explain it: `depth.unit_mm: 1`\."
    ),
    "in metres": (
        depth(lambda z: np.rint(z / 1000)),
        r"(measures 0\.\d+ mm|no depth was) .* explain it: depth in metres",
    ),
    "bytes swapped": (depth(swapped), r"explain it: depth pictures with the two bytes .* swapped"),
    "inverted": (
        depth(lambda z: np.where(z > 0, 65535 - z, 0)),
        r"explain it: inverted depth \(65535 - depth\), in which near is large\.",
    ),
    "inverted within 1.5 m": (
        depth(lambda z: 1500 - z), r"hands lie \d+ mm behind what is around them.*inverted depth"
    ),
    "colour focal lengths x 10": (
        focal(10, "colour"),
        r"`colour.fx: 6000` for 640 x 480 pixels is a view of 6 degrees.*"
        r"explain it: `colour`: `fx` and `fy` times 0.1\.",
    ),
    "colour focal lengths / 10": (
        focal(0.1, "colour"),
        r"`colour.fx: 60` for 640 x 480 pixels is a view of 159 degrees.*"
        r"explain it: `colour`: `fx` and `fy` times 10\.",
    ),
    "a principal point of another picture": (
        lambda folder: settings(folder, lambda held: held["colour"].update(cy=2323.0)),
        r"`colour.cy: 2323` is far outside of 640 x 480 pixels",
    ),
    "stretched": (
        lambda folder: settings(folder, lambda held: held["colour"].update(fy=300.0)),
        r"`colour.fx: 600` and `colour.fy: 300` are not of square pixels",
    ),
    "cameras of half the size": (
        focal(0.5, "colour"), r"explain it: .*`colour`: `fx` and `fy` times 2\."
    ),
}  # fmt: skip
BESIDE = {
    "depth focal lengths x 10": (
        focal(10, "depth"),
        r"`depth.fx: 3800` for 424 x 240 pixels.*explain it: `depth`: `fx` and `fy` times 0.1\.",
    ),
    "depth focal lengths / 10": (
        focal(0.1, "depth"),
        r"`depth.fx: 38` for 424 x 240 pixels.*explain it: `depth`: `fx` and `fy` times 10\.",
    ),
    "all focal lengths / 10": (
        focal(0.1, "colour", "depth"), r"explain it: `colour` and `depth`: `fx` and `fy` times 10\."
    ),
    "translation in metres": (
        translation(0.001),
        r"`depth_to_colour.translation_mm` is 0.015 mm long. What would explain it: translation in "
        r"metres \(`translation_mm: \[15.0, 0.3, -1.0\]`\)\.",
    ),
}  # fmt: skip
CASES = [
    *((name, registered) for name in WRONG for registered in (True, False)),
    *((name, False) for name in BESIDE),
]


@pytest.mark.parametrize(("name", "registered"), CASES)
def test_a_wrong_unit_or_camera(name, registered, originals, tmp_path, capsys):
    folder = copied(originals, tmp_path / "recording", registered=registered)
    harm, message = {**WRONG, **BESIDE}[name]
    harm(folder)
    code, told = check(folder, capsys)
    assert code == 2
    assert re.search(message, told), told
    assert "Traceback" not in told


def test_training_is_told_too(originals, tmp_path):
    folder = copied(originals, tmp_path / "recording", registered=True)
    unit(0.1)(folder)
    with pytest.raises(UserError, match=r"explain it: `depth.unit_mm: 1`\."):
        check_depth(rgbd.read(folder, "train"))


@pytest.mark.parametrize(
    ("factor", "shift", "wrong"),
    [(1.0, 0.0, False), (0.001, 0.0, True), (0.1, 0.0, True), (0.0, 30.0, True)],
)
def test_predicted_depth_in_other_units(factor, shift, wrong, originals, tmp_path, capsys):
    """Right, in metres, in centimetres, and behind the wrist."""
    folder = copied(originals, tmp_path / "recording", registered=True)
    rows = [json.loads(line) for line in (folder / "points.jsonl").read_text().splitlines()]
    for row in rows:
        row["z_mm"] = [factor * 600.0 + shift] * 21
    (folder / "points.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, told = check(folder, capsys)
    assert (code, "`z_mm` of the points puts palms" in told) == ((2, True) if wrong else (0, False))


def test_depth_of_one_value_raises_doubt(originals, tmp_path, capsys):
    folder = copied(originals, tmp_path / "recording", registered=True)
    doubt = "hands are no nearer than what is around them"
    assert doubt not in check(folder, capsys)[1]
    depth(lambda z: np.full_like(z, 600))(folder)
    code, told = check(folder, capsys)
    assert code == 0
    assert doubt in told


def test_points_in_shares_of_the_picture(originals, tmp_path, capsys):
    folder = copied(originals, tmp_path / "recording", registered=True)
    lines = (folder / "points.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        row["uv_px"] = (np.array(row["uv_px"]) / [640, 480]).tolist()
    (folder / "points.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, told = check(folder, capsys)
    assert code == 2
    assert re.search(r"0000.png: no hand, its points span 0\.\d+ pixels \(points are", told)
    assert "10 hands cannot be used" in told


# ------------------------------------------------------------------------------ what is right


@pytest.mark.parametrize("registered", [True, False])
@pytest.mark.parametrize("unit_mm", [0.05, 0.1, 0.125, 0.2, 0.25, 0.5, 1.0, 2.0, 10.0])
def test_right_units_stay_silent(unit_mm, registered, originals, tmp_path, capsys):
    folder = copied(originals, tmp_path / "recording", registered=registered)
    depth(lambda z: np.clip(np.rint(z / unit_mm), 0, 65535))(folder)
    unit(unit_mm)(folder)
    code, told = check(folder, capsys)
    assert code == 0
    palm, away = re.search(r"measures (\d+) mm, hands are (\d+) mm away", told).groups()
    assert 80 <= int(palm) <= 115
    assert 550 <= int(away) <= 610


def test_the_measured_palm(originals):
    """Hands of 170 to 190 mm, whose palms are written into the recording."""
    for registered in (True, False):
        table = rgbd.read(originals / str(registered), "train")
        stated = np.linalg.norm(table.xyz_mm[0, 9] - table.xyz_mm[0, 0])
        found = check_units(table)
        assert found.hands == 8
        assert found.palm_mm == pytest.approx(stated, rel=0.15)
        assert found.distance_mm == pytest.approx(585, abs=20)
        assert found.before_mm == pytest.approx(900 - found.distance_mm, abs=5)  # the background


def test_a_background_that_was_not_measured(originals, tmp_path, capsys):
    folder = copied(originals, tmp_path / "recording", registered=True)
    depth(lambda z: np.where(z > 890, 0, z))(folder)
    assert check(folder, capsys)[0] == 0
