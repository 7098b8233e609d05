"""`kerashand-data import` of files of RealSense's viewer, up to a good recording of a hand."""

import json
import re

import camera_writers as files
import cv2
import numpy as np
import pytest
from bag_writers import TIMES, shots, write_realsense, write_realsense_db3
from camera_writers import COLOUR_K, COLOUR_PX, DEPTH_K, SHIFT_MM, TURN
from dataset_writers import RGBD_COLOUR, RGBD_DEPTH, render_view
from import_checks import check_between, check_colour, check_depth, held, numbers, pictures

from kerashand.cli.data import main
from kerashand.data.imports import bag_file
from kerashand.data.readers.recording import load_recording
from kerashand.geometry.root_depth import PALM_RATIOS

# ---------------------------------------------------------------------------------------- bags


def realsense(path, depth_times=TIMES, **more):
    pytest.importorskip("rosbags")
    colour = shots(TIMES, files.colour_picture)
    write_realsense(path, (colour, shots(depth_times, files.depth_picture)), **more)
    return path


def test_a_file_of_realsense(imported, tmp_path):
    out, folder = imported(realsense(tmp_path / "a.bag", unit_m=0.000125))
    check_colour(folder, [0, 1, 2])
    check_depth(folder, [files.depth_picture(n) for n in range(3)])
    check_between(folder)
    said = held(folder)
    assert (said["colour"]["width"], said["colour"]["height"]) == COLOUR_PX
    np.testing.assert_allclose(numbers(said["colour"]), COLOUR_K)
    np.testing.assert_allclose(numbers(said["depth"]), DEPTH_K)
    assert said["depth"]["unit_mm"] == 0.125
    assert said["hand"] == {"wrist_middle_mcp_mm": 92.0}
    assert "a.bag is a ROS bag." in out
    assert "assumed: 92 mm from the wrist" in out
    assert "3 frames. Next: kerashand-data label" in out
    assert not (folder / "points.jsonl").exists()
    assert load_recording(folder).unit_mm == 0.125


def test_another_colour_matrix_for_a_realsense(imported, tmp_path):
    """The depth camera, the transform and the unit stay; the distortion of colour goes."""
    path = realsense(tmp_path / "a.bag", unit_m=0.000125, d=(-0.5, 0.6, 0.01, -0.02, 0.0))
    out, folder = imported(path, "--fx", 70, "--fy", 71, "--cx", 30, "--cy", 20)
    check_between(folder)
    check_colour(folder, [0, 1, 2])
    check_depth(folder, [files.depth_picture(n) for n in range(3)])
    said = held(folder)
    np.testing.assert_allclose(numbers(said["colour"]), files.matrix(70, 71, 30, 20))
    np.testing.assert_allclose(numbers(said["depth"]), DEPTH_K)
    assert said["depth"]["unit_mm"] == 0.125
    assert (
        "the matrix of the colour camera is that of --fx --fy --cx --cy, without distortion; the "
        "rest is as the file has it."
    ) in out


def test_a_camera_file_without_a_unit(imported, tmp_path):
    """The file's own unit stays."""
    camera = tmp_path / "camera.yaml"
    camera.write_text(
        "colour: {width: 64, height: 48, fx: 60, fy: 61, cx: 31.5, cy: 23.25}\n"
        "depth: {width: 40, height: 32, fx: 38, fy: 39, cx: 19.75, cy: 15.5}\n"
        f"depth_to_color: {{rotation: {TURN.tolist()}, translation_mm: {SHIFT_MM.tolist()}}}\n"
        "hand: {middle_mcp_pip_mm: 40}\n"
    )
    path = realsense(tmp_path / "a.bag", unit_m=0.000125)
    out, folder = imported(path, "--camera", camera)
    assert held(folder)["depth"]["unit_mm"] == 0.125
    assert "a depth value of 1 is 0.125 mm, as the camera was set." in out
    palm_mm = PALM_RATIOS["middle_mcp_pip"][0] * 40
    assert held(folder)["hand"]["wrist_middle_mcp_mm"] == pytest.approx(palm_mm)
    assert "assumed" not in out


@pytest.mark.parametrize("bare", [False, True])
def test_newer_files_of_realsense(imported, tmp_path, bare):
    pytest.importorskip("rosbags")
    path = tmp_path / "a.db3"
    both = (shots(TIMES, files.colour_picture), shots(TIMES, files.depth_picture))
    write_realsense_db3(path, both, bare=bare)
    _, folder = imported(path)
    check_colour(folder, [0, 1, 2])
    check_depth(folder, [files.depth_picture(n) for n in range(3)])
    check_between(folder)
    said = held(folder)
    np.testing.assert_allclose(numbers(said["colour"]), COLOUR_K)
    np.testing.assert_allclose(numbers(said["depth"]), DEPTH_K)
    assert said["depth"]["unit_mm"] == 0.25


