"""Labelled photographs, and squares without a hand, as the recipe makes them."""

import cv2
import numpy as np
import pytest

from kerashand.synthetic.scene import render_sample


def test_prepared_hands_are_repeated_in_training_alone(load_script):
    script = load_script("tools/recipe/prepare_photographs.py")
    rows = [{"set": name, "split": split} for name in "ab" for split in ("train", "test")]
    again = script.repeated(rows, ["a=3"])
    assert again[:4] == rows
    assert again[4:] == [{"set": "a", "split": "train"}] * 2
    for wrong in ("c=2", "a", "a=x"):
        with pytest.raises(SystemExit, match="--repeat takes SET=N"):
            script.repeated(rows, [wrong])


def test_labels_that_are_known_to_be_wrong_do_not_train(load_script):
    script = load_script("tools/recipe/prepare_photographs.py")
    names = ["fingers/train_0010.jpg", "fingers/train_0023.jpg", "fingers/train_0001.jpg"]
    rows = [{"name": name, "is_right": True} for name in names]
    assert script.corrected(rows) == [
        {"name": names[1], "is_right": False},
        {"name": names[2], "is_right": True},
    ]


def test_hands_that_the_labeller_missed_are_added(load_script, tmp_path, monkeypatch):
    script = load_script("tools/recipe/prepare_photographs.py")
    uv = np.arange(84, dtype=np.float16).reshape(2, 21, 2)
    np.savez(
        tmp_path / "missed.npz",
        name=np.array(["fingers/a.jpg", "ti1k/b.jpg"]),
        uv_px=uv,
        confidence=np.full((2, 21), 0.5, np.float16),
        is_right=np.array([True, False]),
    )
    monkeypatch.setattr(script, "MISSED_HANDS", tmp_path / "missed.npz")
    for name, content in (("fingers/images/a.jpg", b"a"), ("ti1k/images/b.jpg", b"b")):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        (tmp_path / "out" / path.parts[-3]).mkdir(parents=True)
    rows = script.missed(tmp_path / "data", tmp_path / "out")
    assert [(row["set"], row["name"], row["is_right"], row["split"]) for row in rows] == [
        ("fingers", "fingers/a.jpg", True, "train"), ("ti1k", "ti1k/b.jpg", False, "train"),
    ]  # fmt: skip
    for row, points in zip(rows, uv, strict=True):
        np.testing.assert_array_equal(row["uv_px"], points)
        assert (row["uv_weight"] == 0.5).all()
        assert (tmp_path / "out" / row["name"]).is_file()


def test_missed_hands_of_the_recipe_are_whole(load_script):
    script = load_script("tools/recipe/prepare_photographs.py")
    wrong = set(script.read_yaml_file(script.WRONG_LABELS)["handedness"])
    with np.load(script.MISSED_HANDS, allow_pickle=False) as hands:
        names, uv = hands["name"].tolist(), hands["uv_px"].astype(float)
        assert hands["confidence"].shape == (549, 21)
        assert hands["is_right"].dtype == bool
    assert len(set(names)) == len(names) == len(uv) == 549
    assert not wrong & set(names)
    assert np.isfinite(uv).all()


def test_a_part_of_a_hand_is_no_hand(load_script):
    script = load_script("tools/recipe/negatives.py")
    uv = np.random.default_rng(0).uniform(100.0, 300.0, (21, 2))
    hands = [{"name": "a.jpg", "uv_px": uv, "split": "train"}] * 400
    parts = script.parts_of_hands(hands)
    assert 60 < len(parts) < 140  # a quarter
    size = np.ptp(uv, axis=0).max()
    for part in parts:
        low, high = part["uv_px"].min(axis=0), part["uv_px"].max(axis=0)
        assert (part["name"], part["split"], part["uv_weight"].max()) == ("a.jpg", "train", 0.0)
        assert 0.1 * size <= (high - low)[0] <= 0.25 * size
        assert ((low <= uv) & (uv <= high)).all(axis=1).any()


