"""The program of export/cpp, compiled here, gives what the Python runtime gives.

Needs a C++17 compiler (CXX names another one than c++, g++ or clang++); what runs a network also
needs the libLiteRt.so of the package ai-edge-litert.
"""

import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from model_writers import SIN, TILE, parts_of, with_lost_subgraphs, with_operator

import kerashand
from kerashand import picture_files
from kerashand.errors import UserError
from kerashand.runtime import HandPose
from kerashand.runtime.backends import load_backend
from kerashand.runtime.crop import crop_from_image, cut
from kerashand.runtime.model_file import with_description
from kerashand.runtime.recipe import Recipe
from kerashand.synthetic.pictures import render_picture
from kerashand.synthetic.scene import render_sample

CPP = Path(__file__).parents[1] / "export" / "cpp"
WEIGHTS = Path(kerashand.__file__).parent / "weights"
MODEL = WEIGHTS / "hand_pose.tflite"
FLAGS = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
GOLDEN = Path(__file__).parent / "golden"
OUTPUTS = ("uv_px", "z_relative", "confidence", "p_right", "p_hand")
RUN_ATOL = np.array([1e-4] * 6 + [0.05] * 3 + [1.0] * 12)
"""Of the affine map, the mean of the crop and the pixels in its corners."""
PRINTED = {"uv_px": 0.005, "z_relative": 0.0005, "confidence": 0.0005}
"""Largest differences: what is printed, and a little of rounding."""
CUTS = """
#include <cstdio>
#include "crop.h"
int main() {
  Picture picture;
  std::scanf("%d %d", &picture.width, &picture.height);
  for (int i = 0, value; i < picture.width * picture.height * 3; ++i)
    if (std::scanf("%d", &value) == 1) picture.rgb.push_back(uint8_t(value));
  View view;
  int size_px, mirrored;
  while (std::scanf("%lf %lf %lf %lf %d %d", &view.centre.u, &view.centre.v, &view.side_px,
                    &view.angle_rad, &size_px, &mirrored) == 6) {
    for (int value : cut(picture, cropFromImage(view, size_px, mirrored), size_px))
      std::printf("%d ", value);
    std::printf("\\n");
  }
}
"""


def find_compiler() -> str | None:
    """The program that CXX names, or one on the path."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    return next((found for name in names if (found := shutil.which(name))), None)


def find_litert() -> Path | None:
    """LiteRT's library in the Python package."""
    spec = importlib.util.find_spec("ai_edge_litert")
    folders = [] if spec is None else spec.submodule_search_locations or []
    files = [Path(folder) / "libLiteRt.so" for folder in folders]
    return next((file for file in files if file.is_file()), None)


COMPILER, LITERT = find_compiler(), find_litert()
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")


