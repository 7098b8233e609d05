"""Damage to a data set: a message that names the file, and hands that are left out."""

import json
import pickle
import shutil

import numpy as np
import pytest
from damage import (
    ANNO,
    Malicious,
    cut,
    each,
    edit_json,
    edit_pickle,
    edit_text,
    first_line,
    repaint,
    rows_of,
    save_mat,
    set_row,
    with_nan,
)
from published_runs import of_paper, own_cache, published_data_sets

from kerashand.cli.train import main
from kerashand.config import load_config
from kerashand.config.schema import DataConfig, DomainConfig
from kerashand.data import splits
from kerashand.data.readers.checks import check_depth
from kerashand.errors import UserError
from kerashand.training.run import run

originals = pytest.fixture(scope="module")(published_data_sets)
_own_cache = pytest.fixture(autouse=True)(own_cache)


# (kind, what is done to its folder, what the message says)
DAMAGE = {
    "rhd folder missing": ("rhd", shutil.rmtree, r"copy does not exist"),
    "rhd half a download": (
        "rhd", lambda r: shutil.rmtree(r / "training" / "color"),
        r"12 of 12 hands cannot be used:\n.*color/00000.png: does not exist",
    ),
    "rhd without masks": (
        "rhd", lambda r: shutil.rmtree(r / "training" / "mask"), r"mask/00000.png is missing",
    ),
    "rhd without evaluation": (
        "rhd", lambda r: shutil.rmtree(r / "evaluation"), r"anno_evaluation.pickle does not exist",
    ),
    "rhd annotations cut": ("rhd", lambda r: cut(r / ANNO), r"pickle data was truncated"),
    "rhd annotations empty": (
        "rhd", lambda r: (r / ANNO).write_bytes(b""), r"anno_training.pickle is no whole pickle",
    ),
    "rhd annotations are text": (
        "rhd", lambda r: (r / ANNO).write_text("hello"), r"anno_training.pickle",
    ),
    "rhd annotations malicious": (
        "rhd", lambda r: (r / ANNO).write_bytes(pickle.dumps(Malicious())),
        r"asks for builtins.eval. Nothing of it was run",
    ),
    "rhd annotations a list": (
        "rhd", lambda r: edit_pickle(r / ANNO, lambda held: list(held.values())),
        r"holds list, not a mapping",
    ),
    "rhd annotations without K": (
        "rhd", lambda r: edit_pickle(r / ANNO, lambda h: [x.pop("K") for x in h.values()] and h),
        r"KeyError 'K'. Each picture",
    ),
    "rhd of one hand": (
        "rhd", lambda r: edit_pickle(r / ANNO, rows_of("xyz", lambda x: x[:21])),
        r"`xyz` must be \(42, 3\) a picture. Received: \(21, 3\)",
    ),
    "rhd in millimetres": (
        "rhd", lambda r: edit_pickle(r / ANNO, rows_of("xyz", lambda x: x * 1000)),
        r"hand of .*e\+05 mm, which is none \(are the units right\?\)",
    ),
    "rhd without a hand": (
        "rhd", lambda r: edit_pickle(r / ANNO, set_row(2, "uv_vis", lambda u: u * [1, 1, 0])),
        r"00002.png: no hand, only 0 of its points",
    ),
    "rhd NaN joints": (
        "rhd", lambda r: edit_pickle(r / ANNO, set_row(1, "xyz", lambda x: x * np.nan)),
        r"1 of 12 hands cannot be used:\n.*00001.png: joints or camera are not finite",
    ),
    "rhd NaN camera": (
        "rhd", lambda r: edit_pickle(r / ANNO, set_row(3, "K", with_nan)), r"00003.png: joints or",
    ),
    "rhd behind the camera": (
        "rhd", lambda r: edit_pickle(r / ANNO, set_row(3, "xyz", lambda x: -x)),
        r"00003.png: joints behind the camera",
    ),
    "rhd other camera": (
        "rhd", lambda r: edit_pickle(r / ANNO, set_row(0, "K", lambda k: k * 1.3)),
        r"00000.png: joints project \d+ px beside the labelled points",
    ),
    "rhd picture cut": (
        "rhd", lambda r: cut(r / "training/color/00004.png"),
        r"color/00004.png: is a PNG file that was cut short",
    ),
    "rhd picture empty": (
        "rhd", lambda r: (r / "training/color/00004.png").write_bytes(b""), r"00004.png: is empty",
    ),
    "rhd picture is text": (
        "rhd", lambda r: (r / "training/color/00004.png").write_text("<html>Not found</html>"),
        r"00004.png: is not a picture that can",
    ),
    "rhd picture of another size": (
        "rhd", lambda r: repaint(r / "training/color/00004.png", lambda p: p[:240]),
        r"00004.png: is 320 x 240 pixels, not 320 x 320",
    ),
    "rhd depth missing": (
        "rhd", lambda r: (r / "training/depth/00005.png").unlink(),
        r"depth/00005.png: does not exist",
    ),
    "rhd depth cut": (
        "rhd", lambda r: cut(r / "training/depth/00005.png", 0.9), r"depth/00005.png: is a PNG",
    ),
    "rhd depth bytes swapped": (
        "rhd", lambda r: each(r / "training" / "depth", "*.png", lambda p: p[:, :, [0, 2, 1]]),
        r"depth pictures lie .* mm from the joints .* byte order",
    ),
    "rhd mask cut": (
        "rhd", lambda r: cut(r / "training/mask/00001.png", 0.1), r"mask/00001.png is missing or",
    ),
    "stb folder missing": ("stb-sk", shutil.rmtree, r"copy does not exist"),
    "stb one label file missing": (
        "stb-sk", lambda r: (r / "labels/B4Random_SK.mat").unlink(), r"B4Random_SK.mat does not",
    ),
    "stb labels cut": (
        "stb-sk", lambda r: cut(r / "labels/B3Random_SK.mat"), r"B3Random_SK.mat cannot be read",
    ),
    "stb labels are text": (
        "stb-sk", lambda r: (r / "labels/B3Random_SK.mat").write_text("x" * 300),
        r"B3Random_SK.mat cannot be read as a MATLAB file",
    ),
    "stb other labels": (
        "stb-sk", lambda r: save_mat(r, other=np.zeros((3, 21, 2))), r"lacks `handPara`",
    ),
    "stb labels transposed": (
        "stb-sk", lambda r: save_mat(r, handPara=np.zeros((2, 21, 3))),
        r"must be \[3, 21, N\]. Received: \(2, 21, 3\)",
    ),
    "stb NaN joints": (
        "stb-sk", lambda r: save_mat(r, handPara=np.full((3, 21, 2), np.nan)),
        r"2 of 20 hands cannot be used:\n.*B3Random/SK_color_0.png: joints or camera",
    ),
    "stb a sequence without pictures": (
        "stb-sk", lambda r: shutil.rmtree(r / "images/B5Counting"),
        r"B5Counting/SK_color_0.png: does not exist",
    ),
    "stb depth bytes swapped": (
        "stb-sk", lambda r: each(r, "images/*/SK_depth_*.png", lambda p: p[:, :, [0, 2, 1]]),
        r"depth pictures lie",
    ),
    "stb depth of another size": (
        "stb-sk", lambda r: repaint(r / "images/B2Random/SK_depth_1.png", lambda p: p[::2, ::2]),
        r"SK_depth_1.png: is 320 x 240 pixels, not 640 x 480",
    ),
    "stb bb picture missing": (
        "stb-bb", lambda r: (r / "images/B2Random/BB_right_1.png").unlink(),
        r"BB_right_1.png: does not exist",
    ),
    "freihand folder missing": ("freihand", shutil.rmtree, r"copy does not exist"),
    "freihand labels cut": (
        "freihand", lambda r: cut(r / "training_xyz.json"), r"training_xyz.json cannot be read as",
    ),
    "freihand cameras of another version": (
        "freihand", lambda r: edit_json(r / "training_K.json", lambda held: held[:4]),
        r"must hold 6 cameras \[3, 3\]",
    ),
    "freihand joints of another version": (
        "freihand", lambda r: edit_json(r / "training_xyz.json", lambda h: [x[:20] for x in h]),
        r"must hold 21 joints of 3 numbers a hand. Received: shape \(6, 20, 3\)",
    ),
    "freihand picture cut": (
        "freihand", lambda r: cut(r / "training/rgb/00000003.jpg"),
        r"00000003.jpg: is a JPEG file that was cut short",
    ),
    "freihand picture of another size": (
        "freihand", lambda r: repaint(r / "training/rgb/00000003.jpg", lambda p: p[:200]),
        r"00000003.jpg: is 224 x 200 pixels, not 224 x 224",
    ),
    "recording missing": ("rgbd", shutil.rmtree, r"copy does not exist"),
    "recording without camera": (
        "rgbd", lambda r: edit_text(r / "recording.yaml", "colour: {", "depth_camera: {"),
        r"depth_camera: unknown key. Allowed here: colour, depth, depth_to_colour, hand",
    ),
    "recording with code": (
        "rgbd",
        lambda r: edit_text(
            r / "recording.yaml", "hand:", "hands: !!python/object/apply:os.system [ls]\nhand:"
        ),
        r"recording.yaml cannot be read as YAML",
    ),
    "recording with a bad focal length": (
        "rgbd", lambda r: edit_text(r / "recording.yaml", "fx: 600", "fx: -600"),
        r"`colour.fx` must be a number of 10 to 100000. Received: -600",
    ),
    "recording with no rotation": (
        "rgbd", lambda r: edit_text(r / "recording.yaml", "rotation: [[0.99", "rotation: [[1.99"),
        r"`depth_to_colour.rotation` is no rotation",
    ),
    "recording without a measure": (
        "rgbd", lambda r: edit_text(r / "recording.yaml", "hand: {wrist_", "hand: {} # {"),
        r"`hand` must give one of wrist_middle_mcp_mm",
    ),
    "recording in centimetres": (
        "rgbd",
        lambda r: (r / "recording.yaml").write_text(
            (r / "recording.yaml").read_text().rsplit("hand:", 1)[0]
            + "hand: {wrist_middle_mcp_mm: 9.2}"
        ),
        r"`hand.wrist_middle_mcp_mm` must be a number of 50 to 150. Received: 9.2",
    ),
    "recording without points": (
        "rgbd", lambda r: (r / "points.jsonl").unlink(), r"points.jsonl does not exist",
    ),
    "recording with half a line": (
        "rgbd", first_line(lambda row: json.dumps(row)[:40]), r"points.jsonl, line 1: ",
    ),
    "recording with 20 points": (
        "rgbd", first_line(lambda row: row.update(uv_px=row["uv_px"][:20])),
        r"line 1: `uv_px` must hold 21 points .* Received: shape \(20, 2\)",
    ),
    "recording with no handedness": (
        "rgbd", first_line(lambda row: row.update(handedness="both")),
        r"`handedness` must be left or right",
    ),
    "recording with NaN points": (
        "rgbd", first_line(lambda row: row["uv_px"].__setitem__(3, [float("nan"), 3.0])),
        r"0000.png: joints or camera are not finite",
    ),
    "recording with a frame that is not there": (
        "rgbd", first_line(lambda row: row.update(frame="nowhere")), r"nowhere",
    ),
    "recording with depth of 8 bits": (
        "rgbd", lambda r: repaint(r / "depth/0002.png", lambda p: (p / 8).astype(np.uint8)),
        r"depth/0002.png: holds 8-bit grey pixels in a PNG file, but depth must be 16-bit grey",
    ),
    "recording without depth at the wrist": (
        "rgbd", lambda r: repaint(r / "depth/0002.png", np.zeros_like),
        r"0002.png: no depth was measured at its wrist",
    ),
}  # fmt: skip


