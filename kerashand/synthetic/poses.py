"""Random poses of the rendered hand: inside joint limits, and no finger passes through another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerashand.synthetic.hand import (
    ABDUCTION,
    FLEX_1,
    FLEX_2,
    FLEX_3,
    NUM_FINGERS,
    HandMesh,
    bone_rotations,
    hand_length,
    pose_joints,
)


@dataclass(frozen=True)
class PoseRange:
    """How poses of a domain are drawn (degrees).

    `wide` mixes any curls, else gestures. With `apart` the joints of a finger bend apart from each
    other, folded fingers close to the palm and the thumb goes across it; without, knuckle and
    middle joint share a curl.
    """

    wide: bool
    noise_deg: float
    apart: bool = False


def sample_angles(
    pose_range: PoseRange, rng: np.random.Generator, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Random finger angles [N, 5, 4] and wrist angles [N, 2] in radians, inside joint limits."""
    curl = _wide_curls(rng, count) if pose_range.wide else _gesture_curls(rng, count)
    noise = rng.normal(0.0, pose_range.noise_deg, (count, NUM_FINGERS, 4))
    angles = np.zeros((count, NUM_FINGERS, 4))
    # Curl 0 is straight, 1 a fist.
    if pose_range.apart:
        chosen = rng.random((count, 1)) < EACH_ITS_OWN
        curl = np.where(chosen, _folded_or_straight(rng, count), curl)
        angles[:, :, FLEX_1:] = _flexions_apart(rng, curl)
    else:  # Knuckle and middle joint share it unequally.
        share = rng.uniform(0.6, 1.0, (count, NUM_FINGERS, 2))
        angles[:, :, FLEX_1] = curl * 85.0 * share[..., 0]
        angles[:, :, FLEX_2] = curl * 105.0 * share[..., 1]
        angles[:, :, FLEX_3] = 0.65 * angles[:, :, FLEX_2]
    spread = rng.normal(0.0, 1.0, (count, 1))
    fan = np.array([0.0, -4.0, 0.0, 4.0, 8.0])
    angles[:, :, ABDUCTION] = spread * fan * (1.0 - 0.8 * curl)
    angles += noise * np.array([0.5, 1.0, 1.0, 0.7])
    angles = np.clip(angles, FINGER_MIN_DEG, FINGER_MAX_DEG)
    # Tendons tie neighbours together: outwards from the middle finger, knuckles follow.
    for finger, neighbour, apart_deg in TENDONS_APART if pose_range.apart else TENDONS:
        middle = angles[:, neighbour, FLEX_1]
        angles[:, finger, FLEX_1] = np.clip(
            angles[:, finger, FLEX_1], middle - apart_deg, middle + apart_deg
        )
    reach = ACROSS_THE_PALM if pose_range.apart else WITH_FINGERS
    angles[:, 0] = _thumb(rng, curl[:, 0], noise_deg=pose_range.noise_deg, reach=reach)
    limit = 40.0 if pose_range.wide else 20.0
    wrist = np.clip(rng.normal(0.0, limit / 2, (count, 2)), -limit, limit) * [1.0, 0.5]
    return np.deg2rad(angles), np.deg2rad(wrist)


TENDONS = ((1, 2, 65.0), (3, 2, 45.0), (4, 3, 45.0))
"""Finger, neighbour, and the most by which their knuckles bend apart (degrees)."""
TENDONS_APART = ((1, 2, 90.0), (3, 2, 60.0), (4, 3, 75.0))
"""As `TENDONS` where fingers are shown one by one: an index or a little finger alone stands out."""

# Active ranges of motion of a healthy adult, rounded: abduction, MCP, PIP, DIP.
FINGER_MIN_DEG = np.array([-14.0, -20.0, -3.0, -5.0])
FINGER_MAX_DEG = np.array([14.0, 90.0, 108.0, 75.0])
THUMB_MIN_DEG = np.array([-22.0, -18.0, -8.0, -15.0])
THUMB_MAX_DEG = np.array([22.0, 26.0, 50.0, 72.0])
THUMB_APART_MIN_DEG = np.array([-28.0, -18.0, -10.0, -20.0])
THUMB_APART_MAX_DEG = np.array([28.0, 40.0, 52.0, 76.0])


@dataclass(frozen=True)
class _ThumbReach:
    """How a thumb follows its curl (degrees), and the share of thumbs that go anywhere.

    `curled` is what a curl of 1 adds to the `straight` flexions, the last two of them by a random
    share of at least `least`.
    """

    abduction: float
    straight: tuple[float, float, float]
    curled: tuple[float, float, float]
    least: tuple[float, float]
    low: np.ndarray
    high: np.ndarray
    anywhere: float


