"""Small readers of BVH and glTF: where the nodes of their skeletons are in every frame.

Written from the formats, with nothing of the writers.
"""

import base64
import json

import numpy as np

_BYTES = {5121: np.uint8, 5123: np.uint16, 5126: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def about(axis, degrees):
    """Rotations [T, 3, 3] about x, y or z."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    first, second = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}[axis]
    matrix = np.broadcast_to(np.eye(3), (len(degrees), 3, 3)).copy()
    matrix[:, first, first] = matrix[:, second, second] = c
    matrix[:, first, second], matrix[:, second, first] = -s, s
    return matrix


def read_bvh(text):
    """(places by name [T, 3], seconds of a frame); the End Site of NODE is "NODE end"."""
    head, _, motion = text.partition("MOTION\n")
    frames, frame_time, *rows = motion.splitlines()
    rows = np.array([[float(v) for v in row.split()] for row in rows])
    assert int(frames.split()[1]) == len(rows)
    places, turns, stack, name, used = {}, {}, [], None, 0
    for words in (line.split() for line in head.splitlines()[1:]):
        if words[0] in ("ROOT", "JOINT"):
            name = words[1]
            assert name not in places
        elif words[0] == "End":
            name = f"{stack[-1]} end"
        elif words[0] == "{":
            stack.append(name)
        elif words[0] == "}":
            stack.pop()
        elif words[0] == "OFFSET":
            offset = np.array([float(v) for v in words[1:]])
            places[name] = np.tile(offset, (len(rows), 1))
            if len(stack) > 1:
                parent = stack[-2]
                places[name] = places[parent] + turns[parent] @ offset
        elif words[0] == "CHANNELS":
            turn = np.eye(3) if len(stack) == 1 else turns[stack[-2]]
            for channel in words[2:]:
                values, used = rows[:, used], used + 1
                if channel.endswith("position"):
                    places[name][:, "XYZ".index(channel[0])] += values
                else:
                    turn = turn @ about(channel[0], values)
            turns[name] = turn
    assert used == rows.shape[1]
    return places, float(frame_time.split()[2])


def numbers(document, index):
    """The array of an accessor."""
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    data = base64.b64decode(document["buffers"][0]["uri"].partition(";base64,")[2])
    assert len(data) == document["buffers"][0]["byteLength"]
    assert view["byteOffset"] % 4 == 0
    part = data[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    array = np.frombuffer(part, _BYTES[accessor["componentType"]])
    array = array.reshape(accessor["count"], _WIDTHS[accessor["type"]])
    for key, limit in (("min", array.min(axis=0)), ("max", array.max(axis=0))):
        if key in accessor:
            np.testing.assert_array_equal(np.array(accessor[key], array.dtype), limit)
    return array


def matrices(translation, rotation, scale, count):
    """[T, 4, 4] of a node; rotation is [T, 4] (x, y, z, w)."""
    x, y, z, w = np.asarray(rotation, float).T
    matrix = np.zeros((count, 4, 4))
    matrix[:, 0, :3] = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w),
                                 2 * (x * z + y * w)], axis=-1)  # fmt: skip
    matrix[:, 1, :3] = np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z),
                                 2 * (y * z - x * w)], axis=-1)  # fmt: skip
    matrix[:, 2, :3] = np.stack([2 * (x * z - y * w), 2 * (y * z + x * w),
                                 1 - 2 * (x * x + y * y)], axis=-1)  # fmt: skip
    matrix[:, :3, :3] *= np.asarray(scale)[:, None, :]
    matrix[:, :3, 3] = translation
    matrix[:, 3, 3] = 1
    return matrix


def read_gltf(text, skin=0):
    """(document, matrices by node name [T, 4, 4], times [T]) at the key frames of a skin's wrist.

    Scales are as they are between key frames: those of the key before.
    """
    document = json.loads(text)
    nodes = document["nodes"]
    animation = document["animations"][0]
    moves = {
        (channel["target"]["node"], channel["target"]["path"]): animation["samplers"][
            channel["sampler"]
        ]
        for channel in animation["channels"]
    }
    wrist = document["skins"][skin]["skeleton"]
    times = numbers(document, moves[wrist, "rotation"]["input"])[:, 0]
    assert (np.diff(times) > 0).all()
    parents = {
        child: node for node, entry in enumerate(nodes) for child in entry.get("children", [])
    }
    world = {}

    def value(node, path, default):
        if (node, path) not in moves:
            return np.tile(np.asarray(nodes[node].get(path, default), float), (len(times), 1))
        sampler = moves[node, path]
        keys, values = (numbers(document, sampler[name]) for name in ("input", "output"))
        if sampler["interpolation"] == "STEP":
            return values[np.searchsorted(keys[:, 0], times, side="right") - 1]
        np.testing.assert_array_equal(keys[:, 0], times)
        return values

    def place(node):
        if node not in world:
            own = matrices(
                value(node, "translation", [0, 0, 0]), value(node, "rotation", [0, 0, 0, 1]),
                value(node, "scale", [1, 1, 1]), len(times),
            )  # fmt: skip
            world[node] = place(parents[node]) @ own if node in parents else own
        return world[node]

    joints = document["skins"][skin]["joints"]
    return document, {nodes[node]["name"]: place(node) for node in joints}, times
