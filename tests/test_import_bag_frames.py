"""`kerashand-data import` of ROS bags whose depth stands in the frame of colour, or beside it."""

import camera_writers as files
import cv2
import numpy as np
import pytest
from bag_writers import Bag, driver
from camera_writers import COLOUR_K, COLOUR_PX, DEPTH_K, SHIFT_MM, TURN
from import_checks import check_between, check_colour, check_depth, held, numbers


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
    with Bag(tmp_path / "a.bag") as bag:
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
