"""The detector: pictures, targets, losses, metrics, and one training that must find hands."""

import csv
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerashand import losses
from kerashand.data import pictures as data
from kerashand.errors import UserError
from kerashand.metrics_detection import box_overlap, evaluate_detector, match_boxes
from kerashand.models.detector import build_detector
from kerashand.synthetic import clutter
from kerashand.synthetic.pictures import render_picture
from kerashand.training.checkpoint import load_state
from kerashand.training.detector import (
    LOSS_WEIGHTS,
    DetectorPictures,
    DetectorSettings,
    train_detector,
)
from kerashand.training.detector_trainer import DetectorTrainer, cell_targets
from kerashand.training.steps import StepSettings

# --------------------------------------------------------------------------------- pictures


def test_pictures_are_functions_of_their_number():
    one, again, other = (render_picture("train", 0, n, size_px=96) for n in (3, 3, 4))
    np.testing.assert_array_equal(one.image, again.image)
    assert one.image.shape == (96, 96, 3)
    assert one.image.dtype == np.uint8
    assert not np.array_equal(one.image, other.image)
    assert not np.array_equal(one.image, render_picture("test", 0, 3, size_px=96).image)
    with pytest.raises(ValueError, match="`split` must be one of"):
        render_picture("all", 0, 0)


def test_pictures_hold_no_one_and_several_hands_of_both_sides():
    drawn = [render_picture("train", 0, n, size_px=96) for n in range(40)]
    counts = [len(picture.boxes) for picture in drawn]
    assert set(counts) >= {0, 1, 2}
    boxes = np.concatenate([picture.boxes for picture in drawn])
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / 96
    assert sides.min() >= 0.085
    assert sides.max() <= 0.86
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert (middle > 0).all()
    assert (middle < 95).all()
    palms = np.concatenate([picture.palms for picture in drawn])
    assert ((boxes[:, :2] < palms) & (palms < boxes[:, 2:])).all()
    length = np.linalg.norm(np.concatenate([picture.ups for picture in drawn]) - palms, axis=1) / 96
    assert (length < sides).all()
    right = np.concatenate([picture.is_right for picture in drawn])
    assert 0.2 < right.mean() < 0.8


class Highest:
    """A generator that draws the highest number it may."""

    def uniform(self, low, high):
        return high


def test_camouflage_by_hand():
    """Most of the hand's light, twice its contrast, and nothing of the background's own colours."""
    hand = np.zeros((2, 2, 3), np.float32)
    hand[0] = [0.5, 0.4, 0.3]
    hand[0, 1] += 0.1
    cover = np.array([[1.0, 1.0], [0.5, 0.0]], np.float32)
    background = np.float32([[0.1, 0.1], [0.3, 0.3]])[..., None] * np.float32([1, 1, 0])
    changed = clutter.in_colours_of(hand, cover, background, rng=Highest())
    mean = np.array([0.55, 0.45, 0.35])
    deviation = np.std([0.5, 0.4, 0.3, 0.6, 0.5, 0.4])
    gain = 2 * deviation / np.std([0.1, 0.1, 0, 0.3, 0.3, 0])
    moved = 1.3 * mean + gain * np.array([0.1, 0.1, 0.0]) * np.array([[-1], [1]])
    np.testing.assert_allclose(changed, np.repeat(moved[:, None], 2, axis=1), rtol=1e-5)
    unseen = clutter.in_colours_of(hand, 0.5 * cover, background, rng=Highest())
    np.testing.assert_array_equal(unseen, background)


# ---------------------------------------------------------------------------------- batches


