"""What an exported file says about itself."""

from __future__ import annotations

from typing import Any

from kerashand import __version__
from kerashand.config import Config, config_hash
from kerashand.geometry.pose import LINE_OF_SIGHT, OPTICAL_AXIS
from kerashand.runtime.recipe import KEY, Recipe
from kerashand.skeleton import JOINT_NAMES

FALLBACK_STYLE = "varied"
DEPTH_IN_WORDS = {
    OPTICAL_AXIS: "the optical axis",
    LINE_OF_SIGHT: "the line of sight to the middle finger's MCP joint",
}

LEAST_BY_CONFIDENCE = 0.6
"""`Recipe.least_hand` of a model without heads, whose hands score by the confidence of joints."""
LEAST_P_HAND = 0.4
"""A hand of a video is lost below this probability; without heads the score is another number."""
XYZ_IN_WORDS = {
    "xyz_mm": "image, intrinsics [3, 3] of the input, root_depth_mm [], scale_mm [] -> these and "
    "xyz_mm [21, 3] in the camera's frame: x right, y down, z away",
}
HEADS_IN_WORDS = {
    "p_right": "[] 0..1: the crop shows a right hand",
    "p_hand": "[] 0..1: the crop shows a hand",
}


def describe(config: Config) -> dict[str, Any]:
    """The description of a pose model that was trained with a configuration.

    `architecture` holds the arguments of `kerashand.models.hand_pose.build_parts`, `style` the
    rendered hands on which exports are checked.
    """
    architecture = config.parts_arguments()
    heads = config.model.regressor.heads
    style = _style_of(config)
    by_depth = style == "depth"
    what = "depth picture" if by_depth else "RGB"
    return {
        "task": "hand_pose_by_depth" if by_depth else "hand_pose",
        "kerashand": __version__,
        "config": config.name,
        "config_hash": config_hash(config),
        "image_size_px": config.data.image_size_px,
        "scale_bone": config.model.scale_bone,
        "depth_along": config.model.depth_along,
        "joint_names": list(JOINT_NAMES),
        "input": f"image [1, S, S, 3] uint8 {what}: a square around a right hand, left ones "
        "mirrored",
        "normalisation": "inside: give 0..255 as they are",
        "outputs": {
            "uv_px": "[21, 2] column, row in pixels of the input; centres are integers",
            "z_relative": "[21] depth behind the wrist in lengths of the scale bone, along "
            + DEPTH_IN_WORDS[config.model.depth_along],
            "confidence": "[21] 0..1",
            **(HEADS_IN_WORDS if heads else {}),
        },
        "signatures": {
            "serving_default": "image -> all outputs",
            **({} if by_depth else XYZ_IN_WORDS),
        },
        "units": {"uv_px": "pixels", "z_relative": config.model.scale_bone, "xyz_mm": "mm"},
        "architecture": {
            name: value if isinstance(value, (str, int)) else dict(value)
            for name, value in architecture.items()
        },
        "style": style,
        KEY: (
            Recipe(least_score=LEAST_P_HAND) if heads else Recipe(least_hand=LEAST_BY_CONFIDENCE)
        ).to_dict(),
    }


def _style_of(config: Config) -> str:
    """The rendered hands that are nearest to what a model will see."""
    for domain in ("target", "source"):
        chosen = getattr(config.data, domain)
        if chosen.kind == "synthetic":
            return chosen.style or domain
    return FALLBACK_STYLE


def describe_detector(
    *, image_size_px: int, width: float, threshold: float, least_up: float = 0.5
) -> dict[str, Any]:
    """The description of a detector.

    Args:
        image_size_px: side of its input.
        width: of the network.
        threshold: score from which on a cell may be a hand.
        least_up: length of its vector `up` from which on a hand is turned upright.
    """
    return {
        "task": "hand_detector",
        "kerashand": __version__,
        "image_size_px": image_size_px,
        "architecture": {"image_size_px": image_size_px, "width": width, "up": True},
        "threshold": threshold,
        "least_up": least_up,
        "input": "image [1, S, S, 3] uint8 RGB: a whole picture, made square",
        "normalisation": "inside: give 0..255 as they are",
        "outputs": {
            "score": "[h, w] 0..1: the middle of a palm lies in this cell",
            "box": "[h, w, 4] left, top, right, bottom of its joints in pixels of the input",
            "p_right": "[h, w] 0..1: it is a right hand",
            "up": "[h, w, 2] u, v from the wrist to the middle finger's knuckle, 1 long where sure",
        },
    }