WITH_FINGERS = _ThumbReach(
    abduction=20.0, straight=(-14.0, 5.0, 0.0), curled=(36.0, 38.0, 60.0), least=(0.5, 0.2),
    low=THUMB_MIN_DEG, high=THUMB_MAX_DEG, anywhere=0.0,
)  # fmt: skip
ACROSS_THE_PALM = _ThumbReach(
    abduction=24.0, straight=(-14.0, 5.0, -5.0), curled=(46.0, 42.0, 70.0), least=(0.4, 0.1),
    low=THUMB_APART_MIN_DEG, high=THUMB_APART_MAX_DEG, anywhere=1 / 3,
)  # fmt: skip


def _thumb(
    rng: np.random.Generator, curl: np.ndarray, *, noise_deg: float, reach: _ThumbReach
) -> np.ndarray:
    """Angles [N, 4] of thumbs with curls [N]."""
    count = len(curl)
    angles = np.zeros((count, 4))
    angles[:, ABDUCTION] = rng.uniform(-reach.abduction, reach.abduction, count)
    first, second, third = reach.straight
    angles[:, FLEX_1] = first + reach.curled[0] * curl
    angles[:, FLEX_2] = second + reach.curled[1] * curl * rng.uniform(reach.least[0], 1.0, count)
    angles[:, FLEX_3] = third + reach.curled[2] * curl * rng.uniform(reach.least[1], 1.0, count)
    if reach.anywhere:
        anywhere = rng.uniform(reach.low, reach.high, (count, 4))
        angles = np.where(rng.random((count, 1)) < reach.anywhere, anywhere, angles)
    angles += rng.normal(0.0, 0.7 * noise_deg, (count, 4))
    return np.clip(angles, reach.low, reach.high)


UNEQUAL = 0.25
"""Share of hands whose knuckles and middle joints bend unequally."""


def _flexions_apart(rng: np.random.Generator, curl: np.ndarray) -> np.ndarray:
    """Flexions [N, 5, 3] of curls [N, 5]: straight fingers on bent knuckles, hooks, tight fists."""
    shape = (len(curl), 1)
    knuckle, middle = rng.uniform(62.0, 94.0, shape), rng.uniform(92.0, 114.0, shape)
    end = rng.uniform(0.3, 0.8, shape) + rng.normal(0.0, 0.08, curl.shape)
    # How much more of the curl is the knuckle's (above 0) or the middle joint's.
    unequal = rng.random(shape) < UNEQUAL
    balance = np.where(unequal, rng.uniform(-0.8, 0.8, shape), rng.normal(0.0, 0.12, shape))
    balance = balance + rng.normal(0.0, 0.1, curl.shape) * (0.3 + 0.7 * curl)
    flexions = np.zeros((*curl.shape, 3))
    flexions[..., 0] = np.clip(curl + balance, 0.0, 1.0) * knuckle
    flexions[..., 1] = np.clip(curl - balance, 0.0, 1.0) * middle
    flexions[..., 2] = end * flexions[..., 1]
    return flexions


def _wide_curls(rng: np.random.Generator, count: int) -> np.ndarray:
    """Curl [N, 5]: fingers partly together, partly each on its own."""
    common = rng.beta(0.8, 1.1, (count, 1))
    own = rng.beta(0.7, 0.9, (count, NUM_FINGERS))
    together = rng.uniform(0.0, 1.0, (count, 1))
    return together * common + (1.0 - together) * own


EACH_ITS_OWN = 0.35
"""Share of hands with `apart` of which every finger is either straight or folded."""


def _folded_or_straight(rng: np.random.Generator, count: int) -> np.ndarray:
    """Curl [N, 5]: thumbs-up, fists, one finger, any others; each finger without its neighbours."""
    folded = rng.random((count, NUM_FINGERS)) < rng.uniform(0.2, 1.0, (count, 1))
    off = np.abs(rng.normal(0.0, 0.1, (count, NUM_FINGERS)))
    return np.clip(np.where(folded, 1.0 - off, off), 0.0, 1.0)


