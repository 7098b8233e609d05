"""A backend that knows the joints of one picture, and that picture, for tests of the runtime."""

import numpy as np

from kerashand.synthetic.scene import render_sample

SIZE = 64
JOINTS = ("uv_px", "z_relative", "confidence")


class TrueJoints:
    """A backend that knows the joints of one picture and finds them by what a crop shows.

    The picture's colours encode positions: red is column, green is row, both times 1.
    """

    outputs = frozenset(JOINTS)

    def __init__(self, uv_px, z_relative, mirrored=False):
        self.metadata = {"task": "hand_pose", "image_size_px": SIZE, "scale_bone": "middle_mcp_pip"}
        self.uv_px, self.z_relative, self.seen = uv_px, z_relative, []

    def run(self, images):
        assert images.shape == (1, SIZE, SIZE, 3)
        assert images.dtype == np.uint8
        self.seen.append(images[0])
        positions = images[0, ..., :2].astype(float).reshape(-1, 2)
        rows, columns = np.divmod(np.arange(SIZE * SIZE), SIZE)
        system = np.stack([*positions.T, np.ones(len(positions))], axis=1)
        inside = (positions > 2).all(axis=1) & (positions < 250).all(axis=1)
        to_crop = np.linalg.lstsq(system[inside], np.stack([columns, rows], 1)[inside], rcond=None)
        uv = np.concatenate([self.uv_px, np.ones((21, 1))], axis=1) @ to_crop[0]
        return {
            "uv_px": uv,
            "z_relative": self.z_relative,
            "confidence": np.ones(21),
        }


def coded_scene():
    """A sample, and a picture of its size whose colours are positions."""
    sample = render_sample("source", "train", seed=0, index=3, size_px=256)
    axis = np.arange(256, dtype=np.uint8)
    coded = np.stack([np.tile(axis, (256, 1)), np.tile(axis[:, None], (1, 256))], axis=2)
    picture = np.concatenate([coded, np.zeros((256, 256, 1), np.uint8)], axis=2)
    scale = np.linalg.norm(sample.xyz_mm[10] - sample.xyz_mm[9])
    z_relative = (sample.xyz_mm[:, 2] - sample.xyz_mm[0, 2]) / scale
    return sample, picture, z_relative, float(scale)
