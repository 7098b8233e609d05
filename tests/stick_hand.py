"""A flat hand of sticks, for values by hand."""

import numpy as np

FINGERS = ((-0.5, -0.4), (-0.25, -1.0), (0.0, -1.0), (0.2, -0.95), (0.4, -0.85))
SHAPE = np.array([(0.0, 0.0)] + [(x, y - far) for x, y in FINGERS for far in (0.0, 0.45, 0.7, 0.9)])
"""[21, 2] in lengths of wrist - middle MCP: fingers up, the thumb to the left."""
PALM_SEEN = SHAPE * [-1.0, 1.0]
"""The mirror image: a right hand with its palm to the camera."""
