"""`kerashand-data import` of ROS bags: encodings, topics, clocks, and what a bag lacks."""

import camera_writers as files
import cv2
import numpy as np
import pytest
from bag_writers import Bag, driver
from camera_writers import COLOUR_K, COLOUR_PX, SHIFT_MM, TURN
from import_checks import check_between, check_colour, check_depth, held, numbers

ENCODINGS = {
    "rgb8": lambda rgb: rgb,
    "bgr8": lambda rgb: rgb[..., ::-1],
    "rgba8": lambda rgb: np.concatenate([rgb, np.full_like(rgb[..., :1], 9)], -1),
    "bgra8": lambda rgb: np.concatenate([rgb[..., ::-1], np.full_like(rgb[..., :1], 9)], -1),
    "yuyv": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_YUY2),
    "yuv422": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_UYVY),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_of_colour(imported, tmp_path, encoding):
    pytest.importorskip("rosbags")
    path = tmp_path / "a.bag"
    with Bag(path) as bag:
        bag.camera("/cam/rgb/camera_info", COLOUR_K, COLOUR_PX)
        for number in range(2):
            picture = ENCODINGS[encoding](files.colour_picture(number))
            bag.image("/cam/rgb/image", picture, encoding, 9 + number, pad=6)
            values = files.depth_picture(number, COLOUR_PX)
            bag.image("/cam/depth_registered/image", values, "16UC1", 9 + number, pad=5)
    _, folder = imported(path)
    check_colour(folder, [0, 1])
    check_depth(folder, [files.depth_picture(n, COLOUR_PX) for n in range(2)])


def test_compressed_pictures(imported, tmp_path):
    pytest.importorskip("rosbags")
    path = tmp_path / "bag"
    with Bag(path, "mcap") as bag:
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
    with Bag(tmp_path / "a.bag") as bag:
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
        lambda name: None if name in ("rosbags", "lzfse", "av") else find(name),
    )  # fmt: skip
    for name, package, extra in (
        ("a.bag", "rosbags", "camera"), ("a.r3d", "lzfse", "camera"), ("a.mkv", "PyAV", "video"),
        ("a.mp4", "PyAV", "video"),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(b"")
        depth = ("--depth", tmp_path / name) if name == "a.mp4" else ()
        err = refused(tmp_path / name, *depth)
        assert f"needs {package}, which the base install leaves out" in err
        assert f'pip install "kerashand[{extra}]"' in err
        assert err.count("\n") == 1
