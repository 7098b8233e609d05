"""Compare `kerashand.compat.mediapipe` with the real MediaPipe, which one program reads in turn.

    python3.11 -m venv mp && mp/bin/pip install mediapipe==0.10.21
    python tools/compare_mediapipe.py photographs --mediapipe mp/bin/python --out results.json
    python tools/compare_mediapipe.py ti1k/images --tips ti1k/labels.npz --mediapipe mp/bin/python
    --out results.json
    python tools/compare_mediapipe.py photographs --time --mediapipe mp/bin/python
    python tools/compare_mediapipe.py fingers sign_digits --scripts --mediapipe mp/bin/python

MediaPipe needs numpy < 2 and so an environment of its own. The pictures are taken evenly from the
sorted .jpg files of each folder, one hand each. Numbers of hands are medians over those that both
find. With `--time` both take turns, picture by picture, so that a busy machine slows both. With
`--scripts` the rules of tools/mediapipe_rules.py answer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mediapipe_agreement
import numpy as np
from numpy.typing import NDArray

from kerashand.cli.arguments import exit_code
from kerashand.errors import UserError
from kerashand.files import write_text
from kerashand.geometry.camera import HAND_MARGIN
from kerashand.metrics import SHOWN_PX
from kerashand.skeleton import FINGERS, MIDDLE_MCP, ROOT

PROGRAM = """
import importlib, json, sys
import cv2
mp = importlib.import_module(sys.argv[1])
hands, found = mp.solutions.hands.Hands(
    static_image_mode=True, max_num_hands=1, model_complexity=int(sys.argv[2])), []
for name in sys.argv[3:]:
    rgb = cv2.cvtColor(cv2.imread(name), cv2.COLOR_BGR2RGB)
    result = hands.process(rgb)
    if result.multi_hand_landmarks is None:
        found.append(None)
        continue
    xyz = [[[p.x, p.y, p.z] for p in one[0].landmark]
           for one in (result.multi_hand_landmarks, result.multi_hand_world_landmarks)]
    found.append({"size": [rgb.shape[1], rgb.shape[0]], "picture": xyz[0], "world": xyz[1],
                  "label": result.multi_handedness[0].classification[0].label})
print(json.dumps(found))
"""
SCRIPTS_PROGRAM = """
import importlib, json, sys
import cv2
mp = importlib.import_module(sys.argv[1])
sys.path.append(sys.argv[2])
from mediapipe_rules import RULES
hands, found = mp.solutions.hands.Hands(static_image_mode=True, max_num_hands=1), []
for name in sys.argv[3:]:
    rgb = cv2.cvtColor(cv2.imread(name), cv2.COLOR_BGR2RGB)
    result, size = hands.process(rgb), rgb.shape[1::-1]
    found.append(None if result.multi_hand_landmarks is None else
                 {name: rule.answer(result, size) for name, rule in RULES.items()})
print(json.dumps(found))
"""
FOLLOWED_FRAMES = 15
"""So many more times each picture is shown as a frame of a video."""
TIMED_PROGRAM = f"""
import importlib, json, sys, time
import cv2
mp = importlib.import_module(sys.argv[1])
picture, video = (mp.solutions.hands.Hands(
    static_image_mode=static, max_num_hands=1, model_complexity=1) for static in (True, False))

def timed(hands):
    start = time.perf_counter()
    found = hands.process(rgb).multi_hand_landmarks is not None
    return found, 1000.0 * (time.perf_counter() - start)

for line in sys.stdin:
    rgb = cv2.cvtColor(cv2.imread(json.loads(line)), cv2.COLOR_BGR2RGB)
    found, picture_ms = timed(picture)
    video.process(rgb)
    frames = [timed(video)[1] for _ in range({FOLLOWED_FRAMES})]
    print(json.dumps([found, picture_ms, sum(frames) / len(frames)]), flush=True)
