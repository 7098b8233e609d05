"""Hostile pictures: headers of huge sizes are refused, and pictures of all kinds stay readable."""

import cv2
import numpy as np
import pytest
from fuzz_bombs import png, resized

from kerashand.cli.media import read_picture
from kerashand.cli.predict import main as predict_main
from kerashand.errors import UserError
from kerashand.video.film import Film


def encoded(suffix, shape=(30, 40, 3)):
    return cv2.imencode(suffix, np.full(shape, 90, np.uint8))[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_header_of_100_000_pixels(tmp_path, capsys, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(resized(encoded(suffix), 100_000, 100_000))
    assert predict_main([str(path), "--no-drawing"]) == 2
    message = capsys.readouterr().err
    assert "far more pixels; 120 million are the most" in message
    assert "Traceback" not in message


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_largest_header_of_small_formats(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(resized(encoded(suffix), 65535, 65535))
    with pytest.raises(UserError, match=r"million are the most|not a picture|cut short"):
        read_picture(path)


def test_large_webp(tmp_path):
    path = tmp_path / "a.webp"
    path.write_bytes(resized(encoded(".webp"), 10_000, 9_000))
    with pytest.raises(UserError, match="10000 x 9000 pixels; 50 million"):
        read_picture(path)


def test_picture_as_large_as_cameras_give_is_not_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(resized(encoded(".png"), 12_000, 9_000))
    with pytest.raises(UserError, match=r"damaged|cut short"):  # its pixels are missing
        read_picture(path)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((30, 40), np.uint8), ((30, 40, 3), np.uint16), ((30, 40, 4), np.uint8)]
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_kinds_of_pictures_stay_readable(tmp_path, suffix, shape, dtype):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), np.full(shape, np.iinfo(dtype).max, dtype))
    assert read_picture(path).shape == (30, 40, 3)
    assert read_picture(path).min() == 255


def test_a_picture_is_no_film(tmp_path):
    (tmp_path / "a.mp4").write_bytes(png(9_000, 9_000, 9_000))
    with pytest.raises(UserError, match="it is not a video"):
        Film(str(tmp_path / "a.mp4"))
