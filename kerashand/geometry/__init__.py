"""Geometry of the hand in the camera: the conventions that the whole package follows.

This page is the single place where they are stated; modules name the ones they implement.

Axes and units:
    OpenCV camera: x right, y down, z forward, right-handed. Lengths in millimetres, angles in
    radians, image positions in pixels. A name carries its unit (`xyz_mm`, `uv_px`); normalised
    values say so (`z_relative`). Transforms read target_from_source, so chains cancel by eye.

Pixels:
    `uv = (column, row)`. Pixel centres lie at integers: an image of S pixels spans
    [-0.5, S - 0.5] and its middle is (S - 1) / 2.

Heat-map cells:
    Cell i of a map with stride s has its centre at pixel (i + 0.5) * s - 0.5.
    Example: with stride 8 the centre of cell 0 is pixel 3.5, that of cell 1 pixel 11.5.

Joints:
    K = 21; wrist 0, then thumb, index, middle, ring, little, each palm -> tip (`skeleton`).

Intrinsics:
    3 x 3 with bottom row (0, 0, 1). The upper left 2 x 2 block may be full: an in-plane rotation
    of an image whose two focal lengths differ fills it.

Affine maps of pixels:
    `crop_from_image` [3, 3] is A with p' = A p on homogeneous pixels; then K' = A @ K.

In-plane rotation:
    A positive angle turns +u towards +v (clockwise on the screen, since v points down). The joints
    turn about the optical axis by the same R, and K' = A @ K @ R^T keeps both consistent.

Flip:
    u -> W - 1 - u, x -> -x, cx -> W - 1 - cx. It swaps the hand side and permutes no joint.

Relative depth:
    z_relative = (z - z_root) / scale, with scale = length of the scale bone in mm
    (`skeleton.SCALE_BONES`, default `middle_mcp_pip`).

Depth window:
    Eq. 4 and 5 of Cai et al., ECCV 2018, in the weak setting.
    d_max = d_root + k * scale and d_range = 2 * k * scale, k = `half_width_scales`. Maps are
    D_n = clip((d_max - d) / d_range, 0, 1): 1 near, 0 far and background.

Axes of a hand:
    across, up and out of the palm, and signs of flexion and abduction: `joint_angles`. OpenXR and
    animation files have x right, y up, z to the camera: ours after a half turn about x.

Shape letters:
    B batch; H W pixels; h w heat-map cells; K = 21 joints; S stages; D side of a depth map;
    `[..., K, 3]` any leading axes.

`camera`, `pose` and `depth` take NumPy arrays and tensors alike and import no TensorFlow;
`palm` and `joint_angles` take NumPy arrays; `heatmaps` is written in `keras.ops`.
"""
