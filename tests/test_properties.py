"""What holds for any input: inverses in geometry, round trips of codecs, bounds of filters."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kerashand.data.readers.decode import depth_mm
from kerashand.data.readers.table import RHD_MM
from kerashand.geometry import camera, depth, heatmaps, pose, registration, root_depth
from kerashand.models.hand_pose import load_parts_npz, parts_in_npz, save_parts_npz
from kerashand.reports import records
from kerashand.reports.assessment import Assessment
from kerashand.runtime.smoothing import OneEuroFilter
from kerashand.skeleton import SCALE_BONES

few = settings(
    derandomize=True,
    deadline=None,
    max_examples=40,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def numbers(low, high):
    return st.floats(low, high, allow_nan=False)


def values(shape, low, high):
    return arrays(np.float64, shape, elements=st.floats(low, high, allow_nan=False))


points = values((21, 2), -500, 500)
joints = values((21, 3), -300, 300)
focal, centre = numbers(50, 2000), numbers(-200, 1000)
angles = numbers(-7, 7)
AWAY_MM = np.array([0.0, 0.0, 500.0])


@st.composite
def cameras(draw):
    """Intrinsics whose 2 x 2 block may be full."""
    turn = camera.rotation_matrix(draw(angles)) if draw(st.booleans()) else np.eye(3)
    fx, fy, cx, cy = draw(st.tuples(focal, focal, centre, centre))
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]) @ turn


@st.composite
def crops(draw):
    """`crop_from_image` with turn and mirror."""
    middle = draw(st.tuples(centre, centre))
    affine = camera.crop_affine(middle, draw(numbers(4, 2000)), draw(st.sampled_from([32, 256])))
    affine = affine @ camera.rotation_affine(draw(angles), middle)
    return np.diag([-1.0 if draw(st.booleans()) else 1.0, 1.0, 1.0]) @ affine


# ------------------------------------------------------------------------------------ camera


@few
@given(points, values((21,), 50, 3000), cameras())
def test_lifting_and_projecting(uv_px, z_mm, intrinsics):
    xyz = camera.cam_from_px(uv_px, z_mm, intrinsics)
    np.testing.assert_allclose(xyz[:, 2], z_mm)
    np.testing.assert_allclose(camera.px_from_cam(xyz, intrinsics), uv_px, atol=1e-6)


@few
@given(points, crops())
def test_affine_and_back(uv_px, affine):
    there = camera.apply_affine(uv_px, affine)
    np.testing.assert_allclose(camera.apply_inverse_affine(there, affine), uv_px, atol=1e-6)


@few
@given(joints, cameras(), crops())
def test_cropped_camera_sees_cropped_pixels(xyz_mm, intrinsics, affine):
    xyz_mm = xyz_mm + AWAY_MM
    uv = camera.apply_affine(camera.px_from_cam(xyz_mm, intrinsics), affine)
    cropped = camera.px_from_cam(xyz_mm, camera.crop_intrinsics(intrinsics, affine))
    np.testing.assert_allclose(cropped, uv, rtol=1e-6, atol=1e-5)


@few
@given(joints, cameras(), angles)
def test_turned_joints_in_the_turned_camera(xyz_mm, intrinsics, angle):
    xyz_mm = xyz_mm + AWAY_MM
    affine = camera.rotation_affine(angle, (50.0, 60.0))
    turned = camera.rotate_joints(xyz_mm, angle)
    matrix = camera.rotated_intrinsics(intrinsics, affine, camera.rotation_matrix(angle))
    expected = camera.apply_affine(camera.px_from_cam(xyz_mm, intrinsics), affine)
    np.testing.assert_allclose(camera.px_from_cam(turned, matrix), expected, rtol=1e-6, atol=1e-5)


@few
@given(points, joints, cameras(), st.integers(1, 4000))
def test_mirror_twice_is_nothing(uv_px, xyz_mm, intrinsics, width_px):
    once = pose.mirror(uv_px, xyz_mm, intrinsics, width_px=width_px)
    twice = pose.mirror(*once, width_px=width_px)
    for found, expected in zip(twice, (uv_px, xyz_mm, intrinsics), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-9)


@few
@given(joints, cameras(), st.integers(1, 4000))
def test_mirrored_joints_project_onto_mirrored_pixels(xyz_mm, intrinsics, width_px):
    xyz_mm = xyz_mm + AWAY_MM
    uv = camera.px_from_cam(xyz_mm, intrinsics)
    mirrored = pose.mirror(uv, xyz_mm, intrinsics, width_px=width_px)
    found = camera.px_from_cam(mirrored[1], mirrored[2])
    np.testing.assert_allclose(found, mirrored[0], rtol=1e-9, atol=1e-6)


# ------------------------------------------------------------------------------ depth, poses


@few
@given(values((4, 4), 0, 1), numbers(200, 1500), numbers(20, 120), numbers(1, 6))
def test_depth_map_and_back(unit, root_mm, scale_mm, half_width):
    options = {"half_width_scales": half_width}
    measured = depth.denormalise_depth(unit, root_mm, scale_mm, **options)
    found, weight = depth.normalise_depth(measured, root_mm, scale_mm, **options)
    seen = measured > 1e-3
    assert (weight == seen).all()
    np.testing.assert_allclose(found[seen], unit[seen], atol=1e-3)


@few
@given(
    arrays(np.float32, (5, 5), elements=st.floats(allow_nan=True, allow_infinity=True, width=32)),
    numbers(-100, 3000), numbers(-10, 200),
)  # fmt: skip
def test_depth_map_of_anything_is_finite(measured, root_mm, scale_mm):
    with np.errstate(all="ignore"):
        found, weight = depth.normalise_depth(measured, root_mm, scale_mm, half_width_scales=2.5)
    assert ((found >= 0) & (found <= 1)).all()
    assert (found[weight == 0] == 0).all()
    assert not weight[np.isnan(measured)].any()


@few
@given(
    values((21, 3), -150, 150), numbers(300, 2000), numbers(20, 120), numbers(-400, 400),
    st.sampled_from(pose.DEPTH_ALONG),
)  # fmt: skip
def test_relative_depth_and_back(xyz_mm, root_mm, scale_mm, beside_mm, along):
    xyz_mm = xyz_mm + np.array([beside_mm, -beside_mm / 2, root_mm])
    camera_matrix, scale_mm = (
        np.array([[500.0, 0, 64], [0, 480, 60], [0, 0, 1]]),
        np.float64(scale_mm),
    )
    relative = pose.relative_depth(xyz_mm, scale_mm, depth_along=along)
    uv_px = camera.px_from_cam(xyz_mm, camera_matrix)
    back = pose.xyz_from_uv_z(
        uv_px,
        relative,
        camera_matrix,
        root_depth_mm=xyz_mm[0, 2],
        scale_mm=scale_mm,
        depth_along=along,
    )
    np.testing.assert_allclose(back, xyz_mm, rtol=1e-7, atol=1e-6)


@few
@given(values((21,), -4, 4), numbers(100, 2000), numbers(20, 120), numbers(1, 6))
def test_both_forms_of_eq_5(z_relative, root_mm, scale_mm, half_width):
    options = {"half_width_scales": half_width}
    short = depth.normalised_joint_depth(z_relative, **options)
    long = depth.normalised_joint_depth_long(
        z_relative, np.float64(root_mm), np.float64(scale_mm), **options
    )
    np.testing.assert_allclose(short, long, atol=1e-9)


@few
@given(values((2, 3, 2), 16, 111), st.sampled_from([4, 8]), numbers(0.6, 1.4))
def test_heat_maps_and_back(uv_px, stride, sigma):
    """Away from the edges, where a Gaussian is whole; `relu` of it is a Gaussian again."""
    maps = heatmaps.encode_gaussian(
        uv_px, size=(128 // stride + 8, 128 // stride + 8), stride=stride, sigma_cells=sigma
    )
    found = heatmaps.decode_expectation(heatmaps.normalise_maps(maps, "relu"), stride=stride)
    assume(uv_px.min() > 4 * sigma * stride)
    np.testing.assert_allclose(np.asarray(found), uv_px, atol=0.02 * stride)


@few
@given(
    arrays(np.float32, (1, 4, 4, 2), elements=st.floats(-(2.0**99), 2.0**99, width=32)),
    st.sampled_from(heatmaps.NORMALISERS),
)
def test_expectation_lies_in_the_picture(maps, method):
    found = np.asarray(heatmaps.decode_expectation(heatmaps.normalise_maps(maps, method), stride=8))
    assert ((found >= 3.4) & (found <= 27.6)).all()


# -------------------------------------------------------------------- registration, root depth


@few
@given(arrays(np.uint16, (6, 8), elements=st.sampled_from([0, 400, 700, 2000])))
def test_registration_onto_the_same_camera_is_nothing(measured):
    matrix = np.array([[50.0, 0, 3.5], [0, 50.0, 2.5], [0, 0, 1]])
    same = registration.Registration((8, 6), matrix, np.eye(3), np.zeros(3))
    found = registration.register_depth(measured, same, matrix, size_px=(8, 6))
    np.testing.assert_allclose(found, measured, rtol=1e-6)


@few
@given(
    arrays(np.uint16, (6, 8), elements=st.integers(0, 3000)), angles,
    st.tuples(numbers(-50, 50), numbers(-50, 50), numbers(-300, 300)), numbers(20, 400),
)  # fmt: skip
def test_registered_depth_was_measured(measured, angle, shift_mm, fx):
    """Whatever the cameras are: no depth but those of the moved points."""
    own = np.array([[50.0, 0, 3.5], [0, 50.0, 2.5], [0, 0, 1]])
    colour = np.array([[fx, 0, 8.0], [0, fx, 6.0], [0, 0, 1]])
    turn = camera.rotation_matrix(angle)
    moved = registration.Registration((8, 6), own, turn, np.array(shift_mm, np.float64))
    found = registration.register_depth(measured, moved, colour, size_px=(16, 12))
    allowed = np.unique(measured[measured > 0] + np.float64(shift_mm[2]))
    seen = found[found > 0]
    assert found.shape == (12, 16)
    assert (np.abs(seen[:, None] - allowed[None]).min(axis=1, initial=np.inf) < 1e-2).all()


@few
@given(
    values((21, 3), -60, 60), numbers(300, 1500), cameras(), st.sampled_from(sorted(SCALE_BONES))
)
def test_root_depth_of_a_hand_of_mean_proportions(noise, depth_mm_, intrinsics, bone):
    """A flat palm with the lengths of `PALM_RATIOS` comes back where it was."""
    ratios = root_depth.PALM_RATIOS[bone]
    length = dict(zip(root_depth.PALM_BONES, np.array(ratios) * 45.0, strict=True))
    xyz = noise * 0.3  # other joints do not count
    xyz[0], xyz[9] = 0.0, (0.0, -length[0, 9], 0.0)
    for joint in (1, 5, 13, 17):  # from two lengths each: about the wrist and the middle knuckle
        far, near = length[0, joint], length.get((joint, 9), length.get((9, joint)))
        if near is None:
            near = {5: length[5, 17] - length[9, 17], 13: length[9, 17] / 2}.get(joint, near)
        along = (far**2 - near**2 + length[0, 9] ** 2) / (2 * length[0, 9])
        side = np.sqrt(max(far**2 - along**2, 0.0)) * (-1 if joint in (1, 5) else 1)
        xyz[joint] = (side, -along, 0.0)
    xyz = xyz + np.array([0, 0, depth_mm_])
    uv = camera.px_from_cam(xyz, intrinsics)
    z_relative = (xyz[:, 2] - depth_mm_) / 45.0
    found = root_depth.solve_root_depth(uv, z_relative, intrinsics, scale_mm=45.0, scale_bone=bone)
    assert found == pytest.approx(depth_mm_, rel=0.12)
    twice = root_depth.solve_root_depth(uv, z_relative, intrinsics, scale_mm=90.0, scale_bone=bone)
    assert twice == pytest.approx(2 * found, rel=1e-6)  # a hand twice as large is twice as far


@few
@given(points, values((21,), -5, 5), cameras(), numbers(10, 300))
def test_root_depth_of_anything_is_a_depth(uv_px, z_relative, intrinsics, scale_mm):
    found = root_depth.solve_root_depth(uv_px, z_relative, intrinsics, scale_mm=scale_mm)
    assert np.isfinite(found)
    assert found >= root_depth.MIN_DEPTH_MM


# ------------------------------------------------------------------------------------- codecs


@few
@given(arrays(np.uint16, (4, 4)))
def test_coding_of_rhd_and_stb(coded):
    """The bytes of 16 bits, the higher one first for RHD and last for STB."""
    high, low = (coded >> 8).astype(np.uint8), (coded & 255).astype(np.uint8)
    nothing = np.zeros_like(high)
    rhd = np.asarray(depth_mm(np.stack([high, low, nothing], -1), "rhd"))
    np.testing.assert_allclose(rhd, coded * RHD_MM, rtol=1e-6)
    np.testing.assert_array_equal(np.round(rhd / 5000.0 * 65535.0), coded)
    stb = np.asarray(depth_mm(np.stack([low, high, nothing], -1), "stb"))
    np.testing.assert_array_equal(stb, coded)
    np.testing.assert_array_equal(np.asarray(depth_mm(coded[..., None], "mm")), coded)


@pytest.fixture(scope="module")
def parts():
    def model():
        inputs = keras.Input((3,))
        return keras.Model(inputs, keras.layers.Dense(2, name="dense")(inputs))

    return {"network": model(), "regressor": model()}


@settings(few, max_examples=10)
@given(arrays(np.float32, (3, 2), elements=st.floats(-10_000, 10_000, width=32)), st.booleans())
def test_weights_and_back(parts, tmp_path, kernel, half):
    for part in parts.values():
        part.set_weights([kernel, kernel[0]])
    save_parts_npz(tmp_path / "a.npz", parts, half=half)
    for part in parts.values():
        part.set_weights([kernel * 0, kernel[0] * 0])
    assert parts_in_npz(tmp_path / "a.npz") == ["network", "regressor"]
    load_parts_npz(tmp_path / "a.npz", parts)
    kept = kernel.astype(np.float16).astype(np.float32) if half else kernel
    for part in parts.values():
        np.testing.assert_array_equal(part.get_weights()[0], kept)
        np.testing.assert_array_equal(part.get_weights()[1], kernel[0])


@settings(few, max_examples=15)
@given(
    values((3, 21), 0, 1e6),
    values((3,), -1e6, 1e6),
    st.integers(0, 62),
    st.text(max_size=20), numbers(0, 1),
)  # fmt: skip
def test_report_and_back(tmp_path, per_joint, per_sample, unknown, text, auc):
    per_joint.flat[unknown] = per_sample[unknown % 3] = np.nan
    held = Assessment(
        name=text, data=text, protocol="cai2018", scale_bone=text,
        numbers={
            "auc": float(auc), "samples": 3, "pck": [0.5], "thresholds_mm": [20.0],
            "mean_error_px": float(auc), "mean_error_mm": float(auc),
        },
        arrays=dict.fromkeys(records.PER_JOINT, per_joint)
        | dict.fromkeys(records.PER_SAMPLE, per_sample),
    )  # fmt: skip
    (tmp_path / "a.json").write_text(records.as_json(held, {}), encoding="utf-8")
    found = records.from_json(tmp_path / "a.json")
    for name in ("name", "data", "protocol", "scale_bone", "numbers"):
        assert getattr(found, name) == getattr(held, name)
    for name, array in held.arrays.items():
        np.testing.assert_allclose(found.arrays[name], array, rtol=1e-4)
    assert dataclasses.replace(found, arrays={}) == dataclasses.replace(held, arrays={})
    json.loads((tmp_path / "a.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)


# ---------------------------------------------------------------------------------- smoothing


@few
@given(
    arrays(np.float64, (8, 3), elements=st.floats(-1e4, 1e4)), numbers(0.001, 1), numbers(0.1, 5)
)
def test_smoothed_values_lie_between_old_and_new(track, seconds, cutoff):
    smooth = OneEuroFilter(min_cutoff_hz=cutoff)
    last = smooth(track[0], seconds)
    np.testing.assert_array_equal(last, track[0])
    for value in track[1:]:
        found = smooth(value, seconds)
        low, high = np.minimum(last, value), np.maximum(last, value)
        assert ((found >= low - 1e-6) & (found <= high + 1e-6)).all()
        last = found


@few
@given(values((3,), -1e4, 1e4), numbers(0.001, 1))
def test_what_rests_stays(value, seconds):
    smooth = OneEuroFilter()
    for _ in range(4):
        found = smooth(value, seconds)
    np.testing.assert_array_equal(found, value)
