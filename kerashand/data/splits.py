"""From a configuration's data section to samples: cached ones, or rows of a data set on disk."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any

from kerashand.data import photos
from kerashand.data.cache import CachedSplit, Split
from kerashand.data.readers import freihand, rgbd, rhd, stb
from kerashand.data.readers.checks import without_bad_rows
from kerashand.data.readers.table import HandTable
from kerashand.data.sample import DOMAIN_NUMBERS
from kerashand.data.tables import ConvertedSplit, TableSplit, mixed
from kerashand.files import check_folder, user_path
from kerashand.geometry.camera import HAND_MARGIN
from kerashand.synthetic.scene import SPLITS

LOGGER = logging.getLogger(__name__)
VALIDATION_SHARE = 0.05
"""Of the training hands, where the configuration names no number."""


def open_split(
    data: Mapping[str, Any], domain: str, split: str, *, samples: int | None = None
) -> CachedSplit | TableSplit:
    """One split of one domain.

    Args:
        data: the section `data`.
        domain: source or target.
        split: train, val or test.
        samples: at most so many; None is what the configuration says.

    Raises:
        UserError: when a folder that the configuration names is wrong.
    """
    chosen = data[domain]
    count = chosen[split] if samples is None else min(samples, chosen[split])
    size_px = data["stored_size_px"] or data["image_size_px"]
    if chosen["kind"] in READERS:
        table, margin = _table_of(chosen, split).spread(count), HAND_MARGIN * data["zoom"]
        if not data["shards"]:
            return TableSplit(table, size_px, margin)
        name = f"{chosen['kind']}-{split}"
        # Shards are shuffled in blocks only.
        table = mixed(table) if split == "train" else table
        return ConvertedSplit(table, size_px, margin, name, data["workers"])
    if chosen["kind"] in photos.KINDS:
        return photos.open_split(
            chosen["path"], split, size_px=size_px, samples=count,
            posed=chosen["kind"] == photos.POSED,
        )  # fmt: skip
    return Split(
        chosen["style"] or domain, split, data["seed"], size_px, count, chosen["backgrounds"]
    )


def all_cached_splits(data: Mapping[str, Any]) -> list[CachedSplit]:
    """Every split of both domains that is kept in the sample cache."""
    kept = [d for d in DOMAIN_NUMBERS if data["shards"] or data[d]["kind"] not in READERS]
    return [open_split(data, domain, split) for domain in kept for split in SPLITS]


# ---------------------------------------------------------------------------- data sets on disk

READERS: dict[str, Callable[..., HandTable]] = {
    "rhd": rhd.read,
    "stb-sk": functools.partial(stb.read, camera="sk"),
    "stb-bb": functools.partial(stb.read, camera="bb"),
    "freihand": freihand.read,
    "rgbd": rgbd.read,
}
"""Kind -> a function (folder, "train" or "test") that returns its table."""
STB_KINDS = ("stb-sk", "stb-bb")


def counted(data: Any) -> Any:
    """The data section with numbers where it says null, as the folders on disk have them."""
    changed = {}
    for domain in DOMAIN_NUMBERS:
        chosen = data[domain]
        missing = [split for split in SPLITS if chosen[split] is None]
        if chosen["kind"] in photos.KINDS:
            held = {split: photos.count(chosen["path"], split) for split in missing}
            changed[domain] = dataclasses.replace(chosen, **held)
        if missing and chosen["kind"] in READERS:
            # The validation first: the rest of the training hands depends on it.
            if "val" in missing:
                rows = len(_checked(chosen, "train"))
                chosen = dataclasses.replace(chosen, val=max(round(VALIDATION_SHARE * rows), 1))
            for split in (split for split in missing if split != "val"):
                chosen = dataclasses.replace(chosen, **{split: len(_table_of(chosen, split))})
            changed[domain] = chosen
    return dataclasses.replace(data, **changed) if changed else data


def _table_of(chosen: Any, split: str) -> HandTable:
    if split == "test":
        return _checked(chosen, "test")
    train, val = _checked(chosen, "train").held_out(chosen["val"])
    return train if split == "train" else val


def _checked(chosen: Any, split: str) -> HandTable:
    path = str(user_path(chosen["path"]).resolve())
    wrist = chosen["wrist_from_palm"] if chosen["kind"] in STB_KINDS else None
    return _read(chosen["kind"], path, split, chosen["max_bad_share"], wrist)


@functools.lru_cache(maxsize=4)
def _read(kind: str, path: str, split: str, most_bad: float, wrist: str | None) -> HandTable:
    check_folder(path)
    LOGGER.info("checking the labels and pictures of %s (%s, %s)", path, kind, split)
    table = READERS[kind](path, split, **({"wrist": wrist} if wrist else {}))
    return without_bad_rows(table, most_bad=most_bad, report=LOGGER.warning)
