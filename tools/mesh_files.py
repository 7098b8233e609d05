"""Reads the meshes of other projects: Wavefront OBJ, MakeHuman targets, binary glTF."""

from __future__ import annotations

import gzip
import json
import struct

import numpy as np


def parse_obj(text: str):
    """Vertices in mm [V, 3], quads [F, 4], their texture indices and texture coordinates."""
    vertices, uvs, quads, uv_quads = [], [], [], []
    for line in text.splitlines():
        if line.startswith("v "):
            vertices.append([float(x) for x in line.split()[1:4]])
        elif line.startswith("vt "):
            uvs.append([float(x) for x in line.split()[1:3]])
        elif line.startswith("f "):
            corners = [c.split("/") for c in line.split()[1:]]
            if len(corners) == 4:
                quads.append([int(c[0]) - 1 for c in corners])
                uv_quads.append([int(c[1]) - 1 for c in corners])
    return np.array(vertices) * 100.0, np.array(quads), np.array(uv_quads), np.array(uvs)


def parse_target(data: bytes, num_vertices: int) -> np.ndarray:
    """Offsets in mm [V, 3] of a gzipped MakeHuman target."""
    offsets = np.zeros((num_vertices, 3))
    for line in gzip.decompress(data).decode().splitlines():
        if line and not line.startswith("#"):
            index, *xyz = line.split()
            offsets[int(index)] = [float(x) * 100.0 for x in xyz]
    return offsets


def parse_glb(data: bytes):
    """The JSON document of a binary glTF file and a function that reads accessor `number`."""
    magic, _, _ = struct.unpack_from("<4sII", data)
    if magic != b"glTF":
        raise ValueError(f"the WebXR hand must be a binary glTF. Received magic: {magic!r}")
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    binary = data[20 + length + 8 :]
    types = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
    widths = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}

    def accessor(number: int) -> np.ndarray:
        info = document["accessors"][number]
        view = document["bufferViews"][info["bufferView"]]
        dtype, width = types[info["componentType"]], widths[info["type"]]
        start = view.get("byteOffset", 0) + info.get("byteOffset", 0)
        flat = np.frombuffer(binary, dtype, info["count"] * width, start)
        return flat.reshape(info["count"], width) if width > 1 else flat

    return document, accessor