def marked_record(left, top, right, bottom, *, palm, up, is_right):
    """A black picture with a white box, as a stored record."""
    image = np.zeros((data.STORED_PX, data.STORED_PX, 3), np.uint8)
    image[top : bottom + 1, left : right + 1] = 255
    fields = data._encoded(image, np.array([[left, top, right, bottom, *palm, *up, is_right, 1.0]]))
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in fields.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def box_of_white(image):
    rows, columns = np.nonzero(image.mean(axis=-1) > 127)
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_boxes_move_with_the_picture():
    image, hands = data.parse(
        tf.constant(marked_record(40, 60, 119, 139, palm=(100, 70), up=(90, 50), is_right=1.0))
    )
    images, hands = tf.cast(image[None], tf.float32), hands[None]
    # The square from a quarter of the width and an eighth of the height, half as large.
    moved, boxes = data.moved(images, hands, tf.constant([[0.125, 0.25, 0.5]]), size_px=192)
    expected = (np.array([40, 60, 119, 139]) + 0.5 - [28, 56, 28, 56]) * 192 / 112 - 0.5
    np.testing.assert_allclose(boxes[0, 0, :4], expected, rtol=1e-5)
    np.testing.assert_allclose(box_of_white(moved[0].numpy()), expected, atol=1.5)
    points = (np.array([100, 70, 90, 50]) + 0.5 - [28, 56, 28, 56]) * 192 / 112 - 0.5
    np.testing.assert_allclose(boxes[0, 0, 4:8], points, rtol=1e-5)
    # A hand whose palm is cut off counts no longer, though the middle of its box (79.5, 99.5) is
    # seen; empty rows stay empty.
    _, gone = data.moved(images, hands, tf.constant([[0.25, 0.375, 0.5]]), size_px=192)
    assert gone[0, 0, 9] == -1.0
    assert (gone[0, 1:, 9] == -1.0).numpy().all()


def test_reflections_by_hand():
    """Of pictures 224 px wide; each makes a right hand a left one."""
    hand = tf.constant([[[30.0, 60.0, 99.0, 139.0, 50.0, 120.0, 55.0, 80.0, 1.0, 1.0]]])
    for reflect, expected in (
        (data._mirrored, [223 - 99, 60, 223 - 30, 139, 223 - 50, 120, 223 - 55, 80, 0, 1]),
        (data._upside_down, [30, 223 - 139, 99, 223 - 60, 50, 223 - 120, 55, 223 - 80, 0, 1]),
        (data._transposed, [60, 30, 139, 99, 120, 50, 80, 55, 0, 1]),
    ):
        np.testing.assert_array_equal(reflect(hand)[0, 0], expected)
        np.testing.assert_array_equal(reflect(reflect(hand)), hand)


def test_augmentation_reflects_picture_box_and_handedness(monkeypatch):
    """A box with a red, a green and a blue corner is seen in all of its eight positions."""
    monkeypatch.setattr(data, "change_colours", lambda image, *_: image)
    left, top, right, bottom = 60, 80, 129, 159
    picture = np.zeros((data.STORED_PX, data.STORED_PX, 3), np.float32)
    picture[top : bottom + 1, left : right + 1] = 100.0
    for channel, (v, u) in enumerate(((top, left), (top, right - 29), (bottom - 29, left))):
        picture[v : v + 30, u : u + 30] = 0.0
        picture[v : v + 30, u : u + 30, channel] = 255.0
    rows = np.full((1, data.MOST_HANDS, data.ROW), -1.0, np.float32)
    rows[0, 0] = left, top, right, bottom, left, top, right, top, 1.0, 1.0
    images, rows = (tf.constant(np.repeat(x, 96, axis=0)) for x in (picture[None], rows))
    moved, hands = data.augmented(images, rows, tf.constant([0, 7]), size_px=96)
    seen = set()
    for image, row in zip(moved.numpy(), hands[:, 0].numpy(), strict=True):
        *box, u, v, up_u, up_v, is_right, weight = row
        if weight != 1.0 or min(box) < 2 or max(box) > 93:
            continue
        corners = []
        for channel in range(3):
            others = np.delete(image, channel, axis=2).max(axis=2)
            corners.append([at.mean() for at in np.nonzero(image[..., channel] - others > 128)])
        # The palm lies at the red corner, whose square has its middle 14.5 stored px from there.
        np.testing.assert_allclose((v, u), corners[0], atol=18.0)
        np.testing.assert_allclose((up_v, up_u), corners[1], atol=38.0)
        (down, along), (down_right, along_right) = np.array(corners[1:]) - corners[0]
        seen.add(tuple(np.sign(np.round([down, along, down_right, along_right]))))
        # As it was stored green is to the right of red, and blue below it.
        assert (along * down_right - down * along_right > 0) == bool(is_right)
        rows_of, columns_of = np.nonzero(image.max(axis=2) > 50)
        found = columns_of.min(), rows_of.min(), columns_of.max(), rows_of.max()
        np.testing.assert_allclose(found, box, atol=1.5)
    assert len(seen) == 8


