"""`kerashand-data import` of recordings of Record3D, from phones held upright and not."""

import json
import zipfile

import camera_writers as files
import numpy as np
import pytest
from camera_writers import COLOUR_K
from import_checks import (
    REPLACED,
    check_colour,
    check_depth,
    held,
    lying_picture,
    numbers,
    pictures,
)

from kerashand.data.imports.record3d import MOST_BYTES
from kerashand.data.readers.recording import load_recording


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