# Curl of thumb, index, middle, ring, little in gestures that people show to a camera.
GESTURES = np.array(
    [
        [0.05, 0.0, 0.0, 0.0, 0.0],  # open hand
        [0.3, 0.25, 0.3, 0.35, 0.4],  # relaxed
        [0.8, 0.95, 0.95, 0.95, 0.95],  # fist
        [0.7, 0.0, 0.95, 0.95, 0.95],  # pointing, one
        [0.7, 0.0, 0.0, 0.95, 0.95],  # two
        [0.7, 0.0, 0.0, 0.0, 0.95],  # three
        [0.8, 0.0, 0.0, 0.0, 0.0],  # four
        [0.0, 0.95, 0.95, 0.95, 0.95],  # thumb up
        [0.45, 0.5, 0.1, 0.1, 0.1],  # ring of thumb and index
        [0.1, 0.95, 0.95, 0.95, 0.05],  # thumb and little finger
        [0.4, 0.5, 0.5, 0.5, 0.5],  # grasp
    ]
)


def _gesture_curls(rng: np.random.Generator, count: int) -> np.ndarray:
    """Curl [N, 5]: on the way from one gesture to another, as in a video."""
    first, second = rng.integers(len(GESTURES), size=(2, count))
    part = rng.beta(0.4, 0.4, (count, 1))
    curl = GESTURES[first] * (1 - part) + GESTURES[second] * part
    return np.clip(curl + rng.normal(0.0, 0.05, curl.shape), 0.0, 1.0)


# --------------------------------------------------------------------------- self-collision

SPHERES_PER_BONE = 4
# Radii at the base and the tip of a finger and of the palm, as a share of the hand's length.
FINGER_RADIUS, TIP_RADIUS, PALM_RADIUS = 0.046, 0.036, 0.055
# Soft tissue gives way: spheres may overlap by this share before a pose is refused.
OVERLAP = 0.25


def collides(joints_mm: np.ndarray) -> np.ndarray:
    """Which poses [N, 21, 3] pass a finger through another finger or the palm: bool [N]."""
    length = hand_length(joints_mm)
    part = (np.arange(SPHERES_PER_BONE) + 0.5)[:, None] / SPHERES_PER_BONE
    spheres, radius, group, place = [], [], [], []
    for finger in range(NUM_FINGERS):
        first = 4 * finger + 1
        for k in range(3):
            a, b = joints_mm[:, None, first + k], joints_mm[:, None, first + k + 1]
            spheres.append(a + (b - a) * part)
            radius += [FINGER_RADIUS + (TIP_RADIUS - FINGER_RADIUS) * k / 2.0] * SPHERES_PER_BONE
            group += [finger] * SPHERES_PER_BONE
            place += [k] * SPHERES_PER_BONE
    for finger in range(1, NUM_FINGERS):
        a, b = joints_mm[:, None, 0], joints_mm[:, None, 4 * finger + 1]
        spheres.append(a + (b - a) * (0.2 + 0.6 * part))
        radius += [PALM_RADIUS] * SPHERES_PER_BONE
        group += [NUM_FINGERS] * SPHERES_PER_BONE
        place += [-1] * SPHERES_PER_BONE
    centres, radii = np.concatenate(spheres, axis=1), np.array(radius)
    checked = _checked_pairs(np.array(group), np.array(place))
    i, j = np.nonzero(np.triu(checked))
    distance = np.linalg.norm(centres[:, i] - centres[:, j], axis=2)
    reach = (radii[i] + radii[j])[None] * length[:, None] * (1.0 - OVERLAP)
    return (distance < reach).any(axis=1)


def _checked_pairs(groups: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Pairs of spheres that must stay apart: different fingers beyond the knuckle, tip and palm."""
    fingers = (groups[:, None] != groups) & (groups[:, None] < 5) & (groups < 5)
    # Neighbouring knuckles touch in every hand.
    fingers &= ~((order[:, None] == 0) & (order == 0))
    fingers &= ~((np.abs(groups[:, None] - groups) == 1) & (order[:, None] + order == 1))
    palm = (groups[:, None] == 5) & (order >= 1) & (groups < 5) & ~((groups == 0) & (order < 2))
    return fingers | palm | palm.T


def sample_pose(
    mesh: HandMesh,
    joints_mm: np.ndarray,
    pose_range: PoseRange,
    *,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """A pose without self-collision: joints [21, 3] and bone rotations [17, 3, 3]."""
    for _ in range(8):
        finger_rad, wrist_rad = sample_angles(pose_range, rng, 8)
        rotations = bone_rotations(mesh, finger_rad, wrist_rad)
        posed = pose_joints(joints_mm, rotations)
        free = np.flatnonzero(~collides(posed))
        if len(free):
            return posed[free[0]], rotations[free[0]]
    rotations = bone_rotations(mesh, np.deg2rad(np.full((1, 5, 4), 5.0)), np.zeros((1, 2)))
    return pose_joints(joints_mm, rotations)[0], rotations[0]
