"""Batches of the pipeline: the contract, shares of the domains, and weights of the labels."""

import functools

import numpy as np
import pytest
from pipeline_batches import (
    ALL,
    CELLS,
    GEOMETRY,
    SIZE,
    WEAK,
    assert_batches_equal,
    domain_batches,
    domain_source,
    first,
)

from kerashand.data.augment import AugmentParameters
from kerashand.data.pipeline import DomainSource, evaluation_batches, training_batches
from kerashand.data.readers import cached
from kerashand.data.sample import BATCH_SPEC

source_of = pytest.fixture(domain_source)
batches_of = pytest.fixture(domain_batches)


def test_contract(batches_of):
    batch = first(batches_of(WEAK))
    shapes = {
        "image": (8, SIZE, SIZE, 3), "uv_px": (8, 21, 2), "uv_weight": (8, 21),
        "is_right": (8,), "is_hand": (8,),
        "z_relative": (8, 21), "z_weight": (8,), "point_depth": (8, 21),
        "point_depth_weight": (8, 21), "depth_map": (8, CELLS, CELLS, 1),
        "depth_weight": (8, CELLS, CELLS, 1), "xyz_mm": (8, 21, 3), "intrinsics": (8, 3, 3),
        "root_depth_mm": (8,), "scale_mm": (8,), "domain": (8,),
    }  # fmt: skip
    assert set(batch) == set(BATCH_SPEC) == set(shapes)
    for name, shape in shapes.items():
        assert batch[name].shape == shape, name
        assert batch[name].dtype == (np.int32 if name == "domain" else np.float32), name
        assert np.isfinite(batch[name]).all(), name
    assert batch["image"].min() >= 0
    assert batch["image"].max() <= 255
    assert batch["image"].max() > 100
    assert 0 <= batch["depth_map"].min() <= batch["depth_map"].max() <= 1


def test_half_of_a_batch_from_each_domain(batches_of):
    for batch in first(batches_of(WEAK), 3):
        assert batch["domain"].tolist() == [0] * 4 + [1] * 4


def test_weights_follow_the_labels_of_the_domain(batches_of):
    batch = first(batches_of(WEAK))
    source, target = slice(0, 4), slice(4, 8)
    assert batch["z_weight"].tolist() == [1.0] * 4 + [0.0] * 4
    assert batch["uv_weight"][source].mean() > 0.7
    assert batch["uv_weight"][target].mean() > 0.7
    assert batch["depth_weight"][target].mean() > 0.5
    # The filler is zero, not what the training may not see.
    assert np.all(batch["z_relative"][target] == 0)
    assert np.all(batch["xyz_mm"][target] == 0)
    assert np.abs(batch["xyz_mm"][source]).max() > 0
    # Root depth and scale are given in every setting.
    assert batch["root_depth_mm"].min() > 100
    assert 20 < batch["scale_mm"].min() <= batch["scale_mm"].max() < 70


@pytest.mark.parametrize("augmented", [True, False])
def test_without_its_depth_a_record_gives_the_batch_that_unlabelled_depth_gives(
    sample_cache, augmented
):
    def batch(with_depth):
        parse = functools.partial(cached.parse, size_px=SIZE, with_depth=with_depth)
        source = DomainSource("source", sample_cache.files["source"], parse, ("uv", "xyz"))
        if augmented:
            return first(
                training_batches(
                    [source],
                    shares=(4,),
                    geometry=GEOMETRY,
                    parameters=AugmentParameters(),
                    seed=3,
                )
            )
        return first(evaluation_batches(source, batch_size=4, geometry=GEOMETRY, samples=40))

    assert_batches_equal(batch(True), batch(False))


@pytest.mark.parametrize("labels", [("uv",), ("depth",), ("xyz",), ()])
def test_what_is_not_labelled_has_weight_zero(batches_of, labels):
    batch = first(batches_of({"target": labels}))
    assert bool(batch["uv_weight"].any()) == ("uv" in labels)
    assert bool(batch["depth_weight"].any()) == ("depth" in labels)
    assert bool(batch["depth_map"].any()) == ("depth" in labels)
    assert bool(batch["z_weight"].any()) == ("xyz" in labels)
    assert bool(batch["z_relative"].any()) == ("xyz" in labels)


def test_shares_are_of_the_domains(batches_of):
    batch = first(batches_of(WEAK, shares=(6, 2)))
    assert batch["domain"].tolist() == [0] * 6 + [1] * 2
    for shares in ((8,), (8, 0)):
        with pytest.raises(ValueError, match=r"Received: shares=.* for 2 domains"):
            batches_of(WEAK, shares=shares)


def test_pictures_may_be_left_out(source_of):
    source = source_of("source")
    parse = functools.partial(cached.parse, size_px=SIZE, with_image=False)
    source = DomainSource("source", source.records, parse, ALL)
    batch = first(evaluation_batches(source, batch_size=4, geometry=GEOMETRY, samples=40))
    assert set(batch) == set(BATCH_SPEC) - {"image"}
