"""From a configuration's data section to what the sample cache holds of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerashand.data import photos
from kerashand.data.cache import CachedSplit, Split
from kerashand.data.sample import DOMAIN_NUMBERS
from kerashand.synthetic.scene import SPLITS


def cached_split(
    data: Mapping[str, Any], domain: str, split: str, *, samples: int | None = None
) -> CachedSplit:
    """One split of one domain.

    Args:
        data: the section `data`.
        domain: source or target.
        split: train, val or test.
        samples: how many; None is what the configuration says.

    Raises:
        UserError: when a folder that the configuration names is wrong.
    """
    chosen = data[domain]
    count = samples or chosen[split]
    size_px = data["stored_size_px"] or data["image_size_px"]
    if chosen["kind"] == "photos":
        return photos.open_split(chosen["path"], split, size_px=size_px, samples=count)
    return Split(
        chosen["look"] or domain, split, data["seed"], size_px, count, chosen["backgrounds"]
    )


def all_splits(data: Mapping[str, Any]) -> list[CachedSplit]:
    """Every split of both domains."""
    return [cached_split(data, domain, split) for domain in DOMAIN_NUMBERS for split in SPLITS]
