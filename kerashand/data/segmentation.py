"""The hand in a depth picture: found by depth, points and predicted joints; the rest is background.

Eq. 4 of the paper puts all that is not the hand at 0. A recording's depth picture holds a table, a
wall or a body, whose depth lies in the window of the hand. So each pixel is called hand, background
or unsure: hand is what lies within reach of the bones in 3D, at the depth at which a finger or a
palm can be, and hangs together without a jump in depth.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from kerashand.geometry.camera import cam_from_px
from kerashand.geometry.joint_depth import FLESH, RADIUS_NAMES, fitted_depth
from kerashand.skeleton import BONES, MIDDLE_MCP, PARENTS, ROOT

BACKGROUND, UNSURE, HAND = 0, 1, 2
"""Values of a segmentation."""

# All lengths are in lengths of wrist - middle MCP.
WEB = ((5, 9), (9, 13), (13, 17), (1, 5), (2, 5))
"""Lines of the palm beside the bones: between knuckles, and from the thumb to the index."""
JOINT_SHIFT = 0.45
"""By how much a single joint may then follow the depth that was measured at it."""
WIDE_SHIFT = 1.1
"""The same where no joint was predicted."""
BEFORE, BEHIND = 0.3, 0.3
"""How far the surface may lie before and behind what the bones say."""
SIDE = 1.25
"""Sideways reach, in radii."""
JUMP = 0.13
"""Difference of depth between neighbours that parts two surfaces."""
ARM = 0.12
"""How far beyond the wrist the forearm begins."""
TOUCH = 0.5
"""How far before and behind the joints lies what touches the hand."""
PLANE_DISTANCE = 0.06
"""Of pixels of a table or wall from its plane."""
PLANE_SHARE = 0.35
"""Share of the surroundings that must lie in one plane, or there is none."""
TRIES = 60
SIDE_PX = 220
"""Larger parts of a picture are looked at in every second, third ... pixel."""
AROUND = 0.5
"""Width of the surroundings beside the joints that are looked at."""


def segment_hand(
    depth_mm: NDArray,
    uv_px: NDArray,
    joint_depth_mm: NDArray,
    *,
    intrinsics: NDArray,
    palm_mm: float,
    predicted: bool = True,
) -> NDArray[np.uint8]:
    """Say of each pixel whether it shows the hand.

    Args:
        depth_mm: [H, W] as the camera of the points sees it, 0 = no measurement.
        uv_px: [21, 2] points.
        joint_depth_mm: [21] predicted depth of the joints along the camera's axis.
        intrinsics: [3, 3].
        palm_mm: length of wrist - middle MCP.
        predicted: whether `joint_depth_mm` is a prediction of each joint. Without, it is about
            that of the wrist, and a joint is where depth was measured at its point.

    Returns:
        [H, W] of `BACKGROUND`, `UNSURE` and `HAND`. Unsure are pixels without a measurement, the
        forearm, what lies before the hand, and what touches it and is neither hand nor a plane.
    """
    result = np.full(depth_mm.shape, BACKGROUND, np.uint8)
    result[depth_mm <= 0] = UNSURE
    reach_px = AROUND * palm_mm * intrinsics[0, 0] / max(float(np.median(joint_depth_mm)), 1.0)
    window = _window(uv_px, reach_px, depth_mm.shape)
    depth = np.asarray(depth_mm[window], np.float32)
    if not depth.size:
        return result
    camera = intrinsics.astype(np.float64).copy()
    camera[0, 2] -= window[1].start
    camera[1, 2] -= window[0].start
    uv = uv_px - np.array([window[1].start, window[0].start])
    most = JOINT_SHIFT if predicted else WIDE_SHIFT
    joint_depth = fitted_depth(depth, uv, joint_depth_mm, palm_mm=palm_mm, most=most)
    if joint_depth is None:
        return result
    step = max(round(max(depth.shape) / SIDE_PX), 1)
    camera[:2] /= step
    coarse = _Window(
        depth[::step, ::step], uv / step, joint_depth, camera=camera, palm_mm=palm_mm
    ).segmented()
    fine = coarse.repeat(step, axis=0).repeat(step, axis=1)[: depth.shape[0], : depth.shape[1]]
    result[window] = np.where(depth > 0, fine, UNSURE)
    return result


def _window(uv_px: NDArray, reach_px: float, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns around the points."""
    low = np.floor(uv_px.min(axis=0) - reach_px).astype(int)
    high = np.ceil(uv_px.max(axis=0) + reach_px).astype(int) + 1
    low, high = np.maximum(low, 0), np.minimum(high, shape[::-1])
    high = np.maximum(high, low)
    return slice(low[1], high[1]), slice(low[0], high[0])


