"""The order of samples: seeds, resuming, readers that share the data, and evaluation."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from pipeline_batches import (
    ALL,
    GEOMETRY,
    WEAK,
    assert_batches_equal,
    domain_batches,
    domain_source,
    first,
    moved_batch,
    raw_samples,
)

from kerashand.data.augment import AugmentParameters
from kerashand.data.pipeline import DomainSource, _augmenting, evaluation_batches, training_batches
from kerashand.data.records import endless_records
from kerashand.data.sample import DOMAIN_NUMBERS

source_of = pytest.fixture(domain_source)
raw = pytest.fixture(raw_samples)
batches_of = pytest.fixture(domain_batches)


def test_eager_and_graph_agree(raw):
    eager, _ = moved_batch(raw, AugmentParameters())
    in_graph = tf.function(
        lambda sample: moved_batch(sample, AugmentParameters())[0], autograph=False
    )(raw)
    for name in eager:
        np.testing.assert_allclose(eager[name], in_graph[name], rtol=1e-4, atol=1e-3, err_msg=name)


def test_same_seed_same_batches_whatever_the_global_seed(batches_of):
    tf.random.set_seed(1)
    once = first(batches_of(WEAK), 3)
    tf.random.set_seed(2)
    again = first(batches_of(WEAK), 3)
    for a, b in zip(once, again, strict=True):
        assert_batches_equal(a, b)
    other = first(batches_of(WEAK, seed=1))
    assert np.abs(other["uv_px"] - once[0]["uv_px"]).max() > 1


@pytest.mark.parametrize("step", [1, 4, 13])
def test_resuming_at_a_step_gives_the_batch_of_that_step(batches_of, step):
    # 40 samples, 4 of each domain a batch: step 13 lies in the second pass.
    unbroken = first(batches_of(WEAK), step + 2)
    resumed = first(batches_of(WEAK, first_step=step), 2)
    for a, b in zip(unbroken[step:], resumed, strict=True):
        assert_batches_equal(a, b)


def test_each_pass_holds_every_record_in_another_order(sample_cache):
    files = sample_cache.files["source"]
    stored = [r.numpy() for r in tf.data.TFRecordDataset(files)]
    stream = [r.numpy() for r in endless_records(files, seed=[0, 0]).take(3 * len(stored))]
    passes = [stream[i : i + len(stored)] for i in range(0, len(stream), len(stored))]
    for one in passes:
        assert sorted(one) == sorted(stored)
        assert one != stored
    assert passes[0] != passes[1] != passes[2]
    other = [r.numpy() for r in endless_records(files, seed=[0, 1]).take(len(stored))]
    assert other != passes[0]


@pytest.mark.parametrize("skip", [0, 7, 40, 95])
def test_records_are_left_out_without_reading_whole_passes(sample_cache, skip):
    files = sample_cache.files["source"]
    plain = endless_records(files, seed=[3, 0]).skip(skip).take(50)
    known = endless_records(files, seed=[3, 0], skip=skip, samples=sample_cache.samples).take(50)
    assert [r.numpy() for r in known] == [r.numpy() for r in plain]


@pytest.mark.slow
def test_readers_share_files_and_rows(source_of, sample_cache):
    """Every file is one reader's, and the parts joined are what one process reads."""
    sources = [source_of("source"), source_of("target")]
    files = set(sources[0].records)
    parts = [set(sources[0].part(number, 2).records) for number in range(2)]
    assert parts[0] | parts[1] == files
    assert not parts[0] & parts[1]
    options = {
        "shares": (4, 4), "geometry": GEOMETRY, "parameters": AugmentParameters(), "seed": 3,
        "readers": 2,
    }  # fmt: skip
    joined = first(training_batches(sources, **options), 3)
    read = [first(training_batches(sources, **options, reader=number), 3) for number in range(2)]
    for step, batch in enumerate(joined):
        together = {k: np.concatenate([r[step][k] for r in read]) for k in batch}
        assert_batches_equal(batch, together)
    resumed = first(training_batches(sources, **options, first_step=2), 1)
    assert_batches_equal(resumed, joined[2])
    with pytest.raises(ValueError, match="readers=3 for 4 samples"):
        training_batches(sources, **{**options, "readers": 3})


@pytest.mark.parametrize("readers", [1, 2, 3])
def test_readers_share_all_rows_of_a_table(readers):
    """Each reader's part of 7 rows; in one pass every row is read once."""
    table = DomainSource("source", range(7), parse=lambda row: row, labels=ALL)
    passes = []
    for number in range(readers):
        part = table.part(number, readers)
        stream = endless_records(part.records, seed=[0, 0, number]).take(2 * part.samples)
        rows = [int(row) for row in stream]
        passes += rows[: part.samples]
        assert sorted(rows[part.samples :]) == sorted(rows[: part.samples])
    assert sorted(passes) == list(range(7))


def test_readers_have_orders_of_their_own():
    orders = [[int(row) for row in endless_records(range(50), seed=[0, 0, reader]).take(50)]
              for reader in range(2)]  # fmt: skip
    assert orders[0] != orders[1]


def test_no_two_things_are_drawn_with_one_seed(source_of, raw, monkeypatch):
    """All that a batch draws, of both domains in two steps and of another run."""
    seeds = []

    def noted(shape, seed, *arguments, **options):
        seeds.append(tuple(np.asarray(seed).tolist()))
        return drawn(shape, seed, *arguments, **options)

    drawn = tf.random.stateless_uniform
    monkeypatch.setattr(tf.random, "stateless_uniform", noted)
    everything = AugmentParameters(
        upright=0.5, mirrored=0.5, colour_cast=0.2, cover=0.5, faded=0.5, blur_px=2.0
    )
    times = 0
    for seed, domain, step in itertools.product((1, 2), ("source", "target"), (0, 1)):
        prepare = _augmenting(source_of(domain), GEOMETRY, everything, seed=seed, relief=True)
        prepare(tf.constant(step, tf.int64), raw)
        times += 1
    # Affine map, upright, mirrored, relief, blur, brightness, faded, noise, cast, cover.
    assert len(seeds) == 10 * times
    assert len(set(seeds)) == len(seeds)


def test_augmentation_differs_from_pass_to_pass(batches_of):
    batches = first(batches_of({"source": ALL}), 20)
    seen = {}
    for batch in batches:
        for uv, root in zip(batch["uv_px"], batch["root_depth_mm"], strict=True):
            seen.setdefault(float(root), []).append(uv)
    repeated = [views for views in seen.values() if len(views) > 1]
    assert len(repeated) > 10
    assert all(np.abs(a - b).max() > 0.1 for a, b, *_ in repeated)


def test_evaluation_is_one_plain_pass_in_order(source_of, sample_cache):
    source = source_of("target", ALL)
    dataset = evaluation_batches(source, batch_size=16, geometry=GEOMETRY, samples=40)
    assert int(dataset.cardinality()) == 3
    batches = list(dataset)
    assert [len(b["domain"]) for b in batches] == [16, 16, 8]
    assert {int(n) for b in batches for n in b["domain"]} == {DOMAIN_NUMBERS["target"]}
    records = tf.data.TFRecordDataset(list(source.records)).map(source.parse)
    for name in ("uv_px", "image"):
        stored = np.stack([sample[name] for sample in records])
        given = np.concatenate([batch[name] for batch in batches])
        np.testing.assert_allclose(given, stored, atol=1e-4)
