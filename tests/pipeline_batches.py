"""Raw samples and batches of the sample cache, for tests of the pipeline."""

import functools
import itertools

import numpy as np
import tensorflow as tf

from kerashand.data import augment
from kerashand.data.augment import AugmentParameters
from kerashand.data.pipeline import BatchGeometry, DomainSource, make_batch, training_batches
from kerashand.data.readers import cached
from kerashand.data.records import as_written

SIZE, CELLS = 64, 32
GEOMETRY = BatchGeometry(SIZE, CELLS, "middle_mcp_pip", 5.0)
IDENTITY = augment.NO_CHANGE
GEOMETRIC = AugmentParameters(brightness=0.0, contrast=0.0, saturation=0.0, noise=0.0)
KEY = tf.constant([3, 4], tf.int32)


def domain_source(sample_cache):
    parse = functools.partial(cached.parse, size_px=SIZE)

    def build(domain, labels=("uv", "xyz", "depth")):
        return DomainSource(domain, sample_cache.files[domain], parse, labels)

    return build


def raw_samples(source_of):
    """Eight raw samples, stacked."""
    source = source_of("source")
    records = tf.data.TFRecordDataset(list(source.records)).map(as_written(source.parse))
    return next(iter(records.batch(8)))


def domain_batches(source_of):
    def build(labels, *, batch_size=8, shares=None, parameters=None, seed=0, first_step=0):
        return training_batches(
            [source_of(domain, names) for domain, names in labels.items()],
            shares=shares or (batch_size // len(labels),) * len(labels),
            geometry=GEOMETRY,
            parameters=parameters or AugmentParameters(),
            seed=seed,
            first_step=first_step,
        )

    return build


ALL = ("uv", "xyz", "depth")
WEAK = {"source": ALL, "target": ("uv", "depth")}


def first(dataset, count=1):
    taken = [{k: v.numpy() for k, v in b.items()} for b in itertools.islice(dataset, count)]
    return taken[0] if count == 1 else taken


def assert_batches_equal(a, b, *, atol=0.0):
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], atol=atol, err_msg=name)


def moved_batch(raw, parameters=GEOMETRIC, domain="source", key=KEY, geometry=GEOMETRY):
    affine, rotation = augment.random_affine(raw["uv_px"], SIZE, parameters, seed=key)
    source = DomainSource(domain, [], None, ALL)
    return make_batch(
        raw, source, geometry, parameters=parameters, affine=affine, rotation=rotation, key=key
    ), affine
