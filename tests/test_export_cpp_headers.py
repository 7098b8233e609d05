"""The headers of export/cpp: crops, golden vectors, recipes and checksums are those of Python."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
from cpp_programs import PRINTED, needs_compiler, said_by

from kerashand import picture_files
from kerashand.errors import UserError
from kerashand.runtime.crop import crop_from_image, cut
from kerashand.runtime.recipe import Recipe

pytestmark = needs_compiler

GOLDEN = Path(__file__).parent / "golden"
OUTPUTS = ("uv_px", "z_relative", "confidence", "p_right", "p_hand")
RUN_ATOL = np.array([1e-4] * 6 + [0.05] * 3 + [1.0] * 12)
"""Of the affine map, the mean of the crop and the pixels in its corners."""

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
