"""The rendered hand: mesh, kinematic chain, skinning.

Both meshes share one rig (built by `tools/build_hand_assets.py`): a right hand in millimetres,
wrist at the origin, y from wrist to middle MCP, z out of the back of the hand, x to the little
finger. Seventeen bones: forearm, hand, three per finger from the palm to the tip.

Angles are anatomical and the same for both meshes: a flexion of 0 is a straight finger, whatever
the pose in which the mesh was modelled.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from importlib import resources

import numpy as np

from kerashand.synthetic.render import vertex_normals

NUM_FINGERS = 5
FOREARM, HAND = 0, 1
# Columns of `finger_rad` [5, 4]: abduction, then flexion of the three joints from the palm on
# (thumb: CMC, MCP, IP; fingers: MCP, PIP, DIP).
ABDUCTION, FLEX_1, FLEX_2, FLEX_3 = range(4)


@dataclass(frozen=True)
class HandMesh:
    """A hand in its rest pose; see the module's first lines for the frame.

    Attributes:
        vertices_mm: [V, 3].
        faces: [F, 3], counter-clockwise seen from outside.
        weight_bones, weight_values: [V, 4] skinning; unused entries have weight 0.
        joints_mm: [21, 3].
        flexion_axes: [5, 3] unit axes; a positive turn bends the finger to the palm.
        nails: [V] 0..1.
        shape_vertices_mm, shape_joints_mm: [C, V, 3], [C, 21, 3], one standard deviation each.
    """

    name: str
    vertices_mm: np.ndarray
    faces: np.ndarray
    weight_bones: np.ndarray
    weight_values: np.ndarray
    joints_mm: np.ndarray
    flexion_axes: np.ndarray
    nails: np.ndarray
    shape_vertices_mm: np.ndarray
    shape_joints_mm: np.ndarray

    @functools.cached_property
    def weight_matrix(self) -> np.ndarray:
        """Skinning weights [V, 17]."""
        matrix = np.zeros((len(self.vertices_mm), 17))
        np.put_along_axis(matrix, self.weight_bones, self.weight_values, axis=1)
        return matrix

    @functools.cached_property
    def rest_normals(self) -> np.ndarray:
        """Unit normals [V, 3] of the rest pose."""
        return vertex_normals(self.vertices_mm, self.faces)

    @functools.cached_property
    def rest_finger_rad(self) -> np.ndarray:
        """Flexion [5, 4] of the modelled pose; abduction is counted from it, so 0 there."""
        angles = np.zeros((NUM_FINGERS, 4))
        for finger in range(NUM_FINGERS):
            axis = self.flexion_axes[finger]
            chain = self.joints_mm[[0, *range(4 * finger + 1, 4 * finger + 5)]]
            segments = np.diff(chain, axis=0)
            segments[0] = (0.0, 1.0, 0.0)
            # The base of the thumb has no straight pose: it is counted from the modelled one.
            first = 1 if finger == 0 else 0
            for k in range(first, 3):
                angles[finger, 1 + k] = _signed_angle(segments[k], segments[k + 1], axis)
        return angles


def _signed_angle(a: np.ndarray, b: np.ndarray, axis: np.ndarray) -> float:
    a = a - np.dot(a, axis) * axis
    b = b - np.dot(b, axis) * axis
    return float(np.arctan2(np.dot(np.cross(a, b), axis), np.dot(a, b)))


@functools.cache
def load_hand(name: str) -> HandMesh:
    """Load "makehuman" or "webxr" from the package's assets."""
    path = resources.files("kerashand") / "assets" / f"{name}_hand.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
        arrays = {
            key: data[key].astype(np.float64 if data[key].dtype.kind == "f" else np.int64)
            for key in data.files
        }
    return HandMesh(name=name, **arrays)


TIP_DEPTH_MM = 4.0


@functools.cache
def load_hand_with_anatomical_tips(name: str) -> HandMesh:
    """As `load_hand`, with every finger tip `TIP_DEPTH_MM` inside the end of its skin.

    Where people mark them in photographs; the WebXR mesh has its tips about 10 mm further back.
    """
    mesh = load_hand(name)
    joints = mesh.joints_mm.copy()
    for finger in range(NUM_FINGERS):
        base, tip = joints[4 * finger + 3], joints[4 * finger + 4]
        direction = (tip - base) / np.linalg.norm(tip - base)
        skin_of_tip = mesh.vertices_mm[mesh.weight_matrix[:, 4 + 3 * finger] > 0.6]
        reach = ((skin_of_tip - base) @ direction).max() - TIP_DEPTH_MM
        joints[4 * finger + 4] = base + reach * direction
    return dataclasses.replace(mesh, joints_mm=joints)


def rotation_about(axis: np.ndarray, angle_rad: np.ndarray | float) -> np.ndarray:
    """Rodrigues: rotations [..., 3, 3] about a unit axis [3]."""
    x, y, z = axis
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = np.asarray(angle_rad)[..., None, None]
    return np.eye(3) + np.sin(angle) * skew + (1.0 - np.cos(angle)) * (skew @ skew)