# ---------------------------------------------------------------------------------- targets


def test_targets_of_one_hand_by_hand():
    # Middle of the palm (20, 44): cell 2, row 5 of stride 8.
    hands = tf.constant([[[10.0, 20.0, 40.0, 68.0, 20.0, 44.0, 23.0, 40.0, 1.0, 1.0], [-1.0] * 10]])
    target = {name: value.numpy()[0] for name, value in cell_targets(hands, 12).items()}
    assert target["score"][5, 2] == 1.0
    assert (target["score"] == 1.0).sum() == 1
    sigma = max(0.1 * 30, 0.6 * 8)  # along u, in pixels
    assert target["score"][5, 3] == pytest.approx(np.exp(-0.5 * (8 / sigma) ** 2), rel=1e-5)
    np.testing.assert_array_equal(target["box"][5, 2], [10, 20, 40, 68])
    assert target["handedness"][5, 2] == 1.0
    assert target["weight"][5, 2] == 1.0
    np.testing.assert_allclose(target["up"][5, 2], [0.6, -0.8], rtol=1e-5)
    # From the wrist to the knuckle 5 px are seen, a full weight needs 0.3 of 48.
    assert target["up_weight"][5, 2] == pytest.approx(5 / (0.3 * 48), rel=1e-5)
    assert target["up_weight"][0, 11] == 0.0
    assert target["weight"][0, 11] == 0.0
    assert (target["score_weight"] == 1.0).all()


def test_a_hidden_hand_counts_neither_way():
    hands = tf.constant([[[10.0, 20.0, 30.0, 68.0, 20.0, 44.0, 20.0, 20.0, 0.0, 0.0]]])
    target = {name: value.numpy()[0] for name, value in cell_targets(hands, 12).items()}
    assert target["score"].max() == 0.0
    assert target["weight"].max() == 0.0
    assert target["score_weight"][5, 2] == 0.0
    assert target["score_weight"][5, 6] == 1.0


def test_convention_detector_losses():
    one = np.ones((1, 1, 1), np.float32)
    zero = np.zeros((1, 1, 1), np.float32)
    assert float(losses.focal_score(one, zero, one)) == pytest.approx(0.25 * np.log(2))
    assert float(losses.focal_score(one * 0.5, zero, one)) == pytest.approx(
        0.25 * np.log(2) * 0.5**4
    )
    assert float(losses.focal_score(one, zero, zero)) == 0.0
    assert float(losses.binary_cross_entropy(one, zero, one)) == pytest.approx(np.log(2))
    weight = np.ones(1, np.float32)
    for seen, cost in (([1, 0], 0.0), ([0, 1], 2.0), ([-1, 0], 4.0), ([0, 0], 1.0)):
        assert float(losses.direction([[1, 0]], [seen], weight)) == pytest.approx(cost, abs=1e-4)
    assert float(losses.box_giou([[0, 0, 1, 1]], [[0, 0, 1, 1]], weight)) == pytest.approx(0.0)
    assert float(losses.box_giou([[0, 0, 1, 1]], [[1, 0, 2, 1]], weight)) == pytest.approx(1.0)
    # A gap of one square: the hull is three, the union two.
    assert float(losses.box_giou([[0, 0, 1, 1]], [[2, 0, 3, 1]], weight)) == pytest.approx(4 / 3)


# ---------------------------------------------------------------------------------- metrics


def test_convention_box_overlap():
    assert box_overlap([0, 0, 2, 2], [1, 0, 3, 2]) == pytest.approx(1 / 3)
    assert box_overlap([0, 0, 1, 1], [2, 2, 3, 3]) == 0.0


