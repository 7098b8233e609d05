"""The detector, and the pose model that says the handedness and whether there is a hand."""

import dataclasses

import numpy as np
import pytest
from runtime_models import JOINTS, SIZE, TrueJoints

from kerashand.errors import UserError
from kerashand.geometry.camera import HAND_MARGIN
from kerashand.runtime import HandPose
from kerashand.runtime.detector import Detector
from kerashand.runtime.recipe import Recipe


class Answers:
    """A detector's backend that answers the same whatever it sees."""

    def __init__(self, score, box, right, **more):
        self.metadata = {"task": "hand_detector", "image_size_px": SIZE, "threshold": 0.5}
        self.output = {"score": score, "box": box, "p_right": right} | more
        self.outputs = frozenset(self.output)

    def run(self, images):
        return self.output


def test_detector_gives_boxes_of_the_picture_and_drops_doubles():
    score, box, right = np.zeros((8, 8)), np.zeros((8, 8, 4)), np.zeros((8, 8))
    for row, column, value, corners, is_right in (
        (2, 2, 0.9, (8, 8, 24, 24), 1.0),
        (2, 3, 0.8, (9, 8, 25, 24), 1.0),  # the same hand
        (5, 6, 0.7, (44, 36, 56, 50), 0.0),
        (6, 1, 0.4, (2, 44, 14, 58), 0.0),  # below the threshold
    ):
        score[row, column], box[row, column], right[row, column] = value, corners, is_right
    detector = Detector(Answers(score, box, right))
    hands = detector.detect(np.zeros((128, 128, 3), np.uint8), max_hands=5)
    assert [(hand.handedness, hand.score) for hand in hands] == [("right", 0.9), ("left", 0.7)]
    # The picture has two pixels for each of the detector's: p' = 2 (p + 0.5) - 0.5.
    np.testing.assert_allclose(hands[0].box, (16.5, 16.5, 48.5, 48.5))


def test_no_hand_is_an_answer():
    nothing = Detector(Answers(np.zeros((8, 8)), np.zeros((8, 8, 4)), np.zeros((8, 8))))
    backend = TrueJoints(np.zeros((21, 2)), np.zeros(21))
    assert HandPose(backend, nothing).predict(np.zeros((50, 80, 3), np.uint8)) == []


def one_detection(p_right, *, score=0.9, up=None):
    """A detector that sees a hand in the box (16, 16, 48, 48), which may point in a direction."""
    scores, box = np.zeros((8, 8)), np.zeros((8, 8, 4))
    scores[4, 4], box[4, 4] = score, (16, 16, 48, 48)
    more = {} if up is None else {"up": np.zeros((8, 8, 2))}
    if up is not None:
        more["up"][4, 4] = up
    return Detector(Answers(scores, box, np.full((8, 8), p_right), **more))


class BrightLeft:
    """A pose model that takes a crop for a right hand if it is brighter on its left.

    Its joints lie where they should in the crop, and it counts its runs.
    """

    outputs = frozenset({*JOINTS, "p_right", "p_hand"})

    def __init__(self, p_hand=0.9, sure=0.9):
        self.metadata = {"image_size_px": SIZE, "scale_bone": "middle_mcp_pip"}
        self.p_hand, self.sure, self.runs = p_hand, sure, 0

    def run(self, images):
        self.runs += 1
        half = SIZE // 2
        bright = images[0, :, :half].mean() > images[0, :, half:].mean()
        reach = SIZE / HAND_MARGIN / 2
        uv = np.full((21, 2), (SIZE - 1) / 2)
        uv[0, 1], uv[12, 1] = uv[0, 1] + reach, uv[12, 1] - reach
        return {
            "uv_px": uv, "z_relative": np.full(21, float(bright)), "confidence": np.full(21, 0.7),
            "p_right": np.array(self.sure if bright else 1.0 - self.sure),
            "p_hand": np.array(self.p_hand),
        }  # fmt: skip


def bright(where):
    """A picture that is brighter on one half; its mirror image is that of the other hand."""
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    half = SIZE // 2
    picture[:, : half if where == "left" else SIZE] = 200
    if where == "right":
        picture[:, :half] = 0
    return picture


