"""What a consumer depth camera makes of exact depth, and a cheap colour camera of a picture."""

from __future__ import annotations

import cv2
import numpy as np

# Stereo depth: error grows with the square of the distance. Step and noise at 500 mm.
REFERENCE_MM = 500.0


def measure_depth(
    depth_mm: np.ndarray,
    rng: np.random.Generator,
    *,
    noise_mm: float = 1.5,
    step_mm: float = 1.0,
    edge_jump_mm: float = 25.0,
    hole_share: float = 0.6,
) -> np.ndarray:
    """Holes, quantisation, edge noise and a few mm of error on an exact depth map.

    Args:
        depth_mm: [H, W] float, 0 = nothing there.
        rng: generator.
        noise_mm: standard deviation at 500 mm, growing with the square of the distance.
        step_mm: quantisation step at 500 mm, growing likewise.
        edge_jump_mm: a jump between neighbours above which a pixel is an edge.
        hole_share: share of edge pixels on the shadowed side that are lost.

    Returns:
        [H, W] uint16 millimetres, 0 = no measurement.
    """
    height, width = depth_mm.shape
    depth: np.ndarray = depth_mm.astype(np.float32)
    # Edge noise: the pixel sees its neighbourhood through a jittered window.
    rows, columns = np.indices(depth.shape, dtype=np.float32)
    jitter = rng.normal(0.0, 0.6, (2, height, width)).astype(np.float32)
    depth = cv2.remap(
        depth, columns + jitter[0], rows + jitter[1], cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    near = cv2.erode(depth, np.ones((3, 3), np.uint8))
    far = cv2.dilate(depth, np.ones((3, 3), np.uint8))
    edge = (far - near) > edge_jump_mm
    # The projector's or second camera's shadow falls on one side of whatever is nearer.
    shadow_px = int(rng.integers(1, 4))
    shadow = np.zeros_like(edge)
    shadow[:, shadow_px:] = edge[:, :-shadow_px]
    lost = (edge | shadow) & (rng.random(depth.shape) < hole_share) & (depth > near + edge_jump_mm)
    lost |= edge & (rng.random(depth.shape) < 0.15)
    # Dark or shiny patches return nothing.
    patches = cv2.GaussianBlur(rng.normal(size=(height // 4, width // 4)), (0, 0), 1.5)
    patches = cv2.resize(patches, (width, height), interpolation=cv2.INTER_LINEAR)
    lost |= patches > np.quantile(patches, 1.0 - rng.uniform(0.0, 0.03))

    growth = (depth / REFERENCE_MM) ** 2
    bias = cv2.resize(
        rng.normal(0.0, 1.0, (4, 4)).astype(np.float32),
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )
    white = rng.normal(size=depth.shape).astype(np.float32)
    noise: np.ndarray = cv2.GaussianBlur(white, (0, 0), 0.7)
    noise /= 0.4  # what the blur leaves of a standard deviation of 1
    depth = depth + growth * noise_mm * (noise + bias)
    step = np.maximum(step_mm * growth, 0.25)
    depth = np.round(depth / step) * step
    lost |= depth_mm <= 0
    return np.where(lost, 0.0, np.clip(np.round(depth), 0, 65535)).astype(np.uint16)


# What 19 frames of an Intel SR305 show (hands and upper bodies, 0.35 to 1 m; f = 476 px): the
# deviation from a smooth surface is 0.09 mm at 0.4 m, 0.13 at 0.6 m and 0.17 at 0.85 m where the
# surface faces the camera, and 1.1 to 1.6 mm where it falls away by 1.5 to 4 mm a pixel. Beside
# every nearer surface lies a shadow without depth, 22 px wide in the median before a far room.
SR305_NOISE_MM = 0.12
"""Standard deviation at 500 mm; it grows with the distance."""
SR305_SLOPE_NOISE = 0.15
"""Times the square of the slope in mm a pixel: what is added on slanted surfaces, in mm."""
MOST_SLOPE = 3.0
SR305_BASELINE_MM = 26.0
"""Between projector and camera: what the projector does not reach is the shadow."""
MOST_SHADOW_PX = 40
RIM_JUMP_MM, RIM_LOST = 15.0, 0.8
"""A jump between neighbours at which pixels mix two depths, and the share of them that is lost."""
DARK_SHARE = 0.01
"""Of a picture that returns nothing at most: dark or shiny patches."""


def structured_light(
    depth_mm: np.ndarray, rng: np.random.Generator, *, focal_px: float
) -> np.ndarray:
    """What an SR305 makes of exact depth: see the figures above.

    Args:
        depth_mm: [H, W] float, 0 = nothing there.
        rng: generator.
        focal_px: of the camera.

    Returns:
        [H, W] uint16 millimetres, 0 = no measurement.
    """
    depth = np.where(depth_mm > 0, depth_mm, 1e5).astype(np.float32)
    disparity = (focal_px * SR305_BASELINE_MM / depth).astype(np.float32)
    lost = (depth_mm <= 0) | _shadows(disparity)
    kernel = np.ones((3, 3), np.uint8)
    rim = cv2.dilate(depth, kernel) - cv2.erode(depth, kernel) > RIM_JUMP_MM
    lost |= rim & (rng.random(depth.shape) < RIM_LOST)
    patches = cv2.GaussianBlur(rng.normal(size=depth.shape).astype(np.float32), (0, 0), 6.0)
    lost |= patches > np.quantile(patches, 1.0 - rng.uniform(0.0, DARK_SHARE))
    rows, columns = np.gradient(depth)
    slope = np.minimum(np.hypot(rows, columns), MOST_SLOPE)
    sigma = SR305_NOISE_MM * depth / REFERENCE_MM + SR305_SLOPE_NOISE * slope * slope
    noise = cv2.GaussianBlur(rng.normal(size=depth.shape).astype(np.float32), (0, 0), 0.7) / 0.4
    depth = depth + sigma * noise
    return np.where(lost, 0.0, np.clip(np.round(depth), 0, 65535)).astype(np.uint16)


def _shadows(disparity: np.ndarray) -> np.ndarray:
    """[H, W] bool: what a nearer surface hides from the projector or second camera, to its left."""
    hidden: np.ndarray = np.zeros(disparity.shape, bool)
    for shift in range(1, MOST_SHADOW_PX):
        hidden[:, :-shift] |= disparity[:, shift:] - disparity[:, :-shift] >= shift
    return hidden


STEREO_BASELINE_MM = (35.0, 75.0)
STEREO_NOISE_PX = (0.02, 0.25)
"""Deviation of disparities, which hang together over some pixels."""
STEREO_PARTS = (8, 64)
"""Of a pixel, into which disparities are rounded."""
LEAST_DISPARITY_PX = 1e-3


def stereo(depth_mm: np.ndarray, rng: np.random.Generator, *, focal_px: float) -> np.ndarray:
    """What a random stereo camera makes of exact depth.

    It compares windows of two pictures. So nearer surfaces grow at their borders, the depth of
    neighbours is mixed, and errors hang together and grow with the square of the distance. What one
    camera alone sees is lost, or filled in.

    Args:
        depth_mm: [H, W] float, 0 = nothing there.
        rng: generator.
        focal_px: of the camera.

    Returns:
        [H, W] uint16 millimetres, 0 = no measurement.
    """
    focal_baseline = focal_px * rng.uniform(*STEREO_BASELINE_MM)
    lost = depth_mm <= 0
    exact = np.where(lost, 0.0, focal_baseline / np.where(lost, 1.0, depth_mm)).astype(np.float32)
    grown = 2 * int(rng.integers(0, 3)) + 1
    disparity = cv2.dilate(exact, np.ones((grown, grown), np.uint8))
    disparity = cv2.GaussianBlur(disparity, (0, 0), rng.uniform(0.3, 1.6))
    if rng.random() < 0.6:
        lost |= _shadows(disparity)
    white = rng.normal(size=exact.shape).astype(np.float32)
    noise = cv2.GaussianBlur(white, (0, 0), rng.uniform(0.7, 3.0))
    disparity += rng.uniform(*STEREO_NOISE_PX) * noise / noise.std()
    parts = rng.integers(*STEREO_PARTS)
    disparity = np.round(disparity * parts) / parts
    patches = cv2.GaussianBlur(white[::-1], (0, 0), 5.0)
    lost |= patches > np.quantile(patches, 1.0 - rng.uniform(0.0, 0.05))
    lost |= disparity < LEAST_DISPARITY_PX
    depth = focal_baseline / np.maximum(disparity, LEAST_DISPARITY_PX)
    return np.where(lost, 0.0, np.clip(np.round(depth), 0, 65535)).astype(np.uint16)


def photograph(image: np.ndarray, rng: np.random.Generator, *, strength: float) -> np.ndarray:
    """Blur, white balance, exposure and noise of a cheap camera on a float image [S, S, 3] 0..1."""
    size = image.shape[0]
    sigma = rng.uniform(0.0, 0.9) * strength * size / 128
    if sigma > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    balance = 1.0 + rng.normal(0.0, 0.035 * strength, 3)
    exposure = np.exp(rng.normal(0.0, 0.15 * strength))
    image = (image * (balance * exposure).astype(np.float32)) ** np.float32(
        np.exp(rng.normal(0.0, 0.1 * strength))
    )
    level = rng.uniform(0.005, 0.03) * strength
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return image + noise * np.float32(level) * (0.5 + image)


def cheap_camera(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Motion blur, few pixels, colour casts, grey pictures, JPEG: float [S, S, 3] 0..1, rounded."""
    size = image.shape[0]
    if rng.random() < 0.25:
        length = int(rng.integers(3, max(4, size // 18)))
        kernel: np.ndarray = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1.0
        turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), rng.uniform(0, 180), 1)
        kernel = cv2.warpAffine(kernel, turn, (length, length))
        image = cv2.filter2D(image, -1, kernel / max(kernel.sum(), 1e-6))
    if rng.random() < 0.35:
        small = max(int(size * rng.uniform(0.35, 0.9)), 24)
        image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC)
    image = np.clip(image, 0.0, 1.0)
    if rng.random() < 0.5:
        image = image ** np.float32(np.exp(rng.normal(0.0, 0.3)))
    if rng.random() < 0.3:
        image = image * (1.0 + rng.normal(0.0, 0.12, 3)).astype(np.float32)
    if rng.random() < 0.04:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    pixels = np.clip(np.round(image * 255.0), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        decoded = cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], cv2.IMREAD_COLOR)
        assert decoded is not None  # what was encoded just now
        pixels = np.asarray(decoded, np.uint8)
    return pixels.astype(np.float32) / 255.0
