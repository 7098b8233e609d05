"""Entrances of the fuzzer that read data sets: recordings, labels, photographs and shards."""

from __future__ import annotations

import copy
import io
import json
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_bombs import npz, npz_bombs, pickle_bombs, png, resized
from fuzz_inputs import SIDE, Case, nested
from fuzz_texts import yaml_case

from kerashand.errors import UserError

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


def hand_points(rng: np.random.Generator, frames: int = 6) -> list[dict]:
    """Hands with palms of 92 mm, half a metre before the camera of `RECORDING`."""
    joints = [(0.0, 0.0)] + [(x, y - far) for x, y in FINGERS for far in (0.0, 0.45, 0.7, 0.9)]
    uv = np.array(joints) * (92.0 * 60.0 / 500.0) + [30.0, 35.0]
    return [
        {"frame": f"{n:03d}", "handedness": ("left", "right")[n % 2],
         "uv_px": (uv + rng.uniform(-1.0, 1.0, (21, 2))).round(1).tolist()}
        for n in range(frames)
    ]  # fmt: skip


def small_recording(work: Path, *, frames: int = 6) -> Path:
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
    (folder / "points.jsonl").write_text("\n".join(map(json.dumps, hand_points(rng, frames))))
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

    folder = small_recording(work)
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

    folder = small_recording(work)
    points = hand_points(np.random.default_rng(1))
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


def labels_case(work: Path) -> Case:
    """labels.npz of a folder of photographs."""
    from kerashand.data.kinds.photos import load_labels

    folder = work / "photos"
    folder.mkdir(exist_ok=True)

    def call(path: Path) -> None:
        path.replace(folder / "labels.npz")
        load_labels(str(folder))

    uv = np.array([row["uv_px"] for row in hand_points(np.random.default_rng(0), 2)], np.float32)
    arrays = {
        "name": np.array(["a.jpg", "b.jpg"]), "uv_px": uv,
        "uv_weight": np.ones((2, 21), np.float32), "is_right": np.array([True, False]),
        "split": np.array(["train", "test"]),
    }  # fmt: skip
    return Case(
        ".npz", call, [npz(arrays)], bombs=npz_bombs("name", arrays), value=arrays, dump=npz
    )


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
        f"length {length}": struct.pack("<Q", length) + masked_crc(struct.pack("<Q", length))
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


def masked_crc(content: bytes) -> bytes:
    """CRC-32C as TFRecord masks it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)
