"""What sets one style of rendered hands apart from the others: ranges of chance, as data."""

from __future__ import annotations

from dataclasses import dataclass

from kerashand.synthetic.poses import PoseRange

DOMAINS = ("source", "target", "varied", "depth")
GENERATOR_VERSIONS: dict[str, int | str] = {"source": 1, "target": 2, "varied": 7}
"""Raised when the samples of a style change, so that cached ones are not taken for them."""
GENERATOR_VERSIONS["depth"] = f"1.{GENERATOR_VERSIONS['varied']}"  # the same hands


@dataclass(frozen=True)
class Clutter:
    """How often (0..1) a picture holds more than a hand in soft light before a background.

    `finger_length` is the deviation of the factor that `vary_fingers` draws. With `uneven_light`
    the hand is burnt out, or stands against the light.
    """

    finger_length: float
    shadow: float
    creases: float
    skin_behind: float
    other_hand: float
    occluder: float
    held_object: float
    plain_background: float
    cheap_camera: float
    uneven_light: float


@dataclass(frozen=True)
class Style:
    """What sets one domain apart from the others; lengths in mm, angles in degrees.

    Of several meshes and pose ranges one is drawn for each sample; `free_turns` is the share of
    hands that are turned freely, the others are held up before the camera within `turn_deg`;
    `arm_to_camera` is the most that the forearm of a free hand points at it (cosine). The meshes'
    thumbs turn about a point beyond the joint of wrist and metacarpal; `thumb_base` moves the label
    back along the palm, in lengths of wrist - middle MCP.
    """

    meshes: tuple[str, ...]
    poses: tuple[PoseRange, ...]
    free_turns: float
    turn_deg: tuple[float, float, float]
    hand_length_mm: tuple[float, float]
    distance_mm: tuple[float, float]
    off_axis: float
    margin: tuple[float, float]
    lights: tuple[int, int]
    detail: float
    gloss: float
    photographs: float
    camera: float
    measured_depth: bool
    tint: float = 0.25
    arm_to_camera: float = 1.0
    thumb_base: float = 0.0
    clutter: Clutter | None = None


STYLES = {
    "source": Style(
        meshes=("makehuman",),
        poses=(PoseRange(wide=True, noise_deg=8.0),),
        free_turns=1.0,
        turn_deg=(0.0, 0.0, 0.0),
        hand_length_mm=(150.0, 210.0),
        distance_mm=(300.0, 900.0),
        off_axis=0.35,
        margin=(1.25, 1.7),
        lights=(1, 2),
        detail=0.4,
        gloss=0.08,
        photographs=0.0,
        camera=0.35,
        measured_depth=False,
    ),
    "target": Style(
        meshes=("webxr",),
        poses=(PoseRange(wide=False, noise_deg=6.0),),
        free_turns=0.0,
        turn_deg=(25.0, 35.0, 20.0),
        hand_length_mm=(155.0, 205.0),
        distance_mm=(350.0, 750.0),
        off_axis=0.25,
        margin=(1.25, 1.6),
        lights=(1, 4),
        detail=0.8,
        gloss=0.12,
        photographs=0.85,
        camera=1.0,
        measured_depth=True,
    ),
    "varied": Style(
        meshes=("makehuman", "makehuman", "webxr"),
        poses=(
            PoseRange(wide=True, noise_deg=8.0, apart=True),
            PoseRange(wide=False, noise_deg=7.0, apart=True),
        ),
        free_turns=0.5,
        turn_deg=(30.0, 60.0, 40.0),
        hand_length_mm=(140.0, 215.0),
        distance_mm=(250.0, 1000.0),
        off_axis=0.3,
        margin=(1.7, 1.7),
        lights=(1, 4),
        detail=0.4,
        gloss=0.2,
        photographs=0.9,
        camera=1.0,
        measured_depth=False,
        tint=0.1,
        arm_to_camera=0.7,
        thumb_base=0.12,
        clutter=Clutter(
            finger_length=0.04,
            shadow=0.75,
            creases=0.9,
            skin_behind=0.15,
            other_hand=0.1,
            occluder=0.2,
            held_object=0.25,
            plain_background=0.1,
            cheap_camera=0.7,
            uneven_light=0.2,
        ),
    ),
}
STYLES["depth"] = STYLES["varied"]
"""Its hands, which no colour camera sees."""
