"""Heat maps of joints: encoding as Gaussians, normalising, and decoding by expectation.

Convention: cell i of a map with stride s has its centre at pixel (i + 0.5) * s - 0.5.

Everything is computed in float32, whatever the precision policy: positions of some hundred pixels
and sums over a thousand cells have too few digits in float16.
"""

from typing import Any

from keras import ops

NORMALISERS = ("softmax", "relu")
"""Ways to turn the output of a network into a probability over the cells of a joint's map."""

RELU_EPSILON = 1e-7
"""Added to every cell by the relu normaliser: an all-zero map becomes uniform, not NaN."""


def cell_centers_px(cells: int, stride: int) -> Any:
    """Return the pixel positions of the cell centres along one axis.

    Convention: with stride 8 the first centres are 3.5, 11.5, 19.5.

    Args:
        cells: Number of cells.
        stride: Pixels a cell.

    Returns:
        [cells] float32 positions in pixels.
    """
    return (ops.cast(ops.arange(cells), "float32") + 0.5) * stride - 0.5


def encode_gaussian(
    uv_px: Any, *, size: int | tuple[int, int], stride: int, sigma_cells: float
) -> Any:
    """Draw each joint as a Gaussian with peak value 1 (the target G of Eq. 1).

    The paper gives a standard deviation of 1 without a unit; here it counts heat-map cells, as 1
    pixel of the 32 x 32 map (8 px of the image at stride 8).

    Convention: the maximum 1 is reached where a joint falls on a cell centre; one sigma aside the
    value is exp(-0.5) = 0.6065.

    Args:
        uv_px: [B, K, 2] positions in image pixels; outside the image they fade to an empty map.
        size: Cells of the map along both axes, or (h, w).
        stride: Image pixels a cell.
        sigma_cells: Standard deviation in cells.

    Returns:
        [B, h, w, K] float32 maps.

    Raises:
        ValueError: If `sigma_cells` or `stride` is not positive.
    """
    if sigma_cells <= 0:
        raise ValueError(f"`sigma_cells` must be positive. Received: sigma_cells={sigma_cells}")
    if stride <= 0:
        raise ValueError(f"`stride` must be positive. Received: stride={stride}")
    height, width = (size, size) if isinstance(size, int) else size
    uv_px = ops.cast(uv_px, "float32")
    sigma_px = sigma_cells * stride
    columns = cell_centers_px(width, stride)[None, :, None]
    rows = cell_centers_px(height, stride)[None, :, None]
    # The Gaussian is separable: a column profile times a row profile.
    along_u = ops.exp(-0.5 * ops.square((columns - uv_px[:, None, :, 0]) / sigma_px))  # [B, w, K]
    along_v = ops.exp(-0.5 * ops.square((rows - uv_px[:, None, :, 1]) / sigma_px))  # [B, h, K]
    return along_v[:, :, None, :] * along_u[:, None, :, :]


def normalise_maps(maps: Any, method: str) -> Any:
    """Turn raw maps into a probability over the cells of each joint.

    The paper does not name the normaliser of its expectation. `softmax` suits maps trained as
    logits (cross entropy, coordinate loss); `relu` (positive part over its sum) suits maps trained
    to be Gaussians by Eq. 1, which a soft-max would flatten.

    Args:
        maps: [B, h, w, K] raw maps.
        method: One of `NORMALISERS`.

    Returns:
        [B, h, w, K] float32, summing to 1 over the cells of each joint.

    Raises:
        ValueError: If the method is unknown.
    """
    if method not in NORMALISERS:
        raise ValueError(f"`method` must be one of {NORMALISERS}. Received: method={method!r}")
    maps = ops.cast(maps, "float32")
    if method == "softmax":
        peak = ops.max(maps, axis=(1, 2), keepdims=True)
        positive = ops.exp(maps - ops.stop_gradient(peak))
    else:
        positive = ops.relu(maps) + RELU_EPSILON
    return positive / ops.sum(positive, axis=(1, 2), keepdims=True)


def decode_expectation(probabilities: Any, *, stride: int) -> Any:
    """Return the mean position of each joint: the MMSE estimate of section 3.2.

    Convention: all the mass in cell (row 2, column 1) at stride 8 decodes to uv = (11.5, 19.5).

    Args:
        probabilities: [B, h, w, K] summing to 1 over cells, see `normalise_maps`.
        stride: Image pixels a cell.

    Returns:
        [B, K, 2] float32 positions in image pixels.
    """
    probabilities = ops.cast(probabilities, "float32")
    height, width = ops.shape(probabilities)[1:3]
    columns = cell_centers_px(width, stride)[None, :, None]
    rows = cell_centers_px(height, stride)[None, :, None]
    u_px = ops.sum(ops.sum(probabilities, axis=1) * columns, axis=1)
    v_px = ops.sum(ops.sum(probabilities, axis=2) * rows, axis=1)
    return ops.stack([u_px, v_px], axis=-1)