"""
ROUNDS = 3
"""All pictures are timed so many times; the first time is not counted."""
OURS, THEIRS = "kerashand", "mediapipe"
MODULE = "kerashand.compat.mediapipe"
FULL, LITE = "1", "0"
"""`model_complexity`; kerashand runs one model for both."""
TIPS = (FINGERS["thumb"][-1], FINGERS["index"][-1])
TEST_PICTURES = 100
"""Of TI1K the last ones."""


def main(argv: list[str] | None = None) -> int:
    """Print the rows of docs/mediapipe.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="+", help="of photographs, .jpg")
    parser.add_argument(
        "--mediapipe", required=True, metavar="PYTHON", help="of an environment with MediaPipe"
    )
    parser.add_argument("--pictures", type=int, default=40, help="of each folder (default: 40)")
    parser.add_argument(
        "--tips", type=Path, metavar="LABELS", help="labels.npz of TI1K: measure finger tips"
    )
    parser.add_argument("--time", action="store_true", help="measure how long a picture takes")
    parser.add_argument("--scripts", action="store_true", help="compare what scripts answer")
    parser.add_argument("--out", type=Path, help="file of results, .json")
    args = parser.parse_args(argv)
    return exit_code("compare_mediapipe", lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Read the pictures in turn and compare."""
    asked_for = {"--tips": on_tips, "--time": times, "--scripts": on_scripts}
    given = [option for option in asked_for if getattr(args, option[2:])]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} are several measurements. Give one of them.")
    if args.tips and len(args.folder) > 1:
        raise UserError(f"--tips needs one folder. Received: {len(args.folder)}")
    results = asked_for[given[0]](args) if given else between_both(args)
    text = json.dumps(results, indent=2) + "\n"
    print(text, end="")
    if args.out:
        write_text(args.out, text)


def chosen(args: argparse.Namespace) -> list[str]:
    """Files taken evenly from each folder."""
    names = []
    for folder in args.folder:
        files = sorted(folder.glob("*.jpg"))
        if len(files) < args.pictures:
            raise UserError(f"{folder} holds {len(files)} .jpg files, fewer than --pictures.")
        names += [str(files[len(files) * n // args.pictures]) for n in range(args.pictures)]
    return names


def between_both(args: argparse.Namespace) -> dict[str, Any]:
    """How far both are apart."""
    names = chosen(args)
    theirs = read(args.mediapipe, "mediapipe", names)
    ours = read(sys.executable, MODULE, names)
    return {"pictures": len(names), "rows": compared(theirs, ours)}


def on_scripts(args: argparse.Namespace) -> dict[str, Any]:
    """How far scripts answer the same with both, and how often they are right."""
    names = chosen(args)
    more = {"program": SCRIPTS_PROGRAM, "option": str(Path(__file__).parent)}
    found = {
        THEIRS: read(args.mediapipe, "mediapipe", names, **more),
        OURS: read(sys.executable, MODULE, names, **more),
    }
    return {
        "pictures": len(names),
        "sets": mediapipe_agreement.sets(names, found),
        "rows": mediapipe_agreement.rows(found[THEIRS], found[OURS]),
    }


def on_tips(args: argparse.Namespace) -> dict[str, Any]:
    """How far each is from the points of people."""
    with np.load(args.tips, allow_pickle=False) as labels:
        name, box_px, tips_px = (
            labels[key][-TEST_PICTURES:] for key in ("name", "box_px", "tips_px")
        )
    names = [str(args.folder[0] / one) for one in name]
    found = {
        "hand_landmark_full": read(args.mediapipe, "mediapipe", names, option=FULL),
        "hand_landmark_lite": read(args.mediapipe, "mediapipe", names, option=LITE),
        OURS: read(sys.executable, MODULE, names),
    }
    in_all = [n for n in range(len(names)) if all(hands[n] for hands in found.values())]
    sides_px = HAND_MARGIN * np.ptp(box_px.reshape(-1, 2, 2), axis=1).max(axis=1)

    def row(model: str, hands: list) -> dict[str, Any]:
        seen = [np.array(hands[n]["picture"])[TIPS, :2] * hands[n]["size"] for n in in_all]
        apart_px = np.linalg.norm(np.array(seen) - tips_px[in_all], axis=-1)
        px = SHOWN_PX * apart_px / sides_px[in_all, None]
        return {"model": model, "found": sum(map(bool, hands)), "mean_px": float(px.mean()),
                "median_px": float(np.median(px))}  # fmt: skip

    rows = [row(model, hands) for model, hands in found.items()]
    return {"pictures": len(names), "found by all": len(in_all), "rows": rows}


def times(args: argparse.Namespace) -> dict[str, Any]:
    """How long a picture and a frame of a followed hand take, where both find the hand."""
    names = chosen(args)
    measured: dict[str, list] = {THEIRS: [], OURS: []}
    programs = {
        THEIRS: timer(args.mediapipe, "mediapipe"), OURS: timer(sys.executable, MODULE)
    }  # fmt: skip
    for turn in range(ROUNDS):
        for name in names:
            for who, program in programs.items():
                found = asked(program, name)
                if turn > 0:
                    measured[who].append(found)
    for program in programs.values():
        program.communicate()
    both = [n for n, (a, b) in enumerate(zip(*measured.values(), strict=True)) if a[0] and b[0]]
    if not both:
        raise UserError("No picture shows a hand that both find.")
    rows = []
    for column, what in enumerate(("a picture", "a frame of a followed hand"), start=1):
        each = {who: [all_of[n][column] for n in both] for who, all_of in measured.items()}
        row = {who: float(np.median(ms)) for who, ms in each.items()}
        rows.append({"what": what, **row, "ratio": row[OURS] / row[THEIRS]})
    return {"pictures": len(names), "found by both": len(both) // (ROUNDS - 1), "rows": rows}


def timer(python: str, module: str) -> subprocess.Popen[str]:
    """A program that times one of both modules on pictures whose names it reads."""
    return subprocess.Popen(
        [python, "-c", TIMED_PROGRAM, module], text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def asked(program: subprocess.Popen[str], name: str) -> list:
    """Whether it finds a hand in a picture; ms of the picture, and of a frame.

    Raises:
        UserError: If the program ended.
    """
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(json.dumps(name) + "\n")
    program.stdin.flush()
    answer = program.stdout.readline()
    if not answer:
        raise UserError(f"{' '.join(map(str, program.args[::3]))} ended at {name}.")
    return json.loads(answer)


def read(
    python: str, module: str, names: list[str], *, program: str = PROGRAM, option: str = FULL
) -> list[dict[str, Any] | None]:
    """What a program reads in each picture, the same program on one of both modules.

    Args:
        python: the interpreter.
        module: one of both.
        names: of the pictures.
        program: its text.
        option: what the program takes before the names.

    Raises:
        UserError: If the program does not run.
    """
    done = subprocess.run(
        [python, "-c", program, module, option, *names],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise UserError(f"{python} cannot run {module}: {done.stderr[-400:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compared(theirs: list, ours: list) -> list[dict[str, Any]]:
    """Rows of the table: what, by MediaPipe, by kerashand, and between both."""
    both = [(a, b) for a, b in zip(theirs, ours, strict=True) if a and b]
    measured = [[of_hand(hand) for hand in pair] for pair in both]

    def median(key: str) -> dict[str, float]:
        first, second = np.median([[one[key] for one in pair] for pair in measured], axis=0)
        return {THEIRS: float(first), OURS: float(second)}

    moved = [np.subtract(world(b), world(a)) for a, b in both]
    depths = [(np.array(a["picture"])[:, 2], np.array(b["picture"])[:, 2]) for a, b in both]
    between = {
        "label": np.mean([100.0 * (a["label"] == b["label"]) for a, b in both]),
        "xy": np.median([100.0 * apart_2d(a, b) for a, b in both]),
        "z": np.median([np.corrcoef(*pair)[0, 1] for pair in depths]),
        "mm": np.median([np.linalg.norm(one, axis=1).mean() for one in moved]),
    }
    found = {THEIRS: sum(map(bool, theirs)), OURS: sum(map(bool, ours))}
    return [
        {"what": "pictures with a hand found", **found, "between": len(both)},
        {"what": "same label, % of these", "between": float(between["label"])},
        {"what": "distance of `x`, `y`, % of the side of the hand's box",
         "between": float(between["xy"])},
        {"what": "range of `z` in sides of the hand's box", **median("z_range")},
        {"what": "world: range of `z` in sides of the hand's box", **median("world_z_range")},
        {"what": "correlation of `z`", "between": float(between["z"])},
        {"what": "world: wrist to middle knuckle, mm", **median("bone_mm")},
        {"what": "world: origin to middle knuckle, mm", **median("from_knuckle_mm")},
        {"what": "world: origin to mean of joints, mm", **median("from_mean_mm")},
        {"what": "world: distance of joints about that knuckle, mm",
         "between": float(between["mm"])},
    ]  # fmt: skip


def of_hand(hand: dict[str, Any]) -> dict[str, float]:
    """Numbers of a hand by itself."""
    points = np.array(hand["picture"]) * [hand["size"][0], hand["size"][1], hand["size"][0]]
    xyz_mm = 1000.0 * np.array(hand["world"])
    return {
        "z_range": flatness(points),
        "world_z_range": flatness(xyz_mm),
        "bone_mm": float(np.linalg.norm(xyz_mm[MIDDLE_MCP] - xyz_mm[ROOT])),
        "from_knuckle_mm": float(np.linalg.norm(xyz_mm[MIDDLE_MCP])),
        "from_mean_mm": float(np.linalg.norm(xyz_mm.mean(axis=0))),
    }


def flatness(points: NDArray[np.float64]) -> float:
    """How deep a hand is, in sides of its box."""
    width, height, depth = np.ptp(points, axis=0)
    return float(depth / max(width, height))


def apart_2d(first: dict[str, Any], second: dict[str, Any]) -> float:
    """Mean distance of joints in the picture, in sides of the box of the first hand."""
    a, b = (np.array(one["picture"])[:, :2] * one["size"] for one in (first, second))
    return float(np.linalg.norm(a - b, axis=1).mean() / np.ptp(a, axis=0).max())


def world(hand: dict[str, Any]) -> NDArray[np.float64]:
    """World landmarks in mm about the middle knuckle [21, 3]."""
    xyz_mm = 1000.0 * np.array(hand["world"])
    return xyz_mm - xyz_mm[MIDDLE_MCP]


if __name__ == "__main__":
    raise SystemExit(main())
