"""Feed damaged and hostile files to every entrance of the package and report what gets through.

    python tests/fuzz.py --inputs 10000 --seed 0
    python tests/fuzz.py --entrance yaml video --inputs 500 --keep findings

An entrance is what a command does with one file. It may give a result or refuse the file with the
error that commands show as a message. A finding is anything else: another exception, more than
10 s of work, more than 1 GB of memory, code of the file that ran, or a crash of native code, which
is why each entrance runs in a process of its own that is started again after a crash.

An input is `make(case, seed, number)`: first the bombs of the entrance, then its valid files,
damaged byte by byte or rebuilt with values of wrong kinds. The same numbers give the same inputs.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import copy
import functools
import io
import itertools
import json
import os
import pickle
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerashand.errors import UserError

MOST_SECONDS = 10.0
"""Of processor time that a file may take."""
HANGS_SECONDS, START_SECONDS = 60.0, 300.0
"""Without a word of a process, by the clock: other programs may be busy."""
MOST_GROWTH = 1 << 30
HARD_GROWTH = 3 << 30
"""Bytes of address space beyond which allocations fail, so that the machine survives."""
SIDE = 100_000
"""Of pictures that only their headers claim."""
CANARY = "KERASHAND_FUZZ_CANARY"
"""Names the file that code in an input writes, if it runs."""


@dataclass
class Case:
    """An entrance with its inputs.

    Attributes:
        suffix: of its files.
        call: does with a file what a command does.
        valid: contents that are in order.
        bombs: contents that are known to be dangerous, by name.
        value: what `dump` makes a valid file of; parts of it are exchanged.
        dump: bytes of a value.
        refusals: errors that commands turn into a message here; OSError everywhere.
    """

    suffix: str
    call: Callable[[Path], Any]
    valid: list[bytes]
    bombs: dict[str, bytes] = field(default_factory=dict)
    value: Any = None
    dump: Callable[[Any], bytes] | None = None
    refusals: tuple[type[Exception], ...] = (UserError,)


# -------------------------------------------------------------------------------- mutations

EXTREMES = (0, 1, 255, 0x7FFF, 0xFFFF, SIDE, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1)
TOKENS = (
    *(b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"9" * 400, b"9" * 5000, b"null", b"~", b"''"),
    *(b"[]", b"{}", b"[[[[[[]]]]]]", b"true", b"!!python/name:os.system", b"!!int ''", b"&a [*a]"),
    *(b"*x", b"<<: {a: 1}", b"!!bool x", b"!!timestamp x", b"!!float ''", b"? [a]", b"\xff\xfe"),
    *(b"0x", b"1:1:1:1", b'"\\u0000"', b"~nobody/x.yaml", b"\x00", b"a" * 300, b"../" * 200),
)


def make(case: Case, seed: int, number: int) -> bytes:
    """Input `number` of an entrance."""
    bombs = list(case.bombs.values())
    if number < len(bombs):
        return bombs[number]
    rng = np.random.default_rng([seed, number])
    if case.dump is not None and rng.random() < 0.4:
        with contextlib.suppress(Exception):  # not everything can be written down
            return case.dump(exchanged(copy.deepcopy(case.value), rng))
    return damaged(case.valid[int(rng.integers(len(case.valid)))], rng, case.valid)


def damaged(content: bytes, rng: np.random.Generator, others: Sequence[bytes] = ()) -> bytes:
    """Some bytes of a file changed, lost, doubled, or taken from another one."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        # Heads of files hold most of what is read first.
        size = len(data) if rng.random() < 0.5 else min(len(data), 256)
        place = int(rng.integers(size + 1))
        length = int(rng.integers(1, 64))
        kind = int(rng.integers(8))
        if kind == 0:
            for _ in range(int(rng.integers(1, 9))):
                if data:
                    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del data[place:]
        elif kind == 2:
            del data[place : place + length]
        elif kind == 3:
            data[place:place] = rng.bytes(length)
        elif kind == 4:
            data[place:place] = data[place : place + length] * int(rng.integers(1, 50))
        elif kind == 5:
            value, width = EXTREMES[int(rng.integers(len(EXTREMES)))], int(rng.choice([2, 4, 8]))
            order = ("little", "big")[int(rng.integers(2))]
            data[place : place + width] = (value % (1 << 8 * width)).to_bytes(width, order)
        elif kind == 6 and others:
            other = others[int(rng.integers(len(others)))]
            data[place:] = other[int(rng.integers(len(other) + 1)) :]
        else:
            token = TOKENS[int(rng.integers(len(TOKENS)))]
            data[place : place + (length if rng.random() < 0.5 else 0)] = token
    return bytes(data)


