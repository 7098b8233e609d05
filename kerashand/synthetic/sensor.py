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
    depth = depth_mm.astype(np.float32)
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
    noise = cv2.GaussianBlur(rng.normal(size=depth.shape).astype(np.float32), (0, 0), 0.7)
    noise /= 0.4  # what the blur leaves of a standard deviation of 1
    depth = depth + growth * noise_mm * (noise + bias)
    step = np.maximum(step_mm * growth, 0.25)
    depth = np.round(depth / step) * step
    lost |= depth_mm <= 0
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
        kernel = np.zeros((length, length), np.float32)
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
        pixels = cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], cv2.IMREAD_COLOR)
    return pixels.astype(np.float32) / 255.0