def compiled(source, program, *, litert=True):
    if litert and LITERT is None:
        pytest.skip("no libLiteRt.so: pip install ai-edge-litert")
    link = [LITERT, f"-Wl,-rpath,{LITERT.parent}"] if litert else []
    command = [COMPILER, *FLAGS, "-I", CPP, source, *link, "-o", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def said_by(source, folder, text):
    """The lines that a program without a network prints."""
    (folder / "own.cpp").write_text(source)
    program = compiled(folder / "own.cpp", folder / "own", litert=False)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return compiled(CPP / "hand_pose.cpp", tmp_path_factory.mktemp("cpp") / "hand_pose")


@pytest.fixture(scope="module")
def pose():
    """Without a detector, which the program lacks too."""
    return HandPose(load_backend(MODEL, task="hand_pose"), None)


def write_ppm(path, rgb, *, head="P6\n{width} {height}\n255\n"):
    height, width = rgb.shape[:2]
    path.write_bytes(head.format(width=width, height=height).encode() + rgb.tobytes())
    return path


def run(program, *words):
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


def told(program, model, picture, box, handedness, *rest):
    """What the program says about a hand: as it is printed, and arrays of its joints by name."""
    done = run(program, model, picture, ",".join(map(repr, box)), handedness, *map(str, rest))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    joints = {name: np.array([joint[name] for joint in answer["joints"]]) for name in PRINTED}
    return answer, joints


def assert_same(told, hand):
    answer, joints = told
    assert answer["handedness"] == hand.handedness
    assert answer["p_right"] == pytest.approx(hand.p_right, abs=PRINTED["confidence"])
    assert answer["score"] == pytest.approx(hand.score, abs=PRINTED["confidence"])
    true = {"uv_px": hand.uv_px, "z_relative": hand.z_relative, "confidence": hand.confidence}
    for name, atol in PRINTED.items():
        np.testing.assert_allclose(joints[name], true[name], atol=atol, rtol=0, err_msg=name)


@pytest.mark.parametrize(("index", "size_px"), [(0, 192), (1, 320), (2, 640), (3, 256), (4, 900)])
def test_joints_of_rendered_hands(program, pose, tmp_path, index, size_px):
    """Right hands and left ones; small, large, and so large that pixels are averaged."""
    sample = render_sample("varied", "test", seed=0, index=index, size_px=size_px)
    rgb, uv, handedness = sample.image, sample.uv_px, "right"
    if index % 2:
        rgb, uv, handedness = rgb[:, ::-1], uv * [-1, 1] + [size_px - 1, 0], "left"
    rgb = np.ascontiguousarray(rgb)
    box = [float(value) for value in (*uv.min(axis=0), *uv.max(axis=0))]
    path = write_ppm(tmp_path / "hand.ppm", rgb)
    for passes in (1, 2, 3, 5):
        expected = pose.predict(rgb, box=box, handedness=handedness, passes=passes)[0]
        assert_same(told(program, MODEL, path, box, handedness, passes), expected)
    # In so large a box the first pass only tells where the next crop is.
    loose = [-0.5, -0.5, size_px - 0.5, size_px - 0.5]
    assert_same(
        told(program, MODEL, path, loose, handedness),
        pose.predict(rgb, box=loose, handedness=handedness)[0],
    )


@pytest.fixture(scope="module")
def whole():
    """A picture with a photograph behind its hands, not square, and boxes with handedness."""
    for index in range(20):
        picture = render_picture("test", 0, index, size_px=480)
        if len(picture.boxes) > 1:
            handedness = ["right" if right else "left" for right in picture.is_right]
            boxes = [[float(value) for value in box] for box in picture.boxes]
            return np.ascontiguousarray(picture.image[:, :440]), list(
                zip(boxes, handedness, strict=True)
            )
    raise AssertionError("no picture with two hands")


def test_joints_in_a_whole_picture(program, pose, tmp_path, whole):
    """As many passes as the file says; boxes may reach beyond the picture."""
    rgb, hands = whole
    path = write_ppm(tmp_path / "whole.ppm", rgb)
    beyond = ([-60.0, 300.5, 120.25, 530.0], "right")
    for box, handedness in [*hands, beyond]:
        assert_same(
            told(program, MODEL, path, box, handedness),
            pose.predict(rgb, box=box, handedness=handedness)[0],
        )


def test_comments_in_a_ppm(program, pose, tmp_path, whole):
    rgb, [(box, handedness), *_] = whole
    path = write_ppm(
        tmp_path / "a b.ppm", rgb, head="P6 # made by\n#hand\n{width}\t{height}\r255\n"
    )
    assert_same(
        told(program, MODEL, path, box, handedness),
        pose.predict(rgb, box=box, handedness=handedness)[0],
    )


def test_time_of_a_pass(program, tmp_path, whole):
    rgb, [(box, handedness), *_] = whole
    words = (
        MODEL,
        write_ppm(tmp_path / "a.ppm", rgb),
        ",".join(map(str, box)),
        handedness,
        "--time",
    )
    done = run(program, *words)
    assert done.returncode == 0
    assert json.loads(done.stdout)
    assert re.search(r"^\d+\.\d\d ms a pass$", done.stderr, re.MULTILINE)


def test_crops_are_the_same(tmp_path, rng):
    """Turned, mirrored, beyond the edges, enlarged, and averaged in blocks; to the last bit."""
    rgb = rng.integers(0, 256, (90, 130, 3)).astype(np.uint8)
    views = [
        ((64.5, 44.5), 24.0, 0.0, 24, 0), ((64.5, 44.5), 72.0, 0.0, 24, 1),
        ((10.0, 80.0), 50.0, 0.7, 24, 0), ((64.5, 44.5), 96.0, 0.0, 24, 0),
        ((100.3, 20.9), 77.7, -2.5, 32, 1), ((64.0, 45.0), 401.0, 0.3, 24, 0),
        ((64.0, 45.0), 168.0, 0.0, 24, 1), ((-500.0, 45.0), 99.0, 1.0, 20, 0),
    ]  # fmt: skip
    rows = [(*centre, side, angle, size, flip) for centre, side, angle, size, flip in views]
    text = f"130 90 {' '.join(map(str, rgb.ravel()))}\n" + "\n".join(
        " ".join(map(repr, row)) for row in rows
    )
    lines = said_by(CUTS, tmp_path, text)
    for line, (centre, side_px, angle, size, mirrored) in zip(lines, views, strict=True):
        affine = crop_from_image(
            np.array(centre), side_px, size, angle_rad=angle, mirrored=bool(mirrored)
        )
        values = np.array(line.split(), int).reshape(size, size, 3)
        np.testing.assert_array_equal(values, cut(rgb, affine, size), err_msg=f"{centre} {side_px}")


REPLAY = """
#include <cstdio>
#include <iostream>
#include "hand.h"
double number() {
  double value;
  if (!(std::cin >> value)) throw std::runtime_error("no more numbers");
  return value;
}
Joints joints() {
  Joints uv;
  for (Point& p : uv) p.u = number(), p.v = number();
  return uv;
}
std::array<double, kJoints> numbers() {
  std::array<double, kJoints> values;
  for (double& value : values) value = number();
  return values;
}
struct Replay {
  Recipe said;
  const Recipe& recipe() const { return said; }
  int size_px() const { return 128; }
  bool has_heads() const { return true; }
  CropOutput operator()(const Picture& picture, const Affine& m) {
    const std::vector<uint8_t> crop = cut(picture, m, 128);
    std::printf("run %f %f %f %f %f %f", m.a, m.b, m.c, m.d, m.e, m.f);
    for (int channel = 0; channel < 3; ++channel) {
      double sum = 0;
      for (size_t i = channel; i < crop.size(); i += 3) sum += crop[i];
      std::printf(" %f", sum / (128 * 128));
    }
    for (int place : {0, 127, 127 * 128, 127 * 129})
      for (int channel = 0; channel < 3; ++channel) std::printf(" %d", crop[3 * place + channel]);
    std::puts("");
    CropOutput seen{joints(), numbers(), numbers(), number(), {}};
    seen.p_hand = number();
    return seen;
  }
};
void print(const Hand& hand) {
  std::printf("hand %d %f %f", int(hand.handedness), hand.p_right.value_or(-1), hand.score);
  for (const Point& p : hand.uv_px) std::printf(" %f %f", p.u, p.v);
  for (double z : hand.z_relative) std::printf(" %f", z);
  for (double value : hand.confidence) std::printf(" %f", value);
  std::puts("");
}
int main() {
  std::string description;
  std::getline(std::cin, description);
  Replay model{recipeIn(description)};
  for (int cases = number(); cases > 0; --cases) {
    Picture picture{int(number()), int(number()), {}};
    for (int i = picture.width * picture.height * 3; i > 0; --i) picture.rgb.push_back(number());
    const Box box{number(), number(), number(), number()};
    Detection detection{box, Handedness(int(number()))};
    const double p_right = number();
    if (p_right >= 0) detection.p_right = p_right;
    detection.upright_rad = number();
    const int passes = number();
    print(handIn(model, picture, detection, passes ? std::optional(passes) : std::nullopt));
    Hand last{};
    last.handedness = Handedness(int(number()));
    last.uv_px = joints();
    print(follow(model, picture, last));
  }
  std::string rest;
  if (std::cin >> rest) std::puts("more runs were recorded");
}
"""


def test_golden_vectors(tmp_path):
    """The recorded outputs of a network give the recorded crops and hands."""
    golden = json.loads((GOLDEN / "golden.json").read_text())
    numbers, expected = [len(golden["cases"])], []

    def add_runs(runs):
        for run in runs:
            outputs = (run["outputs"][name] for name in OUTPUTS)
            numbers.extend(np.concatenate([np.ravel(values) for values in outputs]))
            parts = (run["affine"], run["crop_mean"], run["crop_corner_pixels"])
            expected.append(["run", *np.concatenate([np.ravel(part) for part in parts])])

    def add_hand(hand):
        p_right = -1.0 if hand["p_right"] is None else hand["p_right"]
        joints = [np.ravel(hand[name]) for name in PRINTED]
        said = [["left", "right"].index(hand["handedness"]), p_right, hand["score"]]
        expected.append(["hand", *said, *np.concatenate(joints)])

    for case in golden["cases"]:
        rgb = picture_files.read(GOLDEN / case["picture"])
        detection, last = case["detection"], case["follow"]["last"]
        p_right = -1 if detection["p_right"] is None else detection["p_right"]
        numbers += [rgb.shape[1], rgb.shape[0], *rgb.ravel(), *detection["box"]]
        numbers += [int(detection["handedness"] == "right"), p_right, detection["upright_rad"]]
        numbers += [case["passes"] or 0]
        add_runs(case["runs"])
        add_hand(case["hand"])
        numbers += [int(last["handedness"] == "right"), *np.ravel(last["uv_px"])]
        add_runs(case["follow"]["runs"])
        add_hand(case["follow"]["hand"])
    text = json.dumps({"recipe": golden["recipe"]}) + "\n" + " ".join(map(str, numbers))
    lines = [line.split() for line in said_by(REPLAY, tmp_path, text)]
    assert [line[0] for line in lines] == [line[0] for line in expected]
    for (kind, *line), (_, *wanted) in zip(lines, expected, strict=True):
        atol = RUN_ATOL if kind == "run" else 1e-4
        assert (np.abs(np.array(line, float) - wanted) <= atol).all(), kind


RECIPES = """
#include <iostream>
#include "recipe.h"
int main() {
  for (std::string line; std::getline(std::cin, line);) try {
    const Recipe recipe = recipeIn(line);
    std::cout << recipe.margin << " " << recipe.passes << " " << recipe.extra_passes << " "
              << recipe.most_shift;
    for (double turn : recipe.turns_deg) std::cout << " " << turn;
    std::cout << std::endl;
  } catch (const std::runtime_error& error) {
    std::cout << error.what() << std::endl;
  }
}
"""


def test_recipes(tmp_path):
    """Python and C++ take the same, and refuse the same."""
    given = [
        {}, Recipe(margin=1.5, passes=4, turns_deg=(7.0,)).to_dict(), {"passes": 3.0}, None, 3,
        {"most_shift": 1e-3, "turns_deg": [-180, 180]}, {"handedness_frames": 12}, "margin", [1.3],
        *({"margin": value} for value in (-1, 4.1, True, "1.3", [1.3], None, math.nan, math.inf)),
        *({"passes": value} for value in (0, 1.5, 17, -2, [2], {"margin": 1})),
        *({"turns_deg": value} for value in ([], [0.0, 181.0], 0.0, [0.0, "a"], [0] * 17, [[0]])),
        {"margins": 1.3}, {"": 1.3}, {"beta": -1.0}, {"search_every_frames": 2.5},
    ]  # fmt: skip
    texts = ["{}", *(json.dumps({"task": "hand_pose", "recipe": one, "x": 1}) for one in given)]
    for text, line in zip(texts, said_by(RECIPES, tmp_path, "\n".join(texts)), strict=True):
        try:
            recipe = Recipe.of(json.loads(text))
        except UserError:
            assert line.startswith("The `recipe"), text
            continue
        wanted = [recipe.margin, recipe.passes, recipe.extra_passes, recipe.most_shift]
        assert [float(value) for value in line.split()] == [*wanted, *recipe.turns_deg], text


DIGESTS = """
#include <cstdio>
#include "model_file.h"
int main() {
  for (size_t count : {0, 1, 55, 56, 63, 64, 119, 1000}) {
    Bytes bytes(count);
    for (size_t i = 0; i < count; ++i) bytes[i] = uint8_t(7 * i);
    std::puts(sha256(bytes).c_str());
  }
}
"""


def test_checksums(tmp_path):
    """Of lengths about those of a block of 64 bytes, of which the last 8 hold the length."""
    lines = said_by(DIGESTS, tmp_path, "")
    for line, count in zip(lines, (0, 1, 55, 56, 63, 64, 119, 1000), strict=True):
        content = bytes(7 * i % 256 for i in range(count))
        assert line == hashlib.sha256(content).hexdigest()


def exported(path, *, batch_axis=False, finite=True, heads=None):
    """A file whose outputs are constants, or no numbers, with another signature before them."""
    tf = pytest.importorskip("tensorflow")

    def outputs(image, factor):
        total = tf.reduce_sum(tf.cast(image, tf.float32))
        uv = tf.reshape(tf.range(42, dtype=tf.float32) * factor, [21, 2])
        uv += total * 0.0 if finite else tf.sqrt(-1.0 - total)
        values = {"uv_px": uv, "z_relative": uv[:, 0] / 10.0, "confidence": uv[:, 1] / 100.0}
        values |= {name: total * 0.0 + value for name, value in (heads or {}).items()}
        return {name: value[None] for name, value in values.items()} if batch_axis else values

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, 64, 64, 3], tf.uint8, name="image")])
        def joints(self, image):
            return outputs(image, 1.0)

        @tf.function(input_signature=[tf.TensorSpec([1, 64, 64, 3], tf.uint8, name="image")])
        def others(self, image):
            return {**outputs(image, 7.0), "xyz_mm": tf.ones([21, 3])}

    model, saved = Model(), str(path.with_suffix(""))
    signatures = {"a_first_one": model.others, "serving_default": model.joints}
    tf.saved_model.save(model, saved, signatures=signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=[*signatures])
    described = {"task": "hand_pose", "image_size_px": 64, "scale_bone": "wrist_middle_mcp"}
    described["recipe"] = {"extra_passes": 4, "first_weight": 0.5}
    path.write_bytes(with_description(converter.convert(), described))
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch_axis", [False, True], ids=["[21, 2]", "[1, 21, 2]"])
def test_signature_and_shapes_of_outputs(program, tmp_path, batch_axis):
    """`serving_default` is run wherever it stands, with outputs of old and new shapes."""
    model = exported(tmp_path / "constant.tflite", batch_axis=batch_axis)
    path = write_ppm(tmp_path / "a.ppm", np.zeros((64, 64, 3), np.uint8))
    side = 64 / 1.3
    box = [31.5 - side / 2, 31.5 - side / 2, 31.5 + side / 2, 31.5 + side / 2]
    answer, joints = told(program, model, path, box, "right", 1)
    assert answer["score"] == pytest.approx(0.21, abs=1e-5)
    np.testing.assert_allclose(joints["uv_px"], np.arange(42.0).reshape(21, 2), atol=1e-3)
    np.testing.assert_allclose(joints["z_relative"], np.arange(0, 42, 2) / 10, atol=1e-5)
    np.testing.assert_allclose(joints["confidence"], np.arange(1, 42, 2) / 100, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("p_right", [0.9, 0.1])
def test_heads(program, tmp_path, rng, p_right):
    """They say the handedness and the score, the file how many passes that takes."""
    heads = {"p_right": p_right, "p_hand": 0.7}
    model = exported(tmp_path / "heads.tflite", heads=heads)
    rgb = rng.integers(0, 256, (64, 64, 3), np.uint8)
    path = write_ppm(tmp_path / "a.ppm", rgb)
    pose = HandPose(load_backend(model, task="hand_pose"), None)
    for box in ([11.0, 10.0, 51.0, 52.0], [20.0, 20.0, 30.0, 40.0]):
        for handedness in ("auto", "left", "right"):
            [hand] = pose.predict(rgb, box=box, handedness=handedness)
            assert_same(told(program, model, path, box, handedness), hand)
            assert hand.score == pytest.approx(0.7)


@pytest.mark.filterwarnings("ignore")
def test_auto_without_heads(program, tmp_path):
    model = exported(tmp_path / "no_heads.tflite")
    path = write_ppm(tmp_path / "a.ppm", np.zeros((64, 64, 3), np.uint8))
    done = run(program, model, path, "5,5,40,40", "auto")
    assert (done.returncode, done.stdout) == (2, "")
    assert "This model does not say the handedness: give left or right." in done.stderr


BAD = {
    "no model": ({"model": "none.tflite"}, "none.tflite does not exist"),
    "truncated": ({"model": "half.tflite"}, "half.tflite was not exported by kerashand or is cut"),
    "head of a model": ({"model": "head.tflite"}, "head.tflite was not exported by kerashand or"),
    "empty model": ({"model": "empty.tflite"}, "empty.tflite was not exported by kerashand or is"),
    "no network": ({"model": "zip.tflite"}, "zip.tflite is damaged: it does not have the checksum"),
    "other packing": ({"model": "deflated.tflite"}, "deflated.tflite was not exported by keras"),
    "changed byte": ({"model": "changed.tflite"}, "changed.tflite is damaged: it does not have"),
    "no checksum": ({"model": "unchecked.tflite"}, "unchecked.tflite is damaged: it does not have"),
    "no TFLite": ({"model": "text.tflite"}, "text.tflite is not a TFLite model."),
    "wrong structure": ({"model": "lost.tflite"}, "lost.tflite is not a TFLite model (LiteRT: "),
    "operators": ({"model": "sine.tflite"}, "sine.tflite is not run: it holds an operator that"),
    "detector": (
        {"model": "hand_detector.tflite"},
        "hand_detector.tflite is not a pose model of kera",
    ),
    "no picture": ({"picture": "none.ppm"}, "none.ppm does not exist"),
    "no PPM": ({"picture": "text.ppm"}, "text.ppm is not a binary PPM picture"),
    "a folder": ({"picture": "folder"}, "folder is not a binary PPM picture"),
    "16 bits": ({"picture": "deep.ppm"}, "deep.ppm is not a PPM picture with 8 bits a channel"),
    "no size": ({"picture": "sizeless.ppm"}, "sizeless.ppm is not a PPM picture with 8 bits"),
    "cut short": ({"picture": "short.ppm"}, "short.ppm ends before its last pixel"),
    "outside": ({"box": "70,5,90,40"}, "The box must meet the picture"),
    "turned round": ({"box": "40,5,10,40"}, "The box must have left < right and top < bottom"),
    "not a number": ({"box": "nan,5,10,40"}, "The box must have left < right and top < bottom"),
    "a point": ({"box": "5,5,6,6"}, "The box must be 2 pixels to 4 pictures large"),
    "endless": ({"box": "-inf,5,6,6"}, "The box must be 2 pixels to 4 pictures large"),
    "three numbers": ({"box": "1,2,3"}, "The box must be LEFT,TOP,RIGHT,BOTTOM. Received: 1,2,3"),
    "five numbers": ({"box": "1,2,3,4,5"}, "The box must be LEFT,TOP,RIGHT,BOTTOM. Received: 1"),
    "handedness": ({"handedness": "Left"}, "The handedness must be left, right or auto. Recei"),
    "recipe": ({"model": "recipe.tflite"}, "The `recipe.passes` of a model is out of range."),
    "passes": ({"passes": "0"}, "The passes must be 1 to 9. Received: 0"),
    "no passes": ({"passes": "two"}, "The passes must be 1 to 9. Received: two"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Good files and damaged ones."""
    folder = tmp_path_factory.mktemp("files")
    rgb = np.zeros((48, 64, 3), np.uint8)
    model = MODEL.read_bytes()
    write_ppm(folder / "good.ppm", rgb)
    write_ppm(folder / "short.ppm", rgb[:-1], head="P6 64 48 255\n")
    write_ppm(folder / "deep.ppm", rgb, head="P6 64 48 65535\n")
    write_ppm(folder / "sizeless.ppm", rgb, head="P6 -64 48 255\n")
    (folder / "text.ppm").write_text("P3 1 1 255 0 0 0")
    (folder / "folder").mkdir()
    (folder / "half.tflite").write_bytes(model[: len(model) // 2])
    (folder / "head.tflite").write_bytes(model[:1000])
    (folder / "empty.tflite").touch()
    for name in ("hand_pose.tflite", "hand_detector.tflite"):
        shutil.copy(WEIGHTS / name, folder)
    with zipfile.ZipFile(folder / "zip.tflite", "w") as archive:
        archive.writestr("kerashand.json", "{}")
    with zipfile.ZipFile(folder / "deflated.tflite", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("kerashand.json", "{}")
    changed = bytearray(model)
    changed[2_000_000] ^= 1
    (folder / "changed.tflite").write_bytes(changed)
    (folder / "unchecked.tflite").write_bytes(model.replace(b'"checksum"', b'"Checksum"'))
    network, metadata = parts_of("hand_pose.tflite")
    for name, content in {
        "text": b"no network " * 100,
        "lost": with_lost_subgraphs(network),
        "sine": with_operator(network, TILE, SIN),
    }.items():
        (folder / f"{name}.tflite").write_bytes(with_description(content, metadata))
    wrong = with_description(network, metadata | {"recipe": {"passes": 99}})
    (folder / "recipe.tflite").write_bytes(wrong)
    return folder


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_in_one_line(program, folder, name):
    changed, message = BAD[name]
    words = {
        "model": "hand_pose.tflite",
        "picture": "good.ppm",
        "box": "5,5,40,40",
        "handedness": "left",
        "passes": "2",
    }
    words = (words | changed).values()
    done = subprocess.run(
        [program, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    *before, line = done.stderr.splitlines()
    assert line.startswith(f"hand_pose: {message}")
    # LiteRT itself may have said something about a file that it cannot read.
    assert not before or name == "wrong structure"


def test_usage(program):
    assert run(program, "--help").stdout.startswith("usage: hand_pose MODEL.tflite")
    done = run(program, "hand_pose.tflite")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: hand_pose MODEL.tflite")


@pytest.mark.filterwarnings("ignore")
def test_outputs_that_are_no_numbers(program, tmp_path):
    model = exported(tmp_path / "nan.tflite", finite=False)
    path = write_ppm(tmp_path / "a.ppm", np.zeros((64, 64, 3), np.uint8))
    done = run(program, model, path, "5,5,40,40", "right")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("gives uv_px that are not numbers: it is damaged.\n")


def test_program_of_the_readme(tmp_path, pose):
    """The example compiles and gives the wrist that Python gives."""
    [source] = re.findall(r"```cpp\n(.*?)```", (CPP / "README.md").read_text(), re.DOTALL)
    (tmp_path / "own.cpp").write_text(source)
    program = compiled(tmp_path / "own.cpp", tmp_path / "own")
    shutil.copy(MODEL, tmp_path)
    done = subprocess.run([program], cwd=tmp_path, capture_output=True, text=True, check=True)
    rgb = np.zeros((480, 640, 3), np.uint8)
    [hand] = pose.predict(rgb, box=(120, 80, 310, 290), handedness="right")
    u, v = pose.follow(rgb, hand).uv_px[0]
    said = re.fullmatch(r"wrist at (.*), (.*)\n", done.stdout)
    np.testing.assert_allclose([float(said[1]), float(said[2])], [u, v], atol=0.06)


@pytest.mark.skipif(LITERT is None, reason="no libLiteRt.so: pip install ai-edge-litert")
@pytest.mark.skipif(shutil.which("cmake") is None, reason="no CMake: pip install cmake")
def test_cmake(tmp_path):
    """It builds the program; without the library it says what is missing."""
    command = ["cmake", "-S", CPP, "-B", tmp_path, f"-DCMAKE_CXX_COMPILER={COMPILER}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "cmake -DLITERT_LIBRARY=FILE" in done.stderr
    command += [f"-DLITERT_LIBRARY={LITERT}"]
    subprocess.run(command, capture_output=True, check=True)
    subprocess.run(["cmake", "--build", tmp_path], capture_output=True, check=True)
    assert run(tmp_path / "hand_pose", "--help").stdout.startswith("usage: hand_pose")
