"""A z-buffer rasteriser in NumPy: triangles to visible faces, barycentric weights and depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fragments:
    """The visible surface, one row a covered pixel.

    Attributes:
        pixel: [P] index row * width + column.
        face: [P] index of the visible face.
        weights: [3, P] perspective-correct barycentric weights of its corners.
        depth_mm: [P] z in the camera's frame.
        size_px: side of the square image.
    """

    pixel: np.ndarray
    face: np.ndarray
    weights: np.ndarray
    depth_mm: np.ndarray
    size_px: int

    def image(self, values: np.ndarray, background: float = 0.0) -> np.ndarray:
        """Scatter values [P, ...] into an image [S, S, ...]."""
        shape = (self.size_px * self.size_px, *values.shape[1:])
        image = np.full(shape, background, values.dtype)
        image[self.pixel] = values
        return image.reshape(self.size_px, self.size_px, *values.shape[1:])

    def towards_camera(self, intrinsics: np.ndarray) -> np.ndarray:
        """Rays [P, 3] from the fragments to the camera of `intrinsics` [3, 3]; -z is 1."""
        rows, columns = np.divmod(self.pixel, self.size_px)
        return -np.stack(
            [
                (columns - intrinsics[0, 2]) / intrinsics[0, 0],
                (rows - intrinsics[1, 2]) / intrinsics[1, 1],
                np.ones(len(rows)),
            ],
            axis=1,
        )

    def interpolate(self, attributes: np.ndarray, faces: np.ndarray) -> np.ndarray:
        """Per-vertex attributes [V, C] at the fragments: [P, C]."""
        corners = faces[self.face]
        weights = self.weights.astype(attributes.dtype)
        result = weights[0, :, None] * attributes[corners[:, 0]]
        result += weights[1, :, None] * attributes[corners[:, 1]]
        result += weights[2, :, None] * attributes[corners[:, 2]]
        return result


def rasterise(
    vertices_mm: np.ndarray, faces: np.ndarray, intrinsics: np.ndarray, *, size_px: int
) -> Fragments:
    """Visible fragments of a closed mesh before a pinhole camera.

    Convention: a pixel is covered when its centre (an integer) lies in the projected triangle;
    faces that are clockwise seen from outside, or turned away, are not drawn.

    Args:
        vertices_mm: [V, 3], camera frame, all in front of the camera.
        faces: [F, 3], counter-clockwise seen from outside.
        intrinsics: [3, 3], zero skew.
        size_px: side of the square image.
    """
    # Corner first, [3, F]: NumPy reduces long rows fast and rows of three slowly.
    corner = faces.T
    inverse_z = 1.0 / vertices_mm[:, 2]
    u = (intrinsics[0, 0] * vertices_mm[:, 0] * inverse_z + intrinsics[0, 2])[corner]
    v = (intrinsics[1, 1] * vertices_mm[:, 1] * inverse_z + intrinsics[1, 2])[corner]
    # Twice the signed area; y points down, so faces towards the camera come out negative.
    area = (u[1] - u[0]) * (v[2] - v[0]) - (u[2] - u[0]) * (v[1] - v[0])
    top = np.maximum(np.ceil(_smallest(v)), 0).astype(np.int64)
    bottom = np.minimum(np.floor(_largest(v)), size_px - 1).astype(np.int64)
    seen = (area < 0) & (bottom >= top) & (_largest(u) >= 0) & (_smallest(u) <= size_px - 1)
    face = np.flatnonzero(seen)
    u, v, area, top = u[:, face], v[:, face], area[face], top[face]
    rows = bottom[face] - top + 1

    # Barycentric weights as planes a * column + b * row + c over the image.
    following, last = [1, 2, 0], [2, 0, 1]
    a = (v[following] - v[last]) / area
    b = (u[last] - u[following]) / area
    c = (u[following] * v[last] - u[last] * v[following]) / area

    # One entry a (face, row): the span of columns in which all three weights are >= 0.
    line_face = np.repeat(np.arange(len(face)), rows)
    row = np.arange(len(line_face)) - np.repeat(np.cumsum(rows) - rows, rows) + top[line_face]
    slope = a[:, line_face]
    offset = b[:, line_face] * row + c[:, line_face]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -offset / slope
    low = _largest(np.where(slope > 0, crossing, -np.inf))
    high = _smallest(np.where(slope < 0, crossing, np.inf))
    flat = (slope == 0) & (offset < 0)
    left = np.maximum(np.ceil(low), 0)
    right = np.minimum(np.floor(high), size_px - 1)
    count = np.where(flat[0] | flat[1] | flat[2], 0, np.maximum(right - left + 1, 0))
    count = count.astype(np.int64)

    line = np.repeat(np.arange(len(count)), count)
    start = np.cumsum(count) - count - left.astype(np.int64)
    column = np.arange(len(line)) - start[line]
    # 1/z is linear over the image, so it is a plane of its own.
    corner_z = inverse_z[corner[:, face]][:, line_face]
    slope_z = slope[0] * corner_z[0] + slope[1] * corner_z[1] + slope[2] * corner_z[2]
    offset_z = offset[0] * corner_z[0] + offset[1] * corner_z[1] + offset[2] * corner_z[2]
    fragment_z = slope_z[line] * column + offset_z[line]
    pixel = row[line] * size_px + column

    covered, winner = _nearest(fragment_z, pixel, size_px * size_px)
    depth = 1.0 / fragment_z[winner]
    line, column = line[winner], column[winner]
    weights = (slope[:, line] * column + offset[:, line]) * corner_z[:, line] * depth
    return Fragments(
        pixel=covered,
        face=face[line_face[line]],
        weights=np.clip(weights, 0.0, 1.0),
        depth_mm=depth,
        size_px=size_px,
    )


def _nearest(
    inverse_z: np.ndarray, pixel: np.ndarray, pixels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels that fragments lie in, and for each the number of its nearest one."""
    # The largest 1/z, packed above the index in one integer.
    packed = inverse_z.astype(np.float32).view(np.uint32).astype(np.uint64) << np.uint64(32)
    packed |= np.arange(len(packed), dtype=np.uint64)
    nearest = np.zeros(pixels, np.uint64)
    np.maximum.at(nearest, pixel, packed)
    covered = np.flatnonzero(nearest)
    return covered, (nearest[covered] & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _smallest(values: np.ndarray) -> np.ndarray:
    return np.minimum(np.minimum(values[0], values[1]), values[2])


def _largest(values: np.ndarray) -> np.ndarray:
    return np.maximum(np.maximum(values[0], values[1]), values[2])


SHADOW_MAP_PX = 112
LIGHT_DISTANCE_MM = 4000.0


def lit_share(
    vertices_mm: np.ndarray,
    faces: np.ndarray,
    points_mm: np.ndarray,
    *,
    direction: np.ndarray,
    bias_mm: float = 4.0,
) -> np.ndarray:
    """How much of a far light reaches points of a mesh: [P] of 0 (in its own shadow) to 1.

    A shadow map: the mesh is drawn as the light sees it, and what lies further from the light than
    the nearest surface there, by more than `bias_mm`, is in shadow. Four cells are mixed, which
    makes an edge soft over one cell, 2 to 4 mm on a hand.

    Args:
        vertices_mm: [V, 3].
        faces: [F, 3].
        points_mm: [P, 3] on the surface.
        direction: [3] unit, towards the light.
        bias_mm: depth within which a surface does not shadow itself.
    """
    right = perpendicular(direction)
    # Rows: right, down, away from the light.
    axes = np.stack([right, np.cross(-direction, right), -direction])
    centre = vertices_mm.mean(axis=0)
    away = np.array([0.0, 0.0, LIGHT_DISTANCE_MM])
    seen = (vertices_mm - centre) @ axes.T + away
    points = (points_mm - centre) @ axes.T + away
    reach = np.abs(seen[:, :2] / seen[:, 2:]).max()
    focal = (SHADOW_MAP_PX / 2 - 2) / reach
    middle = (SHADOW_MAP_PX - 1) / 2
    intrinsics = np.array([[focal, 0.0, middle], [0.0, focal, middle], [0.0, 0.0, 1.0]])
    fragments = rasterise(seen, faces, intrinsics, size_px=SHADOW_MAP_PX)
    nearest = fragments.image(fragments.depth_mm, background=np.inf)
    position = points[:, :2] / points[:, 2:] * focal + middle
    corner = np.clip(np.floor(position).astype(np.int64), 0, SHADOW_MAP_PX - 2)
    part_u, part_v = np.clip(position - corner, 0.0, 1.0).T
    lit = np.zeros(len(points))
    for step_v, share_v in ((0, 1.0 - part_v), (1, part_v)):
        for step_u, share_u in ((0, 1.0 - part_u), (1, part_u)):
            cell = nearest[corner[:, 1] + step_v, corner[:, 0] + step_u]
            lit += share_u * share_v * (points[:, 2] < cell + bias_mm)
    return lit


def vertex_normals(vertices_mm: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals [V, 3]."""
    corners = vertices_mm[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.empty_like(vertices_mm)
    for axis in range(3):
        weights = np.repeat(face_normals[:, axis], 3)
        normals[:, axis] = np.bincount(faces.ravel(), weights, len(vertices_mm))
    return unit(normals)


def perpendicular(direction: np.ndarray) -> np.ndarray:
    """A unit vector [3] at right angles to another [3]."""
    across = np.cross(np.eye(3)[np.argmin(np.abs(direction))], direction)
    return across / np.linalg.norm(across)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [N, 3] scaled to length 1; a zero vector stays zero."""
    squared = np.einsum("ni,ni->n", vectors, vectors)
    return vectors / np.maximum(np.sqrt(squared), 1e-9)[:, None]
