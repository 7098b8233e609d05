"""What scripts for MediaPipe answer on hands made by hand, and how answers are compared."""

import ast
import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
SIZE = (200, 100)
"""Of the picture, px; not square, since scripts often forget that."""
THUMB_OUT = [(88, 82), (80, 74), (72, 66), (64, 60)]
THUMB_IN = [(88, 82), (84, 72), (92, 66), (102, 66)]
KNUCKLES = {"i": (90, 50), "m": (100, 50), "r": (110, 50), "l": (120, 54)}
STRETCHED, FOLDED = (0, -16, -26, -34), (0, -14, -4, 10)
"""Heights of the joints of a finger above its knuckle."""


@pytest.fixture
def rules(load_script):
    return load_script("tools/mediapipe_rules.py").RULES


@pytest.fixture
def agreement(load_script):
    return load_script("tools/mediapipe_agreement.py")


def hand(up="", *, thumb=None, moved=()):
    """Joints of an upright hand in px: raised fingers by their letters; others may be moved."""
    joints = [(100, 90), *(thumb or (THUMB_OUT if "t" in up else THUMB_IN))]
    for letter, (x, y) in KNUCKLES.items():
        joints += [(x, y + dy) for dy in (STRETCHED if letter in up else FOLDED)]
    for joint, place in dict(moved).items():
        joints[joint] = place
    return joints


def turned_right(joints):
    """Turned by 90 degrees clockwise about the wrist, which comes to (60, 50)."""
    return [(60 - (y - 90), 50 + (x - 100)) for x, y in joints]


def upside_down(joints):
    """Mirrored, with the wrist at (100, 10)."""
    return [(x, 100 - y) for x, y in joints]


def results(joints, label="Right", z=0.0):
    """Results as MediaPipe gives them; world landmarks are a millimetre for each pixel."""
    picture = [SimpleNamespace(x=x / SIZE[0], y=y / SIZE[1], z=z) for x, y in joints]
    world = [SimpleNamespace(x=x / 1000, y=y / 1000, z=0.0) for x, y in joints]
    classification = [SimpleNamespace(label=label, score=0.9, index=0)]
    return SimpleNamespace(
        multi_hand_landmarks=[SimpleNamespace(landmark=picture)],
        multi_hand_world_landmarks=[SimpleNamespace(landmark=world)],
        multi_handedness=[SimpleNamespace(classification=classification)],
    )


OPEN, FIST, INDEX = hand("timrl"), hand(), hand("i")
VICTORY = hand("im", moved={8: (82, 16)})
OK = hand("mrl", thumb=[(84, 82), (78, 76), (76, 70), (78, 60)],
          moved={6: (84, 42), 7: (80, 50), 8: (78, 58)})  # fmt: skip
THUMB_UP = hand(thumb=[(88, 82), (80, 60), (79, 44), (78, 28)])
BY_HAND = {
    "finger counting": {"open": 5, "fist": 0, "victory": 2, "index": 1, "ok": 3},
    "sign digits": {"open": 5, "fist": 0, "victory": 2, "index": 1, "right": 1, "ok": 9},
    "sign letters": {"open": "none", "fist": "S", "victory": "V", "index": "D", "ok": "F",
                     "thumb": "A"},
    "rock, paper, scissors": {"open": "paper", "fist": "rock", "victory": "scissors",
                              "index": "none"},
    "thumbs": {"thumb": "up", "thumb down": "down", "fist": "none", "open": "none"},
    "OK sign": {"ok": True, "fist": False, "victory": False, "open": False},
    "victory sign": {"victory": True, "open": False, "index": False, "closed": False},
    "open hand": {"open": True, "fist": False},
    "left or right": {"open": "Right"},
    "pointing": {"index": "up", "right": "right", "left": "left", "down": "down"},
    "keypad": {"index": "2", "right": "6", "fist": "8"},  # (90, 16), (134, 40), (90, 60)
    "mouse: click": {"ok": True, "fist": False, "open": False},
    "mouse: pointer": {"index": [43.75, 7.5], "right": [71.25, 37.5]},
    "drawing in the air: pen": {"index": True, "right": True, "open": False, "fist": False},
    "drawing in the air: point": {"index": [45.0, 16.0], "right": [67.0, 40.0], "open": None},
    # Tips (64, 60) and (90, 16): 26 and 44 px apart, of 40; OK: 2 of 40.
    "volume by pinch": {"open": 100.0, "ok": 0.0, "fist": 100 * (180**0.5 / 40 - 0.2)},
    # (64, 60) and (100, 16): 36 and 44 px apart, of 200.
    "brightness by pinch": {"open": 100 * (3232**0.5 / 200 - 0.05) / 0.45},
    "cropping": {"open": [27.0, 11.0, 65.0, 95.0]},
    "steering wheel": {"open": 0.0, "right": 90.0, "down": 180.0, "left": -90.0},
    "robot finger": {"open": 180.0, "fist": 0.0, "bent": 90.0},
    "ruler": {"open": 2612**0.5, "ok": 2.0},
}  # fmt: skip
"""Script -> hand -> answer."""
HANDS = {
    "open": OPEN, "fist": FIST, "index": INDEX, "victory": VICTORY, "ok": OK, "thumb": THUMB_UP,
    "right": turned_right(INDEX),
    "down": upside_down(INDEX), "thumb down": upside_down(THUMB_UP),
    "left": [(200 - x, y) for x, y in turned_right(INDEX)],
    "closed": hand("im"), "bent": hand("i", moved={7: (80, 34)}),
}  # fmt: skip


