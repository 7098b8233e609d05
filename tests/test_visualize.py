from dataclasses import replace

import cv2
import numpy as np
import pytest

from kerashand import visualize
from kerashand.skeleton import JOINT_COLOURS
from kerashand.synthetic.scene import render_sample
from kerashand.terms import history_panels
from kerashand.visualize import pages
from kerashand.visualize.images import MISSING_COLOUR, PAPER

SIZE = 48


@pytest.fixture(scope="module")
def samples():
    return [render_sample("target", "train", seed=0, index=i, size_px=SIZE) for i in range(3)]


def read(path):
    return cv2.imread(str(path))[:, :, ::-1]


def coloured(image, colour, tolerance=40):
    distance = np.abs(image.astype(int) - np.asarray(colour, int)).max(axis=-1)
    return np.argwhere(distance < tolerance)[:, ::-1]


# --------------------------------------------------------------------------- single pictures


def test_skeleton_is_drawn_where_the_joints_are():
    uv = np.tile([[10.0, 30.0]], (21, 1))
    uv[17:] = [[35.0, 12.0]] * 4  # the little finger alone, away from the rest
    picture = visualize.plot_skeleton(np.zeros((SIZE, SIZE, 3)), uv, scale=6)
    assert picture.shape == (6 * SIZE, 6 * SIZE, 3)
    assert picture.dtype == np.uint8
    found = coloured(picture, JOINT_COLOURS[20])
    end = found[np.hypot(*(found - [6 * 35.5, 6 * 12.5]).T) < 8]
    np.testing.assert_allclose(end.mean(axis=0), [6 * 35.5 - 0.5, 6 * 12.5 - 0.5], atol=1.5)


@pytest.mark.parametrize("scale", [1, 4])
def test_skeleton_leaves_its_input_alone(samples, scale):
    image = samples[0].image.copy()
    picture = visualize.plot_skeleton(image, samples[0].uv_px, scale=scale)
    np.testing.assert_array_equal(image, samples[0].image)
    assert picture.shape == (scale * SIZE, scale * SIZE, 3)
    assert np.abs(picture.astype(int).mean() - image.mean()) > 0.1


@pytest.mark.parametrize("place", [-1e4, 1e9, 0.0])
def test_skeleton_far_outside_or_in_a_point(place):
    picture = visualize.plot_skeleton(np.zeros((SIZE, SIZE, 3)), np.full((21, 2), place))
    assert picture.shape == (3 * SIZE, 3 * SIZE, 3)


def test_images_of_another_scale():
    grey = np.full((4, 4), 0.5)
    with pytest.warns(UserWarning, match=r"hold 0\.\.255: with values up to 0\.5"):
        visualize.plot_skeleton(grey, np.zeros((21, 2)))
    with pytest.raises(ValueError, match=r"0\.\.255\. Received: uint16 with values up to 4000"):
        visualize.plot_skeleton((grey * 8000).astype(np.uint16), np.zeros((21, 2)))


def test_a_png_file_has_its_name(tmp_path):
    with pytest.raises(ValueError, match=r"must end with \.png. Received: .*a\.jpg"):
        visualize.save_png(tmp_path / "a.jpg", np.zeros((4, 4, 3), np.uint8))
    assert not any(tmp_path.iterdir())


def test_3d_views(samples):
    hand = samples[0].xyz_mm
    front = visualize.draw_skeleton_3d(hand, size_px=128, view_deg=(0.0, 0.0), grid=False)
    turned = visualize.draw_skeleton_3d(hand, size_px=128, grid=False)
    assert front.shape == turned.shape == (128, 128, 3)
    assert np.abs(front.astype(int) - turned).mean() > 3
    # Only shape counts: root-relative joints look the same.
    relative = visualize.draw_skeleton_3d(hand - hand[0], size_px=128, grid=False)
    assert np.abs(relative.astype(int) - turned).mean() < 1.0


def test_convention_view_directions():
    """A joint to the camera's right stays right; from the right side, near ones lie left of far."""
    hand = np.zeros((21, 3))
    hand[1:5, 0] = 60.0  # the thumb to the right
    hand[17:, 2] = 60.0  # the little finger away from the camera
    for view, thumb, little in (((0, 0), 1, 0), ((90, 0), 0, 1), ((-90, 0), 0, -1)):
        picture = visualize.draw_skeleton_3d(hand, size_px=200, view_deg=view, grid=False)
        for colour, side in ((JOINT_COLOURS[4], thumb), (JOINT_COLOURS[20], little)):
            points = coloured(picture, colour)
            if side:
                assert np.sign(points[:, 0].mean() - 99.5) == side, (view, colour)