def turned(angles_rad: np.ndarray) -> np.ndarray:
    """Rotation by pitch (x), yaw (y), roll (z) of a hand held up before the camera."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles_rad), np.sin(angles_rad)
    pitch = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    roll = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return roll @ pitch @ yaw


def bone_rotations(mesh: HandMesh, finger_rad: np.ndarray, wrist_rad: np.ndarray) -> np.ndarray:
    """Rotations [N, 17, 3, 3] of the bones in the hand's frame.

    Args:
        mesh: the hand.
        finger_rad: [N, 5, 4] abduction and three flexions a finger.
        wrist_rad: [N, 2] flexion and deviation of the wrist; the forearm moves, the hand stays.
    """
    count = len(finger_rad)
    rotations = np.broadcast_to(np.eye(3), (count, 17, 3, 3)).copy()
    bend = rotation_about(np.array([1.0, 0.0, 0.0]), wrist_rad[:, 0])
    rotations[:, FOREARM] = bend @ rotation_about(np.array([0.0, 0.0, 1.0]), wrist_rad[:, 1])
    turn = finger_rad - mesh.rest_finger_rad
    for finger in range(NUM_FINGERS):
        axis = mesh.flexion_axes[finger]
        direction = mesh.joints_mm[4 * finger + 4] - mesh.joints_mm[4 * finger + 1]
        dorsal = np.cross(direction, axis)
        dorsal /= np.linalg.norm(dorsal)
        rotation = rotation_about(dorsal, turn[:, finger, ABDUCTION])
        for k in range(3):
            rotation = rotation @ rotation_about(axis, turn[:, finger, FLEX_1 + k])
            rotations[:, 2 + 3 * finger + k] = rotation
    return rotations


def pose_joints(joints_mm: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Forward kinematics: rest joints [21, 3] and bone rotations [N, 17, 3, 3] to [N, 21, 3]."""
    posed = np.zeros((len(rotations), 21, 3))
    for finger in range(NUM_FINGERS):
        posed[:, 4 * finger + 1] = joints_mm[4 * finger + 1]
        for k in range(3):
            joint = 4 * finger + 1 + k
            segment = joints_mm[joint + 1] - joints_mm[joint]
            posed[:, joint + 1] = posed[:, joint] + rotations[:, 2 + 3 * finger + k] @ segment
    return posed


def skin(
    mesh: HandMesh,
    vertices_mm: np.ndarray,
    joints_mm: np.ndarray,
    *,
    posed_joints_mm: np.ndarray,
    rotations: np.ndarray,
) -> np.ndarray:
    """Linear blend skinning of one pose: [V, 3]; `rotations` is [17, 3, 3]."""
    pivots = np.array([0, 0, *(4 * f + 1 + k for f in range(NUM_FINGERS) for k in range(3))])
    offsets = posed_joints_mm[pivots] - np.einsum("bij,bj->bi", rotations, joints_mm[pivots])
    transforms = np.concatenate([rotations, offsets[:, :, None]], axis=2).reshape(17, 12)
    blended = mesh.weight_matrix @ transforms
    blended = blended.reshape(-1, 3, 4)
    return np.einsum("vij,vj->vi", blended[:, :, :3], vertices_mm) + blended[:, :, 3]


# --------------------------------------------------------------------------- shape and poses


def hand_length(joints_mm: np.ndarray) -> np.ndarray:
    """Wrist to middle tip along the bones, in mm: joints [..., 21, 3] to [...]."""
    chain = joints_mm[..., [0, 9, 10, 11, 12], :]
    return np.linalg.norm(np.diff(chain, axis=-2), axis=-1).sum(axis=-1)


def sample_shape(
    mesh: HandMesh, rng: np.random.Generator, *, length_mm: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints of a random hand in rest pose, wrist to middle tip in `length_mm`."""
    vertices, joints = mesh.vertices_mm, mesh.joints_mm
    count = len(mesh.shape_vertices_mm)
    if count:
        weights = np.clip(rng.normal(size=count), -2.0, 2.0)
        vertices = vertices + np.tensordot(weights, mesh.shape_vertices_mm, axes=1)
        joints = joints + np.tensordot(weights, mesh.shape_joints_mm, axes=1)
    size = rng.uniform(*length_mm) / hand_length(joints)
    # Broader or slimmer, thicker or thinner hands of the same length.
    scale = size * np.array([rng.uniform(0.93, 1.07), 1.0, rng.uniform(0.92, 1.08)])
    return vertices * scale, joints * scale


def vary_fingers(
    mesh: HandMesh,
    vertices_mm: np.ndarray,
    joints_mm: np.ndarray,
    *,
    rng: np.random.Generator,
    deviation: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Longer or shorter fingers than the palm tells: all alike, and each by half as much again.

    Args:
        mesh: whose skinning weights say what belongs to a finger.
        vertices_mm: [V, 3] of the rest pose.
        joints_mm: [21, 3] of the rest pose.
        rng: generator.
        deviation: standard deviation of the factor all fingers share; cut at two of them.
    """
    vertices, joints = vertices_mm.copy(), joints_mm.copy()
    common = np.clip(rng.normal(), -2.0, 2.0)
    own = 0.5 * np.clip(rng.normal(size=NUM_FINGERS), -2.0, 2.0)
    for finger in range(NUM_FINGERS):
        base, tip = joints_mm[4 * finger + 1], joints_mm[4 * finger + 4]
        along = (tip - base) / np.linalg.norm(tip - base)
        stretch = deviation * (common + own[finger]) * np.outer(along, along)
        share = mesh.weight_matrix[:, 2 + 3 * finger : 5 + 3 * finger].sum(axis=1)
        vertices += share[:, None] * ((vertices_mm - base) @ stretch)
        chain = slice(4 * finger + 2, 4 * finger + 5)
        joints[chain] += (joints_mm[chain] - base) @ stretch
    return vertices, joints
