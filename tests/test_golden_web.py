"""The modules of export/web in Node.js, with a network that answers as it is told.

They give what the Python runtime gives: for tests/golden, and for hands through a video.
"""

import json
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from kerashand.runtime.backends import HEADS, TASKS
from kerashand.runtime.detector import Detection
from kerashand.runtime.hand_pose import HandPose
from kerashand.runtime.recipe import Recipe
from kerashand.runtime.tracker import HandTracker

WEB = Path(__file__).parents[1] / "export" / "web"
FOLDER = Path(__file__).parent / "golden"
GOLDEN = json.loads((FOLDER / "golden.json").read_text(encoding="utf-8"))
NODE = shutil.which("node")
FITTED_SIDE = 96.0
"""Of the box around joints in a crop of 128 px, so that the crop fits them."""

pytestmark = pytest.mark.skipif(NODE is None, reason="no Node.js")

# What scripts may use. `Told` cuts and computes as the page does; the network alone is replaced.
HEAD = """
import { readFileSync } from 'node:fs';
import { HandPose } from 'WEB/hand_pose.js';
import { cropFromImage } from 'WEB/geometry.js';

const given = JSON.parse(readFileSync(0, 'utf-8'));
class Told extends HandPose {
  constructor(description, names, detector = null) {
    super({ description, sizePx: description.image_size_px, outputs: new Set(names) }, detector);
    this.backend.run = async (crop) => this.answer(crop);
  }
  start(answers) {
    this.answers = [...answers];
    this.crops = [];
  }
  pass(picture, view, handedness) {
    this.affine = cropFromImage(view, this.sizePx, handedness === 'left');
    return super.pass(picture, view, handedness);
  }
  answer(crop) {
    const [mean, side] = [[0, 0, 0], this.sizePx];
    crop.forEach((value, place) => { mean[place % 3] += value / side ** 2; });
    const corners = [0, side - 1, side * (side - 1), side ** 2 - 1].map(
      (pixel) => [...crop.subarray(3 * pixel, 3 * pixel + 3)]);
    this.crops.push({ affine: this.affine, mean, corners });
    return Object.fromEntries(
      Object.entries(this.answers.shift()).map(([name, value]) => [name, [value].flat(2)]));
  }
}
function plain(hand) {
  return Object.fromEntries(Object.entries(hand).map(
    ([name, value]) => [name, value instanceof Float64Array ? [...value] : value]));
}
async function test() { SCRIPT }
console.log(JSON.stringify(await test()));
"""


def run_node(script, given):
    """What a script returns that runs in Node.js."""
    text = HEAD.replace("SCRIPT", script).replace("WEB/", f"{WEB.as_uri()}/")
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", text],
        input=json.dumps(given), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_hand(hand, expected):
    assert hand["handedness"] == expected["handedness"]
    assert hand["pRight"] == pytest.approx(expected["p_right"], abs=1e-5)
    assert hand["score"] == pytest.approx(expected["score"], abs=1e-5)
    names = {
        "uvPx": "uv_px", "zRelative": "z_relative", "confidence": "confidence",
        "xyzRelative": "xyz_relative",
    }  # fmt: skip
    for name, in_python in names.items():
        np.testing.assert_allclose(hand[name], np.ravel(expected[in_python]), atol=1e-4)


def assert_crops(crops, runs):
    assert len(crops) == len(runs)
    for crop, run in zip(crops, runs, strict=True):
        np.testing.assert_allclose(crop["affine"], np.ravel(run["affine"]), atol=1e-4)
        np.testing.assert_allclose(crop["mean"], run["crop_mean"], atol=0.05)
        assert np.abs(np.subtract(crop["corners"], run["crop_corner_pixels"])).max() <= 1


def test_golden_vectors(tmp_path):
    for case in GOLDEN["cases"]:
        bgr = cv2.imread(str(FOLDER / case["picture"]))
        case["size"] = bgr.shape[1::-1]
        (tmp_path / case["picture"]).write_bytes(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGBA).tobytes())
    rows = run_node(
        """
        const description = {
          image_size_px: given.size_px, scale_bone: 'wrist_middle_mcp', recipe: given.recipe };
        const pose = new Told(description, given.names);
        const rows = [];
        for (const { picture: name, size, detection, passes, runs, follow } of given.cases) {
          const data = readFileSync(`${given.folder}/${name}`);
          const picture = { data, width: size[0], height: size[1] };
          const { p_right: pRight, upright_rad: uprightRad, ...rest } = detection;
          pose.start(runs.map((run) => run.outputs));
          const found = { ...rest, pRight, uprightRad };
          const hand = await pose.read(picture, found, passes ?? undefined);
          const row = { hand: plain(hand), crops: pose.crops };
          pose.start(follow.runs.map((run) => run.outputs));
          const { handedness, uv_px: uvPx } = follow.last;
          const followed = await pose.follow(picture, { handedness, uvPx: uvPx.flat() });
          rows.push({ ...row, followed: plain(followed), followCrops: pose.crops });
        }
        return rows;
        """,
        {**GOLDEN, "folder": str(tmp_path), "names": sorted(TASKS["hand_pose"][1] | HEADS)},
    )
    for row, case in zip(rows, GOLDEN["cases"], strict=True):
        assert_crops(row["crops"], case["runs"])
        assert_hand(row["hand"], case["hand"])
        assert_crops(row["followCrops"], case["follow"]["runs"])
        assert_hand(row["followed"], case["follow"]["hand"])