def test_boxes_of_turned_pictures_lie_where_they_did(load_script):
    script = load_script("tools/recipe/negatives.py")
    picture = np.zeros((30, 50), np.uint8)
    picture[4:10, 20:41] = 1
    for turns in range(4):
        turned = np.rot90(picture, turns)
        rows, columns = np.nonzero(turned)
        box = (columns.min(), rows.min(), columns.max(), rows.max())
        assert script.turned_back(box, turns, turned.shape).tolist() == [20, 4, 40, 9]


def test_what_the_models_take_for_a_hand_and_is_none(load_script):
    script = load_script("tools/recipe/negatives.py")
    uv = np.random.default_rng(0).uniform(100.0, 200.0, (21, 2))
    uv[0], uv[1] = 100.0, 200.0
    hand = {"set": "ti1k", "uv_px": uv}
    for box, clear in (
        ((300, 300, 400, 400), True),
        ((210, 100, 300, 200), False),  # within 0.15 of its side: perhaps the wrist
        ((90, 90, 210, 210), False),
        ((150, 150, 250, 250), False),
        ((120, 120, 155, 155), True),  # a part of an eighth of its area
    ):
        assert script.no_hand(np.array(box, float), hand) is clear, box
    # Pictures of other sets may show more hands than the labelled one.
    hand["set"] = "fingers"
    assert not script.no_hand(np.array([300.0, 300.0, 400.0, 400.0]), hand)
    assert script.no_hand(np.array([120.0, 120.0, 155.0, 155.0]), hand)


def test_hands_before_a_wall_are_cut_out_and_shown_before_photographs(load_script, tmp_path):
    script = load_script("tools/recipe/prepare_photographs.py")
    sample = render_sample("target", "test", seed=0, index=4, size_px=100)
    hand = sample.mask > 0
    wall = np.where(hand[..., None], sample.image, (225, 225, 232)).astype(np.uint8)
    cover = script.cut_out(wall, sample.uv_px)
    assert ((cover > 0.5) & hand).sum() / ((cover > 0.5) | hand).sum() > 0.85
    assert cover.min() >= 0.0
    assert cover.max() <= 1.0
    # A larger picture is cut at the same size, of about the same hand.
    large = script.cut_out(np.kron(wall, np.ones((8, 8, 1), np.uint8)), 8.0 * sample.uv_px + 3.5)
    assert large.shape == (800, 800)
    assert np.abs(large.reshape(100, 8, 100, 8).mean(axis=(1, 3)) - cover).mean() < 0.02
    (tmp_path / "sign_digits").mkdir()
    cv2.imwrite(str(tmp_path / "sign_digits" / "a.png"), wall[..., ::-1])
    row = {"set": "sign_digits", "split": "train", "name": "sign_digits/a.png"}
    row["uv_px"] = sample.uv_px
    others = [row | {"split": "test"}, row | {"set": "fingers"}]
    (moved,) = script.composited([row, *others], tmp_path, None)
    assert moved == row | {"set": "composited", "name": "composited/a.png"}
    picture = cv2.imread(str(tmp_path / moved["name"]))[..., ::-1].astype(float)
    assert np.abs(picture - wall)[cover == 0].mean() > 20
    # The hand in another light: each colour times a factor.
    inside = cover > 0.99
    factors = picture[inside] / np.maximum(wall[inside], 1)
    assert (
        np.ptp(np.percentile(factors[wall[inside].min(axis=1) > 60], (5, 95), axis=0), axis=0).max()
        < 0.05
    )


def test_a_calibration_file(load_script, tmp_path):
    """Later matrices of a name replace earlier ones; remarks do not count."""
    path = tmp_path / "rot_trans.dat"
    first = ["R:", "1 0", "0 1", "T:", "1", "2", ""]
    path.write_text(
        "\n".join([*first, "#from here to there", "R:", "0 1", "-1 0", "T:", "3 ", "4"])
    )
    found = load_script("tools/recipe/prepare_photographs.py").matrices(path)
    np.testing.assert_array_equal(found["R"], [[0, 1], [-1, 0]])
    np.testing.assert_array_equal(found["T"], [[3], [4]])