@pytest.mark.parametrize(
    ("said", "model"),
    [
        ("Inverse Brown Conrady", "modified"),
        ("Brown Conrady", "opencv"),
        ("Kannala Brandt4", "fisheye"),
    ],
)
def test_distortion_of_a_realsense(imported, refused, tmp_path, said, model):
    bent = (-0.5, 0.6, 0.01, -0.02)
    out, _ = imported(realsense(tmp_path / "a.bag", model=said, d=(*bent, 0.0)))
    assert f"colour pictures were distorted by the lens ({model}): straightened." in out
    path = realsense(tmp_path / "b.bag", model="Ftheta", d=(*bent, 0.0))
    assert "the distortion is of the model 'ftheta', not known here" in refused(path)


def test_frames_are_paired_by_time(imported, refused, tmp_path):
    path = realsense(tmp_path / "a.bag", depth_times=(0.015, 0.040, 0.200, 0.210))
    out, folder = imported(path, "--wrist-middle-mcp-mm", 88.5)
    check_depth(folder, [files.depth_picture(n) for n in (0, 1)])
    assert "1 colour picture had no depth picture within 20 ms: left out." in out
    assert held(folder)["hand"] == {"wrist_middle_mcp_mm": 88.5}
    assert "assumed" not in out
    _, folder = imported(path, "--most-apart-ms", 30, out="wide")
    check_depth(folder, [files.depth_picture(n) for n in (0, 1, 1)])
    err = refused(path, "--most-apart-ms", 1)
    assert "no colour picture has a depth picture within 1 ms. The nearest is 7 ms away" in err


@pytest.mark.parametrize(
    ("arguments", "frames"),
    [
        (["--every", 2], [0, 2]),
        (["--first", 1], [1, 2]),
        (["--count", 1], [0]),
        (["--first", 1, "--every", 2, "--count", 5], [1]),
    ],
)
def test_parts_of_a_long_file(imported, tmp_path, arguments, frames):
    _, folder = imported(realsense(tmp_path / "a.bag"), *arguments)
    check_colour(folder, frames)
    check_depth(folder, [files.depth_picture(n) for n in frames])


@pytest.mark.parametrize("packed", ["LZ4", "BZ2"])
def test_packed_bags_have_a_limit(imported, refused, tmp_path, packed, monkeypatch):
    path = realsense(tmp_path / "a.bag", packed=packed)
    _, folder = imported(path)
    check_depth(folder, [files.depth_picture(n) for n in range(3)])
    monkeypatch.setattr(bag_file, "MOST_CHUNK_BYTES", 5000)
    assert "unpacks to more than 5,000 bytes" in refused(path)


# ------------------------------------------------------------------------------- a whole way


def test_an_imported_hand_is_a_good_recording(imported, tmp_path, rng, capsys):
    """A rendered hand before two cameras: depth and points meet after the import."""
    pytest.importorskip("rosbags")
    views = [render_view(rng, distance_mm=600.0) for _ in range(5)]
    seen = [view.moved(TURN.T, -TURN.T @ SHIFT_MM) for view in views]
    colour = [(0.1 * n, v.render(RGBD_COLOUR, (640, 480))[0]) for n, v in enumerate(views)]
    depth = [
        (0.1 * n, np.round(v.render(RGBD_DEPTH, (424, 240))[1]).astype(np.uint16))
        for n, v in enumerate(seen)
    ]
    write_realsense(tmp_path / "a.bag", (colour, depth), k=(RGBD_COLOUR, RGBD_DEPTH))
    palm = np.mean([np.linalg.norm(v.joints[9] - v.joints[0]) for v in views])
    _, folder = imported(tmp_path / "a.bag", "--wrist-middle-mcp-mm", f"{palm:.2f}")
    lines = [
        json.dumps(
            {"frame": f"{n:06d}", "handedness": "right", "uv_px": v.pixels(RGBD_COLOUR).tolist()}
        )
        for n, v in enumerate(views)
    ]
    (folder / "points.jsonl").write_text("\n".join(lines))
    assert main(["check", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "train: 4 hands, 0 cannot be used" in out
    assert "test: 1 hand, 0 cannot be used" in out
    measured = float(re.search(r"measures ([\d.]+) mm", out)[1])
    assert abs(measured - palm) < 0.12 * palm
    from kerashand.geometry.registration import register_depth

    recording = load_recording(folder)
    moved = register_depth(
        pictures(folder, "depth")["000000"], recording.registration, recording.intrinsics,
        size_px=recording.size_px,
    )  # fmt: skip
    _, truth, mask = views[0].render(RGBD_COLOUR, (640, 480))
    inside = cv2.erode(mask.astype(np.uint8), np.ones((9, 9))).astype(bool) & (moved > 0)
    assert inside.sum() > 1000
    assert np.median(np.abs(moved - truth)[inside]) < 1.5