def test_the_recipe_is_checked():
    bad = [
        {"turn": 1}, [], None, {"passes": 17}, {"margin": -1}, {"margin": "1"},
        {"beta": True}, {"beta": None}, {"turns_deg": []}, {"turns_deg": [200]},
        {"turns_deg": 5}, {"closer": 5.0},
    ]  # fmt: skip
    counts = [name for name, value in vars(Recipe()).items() if isinstance(value, int)]
    bad += [{name: value} for name in counts for value in (0, 1.5)]
    for recipe in bad:
        with pytest.raises(Exception, match="recipe"):
            Recipe.of({"recipe": recipe})
    scores = [{}, {"threshold": 0.3, "least_up": 0.2}, {"threshold": 2}, {"least_up": None}]
    answer = run_node(
        """
        const { recipeOf } = await import('WEB/recipe.js');
        const { Detector } = await import('WEB/detector.js');
        const { UserError } = await import('WEB/errors.js');
        const told = (call) => {
          try {
            return call();
          } catch (error) {
            if (!(error instanceof UserError)) throw error;
            return error.message;
          }
        };
        return {
          defaults: recipeOf({}),
          mine: recipeOf({ recipe: { passes: 4, turns_deg: [5] } }),
          bad: given.bad.map((recipe) => told(() => recipeOf({ recipe }))),
          scores: given.scores.map((description) => told(() => {
            const { threshold, leastUp } = new Detector({ description, name: 'a.tflite' });
            return [threshold, leastUp];
          })),
        };
        """,
        {"bad": bad, "scores": scores},
    )
    assert answer["defaults"] == Recipe().to_dict()
    assert answer["mine"] == Recipe(passes=4, turns_deg=(5.0,)).to_dict()
    assert all("recipe" in message for message in answer["bad"])
    assert answer["scores"][:2] == [[0.5, 0], [0.3, 0.2]]
    assert "a.tflite says a `threshold` that is not 0 to 1" in answer["scores"][2]
    assert "`least_up`" in answer["scores"][3]


def test_golden_detections(tmp_path):
    held = GOLDEN["detector"]
    bgr = cv2.imread(str(FOLDER / held["picture"]))
    pixels = tmp_path / "pixels"
    pixels.write_bytes(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGBA).tobytes())
    found = run_node(
        """
        const { Detector } = await import('WEB/detector.js');
        const outputs = Object.fromEntries(Object.entries(given.outputs).map(
          ([name, values]) => [name, Float64Array.from(values.flat(2))]));
        const description = { threshold: given.threshold, least_up: given.least_up };
        const detector = new Detector({
          description, sizePx: given.size_px, outputs: new Set(Object.keys(outputs)),
          run: async () => outputs });
        const [width, height] = given.size;
        return detector.detect({ data: readFileSync(given.file), width, height }, 16);
        """,
        {**held, "file": str(pixels), "size": bgr.shape[1::-1]},
    )
    assert len(found) == len(held["detections"])
    for one, expected in zip(found, held["detections"], strict=True):
        assert one["box"] == pytest.approx(expected["box"], abs=1e-5)
        assert (one["handedness"], one["score"]) == (expected["handedness"], expected["score"])
        assert one["pRight"] == pytest.approx(expected["p_right"], abs=1e-6)
        assert one["uprightRad"] == pytest.approx(expected["upright_rad"], abs=1e-6)


class Answers:
    """A backend that gives answers one after the other."""

    def __init__(self, metadata, answers):
        self.metadata, self.answers = metadata, iter(answers)
        self.outputs = frozenset(answers[0])

    def run(self, images):
        return {name: np.array(value) for name, value in next(self.answers).items()}


class Spots:
    """A detector that always sees the same."""

    def __init__(self, detections):
        self.detections, self.searches = detections, 0

    def detect(self, rgb, *, max_hands, tiles, least_tiles):
        self.searches += 1
        return self.detections


def answers_of(rng, count, *, heads):
    """Noisy joints of a hand with its fingers up, whose handedness is doubtful."""
    shape = np.array(GOLDEN["cases"][1]["runs"][-1]["outputs"]["uv_px"])
    low, high = shape.min(axis=0), shape.max(axis=0)
    shape = (shape - (low + high) / 2) * FITTED_SIDE / (high - low).max() + 63.5
    answers = []
    for _ in range(count):
        answer = {
            "uv_px": shape + rng.normal(0.0, 1.0, (21, 2)), "z_relative": rng.normal(0.0, 0.3, 21),
            "confidence": rng.uniform(0.3, 0.9, 21),
        }  # fmt: skip
        if heads:
            answer |= {"p_right": rng.uniform(0.2, 0.9), "p_hand": rng.uniform(0.5, 0.9)}
        answers.append({name: np.asarray(value).tolist() for name, value in answer.items()})
    return answers


