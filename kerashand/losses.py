"""Losses as pure functions (target, prediction, weight) -> scalar; the trainer adds and weighs.

Every function states its reduction, since the paper prints sums (Eq. 1) where public code takes
means, which changes the balance of the terms a thousandfold. All compute in float32. A weighted
mean is sum(w x) / max(sum(w), eps): without labels it is exactly 0, with a zero gradient, as long
as the fillers of missing labels are finite.
"""

from typing import Any

from keras import ops

WEIGHT_EPSILON = 1e-6
"""Least denominator of a weighted mean."""


def _float32(*tensors: Any) -> tuple[Any, ...]:
    return tuple(ops.cast(tensor, "float32") for tensor in tensors)


def _weighted_mean(values: Any, weight: Any) -> Any:
    """Return sum(w x) / max(sum(w), eps) of two tensors of one shape."""
    return ops.sum(values * weight) / ops.maximum(ops.sum(weight), WEIGHT_EPSILON)


def smooth_l1(difference: Any, beta: float = 1.0) -> Any:
    """Return the element-wise smooth L1 of Eq. 3: quadratic below `beta`, linear above.

    Convention: with beta = 1, x = 0.5 gives 0.125 and x = 2 gives 1.5. Slope 1 for large x,
    whatever beta is.

    Args:
        difference: Tensor of any shape.
        beta: Where the two parts meet, in the unit of `difference`.

    Returns:
        Tensor of the same shape.

    Raises:
        ValueError: If `beta` is not positive.
    """
    if beta <= 0:
        raise ValueError(f"`beta` must be positive. Received: beta={beta}")
    size = ops.abs(difference)
    inner = ops.minimum(size, beta)
    return 0.5 * inner * inner / beta + (size - inner)


def heatmap_l2(target: Any, prediction: Any, weight: Any) -> Any:
    """Return the squared difference of heat maps (Eq. 1) of one stage.

    Reduction: SUM over cells, weighted mean over (sample, joint).

    Args:
        target: [B, h, w, K] Gaussians with peak 1.
        prediction: [B, h, w, K] maps of one stage.
        weight: [B, K].

    Returns:
        Scalar.
    """
    target, prediction, weight = _float32(target, prediction, weight)
    return _weighted_mean(ops.sum(ops.square(prediction - target), axis=(1, 2)), weight)


def heatmap_cross_entropy(target: Any, prediction: Any, weight: Any) -> Any:
    """Return the spatial cross entropy between a Gaussian and the soft-max of the maps.

    Not in the paper, which starts from trained weights: from random ones Eq. 1 learns very slowly.
    The target is normalised here, so that both heat-map losses take the same Gaussians. The
    minimum is the entropy of the target, not 0.

    Reduction: SUM over cells, weighted mean over (sample, joint).

    Args:
        target: [B, h, w, K] Gaussians of any positive mass; an empty map counts as 0.
        prediction: [B, h, w, K] logits of one stage.
        weight: [B, K].

    Returns:
        Scalar.
    """
    target, prediction, weight = _float32(target, prediction, weight)
    mass = ops.sum(target, axis=(1, 2), keepdims=True)
    target = target / ops.maximum(mass, WEIGHT_EPSILON)
    shifted = prediction - ops.stop_gradient(ops.max(prediction, axis=(1, 2), keepdims=True))
    log_probability = shifted - ops.log(ops.sum(ops.exp(shifted), axis=(1, 2), keepdims=True))
    return _weighted_mean(-ops.sum(target * log_probability, axis=(1, 2)), weight)


def coordinate_smooth_l1(target: Any, prediction: Any, weight: Any, *, beta_px: float) -> Any:
    """Return the smooth L1 of decoded joint positions in pixels.

    Not in the paper; a companion of the heat-map loss for training from scratch.

    Reduction: mean over (u, v), weighted mean over (sample, joint).

    Args:
        target: [B, K, 2] pixels.
        prediction: [B, K, 2] pixels.
        weight: [B, K].
        beta_px: Where the quadratic part ends.

    Returns:
        Scalar, in pixels.

    Raises:
        ValueError: If `beta_px` is not positive.
    """
    if beta_px <= 0:
        raise ValueError(f"`beta_px` must be positive. Received: beta_px={beta_px}")
    target, prediction, weight = _float32(target, prediction, weight)
    return _weighted_mean(ops.mean(smooth_l1(prediction - target, beta_px), axis=-1), weight)


def joint_depth_smooth_l1(target: Any, prediction: Any, weight: Any) -> Any:
    """Return the smooth L1 of relative joint depth (Eq. 2 and 3).

    The two cases of Eq. 2 are the weight: 1 with full supervision, 0 with weak supervision.

    Reduction: mean over joints, weighted mean over samples.

    Args:
        target: [B, K] relative depth in bone lengths.
        prediction: [B, K] relative depth in bone lengths.
        weight: [B].

    Returns:
        Scalar.
    """
    target, prediction, weight = _float32(target, prediction, weight)
    return _weighted_mean(ops.mean(smooth_l1(prediction - target), axis=-1), weight)


