"""Tiny data sets in their published layouts, and the settings that train on them."""

import numpy as np
from dataset_writers import write_freihand, write_rgbd, write_rhd, write_stb
from tiny_runs import TINY

from kerashand.data import tables


def published_data_sets(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("originals"), np.random.default_rng(7)
    write_rhd(root / "rhd", rng, train=12, test=4)
    write_stb(root / "stb", rng, frames=2)
    write_freihand(root / "freihand", rng, train=6, test=2)
    write_rgbd(root / "rgbd", rng, frames=10)
    return root


def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASHAND_CACHE", str(tmp_path / "cache"))
    tables._read.cache_clear()


SMALL = [
    *(setting for setting in TINY if not setting.startswith("data.")),
    "data.image_size_px=32",
    "data.stored_size_px=48",
    *(f"stages.{s}.epochs=1" for s in ("pretrain", "regularizer", "finetune")),
    *(f"stages.{s}.steps_per_epoch=2" for s in ("pretrain", "regularizer", "finetune")),
    *(f"stages.{s}.batch_size=4" for s in ("pretrain", "regularizer", "finetune")),
    "model.network=lite",
    "model.regularizer.encoding=heatmaps",
]


def of_paper(root, *more):
    return [
        *SMALL,
        f"data.source.path={root / 'rhd'}",
        f"data.target.path={root / 'stb'}",
        "data.source.val=2",
        "data.target.val=2",
        *more,
    ]
