"""Rows of the label file that `prepare_photographs.py` writes, and the frames beside it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def row(collection: str, name: str, *, uv_px, weight, is_right: bool, split: str) -> dict:
    """One hand of the label file; `weight` of all points or of each. `set` is for people."""
    return {
        "set": collection,
        "name": name,
        "uv_px": np.asarray(uv_px, np.float32),
        "uv_weight": np.full(21, weight, np.float32),
        "is_right": is_right,
        "split": split,
    }


def write_jpeg(path: Path, rgb: np.ndarray) -> None:
    """Write a frame of a clip."""
    cv2.imwrite(str(path), rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
