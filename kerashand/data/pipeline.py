"""tf.data pipelines: endless mixed-domain batches for training, plain passes for evaluation.

The order of a stream is a function of (seed, domain) alone and augmentation one of (seed, domain,
batch number): a run that resumes at step n skips n batches of undecoded records and goes on with
exactly the batches that an unbroken run would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import tensorflow as tf

from kerashand.data import augment, augment_colours
from kerashand.data.records import as_written, endless_records
from kerashand.data.sample import DOMAIN_NUMBERS
from kerashand.data.streams import stream
from kerashand.geometry.camera import cam_from_px
from kerashand.geometry.depth import joints_unit, normalise_depth
from kerashand.geometry.pose import (
    OPTICAL_AXIS,
    depth_rays,
    line_of_sight,
    relative_depth,
    scale_from_joints,
)
from kerashand.skeleton import MIDDLE_MCP, ROOT


@dataclass(frozen=True)
class DomainSource:
    """Where the samples of a domain come from and what they are labelled with.

    Attributes:
        domain: "source" or "target".
        records: paths of TFRecord shards, or the numbers of rows of a table.
        parse: one serialised record, or one number, to a raw sample.
        labels: of "uv", "xyz", "depth", what training may use.
        counts: records of each shard, where they are known; a run then resumes without reading
            whole passes that it has behind it.
    """

    domain: str
    records: Sequence[str] | range
    parse: Callable[[tf.Tensor], dict[str, tf.Tensor]]
    labels: Sequence[str]
    counts: Sequence[int] | None = None

    @property
    def samples(self) -> int | None:
        """How many records there are, where it is known."""
        if isinstance(self.records, range):
            return len(self.records)
        return None if self.counts is None else sum(self.counts)

    def part(self, number: int, parts: int) -> DomainSource:
        """Every `parts`-th shard or row, from `number` on."""
        counts = None if self.counts is None else self.counts[number::parts]
        return replace(self, records=self.records[number::parts], counts=counts)


@dataclass(frozen=True)
class BatchGeometry:
    """What turns raw samples into batches, beside augmentation.

    Attributes:
        image_size_px: side of a batch's pictures, whatever that of the stored ones is.
        depth_map_px: side of the depth maps.
        scale_bone: the unit of joint depth.
        half_width_scales: the window of Eq. 4.
        zoom: a batch shows the middle 1 / zoom of a stored picture (augmentation varies that).
        depth_along: what depth of joints and of maps is measured along, of
            `kerashand.geometry.pose.DEPTH_ALONG`.
    """

    image_size_px: int
    depth_map_px: int
    scale_bone: str
    half_width_scales: float
    zoom: float = 1.0
    depth_along: str = OPTICAL_AXIS


def training_batches(
    domains: Sequence[DomainSource],
    *,
    shares: Sequence[int],
    geometry: BatchGeometry,
    parameters: augment.AugmentParameters,
    seed: int,
    first_step: int = 0,
    relief: bool = False,
    readers: int = 1,
    reader: int | None = None,
) -> tf.data.Dataset:
    """Endless batches, a fixed share from each domain, in the order of the domains.

    With several readers each takes its own shards, and its part of the shares of a batch from them:
    workers that read one part each see together what one process sees that joins all parts.

    Args:
        domains: one or two domains.
        shares: samples of each domain in a batch.
        geometry: sizes and the depth window.
        parameters: augmentation.
        seed: of order and augmentation.
        first_step: batches to leave out, for resuming.
        relief: whether fully labelled domains are also stretched and tilted in depth; `xyz_mm` is
            then no longer true to `z_relative`.
        readers: in how many parts files and batches are read.
        reader: the part to read, of a batch's rows too; None joins all of them.

    Raises:
        ValueError: unless each domain has a positive share for each reader, and a shard.
    """
    if not domains or len(shares) != len(domains) or min(shares) < 1:
        raise ValueError(
            f"`shares` must hold a positive number for each of one or two domains. Received: "
            f"shares={shares!r} for {len(domains)} domains"
        )
    for domain, share in zip(domains, shares, strict=True):
        if share % readers or len(domain.records) < readers:
            raise ValueError(
                f"`readers` must divide each domain's share of a batch, and be at most its shards. "
                f"Received: readers={readers} for {share} samples of {len(domain.records)} shards"
            )
    parts = []
    for number in range(readers) if reader is None else (reader,):
        own = [domain.part(number, readers) for domain in domains]
        fewer = [share // readers for share in shares]
        key = (seed, readers, number)
        parts += _streams(
            own, fewer, geometry=geometry, parameters=parameters, key=key, first_step=first_step,
            relief=relief,
        )  # fmt: skip
    mixed = tf.data.Dataset.zip(tuple(parts)).map(as_written(_joined), tf.data.AUTOTUNE)
    if parameters.spectrum > 0 and len(domains) == 2:
        mixed = mixed.enumerate(first_step).map(
            _swapping_spectra(parameters.spectrum, seed, reader or 0), tf.data.AUTOTUNE
        )
    return _sharded_by_rows(mixed.prefetch(4))


def _streams(domains, shares, *, geometry, parameters, key, first_step: int, relief: bool):
    """The batches of each domain, of one reader; `key` holds seed, readers and its number."""
    seed, readers, reader = key
    streams = []
    for domain, share in zip(domains, shares, strict=True):
        records = endless_records(
            domain.records, seed=[seed, DOMAIN_NUMBERS[domain.domain], reader],
            skip=first_step * share, samples=domain.samples,
        )  # fmt: skip
        samples = records.map(as_written(domain.parse), tf.data.AUTOTUNE)
        batches = samples.batch(share, drop_remainder=True).enumerate(first_step)
        numbered = batches.map(as_written(lambda step, raw: (step * readers + reader, raw)))
        streams.append(
            numbered.map(
                _augmenting(domain, geometry, parameters, seed=seed, relief=relief),
                tf.data.AUTOTUNE,
            )
        )
    return streams


def evaluation_batches(
    domain: DomainSource, *, batch_size: int, geometry: BatchGeometry, samples: int
) -> tf.data.Dataset:
    """One pass in stored order over `samples`, not augmented; the last batch may be smaller."""
    if isinstance(domain.records, range):
        rows = domain.records
        records = tf.data.Dataset.range(rows.start, rows.stop, rows.step)
    else:
        records = tf.data.TFRecordDataset(list(domain.records))
    batches = records.map(as_written(domain.parse), tf.data.AUTOTUNE).batch(batch_size)
    identity = augment.NO_CHANGE

    @as_written
    def prepare(raw):
        stored_px = _stored_px(raw)
        affine, rotation = augment.centred_affine(
            tf.shape(raw["uv_px"])[0], stored_px, geometry.zoom
        )
        return make_batch(
            raw, domain, geometry, parameters=identity, affine=affine, rotation=rotation, key=None
        )

    prepared = batches.map(prepare, tf.data.AUTOTUNE).prefetch(2)
    counted = prepared.apply(tf.data.experimental.assert_cardinality(-(-samples // batch_size)))
    return _sharded_by_rows(counted)


def _sharded_by_rows(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Several workers share the rows of each batch, so that all together see what one would."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return batches.with_options(options)


def _augmenting(domain, geometry, parameters, *, seed, relief):
    @as_written
    def prepare(step: tf.Tensor, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        number = step * 2 + DOMAIN_NUMBERS[domain.domain]
        key = tf.stack([tf.constant(seed, tf.int64), number])
        affine, rotation = augment.random_affine(
            raw["uv_px"],
            _stored_px(raw),
            parameters,
            seed=stream(key, "affine"),
            zoom=geometry.zoom,
        )
        batch = make_batch(
            raw, domain, geometry, parameters=parameters, affine=affine, rotation=rotation, key=key
        )
        if relief and {"xyz", "depth"} <= set(domain.labels):
            batch |= _with_relief(batch, geometry, parameters, key=stream(key, "relief"))
        return batch

    return prepare


def _swapping_spectra(share: float, seed: int, reader: int):
    """Pictures of the source in the light of pictures of the target of the same batch."""

    @as_written
    def prepare(step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        key = stream(tf.stack([tf.constant(seed, tf.int64), step]), "spectrum", reader)
        images, domain = batch["image"], batch["domain"]
        targets = tf.where(domain == DOMAIN_NUMBERS["target"])[:, 0]
        draws = tf.random.stateless_uniform((2, tf.shape(domain)[0]), key)
        last = tf.shape(targets)[0] - 1
        donor = tf.cast(draws[0] * tf.cast(last + 1, tf.float32), tf.int32)
        donors = tf.gather(images, tf.gather(targets, tf.minimum(donor, last)))
        chosen = (domain == DOMAIN_NUMBERS["source"]) & (draws[1] < share)
        swapped = augment_colours.swap_spectrum(images, donors, chosen, seed=stream(key, "reach"))
        return batch | {"image": swapped}

    return prepare


def _with_relief(batch, geometry, parameters, *, key) -> dict[str, tf.Tensor]:
    """The fields of a batch that `augment.change_relief` moves."""
    half_width = geometry.half_width_scales
    joints = joints_unit(
        batch["uv_px"],
        batch["z_relative"],
        image_size_px=geometry.image_size_px,
        half_width_scales=half_width,
    )
    joints, depth_map = augment.change_relief(joints, batch["depth_map"], parameters, seed=key)
    return {"z_relative": (0.5 - joints[..., 2]) * 2.0 * half_width, "depth_map": depth_map}


def make_batch(
    raw: dict[str, tf.Tensor],
    domain: DomainSource,
    geometry: BatchGeometry,
    *,
    parameters: augment.AugmentParameters,
    affine: tf.Tensor,
    rotation: tf.Tensor,
    key: tf.Tensor | None,
) -> dict[str, tf.Tensor]:
    """Raw samples with a leading batch axis to a batch of `kerashand.data.sample.BATCH_SPEC`.

    `affine` moves within the stored picture; the result is then brought to the batch's size.

    Root depth and scale are given in every setting (section 4.2 of the paper); joint depth and
    camera-frame joints are zeroed where the domain is not labelled with them.
    """
    root_depth_mm = raw["xyz_mm"][:, ROOT, 2]
    scale_mm = scale_from_joints(raw["xyz_mm"], geometry.scale_bone)
    side = geometry.image_size_px
    uv, xyz, intrinsics = augment.move_joints(
        raw["uv_px"], raw["xyz_mm"], raw["intrinsics"],
        affine=augment.resized(side / _stored_px(raw)) @ affine, rotation=rotation,
    )  # fmt: skip
    count = tf.shape(uv)[0]
    depth_map, depth_weight = _depth_map(
        raw, geometry, scale_mm, affine=affine, uv=uv, intrinsics=intrinsics
    )
    is_hand = raw.get("is_hand", tf.ones([count]))
    inside = tf.reduce_all((uv >= -0.5) & (uv <= side - 0.5), axis=-1)
    has_uv, has_xyz, has_depth = (float(name in domain.labels) for name in ("uv", "xyz", "depth"))
    z_relative = relative_depth(xyz, scale_mm, depth_along=geometry.depth_along)
    point_depth, point_weight = _point_depth(
        raw, rotation, scale_mm, depth_along=geometry.depth_along
    )
    is_right = tf.cast(tf.linalg.det(rotation) > 0, tf.float32)
    counts = is_right + augment.MIRRORED_WEIGHT * (1.0 - is_right)
    batch = {
        "uv_px": uv,
        "uv_weight": tf.cast(inside, tf.float32)
        * raw.get("uv_weight", 1.0)
        * (has_uv * counts)[:, None],
        "is_right": is_right,
        "is_hand": is_hand,
        "z_relative": z_relative if has_xyz else tf.zeros_like(uv[..., 0]),
        "z_weight": has_xyz * counts * is_hand,
        "point_depth": point_depth,
        "point_depth_weight": point_weight * (has_depth * counts * is_hand)[:, None],
        "depth_map": depth_map * has_depth,
        "depth_weight": depth_weight * has_depth,
        "xyz_mm": xyz * has_xyz,
        "intrinsics": intrinsics,
        "root_depth_mm": root_depth_mm,
        "scale_mm": scale_mm,
        "domain": tf.fill([count], DOMAIN_NUMBERS[domain.domain]),
    }
    if "image" in raw:
        batch["image"] = _image(raw, geometry, parameters=parameters, affine=affine, key=key)
    return batch


def _depth_map(
    raw: dict[str, tf.Tensor], geometry: BatchGeometry, scale_mm: tf.Tensor, *, affine: tf.Tensor,
    uv: tf.Tensor, intrinsics: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:  # fmt: skip
    """The normalised depth map (Eq. 4) and its weight, [B, D, D, 1] each; 0 without a map."""
    if "depth_mm" not in raw:
        empty = tf.zeros((tf.shape(uv)[0], *2 * [geometry.depth_map_px], 1))
        return empty, empty
    depth_mm = augment.warp_map(
        tf.cast(raw["depth_mm"], tf.float32)[..., None], affine, output_px=geometry.depth_map_px
    )
    depth_mm, wrist_mm = _depth_along(
        geometry, depth_mm, raw["xyz_mm"][:, ROOT, 2], uv=uv, intrinsics=intrinsics
    )
    return normalise_depth(
        depth_mm, wrist_mm, scale_mm, half_width_scales=geometry.half_width_scales
    )


def _image(
    raw: dict[str, tf.Tensor], geometry: BatchGeometry, *, parameters: augment.AugmentParameters,
    affine: tf.Tensor, key: tf.Tensor | None,
) -> tf.Tensor:  # fmt: skip
    """Pictures [B, S, S, 3] float32; with a key in changed colours and partly covered."""
    image, side = raw["image"], geometry.image_size_px
    if key is not None or (geometry.zoom, _stored_px(raw)) != (1.0, side):
        image = augment.warp(image, affine, output_px=side)
    if key is not None:
        image = augment_colours.change_colours(image, parameters, stream(key, "colours"))
        if parameters.cover > 0:
            covered = augment_colours.cover_parts(image, parameters.cover, stream(key, "cover"))
            if "is_hand" in raw:
                # Where no hand is, none may be shown by its neighbour in the batch.
                covered = augment_colours.rows_of(raw["is_hand"] > 0, covered, image)
            image = covered
    return tf.cast(image, tf.float32)


def _depth_along(
    geometry: BatchGeometry, depth_mm: tf.Tensor, root_depth_mm: tf.Tensor, *, uv: tf.Tensor,
    intrinsics: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:  # fmt: skip
    """Depth maps [B, D, D, 1] and the wrist's depth [B], both along what the geometry says."""
    if geometry.depth_along == OPTICAL_AXIS:
        return depth_mm, root_depth_mm
    size = geometry.depth_map_px
    places = (tf.range(size, dtype=tf.float32) + 0.5) * geometry.image_size_px / size - 0.5
    pixels = tf.reshape(tf.stack(tf.meshgrid(places, places), axis=-1), (1, -1, 2))
    rays = cam_from_px(pixels, tf.ones((1, size * size)), intrinsics)
    joint_rays, joint_reach = depth_rays(uv, intrinsics, depth_along=geometry.depth_along)
    reach = tf.reduce_sum(rays * line_of_sight(joint_rays)[:, None, :], axis=-1)
    reach = tf.reshape(reach, (-1, size, size, 1))
    return depth_mm * reach, root_depth_mm * joint_reach[:, ROOT]


def _point_depth(raw, rotation: tf.Tensor, scale_mm: tf.Tensor, *, depth_along: str):
    """Depth of the points and its weight, [B, 21] each; 0 where it is not known."""
    if "points_mm" not in raw:
        return 2 * (tf.zeros(tf.shape(raw["uv_px"])[:2]),)
    points = raw["points_mm"]
    known = tf.reduce_all(tf.math.is_finite(points), axis=-1)
    # All are counted from the wrist, along the line of sight to the knuckle.
    known &= known[:, ROOT, None] & known[:, MIDDLE_MCP, None]
    points = tf.where(known[..., None], points, raw["xyz_mm"])
    depth = relative_depth(augment.moved(points, rotation), scale_mm, depth_along=depth_along)
    known = tf.cast(known, tf.float32)
    return depth * known, known * raw["uv_weight"]


def _stored_px(raw: dict[str, tf.Tensor]) -> int:
    """Side of the pictures that raw samples with a leading batch axis hold."""
    return raw["depth_mm" if "depth_mm" in raw else "image"].shape[1]


def _joined(*parts: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {name: tf.concat([part[name] for part in parts], axis=0) for name in parts[0]}
