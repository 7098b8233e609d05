"""What the tests of `kerashand-data import` look at in a folder that it wrote."""

import cv2
import numpy as np
import yaml
from camera_writers import COLOUR_PX, SHIFT_MM, TURN, colour_picture


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
        expected = colour_picture(number, size_px)
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
