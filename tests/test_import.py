"""`kerashand-data import`: files of RGB-D cameras become recordings."""

import json
import re
import subprocess
import sys
import zipfile

import camera_writers as files
import cv2
import numpy as np
import pytest
import yaml
from camera_writers import COLOUR_K, COLOUR_PX, DEPTH_K, DEPTH_PX, SHIFT_MM, TURN
from dataset_writers import RGBD_COLOUR, RGBD_DEPTH, render_view, write_picture

from kerashand.cli.data import main
from kerashand.data.imports import bag_file, writer
from kerashand.data.imports.lens import Lens, turned
from kerashand.data.imports.pairing import Pairing, Selection
from kerashand.data.imports.record3d import MOST_BYTES
from kerashand.data.imports.source import Cameras, Shot, Source, Transform, from_metres
from kerashand.data.readers.recording import load_recording

TIMES = (0.0, 0.033, 0.066)


@pytest.fixture
def imported(tmp_path, capsys):
    """A function that imports a file; what was printed, and the folder."""

    def run(path, *more, out="out"):
        folder = tmp_path / out
        assert main(["import", str(path), str(folder), *map(str, more)]) == 0
        return capsys.readouterr().out, folder

    return run


@pytest.fixture
def refused(tmp_path, capsys):
    """A function that imports a file in vain; the message."""

    def run(path, *more):
        folder = tmp_path / "nothing"
        assert main(["import", str(path), str(folder), *map(str, more)]) == 2
        assert not folder.exists()
        assert not list(tmp_path.glob("*.part*"))
        return capsys.readouterr().err

    return run


def pictures(folder, kind):
    found = sorted((folder / kind).iterdir())
    flags = cv2.IMREAD_UNCHANGED
    return {path.stem: cv2.imread(str(path), flags) for path in found}


def held(folder):
    return yaml.safe_load((folder / "recording.yaml").read_text())


def numbers(camera):
    return np.array([[camera["fx"], 0, camera["cx"]], [0, camera["fy"], camera["cy"]], [0, 0, 1]])


def check_colour(folder, frames, size_px=COLOUR_PX):
    found = pictures(folder, "colour")
    assert list(found) == [f"{n:06d}" for n in frames]
    for number, bgr in zip(frames, found.values(), strict=True):
        expected = files.colour_picture(number, size_px)
        assert np.abs(bgr[:, :, ::-1].astype(int) - expected).max() <= 8


def check_depth(folder, expected):
    found = pictures(folder, "depth")
    assert list(found) == list(pictures(folder, "colour"))
    for values, picture in zip(expected, found.values(), strict=True):
        assert picture.dtype == np.uint16
        np.testing.assert_array_equal(picture, values)


def check_between(folder):
    move = held(folder)["depth_to_colour"]
    np.testing.assert_allclose(move["rotation"], TURN, atol=1e-6)
    np.testing.assert_allclose(move["translation_mm"], SHIFT_MM, atol=1e-4)


# ---------------------------------------------------------------------------------------- bags


def realsense(path, depth_times=TIMES, **more):
    pytest.importorskip("rosbags")
    colour = files.shots(TIMES, files.colour_picture)
    files.write_realsense(path, (colour, files.shots(depth_times, files.depth_picture)), **more)
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


@pytest.mark.parametrize("bare", [False, True])
def test_newer_files_of_realsense(imported, tmp_path, bare):
    pytest.importorskip("rosbags")
    path = tmp_path / "a.db3"
    both = (files.shots(TIMES, files.colour_picture), files.shots(TIMES, files.depth_picture))
    files.write_realsense_db3(path, both, bare=bare)
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


ENCODINGS = {
    "rgb8": lambda rgb: rgb,
    "bgr8": lambda rgb: rgb[..., ::-1],
    "rgba8": lambda rgb: np.concatenate([rgb, np.full_like(rgb[..., :1], 9)], -1),
    "bgra8": lambda rgb: np.concatenate([rgb[..., ::-1], np.full_like(rgb[..., :1], 9)], -1),
    "yuyv": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_YUY2),
    "yuv422": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_UYVY),
}


def driver(path, storage, put, *, depth="/camera/aligned_depth_to_color/image_raw"):
    """A bag of a driver with colour in rgb8; `put` adds what a test is about."""
    pytest.importorskip("rosbags")
    with files.Bag(path, storage) as bag:
        bag.camera("/camera/color/camera_info", COLOUR_K, COLOUR_PX)
        bag.camera("/camera/depth/camera_info", DEPTH_K, DEPTH_PX)
        for number, time_s in enumerate(TIMES):
            bag.image(
                "/camera/color/image_raw", files.colour_picture(number), "rgb8", 9 + time_s,
                frame="c",
            )  # fmt: skip
            put(bag, number, 9.002 + time_s)
    return path


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_of_colour(imported, tmp_path, encoding):
    pytest.importorskip("rosbags")
    path = tmp_path / "a.bag"
    with files.Bag(path) as bag:
        bag.camera("/cam/rgb/camera_info", COLOUR_K, COLOUR_PX)
        for number in range(2):
            picture = ENCODINGS[encoding](files.colour_picture(number))
            bag.image("/cam/rgb/image", picture, encoding, 9 + number, pad=6)
            values = files.depth_picture(number, COLOUR_PX)
            bag.image("/cam/depth_registered/image", values, "16UC1", 9 + number, pad=5)
    _, folder = imported(path)
    check_colour(folder, [0, 1])
    check_depth(folder, [files.depth_picture(n, COLOUR_PX) for n in range(2)])


