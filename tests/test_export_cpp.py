"""The program of export/cpp, compiled here, gives what the Python runtime gives.

`cpp_programs.py` says what it needs.
"""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from cpp_programs import (
    COMPILER,
    CPP,
    LITERT,
    MODEL,
    PRINTED,
    compiled,
    compiled_program,
    needs_compiler,
    run,
    write_ppm,
)

from kerashand import picture_files
from kerashand.runtime import HandPose
from kerashand.runtime.backends import load_backend
from kerashand.runtime.model_file import with_description
from kerashand.synthetic.pictures import render_picture
from kerashand.synthetic.scene import render_sample

pytestmark = needs_compiler
program = pytest.fixture(scope="module")(compiled_program)


@pytest.fixture(scope="module")
def pose():
    """Without a detector, which the program lacks too."""
    return HandPose(load_backend(MODEL, task="hand_pose"), None)


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


def test_output_of_the_readme(pose):
    """The command is shown with what the packaged model says today."""
    text = (CPP / "README.md").read_text()
    [box] = re.findall(r"hand\.ppm ([\d,]+) right", text)
    [score] = re.findall(r'"score": ([\d.]+)', text)
    lines = re.findall(r'^  (\{"uv_px": .*\}),$', text, re.MULTILINE)
    rgb = picture_files.read(CPP.parents[1] / "docs" / "images" / "hand.jpg")
    [hand] = pose.predict(rgb, box=[*map(float, box.split(","))], handedness="right")
    assert float(score) == pytest.approx(hand.score, abs=1e-3)
    assert len(lines) == 2
    for joint, said in enumerate(map(json.loads, lines)):
        np.testing.assert_allclose(said["uv_px"], hand.uv_px[joint], atol=0.5)
        assert said["z_relative"] == pytest.approx(hand.z_relative[joint], abs=0.02)
        assert said["confidence"] == pytest.approx(hand.confidence[joint], abs=0.02)


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