def point_depth_smooth_l1(target: Any, prediction: Any, weight: Any, *, beta: float = 0.15) -> Any:
    """Return the smooth L1 of joint depth from what a depth picture says of each joint.

    Not in the paper. The depth is a prediction, not a label: large differences cost in proportion.

    Reduction: weighted mean over (sample, joint).

    Convention: a joint 0.3 off costs 0.225 with beta = 0.15.

    Args:
        target: [B, K] relative depth in bone lengths.
        prediction: [B, K] relative depth in bone lengths.
        weight: [B, K].
        beta: Where the quadratic part ends.

    Returns:
        Scalar, in bone lengths.

    Raises:
        ValueError: If `beta` is not positive.
    """
    target, prediction, weight = _float32(target, prediction, weight)
    return _weighted_mean(smooth_l1(prediction - target, beta), weight)


def joint_surface_cauchy(
    expected: Any,
    prediction: Any,
    weight: Any,
    *,
    hidden: Any,
    sure: Any,
    scale: float = 0.12,
    root_weight: float = 4.0,
) -> Any:
    """Return how far joints are from where the measured skin says that they are.

    Not in the paper. Most measured joints are right to a few millimetres, and some are far off:
    their points lie on another finger. So the cost is that of Cauchy, which far outliers hardly
    move. A shift that all joints of a hand share costs nothing: the depth from which measured
    joints are counted is not known exactly. The root counts more than others, since all predicted
    depth is counted from it. A hidden joint costs only where it lies before what hides it.

    Reduction: sum(w sure cost) / max(sum(w), eps) over (sample, joint).

    Convention: with `scale` = 0.12, `root_weight` = 1 and `sure` = 1, joints that are 0.3 before,
    at and 0.3 behind the expected ones cost 0.0072 (ln 7.25 + 0 + ln 7.25) / 3 = 0.00951.

    Args:
        expected: [B, K] depth of the skin and the flesh behind it.
        prediction: [B, K] depth of the joints, in the same unit.
        weight: [B, K].
        hidden: [B, K], 1 = another part of the hand is before the joint.
        sure: [B, K] in 0..1, how sure `expected` is.
        scale: distance at which the slope is largest.
        root_weight: what the first joint counts.

    Returns:
        Scalar.
    """
    expected, prediction, weight, hidden, sure = _float32(
        expected, prediction, weight, hidden, sure
    )
    more = ops.concatenate([ops.full((1, 1), root_weight), ops.ones((1, weight.shape[1] - 1))], 1)
    share = sure * more
    before = expected - prediction
    off = before - _robust_mean(before, weight * share * (1.0 - hidden), scale)
    off = ops.where(hidden > 0, ops.maximum(off, 0.0), off)
    return _weighted_mean(
        share * (0.5 * scale * scale) * ops.log1p(ops.square(off / scale)), weight
    )


SHIFT_STEPS = 4
"""Re-weightings on the way to a robust mean."""


def _robust_mean(values: Any, weight: Any, scale: float) -> Any:
    """[B, 1]: the mean of rows [B, K] of which outliers count little."""
    share = weight
    for step in range(SHIFT_STEPS + 1):
        mean = ops.sum(values * share, axis=1, keepdims=True) / ops.maximum(
            ops.sum(share, axis=1, keepdims=True), WEIGHT_EPSILON
        )
        if step < SHIFT_STEPS:
            off = ops.stop_gradient(values - mean)
            share = weight / (1.0 + ops.square(off / scale))
    return mean


def bone_length_hinge(
    lengths: Any, weight: Any, *, shortest: Any, longest: Any, beta: float = 0.1
) -> Any:
    """Return the smooth L1 of what bones are shorter or longer than bones of hands are.

    Not in the paper: it teaches joint depth from 2D points alone, as the ratios of bones do in
    Zhou et al., ICCV 2017, and the intervals of bones in Spurr et al., ECCV 2020.

    Reduction: weighted mean over (sample, bone).

    Convention: a bone 0.2 below its shortest costs 0.15 with beta = 0.1; within its range nothing.

    Args:
        lengths: [B, N] in scale bones, from `geometry.bones.bone_lengths`.
        weight: [B, N].
        shortest: [N] in scale bones.
        longest: [N] in scale bones.
        beta: Where the quadratic part ends.

    Returns:
        Scalar, in scale bones.

    Raises:
        ValueError: If `beta` is not positive.
    """
    lengths, weight = _float32(lengths, weight)
    outside = ops.relu(shortest - lengths) + ops.relu(lengths - longest)
    return _weighted_mean(smooth_l1(outside, beta), weight)