@pytest.mark.parametrize("storage", [None, "sqlite3", "mcap"])
def test_aligned_depth_of_a_driver(imported, tmp_path, storage):
    def put(bag, number, time_s):
        values = files.depth_picture(number, COLOUR_PX)
        bag.image("/camera/aligned_depth_to_color/image_raw", values, "16UC1", time_s, frame="c")
        bag.image(
            "/camera/depth/image_rect_raw", files.depth_picture(number), "16UC1", time_s, frame="d"
        )

    path = driver(tmp_path / ("bag" if storage else "a.bag"), storage, put)
    out, folder = imported(path)
    check_colour(folder, [0, 1, 2])
    check_depth(folder, [files.depth_picture(n, COLOUR_PX) for n in range(3)])
    assert "depth_to_colour" not in held(folder)
    assert "assumed: a depth value of 1 is 1 mm" in out
    if storage == "mcap":
        out, folder = imported(next(path.glob("*.mcap")), out="lone")
        check_depth(folder, [files.depth_picture(n, COLOUR_PX) for n in range(3)])
    out, folder = imported(path, "--unit-mm", 0.1, "--count", 1, out="finer")
    assert held(folder)["depth"]["unit_mm"] == 0.1
    assert "a depth value of 1 is" not in out


def test_depth_in_metres_by_the_extrinsics_topic(imported, tmp_path):
    def put(bag, number, time_s):
        metres = files.depth_picture(number).astype(np.float32) / 1000.0
        metres[1, :3] = np.nan, np.inf, 70.0
        bag.image(
            "/camera/depth/image_rect_raw", metres, "32FC1", time_s, frame="d", big=number == 1
        )
        if number == 0:
            bag.extrinsics("/camera/extrinsics/depth_to_color", TURN, SHIFT_MM)

    out, folder = imported(driver(tmp_path / "bag", "sqlite3", put))
    expected = [files.depth_picture(n) * np.uint16(10) for n in range(3)]
    for values in expected:
        values[1, :3] = 0
    check_depth(folder, expected)
    check_between(folder)
    assert held(folder)["depth"]["unit_mm"] == 0.1
    assert "depth was in metres: written in units of 0.1 mm." in out
    assert "assumed: it leads from depth to colour." in out


def test_extrinsics_and_static_frames_that_disagree(imported, refused, tmp_path):
    """Versions of the driver wrote the topic, or the frames, from colour to depth."""

    def bag(name, rotation, shift):
        def put(bag, number, time_s):
            values = files.depth_picture(number)
            bag.image("/camera/depth/image_raw", values, "16UC1", time_s, frame="d")
            if number == 0:
                bag.extrinsics("/camera/extrinsics/depth_to_color", TURN, SHIFT_MM)
                bag.static([("c", "d", rotation, shift)])

        return driver(tmp_path / name, "mcap", put)

    out, folder = imported(bag("good", TURN, SHIFT_MM))
    check_between(folder)
    assert "is that of /camera/extrinsics/depth_to_color." in out
    assert "assumed: it leads" not in out
    err = refused(bag("bad", TURN.T, -TURN.T @ SHIFT_MM))
    assert "/camera/extrinsics/depth_to_color and /tf_static do not agree: 14.8, -0.3, 0.6" in err


def test_the_transform_of_static_frames(imported, tmp_path):
    other = cv2.Rodrigues(np.array([0.3, -0.2, 0.1]))[0]

    def put(bag, number, time_s):
        bag.image(
            "/camera/depth/image_raw", files.depth_picture(number), "16UC1", time_s, frame="/d"
        )
        if number == 0:  # colour and depth to a link, and the link to its base
            link = np.array([3.0, 4.0, 5.0])
            bag.static(
                [
                    ("link", "c", other, link),
                    ("link", "d", other @ TURN, other @ SHIFT_MM + link),
                    ("base", "link", TURN, SHIFT_MM),
                ]
            )

    _, folder = imported(driver(tmp_path / "a.bag", None, put))
    check_between(folder)


def test_compressed_pictures(imported, tmp_path):
    pytest.importorskip("rosbags")
    path = tmp_path / "bag"
    with files.Bag(path, "mcap") as bag:
        bag.camera("/camera/color/camera_info", COLOUR_K, COLOUR_PX)
        for number in range(3):
            rgb, depth = files.colour_picture(number), files.depth_picture(number, COLOUR_PX)
            content, form = files.jpeg(rgb), "rgb8; jpeg compressed bgr8"
            if number == 1:
                content, form = files.png(rgb[..., ::-1]), "rgb8; png compressed bgr8"
            bag.compressed("/camera/color/image_raw/compressed", content, form, 9 + number)
            head = np.array([0, 0, 0], "<f4").tobytes()
            topic = "/camera/aligned_depth_to_color/image_raw/compressedDepth"
            form = "16UC1; compressedDepth png"
            bag.compressed(topic, head + files.png(depth), form, 9 + number)
    _, folder = imported(path)
    check_colour(folder, [0, 1, 2])
    check_depth(folder, [files.depth_picture(n, COLOUR_PX) for n in range(3)])


def test_compressed_depth_in_metres(imported, tmp_path):
    """Inverse depth: metres = a / (value - b)."""

    def put(bag, number, time_s):
        values = np.full(COLOUR_PX[::-1], 400, np.uint16)
        values[0] = 0
        head = np.array([0, 240.0, -80.0], "<f4").tobytes()
        topic = "/camera/aligned_depth_to_color/image_raw/compressedDepth"
        bag.compressed(topic, head + files.png(values), "32FC1; compressedDepth", time_s)

    _, folder = imported(driver(tmp_path / "a.bag", None, put))
    expected = np.full(COLOUR_PX[::-1], 5000, np.uint16)  # 240 / 480 m in tenths of a millimetre
    expected[0] = 0
    check_depth(folder, [expected] * 3)


def test_rectified_pictures_are_those_of_p(imported, tmp_path):
    """Of raw and rectified colour the latter is taken, and not straightened once more."""
    straight = files.matrix(55.0, 56.0, 30.0, 24.0)

    def put(bag, number, time_s):
        values = files.depth_picture(number, COLOUR_PX)
        bag.image("/k/depth_registered/image_rect", values, "16UC1", time_s, frame="k")
        for name, shift in (("image_raw", 1), ("image_rect_color", 0)):
            rgb = files.colour_picture(number + shift)
            bag.image(f"/k/rgb/{name}", rgb, "rgb8", time_s, frame="k")
        if number == 0:
            size, bent = COLOUR_PX, (0.3, 0.1, 0.0, 0.0, 0.0)
            bag.camera("/k/rgb/camera_info", COLOUR_K, size, d=bent, p=straight)

    path = driver(tmp_path / "a.bag", None, put)
    out, folder = imported(path, "--colour-topic", "/k/rgb/image_rect_color")
    check_colour(folder, [0, 1, 2])
    np.testing.assert_allclose(numbers(held(folder)["colour"]), straight)
    assert "straightened" not in out
    out, folder = imported(path, "--colour-topic", "/k/rgb/image_raw", out="raw")
    np.testing.assert_allclose(numbers(held(folder)["colour"]), COLOUR_K)
    assert "colour pictures were distorted by the lens (opencv): straightened." in out


