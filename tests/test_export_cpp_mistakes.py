"""The program of export/cpp says in one line what is wrong with a model, picture or argument."""

import shutil
import subprocess
import zipfile

import numpy as np
import pytest
from cpp_programs import MODEL, WEIGHTS, compiled_program, needs_compiler, run, write_ppm
from model_writers import SIN, TILE, parts_of, with_lost_subgraphs, with_operator

from kerashand.runtime.model_file import with_description

pytestmark = needs_compiler
program = pytest.fixture(scope="module")(compiled_program)

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
