"""`kerashand-data import` of films of the Azure Kinect."""

import camera_writers as files
import cv2
import numpy as np
import pytest
from import_checks import (
    REPLACED,
    check_between,
    check_colour,
    check_depth,
    held,
    numbers,
    pictures,
)


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
