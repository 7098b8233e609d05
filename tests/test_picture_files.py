"""The one decoder of pictures: every kind of file against values worked out by hand."""

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from kerashand import picture_files
from kerashand.orientation import upright_from_stored
from kerashand.picture_files import PictureError

STORED = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
UPRIGHT = {
    1: [[10, 20, 30], [40, 50, 60]],
    2: [[30, 20, 10], [60, 50, 40]],  # mirrored
    3: [[60, 50, 40], [30, 20, 10]],  # half a turn
    4: [[40, 50, 60], [10, 20, 30]],
    5: [[10, 40], [20, 50], [30, 60]],
    6: [[40, 10], [50, 20], [60, 30]],  # a quarter turn clockwise
    7: [[60, 30], [50, 20], [40, 10]],
    8: [[30, 60], [20, 50], [10, 40]],
}
"""EXIF's eight orientations of `STORED`, as its tables draw them."""


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def encoded(picture, kind, **options):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


def decoded(content):
    return picture_files.decoded("a", content)


# --------------------------------------------------------------------------------- orientation


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_pictures_are_turned_upright(orientation, kind, options, monkeypatch):
    monkeypatch.setattr(picture_files, "STRIP_PIXELS", 1)  # row by row
    content = encoded(np.dstack([STORED] * 3), kind, exif=exif_of(orientation), **options)
    picture = decoded(content)
    expected = np.array(UPRIGHT[orientation])
    np.testing.assert_array_equal(picture, np.dstack([expected] * 3))
    assert picture.flags.c_contiguous


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_opencv_turns_jpeg_files_alike(orientation, rng):
    picture = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (48, 32))
    content = encoded(picture, "JPEG", exif=exif_of(orientation))
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    np.testing.assert_array_equal(decoded(content), expected)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_map_to_upright_pixels(orientation):
    expected = np.array(UPRIGHT[orientation])
    turn = upright_from_stored(orientation, (3, 2))
    for (v, u), value in np.ndenumerate(STORED):
        column, row, one = turn @ [u, v, 1]
        assert (expected[int(row), int(column)], one) == (value, 1)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientations_that_do_not_exist(orientation):
    content = encoded(np.dstack([STORED] * 3), "PNG", exif=exif_of(orientation))
    np.testing.assert_array_equal(decoded(content)[..., 0], STORED)


def test_damaged_exif_turns_nothing():
    content = encoded(np.dstack([STORED] * 3), "PNG", exif=b"Exif\0\0MM\0*\0\0\0")
    np.testing.assert_array_equal(decoded(content)[..., 0], STORED)


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def test_exif_behind_the_pixels_of_a_png_file(tmp_path):
    content = encoded(np.dstack([STORED] * 3), "PNG")
    exif = exif_of(6).tobytes().removeprefix(b"Exif\0\0")
    late = content[:-12] + chunk(b"eXIf", exif) + content[-12:]
    np.testing.assert_array_equal(decoded(late)[..., 0], UPRIGHT[6])
    (tmp_path / "a.png").write_bytes(late)
    assert picture_files.read_head(tmp_path / "a.png").size_px == (2, 3)


# ---------------------------------------------------------------------------- kinds of pixels


def pnm(kind, most, values):
    """A picture of one row; of two bytes a sample where `most` needs them."""
    samples = np.array(values).reshape(-1)
    width = len(samples) // (3 if kind == 6 else 1)
    body = samples.astype("u1" if most < 256 else ">u2").tobytes()
    return f"P{kind}\n# a comment\n{width} 1\n{most}\n".encode() + body


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # 255 x 2048 / 4095 = 127.5; 255 x 7 / 15 = 119.
        (pnm(5, 4095, [0, 2048, 4095]), [[0] * 3, [128] * 3, [255] * 3]),
        (pnm(6, 4095, [0, 2048, 4095]), [[0, 128, 255]]),
        (pnm(5, 15, [0, 7, 15]), [[0] * 3, [119] * 3, [255] * 3]),
        (pnm(6, 1, [0, 1, 0]), [[0, 255, 0]]),
        (pnm(5, 255, [0, 7, 255]), [[0] * 3, [7] * 3, [255] * 3]),
        (pnm(6, 65535, [0, 0x1234, 65535]), [[0, 0x12, 255]]),
        (pnm(5, 100, [0, 200]), [[0] * 3, [255] * 3]),  # more than its largest value
        (b"P2\n2 1\n4095\n0 2048\n", [[0] * 3, [128] * 3]),
    ],
)
def test_largest_values_of_pnm_files(content, expected):
    np.testing.assert_array_equal(decoded(content), [expected])


