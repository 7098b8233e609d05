"""The models in the package: small, there, and right about hands that they have not seen."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import kerashand
from kerashand.cli import label, predict
from kerashand.cli.data import main as data_main
from kerashand.errors import UserError
from kerashand.runtime import HandPose
from kerashand.runtime.backends import load_backend
from kerashand.synthetic.scene import render_sample

WEIGHTS = Path(kerashand.__file__).parent / "weights"
PICTURES = 60  # of fewer, single hands decide


@pytest.fixture(scope="module")
def pose():
    return HandPose.load()


@pytest.fixture(scope="module")
def samples():
    return [
        render_sample("varied", "test", seed=5, index=index, size_px=192)
        for index in range(PICTURES)
    ]


def test_all_weights_together_are_small():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) <= 10_000_000


@pytest.mark.parametrize(
    "name", ["hand_pose.tflite", "hand_detector.tflite", "hand_pose_by_depth.tflite"]
)
def test_a_damaged_byte_is_noticed(name, tmp_path):
    content = bytearray((WEIGHTS / name).read_bytes())
    content[len(content) // 3] ^= 1
    damaged = tmp_path / name
    damaged.write_bytes(content)
    with pytest.raises(UserError, match="is damaged: it does not have the checksum"):
        load_backend(damaged, task=damaged.stem)


def test_joints_of_rendered_hands(pose, samples):
    """Right hands, and the same mirrored as left ones, at equal errors."""
    errors = []
    for number, sample in enumerate(samples):
        picture, uv, handedness = sample.image, sample.uv_px, "right"
        if number % 2:
            picture, uv = np.ascontiguousarray(picture[:, ::-1]), uv * [-1, 1] + [191, 0]
            handedness = "left"
        box = (*uv.min(axis=0), *uv.max(axis=0))
        (hand,) = pose.predict(picture, box=box, handedness=handedness)
        assert hand.handedness == handedness
        assert np.isfinite(hand.xyz_relative).all()
        size = max(box[2] - box[0], box[3] - box[1])
        errors.append(np.linalg.norm(hand.uv_px - uv, axis=1).mean() / size)
    # Shares of the box. Points in its middle would be 0.28 off.
    assert np.median(errors) < 0.06
    assert np.mean(errors) < 0.1


def test_depth_of_rendered_hands(pose, samples):
    """Better than a flat hand, and in the right direction."""
    predicted, true = [], []
    for sample in samples:
        box = (*sample.uv_px.min(axis=0), *sample.uv_px.max(axis=0))
        (hand,) = pose.predict(sample.image, box=box, handedness="right")
        scale = np.linalg.norm(sample.xyz_mm[9] - sample.xyz_mm[0])
        predicted.append(hand.z_relative)
        true.append((sample.xyz_mm[:, 2] - sample.xyz_mm[0, 2]) / scale)
    predicted, true = np.array(predicted), np.array(true)
    assert np.corrcoef(predicted.ravel(), true.ravel())[0, 1] > 0.85
    assert np.abs(predicted - true).mean() < 0.5 * np.abs(true).mean()


@pytest.mark.filterwarnings("ignore:.* unless this is a crop:UserWarning")  # they are
def test_millimetres_of_rendered_hands(pose, samples):
    """With the camera, the wrist's depth and one length: 15 mm over 1,000 such hands."""
    errors = []
    for sample in samples:
        box = (*sample.uv_px.min(axis=0), *sample.uv_px.max(axis=0))
        scale = float(np.linalg.norm(sample.xyz_mm[9] - sample.xyz_mm[0]))
        (hand,) = pose.predict(
            sample.image, box=box, handedness="right", intrinsics=sample.intrinsics, scale_mm=scale,
            root_depth_mm=float(sample.xyz_mm[0, 2]),
        )  # fmt: skip
        assert hand.root_depth_mm == pytest.approx(sample.xyz_mm[0, 2])
        errors.append(np.linalg.norm(hand.xyz_mm - sample.xyz_mm, axis=1).mean())
    assert np.median(errors) < 18.0
    assert np.mean(errors) < 22.0


def test_the_command_needs_no_other_file(samples, tmp_path, capsys):
    """Straight after installation; a blank wall shows no hand."""
    big = next(s for s in samples if (s.mask > 0).mean() > 0.2)
    picture = cv2.resize(big.image, (480, 480), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "hand.png"), picture[:, :, ::-1])
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 400, 3), 180, np.uint8))
    lines = tmp_path / "hands.jsonl"
    arguments = [str(tmp_path / name) for name in ("hand.png", "wall.png")]
    assert predict.main([*arguments, "--json", str(lines), "--no-drawing"]) == 0
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert rows[1]["hands"] == []
    box = ",".join(str(v) for v in (60, 60, 420, 420))
    assert predict.main([arguments[0], f"--box={box}", "--json", str(lines), "--no-drawing"]) == 0
    (hand,) = json.loads(lines.read_text().splitlines()[0])["hands"]
    assert len(hand["uv_px"]) == 21


@pytest.mark.slow
def test_depth_is_read_in_a_simulated_recording(tmp_path, monkeypatch):
    """What the model by depth adds to points that are labelled in colour alone."""
    folder = tmp_path / "recording"
    simulated = ["simulate", str(folder), "--scene", "table", "--frames", "24", "--seed", "4005"]
    assert data_main(simulated) == 0
    held = np.load(folder / "truth.npz")
    truth = dict(zip(held["frame"].tolist(), held["xyz_mm"].astype(float), strict=True))

    def off_mm():
        assert data_main(["label", str(folder)]) == 0
        lines = (folder / "points.jsonl").read_text().splitlines()
        (folder / "points.jsonl").unlink()
        assert len(lines) >= 20
        rows = [json.loads(line) for line in lines]
        depth = np.array([row["z_mm"] for row in rows])
        true = np.array([truth[row["frame"]][:, 2] for row in rows])
        return np.abs((depth - depth[:, :1]) - (true - true[:, :1])).mean()

    both = off_mm()
    monkeypatch.setattr(label, "depth_reader", lambda: None)
    assert both < 0.8 * off_mm()
    assert both < 12.0