def test_truth_is_grey_and_frames_the_picture(samples):
    hand = samples[0].xyz_mm
    both = visualize.draw_skeleton_3d(hand + 15.0, size_px=200, truth_mm=hand, grid=False)
    alone = visualize.draw_skeleton_3d(hand, size_px=200, grid=False)
    grey = (np.ptp(both.astype(int), axis=-1) < 4) & (both[..., 0] < 200)
    assert grey.sum() > 3 * ((np.ptp(alone.astype(int), axis=-1) < 4) & (alone[..., 0] < 200)).sum()
    # A prediction out of all bounds does not shrink the truth to a dot.
    far = visualize.draw_skeleton_3d(hand + 5000.0, size_px=200, truth_mm=hand, grid=False)
    assert (far != PAPER[0]).any(axis=-1).sum() > 500


def test_3d_of_a_single_point_is_finite():
    picture = visualize.draw_skeleton_3d(np.zeros((21, 3)), size_px=64)
    assert picture.shape == (64, 64, 3)


def test_depth_colours():
    depth = np.array([[0.0, 0.3], [0.7, 1.0]])
    weight = np.array([[1.0, 1.0], [1.0, 0.0]])
    colours = visualize.colour_depth(depth[..., None], weight[..., None])
    assert colours.shape == (2, 2, 3)
    assert colours[0, 0].sum() < 60  # background stays dark
    assert colours[0, 1].argmax() == 2 or colours[0, 1].argmax() == 1  # far: blue to green
    assert colours[1, 0].argmax() == 0  # near: warm
    assert tuple(colours[1, 1]) == MISSING_COLOUR
    np.testing.assert_array_equal(visualize.colour_depth(depth)[:1], colours[:1])


# --------------------------------------------------------------------------- sheets


def test_contact_sheet_places_images():
    red, blue = np.full((10, 20, 3), (255, 0, 0)), np.full((30, 12, 3), (0, 0, 255.0))
    sheet = visualize.contact_sheet([[red, blue], [blue]], padding_px=4)
    # Columns 20 and 12 wide, rows 30 and 30 high, three gaps of 4.
    assert sheet.shape == (4 + 30 + 4 + 30 + 4, 4 + 20 + 4 + 12 + 4, 3)
    assert tuple(sheet[5, 5]) == (255, 0, 0)
    assert tuple(sheet[5, 30]) == (0, 0, 255)
    assert tuple(sheet[40, 5]) == (0, 0, 255)
    assert tuple(sheet[0, 0]) == PAPER


def test_contact_sheet_with_text_is_larger_and_inked():
    image = np.full((40, 80, 3), 200)
    plain = visualize.contact_sheet([[image]])
    sheet = visualize.contact_sheet(
        [[image]], column_titles=["a title that is much too long for it"], captions=[["12 mm"]]
    )
    assert sheet.shape[0] > plain.shape[0]
    assert sheet.shape[1] == plain.shape[1]
    assert (sheet < 120).any()


def test_contact_sheet_needs_an_image():
    with pytest.raises(ValueError, match="`rows` must hold at least one image"):
        visualize.contact_sheet([[], []])


def test_sample_sheet(samples):
    sheet = visualize.sample_sheet(samples, scale=2, samples_per_row=2)
    assert sheet.shape[1] > 8 * 2 * SIZE
    assert sheet.shape[0] > 2 * 2 * SIZE
    alone = visualize.sample_sheet(samples[:1], scale=2)
    assert 4 * 2 * SIZE < alone.shape[1] < 5 * 2 * SIZE
    empty = replace(samples[0], depth_mm=np.zeros((SIZE, SIZE), np.uint16))
    assert visualize.sample_sheet([empty], scale=1).dtype == np.uint8


# --------------------------------------------------------------------------- pages


@pytest.mark.parametrize("count", [1, 3])
def test_figure_skeletons(samples, tmp_path, count, rng):
    chosen = samples[:count]
    truth = np.stack([s.xyz_mm for s in chosen])
    path = tmp_path / "skeletons.png"
    pages.figure_skeletons(
        np.stack([s.image for s in chosen]), uv_pred_px=np.stack([s.uv_px for s in chosen]),
        xyz_pred_mm=truth + rng.normal(0, 8, truth.shape), xyz_true_mm=truth, path=path,
        title="weak",
    )  # fmt: skip
    picture = read(path)
    assert picture.shape[1] > 1000
    assert picture.shape[0] > 300 * count
    assert [p.name for p in tmp_path.iterdir()] == ["skeletons.png"]


def test_skeletons_without_truth_fill_their_view(samples, tmp_path):
    """A hand whose true joints are unknown is framed by itself, not by the filler of the truth."""
    images, uv = (np.stack([getattr(s, n) for s in samples[:1]]) for n in ("image", "uv_px"))
    xyz = samples[0].xyz_mm[None]
    pages.figure_skeletons(
        images,
        uv_pred_px=uv,
        xyz_pred_mm=xyz,
        xyz_true_mm=np.full_like(xyz, np.nan),
        path=tmp_path / "none.png",
    )
    pages.figure_skeletons(
        images, uv_pred_px=uv, xyz_pred_mm=xyz, xyz_true_mm=xyz, path=tmp_path / "both.png"
    )
    none, both = (read(tmp_path / f"{name}.png")[:, -380:] for name in ("none", "both"))
    colourful = [(p.max(axis=2).astype(int) - p.min(axis=2) > 60).sum() for p in (none, both)]
    assert colourful[0] == pytest.approx(colourful[1], rel=0.25)
    assert colourful[0] > 1000