@pytest.mark.parametrize("kind", [".png", ".tif", ".pgm"])
def test_grey_of_16_bits(kind):
    values = np.array([[0, 0x1234, 0xFF00, 0xFFFF]], np.uint16)
    picture = decoded(cv2.imencode(kind, values)[1].tobytes())
    np.testing.assert_array_equal(picture[0, :, 0], [0, 0x12, 0xFF, 0xFF])
    assert (picture == picture[..., :1]).all()


def test_grey_of_16_bits_with_a_value_that_is_transparent():
    values = np.array([[0, 0x1234, 0x4000, 0xFFFF]], np.uint16)
    content = cv2.imencode(".png", values)[1].tobytes()
    place = content.index(b"IDAT") - 4
    content = content[:place] + chunk(b"tRNS", b"\x12\x34") + content[place:]
    np.testing.assert_array_equal(decoded(content)[0, :, 0], [0, 255, 0x40, 0xFF])


@pytest.mark.parametrize("kind", [".png", ".tif", ".pgm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_12_bits_in_a_file_of_16_are_refused(kind, channels):
    """They are of 65535, and nearly black: 4095 is 15 of 255. Brighter ones and black are read."""
    kind = ".ppm" if (kind, channels) == (".pgm", 3) else kind
    for most, refused in ((4095, True), (4351, False), (0, False)):
        values = np.zeros((4, 4, channels), np.uint16)
        values[1, 1] = most
        content = cv2.imencode(kind, values)[1].tobytes()
        if refused:
            with pytest.raises(PictureError, match="is nearly black: its values are at most 4095"):
                decoded(content)
        else:
            assert decoded(content).max() == most // 256


def test_colour_of_16_bits_with_a_value_that_is_transparent_is_refused():
    content = cv2.imencode(".png", np.full((4, 4, 3), 0x1234, np.uint16))[1].tobytes()
    place = content.index(b"IDAT") - 4
    content = content[:place] + chunk(b"tRNS", b"\x12\x34" * 3) + content[place:]
    with pytest.raises(PictureError, match="has a transparent colour of 16 bits: save it with 8"):
        decoded(content)


@pytest.mark.parametrize(("alpha", "expected"), [((0, 0), (200, 10)), ((0, 255), (255, 10))])
def test_a_bmp_file_whose_alpha_is_0_everywhere_is_opaque(alpha, expected):
    """Its fourth byte is unused then; else it lies on white."""
    pixels = b"".join(bytes([grey] * 3 + [a]) for grey, a in zip((200, 10), alpha, strict=True))
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 108, 2, 1, 1, 32, 3, 8, 2835, 2835, 0, 0) + masks
    head += b"BGRs" + bytes(48)
    content = b"BM" + struct.pack("<IHHI", 14 + 108 + 8, 0, 0, 14 + 108) + head + pixels
    np.testing.assert_array_equal(decoded(content)[0, :, 0], expected)


@pytest.mark.parametrize(("bits", "clear"), [(1, 1), (2, 2), (4, 5), (8, 0x55)])
def test_grey_of_few_bits_with_a_value_that_is_transparent(bits, clear):
    """Two pixels, 0 and then the value that stands for nothing, which is shown white."""
    head = struct.pack(">IIBBBBB", 2, 1, bits, 0, 0, 0, 0)
    samples = (clear << (16 - 2 * bits)).to_bytes(2, "big")[: max(2 * bits // 8, 1)]
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    content += chunk(b"tRNS", clear.to_bytes(2, "big"))
    content += chunk(b"IDAT", zlib.compress(b"\0" + samples)) + chunk(b"IEND", b"")
    np.testing.assert_array_equal(decoded(content)[0, :, 0], [0, 255])


@pytest.mark.parametrize(("photometric", "grey"), [(1, [0, 0xC0, 0xFF]), (0, [0xFF, 0x3F, 0])])
def test_tiff_whose_zero_is_white(photometric, grey):
    file = io.BytesIO()
    picture = Image.fromarray(np.array([[0, 0xC000, 0xFFFF]], np.uint16))
    picture.save(file, "TIFF", tiffinfo={262: photometric})
    np.testing.assert_array_equal(decoded(file.getvalue())[0, :, 0], grey)


def test_tiff_of_12_bits():
    """Two samples in three bytes: 0x800 and 0xFFF."""
    tags = [
        (256, 2),
        (257, 1),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, 1),
        (279, 3),
    ]
    head = struct.pack("<2sHI", b"II", 42, 12)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    content = head + b"\x80\x0f\xff\0" + struct.pack("<H", len(tags)) + entries + bytes(4)
    np.testing.assert_array_equal(decoded(content)[0, :, 0], [128, 255])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_lies_on_white(kind):
    """(200 x 128 + 255 x 127) / 255 = 227.4."""
    picture = np.array([[[200, 0, 7, 0], [200, 0, 7, 128], [200, 0, 7, 255]]], np.uint8)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    expected = [[255, 255, 255], [227, 127, 131], [200, 0, 7]]
    np.testing.assert_array_equal(decoded(encoded(picture, kind, **options)), [expected])


def test_floats_are_refused():
    content = cv2.imencode(".tif", np.ones((4, 4), np.float32))[1].tobytes()
    with pytest.raises(PictureError, match="no 32-bit samples"):
        decoded(content)


def test_maps_keep_their_numbers(tmp_path):
    depth = np.array([[0, 600, 65535]], np.uint16)
    coded = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]], np.uint8)
    Image.fromarray(depth).save(tmp_path / "depth.png", exif=exif_of(6))
    Image.fromarray(coded).save(tmp_path / "coded.png")
    np.testing.assert_array_equal(picture_files.read_values(tmp_path / "depth.png"), depth)
    assert picture_files.read_values(tmp_path / "depth.png").dtype == np.uint16
    np.testing.assert_array_equal(picture_files.read_values(tmp_path / "coded.png"), coded)