class _Window:
    """The part of a depth picture around a hand, and the hand's bones in it."""

    def __init__(self, depth, uv, joint_depth, *, camera, palm_mm: float):
        self.depth, self.uv, self.camera, self.palm_mm = depth, uv, camera, palm_mm
        self.measured = depth > 0
        joints = cam_from_px(uv[None], joint_depth[None], camera)[0]
        self.joints = joints / palm_mm
        rows, columns = np.indices(depth.shape)
        pixels = np.stack([columns, rows], axis=-1).reshape(1, -1, 2).astype(np.float64)
        points = cam_from_px(pixels, depth.reshape(1, -1).astype(np.float64), camera)[0]
        self.points = (points / palm_mm).reshape(*depth.shape, 3)

    def segmented(self) -> NDArray[np.uint8]:
        """Of this part."""
        aside, behind, arm = self._to_bones()
        near_side = (aside < SIDE) & self.measured
        plane = self._on_plane(~near_side & self.measured)
        inside = near_side & (behind > -BEFORE) & (behind < BEHIND)
        # A finger on a table: the table beside it is as near, but lies in the table's plane.
        inside &= ~(plane & (aside > 0.5))
        core = inside & (aside < 0.7) & (np.abs(behind) < 0.75 * BEHIND) & ~arm & ~plane
        hand = self._connected(inside & ~arm, core)
        unsure = ~self.measured | self._beside(hand, plane) | (near_side & (behind <= -BEFORE))
        unsure |= arm & near_side & ~plane
        rim = self._rim(hand)
        result = np.where(unsure | rim, UNSURE, BACKGROUND)
        return np.where(hand & ~rim & ~arm, HAND, result).astype(np.uint8)

    def _to_bones(self):
        """To the nearest bone: distance aside in radii, depth behind its skin, and is it the arm.

        [H, W] each; the depth is in palm lengths.
        """
        close = self._close()
        points = self.points[close].astype(np.float32)
        best = np.full(len(points), np.inf, np.float32)
        aside, behind = best.copy(), np.zeros(len(points), np.float32)
        for start, end, radius_a, radius_b in _lines():
            a, b = self.joints[start].astype(np.float32), self.joints[end].astype(np.float32)
            # Along the bone as the camera sees it: what is asked is how far aside a pixel lies.
            along = (b - a)[:2]
            length = max(float(along @ along), 1e-9)
            part = np.clip((points[:, :2] - a[:2]) @ along / length, 0.0, 1.0)
            place = a + part[:, None] * (b - a)
            radius = radius_a + part * (radius_b - radius_a)
            off = np.linalg.norm(points[:, :2] - place[:, :2], axis=1) / radius
            # Skin of a round finger: nearest in the middle, as deep as the bone at its border.
            skin = place[:, 2] - radius * np.sqrt(np.clip(1.0 - off * off, 0.0, 1.0))
            depth = points[:, 2] - skin
            cost = off * off + (depth / BEHIND) ** 2
            better = cost < best
            best = np.where(better, cost, best)
            aside, behind = np.where(better, off, aside), np.where(better, depth, behind)
        wrist, knuckle = self.joints[ROOT], self.joints[MIDDLE_MCP]
        up = (knuckle - wrist) / max(float(np.linalg.norm(knuckle - wrist)), 1e-6)
        arm = (self.points - wrist) @ up < -ARM
        full = np.full(close.shape, np.inf, np.float32), np.zeros(close.shape, np.float32)
        full[0][close], full[1][close] = aside, behind
        return *full, arm

    def _close(self) -> NDArray[np.bool_]:
        """Measured pixels within reach of the bones in the picture."""
        near = np.zeros(self.depth.shape, np.uint8)
        nearest = max(float(self.joints[:, 2].min()), 1e-3)
        reach = SIDE * FLESH["palm"] * self.camera[0, 0] / nearest
        uv = np.rint(self.uv).astype(int)
        for start, end, _, _ in _lines():
            cv2.line(near, uv[start].tolist(), uv[end].tolist(), 1, max(round(2 * reach), 1))
        return (near > 0) & self.measured

    def _on_plane(self, around: NDArray) -> NDArray[np.bool_]:
        """Pixels of the plane that most of the surroundings lie in; none without such a plane."""
        points = self.points[around]
        none = np.zeros(self.depth.shape, bool)
        if len(points) < 100:
            return none
        rng = np.random.default_rng(len(points))
        sample = points[rng.integers(len(points), size=400)]
        corners = sample[rng.integers(len(sample), size=(TRIES, 3))]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        lengths = np.linalg.norm(normals, axis=1)
        normals = normals[lengths > 1e-3] / lengths[lengths > 1e-3, None]
        offsets = np.einsum("ni,ni->n", normals, corners[lengths > 1e-3, 0])
        if not len(normals):
            return none
        close = np.abs(sample @ normals.T - offsets) < PLANE_DISTANCE
        best = int(close.sum(axis=0).argmax())
        if close[:, best].mean() < PLANE_SHARE:
            return none
        inliers = sample[close[:, best]]
        centre = inliers.mean(axis=0)
        normal = np.linalg.svd(inliers - centre)[2][-1]
        normal = normal if normal[2] < 0 else -normal  # towards the camera
        height = (self.points - centre) @ normal
        return self.measured & (height < PLANE_DISTANCE)

    def _connected(self, inside: NDArray, core: NDArray) -> NDArray[np.bool_]:
        """What of `inside` hangs together with `core` without a jump in depth."""
        cut = inside & ~self._jumps()
        count, parts = cv2.connectedComponents(cut.astype(np.uint8), connectivity=4)
        kept = np.zeros(count, bool)
        kept[np.unique(parts[core & cut])] = True
        kept[0] = False
        hand = kept[parts]
        # Pixels on an edge belong to the surface that they are near.
        grown = cv2.dilate(hand.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        return hand | (grown & core)

    def _jumps(self) -> NDArray[np.bool_]:
        """Pixels behind a jump in depth."""
        jump = JUMP * self.palm_mm
        near = cv2.erode(
            np.where(self.measured, self.depth, np.float32(1e6)), np.ones((3, 3), np.uint8)
        )
        return self.measured & (self.depth - near > jump)

    def _beside(self, hand: NDArray, plane: NDArray) -> NDArray[np.bool_]:
        """What touches the hand without a jump and is neither it nor a plane: things in it."""
        other = self.measured & ~hand & ~plane & ~self._jumps()
        count, parts = cv2.connectedComponents(other.astype(np.uint8), connectivity=4)
        grown = cv2.dilate(hand.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        level = self.joints[:, 2]
        depth = self.points[..., 2]
        at_hand = (depth > level.min() - TOUCH) & (depth < level.max() + TOUCH)
        touched = np.bincount(parts[grown & other & at_hand], minlength=count) > 3
        touched[0] = False
        return touched[parts] & at_hand

    def _rim(self, hand: NDArray) -> NDArray[np.bool_]:
        """Pixels at the border of the hand that lie behind a jump: they mix two depths."""
        kernel = np.ones((3, 3), np.uint8)
        nearest = cv2.erode(np.where(hand, self.depth, np.float32(1e6)), kernel)
        at_border = cv2.dilate((~hand).astype(np.uint8), kernel) > 0
        return hand & at_border & (self.depth - nearest > 0.5 * JUMP * self.palm_mm)


@functools.cache
def _lines() -> tuple[tuple[int, int, float, float], ...]:
    """Bones and lines of the palm: ends, and radii at them."""
    lines = [*BONES, *WEB]
    radius = [FLESH[name] for name in RADIUS_NAMES]
    return tuple(
        (a, b, FLESH["palm"] if PARENTS[b] == ROOT or (a, b) in WEB else radius[a], radius[b])
        for a, b in lines
    )
