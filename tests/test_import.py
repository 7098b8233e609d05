"""`kerashand-data import` of folders of pictures, such as Open3D's and TUM's, and of two videos."""

import camera_writers as files
import numpy as np
import pytest
from camera_writers import COLOUR_K, COLOUR_PX, SHIFT_MM, TURN
from dataset_writers import write_picture
from import_checks import (
    REPLACED,
    check_between,
    check_colour,
    check_depth,
    held,
    lying_picture,
    numbers,
    pictures,
)

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
    pinhole = ("--fx", 70, "--fy", 71, "--cx", 30, "--cy", 20)
    out, folder = imported(tmp_path / "b", *pinhole, out="b_other")
    for kind in ("colour", "depth"):  # depth is registered, so its matrix is colour's
        np.testing.assert_allclose(numbers(held(folder)[kind]), files.matrix(70, 71, 30, 20))
    assert held(folder)["depth"]["unit_mm"] == 0.25
    assert REPLACED in out
    (tmp_path / "b" / "depth" / "0000001-1.png").rename(tmp_path / "b/depth/0000005-1.png")
    out, folder = imported(tmp_path / "b", out="b_out")
    assert held(folder)["depth"]["unit_mm"] == 0.25
    assert "1 colour picture had no depth picture that belongs to it: left out." in out
    (tmp_path / "a" / "intrinsic.json").write_text('{"intrinsic_matrix": 3, "width": 9}')
    assert "the camera is of pictures of (9, None)" in refused(tmp_path / "a")
    (tmp_path / "a" / "intrinsic.json").unlink()
    assert "holds no JSON file with `intrinsic_matrix`" in refused(tmp_path / "a")
    assert "it is a recording already" in refused(folder, "--format", "open3d")


def test_a_killed_import_is_named_by_the_next_one(imported, tmp_path):
    """SIGKILL leaves half a recording beside the folder, which is not mixed up with the next."""
    camera = {"intrinsic_matrix": COLOUR_K.T.ravel().tolist()}
    files.write_open3d(tmp_path / "a", [3, 9], **camera)
    out, folder = imported(tmp_path / "a")
    assert "was left by" not in out
    left = folder.with_name("again.4711.part")
    (left / "colour").mkdir(parents=True)
    (left / "colour" / "000077.jpg").write_bytes(b"half")
    out, folder = imported(tmp_path / "a", out="again")
    assert f"{left} was left by a command that was killed" in out
    assert len(pictures(folder, "colour")) == 2


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


def test_two_colour_pictures_of_one_name(imported, tmp_path):
    files.write_open3d(tmp_path / "a", range(2), intrinsic_matrix=COLOUR_K.T.ravel().tolist())
    write_picture(tmp_path / "a" / "color" / "00001.png", files.colour_picture(1))
    out, folder = imported(tmp_path / "a")
    check_depth(folder, [files.depth_picture(n, COLOUR_PX) for n in (0, 1, 1)])
    assert "1 depth picture went with more than one colour picture." in out


def test_depth_of_another_shape_is_not_registered(imported, refused, tmp_path):
    """Depth that is not turned with colour would be stretched onto it."""
    message = (
        "Depth pictures of {} pixels cannot be registered to colour pictures of {}, which have "
        "another shape. Turn depth as colour is turned, or give depth its own camera by --camera."
    )
    (tmp_path / "color").mkdir()
    (tmp_path / "color" / "1.jpg").write_bytes(lying_picture())
    write_picture(tmp_path / "depth" / "1.png", files.depth_picture(1, COLOUR_PX))
    arguments = (tmp_path / "color", "--depth", tmp_path / "depth", *PINHOLE)
    assert message.format("64 x 48", "48 x 64") in refused(*arguments)
    assert message.format("64 x 48", "48 x 64") in refused(tmp_path, *PINHOLE)
    write_picture(tmp_path / "depth" / "1.png", files.depth_picture(1, (24, 32)))
    _, folder = imported(*arguments)
    # Half of PINHOLE: (31.5 + 0.5) / 2 - 0.5 and (23.25 + 0.5) / 2 - 0.5.
    half = files.matrix(30, 30.5, 15.5, 11.375)
    np.testing.assert_allclose(numbers(held(folder)["depth"]), half)
    root = tmp_path / "rgbd_dataset_freiburg3_hand"
    files.write_tum(root, (1.0,), (1.0,), size_px=(640, 480))
    write_picture(root / "depth" / "1.000000.png", files.depth_picture(0, (320, 180)))
    assert message.format("320 x 180", "640 x 480") in refused(root)
    pytest.importorskip("lzfse")
    portrait = np.full((32, 24), 0.5, np.float32)
    files.write_record3d(tmp_path / "a.r3d", [files.colour_picture(0)], [portrait])
    assert message.format("24 x 32", "64 x 48") in refused(tmp_path / "a.r3d")


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


def test_times_that_say_nothing(imported, refused, tmp_path):
    """A clock that stands still, or units that are not seconds."""
    root = tmp_path / "rgbd_dataset_freiburg3_hand"
    files.write_tum(root, (1.0, 1.01, 1.02), (1.0, 1.01, 1.02), size_px=(640, 480))
    names = [f"rgb/{time:.6f}.png" for time in (1.0, 1.01, 1.02)]
    (root / "rgb.txt").write_text("".join(f"1.0 {name}\n" for name in names))
    assert (
        "No frame was written: 67 % of colour pictures have the time of the picture before them, "
        "so times do not say which belong together. The clock stood still, or counts whole seconds."
    ) in refused(root)
    (root / "rgb.txt").write_text("".join(f"{n}e9 {name}\n" for n, name in enumerate(names, 2)))
    err = refused(root)
    assert "sets the limit. Are the times of both in seconds, and of one clock?" in err
    lines = zip((0.985, 1.0, 1.01), names, strict=True)
    (root / "rgb.txt").write_text("".join(f"{time} {name}\n" for time, name in lines))
    (root / "depth.txt").write_text("1.0 depth/1.000000.png\n1.01 depth/1.010000.png\n")
    out, folder = imported(root)
    check_depth(folder, [files.depth_picture(n, (640, 480)) for n in (0, 0, 1)])
    assert "1 depth picture went with more than one colour picture." in out


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
    camera.write_text(text.replace(", unit_mm: 0.25", "") + "hand: {wrist_middle_mcp_mm: 80.5}\n")
    out, folder = imported(*arguments, out="measured")
    assert held(folder)["hand"] == {"wrist_middle_mcp_mm": 80.5}
    assert held(folder)["depth"]["unit_mm"] == 1.0
    assert "the measure of the hand, 80.5 mm, is that of --camera." in out
    assert "assumed: a depth value of 1 is 1 mm (--unit-mm)." in out
    _, folder = imported(*arguments, "--wrist-middle-mcp-mm", 99, out="option")
    assert held(folder)["hand"] == {"wrist_middle_mcp_mm": 99.0}
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
