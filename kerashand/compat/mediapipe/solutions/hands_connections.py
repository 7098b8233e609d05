"""Which joints of a hand MediaPipe joins by lines: the palm's outline and the fingers."""

import itertools

from kerashand.skeleton import FINGERS, INDEX_MCP, LITTLE_MCP, MIDDLE_MCP, ROOT, THUMB_CMC

_RING_MCP = FINGERS["ring"][0]


def _finger(name: str) -> frozenset[tuple[int, int]]:
    joints = FINGERS[name]
    return frozenset(itertools.pairwise(joints))


HAND_PALM_CONNECTIONS = frozenset(
    {
        (ROOT, THUMB_CMC), (ROOT, INDEX_MCP), (ROOT, LITTLE_MCP),
        (INDEX_MCP, MIDDLE_MCP), (MIDDLE_MCP, _RING_MCP), (_RING_MCP, LITTLE_MCP),
    }
)  # fmt: skip
HAND_THUMB_CONNECTIONS = _finger("thumb")
HAND_INDEX_FINGER_CONNECTIONS = _finger("index")
HAND_MIDDLE_FINGER_CONNECTIONS = _finger("middle")
HAND_RING_FINGER_CONNECTIONS = _finger("ring")
HAND_PINKY_FINGER_CONNECTIONS = _finger("little")
HAND_CONNECTIONS = HAND_PALM_CONNECTIONS.union(
    HAND_THUMB_CONNECTIONS,
    HAND_INDEX_FINGER_CONNECTIONS,
    HAND_MIDDLE_FINGER_CONNECTIONS,
    HAND_RING_FINGER_CONNECTIONS,
    HAND_PINKY_FINGER_CONNECTIONS,
)
