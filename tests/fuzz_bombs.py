"""Dangerous archives, pictures and pickles: they claim or unpack to too much, or run code."""

from __future__ import annotations

import functools
import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np
from fuzz_inputs import CANARY, SIDE


class Program:
    """An object whose pickle writes the canary when it is loaded."""

    def __reduce__(self):
        return exec, (f"import os; open(os.environ[{CANARY!r}], 'w').close()",)


# ---------------------------------------------------------------------------------- archives


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """An .npz file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


@functools.cache
def zip_bomb(name: str, head: bytes = b"", size: int = 5 << 28) -> bytes:
    """A zip archive of some MB with one member of zeros."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        member.write(head)
        for _ in range(size >> 24):
            member.write(bytes(1 << 24))
    return file.getvalue()


def npy_head(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    """The head of an .npy file of zeros."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": kind, "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def npz_bombs(name: str, example: dict[str, np.ndarray]) -> dict[str, bytes]:
    """Hostile .npz files with the array `name`."""
    return {
        "zip bomb": zip_bomb(f"{name}.npy", npy_head((5 << 26,))),
        "shape beyond memory": zipped({f"{name}.npy": npy_head((1 << 40, 1 << 20))}),
        "shape of no bytes": zipped({f"{name}.npy": npy_head((1 << 60,), "<U0")}),
        "object array": npz({**example, name: np.array([Program()], object)}),
        "no array inside": zipped({"config.json": b"{}", "model.weights.h5": b"x"}),
        "bare array": npy_head((3,)) + bytes(12),
        "not a header": zipped({f"{name}.npy": b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16}),
    }


# ---------------------------------------------------------------------------------- pictures


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content)
    )  # fmt: skip


def png(width: int, height: int, rows: int = 1, *, colour: int = 0, more: bytes = b"") -> bytes:
    """A PNG file of zeros that claims a size and holds `rows` of it."""
    bytes_of = {0: 1, 2: 3, 6: 4}[colour]
    packer, packed = zlib.compressobj(1), []
    for _ in range(rows):
        packed.append(packer.compress(bytes(1 + bytes_of * width)))
    packed.append(packer.flush())
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", png_chunk(b"IHDR", head), more,
         png_chunk(b"IDAT", b"".join(packed)), png_chunk(b"IEND", b"")]
    )  # fmt: skip


def resized(content: bytes, width: int, height: int) -> bytes:
    """A picture whose header claims another size; its pixels stay."""
    data = bytearray(content)
    if content.startswith(b"\x89PNG"):
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif content.startswith(b"\xff\xd8"):
        place = next(p for m in (b"\xff\xc0", b"\xff\xc2") if (p := content.find(m)) > 0)
        data[place + 5 : place + 9] = struct.pack(">HH", min(height, 65535), min(width, 65535))
    elif content.startswith(b"BM"):
        data[18:26] = struct.pack("<ii", width, height)
    elif content.startswith(b"II*\x00"):
        for tag, value in ((256, width), (257, height), (278, height)):
            for kind in (3, 4):
                head = struct.pack("<HHI", tag, kind, 1)
                if (place := content.find(head)) >= 0:
                    data[place : place + 12] = struct.pack("<HHII", tag, 4, 1, value)
    elif content.startswith(b"RIFF") and content[12:16] == b"VP8L":
        sides = (min(max(side, 1), 1 << 14) - 1 for side in (width, height))
        kept = int.from_bytes(data[21:25], "little") >> 28 << 28
        data[21:25] = struct.pack("<I", kept | next(sides) | next(sides) << 14)
    elif content[:2] in (b"P5", b"P6"):
        data = bytearray(content[:3] + f"{width} {height}\n255\n".encode() + content[-64:])
    return bytes(data)


def pictures_of(rng: np.random.Generator) -> list[bytes]:
    """A small picture in each format, with alpha, turned by EXIF, and with 12 and 16 bits."""
    import cv2
    from PIL import Image

    picture = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (40, 30))
    alpha = np.dstack([picture, np.full((30, 40), 128, np.uint8)])
    kinds = (".png", ".jpg", ".bmp", ".tif", ".webp", ".ppm")
    exif, turned, clear = Image.Exif(), io.BytesIO(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(picture).save(turned, "JPEG", exif=exif)
    grey = picture[..., 0].astype(np.uint16) * 16
    Image.fromarray(grey * 16).save(clear, "PNG", transparency=256)
    return [
        *(cv2.imencode(kind, picture)[1].tobytes() for kind in kinds),
        *(cv2.imencode(kind, alpha)[1].tobytes() for kind in (".png", ".tif", ".webp")),
        turned.getvalue(), clear.getvalue(), b"P5 40 30 4095 " + grey.astype(">u2").tobytes(),
    ]  # fmt: skip


def picture_bombs(valid: Sequence[bytes]) -> dict[str, bytes]:
    """Pictures that claim to be huge, and some that are."""
    claims = {
        f"{width} x {height} in header {number}": resized(content, width, height)
        for number, content in enumerate(valid)
        for width, height in ((SIDE, SIDE), (30_000, 30_000), (1 << 30, 1), (0, 0), (2**31 - 1, 8))
    }
    text = png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 27), 1))
    profile = png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 27), 1))
    return claims | {
        "whole png of 22,000 x 22,000": png(22_000, 22_000, 22_000),
        "whole transparent png": png(12_000, 12_000, 12_000, colour=6),
        "compressed text": png(16, 16, 16, more=text),
        "compressed profile": png(16, 16, 16, more=profile),
        "gif": b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(20),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="100000" height="100000"/>',
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99999 99999\n",
        "hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 100000 +X 100000\n",
        "pfm": b"PF\n100000 100000\n-1.0\n",
        "sun raster": struct.pack(">8I", 0x59A66A95, SIDE, SIDE, 24, 0, 1, 0, 0),
    }


# ----------------------------------------------------------------------------------- pickles


def pickle_bombs() -> dict[str, bytes]:
    """Pickles that run code, or ask for memory, time or depth."""
    laugh = b"\x80\x02]q\x00(" + b"K\x00" * 9 + b"e"
    for k in range(1, 12):
        laugh += b"0]q" + bytes([k]) + b"(" + (b"h" + bytes([k - 1])) * 9 + b"e"
    colliding = b"\x80\x02}(" + b"".join(
        b"\x8a\x0c" + (k * (2**61 - 1)).to_bytes(12, "little") + b"N" for k in range(1, 60_000)
    )
    pointers = (
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00\x8c\x05numpy\x8c\x05dtype\x93"
        b"\x8c\x02V8\x89\x88\x87R(K\x03\x8c\x01|N\x8c\x01a\x85}\x8c\x01a\x8c\x05numpy\x8c\x05dtype"
        b"\x93\x8c\x01O\x89\x88\x87RK\x00\x86sK\x08K\x01K\x00tb."
    )
    return {
        "exec": pickle.dumps({0: Program()}, 2), "exec 5": pickle.dumps([Program()], 5),
        "global": b"cos\nsystem\n(S'touch x'\ntR.", "inst": b"(S'touch x'\nios\nsystem\n.",
        "object": b"(cos\nsystem\nS'touch x'\no.", "extension": b"\x80\x02\x82\x01.",
        "dotted": b"\x80\x04\x8c\x05numpy\x8c\x0bcore.os.abc\x93.",
        "persistent": b"\x80\x02K\x01Q.",
        "shared lists": laugh + b"}K\x00h\x0bs.", "memo index": b"\x80\x02Nr\xff\xff\xff\x7f.",
        "long bytes": b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.",
        "long bytearray": b"\x80\x05\x96" + (6 << 30).to_bytes(8, "little") + b"x.",
        "long text": b"\x80\x04\x8d" + (1 << 35).to_bytes(8, "little") + b"x.",
        "long number": b"\x80\x02\x8b\xff\xff\xff\x7f" + b"\x01" * 100 + b".",
        "frame": b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little") + b"N.",
        "deep tuple as key": b"\x80\x02}N" + b"\x85" * 1_000_000 + b"Ns.",
        "deep list": b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b".",
        "deep set": b"\x80\x04" + b"(" * 300_000 + b"\x91" * 300_000 + b".",
        "equal hashes": colliding + b"u.", "huge array":
            b"cnumpy\nndarray\n((I99999\nI99999\ntS'f8'\ntR.",
        "array on an array": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
            b"(I999999999\nI99\ntS'f8'\ntR.",
        "array with bare pointers": pointers,
        "attributes of a function": b"cnumpy.core.multiarray\n_reconstruct\n}S'x'\nI1\nsb.",
        "codec": b"c_codecs\nencode\n(V" + b"x" * 99 + b"\nS'zlib_codec'\ntR.",
        "digits": b"I" + b"9" * 5000 + b"\n.",
    }  # fmt: skip
