"""The first line of a report, what models are called, and that a page fits a phone."""

import dataclasses
import re
import subprocess

import numpy as np
import pytest
from browser_pages import CHROMIUM
from report_rows import assessed, batch, many

from kerashand.reports import breakdown, page, verdict


def moved(rows, mm, *, unsure_mm=0.0):
    """An assessment whose mean errors are `mm`, some hands more and some less."""
    result = assessed(rows)
    errors = mm + unsure_mm * np.where(np.arange(len(result)) % 2, 1.0, -1.0)[:, None]
    arrays = {**result.arrays, "error_mm": errors + np.zeros((1, 21))}
    return dataclasses.replace(result, arrays=arrays)


@pytest.mark.parametrize(
    ("unsure_mm", "text"),
    [
        (0.5, "b is better than a by 6.2 mm, surely."),
        # 22 hands 18 mm up, 23 down: 18 / 45 mm less, and a deviation of the mean of 2.7 mm.
        (18.0, "b is better than a by 6.6 mm, probably."),
        (60.0, "b is better than a by 7.5 mm, but the difference may be chance."),
    ],
)
def test_the_verdict_says_how_sure_it_is(unsure_mm, text, rng):
    rows = many(rng)
    found = verdict.verdict([moved(rows, 18.2), moved(rows, 12.0, unsure_mm=unsure_mm)], "ab")
    assert found.text == text
    assert "18.2 mm (a)" in found.reason
    assert "Surely: this interval excludes 0. Probably: the 95 % interval does." in found.reason
    # The order of the models changes nothing.
    assert verdict.verdict([moved(rows, 12.0), moved(rows, 18.2)], "ab").text == (
        "a is better than b by 6.2 mm, surely."
    )


def test_surely_means_that_the_99_percent_interval_excludes_0():
    common = {"what": "3D error", "unit": " mm", "better_share": 0.6, "hands": 100}
    for low, high, surely, words in (
        (-3.0, -1.0, (-4.0, -0.1), "surely"),
        (-3.0, -0.1, (-4.0, 0.1), "probably"),
        (-3.0, 0.1, (-4.0, 1.0), "may be chance"),
        (-3.0, 0.0, (-4.0, 1.0), "may be chance"),
    ):
        difference = breakdown.Difference(mean=-2.0, low=low, high=high, surely=surely, **common)
        assert words in verdict.sentence(difference, "b", "a")


def test_intervals_of_a_difference_by_hand():
    """Of the mean of 400 numbers of deviation 10: 1.96 and 2.58 times 0.5 about -1."""
    gain = np.random.default_rng(1).normal(size=400)
    gain = (gain - gain.mean()) / gain.std() * 10.0 - 1.0
    found = breakdown._difference("x", "", [np.zeros(400), gain], rng=np.random.default_rng(0))
    np.testing.assert_allclose([found.low, found.high], [-1.98, -0.02], atol=0.06)
    np.testing.assert_allclose(found.surely, [-2.29, 0.29], atol=0.1)
    assert found.hands == 400


def test_verdicts_of_few_hands_of_equal_models_of_one_and_of_three(rng):
    rows = batch(rng)
    few = verdict.verdict([assessed(rows, off_px=2.0), assessed(rows, off_px=1.0)], "ab").text
    assert few.endswith(", but 12 hands are too few to be sure.")
    assert few.startswith("b is better than a by ")
    rows = many(rng)
    same = verdict.verdict([assessed(rows, off_px=2.0)] * 2, "ab").text
    assert same == "a and b give the same on all hands."
    assert "interval" not in verdict.verdict([assessed(rows, off_px=2.0)] * 2, "ab").reason
    three = verdict.verdict([moved(rows, mm) for mm in (9.0, 5.0, 5.04)], "abc").text
    assert three == "b is the best of 3 models: better than c by 0.04 mm, surely."
    alone = verdict.verdict([assessed(rows, off_px=3.0)], ["a"])
    assert alone.text == (
        "a: joints are 5.0 mm off in the mean, and 12.0 px in a square 256 px wide."
    )
    rows = batch(rng, count=40, in_3d=False)
    flat = [assessed(rows, off_px=off) for off in (2.0, 1.0)]
    assert verdict.verdict(flat, "ab").text == "b is better than a by 4.0 px of 256, surely."
    assert verdict.verdict(flat[:1], "a").text == (
        "a: joints are 8.0 px off in a square 256 px wide."
    )


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["runs/weak", "runs/full/"], ["weak", "full"]),
        (["a/seed0", "b/seed0", "b/seed1"], ["a/seed0", "b/seed0", "b/seed1"]),
        (["/home/x/hand.tflite", "packaged model"], ["hand.tflite", "packaged model"]),
        (["runs/weak", "runs/weak"], ["weak (1)", "weak (2)"]),
        (["."], ["."]),
    ],
)
def test_models_are_called_by_the_ends_of_their_paths(names, short):
    assert breakdown.names_apart(names) == short


NARROW = """
<script>addEventListener("message", (event) => { document.title = event.data; });</script>
<iframe src="PAGE" width="375" height="800"></iframe>"""
TELLS = "<script>parent.postMessage(document.documentElement.scrollWidth, '*');</script></body>"


@pytest.mark.programs
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_page_is_no_wider_than_a_phone(rng, tmp_path):
    rows = many(rng)
    rows["own_depth_weight"][:] = 1.0
    drawn = {"generate_depth": lambda uv, z: np.full((len(uv), 32, 32, 1), 0.5)}
    models = [assessed(rows, name=f"runs/{letter * 60}", off_px=1.0, **drawn) for letter in "xy"]
    text = page.report(
        models, made="Made with " + "z" * 80, command="kerashand-eval " + "w" * 200,
        differences=breakdown.compared(*models),
    )  # fmt: skip
    (tmp_path / "page.html").write_text(text.replace("</body>", TELLS))
    (tmp_path / "frame.html").write_text(NARROW.replace("PAGE", "page.html"))
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/u",
         "--virtual-time-budget=20000", "--dump-dom", (tmp_path / "frame.html").as_uri()],
        capture_output=True, check=True, text=True, timeout=300,
    )  # fmt: skip
    width = int(re.search("<title>([0-9]+)</title>", done.stdout)[1])
    assert 300 < width <= 375