def test_headers_of_two_clocks(imported, tmp_path):
    """Then the times at which messages were recorded count."""
    pytest.importorskip("rosbags")
    with files.Bag(tmp_path / "a.bag") as bag:
        bag.camera("/c/color/camera_info", COLOUR_K, COLOUR_PX)
        for number in range(3):
            log_s, values = 50.0 + number, files.depth_picture(number, COLOUR_PX)
            rgb = files.colour_picture(number)
            bag.image("/c/color/image_raw", rgb, "rgb8", 1e9 + number, log_s=log_s)
            topic = "/c/aligned_depth_to_color/image_raw"
            bag.image(topic, values, "16UC1", 7.0 - number, log_s=log_s + 0.01)
    out, folder = imported(tmp_path / "a.bag")
    check_depth(folder, [files.depth_picture(n, COLOUR_PX) for n in range(3)])
    assert "times are those of recording" in out


def test_topics_that_are_not_clear(imported, refused, tmp_path):
    def put(bag, number, time_s):
        for camera in ("left", "right"):
            values = files.depth_picture(number, COLOUR_PX) + np.uint16(camera == "right")
            bag.image(f"/{camera}/depth_registered/image", values, "16UC1", time_s, frame="c")

    path = driver(tmp_path / "a.bag", None, put)
    err = refused(path)
    assert "2 topics that may be depth. Name it by --depth-topic." in err
    assert "/left/depth_registered/image, /right/depth_registered/image" in err
    topic = "/right/depth_registered/image"
    _, folder = imported(path, "--depth-topic", topic, "--colour-topic", "/camera/color/image_raw")
    check_depth(folder, [files.depth_picture(n, COLOUR_PX) + np.uint16(1) for n in range(3)])
    assert "no pictures in /nowhere. Pictures are in: /camera/color" in refused(
        path, "--depth-topic", "/nowhere"
    )


@pytest.mark.parametrize("packed", ["LZ4", "BZ2"])
def test_packed_bags_have_a_limit(imported, refused, tmp_path, packed, monkeypatch):
    path = realsense(tmp_path / "a.bag", packed=packed)
    _, folder = imported(path)
    check_depth(folder, [files.depth_picture(n) for n in range(3)])
    monkeypatch.setattr(bag_file, "MOST_CHUNK_BYTES", 5000)
    assert "unpacks to more than 5,000 bytes" in refused(path)


def test_what_a_bag_lacks(refused, tmp_path, imported):
    def put(bag, number, time_s):
        bag.image(
            "/camera/depth/image_raw", files.depth_picture(number), "16UC1", time_s, frame="d"
        )

    path = driver(tmp_path / "a.bag", None, put)
    assert "does not say where the depth camera stands" in refused(path)
    camera = tmp_path / "camera.yaml"
    camera.write_text(
        "colour: {width: 64, height: 48, fx: 60, fy: 61, cx: 31.5, cy: 23.25}\n"
        "depth: {width: 40, height: 32, fx: 38, fy: 39, cx: 19.75, cy: 15.5, unit_mm: 0.5}\n"
        f"depth_to_color: {{rotation: {TURN.tolist()}, translation_mm: {SHIFT_MM.tolist()}}}\n"
    )
    _, folder = imported(path, "--camera", camera)
    check_between(folder)
    assert held(folder)["depth"]["unit_mm"] == 0.5
    (tmp_path / "b.bag").write_bytes(path.read_bytes()[:900])
    assert "b.bag cannot be read as a ROS bag" in refused(tmp_path / "b.bag")
    for name in ("bad.mcap", "bad.db3", "bad.bag"):
        (tmp_path / name).write_bytes(b"#ROSBAG V2.0\n" + bytes(100))
        assert "cannot be read as a ROS bag" in refused(tmp_path / name)


def test_a_lacking_package_is_named_first(refused, tmp_path, monkeypatch):
    from kerashand import extras

    find = extras.importlib.util.find_spec
    monkeypatch.setattr(
        extras.importlib.util, "find_spec",
        lambda name: None if name in ("rosbags", "lzfse") else find(name),
    )  # fmt: skip
    for name, package in (("a.bag", "rosbags"), ("a.r3d", "lzfse")):
        (tmp_path / name).write_bytes(b"")
        err = refused(tmp_path / name)
        assert f"needs {package}, which the base install leaves out" in err
        assert f'".[camera]" in the folder of the project, or pip install {package}.' in err
        assert err.count("\n") == 1


# ---------------------------------------------------------------------------------- Azure Kinect


@pytest.fixture(scope="module")
def kinect_frames():
    colour = [(t, files.colour_picture(n, (1280, 720))) for n, t in enumerate((0.0, 0.033))]
    depth = [(t, files.depth_picture(n, (320, 288))) for n, t in enumerate((0.002, 0.035))]
    return colour, depth


