"""What `kerashand-data import` is made of: writing, distortion, pairs."""

import dataclasses
import re
import subprocess
import sys

import camera_writers as files
import cv2
import numpy as np
import pytest
from camera_writers import COLOUR_K, COLOUR_PX, DEPTH_K, DEPTH_PX, SHIFT_MM, TURN
from import_checks import pictures

from kerashand.cli.data import main
from kerashand.data.imports import writer
from kerashand.data.imports.lens import Lens, turned
from kerashand.data.imports.pairing import Pairing, Selection
from kerashand.data.imports.source import Cameras, Shot, Source, Transform, from_metres
from kerashand.data.readers.recording import load_recording
from kerashand.errors import UserError
from kerashand.picture_files import PictureError

# ------------------------------------------------------------------------------------ writing


def source_of(count=3, cameras=None):
    lens = Lens(COLOUR_PX, COLOUR_K)
    cameras = cameras or Cameras(lens, lens, 1.0, None)
    depth_px = cameras.depth.size_px
    return Source(
        cameras,
        [Shot(n, f"c{n}", lambda n=n: files.colour_picture(n)) for n in range(count)],
        [Shot(n, f"d{n}", lambda n=n: files.depth_picture(n, depth_px)) for n in range(count)],
        ("a note: with\nlines",),
    )


def write(source, out, **more):
    return writer.write_recording(source, out, wrist_middle_mcp_mm=90.0, limit_s=0.01, **more)


def test_notes_are_comments(tmp_path):
    write(source_of(), tmp_path / "out")
    text = (tmp_path / "out" / "recording.yaml").read_text()
    assert text.startswith(
        "# a note: with?lines\n# measured pixels lie 0.64 m to 3.3 m away.\ncolour: {width: 64"
    )
    assert load_recording(tmp_path / "out").wrist_middle_mcp_mm == 90.0


def test_distances_are_those_of_nine_tenths_of_the_measured_pixels():
    """Of 400 measured pixels, 19 lie nearer and 19 farther; 100 were not measured."""
    values = np.repeat([0, 300, 500, 700, 9000], [100, 19, 342, 20, 19]).astype(np.uint16)
    distances = writer._Distances(2.0)
    distances.add(np.repeat(np.repeat(values.reshape(25, 20), 4, axis=0), 4, axis=1))
    assert distances.text() == "measured pixels lie 1 m to 1.4 m away."


