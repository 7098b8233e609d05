"""`kerashand-data import` of ROS and RealSense bags."""

import json
import re

import camera_writers as files
import cv2
import numpy as np
import pytest
from camera_writers import COLOUR_K, COLOUR_PX, DEPTH_K, DEPTH_PX, SHIFT_MM, TURN
from dataset_writers import RGBD_COLOUR, RGBD_DEPTH, render_view
from import_checks import check_between, check_colour, check_depth, held, numbers, pictures

from kerashand.cli.data import main
from kerashand.data.imports import bag_file
from kerashand.data.readers.recording import load_recording
from kerashand.geometry.root_depth import PALM_RATIOS

TIMES = (0.0, 0.033, 0.066)


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


@pytest.mark.parametrize(
    ("depth_px", "k", "info", "said"),
    [
        # Half of colour's: (31.5 + 0.5) / 2 - 0.5 and (23.25 + 0.5) / 2 - 0.5.
        ((32, 24), (30, 30.5, 15.5, 11.375), True,
         "depth is registered to colour: both topics name the frame 'c', and their cameras agree."),
        ((32, 24), (30, 30.5, 15.5, 11.375), False,
         "assumed: depth is registered to colour, for both topics name the frame 'c'."),
        ((40, 32), (38, 39, 19.75, 15.5), True,
         "assumed: the depth camera stands where the colour camera does, for both topics name the "
         "frame 'c'; their cameras differ."),
        ((32, 24), (36, 36, 15.5, 11.375), True,
         "assumed: the depth camera stands where the colour camera does, for both topics name the "
         "frame 'c'; their cameras differ."),
    ],
)  # fmt: skip
def test_depth_in_the_frame_of_colour(imported, tmp_path, depth_px, k, info, said):
    """It is registered if the cameras do not say otherwise."""
    pytest.importorskip("rosbags")
    with files.Bag(tmp_path / "a.bag") as bag:
        bag.camera("/c/color/camera_info", COLOUR_K, COLOUR_PX)
        if info:
            bag.camera("/c/depth/camera_info", files.matrix(*k), depth_px)
        bag.image("/c/color/image_raw", files.colour_picture(0), "rgb8", 9.0, frame="c")
        values = files.depth_picture(0, depth_px)
        bag.image("/c/depth/image_raw", values, "16UC1", 9.0, frame="c")
        bag.static([("c", "elsewhere", TURN, SHIFT_MM)])
    out, folder = imported(tmp_path / "a.bag")
    assert said in out
    np.testing.assert_allclose(numbers(held(folder)["depth"]), files.matrix(*k))
    assert held(folder)["depth_to_colour"]["rotation"] == np.eye(3).tolist()
    assert held(folder)["depth_to_colour"]["translation_mm"] == [0, 0, 0]


def depth_with_extrinsics(frame, static):
    """Writes depth in a frame, and with the first picture the topic and a static transform."""

    def put(bag, number, time_s):
        values = files.depth_picture(number)
        bag.image("/camera/depth/image_raw", values, "16UC1", time_s, frame=frame)
        if number == 0:
            bag.extrinsics("/camera/extrinsics/depth_to_color", TURN, SHIFT_MM)
            bag.static([static])

    return put


def test_depth_in_the_frame_of_colour_with_a_transform(imported, tmp_path):
    put = depth_with_extrinsics("c", ("c", "elsewhere", TURN, SHIFT_MM))
    out, folder = imported(driver(tmp_path / "bag", "mcap", put))
    check_between(folder)
    np.testing.assert_allclose(numbers(held(folder)["depth"]), DEPTH_K)
    assert "is that of /camera/extrinsics/depth_to_color." in out


def test_registered_depth_of_another_shape_or_in_millimetres(refused, tmp_path):
    def bag(name, values, encoding):
        def put(bag, number, time_s):
            topic = "/camera/aligned_depth_to_color/image_raw"
            bag.image(topic, values, encoding, time_s, frame="c")

        return driver(tmp_path / name, None, put)

    err = refused(bag("a.bag", files.depth_picture(0, (40, 40)), "16UC1"))
    assert "Depth pictures of 40 x 40 pixels cannot be registered to colour pictures of 64" in err
    err = refused(bag("b.bag", np.full((48, 64), 400, np.float32), "32FC1"))
    assert "aligned_depth_to_color/image_raw at 9.002 s holds nearly no depth within 6.6 m" in err


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
        put = depth_with_extrinsics("d", ("c", "d", rotation, shift))
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
        size_px=recording.size_px,
    )  # fmt: skip
    _, truth, mask = views[0].render(RGBD_COLOUR, (640, 480))
    inside = cv2.erode(mask.astype(np.uint8), np.ones((9, 9))).astype(bool) & (moved > 0)
    assert inside.sum() > 1000
    assert np.median(np.abs(moved - truth)[inside]) < 1.5