@pytest.mark.parametrize("heads", [True, False], ids=["heads", "no heads"])
def test_hands_through_a_video(rng, heads):
    """Numbers, averaged handedness and smoothed joints, by another recipe than the default."""
    recipe = {
        "handedness_frames": 4, "beta": 2.0, "min_cutoff_hz": 2.0, "search_every_frames": 2,
        "check_every_frames": 5, "sure": 0.55, "least_hand": 0.6,
    }  # fmt: skip
    metadata = {"image_size_px": 128, "scale_bone": "middle_mcp_pip", "recipe": recipe}
    answers = answers_of(rng, 200, heads=heads)
    detections = [
        Detection((20.0, 30.0, 90.0, 110.0), "right", 0.9, 0.7, -0.3),
        Detection((150.0, 60.0, 230.0, 130.0), "left", 0.8, 0.4),
    ]
    spots = Spots(detections)
    pose = HandPose(Answers(metadata, answers), spots)
    tracker = HandTracker(pose, max_hands=2)
    frame = np.zeros((200, 260, 3), np.uint8)
    expected = [tracker.update(frame, 0.04) for _ in range(12)]
    found = run_node(
        """
        const { HandTracker } = await import('WEB/tracker.js');
        const detections = given.detections.map(
          ({ p_right: pRight, upright_rad: uprightRad, ...rest }) =>
            ({ ...rest, pRight, uprightRad }));
        let searches = 0;
        const detect = async () => {
          searches += 1;
          return detections;
        };
        const detector = { detect };
        const pose = new Told(given.metadata, Object.keys(given.answers[0]), detector);
        pose.start(given.answers);
        const tracker = new HandTracker(pose, 2);
        const picture = { data: new Uint8Array(200 * 260 * 4), width: 260, height: 200 };
        const rows = [];
        for (let frame = 0; frame < given.frames; frame += 1) {
          const tracked = await tracker.update(picture, 0.04);
          rows.push(tracked.map(({ number, hand }) => [number, plain(hand)]));
        }
        return { rows, searches };
        """,
        {
            "metadata": metadata, "answers": answers, "frames": len(expected),
            "detections": [vars(detection) for detection in detections],
        },
    )  # fmt: skip
    assert [len(tracked) for tracked in expected] == [2] * 12
    assert found["searches"] == spots.searches
    assert 2 < spots.searches < 6  # in some frames both hands are sure
    assert len({hand.p_right for tracked in expected for _, hand in tracked}) > 2 or not heads
    for row, tracked in zip(found["rows"], expected, strict=True):
        assert [number for number, _ in row] == [number for number, _ in tracked]
        for (_, hand), (_, wanted) in zip(row, tracked, strict=True):
            assert_hand(hand, vars(wanted))
            assert tuple(hand["box"]) == pytest.approx(wanted.box)


def test_hands_of_a_picture(rng):
    """The first two detections are of one hand, and the last one is none by both models."""
    metadata = {"image_size_px": 128, "scale_bone": "middle_mcp_pip", "recipe": {"least_hand": 0.6}}
    answers = answers_of(rng, 4, heads=True)
    detections = [
        Detection((20.0, 30.0, 90.0, 110.0), "right", 0.9, 0.7, -0.3),
        Detection((24.0, 34.0, 94.0, 114.0), "right", 0.8, 0.6, -0.2),
        Detection((150.0, 60.0, 230.0, 130.0), "left", 0.8, 0.4),
        Detection((30.0, 120.0, 90.0, 180.0), "left", 0.2, 0.4),
    ]
    pose = HandPose(Answers(metadata, answers), Spots(detections))
    expected = pose.predict(np.zeros((200, 260, 3), np.uint8), max_hands=4, passes=1)
    rows = run_node(
        """
        const detections = given.detections.map(
          ({ p_right: pRight, upright_rad: uprightRad, ...rest }) =>
            ({ ...rest, pRight, uprightRad }));
        const detector = { detect: async () => detections };
        const pose = new Told(given.metadata, Object.keys(given.answers[0]), detector);
        pose.start(given.answers);
        const picture = { data: new Uint8Array(200 * 260 * 4), width: 260, height: 200 };
        return (await pose.predict(picture, { maxHands: 4, passes: 1 })).map(plain);
        """,
        {
            "metadata": metadata, "answers": answers,
            "detections": [vars(detection) for detection in detections],
        },
    )  # fmt: skip
    assert len(rows) == len(expected) == 2
    for hand, wanted in zip(rows, expected, strict=True):
        assert_hand(hand, vars(wanted))
