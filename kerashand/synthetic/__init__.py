"""Rendered hands of three styles, without TensorFlow: the benchmark, and hands for real pictures.

`hand` poses a mesh, `placing` puts it before the camera, and `render` draws it. `appearance` gives
it skin, `light` lights it, `held_object` puts an object into it, `clutter` puts things before and
beside it, and `backgrounds` stand behind it. `sensor` turns exact depth into that of a consumer
camera. `scene` makes whole samples of one hand, `pictures` makes pictures with none, one or several
hands for the detector. `recording` films a person's hand (`motion`) in a room (`rooms`).
`kerashand.data.cache` keeps the samples on disk.
"""

SPLITS = ("train", "val", "test")
SCENES = ("free", "table", "wall", "body", "object")
"""Of simulated recordings: a far wall; a table below the hand; a wall or a body close behind it; a
table, and things in the hand."""