@pytest.mark.parametrize("script", BY_HAND)
def test_scripts_answer_as_worked_out_by_hand(rules, script):
    for name, answer in BY_HAND[script].items():
        found = rules[script].answer(results(HANDS[name]), SIZE)
        assert type(found) is type(answer), name
        exact = answer is None or isinstance(answer, (str, bool))
        assert found == (answer if exact else pytest.approx(answer, abs=1e-4)), name


def test_a_button_is_pressed_by_depth(rules):
    pressed = [rules["button by depth"].answer(results(INDEX, z=z), SIZE) for z in (-0.2, 0.0)]
    assert pressed == [True, False]
    assert {*BY_HAND, "button by depth"} == set(rules)


def test_the_label_says_on_which_side_a_thumb_counts(rules):
    """The thumb tip of the fist lies right of its joint, that of the open hand left."""
    count = rules["finger counting"].answer
    assert [count(results(hand, label="Left"), SIZE) for hand in (FIST, OPEN)] == [1, 4]


def test_rules_need_the_standard_library_alone():
    """The interpreter with MediaPipe lacks kerashand."""
    tree = ast.parse((ROOT / "tools" / "mediapipe_rules.py").read_text(encoding="utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    for node in ast.walk(tree):
        names |= {one.name for one in node.names} if isinstance(node, ast.Import) else set()
    assert "math" in names
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_answers_are_apart_by_their_kind(agreement):
    assert agreement.apart("up", "up", "choice") == 0.0
    assert agreement.apart(2, 5, "choice") == 1.0
    assert agreement.apart(30.0, 20.0, "range") == 10.0
    assert agreement.apart(-179.0, 178.0, "degrees") == 3.0
    assert agreement.apart([10.0, 20.0], [13.0, 15.0], "sides") == 5.0


def test_a_row_for_each_script(agreement, monkeypatch):
    kinds = {"move": "choice", "palm": "degrees", "point": "sides", "never": "sides"}
    rules = {name: SimpleNamespace(text=f"the {name}", kind=kind) for name, kind in kinds.items()}
    monkeypatch.setattr(agreement, "RULES", rules)

    def answers(move, palm, point):
        return {"move": move, "palm": palm, "point": point, "never": None}

    theirs = [
        answers("rock", 10.0, [0.0, 0.0]), answers("rock", 20.0, None),
        answers("paper", 40.0, [8.0, 0.0]), answers("rock", 0.0, [0.0, 0.0]), None,
    ]  # fmt: skip
    ours = [
        answers("rock", 11.0, [0.0, 1.0]), answers("paper", 18.0, [5.0, 5.0]),
        answers("paper", 45.0, [5.0, 0.0]), None, answers("rock", 0.0, [0.0, 0.0]),
    ]  # fmt: skip
    move, palm, point, never = agreement.rows(theirs, ours)
    # Rock, rock, paper: one pair of three is equal.
    assert move == {
        "script": "move", "answers": "the move", "kind": "choice", "hands": 3,
        "agree": pytest.approx(2 / 3), "by_chance": pytest.approx(1 / 3),
    }  # fmt: skip
    # 1, 2 and 5 degrees between both; 10, 20 and 30 between MediaPipe's answers.
    assert (palm["agree"], palm["by_chance"]) == (2.0, 20.0)
    assert palm["nine_of_ten"] == pytest.approx(4.4)  # 2 + 0.8 * (5 - 2)
    assert palm["medians"] == {"mediapipe": 20.0, "kerashand": 18.0}
    assert (point["hands"], point["agree"], point["by_chance"]) == (2, 2.0, 8.0)
    assert "medians" not in point
    assert never == {"script": "never", "answers": "the never", "kind": "sides", "hands": 0}


def test_a_row_for_each_folder_with_right_answers_of_signs(agreement):
    def answers(count, digit):
        return {"finger counting": count, "sign digits": digit}

    names = ["signs/9_0001.jpg", "signs/3_0002.jpg", "signs/9_0003.jpg", "rooms/train_0001.jpg"]
    found = {
        "mediapipe": [answers(3, 9), answers(3, 2), None, answers(1, 1)],
        "kerashand": [answers(4, 5), answers(3, 3), answers(3, 9), None],
    }
    assert agreement.sets(names, found) == [
        {"set": "signs", "pictures": 3, "found": {"mediapipe": 2, "kerashand": 3, "both": 2},
         "finger counting": {"mediapipe": 1.0, "kerashand": 0.5},
         "sign digits": {"mediapipe": 0.5, "kerashand": 0.5}},
        {"set": "rooms", "pictures": 1, "found": {"mediapipe": 1, "kerashand": 0, "both": 0}},
    ]  # fmt: skip


def test_the_tool_asks_both_packages_and_writes_rows(load_script, tmp_path, monkeypatch, capsys):
    """kerashand stands in for MediaPipe, so that both answer the same."""
    photographs = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        photographs.append(str(tmp_path / folder))
        shutil.copy(ROOT / "docs" / "images" / "hand.jpg", tmp_path / folder / "5_0001.jpg")
    (tmp_path / "mediapipe.py").write_text("from kerashand.compat.mediapipe import solutions\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    out = tmp_path / "results.json"
    tool = load_script("tools/compare_mediapipe.py")
    more = ["--pictures", "1", "--scripts", "--mediapipe", sys.executable, "--out", str(out)]
    assert tool.main([*photographs, *more]) == 0
    held = json.loads(out.read_text())
    assert json.loads(capsys.readouterr().out) == held
    assert [row["set"] for row in held["sets"]] == photographs
    assert held["sets"][0]["found"] == {"mediapipe": 1, "kerashand": 1, "both": 1}
    assert held["sets"][0]["finger counting"] == {"mediapipe": 1.0, "kerashand": 1.0}
    for row in held["rows"]:
        if row["hands"]:
            assert row["agree"] == (1.0 if row["kind"] == "choice" else 0.0), row
    assert sum(row["hands"] == 2 for row in held["rows"]) == len(held["rows"]) - 1  # no pen down


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tips", "labels.npz", "--scripts"], "--tips and --scripts are several measurements."),
        (["more", "--tips", "labels.npz"], "--tips needs one folder. Received: 2"),
        (["--scripts"], "photographs holds 0 .jpg files, fewer than --pictures."),
    ],
)
def test_wrong_arguments_are_refused(load_script, capsys, arguments, message):
    tool = load_script("tools/compare_mediapipe.py")
    assert tool.main(["photographs", *arguments, "--mediapipe", sys.executable]) == 2
    assert message in capsys.readouterr().err


def test_cells_of_answers_have_units(load_script, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    tables = load_script("tools/figure_mediapipe.py")
    rows = [
        {"script": "move", "kind": "choice", "agree": 0.857, "by_chance": 0.22},
        {"script": "ruler", "kind": "mm", "agree": 15.31, "nine_of_ten": 41.2, "by_chance": 23.0,
         "medians": {"mediapipe": 79.6, "kerashand": 94.2}},
        {"script": "never", "kind": "sides"},
    ]  # fmt: skip
    monkeypatch.setattr(tables, "results", lambda name: {"rows": rows})
    move, ruler, never = tables.scripts()
    assert (move["agree"], move["by_chance"]) == ("86 % the same", "22 % the same")
    assert (ruler["agree"], ruler["nine_of_ten"], ruler["by_chance"]) == ("15 mm", "41 mm", "23 mm")
    assert never == rows[2]
    assert tables.SENTENCES["scripts-ruler"]() == (
        "The median answer of the ruler is 80 mm with MediaPipe and 94 mm with kerashand."
    )
