"""Entrances of the fuzzer that read pictures, films and files of RGB-D cameras."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_bombs import picture_bombs, pictures_of, png, resized, zip_bomb, zipped
from fuzz_data_sets import small_recording
from fuzz_inputs import CANARY, SIDE, Case, nested

from kerashand.errors import UserError


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

    folder = small_recording(work)
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
    import bag_writers
    import camera_writers as cameras

    shots = [
        bag_writers.shots((0.0, 0.03), picture)
        for picture in (cameras.colour_picture, cameras.depth_picture)
    ]
    bag_writers.write_realsense(work / "valid.bag", shots, model="Brown Conrady", d=(0.1,) * 5)
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
