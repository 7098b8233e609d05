"""Rendered hands, made by `kerashand.synthetic` and kept in the sample cache."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

from kerashand.data.kinds.kind import Kind, Request
from kerashand.data.sample import LABELS
from kerashand.data.shards import CachedSplit


@dataclass(frozen=True)
class RenderedSplit(CachedSplit):
    """Rendered samples: all that their content depends on, and how many.

    Attributes:
        style: of the hands, of `kerashand.synthetic.styles.STYLES`.
        split: train, val or test.
        seed: of the generator.
        size_px: side of the pictures.
        samples: how many.
        backgrounds: folder of photographs to stand behind the hands; None for the packed ones.
    """

    style: str
    split: str
    seed: int
    size_px: int
    samples: int
    backgrounds: str | None = None

    @property
    def folder(self) -> str:
        """Folder of its shards below the root of the cache."""
        from kerashand.synthetic.styles import GENERATOR_VERSIONS

        name = f"{self.style}-{self.split}-{self.size_px}px-seed{self.seed}"
        name += backgrounds_suffix(self.backgrounds)
        return f"synthetic-v{GENERATOR_VERSIONS[self.style]}/{name}"

    def encode(self, first: int, count: int) -> list[dict[str, bytes]]:
        """Draw and compress samples."""
        import cv2

        from kerashand.data.cache import encode_jpeg, encode_png
        from kerashand.synthetic.scene import render_sample

        # Depth has edges that JPEG would blur.
        encode_image = encode_png if self.style == "depth" else encode_jpeg
        encoded = []
        for index in range(first, first + count):
            sample = render_sample(
                self.style, self.split, seed=self.seed, index=index, size_px=self.size_px,
                backgrounds=self.backgrounds,
            )  # fmt: skip
            encoded.append(
                {
                    "image": encode_image(sample.image),
                    "depth_mm": cv2.imencode(".png", sample.depth_mm)[1].tobytes(),
                    "mask": cv2.imencode(".png", sample.mask)[1].tobytes(),
                    "uv_px": sample.uv_px.astype("<f4").tobytes(),
                    "xyz_mm": sample.xyz_mm.astype("<f4").tobytes(),
                    "intrinsics": sample.intrinsics.astype("<f4").tobytes(),
                }
            )
        return encoded


def backgrounds_suffix(folder: str | None) -> str:
    """What the name of a cache folder says of the folder of backgrounds; None: the packed ones."""
    return "" if folder is None else f"-{_digest_of_pictures(folder)}"


@functools.cache  # asked for once a shard
def _digest_of_pictures(folder: str) -> str:
    """Twelve hexadecimal digits that stand for the names and sizes of a folder's pictures."""
    from kerashand.synthetic.backgrounds import picture_files

    files = picture_files(folder)
    listing = "".join(f"{file.name} {file.stat().st_size}\n" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()[:12]


def _open(request: Request) -> RenderedSplit:
    chosen, data = request.chosen, request.data
    return RenderedSplit(
        chosen["style"] or request.domain, request.split, data["seed"], request.size_px,
        request.samples, chosen["backgrounds"],
    )  # fmt: skip


KIND = Kind(
    name="synthetic",
    what="rendered hands",
    labels=LABELS,
    splits=("rendered", "rendered"),
    open=_open,
    options=("style", "backgrounds"),
    unit="rendered hands",
)
