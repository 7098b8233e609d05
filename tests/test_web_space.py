"""The page's hands in space, and its choice of what runs the models: its modules in Node.js."""

import numpy as np
import pytest
from test_golden_web import NODE, run_node

from kerashand.geometry.root_depth import PALM_RATIOS
from kerashand.visualize import panels

pytestmark = pytest.mark.skipif(NODE is None, reason="no Node.js")

VIEWS = [(0, 0), (90, 0), (0, 90), (35, 20), (200, -30)]
SIZES = [(261, 261), (400, 150), (120, 333)]


def test_points_are_where_the_drawings_of_the_command_have_them(rng):
    """Hand-worked places are in test_panels.py."""
    points = rng.uniform(-1.0, 1.0, (5, 3))
    rows = run_node(
        """
        const { project } = await import('WEB/space.js');
        return given.views.flatMap(([turnDeg, elevationDeg]) => given.sizes.map(
          ([width, height]) => project(given.points, { turnDeg, elevationDeg },
            { left: 7, top: 11, width, height })));
        """,
        {"points": points.tolist(), "views": VIEWS, "sizes": SIZES},
    )
    cases = [(view, size) for view in VIEWS for size in SIZES]
    for row, (view, size) in zip(rows, cases, strict=True):
        expected = panels.project(points, size_px=size, view_deg=view, reach_mm=panels.REACH_PALMS)
        np.testing.assert_allclose(row, expected + np.array([7.0, 11.0, 0.0]), atol=1e-9)


def test_hands_are_side_by_side_as_in_the_drawings_of_the_command():
    cases = [(120, 120, 1), (120, 120, 2), (120, 360, 2), (360, 120, 4), (120, 60, 5)]
    rows = run_node(
        """
        const { split } = await import('WEB/space.js');
        return given.map(([width, height, count]) => split(width, height, count).map(
          (cell) => [cell.left, cell.top, cell.width, cell.height]));
        """,
        cases,
    )
    for row, (width, height, count) in zip(rows, cases, strict=True):
        np.testing.assert_allclose(row, panels.split((0, 0, width, height), count), atol=1.0)
    assert run_node("return (await import('WEB/space.js')).split(100, 50, 0);", None) == []


@pytest.mark.parametrize("bone", ["wrist_middle_mcp", "middle_mcp_pip"])
def test_joints_are_in_palms_about_the_middle_knuckle(bone):
    ratio = PALM_RATIOS[bone][0]
    xyz = np.zeros((21, 3))
    xyz[9], xyz[12] = (0.0, -ratio, 0.0), (0.0, -ratio, 0.5 * ratio)
    joints = run_node(
        """
        const { jointsOf } = await import('WEB/space.js');
        return jointsOf({ xyzRelative: given.xyz }, given.bone);
        """,
        {"xyz": xyz.ravel().tolist(), "bone": bone},
    )
    np.testing.assert_allclose(joints[9], [0, 0, 0])
    np.testing.assert_allclose(joints[0], [0, 1, 0])
    np.testing.assert_allclose(joints[12], [0, 0, 0.5])


def test_webgpu_runs_where_it_gives_the_same_and_is_faster():
    """Stand-ins for the network on the CPU and the GPU: what they give, how long they take."""
    cases = [
        {"gpu": [64.0, 0.5], "ms": 0},
        {"gpu": [64.3, 0.51], "ms": 0},
        {"gpu": [64.0, 0.5], "ms": 40},
        {"gpu": [64.0, 0.5], "ms": 40, "evenIfSlower": True},
        {"gpu": [65.0, 0.5], "ms": 0, "evenIfSlower": True},
        {"gpu": [64.0, None], "ms": 0},
        {"gpu": [64.0], "ms": 0},
        {"gpu": None, "ms": 0},
    ]
    used = run_node(
        """
        const { chosen } = await import('WEB/runtime.js');
        console.warn = () => {};
        const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
        const runner = (name, values, ms) => ({ name, sizePx: 8, run: async (image) => {
          if (image.length !== 192 || new Set(image).size < 20) throw new Error('a flat image');
          await wait(ms);
          if (values === null) throw new Error('the device was lost');
          return { uv_px: Float32Array.from(values, (value) => value ?? NaN) };
        } });
        const names = [];
        for (const { gpu, ms, evenIfSlower } of given) {
          const [onCpu, onGpu] = [runner('wasm', [64, 0.5], 15), runner('webgpu', gpu, ms)];
          names.push((await chosen(onCpu, onGpu, evenIfSlower ?? false)).name);
        }
        return names;
        """,
        cases,
    )
    assert used == ["webgpu", "webgpu", "wasm", "webgpu", "wasm", "wasm", "wasm", "wasm"]