def test_precision_and_recall_by_hand():
    truth = [[0, 0, 10, 10], [20, 20, 30, 30]]
    first = match_boxes(
        [[0, 0, 10, 9], [0, 1, 10, 10], [40, 40, 50, 50]],
        [0.9, 0.8, 0.3],
        ["left", "right", "left"],
        true_boxes=truth,
        true_handedness=["right", "left"],
    )
    np.testing.assert_array_equal(first.is_hand, [True, False, False])  # each hand once
    np.testing.assert_array_equal(first.same_handedness, [False, False, False])
    second = match_boxes(
        [[1, 1, 10, 10]], [0.6], ["right"], true_boxes=[[0, 0, 10, 10]], true_handedness=["right"]
    )
    result = evaluate_detector([first, second], [0.5, 0.85])
    np.testing.assert_allclose(result.precision, [2 / 3, 1.0])
    np.testing.assert_allclose(result.recall, [2 / 3, 1 / 3])
    np.testing.assert_allclose(result.handedness_accuracy, [0.5, 0.0])
    # In order of score: hit, miss, hit, miss; two of three hands at precisions 1 and 2/3.
    assert result.average_precision == pytest.approx((1 + 2 / 3) / 3)
    with pytest.raises(ValueError, match="must hold a hand"):
        evaluate_detector([match_boxes([], [], [], true_boxes=[], true_handedness=[])])


# ------------------------------------------------------------------------------------ model


def test_detector_starts_with_low_scores_and_boxes_about_their_cells(rng):
    network = build_detector(image_size_px=64, width=0.5)
    output = network(rng.uniform(0, 255, (2, 64, 64, 3)).astype(np.float32))
    assert output["score_logit"].shape == (2, 8, 8)
    assert np.mean(output["score_logit"]) < -3.0
    box = np.asarray(output["box"])
    assert box.shape == (2, 8, 8, 4)
    assert (box[..., 0] < 8 * np.arange(8) + 3.5).all()
    assert (box[..., 2] > 8 * np.arange(8) + 3.5).all()
    assert (box[..., 3] > (8 * np.arange(8) + 3.5)[:, None]).all()
    with pytest.raises(ValueError, match="multiple of 32"):
        build_detector(image_size_px=100)


SETTINGS = DetectorSettings(image_size_px=96, width=0.5, epochs=5, steps_per_epoch=29)