@pytest.mark.parametrize("channels", [(), (1,)])
def test_figure_depth_maps(samples, tmp_path, rng, channels):
    shape = (2, 24, 24, *channels)
    weight = np.ones(shape)
    weight[1] = 0.0  # nothing was measured
    path = tmp_path / "depth.png"
    pages.figure_depth_maps(
        np.stack([s.image for s in samples[:2]]), measured=rng.random(shape), weight=weight,
        generated=rng.random(shape), path=path, window_mm=[400.0, 420.0],
    )  # fmt: skip
    assert read(path).shape[1] > 1000


def test_depth_maps_are_compared_where_a_hand_is_drawn(samples, monkeypatch):
    """0.1 of 400 mm apart on the hand; the wall beside it, which is not drawn, does not count."""
    measured, drawn = np.full((1, 8, 8), 0.9), np.zeros((1, 8, 8))
    drawn[:, :, :4], measured[:, :, :4] = 0.5, 0.6
    written = []
    monkeypatch.setattr(
        "kerashand.visualize.pages.write_page", lambda *args, **options: written.append(options)
    )
    for weight in (np.ones_like(drawn), np.zeros_like(drawn)):
        pages.figure_depth_maps(
            [samples[0].image],
            measured=measured,
            weight=weight,
            generated=drawn,
            path="none.png",
            window_mm=[400.0],
        )
    seen, unseen = (page["captions"][0][-1] for page in written)
    assert (seen, unseen) == ("40.0 mm where a hand is drawn", "")


def test_pages_need_a_sample(tmp_path):
    none = np.zeros((0, 8, 8, 3))
    with pytest.raises(ValueError, match="Received: 0 samples"):
        pages.figure_skeletons(
            none,
            uv_pred_px=none,
            xyz_pred_mm=np.zeros((0, 21, 3)),
            xyz_true_mm=np.zeros((0, 21, 3)),
            path="a.png",
        )


def test_figure_pck(tmp_path):
    thresholds = np.linspace(20, 50, 31)
    curves = {f"setting {n}": (thresholds, thresholds / 50 / (n + 1), 0.5) for n in range(8)}
    path = tmp_path / "pck.png"
    pages.figure_pck(curves, path, title="test", conditions="word " * 60)
    assert min(read(path).shape[:2]) > 400
    with pytest.raises(ValueError, match="at least one curve"):
        pages.figure_pck({}, path)


def test_figure_history(tmp_path):
    rows = [
        {"stage": "pretrain", "epoch": 1, "loss": 100.0, "val_loss": 90.0, "val_error_mm": 40.0},
        {"stage": "pretrain", "epoch": 2, "loss": 2.0, "val_loss": 3.0, "val_error_mm": 30.0},
        {"stage": "finetune", "epoch": 1, "loss": 1.0, "depth_map_loss": 0.0, "note": "text"},
        {"stage": "finetune", "epoch": 2, "loss": float("nan")},
    ]
    path = tmp_path / "history.png"
    pages.figure_history(rows, path)
    assert min(read(path).shape[:2]) > 250
    pages.figure_history(rows[:1], path)
    pages.figure_history([{"stage": "regularizer", "epoch": 1, "loss": 1.0}], path)
    with pytest.raises(ValueError, match="Received: 0 rows"):
        pages.figure_history([], path)


def test_history_names_quantities_units_and_stages(monkeypatch):
    figures = []
    monkeypatch.setattr(
        "kerashand.visualize.pages.save_figure", lambda figure, path: figures.append(figure)
    )
    rows = [
        {"stage": "pretrain", "epoch": 1, "loss": 9.0, "heatmap": 9.0, "error_mm": 40.0},
        {"stage": "regularizer", "epoch": 1, "loss": 0.1, "depth_map": 0.1},
    ]
    pages.figure_history(rows, "none.png", panels=history_panels())
    panels = figures[0].axes[:3]
    assert [(axes.get_title(), axes.get_ylabel()) for axes in panels] == [
        ("3D error of joints", "mm"),
        ("loss of the heat maps", "sum over the network's stages"),
        ("loss of the depth maps", "L1, depth windows"),
    ]
    for axes in panels:
        assert [text.get_text() for text in axes.texts] == ["pretrain", "regularizer"]


# --------------------------------------------------------------------------- files


def test_save_png_round_trip(tmp_path, rng):
    image = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    visualize.save_png(path, image)
    np.testing.assert_array_equal(read(path), image)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_save_png_into_nowhere(tmp_path):
    with pytest.raises(OSError, match="missing"):
        visualize.save_png(tmp_path / "missing" / "a.png", np.zeros((4, 4, 3)))


def test_global_state_of_pyplot_is_not_touched(tmp_path):
    from matplotlib import pyplot

    pages.figure_pck({"a": ([20, 50], [0.1, 0.9], 0.5)}, tmp_path / "pck.png")
    assert pyplot.get_fignums() == []
