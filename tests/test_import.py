"""`kerashand-data import`: files of RGB-D cameras, but for bags, become recordings."""

import json
import zipfile

import camera_writers as files
import cv2
import numpy as np
import pytest
from camera_writers import COLOUR_K, COLOUR_PX, SHIFT_MM, TURN
from dataset_writers import write_picture
from import_checks import check_between, check_colour, check_depth, held, numbers, pictures

from kerashand.data.imports.record3d import MOST_BYTES
from kerashand.data.readers.recording import load_recording

REPLACED = (
    "the matrix of the colour camera is that of --fx --fy --cx --cy, without distortion; the rest "
    "is as the file has it."
)

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


def test_another_colour_matrix_for_a_kinect(imported, tmp_path, kinect_frames):
    """Its depth camera and the transform stay; the distortion of colour goes with its matrix."""
    files.write_kinect(tmp_path / "a.mkv", *kinect_frames, files.kinect_calibration())
    out, folder = imported(tmp_path / "a.mkv", "--fx", 610, "--fy", 611, "--cx", 640.5, "--cy", 365)
    check_between(folder)
    check_colour(folder, [0, 1], (1280, 720))
    said = held(folder)
    np.testing.assert_allclose(numbers(said["colour"]), files.matrix(610, 611, 640.5, 365))
    expected = files.matrix(0.493 * 512, 0.4931 * 512, 0.4986 * 512 - 96.5, 0.493 * 512 - 90.5)
    np.testing.assert_allclose(numbers(said["depth"]), expected, atol=1e-6)
    assert REPLACED in out
    assert "colour pictures were distorted" not in out
    assert "depth pictures were distorted by the lens" in out


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


def test_another_matrix_for_a_phone_held_upright(imported, tmp_path):
    """It is that of upright pictures; depth, which lies, gets the same camera turned back.

    Upright u = 47 - row and v = column: lying fx = 80, fy = 70, cx = 30, cy = 47 - 20; half of it
    has the centre (30 + 0.5) / 2 - 0.5, (27 + 0.5) / 2 - 0.5.
    """
    pytest.importorskip("lzfse")
    depth = np.full((24, 32), 0.5, np.float32)
    files.write_record3d(tmp_path / "a.r3d", [lying_picture()], [depth])
    pinhole = ("--fx", 70, "--fy", 80, "--cx", 20, "--cy", 30)
    out, folder = imported(tmp_path / "a.r3d", *pinhole)
    said = held(folder)
    np.testing.assert_allclose(numbers(said["colour"]), files.matrix(70, 80, 20, 30))
    np.testing.assert_allclose(numbers(said["depth"]), files.matrix(40, 35, 14.75, 13.25))
    assert said["depth"]["unit_mm"] == 0.1
    rotation = said["depth_to_colour"]["rotation"]
    np.testing.assert_allclose(rotation, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-9)
    assert REPLACED in out


def test_depth_of_record3d_in_millimetres(refused, imported, tmp_path):
    pytest.importorskip("lzfse")
    depth = [np.full((24, 32), 0.25, np.float32), np.full((24, 32), 512.0, np.float32)]
    colour = [files.colour_picture(n) for n in range(2)]
    message = (
        "rgbd/{}.depth holds nearly no depth within 6.6 m, but 512 in the middle. Is it in "
        "millimetres? Numbers with a fraction must be in metres."
    )
    files.write_record3d(tmp_path / "a.r3d", colour, [depth[1], depth[1]])
    err = refused(tmp_path / "a.r3d")
    assert f"No frame was written: none can be read. {message.format(0)}" in err
    files.write_record3d(tmp_path / "a.r3d", colour, depth)
    out, folder = imported(tmp_path / "a.r3d")
    assert list(pictures(folder, "depth")) == ["000000"]
    assert message.format(1) in out


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
