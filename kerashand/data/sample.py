"""The contract between readers, pipeline and trainer: names, shapes, dtypes, units, absence.

A reader yields RAW samples (`RAW_SPEC`), the pipeline turns them into BATCHES (`BATCH_SPEC`).

Convention: a missing label is weight 0 with a finite filler, never NaN and never a missing key.
Convention: every hand is a right hand; readers mirror left ones (`kerashand.geometry.pose.mirror`).
"""

from __future__ import annotations

# Labels that a stage may ask for; what a domain does not give has weight 0.
LABELS = ("uv", "xyz", "depth")
DOMAIN_NUMBERS = {"source": 0, "target": 1}

RAW_SPEC = {
    "image": "[S, S, 3] uint8 RGB",
    "depth_mm": "[S, S] uint16, 0 = no measurement; may be left out where it is no label",
    "uv_px": "[21, 2] float32 pixels of the crop",
    "xyz_mm": "[21, 3] float32 camera frame",
    "intrinsics": "[3, 3] float32 of the crop",
    "uv_weight": "[21] float32, may be left out: 1",
    "points_mm": "[21, 3] float32 uv_px at their depth from a depth picture, NaN where none is "
    "known; may be left out",
    "is_hand": "[] float32, 0 where the picture shows no hand; may be left out: 1",
}
BATCH_SPEC = {
    "image": "[B, S, S, 3] float32 RGB 0..255; the one key that may be left out (stage 2)",
    "uv_px": "[B, 21, 2] float32 pixels; filler: where augmentation put them",
    "uv_weight": "[B, 21] 1 = labelled and inside the image",
    "is_right": "[B] 1 = the picture shows a right hand, 0 = a left one, mirrored by augmentation",
    "is_hand": "[B] 0 = no hand is there; everything else is then filler",
    "z_relative": "[B, 21] bone lengths behind the wrist, along `depth_along`; filler 0",
    "z_weight": "[B]",
    "point_depth": "[B, 21] depth of the points, as z_relative; no label; filler 0",
    "point_depth_weight": "[B, 21]",
    "depth_map": "[B, D, D, 1] normalised depth, Eq. 4, along `depth_along`; filler 0",
    "depth_weight": "[B, D, D, 1] 0 = hole, outside the picture, or not labelled",
    "xyz_mm": "[B, 21, 3] camera frame; filler 0",
    "intrinsics": "[B, 3, 3]",
    "root_depth_mm": "[B]",
    "scale_mm": "[B]",
    "domain": "[B] int32, 0 = source, 1 = target",
}