def test_the_azure_kinect(imported, tmp_path, kinect_frames):
    """Numbers of the cameras worked by hand: shares of the calibrated picture, less the cut."""
    files.write_kinect(tmp_path / "a.mkv", *kinect_frames, files.kinect_calibration())
    out, folder = imported(tmp_path / "a.mkv")
    check_between(folder)
    said = held(folder)
    assert (said["depth"]["width"], said["depth"]["unit_mm"]) == (320, 1.0)
    expected = [[0.4761 * 1280, 0, 0.5004 * 1280 - 0.5],
                [0, 0.6347 * 960, 0.5107 * 960 - 120 - 0.5], [0, 0, 1]]  # fmt: skip
    np.testing.assert_allclose(numbers(said["colour"]), expected, atol=1e-6)
    expected = [[0.493 * 512, 0, 0.4986 * 512 - 96 - 0.5],
                [0, 0.4931 * 512, 0.493 * 512 - 90 - 0.5], [0, 0, 1]]  # fmt: skip
    np.testing.assert_allclose(numbers(said["depth"]), expected, atol=1e-6)
    assert "colour pictures were distorted by the lens" in out
    assert "depth pictures were distorted by the lens" in out
    # A straight pixel lies where OpenCV's model, which the device's is, puts its ray.
    k, bent = numbers(said["depth"]), files.KINECT["depth"]
    order = np.array([*bent[4:6], bent[13], bent[12], *bent[6:10]])
    picture = pictures(folder, "depth")["000001"]
    for u, v in ((40, 250), (160, 160), (300, 30)):
        ray = np.linalg.inv(k) @ [u, v, 1.0]
        place = cv2.projectPoints(ray[None], np.zeros(3), np.zeros(3), k, order)[0].ravel()
        source = np.rint(place).astype(int)
        assert picture[v, u] == kinect_frames[1][1][1][source[1], source[0]]


def test_a_kinect_without_distortion_or_with_an_old_calibration(imported, tmp_path, kinect_frames):
    plain = {kind: [*values[:4], *[0] * 10] for kind, values in files.KINECT.items()}
    calibration = files.kinect_calibration(parameters=plain)
    sensor = calibration["CalibrationInformation"]["Cameras"][1]
    sensor["SensorHeight"] = 2304
    files.write_kinect(tmp_path / "a.mkv", *kinect_frames, calibration)
    _, folder = imported(tmp_path / "a.mkv")
    check_colour(folder, [0, 1], (1280, 720))
    check_depth(folder, [files.depth_picture(n, (320, 288)) for n in range(2)])
    colour = held(folder)["colour"]  # the whole of the wide picture is what 720 rows show
    assert colour["fy"] == pytest.approx(0.6347 * 720)
    assert colour["cy"] == pytest.approx(0.5107 * 720 - 0.5)


def test_damaged_pictures_of_a_video_are_counted(imported, tmp_path, kinect_frames, caplog):
    colour, depth = kinect_frames
    colour = [colour[0], (0.02, b"no picture at all"), colour[1]]
    files.write_kinect(tmp_path / "a.mkv", colour, depth, files.kinect_calibration())
    _, folder = imported(tmp_path / "a.mkv")
    assert len(pictures(folder, "depth")) == 2
    assert "a.mkv is damaged in 1 place." in caplog.text


def test_what_a_kinect_file_lacks(refused, tmp_path, kinect_frames):
    path = tmp_path / "a.mkv"
    files.write_kinect(path, *kinect_frames, None)
    assert "a.mkv holds no calibration.json" in refused(path)
    calibration = files.kinect_calibration()
    calibration["CalibrationInformation"]["Cameras"].pop()
    files.write_kinect(path, *kinect_frames, calibration)
    assert "lacks the camera of colour or depth" in refused(path)
    files.write_kinect(path, *kinect_frames, {"CalibrationInformation": [1]})
    assert "calibration.json cannot be used" in refused(path)
    path.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(50))
    assert "not a video that FFmpeg can read" in refused(path)


# ------------------------------------------------------------------------------------- Record3D


def record3d(path, dtype=np.float32, **metadata):
    pytest.importorskip("lzfse")
    colour = [files.colour_picture(n) for n in range(3)]
    depth = [np.full((24, 32), 0.25 * (n + 1), dtype) for n in range(3)]
    for picture in depth:
        picture[0, :2] = np.nan, 0.0
    files.write_record3d(path, colour, depth, **metadata)
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_record3d(imported, tmp_path, dtype):
    out, folder = imported(record3d(tmp_path / "a.r3d", dtype))
    check_colour(folder, [0, 1, 2])
    expected = [np.full((24, 32), 2500 * (n + 1), np.uint16) for n in range(3)]
    for values in expected:
        values[0, :2] = 0
    check_depth(folder, expected)
    said = held(folder)
    np.testing.assert_allclose(numbers(said["colour"]), COLOUR_K)
    # Half the size: (31.5 + 0.5) / 2 - 0.5 and (23.25 + 0.5) / 2 - 0.5.
    np.testing.assert_allclose(
        numbers(said["depth"]), [[30, 0, 15.5], [0, 30.5, 11.375], [0, 0, 1]]
    )
    assert said["depth"]["unit_mm"] == 0.1
    assert said["depth_to_colour"]["translation_mm"] == [0, 0, 0]
    assert "written in units of 0.1 mm" in out


def test_record3d_with_autofocus_and_old_metadata(imported, tmp_path):
    k = [[60, 60, 32, 24], [61, 61, 32, 24], [66, 66, 32, 24]]
    out, folder = imported(
        record3d(tmp_path / "a.r3d", dw=None, dh=None, K=None, perFrameIntrinsicCoeffs=k)
    )
    assert held(folder)["colour"]["fx"] == 61.0
    assert "the focal length changes by 9.8 % (autofocus)" in out