# ------------------------------------------------------------------------------ heads and ends


@pytest.fixture
def jpeg(rng):
    picture = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (320, 240))
    return encoded(picture, "JPEG", quality=95)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_what_phones_append_changes_nothing(kind, rng, tmp_path):
    """A motion photo: 5 MB of film after the picture."""
    picture = rng.integers(0, 255, (24, 32, 3), np.uint8)
    content = encoded(picture, kind)
    path = tmp_path / "a"
    path.write_bytes(content + rng.bytes(5 << 20).replace(b"\xff\xd9", b""))
    assert picture_files.read_head(path).size_px == (32, 24)
    np.testing.assert_array_equal(picture_files.read(path), decoded(content))


def test_a_file_of_two_pictures_is_its_first(tmp_path):
    """As of stereo cameras, and of phones that store a gain map."""
    first, second = (Image.new("RGB", (32, 24), (grey, grey, grey)) for grey in (90, 200))
    first.paste((0, 0, 0), (0, 0, 16, 24))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second], exif=exif_of(6))
    assert b"MPF" in (tmp_path / "a.jpg").read_bytes()
    head = picture_files.read_head(tmp_path / "a.jpg")
    assert (head.format, head.size_px, head.orientation) == ("JPEG", (24, 32), 6)
    expected = np.rot90(np.asarray(first), -1).astype(int)
    assert np.abs(picture_files.read(tmp_path / "a.jpg") - expected).max() < 10


def test_much_before_the_frame_header(jpeg, tmp_path):
    """Gain maps and previews: segments of 65,533 bytes, half a megabyte of them."""
    segment = b"\xff\xe2" + (65533 + 2).to_bytes(2, "big") + bytes(65533)
    (tmp_path / "a.jpg").write_bytes(jpeg[:2] + 8 * segment + jpeg[2:])
    assert picture_files.read_head(tmp_path / "a.jpg").size_px == (320, 240)
    np.testing.assert_array_equal(picture_files.read(tmp_path / "a.jpg"), decoded(jpeg))


def test_files_that_were_cut_short(jpeg, rng, tmp_path):
    png = encoded(rng.integers(0, 255, (24, 32, 3), np.uint8), "PNG")
    for content, share, kind in (
        (jpeg, 0.5, "JPEG"), (jpeg, 0.9, "JPEG"), (png, 0.6, "PNG"),
        (pnm(5, 255, [1, 2, 3, 4]), 0.95, "PPM"),
    ):  # fmt: skip
        path = tmp_path / "a"
        path.write_bytes(content[: int(share * len(content))])
        reads = [picture_files.read, picture_files.read_head]
        for read in reads[: 1 if kind == "PPM" else 2]:
            with pytest.raises(PictureError, match=f"a is a {kind} file that was cut short"):
                read(path)


def test_why_a_file_is_no_picture(tmp_path):
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for name, reason in (
        ("text", "is not a picture that can be read"), ("empty", "is empty"),
        ("missing", "does not exist"), ("folder", "cannot be read"), ("a\0b", "cannot be read"),
    ):  # fmt: skip
        for read in (picture_files.read, picture_files.read_values, picture_files.read_head):
            with pytest.raises(PictureError) as caught:
                read(tmp_path / name)
            assert caught.value.reason.startswith(reason)
            assert str(caught.value) == f"{tmp_path / name} {caught.value.reason}."


def test_threads_leave_the_warning_filters_alone(jpeg, tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        heads = set(pool.map(picture_files.read_head, 400 * [tmp_path / "a.jpg"]))
    assert len(heads) == 1
    assert warnings.filters == before