@pytest.mark.parametrize("true", ["right", "left"])
@pytest.mark.parametrize(("p_right", "told"), [(0.9, "right"), (0.1, "left")])
def test_the_pose_model_says_the_handedness(true, p_right, told):
    """A pass that saw the wrong one does not count, and costs a pass more."""
    backend = BrightLeft()
    pose = HandPose(backend, one_detection(p_right))
    picture = bright("left" if true == "right" else "right")
    (hand,) = pose.predict(picture)
    assert hand.handedness == true
    assert hand.p_right == pytest.approx(0.9 if true == "right" else 0.1, abs=1e-6)
    assert backend.runs == 2 + (told != true)
    # Every pass that counts saw the hand as a right one: mirrored if it is a left one.
    np.testing.assert_allclose(hand.z_relative, 1.0)
    (hand,) = pose.predict(picture, passes=1)
    assert hand.handedness == true


@pytest.mark.parametrize("asked", [{}, {"box": (16, 16, 48, 48)}], ids=["found", "given"])
@pytest.mark.parametrize("handedness", ["auto", "left", "right"])
@pytest.mark.parametrize(
    ("up", "brightest"), [((0.2, 0.0), "top"), ((-3.0, 0.0), "bottom"), (None, "side")]
)
def test_the_first_crop_shows_the_fingers_up(asked, handedness, up, brightest):
    """In a picture whose right half is bright, a hand that points there has light above it."""
    backend, crops = BrightLeft(), []
    answer = backend.run
    backend.run = lambda images: crops.append(images[0].astype(float)) or answer(images)
    pose = HandPose(backend, one_detection(0.9, up=up))
    pose.predict(bright("right"), handedness=handedness, passes=1, **asked)
    half = SIZE // 2
    down = crops[0][half:].mean() - crops[0][:half].mean()
    sideways = crops[0][:, half:].mean() - crops[0][:, :half].mean()
    assert abs(down) < 5 < abs(sideways) if brightest == "side" else abs(sideways) < 5 < abs(down)
    assert brightest == "side" or (down > 0) == (brightest == "bottom")


def test_a_handedness_that_is_given_stays():
    backend = BrightLeft()
    pose = HandPose(backend, one_detection(0.9))
    (hand,) = pose.predict(bright("left"), handedness="left")
    assert (hand.handedness, hand.p_right, backend.runs) == ("left", None, 2)
    (hand,) = pose.predict(bright("left"), box=(16, 16, 48, 48), handedness="left")
    assert hand.handedness == "left"


def test_a_box_needs_no_detector_where_the_model_says_the_handedness():
    (hand,) = HandPose(BrightLeft(), None).predict(bright("right"), box=(16, 16, 48, 48))
    assert hand.handedness == "left"
    headless = TrueJoints(np.zeros((21, 2)), np.zeros(21))
    with pytest.raises(UserError, match="A box without a handedness needs a detector"):
        HandPose(headless, None).predict(bright("right"), box=(16, 16, 48, 48))


@pytest.mark.parametrize(
    ("p_hand", "hands", "runs"),
    [(0.5, 1, 2), (0.3, 0, 1)],  # 0.988 and 0.972 with the detector: none, no second pass
)
def test_the_pose_model_decides_whether_it_is_a_hand(p_hand, hands, runs):
    backend = BrightLeft(p_hand=p_hand)
    pose = HandPose(backend, one_detection(0.9))
    pose.recipe = dataclasses.replace(pose.recipe, least_hand=0.98)
    found = pose.predict(bright("left"))
    assert (len(found), backend.runs) == (hands, runs)
    assert all(hand.score == pytest.approx(p_hand) for hand in found)
    # A box says that there is one.
    (hand,) = pose.predict(bright("left"), box=(16, 16, 48, 48))
    assert hand.score == pytest.approx(p_hand)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"pases": 2}, "may hold margin, passes"),
        ({"passes": 0}, "`recipe.passes` of a model is out of range. Received: 0"),
        ({"passes": 1.5}, "out of range"),
        ({"passes": 1000}, "out of range"),
        ({"margin": float("nan")}, "out of range"),
        ({"margin": 0.0}, "out of range"),
        ({"turns_deg": []}, "out of range"),
        ({"turns_deg": ["a"]}, "out of range"),
        ("none", "may hold"),
    ],
)
def test_a_recipe_of_nonsense_is_refused(recipe, message):
    with pytest.raises(UserError, match=message):
        Recipe.of({"recipe": recipe})


def test_the_recipe_is_read_from_the_file():
    backend = BrightLeft()
    backend.metadata["recipe"] = {"passes": 4, "turns_deg": [0.0]}
    HandPose(backend, one_detection(0.9)).predict(bright("left"))
    assert backend.runs == 4
    recipe = Recipe(passes=3, turns_deg=(5.0,))
    assert Recipe.of({"recipe": recipe.to_dict()}) == recipe
    assert Recipe.of({}) == Recipe()