def lying_picture():
    """A JPEG file that lies, with EXIF's mark to turn it clockwise."""
    lying = files.jpeg(files.colour_picture(1))
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    return lying[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + lying[2:]


def test_a_phone_held_upright(imported, tmp_path):
    """Colour and its camera are turned; depth stays, and finds its place."""
    pytest.importorskip("lzfse")
    content = lying_picture()
    depth = np.full((24, 32), 0.5, np.float32)
    depth[20, 3] = 0.25
    files.write_record3d(tmp_path / "a.r3d", [content], [depth])
    out, folder = imported(tmp_path / "a.r3d")
    assert "turned upright" in out
    bgr = pictures(folder, "colour")["000000"]
    assert bgr.shape == (64, 48, 3)
    expected = np.rot90(files.colour_picture(1), -1)
    assert np.abs(bgr[:, :, ::-1].astype(int) - expected).max() <= 8
    # The point behind depth pixel (3, 20) is seen where that pixel lies in the lying picture,
    # (2 * 3.5 - 0.5, 2 * 20.5 - 0.5), turned: u = 47 - row, v = column.
    recording = load_recording(folder)
    registration = recording.registration
    ray = np.linalg.inv(registration.intrinsics) @ [3, 20, 1]
    seen = recording.intrinsics @ (registration.rotation @ ray + registration.translation_mm)
    np.testing.assert_allclose(seen[:2] / seen[2], [47 - 40.5, 6.5], atol=1e-4)


def test_a_phone_whose_camera_is_that_of_upright_pictures(imported, tmp_path):
    pytest.importorskip("lzfse")
    depth = np.full((32, 24), 0.5, np.float32)
    k = files.matrix(61.0, 60.0, 23.75, 31.5)
    files.write_record3d(
        tmp_path / "a.r3d", [lying_picture()], [depth], w=48, h=64, K=k.T.ravel().tolist()
    )
    _, folder = imported(tmp_path / "a.r3d")
    assert pictures(folder, "colour")["000000"].shape == (64, 48, 3)
    said = held(folder)
    np.testing.assert_allclose(numbers(said["colour"]), k)
    assert (said["depth"]["width"], said["depth"]["height"]) == (24, 32)
    np.testing.assert_allclose(said["depth_to_colour"]["rotation"], np.eye(3))


def test_hostile_files_of_record3d(refused, tmp_path, monkeypatch):
    lzfse = pytest.importorskip("lzfse")
    path = tmp_path / "a.r3d"
    path.write_bytes(b"PK nothing")
    assert "cannot be read as a recording of Record3D" in refused(path)
    monkeypatch.setitem(MOST_BYTES, "metadata", 1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata", bytes(2 << 20))
    assert "metadata unpacks to 2,097,152 bytes" in refused(path)
    record3d(path, K=[1, 2])
    assert "this is no camera matrix. Received: [1, 2]" in refused(path)
    record3d(path, K=[float("nan")] * 9)
    assert "this is no camera matrix" in refused(path)
    record3d(path, dw=10**9, dh=10**9)
    assert "must be 16 to 4096" in refused(path)
    record3d(path, frameTimestamps=[0.0])
    assert "must hold a time for each frame" in refused(path)
    bomb = lzfse.compress(bytes(1 << 16)).removesuffix(b"bvx$") * 1000 + b"bvx$"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata", json.dumps({"dw": 32, "dh": 24, "K": np.eye(3).tolist()}))
        archive.writestr("rgbd/0.jpg", files.jpeg(files.colour_picture(0)))
        archive.writestr("rgbd/0.depth", bomb)
        archive.writestr("../../rgbd/1.jpg", b"")
    err = refused(path)
    assert "No frame was written: none can be read" in err
    assert "it would unpack to more than a picture" in err
    assert not (tmp_path.parent / "rgbd").exists()


# ------------------------------------------------------------------------- folders of pictures


def test_open3d(imported, refused, tmp_path):
    camera = {"intrinsic_matrix": COLOUR_K.T.ravel().tolist()}
    files.write_open3d(tmp_path / "a", [3, 9, 10], **camera)
    out, folder = imported(tmp_path / "a")
    found = pictures(folder, "depth")
    for number, values in zip((3, 9, 10), found.values(), strict=True):
        np.testing.assert_array_equal(values, files.depth_picture(number, COLOUR_PX))
    np.testing.assert_allclose(numbers(held(folder)["colour"]), COLOUR_K)
    assert held(folder)["depth"]["unit_mm"] == 1.0
    files.write_open3d(tmp_path / "b", range(2), names="{:07d}-1", depth_scale=4000.0, **camera)
    (tmp_path / "b" / "depth" / "0000001-1.png").rename(tmp_path / "b/depth/0000005-1.png")
    out, folder = imported(tmp_path / "b", out="b_out")
    assert held(folder)["depth"]["unit_mm"] == 0.25
    assert "1 colour picture had no depth picture that belongs to it: left out." in out
    (tmp_path / "a" / "intrinsic.json").write_text('{"intrinsic_matrix": 3, "width": 9}')
    assert "the camera is of pictures of (9, None)" in refused(tmp_path / "a")
    (tmp_path / "a" / "intrinsic.json").unlink()
    assert "holds no JSON file with `intrinsic_matrix`" in refused(tmp_path / "a")
    assert "it is a recording already" in refused(folder, "--format", "open3d")


@pytest.mark.parametrize(
    ("colours", "depths", "what"),
    [
        (["20210326-10", "20210326-9"], ["20210326-10", "20210326-9"], "name"),
        (["2-555", "1-777"], ["02-778", "01-556"], "first number"),
        (["x_7_1", "x_7_2"], ["y_7_01", "y_7_02"], "last number"),
        (["a", "b"], ["c", "d"], None),
    ],
)
def test_names_that_belong_together(imported, refused, tmp_path, colours, depths, what):
    """The first of each list belong together, and the second ones."""
    for number, (colour, depth) in enumerate(zip(colours, depths, strict=True)):
        write_picture(tmp_path / "c" / f"{colour}.png", files.colour_picture(number))
        write_picture(tmp_path / "d" / f"{depth}.png", files.depth_picture(number, COLOUR_PX))
    arguments = (tmp_path / "c", "--depth", tmp_path / "d", *PINHOLE)
    if what is None:
        assert "the names do not say which pictures belong together" in refused(*arguments)
        return
    out, folder = imported(*arguments)
    assert f"colour and depth pictures with the same {what} belong together." in out
    depth = pictures(folder, "depth")
    assert len(depth) == 2
    for name, bgr in pictures(folder, "colour").items():
        assert abs(int(bgr[20, 20, 0]) - 20 * (depth[name][1, 0] // 1000)) < 6


def test_redwood_assumes_a_primesense(imported, tmp_path):
    files.write_open3d(tmp_path / "a", range(1), size_px=(640, 480))
    (tmp_path / "a" / "color").rename(tmp_path / "a" / "image")
    out, folder = imported(tmp_path / "a")
    assert "assumed: the camera of a PrimeSense (fx 525" in out
    assert held(folder)["colour"]["cx"] == 319.5


def test_tum(imported, tmp_path):
    root = tmp_path / "rgbd_dataset_freiburg3_hand"
    times = (1305031102.175, 1305031102.208, 1305031102.241)
    depth = (1305031102.160, 1305031102.190, 1305031102.236)
    files.write_tum(root, times, depth, size_px=(640, 480))
    out, folder = imported(root)
    # 2.208 lies 18 ms after 2.190; nearer than 2.236.
    check_depth(folder, [files.depth_picture(n, (640, 480)) for n in (0, 1, 2)])
    check_colour(folder, [0, 1, 2], (640, 480))
    assert held(folder)["depth"]["unit_mm"] == 0.2
    assert held(folder)["colour"]["fx"] == 535.4
    assert "assumed: the camera of freiburg3" in out
    assert "assumed: 5000 depth values are a metre" in out


def test_tum_with_associations(imported, refused, tmp_path):
    root = tmp_path / "any"
    files.write_tum(root, (1.0, 2.0), (1.5, 2.5), size_px=COLOUR_PX)
    line = "1.5 depth/1.500000.png 2.0 rgb/2.000000.png\n"
    (root / "associations.txt").write_text(line)
    pinhole = ["--fx", 60, "--fy", 61, "--cx", 31.5, "--cy", 23.25]
    _, folder = imported(root, *pinhole)
    check_depth(folder, [files.depth_picture(0, COLOUR_PX)])
    blue = pictures(folder, "colour")["000000"][0, 0, 0]  # says which picture it is
    assert abs(int(blue) - 20) < 6
    np.testing.assert_allclose(numbers(held(folder)["colour"]), COLOUR_K)
    assert "no camera is known for pictures of 64 x 48" in refused(root)
    for text, message in (
        ("1.5 depth/1.500000.png 2.0 ../../x.png\n", "lies outside of the folder"),
        ("soon depth/1.500000.png 2.0 rgb/2.000000.png\n", "'soon' is no time"),
        ("1.5 depth/1.500000.png\n", "line 1: must hold 2 times"),
        ("# nothing\n", "names no pictures"),
    ):
        (root / "associations.txt").write_text(text)
        assert message in refused(root, *pinhole)


# ------------------------------------------------------------------------------------- a pair


PINHOLE = ("--fx", 60, "--fy", 61, "--cx", 31.5, "--cy", 23.25)


def write_film(path, shots_, codec, pixels):
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height = shots_[0].shape[1::-1]
        stream.pix_fmt = pixels
        for picture in shots_:
            form = "gray16le" if picture.ndim == 2 else "rgb24"
            frame = av.VideoFrame.from_ndarray(picture, format=form)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_two_videos(imported, refused, tmp_path):
    colour, depth = tmp_path / "colour.mkv", tmp_path / "depth.mkv"
    write_film(colour, [files.colour_picture(n) for n in range(3)], "ffv1", "bgr0")
    write_film(depth, [files.depth_picture(n, COLOUR_PX) for n in range(3)], "ffv1", "gray16le")
    out, folder = imported(colour, "--depth", depth, *PINHOLE, "--unit-mm", 0.5)
    check_colour(folder, [0, 1, 2])
    check_depth(folder, [files.depth_picture(n, COLOUR_PX) for n in range(3)])
    assert held(folder)["depth"]["unit_mm"] == 0.5
    assert "assumed: depth is registered to colour." in out
    assert "come without a camera" in refused(colour, "--depth", depth)
    assert "Give depth by --depth for a pair" in refused(tmp_path)
    assert "is no depth: its pixels are" in refused(colour, "--depth", colour, *PINHOLE)
    assert "must be two videos, or two folders" in refused(colour, "--depth", tmp_path, *PINHOLE)


def test_two_folders_and_a_camera_file(imported, refused, tmp_path):
    for number in (1, 2):
        write_picture(tmp_path / "c" / f"c_{number}.png", files.colour_picture(number))
        write_picture(tmp_path / "d" / f"d_{number:03d}.png", files.depth_picture(number))
    camera = tmp_path / "camera.yaml"
    text = (
        "colour: {width: 64, height: 48, fx: 60, fy: 61, cx: 31.5, cy: 23.25}\n"
        "depth: {width: 40, height: 32, fx: 38, fy: 39, cx: 19.75, cy: 15.5, unit_mm: 0.25}\n"
        f"depth_to_colour: {{rotation: {TURN.tolist()}, translation_mm: {SHIFT_MM.tolist()}}}\n"
    )
    camera.write_text(text)
    arguments = (tmp_path / "c", "--depth", tmp_path / "d", "--camera", camera)
    out, folder = imported(*arguments)
    check_depth(folder, [files.depth_picture(n) for n in (1, 2)])
    check_between(folder)
    camera.write_text(text + "distortion: [0.1, -0.05, 0.001, 0.002]\n")
    out, folder = imported(*arguments, out="straight")
    assert "colour pictures were distorted by the lens (opencv): straightened." in out
    for line, message in (
        ("distortion: [.nan]", "`distortion` must be a list of numbers"),
        ("distortion_model: newest", "`distortion_model` must be one of none, opencv"),
        ("distortions: [1]", "distortions: unknown key."),
    ):
        camera.write_text(text + line)
        assert message in refused(*arguments)
    camera.write_text(text.replace("width: 64", "width: 640"))
    assert "the colour picture has 64 x 48 pixels, its camera says 640 x 48" in refused(*arguments)
    write_picture(tmp_path / "d" / "d_001.png", np.zeros((32, 40), np.uint8))
    camera.write_text(text)
    out, folder = imported(*arguments, out="one")
    assert "1 frame could not be read: left out." in out
    assert "d_001.png is no depth picture: it has 8 bits, not 16." in out


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
    files.write_realsense(tmp_path / "a.bag", (colour, depth), k=(RGBD_COLOUR, RGBD_DEPTH))
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
        recording.size_px,
    )  # fmt: skip
    _, truth, mask = views[0].render(RGBD_COLOUR, (640, 480))
    inside = cv2.erode(mask.astype(np.uint8), np.ones((9, 9))).astype(bool) & (moved > 0)
    assert inside.sum() > 1000
    assert np.median(np.abs(moved - truth)[inside]) < 1.5


# ------------------------------------------------------------------------------------ writing


def source_of(count=3, cameras=None):
    lens = Lens(COLOUR_PX, COLOUR_K)
    cameras = cameras or Cameras(lens, lens, 1.0, None)
    depth_px = cameras.depth.size_px
    return Source(
        cameras,
        [Shot(n, f"c{n}", lambda n=n: files.colour_picture(n)) for n in range(count)],
        [Shot(n, f"d{n}", lambda n=n: files.depth_picture(n, depth_px)) for n in range(count)],
        ("a note: with\nlines",),
    )


def write(source, out, **more):
    return writer.write_recording(source, out, wrist_middle_mcp_mm=90.0, limit_s=0.01, **more)


def test_notes_are_comments(tmp_path):
    write(source_of(), tmp_path / "out")
    text = (tmp_path / "out" / "recording.yaml").read_text()
    assert text.startswith("# a note: with?lines\ncolour: {width: 64")
    assert load_recording(tmp_path / "out").wrist_middle_mcp_mm == 90.0


def test_tensorflow_is_not_needed(tmp_path):
    files.write_open3d(tmp_path / "a", [0], intrinsic_matrix=COLOUR_K.T.ravel().tolist())
    program = """
import sys
from kerashand.cli.data import main
code = main(sys.argv[1:])
print({"tensorflow", "keras"} & sys.modules.keys())
raise SystemExit(code)
"""
    arguments = ["import", str(tmp_path / "a"), str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_folder_that_is_not_empty_is_refused(tmp_path, capsys):
    files.write_open3d(tmp_path / "a", [0], intrinsic_matrix=COLOUR_K.T.ravel().tolist())
    out = tmp_path / "out"
    out.mkdir()
    assert main(["import", str(tmp_path / "a"), str(out)]) == 0
    before = sorted(out.rglob("*"))
    for target, message in (
        (out, f"{out} is not empty."),
        (out / "recording.yaml", "exists and is no folder."),
        (tmp_path / "x" / "y", f"{tmp_path / 'x'} does not exist."),
    ):
        assert main(["import", str(tmp_path / "a"), str(target)]) == 2
        assert message in capsys.readouterr().err
    assert sorted(out.rglob("*")) == before


def test_nothing_stays_of_what_was_stopped(tmp_path):
    def stop():
        raise KeyboardInterrupt

    source = source_of()
    shots = [*source.colour[:2], Shot(2.0, "c2", stop)]
    with pytest.raises(KeyboardInterrupt):
        write(Source(source.cameras, shots, source.depth), tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turning(tmp_path, turn):
    report = write(source_of(1), tmp_path / "out", turn=turn)
    k = turn // 90
    depth = pictures(tmp_path / "out", "depth")["000000"]
    np.testing.assert_array_equal(depth, np.rot90(files.depth_picture(0, COLOUR_PX), -k))
    check = pictures(tmp_path / "out", "colour")["000000"][:, :, ::-1].astype(int)
    assert np.abs(check - np.rot90(files.colour_picture(0), -k)).max() <= 8
    assert f"colour and depth pictures were turned by {turn} degrees clockwise." in report.notes


def test_turning_beside_a_depth_camera(tmp_path):
    """A point that both cameras saw is seen by both after the colour camera was turned."""
    lens, depth = Lens(COLOUR_PX, COLOUR_K), Lens(DEPTH_PX, DEPTH_K)
    cameras = Cameras(lens, depth, 1.0, Transform(TURN, SHIFT_MM))
    write(source_of(1, cameras), tmp_path / "out", turn=90)
    recording = load_recording(tmp_path / "out")
    assert recording.size_px == (48, 64)
    point = np.array([30.0, -20.0, 500.0])
    u, v, w = COLOUR_K @ (TURN @ point + SHIFT_MM)
    move = recording.registration
    seen = recording.intrinsics @ (move.rotation @ point + move.translation_mm)
    np.testing.assert_allclose(seen[:2] / seen[2], [47 - v / w, u / w], atol=1e-3)
    np.testing.assert_array_equal(
        pictures(tmp_path / "out", "depth")["000000"], files.depth_picture(0)
    )


def test_mirrored_pictures_are_refused():
    from kerashand.errors import UserError

    with pytest.raises(UserError, match="Mirrored pictures"):
        turned(Lens(COLOUR_PX, COLOUR_K), 2)


# --------------------------------------------------------------------------------- distortion


MODELS = {
    "opencv": (0.2, -0.4, 0.003, -0.002, 0.1),
    "rational": (0.34, -2.86, 0.0005, -0.0001, 1.8, 0.21, -2.65, 1.7),
    "fisheye": (0.05, -0.02, 0.01, -0.002),
}


@pytest.mark.parametrize("name", MODELS)
def test_distortion_as_opencv_has_it(name):
    k, size = np.array([[300.0, 0, 160], [0, 310, 118], [0, 0, 1]]), (320, 240)
    bent = MODELS[name]
    maps = Lens(size, k, "fisheye" if name == "fisheye" else "opencv", bent).maps()
    undistort = cv2.fisheye if name == "fisheye" else cv2
    expected = undistort.initUndistortRectifyMap(
        k, np.array(bent), np.eye(3), k, size, cv2.CV_32FC1
    )
    np.testing.assert_allclose(maps, np.stack(expected, -1), atol=0.01)


def test_the_inverse_model_leads_from_pixels_to_rays():
    """RealSense's: the ray of a distorted pixel is Brown's polynomial of it."""
    k, size, bent = COLOUR_K * [[5], [5], [1]], (320, 240), (-0.05, 0.06, 0.001, -0.002, -0.02)
    maps = Lens(size, k, "inverse", bent).maps()
    for u, v in ((10, 20), (300, 200), (160, 118)):
        place = np.linalg.inv(k) @ [*maps[v, u], 1.0]
        ray = cv2.projectPoints(
            np.array([[place[0], place[1], 1.0]]), np.zeros(3), np.zeros(3), np.eye(3),
            np.array(bent),
        )[0].ravel()  # fmt: skip
        np.testing.assert_allclose(k @ [*ray, 1.0], [u, v, 1.0], atol=1e-2)


def test_the_modified_model_bends_what_was_bent():
    """The point (0.2, 0.1): r^2 = 0.05, the factor 1 + 0.2 r^2 = 1.01, then p1 = 0.1, p2 = 0.05."""
    k = np.array([[100.0, 0, 160], [0, 100, 120], [0, 0, 1]])
    maps = Lens((320, 240), k, "modified", (0.2, 0.0, 0.1, 0.05, 0.0)).maps()
    x, y = 0.202, 0.101
    bent = [
        x + 2 * 0.1 * x * y + 0.05 * (0.05 + 2 * x * x),
        y + 2 * 0.05 * x * y + 0.1 * (0.05 + 2 * y * y),
    ]
    np.testing.assert_allclose(maps[130, 180], 100 * np.array(bent) + [160, 120], atol=1e-3)


def test_little_distortion_stays(tmp_path):
    lens = Lens(COLOUR_PX, COLOUR_K, "opencv", (0.001,))
    assert lens.maps() is None
    report = write(source_of(1, Cameras(lens, lens, 1.0, None)), tmp_path / "out")
    assert "the distortion of colour pictures is less than 0.25 px: left as it is." in report.notes


def test_a_lens_that_folds_back_has_no_places_there():
    """r (1 - r^2 / 3) rises up to r = 1 only."""
    k = np.array([[100.0, 0, 159.5], [0, 100, 119.5], [0, 0, 1]])
    maps = Lens((320, 240), k, "opencv", (-1 / 3,)).maps()
    columns, rows = np.meshgrid(np.arange(320), np.arange(240))
    radius = np.hypot(columns - 159.5, rows - 119.5) / 100
    assert (maps[radius > 1.01] < 0).all()
    assert (maps[radius < 0.98] >= 0).all()


def test_registered_depth_is_straightened_with_colour(tmp_path):
    lens = Lens(COLOUR_PX, COLOUR_K, "opencv", (0.3, 0.1, 0.0, 0.0, 0.0))
    write(source_of(1, Cameras(lens, lens, 1.0, None)), tmp_path / "out")
    places = np.rint(lens.maps()).astype(int)
    taken = files.depth_picture(0, COLOUR_PX)
    found = pictures(tmp_path / "out", "depth")["000000"]
    inside = (places >= 0).all(-1) & (places < COLOUR_PX).all(-1)
    assert 0.3 < inside.mean() < 1.0
    assert (found[inside] == taken[places[inside][:, 1], places[inside][:, 0]]).mean() > 0.98
    assert (found[~inside] == 0).mean() > 0.9


# ---------------------------------------------------------------------------------- small parts


def shots_at(*times):
    return [Shot(t, str(t), lambda: None) for t in times]


def pairs(colour, depth, limit_s=0.02, **selection):
    pairing = Pairing(limit_s)
    found = list(pairing(shots_at(*colour), shots_at(*depth), Selection(**selection)))
    return [(number, c.time_s, d.time_s) for number, c, d in found], pairing


def test_pairs():
    assert pairs([0, 1, 2], [0.01, 0.99, 5])[0] == [(0, 0, 0.01), (1, 1, 0.99)]
    found, pairing = pairs([0, 1], [0.5])
    assert (found, pairing.alone, pairing.least_apart_s) == ([], 2, 0.5)
    assert pairs([0, 0.01], [0.005])[0] == [(0, 0, 0.005), (1, 0.01, 0.005)]
    found, pairing = pairs([0, 1, 0.5, 2], [0, 1, 2])
    assert ([n for n, _, _ in found], pairing.backward) == ([0, 1, 2], 1)
    assert pairs([], [0])[0] == pairs([0], [])[0] == []


@pytest.mark.parametrize(
    ("selection", "total", "most"),
    [
        ({}, 10, 10),
        ({"every": 3}, 10, 4),
        ({"first": 8, "count": 5}, 10, 2),
        ({"count": 2}, None, 2),
    ],
)
def test_how_many_are_taken_at_most(selection, total, most):
    assert Selection(**selection).most_of(total) == most


def test_metres():
    depth = np.array([0.5, 0.00004, np.nan, -1.0, np.inf, 6.5535, 6.5537])
    assert from_metres(depth, 0.1).tolist() == [5000, 0, 0, 0, 0, 65535, 0]
    assert from_metres(depth, 1.0).tolist() == [500, 0, 0, 0, 0, 6554, 6554]


def test_a_resized_lens_shows_the_same():
    """A point at the right border of a pixel column of two lies at that of one."""
    k = Lens((64, 48), COLOUR_K).resized((32, 24)).intrinsics
    np.testing.assert_allclose(k, [[30, 0, 15.5], [0, 30.5, 11.375], [0, 0, 1]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--every", "0"], "--every must be at least 1"),
        (["--fx", "60"], "belong together"),
        (["--unit-mm", "0"], "--unit-mm must be"),
        (["--wrist-middle-mcp-mm", "5"], "--wrist-middle-mcp-mm must be 50 to 150"),
        (["--most-apart-ms", "nan"], "--most-apart-ms must be"),
        (["--camera", "nowhere.yaml"], "nowhere.yaml cannot be read as YAML"),
        (["--depth-topic", "/d"], "--depth-topic is of no use for a folder of Open3D"),
    ],
)
def test_wrong_arguments(refused, tmp_path, arguments, message):
    files.write_open3d(tmp_path / "a", [0], intrinsic_matrix=COLOUR_K.T.ravel().tolist())
    assert message in refused(tmp_path / "a", *arguments)
