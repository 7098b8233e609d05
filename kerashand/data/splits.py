"""From a configuration's data section to the splits of its kinds."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

from kerashand.data.kinds import KINDS
from kerashand.data.kinds.kind import Request
from kerashand.data.sample import DOMAIN_NUMBERS
from kerashand.data.shards import CachedSplit
from kerashand.data.tables import TableSplit
from kerashand.synthetic import SPLITS


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
    return KINDS[chosen["kind"]].open(Request(data, domain, split, count))


def all_cached_splits(data: Mapping[str, Any]) -> list[CachedSplit]:
    """Every split of both domains that is kept in the sample cache."""
    kept = [
        domain
        for domain in DOMAIN_NUMBERS
        if data["shards"] or KINDS[data[domain]["kind"]].read is None
    ]
    splits = [open_split(data, domain, split) for domain in kept for split in SPLITS]
    return [split for split in splits if isinstance(split, CachedSplit)]


def labels_of(data: Any) -> dict[str, str]:
    """Folders of the data section whose labels people correct -> text that stands for these."""
    keys = {}
    for domain in DOMAIN_NUMBERS:
        chosen = data[domain]
        if (key := KINDS[chosen["kind"]].labels_key) is not None:
            with contextlib.suppress(OSError):  # what is missing is said where it is read
                keys[chosen["path"]] = key(chosen["path"])
    return keys


def counted(data: Any) -> Any:
    """The data section with numbers where it says null, as the folders on disk have them."""
    changed = {}
    for domain in DOMAIN_NUMBERS:
        chosen = data[domain]
        count = KINDS[chosen["kind"]].count
        # The validation first: the rest of the training hands may depend on it.
        for split in ("val", "train", "test"):
            if chosen[split] is None and count is not None:
                chosen = dataclasses.replace(chosen, **{split: count(chosen, split)})
        if chosen is not data[domain]:
            changed[domain] = chosen
    return dataclasses.replace(data, **changed) if changed else data