def opened(kind, root, most_bad=0.0):
    """What a run does with a data set before its first step."""
    source = DomainConfig(
        kind=kind, path=str(root), train=None, val=2, test=None, max_bad_share=most_bad
    )
    data = splits.counted(DataConfig(source=source))
    found = [splits.open_split(data, "source", name).table for name in ("train", "val", "test")]
    for table in found:
        check_depth(table)
    return found


@pytest.mark.parametrize("name", DAMAGE)
def test_damage(name, originals, tmp_path):
    kind, harm, message = DAMAGE[name]
    root = tmp_path / "copy"
    shutil.copytree(originals / kind.split("-")[0], root)
    harm(root)
    with pytest.raises(UserError, match=message) as caught:
        opened(kind, root)
    assert str(root) in str(caught.value) or "depth pictures lie" in str(caught.value)


@pytest.mark.parametrize("kind", ["rhd", "stb-sk", "stb-bb", "freihand", "rgbd"])
def test_no_damage(kind, originals):
    train, val, test = opened(kind, originals / kind.split("-")[0])
    assert len(val) == 2
    assert len(train) >= 6
    assert not set(train.images) & set(val.images)
    assert not set(train.images) & set(test.images)


def test_damaged_hands_are_left_out_and_listed(originals, tmp_path, caplog):
    root = tmp_path / "copy"
    shutil.copytree(originals / "rhd", root)
    cut(root / "training/color/00004.png")
    edit_pickle(root / ANNO, set_row(1, "xyz", lambda x: x * np.nan))
    with pytest.raises(UserError, match=r"(?s)2 of 12 .* At most 10.0% may be left out"):
        opened("rhd", root, 0.1)
    train, _, _ = opened("rhd", root, 0.2)
    assert len(train) == 8  # 12 less 2 damaged less 2 for validation
    assert "00004.png" not in " ".join(train.images)
    assert "left out: " in caplog.text
    assert "2 of 12 hands left out (16.67%)" in caplog.text


def test_a_picture_that_is_damaged_inside_is_named(originals, tmp_path):
    """Head and end are whole: only decoding tells."""
    root = tmp_path / "copy"
    shutil.copytree(originals / "rhd", root / "rhd")
    path = root / "rhd/training/color/00003.png"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)
    shutil.copytree(originals / "stb", root / "stb")
    config = load_config("paper/weak", of_paper(root, "stages.pretrain.steps_per_epoch=6"))
    with pytest.raises(UserError, match=r"color/00003.png is damaged inside \(1 such"):
        run(config.with_run_dir(str(tmp_path / "run")))


def test_skip_bad_is_a_setting_of_both_domains(capsys, originals):
    paths = [f"data.source.path={originals / 'rhd'}", f"data.target.path={originals / 'stb'}"]
    assert (
        main(["--config", "paper/weak", "--set", *paths, "--skip-bad", "0.2", "--print-config"])
        == 0
    )
    assert capsys.readouterr().out.count("max_bad_share: 0.2") == 2
    assert main(["--config", "paper/weak", "--set", *paths, "--skip-bad", "2"]) == 2
    assert "max_bad_share" in capsys.readouterr().err
