"""The hand skeleton: the 21 joints, their names, bones, colours and the orders of public data sets.

Convention: joint 0 is the wrist; then thumb 1-4, index 5-8, middle 9-12, ring 13-16, little 17-20,
each finger from the palm to the tip. FreiHAND, OpenPose and MediaPipe use the same order.

Mirroring: the order does not depend on the side of the hand. Flipping an image swaps left and
right hands but permutes no joint: thumb stays thumb. Only coordinates change
(`kerashand.geometry.pose.mirror`).
"""

import numpy as np

ROOT = 0
"""Index of the root joint, the wrist, to which joint depth is relative."""

THUMB_CMC = 1
"""Index of the joint between the wrist and the thumb's metacarpal."""

INDEX_MCP, MIDDLE_MCP, LITTLE_MCP = 5, 9, 17
"""Indices of knuckles; from the wrist to that of the middle finger is up."""

PALM = (ROOT, 5, 9, 13, 17)
"""Indices of the palm's corners: the wrist and the knuckles of the four fingers."""

FINGERS = {
    "thumb": (1, 2, 3, 4),
    "index": (5, 6, 7, 8),
    "middle": (9, 10, 11, 12),
    "ring": (13, 14, 15, 16),
    "little": (17, 18, 19, 20),
}
"""Finger name -> its four joints, from the palm to the tip."""

JOINT_NAMES = (
    "wrist",
    *("thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"),
    *("index_mcp", "index_pip", "index_dip", "index_tip"),
    *("middle_mcp", "middle_pip", "middle_dip", "middle_tip"),
    *("ring_mcp", "ring_pip", "ring_dip", "ring_tip"),
    *("little_mcp", "little_pip", "little_dip", "little_tip"),
)
"""Anatomical name of each joint."""

NUM_JOINTS = len(JOINT_NAMES)
"""K in shapes: 21."""

PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
"""Parent of each joint on the way to the wrist; -1 for the wrist itself."""

BONES = tuple((PARENTS[joint], joint) for joint in range(1, NUM_JOINTS))
"""The 20 bones as (parent, child); bone i ends in joint i + 1."""

SCALE_BONES = {"middle_mcp_pip": (9, 10), "wrist_middle_mcp": (0, 9)}
"""Bones that may serve as the unit of length of a hand.

`middle_mcp_pip` is the choice of hand3d (Zimmermann & Brox, ICCV 2017) and the default here.
Across skeletons with different bone proportions a longer bone is the steadier unit, so every
reported number has to name the bone it used.
"""

FINGER_COLOURS = {
    "thumb": (230, 57, 57),
    "index": (240, 178, 34),
    "middle": (62, 180, 73),
    "ring": (38, 140, 230),
    "little": (165, 75, 210),
}
"""Finger name -> RGB of 0..255, one hue a finger."""

WRIST_COLOUR = (200, 200, 200)
"""RGB of the wrist, which belongs to no finger."""

JOINT_COLOURS = np.array(
    [WRIST_COLOUR] + [FINGER_COLOURS[finger] for finger in FINGERS for _ in range(4)],
    dtype=np.uint8,
)
"""RGB uint8 [21, 3]: one colour a joint."""

BONE_COLOURS = JOINT_COLOURS[1:].copy()
"""RGB uint8 [20, 3]: a bone has the colour of the joint at its end."""

for _colours in (JOINT_COLOURS, BONE_COLOURS):
    _colours.setflags(write=False)

# fmt: off
FROM_RHD = (0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17)
"""Order of one hand of the Rendered Hand Pose Dataset: `ours = theirs[FROM_RHD, :]`.

RHD stores wrist, then thumb to little finger, each from the TIP to the palm.
"""

FROM_STB = (0, 17, 18, 19, 20, 13, 14, 15, 16, 9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4)
"""Order of the Stereo Hand Pose Tracking Benchmark: `ours = theirs[FROM_STB, :]`.

STB stores the PALM CENTRE at 0, then little finger to thumb, each from the palm to the tip. The
reordering leaves the palm centre at index 0; making a wrist of it is the reader's task.
"""
# fmt: on