@pytest.mark.parametrize(
    ("unit_mm", "factor", "message"),
    [
        (1.0, 0, "No frame was written: no depth picture holds a measured pixel."),
        (0.001, 1, "at 0.001 mm for a depth value of 1. This unit is wrong: give the right"),
        (1000.0, 1, "at 1000 mm for a depth value of 1. This unit is wrong"),
    ],
)
def test_depth_that_cannot_be(tmp_path, unit_mm, factor, message):
    lens = Lens(COLOUR_PX, COLOUR_K)
    source = source_of(cameras=Cameras(lens, lens, unit_mm, None))
    values = factor * files.depth_picture(0, COLOUR_PX)
    shots = [Shot(n, f"d{n}", lambda: values) for n in range(3)]
    with pytest.raises(UserError, match=re.escape(message)):
        write(dataclasses.replace(source, depth=shots), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_tensorflow_is_not_needed(tmp_path):
    files.write_open3d(tmp_path / "a", [0], intrinsic_matrix=COLOUR_K.T.ravel().tolist())
    program = """
import sys
from kerashand.cli.data import main
code = main(sys.argv[1:])
print({"tensorflow", "keras"} & sys.modules.keys())
raise SystemExit(code)
"""
    arguments = ["import", str(tmp_path / "a"), str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_folder_that_is_not_empty_is_refused(tmp_path, capsys):
    files.write_open3d(tmp_path / "a", [0], intrinsic_matrix=COLOUR_K.T.ravel().tolist())
    out = tmp_path / "out"
    out.mkdir()
    assert main(["import", str(tmp_path / "a"), str(out)]) == 0
    before = sorted(out.rglob("*"))
    for target, message in (
        (out, f"{out} is not empty."),
        (out / "recording.yaml", "exists and is no folder."),
        (tmp_path / "x" / "y", f"{tmp_path / 'x'} does not exist."),
    ):
        assert main(["import", str(tmp_path / "a"), str(target)]) == 2
        assert message in capsys.readouterr().err
    assert sorted(out.rglob("*")) == before


def test_nothing_stays_of_what_was_stopped(tmp_path):
    def stop():
        raise KeyboardInterrupt

    source = source_of()
    shots = [*source.colour[:2], Shot(2.0, "c2", stop)]
    with pytest.raises(KeyboardInterrupt):
        write(Source(source.cameras, shots, source.depth), tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turning(tmp_path, turn):
    report = write(source_of(1), tmp_path / "out", turn=turn)
    k = turn // 90
    depth = pictures(tmp_path / "out", "depth")["000000"]
    np.testing.assert_array_equal(depth, np.rot90(files.depth_picture(0, COLOUR_PX), -k))
    check = pictures(tmp_path / "out", "colour")["000000"][:, :, ::-1].astype(int)
    assert np.abs(check - np.rot90(files.colour_picture(0), -k)).max() <= 8
    assert f"colour and depth pictures were turned by {turn} degrees clockwise." in report.notes


def test_turning_beside_a_depth_camera(tmp_path):
    """A point that both cameras saw is seen by both after the colour camera was turned."""
    lens, depth = Lens(COLOUR_PX, COLOUR_K), Lens(DEPTH_PX, DEPTH_K)
    cameras = Cameras(lens, depth, 1.0, Transform(TURN, SHIFT_MM))
    write(source_of(1, cameras), tmp_path / "out", turn=90)
    recording = load_recording(tmp_path / "out")
    assert recording.size_px == (48, 64)
    point = np.array([30.0, -20.0, 500.0])
    u, v, w = COLOUR_K @ (TURN @ point + SHIFT_MM)
    move = recording.registration
    seen = recording.intrinsics @ (move.rotation @ point + move.translation_mm)
    np.testing.assert_allclose(seen[:2] / seen[2], [47 - v / w, u / w], atol=1e-3)
    np.testing.assert_array_equal(
        pictures(tmp_path / "out", "depth")["000000"], files.depth_picture(0)
    )


def test_mirrored_pictures_are_refused():
    with pytest.raises(UserError, match="Mirrored pictures"):
        turned(Lens(COLOUR_PX, COLOUR_K), 2)


# --------------------------------------------------------------------------------- distortion


MODELS = {
    "opencv": (0.2, -0.4, 0.003, -0.002, 0.1),
    "rational": (0.34, -2.86, 0.0005, -0.0001, 1.8, 0.21, -2.65, 1.7),
    "fisheye": (0.05, -0.02, 0.01, -0.002),
}


@pytest.mark.parametrize("name", MODELS)
def test_distortion_as_opencv_has_it(name):
    k, size = np.array([[300.0, 0, 160], [0, 310, 118], [0, 0, 1]]), (320, 240)
    bent = MODELS[name]
    maps = Lens(size, k, "fisheye" if name == "fisheye" else "opencv", bent).maps()
    undistort = cv2.fisheye if name == "fisheye" else cv2
    expected = undistort.initUndistortRectifyMap(
        k, np.array(bent), np.eye(3), k, size, cv2.CV_32FC1
    )
    np.testing.assert_allclose(maps, np.stack(expected, -1), atol=0.01)


def test_the_inverse_model_leads_from_pixels_to_rays():
    """RealSense's: the ray of a distorted pixel is Brown's polynomial of it."""
    k, size, bent = COLOUR_K * [[5], [5], [1]], (320, 240), (-0.05, 0.06, 0.001, -0.002, -0.02)
    maps = Lens(size, k, "inverse", bent).maps()
    for u, v in ((10, 20), (300, 200), (160, 118)):
        place = np.linalg.inv(k) @ [*maps[v, u], 1.0]
        ray = cv2.projectPoints(
            np.array([[place[0], place[1], 1.0]]), np.zeros(3), np.zeros(3), np.eye(3),
            np.array(bent),
        )[0].ravel()  # fmt: skip
        np.testing.assert_allclose(k @ [*ray, 1.0], [u, v, 1.0], atol=1e-2)


def test_the_modified_model_bends_what_was_bent():
    """The point (0.2, 0.1): r^2 = 0.05, the factor 1 + 0.2 r^2 = 1.01, then p1 = 0.1, p2 = 0.05."""
    k = np.array([[100.0, 0, 160], [0, 100, 120], [0, 0, 1]])
    maps = Lens((320, 240), k, "modified", (0.2, 0.0, 0.1, 0.05, 0.0)).maps()
    x, y = 0.202, 0.101
    bent = [
        x + 2 * 0.1 * x * y + 0.05 * (0.05 + 2 * x * x),
        y + 2 * 0.05 * x * y + 0.1 * (0.05 + 2 * y * y),
    ]
    np.testing.assert_allclose(maps[130, 180], 100 * np.array(bent) + [160, 120], atol=1e-3)


def test_little_distortion_stays(tmp_path):
    lens = Lens(COLOUR_PX, COLOUR_K, "opencv", (0.001,))
    assert lens.maps() is None
    report = write(source_of(1, Cameras(lens, lens, 1.0, None)), tmp_path / "out")
    assert "the distortion of colour pictures is less than 0.25 px: left as it is." in report.notes


def test_a_lens_that_folds_back_has_no_places_there():
    """r (1 - r^2 / 3) rises up to r = 1 only."""
    k = np.array([[100.0, 0, 159.5], [0, 100, 119.5], [0, 0, 1]])
    maps = Lens((320, 240), k, "opencv", (-1 / 3,)).maps()
    columns, rows = np.meshgrid(np.arange(320), np.arange(240))
    radius = np.hypot(columns - 159.5, rows - 119.5) / 100
    assert (maps[radius > 1.01] < 0).all()
    assert (maps[radius < 0.98] >= 0).all()


def test_registered_depth_is_straightened_with_colour(tmp_path):
    lens = Lens(COLOUR_PX, COLOUR_K, "opencv", (0.3, 0.1, 0.0, 0.0, 0.0))
    write(source_of(1, Cameras(lens, lens, 1.0, None)), tmp_path / "out")
    places = np.rint(lens.maps()).astype(int)
    taken = files.depth_picture(0, COLOUR_PX)
    found = pictures(tmp_path / "out", "depth")["000000"]
    inside = (places >= 0).all(-1) & (places < COLOUR_PX).all(-1)
    assert 0.3 < inside.mean() < 1.0
    assert (found[inside] == taken[places[inside][:, 1], places[inside][:, 0]]).mean() > 0.98
    assert (found[~inside] == 0).mean() > 0.9


# ---------------------------------------------------------------------------------- small parts


def shots_at(*times):
    return [Shot(t, str(t), lambda: None) for t in times]


def pairs(colour, depth, limit_s=0.02, **selection):
    pairing = Pairing(limit_s)
    found = list(pairing(shots_at(*colour), shots_at(*depth), Selection(**selection)))
    return [(number, c.time_s, d.time_s) for number, c, d in found], pairing


def test_pairs():
    assert pairs([0, 1, 2], [0.01, 0.99, 5])[0] == [(0, 0, 0.01), (1, 1, 0.99)]
    found, pairing = pairs([0, 1], [0.5])
    assert (found, pairing.alone, pairing.least_apart_s) == ([], 2, 0.5)
    assert pairs([0, 0.01], [0.005])[0] == [(0, 0, 0.005), (1, 0.01, 0.005)]
    found, pairing = pairs([0, 1, 0.5, 2], [0, 1, 2])
    assert ([n for n, _, _ in found], pairing.backward) == ([0, 1, 2], 1)
    assert pairs([], [0])[0] == pairs([0], [])[0] == []


def test_depth_pictures_that_go_with_several_colour_pictures():
    _, pairing = pairs([0, 0.01, 0.02, 1], [0.01, 1, 2])
    assert (pairing.shared, pairing.standing) == (1, {"colour": 0.0, "depth": 0.0})
    # Of five colour pictures three have the time of the one before; of depth, one of two.
    found, pairing = pairs([0, 0, 0, 1, 1], [0, 0, 1, 2])
    assert [d for _, _, d in found] == [0, 0, 0, 1, 1]
    assert (pairing.shared, pairing.standing["colour"]) == (2, 0.6)


@pytest.mark.parametrize(
    ("times", "good"),
    [
        ((0.0, 0.01, 0.02, 0.03), True),
        ((0.0, 0.0, 1.0, 1.0), True),  # half of them
        ((0.0, 0.0, 0.0, 1.0), True),
        ((0.0, 0.0, 0.0, 0.0), False),
    ],
)
def test_a_clock_that_stands(tmp_path, times, good):
    source = source_of(4)
    colour = [Shot(t, shot.name, shot.read) for t, shot in zip(times, source.colour, strict=True)]
    source = Source(source.cameras, colour, source.depth)
    if good:
        write(source, tmp_path / "out")
        return
    with pytest.raises(UserError, match="75 % of colour pictures have the time of the picture"):
        write(source, tmp_path / "out")
    assert not list(tmp_path.iterdir())
    write(Source(source.cameras, colour, source.depth, timed=False), tmp_path / "out")


@pytest.mark.parametrize(
    ("selection", "total", "most"),
    [
        ({}, 10, 10),
        ({"every": 3}, 10, 4),
        ({"first": 8, "count": 5}, 10, 2),
        ({"count": 2}, None, 2),
    ],
)
def test_how_many_are_taken_at_most(selection, total, most):
    assert Selection(**selection).most_of(total) == most


def test_metres():
    depth = np.array([0.5, 0.00004, np.nan, -1.0, np.inf, 6.5535, 6.5537])
    assert from_metres(depth, 0.1).tolist() == [5000, 0, 0, 0, 0, 65535, 0]
    assert from_metres(depth, 1.0).tolist() == [500, 0, 0, 0, 0, 6554, 6554]


def test_metres_that_are_millimetres():
    """20 of 21 values, more than 95 %, are too far; 19 of 20 are not more."""
    depth = np.array([0.5, np.nan, 0.0, *[400.0] * 19, 70.0])
    message = "d holds nearly no depth within 6.6 m, but 400 in the middle. Is it in millimetres?"
    with pytest.raises(PictureError, match=re.escape(message)):
        from_metres(depth, 0.1, "d")
    assert from_metres(depth[:-1], 0.1, "d").tolist() == [5000] + [0] * 21
    assert from_metres(np.zeros(3), 0.1).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("cx", "good"), [(-32, True), (96, True), (-32.5, False), (96.5, False)])
def test_the_centre_of_a_camera_lies_near_its_pictures(cx, good):
    """Half a side of 64 pixels beyond them at most."""
    if good:
        Lens(COLOUR_PX, files.matrix(60, 61, cx, 20))
        return
    message = (
        f"The centre of a camera, cx {cx:g} and cy 20, lies far outside of its pictures of "
        "64 x 48 pixels. Give it in pixels of these."
    )
    with pytest.raises(UserError, match=re.escape(message)):
        Lens(COLOUR_PX, files.matrix(60, 61, cx, 20))


@pytest.mark.parametrize(
    ("size_px", "k", "like"),
    [
        ((128, 96), (120, 122, 63.5, 47), True),  # (31.5 + 0.5) 2 - 0.5, (23.25 + 0.5) 2 - 0.5
        ((64, 48), (61, 60, 32.5, 24), True),
        ((64, 48), (61.5, 61, 31.5, 23.25), False),  # 2.5 % of 60
        ((64, 48), (60, 61, 31.5, 25.25), False),  # 4 % of 48
        ((48, 64), (60, 61, 31.5, 23.25), False),
    ],
)
def test_cameras_that_are_alike(size_px, k, like):
    assert Lens(COLOUR_PX, COLOUR_K).is_like(Lens(size_px, files.matrix(*k))) is like


@pytest.mark.parametrize(
    ("depth_px", "good"),
    [((64, 48), True), ((65, 48), True), ((66, 48), False), ((48, 64), False), ((0, 0), False)],
)
def test_the_shape_of_registered_depth(depth_px, good):
    """Widths of 65 and 66 are 1.6 % and 3.1 % more than 64."""
    lens = Lens(COLOUR_PX, COLOUR_K)
    if good:
        assert Cameras.registered(lens, depth_px).depth.size_px == depth_px
        return
    for bent in ((), (0.1,)):
        lens = Lens(COLOUR_PX, COLOUR_K, "opencv", bent)
        with pytest.raises(UserError, match="cannot be registered to colour pictures of 64 x 48"):
            Cameras.registered(lens, depth_px)


def test_a_resized_lens_shows_the_same():
    """A point at the right border of a pixel column of two lies at that of one."""
    k = Lens((64, 48), COLOUR_K).resized((32, 24)).intrinsics
    np.testing.assert_allclose(k, [[30, 0, 15.5], [0, 30.5, 11.375], [0, 0, 1]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--every", "0"], "--every must be at least 1"),
        (["--fx", "60"], "belong together"),
        (["--fx", "60", "--fy", "61", "--cx", "315", "--cy", "23"], "cx 315 and cy 23, lies far"),
        (["--unit-mm", "0"], "--unit-mm must be"),
        (["--wrist-middle-mcp-mm", "5"], "--wrist-middle-mcp-mm must be 50 to 150"),
        (["--most-apart-ms", "nan"], "--most-apart-ms must be"),
        (["--camera", "nowhere.yaml"], "nowhere.yaml cannot be read as YAML"),
        (["--depth-topic", "/d"], "--depth-topic is of no use for a folder of Open3D"),
    ],
)
def test_wrong_arguments(refused, tmp_path, arguments, message):
    files.write_open3d(tmp_path / "a", [0], intrinsic_matrix=COLOUR_K.T.ravel().tolist())
    assert message in refused(tmp_path / "a", *arguments)