def bone_spread_smooth_l1(
    lengths: Any, weight: Any, *, steepness: Any, beta: float = 0.1, least_square: float = 0.1
) -> Any:
    """Return the smooth L1 of how far bones of one hand are from their usual lengths.

    Not in the paper. A recording shows one hand, whose bones keep their lengths. A bone that lies
    across the view shows its length; one that points at the camera has it from the predicted depth.
    So the usual length is a mean over the rows that weighs bones by 1 / (`least_square` +
    steepness^2). It passes no gradient on.

    Reduction: weighted mean over (sample, bone).

    Convention: bones of 0.9 and 1.1 with equal steepness cost 0.05 each with beta = 0.1.

    Args:
        lengths: [B, N] of one hand.
        weight: [B, N].
        steepness: [B, N] share of the length that lies in depth, 0 to 1.
        beta: Where the quadratic part ends.
        least_square: As above.

    Returns:
        Scalar, in the unit of `lengths`.

    Raises:
        ValueError: If `beta` is not positive.
    """
    lengths, weight, steepness = _float32(lengths, weight, steepness)
    share = weight / (least_square + ops.square(ops.stop_gradient(steepness)))
    usual = ops.sum(share * lengths, axis=0) / ops.maximum(ops.sum(share, axis=0), WEIGHT_EPSILON)
    return _weighted_mean(smooth_l1(lengths - ops.stop_gradient(usual), beta), weight)


def depth_map_l1(target: Any, prediction: Any, weight: Any) -> Any:
    """Return the absolute difference of depth maps (Eq. 6).

    Reduction: mean over the valid pixels of labelled samples, sum(w |d|) / max(sum(w), 1).

    Args:
        target: [B, D, D, 1] normalised depth.
        prediction: [B, D, D, 1] output of the regularizer.
        weight: [B, D, D, 1], 0 where depth is missing.

    Returns:
        Scalar, in units of the depth window.
    """
    target, prediction, weight = _float32(target, prediction, weight)
    return ops.sum(ops.abs(prediction - target) * weight) / ops.maximum(ops.sum(weight), 1.0)


def focal_score(target: Any, logit: Any, weight: Any) -> Any:
    """Return the focal loss of CenterNet (Zhou et al. 2019, Eq. 1) of score maps.

    A cell with target 1 is a hand's middle; the nearer another cell lies to one, the less a score
    there costs: (1 - target)^4.

    Reduction: SUM over cells, divided by the number of middles (at least 1).

    Convention: one middle at logit 0 and nothing else costs 0.25 ln 2 = 0.1733.

    Args:
        target: [B, h, w] in 0..1.
        logit: [B, h, w].
        weight: [B, h, w], 0 where it does not matter.

    Returns:
        Scalar.
    """
    target, logit, weight = _float32(target, logit, weight)
    is_middle = ops.cast(target >= 1.0, "float32")
    score = ops.sigmoid(logit)
    log_score, log_none = ops.log_sigmoid(logit), ops.log_sigmoid(-logit)
    hit = ops.square(1.0 - score) * log_score * is_middle
    miss = ops.square(score) * log_none * (1.0 - target) ** 4 * (1.0 - is_middle)
    return -ops.sum((hit + miss) * weight) / ops.maximum(ops.sum(is_middle * weight), 1.0)


def box_giou(target: Any, prediction: Any, weight: Any) -> Any:
    """Return 1 - the generalised intersection over union of boxes (Rezatofighi et al. 2019).

    Reduction: weighted mean.

    Convention: equal boxes cost 0; unit squares that touch at a side cost 1.

    Args:
        target: [..., 4] left, top, right, bottom.
        prediction: [..., 4].
        weight: [...].

    Returns:
        Scalar in 0..2.
    """
    target, prediction, weight = _float32(target, prediction, weight)

    def area(low, high):
        return ops.prod(ops.maximum(high - low, 0.0), axis=-1)

    low, high = target[..., :2], target[..., 2:]
    low_other, high_other = prediction[..., :2], prediction[..., 2:]
    both = area(ops.maximum(low, low_other), ops.minimum(high, high_other))
    union = area(low, high) + area(low_other, high_other) - both
    hull = area(ops.minimum(low, low_other), ops.maximum(high, high_other))
    apart = (hull - union) / ops.maximum(hull, WEIGHT_EPSILON)
    return _weighted_mean(1.0 - both / ops.maximum(union, WEIGHT_EPSILON) + apart, weight)


def direction(target: Any, prediction: Any, weight: Any) -> Any:
    """Return the squared distance of vectors from unit vectors that say a direction.

    The best prediction is the mean of the directions that may be true, so it is the shorter the
    less sure it is.

    Reduction: weighted mean.

    Convention: the same vector costs 0, a vector of length 0 costs 1, the opposite one 4.

    Args:
        target: [..., 2] unit vectors.
        prediction: [..., 2].
        weight: [...].

    Returns:
        Scalar >= 0.
    """
    target, prediction, weight = _float32(target, prediction, weight)
    return _weighted_mean(ops.sum(ops.square(target - prediction), axis=-1), weight)


def binary_cross_entropy(target: Any, logit: Any, weight: Any) -> Any:
    """Return the binary cross entropy of yes-or-no questions, such as "is it a right hand?".

    Reduction: weighted mean.

    Convention: logit 0 costs ln 2 = 0.6931.

    Args:
        target: [...] 1 = yes, 0 = no.
        logit: [...].
        weight: [...].

    Returns:
        Scalar.
    """
    target, logit, weight = _float32(target, logit, weight)
    sign = 2.0 * target - 1.0
    return _weighted_mean(-ops.log_sigmoid(sign * logit), weight)
