"""glTF 2.0: skeletons with an animation and a body of octahedra, as one JSON file.

Blender and three.js read it; Unity and Unreal have importers. The numbers lie in the file itself
(base64). Every hand is a skin of its own under a node with its name. Times are those of the film.
While a hand is not there its node has the scale 0.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand import __version__
from kerashand.animation.armature import Armature, armature_of
from kerashand.animation.motion import Film, HandMotion
from kerashand.geometry.joint_angles import quaternion_of

Floats = NDArray[np.float64]
UNSIGNED_BYTE, UNSIGNED_SHORT, FLOAT = 5121, 5123, 5126
VERTICES, INDICES = 34962, 34963
KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_TYPES = {UNSIGNED_BYTE: np.uint8, UNSIGNED_SHORT: np.uint16, FLOAT: np.float32}
THICKNESS, WAIST = 0.1, 0.15
"""Of a drawn bone: half its width, and where it is widest, as shares of its length."""
COLOUR = [0.8, 0.6, 0.5, 1.0]


def gltf_text(film: Film) -> str:
    """The hands of a film as the text of a .gltf file."""
    return _Document(film).text()


class _Document:
    """Collects nodes, numbers and channels, hand by hand."""

    def __init__(self, film: Film):
        self.film = film
        self.data = bytearray()
        self.scene: list[int] = []
        self.lists: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("nodes", "meshes", "skins", "accessors", "bufferViews")
        }
        self.channels: list[dict[str, Any]] = []
        self.samplers: list[dict[str, Any]] = []
        for motion in film.hands:
            self._hand(motion)

    def text(self) -> str:
        """The whole file."""
        document: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": f"kerashand {__version__}"},
            "scene": 0,
            "scenes": [{"name": "hands", **({"nodes": self.scene} if self.scene else {})}],
        }
        if self.film.hands:  # the format has no empty lists
            colour = {"baseColorFactor": COLOUR, "metallicFactor": 0.0, "roughnessFactor": 0.8}
            uri = "data:application/octet-stream;base64," + base64.b64encode(self.data).decode()
            document |= self.lists
            document["materials"] = [{"name": "hand", "pbrMetallicRoughness": colour}]
            document["animations"] = [
                {"name": "hands", "channels": self.channels, "samplers": self.samplers}
            ]
            document["buffers"] = [{"byteLength": len(self.data), "uri": uri}]
        return json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n"

    def _hand(self, motion: HandMotion) -> None:
        armature = armature_of(motion)
        top = self._add("nodes", {"name": motion.name, "children": [len(self.lists["nodes"]) + 1]})
        first = top + 1
        for node, name in enumerate(armature.names):
            children = [first + child for child, of in enumerate(armature.parents) if of == node]
            translation = [float(value) for value in armature.offsets_m[node]]
            entry: dict[str, Any] = {"name": name, "translation": translation}
            self._add("nodes", entry | ({"children": children} if children else {}))
        places = _rest_places(armature)
        mesh = self._mesh(motion.name, armature, places)
        body = {"name": f"{motion.name}_body", "mesh": mesh, "skin": self._skin(first, places)}
        self.scene += [top, self._add("nodes", body)]
        self._animate(motion, armature, top)

    def _skin(self, first: int, places: Floats) -> int:
        inverse = np.tile(np.eye(4), (len(places), 1, 1))
        inverse[:, :3, 3] = -places
        columns = np.swapaxes(inverse, 1, 2).reshape(-1, 16)  # glTF writes matrices by columns
        joints = list(range(first, first + len(places)))
        matrices = self._numbers(columns, FLOAT)
        entry = {"skeleton": first, "joints": joints, "inverseBindMatrices": matrices}
        return self._add("skins", entry)

    def _mesh(self, name: str, armature: Armature, places: Floats) -> int:
        """An octahedron for each bone, moved by the node in which the bone begins."""
        corners: list[Floats] = []
        owners: list[list[int]] = []
        triangles: list[NDArray] = []
        for node, parent in enumerate(armature.parents):
            if parent < 0 or not np.linalg.norm(armature.offsets_m[node]) > 1e-6:
                continue
            triangles.append(_FACES + 6 * len(corners))
            corners.append(_octahedron(places[parent], places[node]))
            owners += [[parent, 0, 0, 0]] * 6
        weights = np.tile([1.0, 0.0, 0.0, 0.0], (len(owners), 1))
        attributes = {
            "POSITION": self._numbers(np.concatenate(corners), FLOAT, VERTICES, bounds=True),
            "JOINTS_0": self._numbers(owners, UNSIGNED_BYTE, VERTICES),
            "WEIGHTS_0": self._numbers(weights, FLOAT, VERTICES),
        }
        indices = self._numbers(np.concatenate(triangles).reshape(-1), UNSIGNED_SHORT, INDICES)
        primitive = {"attributes": attributes, "indices": indices, "material": 0}
        return self._add("meshes", {"name": name, "primitives": [primitive]})

    def _animate(self, motion: HandMotion, armature: Armature, top: int) -> None:
        film_s = self.film.times_s - self.film.times_s[0]
        times = self._numbers(film_s[motion.frames], FLOAT, bounds=True)
        self._channel(top + 1, "translation", times=times, values=armature.wrist_m)
        for node in sorted(set(armature.parents) - {-1}):
            quaternions = _without_jumps(quaternion_of(armature.rotations[:, node]))
            self._channel(
                top + 1 + node, "rotation", times=times, values=quaternions[:, [1, 2, 3, 0]]
            )
        keys = motion.shown(len(film_s))
        if len(keys) > 1:
            steps = self._numbers(film_s[[frame for frame, _ in keys]], FLOAT, bounds=True)
            scales = np.array([[float(there)] * 3 for _, there in keys])
            self._channel(top, "scale", times=steps, values=scales, interpolation="STEP")

    def _channel(
        self, node: int, path: str, *, times: int, values: Floats, interpolation: str = "LINEAR"
    ) -> None:
        output = self._numbers(values, FLOAT)
        sampler = {"input": times, "output": output, "interpolation": interpolation}
        self.channels.append(
            {"sampler": len(self.samplers), "target": {"node": node, "path": path}}
        )
        self.samplers.append(sampler)

    def _numbers(
        self, values: ArrayLike, kind: int, target: int | None = None, *, bounds: bool = False
    ) -> int:
        """Put an array [N] or [N, C] into the buffer; the number of its accessor."""
        array = np.ascontiguousarray(values, _TYPES[kind])
        table = array.reshape(len(array), -1)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": array.nbytes}
        self.data += array.astype(array.dtype.newbyteorder("<")).tobytes()
        self.data += bytes(-len(self.data) % 4)
        entry: dict[str, Any] = {
            "bufferView": self._add("bufferViews", view | ({"target": target} if target else {})),
            "componentType": kind, "count": len(table), "type": KINDS[table.shape[1]],
        }  # fmt: skip
        if bounds:
            entry |= {"min": table.min(axis=0).tolist(), "max": table.max(axis=0).tolist()}
        return self._add("accessors", entry)

    def _add(self, name: str, entry: dict[str, Any]) -> int:
        self.lists[name].append(entry)
        return len(self.lists[name]) - 1


def _rest_places(armature: Armature) -> Floats:
    """Where the nodes [26, 3] are in the rest pose, in which nothing is turned."""
    places = armature.offsets_m.copy()
    for node, parent in enumerate(armature.parents):
        if parent >= 0:
            places[node] += places[parent]
    return places


# Of an octahedron: base 0, waist 1 to 4 counter-clockwise as seen from the tip, tip 5.
_FACES = np.array([f for k in range(4) for f in ([0, 1 + (k + 1) % 4, 1 + k],
                                                 [5, 1 + k, 1 + (k + 1) % 4])])  # fmt: skip


def _octahedron(base: Floats, tip: Floats) -> Floats:
    """Six corners [6, 3] of the body of a bone."""
    bone = tip - base
    aside = np.cross(bone, np.eye(3)[np.abs(bone).argmin()])
    aside *= np.linalg.norm(bone) / np.linalg.norm(aside)
    other = np.cross(bone, aside) / np.linalg.norm(bone)
    waist = base + WAIST * bone
    ring = [waist + THICKNESS * one for one in (aside, other, -aside, -other)]
    return np.stack([base, *ring, tip])


def _without_jumps(quaternions: Floats) -> Floats:
    """Quaternions [T, 4] with signs by which each lies next to the one before."""
    turned = np.sign((quaternions[1:] * quaternions[:-1]).sum(axis=1))
    signs = np.cumprod(np.concatenate([[1.0], np.where(turned < 0, -1.0, 1.0)]))
    return quaternions * signs[:, None]
