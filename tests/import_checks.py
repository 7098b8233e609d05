"""What the tests of `kerashand-data import` look at in a folder that it wrote."""

import cv2
import numpy as np
import yaml
from camera_writers import COLOUR_PX, SHIFT_MM, TURN, colour_picture, jpeg


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


REPLACED = (
    "the matrix of the colour camera is that of --fx --fy --cx --cy, without distortion; the rest "
    "is as the file has it."
)


def lying_picture():
    """A JPEG file that lies, with EXIF's mark to turn it clockwise."""
    lying = jpeg(colour_picture(1))
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    return lying[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + lying[2:]
