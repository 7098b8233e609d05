"""Small models with random weights, pictures and films for tests of `kerashand-predict`."""

import json

import cv2
import numpy as np
from film_files import write_film
from shared_folders import shared_folder

from kerashand import exporting
from kerashand.cli import predict
from kerashand.config import load_config
from kerashand.models.detector import build_detector
from kerashand.models.hand_pose import build_parts

SIZE = 32


def random_models(tmp_path_factory):
    """A pose model and a detector that sees a hand everywhere (threshold 0), as files."""
    return shared_folder(tmp_path_factory, "predict_models", write_models)


def write_models(folder):
    import keras

    keras.utils.set_random_seed(1)
    parts = build_parts(image_size_px=SIZE, lite={"width": 0.5, "stages": 1})
    described = exporting.describe(load_config("weak.yaml", [f"data.image_size_px={SIZE}"]))
    described["recipe"]["least_hand"] = 0.0  # whatever is detected
    exporting.export(
        parts.build_inference_model(), folder / "pose.tflite", "tflite", metadata=described
    )
    detector = build_detector(image_size_px=64, width=0.5)
    for name, threshold in (("finds", 0.0), ("nothing", 0.99)):
        described = exporting.describe_detector(image_size_px=64, width=0.5, threshold=threshold)
        exporting.export(detector, folder / f"{name}.tflite", "tflite", metadata=described)


def saved_picture(tmp_path, rng):
    small = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    path = tmp_path / "photo.jpg"
    cv2.imwrite(str(path), cv2.resize(small, (160, 120)))
    return path


def run(models, *arguments, detector="finds"):
    files = [
        "--model",
        str(models / "pose.tflite"),
        "--detector",
        str(models / f"{detector}.tflite"),
    ]
    return predict.main([*map(str, arguments), *files])


def noise(frames=7, size=(96, 64)):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (frames, size[1], size[0], 3)).astype(np.uint8)


def write_video(path, frames=7):
    write_film(path, noise(frames), codec="mjpeg", pix_fmt="yuvj420p")


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]