class Stop(keras.callbacks.Callback):
    """Ctrl-C when so many steps are done."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """Eight drawn pictures, to train on and to validate with; they are drawn once."""
    drawn = data.RenderedPictures("train", 0, 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASHAND_CACHE", str(tmp_path_factory.mktemp("eight") / "cache"))
        yield DetectorPictures(sets=(drawn,), shares=(8,), validation=drawn)


@pytest.mark.slow
def test_training_finds_the_hands_it_has_seen_and_goes_on(eight, tmp_path):
    """A network that learns eight pictures by heart; stopped halfway, it goes on."""
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt, match="from detector, after epoch 1 of 5"):
        train_detector(eight, run, settings=SETTINGS, callbacks=[Stop(30)])
    network = train_detector(eight, run, settings=SETTINGS)
    images, hands = [], []
    for n in range(8):
        drawn = render_picture("train", 0, n)
        images.append(drawn.image)
        hands.append((drawn.palms * 96 / data.STORED_PX, drawn.weight))
    small = tf.image.resize(np.array(images, np.float32), (96, 96), antialias=True)
    output = {name: np.asarray(value) for name, value in network(small, training=True).items()}
    scores = 1.0 / (1.0 + np.exp(-output["score_logit"]))
    at_hands, elsewhere = [], []
    for score, (palms, weight) in zip(scores, hands, strict=True):
        rest = np.ones_like(score, bool)
        for palm, seen in zip(palms, weight, strict=True):
            column, row = (palm // 8).astype(int)
            around = np.s_[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            rest[around] = False
            if seen:
                at_hands.append(score[around].max())
        elsewhere.append(score[rest].mean())
    assert np.mean(at_hands) > np.mean(elsewhere) + 0.25
    # What the run folder of every training holds.
    for name in ("config.yaml", "versions.json", "log.csv", "tensorboard", "best_detector.npz",
                 "weights_detector.npz", "history.png"):  # fmt: skip
        assert (run / name).exists(), name
    with (run / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == list("12345")
    assert {"score", "box", "handedness", "val_loss"} <= set(rows[0])
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    other = dataclasses.replace(SETTINGS, width=1.0)
    with pytest.raises(UserError, match=r"another configuration. There:\n  width: 0.5, not 1.0"):
        train_detector(eight, run, settings=other)


@pytest.mark.slow
def test_a_detector_stopped_within_an_epoch_ends_like_an_unbroken_one(eight, tmp_path):
    """Checkpoints within epochs, the same pictures in the same order, and the same average."""
    settings = dataclasses.replace(
        SETTINGS, image_size_px=64, epochs=2, steps_per_epoch=4, start_share=0.25
    )
    unbroken = train_detector(eight, tmp_path / "unbroken", settings=settings)
    run = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt, match="after epoch 0 of 2 and 2 steps of the next"):
        train_detector(eight, run, settings=settings, checkpoint_every=2, callbacks=[Stop(3)])
    state = load_state(run / "checkpoint.npz")
    assert (state["stage"], state["epoch"], state["step"]) == ("detector", 0, 2)
    network = train_detector(eight, run, settings=settings, checkpoint_every=2)
    for mine, theirs in zip(network.weights, unbroken.weights, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-3, err_msg=mine.path)
    # A quarter of what was there before the first step, the rest of what the last one left.
    with np.load(run / "start_detector.npz") as start, np.load(run / "checkpoint.npz") as last:
        mean = 0.25 * start["detector/down2_conv/kernel"] + 0.75 * last["detector/000"]
    np.testing.assert_allclose(network.get_layer("down2_conv").kernel, mean, atol=1e-6)


@pytest.mark.slow
def test_a_detector_that_diverges_says_what_to_lower(eight, tmp_path):
    settings = dataclasses.replace(
        SETTINGS, image_size_px=64, steps_per_epoch=8, learning_rate=1e30
    )
    message = r"stopped in stage detector: .* is not finite.*Lower `--learning-rate`.*`--run-dir`"
    with pytest.raises(UserError, match=message):
        train_detector(eight, tmp_path, settings=settings)


def test_micro_batches_of_pictures_without_hands_add_up(rng):
    """Cells without a hand cost something in a part without any hand too."""
    hands = np.full((4, data.MOST_HANDS, data.ROW), -1.0, np.float32)
    hands[0, 0] = [10, 20, 30, 40, 20, 30, 20, 10, 1, 1]
    hands[0, 1] = [40, 8, 60, 30, 50, 20, 50, 10, 0, 1]
    batch = {"image": tf.constant(rng.uniform(0, 255, (4, 64, 64, 3)), tf.float32)}
    batch |= cell_targets(tf.constant(hands), 8)
    trainer = DetectorTrainer(build_detector(image_size_px=64, width=0.5))
    trainer.start_stage(StepSettings(loss_weights=LOSS_WEIGHTS, rates={"detector": 1.0}), {
        "detector": keras.optimizers.Adam()
    })  # fmt: skip
    counts = trainer._label_counts(batch)
    assert float(counts["score"]) == 2.0
    whole = trainer._shares(batch, counts, training=False)
    trainer.settings = dataclasses.replace(trainer.settings, micro_batches=2)
    parts = [
        trainer._shares(
            {name: value[n::2] for name, value in batch.items()}, counts, training=False
        )
        for n in (0, 1)
    ]
    for name, value in whole.items():
        np.testing.assert_allclose(parts[0][name] + parts[1][name], value, rtol=1e-5, err_msg=name)
    assert float(parts[1]["score"]) > 0
    assert float(parts[1]["box"]) == 0