def exchanged(value: Any, rng: np.random.Generator) -> Any:
    """One part of nested lists, mappings and arrays exchanged for something of a wrong kind."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = list(keys)[int(rng.integers(len(keys)))]
        kind = rng.random()
        if kind < 0.05:
            del value[key]
        elif kind < 0.1 and isinstance(value, dict):
            value[("x", 10**30, -1, "", "\x00")[int(rng.integers(5))]] = value.pop(key)
        else:
            value[key] = exchanged(value[key], rng)
        return value
    if isinstance(value, np.ndarray) and rng.random() < 0.7:
        number = int(rng.integers(8))
        if number == 0:
            return value.astype(rng.choice(["f2", "f8", "i8", "u1", "c8", "U5", "O", "?"]))
        if number == 1:
            return value.reshape(-1)[: int(rng.integers(value.size + 1))]
        if number == 2:
            return np.full_like(value, (np.nan, np.inf, -1e30, 1e30, 0)[int(rng.integers(5))])
        if number == 3 and value.size:
            flat = value.reshape(-1).copy()
            flat[int(rng.integers(flat.size))] = (np.nan, np.inf, -1e30)[int(rng.integers(3))]
            return flat.reshape(value.shape)
        return (value[None], value[:0], value.T, value.tolist())[number % 4]
    return copy.deepcopy(HOSTILE[int(rng.integers(len(HOSTILE)))])


HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf")),
    *("", "x", "\x00", "../../x", "1e400", "nan", "x" * 5000, b"x", [], {}, [[]], [None], {"a": 1}),
    [0.0] * 21, [[0.0] * 3] * 21, [[1e400] * 2] * 21, [[10**400] * 2] * 21, [["a"] * 3] * 21,
    [[[]]], {"a": {"b": {"c": {}}}}, list(range(1000)), (1, 2), np.zeros((3, 3)), np.float32(2),
    np.zeros((0, 21, 3)), np.array(["a"]), np.zeros(3, [("a", "f4")]),
)  # fmt: skip


def nested(opening: bytes, closing: bytes, depth: int) -> bytes:
    """The same bracket again and again."""
    return opening * depth + closing * depth


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
    Image.fromarray(grey).save(clear, "PNG", transparency=16)
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


# ------------------------------------------------------------------------------- the entrances


def yaml_case(work: Path) -> Case:
    """A configuration, as --config names it."""
    from kerashand.config import load_config, packaged_configs

    packaged = packaged_configs()
    valid = [path.read_bytes() for name, path in packaged.items() if "/" not in name]
    laughs = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (k + 1, k + 1, b", ".join([b"*%c" % k] * 9)) for k in range(97, 110)
    )
    tags = (
        b"!!python/object/apply:os.system [touch x]", b"!!python/name:os.system",
        b"!!int ''", b"!!float ''", b"!!bool x", b"!!timestamp x", b"!!binary x", b"!!null x",
        b"!!set {a, b}", b"!!omap [a: 1]", b"!!pairs [a: 1]", b"!!str [a]", b"!!map x", b"= ",
    )  # fmt: skip
    return Case(
        ".yaml", lambda path: load_config(path), valid,
        bombs={
            "aliases": laughs, "itself": b"a: &a [*a]\n",
            "merged": b"a: &a {k: 1}\n" + b"".join(
                b"%c: &%c {<<: [%s]}\n" % (k + 1, k + 1, b", ".join([b"*%c" % k] * 9))
                for k in range(97, 110)
            ),
            "deep flow": b"a: " + nested(b"[", b"]", 50_000),
            "deep maps": b"a: " + nested(b"{a: ", b"}", 20_000),
            "deep block": b"".join(b" " * k + b"a:\n" for k in range(1400)),
            "long": b"a: 1\n" * 199_000, "too long": b"#" * 2_000_000,
            "long flow": b"a: [" + b"1," * 499_000 + b"]",
            "long number": b"seed: " + b"9" * 900_000,
            "sixties": b"seed: " + b"1:" * 400_000 + b"1",
            "extends nobody": b"extends: ~nobody-here/x.yaml\n",
            "extends NUL": b'extends: "a\\0b"\n',
            "extends long": b"extends: " + b"x" * 5000 + b"\n",
            **{tag.decode(): b"seed: " + tag + b"\n" for tag in tags},
        },
    )  # fmt: skip


def override_case(work: Path) -> Case:
    """A value of --set."""
    from kerashand.config import load_config

    def call(path: Path) -> None:
        load_config("weak.yaml", [path.read_bytes().decode("latin-1")])

    valid = [b"stages.finetune.epochs=3", b"seed=5", b"stages={finetune: {epochs: 2}}"]
    return Case(".txt", call, valid, bombs={"deep": b"model=" + nested(b"[", b"]", 5000)})


RECORDING = {
    "colour": {"width": 64, "height": 48, "fx": 60, "fy": 60, "cx": 32, "cy": 24},
    "depth": {"width": 40, "height": 30, "fx": 40, "fy": 40, "cx": 20, "cy": 15, "unit_mm": 1.0},
    "depth_to_colour": {
        "rotation": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "translation_mm": [10.0, 0.5, 0.5],
    },
    "hand": {"wrist_middle_mcp_mm": 92.0},
}  # fmt: skip


FINGERS = ((-0.5, -0.4), (-0.25, -1.0), (0.0, -1.0), (0.2, -0.95), (0.4, -0.85))
"""Where fingers start, in palms of an open hand, fingers up, whose wrist is at the origin."""


def _points(rng: np.random.Generator, frames: int = 6) -> list[dict]:
    """Hands with palms of 92 mm, half a metre before the camera of `RECORDING`."""
    joints = [(0.0, 0.0)] + [(x, y - far) for x, y in FINGERS for far in (0.0, 0.45, 0.7, 0.9)]
    uv = np.array(joints) * (92.0 * 60.0 / 500.0) + [30.0, 35.0]
    return [
        {"frame": f"{n:03d}", "handedness": ("left", "right")[n % 2],
         "uv_px": (uv + rng.uniform(-1.0, 1.0, (21, 2))).round(1).tolist()}
        for n in range(frames)
    ]  # fmt: skip


def _recording(work: Path, *, frames: int = 6) -> Path:
    """A small recording of noise."""
    import cv2
    import yaml

    rng, folder = np.random.default_rng(0), work / "recording"
    for name in ("colour", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for n in range(frames):
        cv2.imwrite(
            str(folder / "colour" / f"{n:03d}.png"), rng.integers(0, 255, (48, 64, 3), np.uint8)
        )
        cv2.imwrite(str(folder / "depth" / f"{n:03d}.png"), np.full((30, 40), 500, np.uint16))
    (folder / "recording.yaml").write_text(yaml.safe_dump(RECORDING))
    (folder / "points.jsonl").write_text("\n".join(map(json.dumps, _points(rng, frames))))
    return folder


def _checked_folder(read: Callable, file: Path) -> Callable[[Path], None]:
    """What `kerashand-data check` does with a folder in which one file is exchanged."""

    def call(path: Path) -> None:
        from kerashand.data.readers.checks import check_depth, find_problems

        path.replace(file)
        for split in ("train", "test"):
            table = read(split)
            bad = {row for row, _ in find_problems(table)}
            check_depth(table.select([row for row in range(len(table)) if row not in bad]))

    return call


def recording_case(work: Path) -> Case:
    """recording.yaml of a recording."""
    import yaml

    from kerashand.data.kinds import rgbd

    folder = _recording(work)
    huge = copy.deepcopy(RECORDING)
    huge["depth"] |= {"width": 20_000, "height": 20_000}
    nan = copy.deepcopy(RECORDING)
    nan["colour"]["width"] = float("nan")
    return Case(
        ".yaml",
        _checked_folder(lambda split: rgbd.read(folder, split), folder / "recording.yaml"),
        [yaml.safe_dump(RECORDING).encode(), yaml.safe_dump(RECORDING, indent=4).encode()],
        bombs={
            **{k: v for k, v in yaml_case(work).bombs.items() if "extends" not in k},
            "huge": yaml.safe_dump(huge).encode(), "nan": yaml.safe_dump(nan).encode(),
        },
        value=RECORDING, dump=lambda value: yaml.safe_dump(value).encode(),
    )  # fmt: skip


def points_case(work: Path) -> Case:
    """points.jsonl of a recording."""
    from kerashand.data.kinds import rgbd

    folder = _recording(work)
    points = _points(np.random.default_rng(1))
    points[0]["weight"] = [1.0] * 21

    def dump(value: Any) -> bytes:
        lines = value if isinstance(value, list) else [value]
        return "\n".join(json.dumps(line) for line in lines).encode()

    def with_points(uv: Any) -> bytes:
        return dump([{**row, "uv_px": uv} for row in points])

    return Case(
        ".jsonl",
        _checked_folder(lambda split: rgbd.read(folder, split), folder / "points.jsonl"),
        [dump(points)],
        bombs={
            "deep": nested(b"[", b"]", 200_000), "deep maps": nested(b'{"a":', b"}", 100_000),
            "nan": with_points([[float("nan")] * 2] * 21),
            "infinite": with_points([[float("inf")] * 2] * 21),
            "far": with_points([[1e30, -1e30]] * 21), "large": with_points([[10**400] * 2] * 21),
        },
        value=points, dump=dump,
    )  # fmt: skip


def freihand_case(work: Path) -> Case:
    """A label file of FreiHAND."""
    from kerashand.data.kinds import freihand

    folder, rng = work / "freihand", np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    xyz = (rng.uniform(-0.05, 0.05, (4, 21, 3)) + np.array([0, 0, 0.6])).tolist()
    cameras = [[[480.0, 0, 112], [0, 480, 112], [0, 0, 1]]] * 4
    (folder / "training_K.json").write_text(json.dumps(cameras))
    return Case(
        ".json",
        _checked_folder(lambda split: freihand.read(folder, split), folder / "training_xyz.json"),
        [json.dumps(xyz).encode(), json.dumps(xyz, indent=1).encode()],
        bombs={
            "deep": nested(b"[", b"]", 200_000), "large": b"[" + b"9" * 4000 + b"]",
            "too large": b"9" * 900_000, "ragged": b"[[[1, 2, 3]], [[1]]]", "map": b'{"a": 1}',
            "many": b"[" + b"[]," * 300_000 + b"[]]",
        },
        value=xyz, dump=lambda value: json.dumps(value).encode(),
    )  # fmt: skip


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


def rhd_case(work: Path) -> Case:
    """The annotations of RHD."""
    import cv2

    from kerashand.data.kinds import rhd

    root, rng = work / "rhd", np.random.default_rng(0)
    annotations = {}
    for number in range(4):
        for part in ("training", "evaluation"):
            for kind in ("mask", "color", "depth"):
                (root / part / kind).mkdir(parents=True, exist_ok=True)
                picture = np.full((320, 320, 3), 20, np.uint8)
                cv2.imwrite(str(root / part / kind / f"{number:05d}.png"), picture)
        xyz = (rng.uniform(-0.05, 0.05, (42, 3)) + np.array([0, 0, 0.5])).astype(np.float32)
        camera = np.array([[283, 0, 160], [0, 283, 160], [0, 0, 1]], np.float32)
        uv = xyz @ camera.T
        uv_vis = np.concatenate([uv[:, :2] / uv[:, 2:], np.ones((42, 1))], axis=1)
        annotations[number] = {"uv_vis": uv_vis, "xyz": xyz, "K": camera}
    file = root / "training" / "anno_training.pickle"
    (root / "evaluation" / "anno_evaluation.pickle").write_bytes(pickle.dumps(annotations, 2))
    shared = pickle_bombs()["shared lists"][:-6]
    return Case(
        ".pickle", _checked_folder(lambda split: rhd.read(root, split), file),
        [pickle.dumps(annotations, protocol) for protocol in (2, 4, 5)],
        bombs={
            **pickle_bombs(),
            "shared lists for arrays": shared + b"}K\x00}(X\x06\x00\x00\x00uv_vish\x0bX\x03\x00\x00"
            b"\x00xyzh\x0bX\x01\x00\x00\x00Kh\x0bus.",
        },
        value=annotations, dump=lambda value: pickle.dumps(value, 2),
    )  # fmt: skip


def mat_case(work: Path) -> Case:
    """A label file of STB."""
    from scipy.io import savemat

    from kerashand.data.kinds import stb

    def dump(value: Any) -> bytes:
        file = io.BytesIO()
        savemat(file, value, do_compression=True)
        return file.getvalue()

    joints = np.random.default_rng(0).uniform(0, 50, (3, 21, 4)) + 500
    plain, flat4 = io.BytesIO(), io.BytesIO()
    savemat(plain, {"handPara": joints})
    savemat(flat4, {"handPara": joints[0]}, format="4")
    valid = [dump({"handPara": joints}), plain.getvalue()]
    # A matrix of doubles [3, 21, N] of zeros, packed.
    count = 1 << 27
    packer = zlib.compressobj(1)
    head = struct.pack(
        "<IIIIIIIIiiiiII8sII", 14, 64 + 8 * count, 6, 8, 6, 0, 5, 12, 3, 21, count // 63, 0, 1, 8,
        b"handPara", 9, 8 * count,
    )  # fmt: skip
    packed = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    packed += 64 * (packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH))
    bomb = valid[1][:128] + struct.pack("<II", 15, len(packed)) + packed
    flat = struct.pack("<5i", 0, 1 << 30, 1 << 20, 0, 9) + b"handPara\0"
    return Case(
        ".mat", lambda path: stb._labels(path), valid,
        bombs={
            "packed zeros": bomb, "version 4": flat4.getvalue(), "shape alone": flat,
            "names": dump({"handPara": np.array(["a"] * 63, object).reshape(3, 21, 1)}),
            "cells": dump({"handPara": {"a": np.zeros(3)}}),
            "hdf5": valid[1][:124] + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" + bytes(400),
        },
        value={"handPara": joints, "x": joints[0]}, dump=dump,
    )  # fmt: skip


def hand3d_case(work: Path) -> Case:
    """A pickle of hand3d, as model.initial_weights names it."""
    import types

    from kerashand.models.hand3d import load_hand3d

    shapes = {"conv1_1": (3, 3, 3, 4), "conv1_2": (3, 3, 4, 4), "conv5_2": (1, 1, 4, 21)}
    layers = [
        types.SimpleNamespace(
            name=name, weights=[np.zeros(shape), np.zeros(shape[-1])], set_weights=lambda w: None
        )
        for name, shape in shapes.items()
    ]
    held = {"global_step": np.int64(3)}
    for name, shape in shapes.items():
        held[f"PoseNet2D/{name}/weights"] = np.ones(shape, np.float32)
        held[f"PoseNet2D/{name}/biases"] = np.ones(shape[-1], np.float32)
    network = types.SimpleNamespace(layers=layers)
    shared = pickle_bombs()["shared lists"][:-6]
    key = b"PoseNet2D/conv1_1/weights"
    return Case(
        ".pickle", lambda path: load_hand3d(path, network),
        [pickle.dumps(held, protocol) for protocol in (2, 4, 5)],
        bombs={
            **pickle_bombs(),
            "shared lists for arrays":
                shared + b"}X" + struct.pack("<I", len(key)) + key + b"h\x0bs.",
            "no layer": pickle.dumps({"PoseNet2D/conv": np.zeros(3), "PoseNet2D/conv/": 1}),
        },
        value=held, dump=lambda value: pickle.dumps(value, 2),
    )  # fmt: skip


def weights_case(work: Path) -> Case:
    """Weights by name, .npz or what calls itself .keras, as model.initial_weights names them."""
    import keras

    from kerashand.models.hand_pose import load_parts_npz, parts_in_npz

    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3, name="dense")(inputs))
    arrays = {
        "network/dense/kernel": np.zeros((4, 3), np.float32),
        "network/dense/bias": np.zeros(3, np.float32),
    }
    layer = {"class_name": "Lambda", "config": {"function": "os.system('touch x')"}}
    keras_file = zipped(
        {"config.json": json.dumps(layer).encode(), "metadata.json": b"{}",
         "model.weights.h5": b"\x89HDF\r\n\x1a\n" + bytes(500)}
    )  # fmt: skip

    def call(path: Path) -> None:
        held = parts_in_npz(path)
        load_parts_npz(path, {"network": model}, only=held)

    return Case(
        ".npz", call, [npz(arrays)],
        bombs={**npz_bombs("network/dense/kernel", arrays), "keras": keras_file},
        value=arrays, dump=npz, refusals=(UserError, ValueError),
    )  # fmt: skip


def checkpoint_case(work: Path) -> Case:
    """Where a run stands, in its folder."""
    from kerashand.training.checkpoint import load_state, restore_variables

    class Variable:
        shape = (4,)

        def assign(self, value: np.ndarray) -> None:
            np.zeros(4)[:] = value

    def call(path: Path) -> None:
        load_state(path, like=state)
        restore_variables(path, {"a": Variable()})

    def dump(value: Any) -> bytes:
        text = json.dumps(value["state"]).encode()
        return npz({"a": value["a"], "state_json": np.frombuffer(text, np.uint8)})

    state = {"config_hash": "x", "stage": "finetune", "epoch": 1, "step": 0, "finished": False}
    value = {"a": np.zeros(4, np.float32), "state": state}
    deep = {"a": value["a"], "state_json": np.frombuffer(nested(b"[", b"]", 100_000), np.uint8)}
    return Case(
        ".npz", call, [dump(value)],
        bombs={**npz_bombs("state_json", {"a": value["a"]}), "deep": npz(deep),
               "no state": dump({**value, "state": []}),
               "empty state": dump({**value, "state": {}})},
        value=value, dump=dump,
    )  # fmt: skip


def labels_case(work: Path) -> Case:
    """labels.npz of a folder of photographs."""
    from kerashand.data.kinds.photos import load_labels

    folder = work / "photos"
    folder.mkdir(exist_ok=True)

    def call(path: Path) -> None:
        path.replace(folder / "labels.npz")
        load_labels(str(folder))

    uv = np.array([row["uv_px"] for row in _points(np.random.default_rng(0), 2)], np.float32)
    arrays = {
        "name": np.array(["a.jpg", "b.jpg"]), "uv_px": uv,
        "uv_weight": np.ones((2, 21), np.float32), "is_right": np.array([True, False]),
        "split": np.array(["train", "test"]),
    }  # fmt: skip
    return Case(
        ".npz", call, [npz(arrays)], bombs=npz_bombs("name", arrays), value=arrays, dump=npz
    )


def image_case(work: Path) -> Case:
    """A photograph for kerashand-predict."""
    from kerashand.cli.media import read_picture

    valid = pictures_of(np.random.default_rng(0))
    return Case(
        ".png", read_picture, valid, bombs=picture_bombs(valid),
        value=[16, 16], dump=lambda size: resized(valid[size[0] % len(valid)], size[1], size[0]),
    )  # fmt: skip


def depth_case(work: Path) -> Case:
    """Pictures of a data set: a depth picture, and a mask of RHD."""
    import cv2

    from kerashand.data.kinds import rgbd
    from kerashand.data.kinds.rhd import sides
    from kerashand.data.readers.checks import find_problems
    from kerashand.data.readers.table import depth_seen

    folder = _recording(work)
    table = rgbd.read(folder, "train")
    file = folder / "depth" / "000.png"
    row = list(table.depths).index(str(file))

    def call(path: Path) -> None:
        path.replace(file)
        find_problems(table)
        with contextlib.suppress(UserError):
            depth_seen(table, row)
        sides(file.parent, [file.name])

    valid = [
        cv2.imencode(".png", np.full((30, 40), 500, np.uint16))[1].tobytes(),
        cv2.imencode(".png", np.full((30, 40, 3), 50, np.uint8))[1].tobytes(),
        *pictures_of(np.random.default_rng(0))[1:4],
    ]
    return Case(".png", call, valid, bombs=picture_bombs(valid))


def video_case(work: Path) -> Case:
    """A video for kerashand-predict."""
    import av

    from kerashand.video.film import Film

    rng, valid = np.random.default_rng(0), []
    kinds = (
        ("mp4", "mpeg4", "yuv420p"), ("avi", "mjpeg", "yuvj420p"), ("matroska", "mpeg4", "yuv420p"),
        ("mp4", "libx264", "yuv420p"), ("webm", "libvpx", "yuv420p"), ("mpegts", "mpeg2video",
        "yuv420p"),
    )  # fmt: skip
    for name, codec, pixels in kinds:
        file = io.BytesIO()
        with av.open(file, "w", format=name) as film:
            stream = film.add_stream(codec, rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
            for _ in range(4):
                picture = rng.integers(0, 255, (48, 64, 3), np.uint8)
                film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            film.mux(stream.encode(None))
        valid.append(file.getvalue())

    def call(path: Path) -> None:
        for _ in itertools.islice(Film(str(path)), 20):
            pass

    canary = os.environ.get(CANARY, "x").encode()
    bombs = {
        "huge mp4": valid[0].replace(struct.pack(">HH", 64, 48), struct.pack(">HH", 65500, 65500)),
        "huge avi": valid[1].replace(struct.pack("<II", 64, 48), struct.pack("<II", SIDE, SIDE)),
        "large avi": valid[1].replace(struct.pack("<II", 64, 48), struct.pack("<II", 16000, 16000)),
        "huge mkv": valid[2].replace(b"\xb0\x81\x40\xba", b"\xb0\x82\xff\xff\xba"),
        "large picture as video": png(15_000, 15_000, 15_000),
        "playlist": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXTINF:1,\nfile:///etc/passwd\n",
        "list": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        b"m=video 9999 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "smil": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>',
        "script": b"#!/bin/sh\ntouch " + canary + b"\n", "empty": b"",
    }  # fmt: skip
    return Case(".mp4", call, valid, bombs=bombs)


def _detector_content() -> tuple[bytes, dict[str, Any]]:
    """The network of the packaged detector, and its description."""
    from kerashand.runtime.hand_pose import DETECTOR_FILE, packaged_model
    from kerashand.runtime.model_file import METADATA_FILE

    path = packaged_model(DETECTOR_FILE)
    with zipfile.ZipFile(path) as archive:
        first = min(info.header_offset for info in archive.infolist())
        metadata = json.loads(archive.read(METADATA_FILE))
    return path.read_bytes()[:first], metadata


def _look(path: Path, picture: np.ndarray) -> None:
    from kerashand.runtime.detector import Detector

    Detector.load(path).detect(picture, max_hands=2)


def tflite_case(work: Path) -> Case:
    """A .tflite file, as --detector names it."""
    from kerashand.runtime.model_file import METADATA_FILE, with_description

    content, metadata = _detector_content()
    metadata = {key: value for key, value in metadata.items() if key != "checksum"}
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    whole = with_description(content, metadata)

    def described(value: Any) -> bytes:
        """Rightly checked, with another description."""
        if isinstance(value, dict):
            return with_description(content, value)
        return content + zipped({METADATA_FILE: json.dumps(value).encode()})

    return Case(
        ".tflite", lambda path: _look(path, picture), [whole],
        bombs={
            "deep description": content + zipped({METADATA_FILE: nested(b"[", b"]", 100_000)}),
            "zip bomb": content + zip_bomb(METADATA_FILE), "description alone":
                zipped({METADATA_FILE: json.dumps(metadata).encode()}),
            "no description": content + zipped({"x": b""}), "none": content,
        },
        value=metadata, dump=described,
    )  # fmt: skip


def onnx_case(work: Path) -> Case:
    """An .onnx file, as --detector names it."""
    import onnx
    from onnx import TensorProto, helper

    from kerashand.runtime.model_file import METADATA_FILE

    metadata = {"task": "hand_detector", "image_size_px": 32, "threshold": 0.5}
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)

    def dump(value: Any, *, cells: int = 2, external: bool = False) -> bytes:
        def constant(name: str, shape: list[int]) -> Any:
            size = helper.make_tensor(f"{name}_size", TensorProto.INT64, [len(shape)], shape)
            return size, helper.make_node("ConstantOfShape", [f"{name}_size"], [name])

        shapes = {"score": [1, cells, cells], "box": [1, cells, cells, 4],
                  "p_right": [1, cells, cells]}  # fmt: skip
        sizes, nodes = zip(*(constant(*item) for item in shapes.items()), strict=True)
        sizes = list(sizes)
        if external:
            outside = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
            outside.data_location = TensorProto.EXTERNAL
            outside.external_data.add(key="location", value="../../../../etc/passwd")
            sizes.append(outside)
        graph = helper.make_graph(
            list(nodes), "g",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 32, 32, 3])],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()],
            sizes,
        )  # fmt: skip
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        model.metadata_props.add(key=METADATA_FILE, value=json.dumps(value))
        return model.SerializeToString()

    return Case(
        ".onnx", lambda path: _look(path, picture), [dump(metadata)],
        bombs={"outside": dump(metadata, external=True), "empty": b""},
        value=metadata, dump=dump,
    )  # fmt: skip


def tfrecord_case(work: Path) -> Case:
    """A shard of the sample cache."""
    import cv2
    import tensorflow as tf

    from kerashand.data.cache import check_shards, write_shard
    from kerashand.data.readers.cached import parse

    picture = cv2.imencode(".jpg", np.full((16, 16, 3), 90, np.uint8))[1].tobytes()
    depth = cv2.imencode(".png", np.full((16, 16), 500, np.uint16))[1].tobytes()
    sample = {
        "image": picture, "depth_mm": depth, "uv_px": bytes(168), "xyz_mm": bytes(252),
        "intrinsics": bytes(36),
    }  # fmt: skip

    def dump(value: Any) -> bytes:
        write_shard(work / "shard", value)
        return (work / "shard").read_bytes()

    def call(path: Path) -> None:
        check_shards([path])
        try:
            for sample in tf.data.TFRecordDataset(str(path)).map(lambda r: parse(r, size_px=16)):
                sample["image"].numpy()
        except tf.errors.OpError as error:  # as `kerashand.training.loop` does
            raise UserError(str(error)[:100]) from error

    valid = dump([sample] * 3)
    lengths = {
        f"length {length}": struct.pack("<Q", length) + _masked_crc(struct.pack("<Q", length))
        + bytes(50)
        for length in (1 << 20, 1 << 33, 1 << 50, (1 << 64) - 8, (1 << 64) - 17)
    }  # fmt: skip
    large = {f"{n} {s}": dump([{**sample, n: content}]) for n, s, content in (
        ("image", "large", resized(picture, 65500, 65500)),
        ("depth_mm", "large", png(22_000, 22_000, 22_000)),
        ("depth_mm", "claim", resized(depth, SIDE, SIDE)),
        ("uv_px", "odd", b"abc"), ("uv_px", "long", bytes(1680)),
    )}  # fmt: skip
    return Case(
        ".tfrecord", call, [valid, valid + valid], bombs=lengths | large,
        value=[dict(sample) for _ in range(2)], dump=dump,
    )  # fmt: skip


def _masked_crc(content: bytes) -> bytes:
    """CRC-32C as TFRecord masks it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def report_case(work: Path) -> Case:
    """A report of kerashand-eval --json, compared with itself."""
    import warnings

    from kerashand.reports import breakdown, page, records

    joints = np.random.default_rng(0).uniform(1, 20, (3, 21)).round(2).tolist()
    flat = [0.5, 0.6, 0.7]
    numbers = {"samples": 3, "auc": 0.6, "mean_error_mm": 12.0, "mean_error_px": 3.0,
               "pck": [0.5, 1.0], "thresholds_mm": [20.0, 50.0], "depth_map_mm": 0.1}  # fmt: skip
    value = {
        "format": records.FORMAT, "model": "m", "data": "d", "protocol": "cai2018",
        "scale_bone": "b", "versions": {}, "numbers": numbers,
        "samples": dict.fromkeys(records.PER_JOINT, joints)
        | dict.fromkeys(records.PER_SAMPLE, flat),
    }  # fmt: skip

    def call(path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = records.from_json(path)
            page.table([held, held], ["a", "b"])
            breakdown.compared(held, held)

    return Case(
        ".json", call, [json.dumps(value).encode(), json.dumps(value, indent=1).encode()],
        bombs={"deep": nested(b"[", b"]", 200_000), "digits": b"9" * 900_000,
               "large": json.dumps(value).replace("0.5", "1" + "0" * 400).encode(),
               "markup": json.dumps({**value, "model": "<script>"}).encode()},
        value=value, dump=lambda held: json.dumps(held).encode(),
    )  # fmt: skip


def boxes_case(work: Path) -> Case:
    """A file of kerashand-predict --boxes, of one picture."""
    from kerashand.cli.boxes import assigned, read_boxes
    from kerashand.cli.jobs import Job

    jobs = [Job(str(work / "a.jpg"), False)]
    rows = [{"input": "a.jpg", "box": [1, 2.5, 30, 40], "handedness": "left"},
            {"input": "a.jpg", "box": [-1, 0, 5, 6]}]  # fmt: skip

    def dump(value: Any) -> bytes:
        lines = value if isinstance(value, list) else [value]
        return "\n".join(json.dumps(line) for line in lines).encode()

    return Case(
        ".jsonl",
        lambda path: assigned(read_boxes(str(path)), jobs),
        [dump(rows), b"input,left,top,right,bottom,handedness\na.jpg,1,2,3,4,\na.jpg,1,2,3,4.5"],
        bombs={
            "deep": nested(b"[", b"]", 200_000), "deep maps": nested(b'{"a":', b"}", 100_000),
            "large": dump([{**rows[0], "box": [1, 2, 3, 10**400]}]),
            "no name": dump([{**rows[0], "input": "\0"}]),
            "long name": dump([{**rows[0], "input": "~/" + "n" * 100_000}]),
            "quotes": b'"' * 200_001, "commas": b"," * 2_000_000,
        },
        value=rows, dump=dump,
    )  # fmt: skip


# ------------------------------------------------------------------------------ files of cameras


def _imported(work: Path) -> Callable[[Path], None]:
    """What `kerashand-data import` does with a file, two frames of it."""

    def call(path: Path) -> None:
        from kerashand.data import imports
        from kerashand.data.imports import pairing, source, writer

        form = imports.find_format(path)
        try:
            with imports.open_source(form, path, source.Options()) as opened:
                writer.write_recording(
                    opened, work / "out", wrist_middle_mcp_mm=90.0, limit_s=0.02,
                    selection=pairing.Selection(count=2),
                )  # fmt: skip
        finally:
            shutil.rmtree(work / "out", ignore_errors=True)

    return call


def bag_case(work: Path) -> Case:
    """A RealSense bag."""
    import camera_writers as cameras

    shots = [
        cameras.shots((0.0, 0.03), picture)
        for picture in (cameras.colour_picture, cameras.depth_picture)
    ]
    cameras.write_realsense(work / "valid.bag", shots, model="Brown Conrady", d=(0.1,) * 5)
    content = (work / "valid.bag").read_bytes()
    return Case(
        ".bag", _imported(work), [content],
        bombs={
            "huge": content.replace(struct.pack("<II", 48, 64), struct.pack("<II", SIDE, SIDE)),
            "no index": content[:60], "empty": b"",
        },
    )  # fmt: skip


def record3d_case(work: Path) -> Case:
    """A recording of Record3D, whose metadata are exchanged."""
    import camera_writers as cameras
    import lzfse

    colour = [cameras.colour_picture(n) for n in range(2)]
    depth = [np.full((24, 32), 0.5 + n, np.float32) for n in range(2)]
    numbers = [[60.0, 60.0, 31.5, 23.5]] * 2
    cameras.write_record3d(
        work / "valid.r3d", colour, depth, frameTimestamps=[0.0, 0.1],
        perFrameIntrinsicCoeffs=numbers,
    )  # fmt: skip
    content = (work / "valid.r3d").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def dump(value: Any) -> bytes:
        return zipped({**members, "metadata": json.dumps(value, default=str).encode()})

    block = lzfse.compress(bytes(1 << 22)).removesuffix(b"bvx$")
    deep, huge = nested(b"[", b"]", 200_000), resized(members["rgbd/0.jpg"], 65500, 65500)
    return Case(
        ".r3d", _imported(work), [content],
        bombs={
            "zip bomb": zip_bomb("metadata"), "deep": zipped({**members, "metadata": deep}),
            "packed": zipped({**members, "rgbd/0.depth": block * 1000 + b"bvx$"}),
            "large": zipped({**members, "rgbd/0.jpg": huge}),
        },
        value=json.loads(members["metadata"]), dump=dump,
    )  # fmt: skip


ENTRANCES: dict[str, tuple[Callable[[Path], Case], float]] = {
    "yaml": (yaml_case, 1.0), "override": (override_case, 0.7), "recording": (recording_case, 1.0),
    "points": (points_case, 1.0), "freihand": (freihand_case, 0.7), "rhd": (rhd_case, 1.0),
    "mat": (mat_case, 1.0), "hand3d": (hand3d_case, 1.0), "labels": (labels_case, 0.7),
    "image": (image_case, 1.5), "depth": (depth_case, 0.7), "video": (video_case, 1.0),
    "onnx": (onnx_case, 0.7), "tflite": (tflite_case, 1.0), "weights": (weights_case, 0.7),
    "checkpoint": (checkpoint_case, 0.7), "tfrecord": (tfrecord_case, 0.7),
    "report": (report_case, 1.0), "boxes": (boxes_case, 0.7), "bag": (bag_case, 0.7),
    "record3d": (record3d_case, 1.0),
}  # fmt: skip
"""Name -> what makes its case, and its share of the inputs."""


# ------------------------------------------------------------------------------------ running


@dataclass(frozen=True)
class Finding:
    """What one input of an entrance did."""

    entrance: str
    number: int
    what: str


@dataclass
class Result:
    """Counts of an entrance; what is said of valid files that are refused, which none should be."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    findings: list[Finding] = field(default_factory=list)
    refused_valid: list[str] = field(default_factory=list)

    def count(self, entrance: str, number: int, outcome: str, text: str) -> None:
        """Take in what one input did."""
        self.inputs += 1
        self.accepted += outcome == "accepted"
        self.refused += outcome == "refused"
        if outcome == "finding":
            self.findings.append(Finding(entrance, number, text))


def try_input(case: Case, path: Path) -> tuple[str, str]:
    """Outcome ("accepted", "refused" or "finding") and its text for one file."""
    canary = os.environ.get(CANARY)
    start = time.process_time()
    outcome, text = "accepted", ""
    try:
        case.call(path)
    except (*case.refusals, OSError) as error:
        outcome, text = "refused", str(error)
        if not text.strip() or len(text) > 20_000:
            outcome, text = "finding", f"a message of {len(text)} characters: {text[:80]!r}"
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "kerashand/" in frame.filename] or frames
        where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        outcome, text = "finding", f"{type(error).__name__} at {where}: {str(error)[:160]}"
    seconds = time.process_time() - start
    if seconds > MOST_SECONDS:
        outcome, text = "finding", f"{seconds:.0f} s"
    if canary and os.path.exists(canary):
        os.unlink(canary)
        outcome, text = "finding", "code of the file ran"
    return outcome, text


def _peak_bytes() -> int:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def work_through(name: str, seed: int, first: int, count: int) -> None:
    """Try inputs first .. count - 1 of an entrance; a line of JSON for each on standard output."""
    import resource

    for variable in ("OPENCV_LOG_LEVEL", "OPENCV_FFMPEG_LOGLEVEL"):
        os.environ.setdefault(variable, {"OPENCV_LOG_LEVEL": "SILENT"}.get(variable, "-8"))
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    os.environ["KERAS_BACKEND"] = "tensorflow"
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.chdir(work)
        os.environ |= {"KERASHAND_CACHE": str(work / "cache"), CANARY: str(work / "canary")}
        case = ENTRANCES[name][0](work)
        refused = []
        for content in case.valid:
            (work / f"valid{case.suffix}").write_bytes(content)
            outcome, text = try_input(case, work / f"valid{case.suffix}")
            refused += [text] if outcome != "accepted" else []
        print(json.dumps({"ready": name, "refused": refused}), file=out)
        if sys.platform == "linux":
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + HARD_GROWTH,) * 2)
        start_bytes = _peak_bytes()
        for number in range(first, count):
            path = work / f"input{case.suffix}"
            path.write_bytes(make(case, seed, number))
            before = _peak_bytes()
            outcome, text = try_input(case, path)
            grown = _peak_bytes() - start_bytes
            if grown > MOST_GROWTH and before - start_bytes <= MOST_GROWTH:
                outcome, text = "finding", f"{grown / 2**30:.1f} GB of memory ({text[:80]})"
            print(json.dumps({"number": number, "outcome": outcome, "text": text[:300]}), file=out)
            if grown > MOST_GROWTH:
                return  # the next process starts small


def fuzz(name: str, inputs: int, seed: int) -> Result:
    """Try inputs of an entrance in processes of their own."""
    result, number = Result(), 0
    while number < inputs:
        first = number
        command = [sys.executable, __file__, "--work", name, "--seed", str(seed)]
        command += ["--first", str(first), "--inputs", str(inputs)]
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
            )
            ready = False
            for said in _lines_of(process):
                if "ready" in said:
                    ready, result.refused_valid = True, said["refused"]
                    continue
                number = said["number"] + 1
                result.count(name, said["number"], said["outcome"], said["text"])
            process.stdout.close()
            code = process.wait()
            errors.seek(0)
            tail = errors.read()[-300:].decode(errors="replace").strip()
        if not ready or (code == 0 and number == first):
            raise RuntimeError(f"{name} does not start: {tail}")
        if number < inputs and code:
            how = _signal_name(code)
            if how == "SIGKILL":
                how = f"this program after {HANGS_SECONDS:.0f} s without an answer"
            result.count(name, number, "finding", f"the process was ended by {how}: {tail[-120:]}")
            number += 1
    return result


def _lines_of(process: subprocess.Popen) -> Iterator[dict[str, Any]]:
    """What a process writes; it is ended when it says nothing for too long."""
    held, limit = b"", START_SECONDS
    while True:
        if not select.select([process.stdout], [], [], limit)[0]:
            os.killpg(process.pid, signal.SIGKILL)
            return
        read = os.read(process.stdout.fileno(), 1 << 16)
        if not read:
            return
        *lines, held = (held + read).split(b"\n")
        yield from map(json.loads, lines)
        limit = HANGS_SECONDS


def _signal_name(code: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit code {code}"


def keep(findings: Sequence[Finding], seed: int, folder: Path) -> None:
    """Write the inputs of findings."""
    folder.mkdir(parents=True, exist_ok=True)
    by_name = collections.defaultdict(list)
    for finding in findings:
        by_name[finding.entrance].append(finding.number)
    with tempfile.TemporaryDirectory() as work:
        for name, numbers in by_name.items():
            case = ENTRANCES[name][0](Path(work))
            for number in numbers:
                path = folder / f"{name}-{number}{case.suffix}"
                path.write_bytes(make(case, seed, number))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the entrances and print the table; 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000, help="in total (default: 10000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--entrance", nargs="+", choices=ENTRANCES, default=list(ENTRANCES))
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the inputs of findings")
    parser.add_argument("--work", choices=ENTRANCES, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.work:
        work_through(arguments.work, arguments.seed, arguments.first, arguments.inputs)
        return 0
    shares = {name: ENTRANCES[name][1] for name in arguments.entrance}
    print(f"{'entrance':<12}{'inputs':>8}{'accepted':>10}{'refused':>9}{'findings':>10}{'s':>7}")
    total, findings = Result(), []
    begin = time.monotonic()
    for name, share in shares.items():
        start = time.monotonic()
        result = fuzz(name, -int(-arguments.inputs * share // sum(shares.values())), arguments.seed)
        _print_row(name, result, time.monotonic() - start)
        findings += result.findings
        findings += [Finding(name, -1, f"a valid file: {text}") for text in result.refused_valid]
        total.inputs += result.inputs
        total.accepted += result.accepted
        total.refused += result.refused
    total.findings = findings
    _print_row("all", total, time.monotonic() - begin)
    for finding in findings:
        print(f"{finding.entrance} {finding.number}: {finding.what}")
    if arguments.keep and findings:
        keep(findings, arguments.seed, arguments.keep)
    return 1 if findings else 0


def _print_row(name: str, result: Result, seconds: float) -> None:
    print(
        f"{name:<12}{result.inputs:>8}{result.accepted:>10}{result.refused:>9}"
        f"{len(result.findings):>10}{seconds:>7.0f}", flush=True,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
