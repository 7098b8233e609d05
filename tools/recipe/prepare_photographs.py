"""Turn photographs with machine labels into the folder that `kind: photos` reads.

    python tools/recipe/prepare_photographs.py --data DATA --out photographs --backgrounds
    backgrounds

DATA holds one folder for each data set, with its licence and its labels:

fingers/      Hand Gesture Recognition v6, Lebanese University, Roboflow Universe (CC BY 4.0)
sign_digits/  ardamavi/Sign-Language-Digits-Dataset (Apache-2.0)
stereo/       TemugeB/handpose3d (MIT): two calibrated clips and triangulated joints
ti1k/         MahmudulAlam/TI1K-Dataset (MIT)
clips/        human_hand_video.mp4 of dexsuite/dex-retargeting (MIT), color_gestures.avi of
              LadaOndris/hands (MIT)

Labels are a machine's: doubtful ones are left out or count less. Whole sequences or people go to
one split, so that held-out photographs show hands and rooms that training has not seen. The
training hands of `sign_digits`, which stand before a plain wall, are also shown before photographs
without hands, in other light (`composited`). Squares of photographs in which no hand lies have
points of weight 0, see negatives.py. Of `stereo` the joints in 3D are written too, into
`points_3d.npz`: nothing trains on them, tools/recipe/evaluate_model.py measures by them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import tempfile
from pathlib import Path

import cv2
import negatives
import numpy as np
from label_rows import row, write_jpeg

from kerashand import picture_files
from kerashand.data.kinds.photos import LABELS_FILE, POINTS_3D_FILE
from kerashand.skeleton import BONES, MIDDLE_MCP, ROOT
from kerashand.synthetic.backgrounds import photograph_background
from kerashand.video.film import Film
from kerashand.yaml_files import read_yaml_file

MIN_SCORE = 0.6
MIN_BOX_SHARE = 0.12  # of the picture: a smaller "hand" is a mistake of the labeller
MAX_REPROJECTION_PX = 6.0
STEREO_EVERY = 2  # frames of a clip are nearly alike
STEREO_UNIT_MM = 40.0  # of the calibration, nearly
WRONG_LABELS = Path(__file__).resolve().parent / "wrong_labels.yaml"
MISSED_HANDS = Path(__file__).resolve().parent / "missed_hands.npz"
"""Training hands that the machine missed, labelled by the packaged models: docs/recipe.md."""
TI1K_LEFT = 860  # pictures with lower numbers show left hands alone
TI1K_VALIDATION, TI1K_TEST = 800, 900  # the last hundred are the data set's own test part
CLIP_EVERY = 4
MAX_TIPS_OFF = 0.1  # between the machine's finger tips and people's, in sides of their box
CUT_PX = 200  # longer side at which hands are cut out
FINGER, AROUND, ARM = 0.24, 0.6, 1.3  # of wrist - middle MCP: widths of what may be a hand
SURE = 0.08
PALM = (0, 1, 5, 9, 13, 17)
ALIKE = 0.10  # of the range of colours: root mean square difference of two thumbnails


def main(argv: list[str] | None = None) -> None:
    """Write the folder; it appears whole or not at all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--backgrounds", required=True, help="folder of photographs without hands")
    parser.add_argument(
        "--repeat", metavar="SET=N", action="append", default=[], help="training hands N times"
    )
    args = parser.parse_args(argv)
    if args.out.exists():
        raise SystemExit(f"{args.out} exists already; delete it or choose another folder")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=args.out.parent))
    try:
        in_clips, points = stereo(args.data / "stereo", beside)
        rows = [
            *fingers(args.data / "fingers", beside),
            *sign_digits(args.data / "sign_digits", beside),
            *in_clips,
            *ti1k(args.data / "ti1k", beside),
            *clips(args.data / "clips", beside),
        ]
        rows = corrected(rows) + missed(args.data, beside)
        rows += negatives.of_photographs(rows, beside, backgrounds=Path(args.backgrounds))
        rows += composited(rows, beside, args.backgrounds)
        rows = repeated(rows, args.repeat)
        labels = {key: np.array([row[key] for row in rows]) for key in rows[0]}
        np.savez_compressed(beside / LABELS_FILE, **labels)
        np.savez_compressed(beside / POINTS_3D_FILE, **points)
        beside.chmod(0o755)
        os.rename(beside, args.out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    for split in ("train", "val", "test"):
        chosen = labels["split"] == split
        sets = {name: int((labels["set"][chosen] == name).sum()) for name in set(labels["set"])}
        print(f"{split}: {int(chosen.sum())} hands and squares without one, {sets}")


def corrected(rows: list[dict]) -> list[dict]:
    """Rows without labels that are known to be wrong."""
    wrong = {key: set(names) for key, names in read_yaml_file(WRONG_LABELS).items()}
    for one in rows:
        one["is_right"] ^= one["name"] in wrong["handedness"]
    return [one for one in rows if one["name"] not in wrong["points"]]


def missed(data: Path, out: Path) -> list[dict]:
    """Rows of `MISSED_HANDS` and copies of their pictures."""
    rows = []
    with np.load(MISSED_HANDS, allow_pickle=False) as hands:
        columns = [hands[key] for key in ("name", "uv_px", "confidence", "is_right")]
        for name, uv, confidence, is_right in zip(*columns, strict=True):
            collection, _, picture = str(name).partition("/")
            shutil.copyfile(data / collection / "images" / picture, out / collection / picture)
            rows.append(
                row(
                    collection,
                    str(name),
                    uv_px=uv,
                    weight=confidence,
                    is_right=bool(is_right),
                    split="train",
                )
            )
    return rows


def fingers(folder: Path, out: Path) -> list[dict]:
    """Photographs of many people in rooms; pictures that style alike go to one split."""
    data = load(folder)
    groups = alike([folder / "images" / str(name) for name in data["name"]])
    splits = {group: split_of(number) for number, group in enumerate(dict.fromkeys(groups))}
    return labelled(folder, out, data, splits=[splits[group] for group in groups])


def sign_digits(folder: Path, out: Path) -> list[dict]:
    """Students signing ten digits.

    Each digit's files run through the students in one order, so that the same share of each digit
    holds out the same students, nearly.
    """
    data = load(folder)
    digits = np.array([str(name).split("_")[0] for name in data["name"]])
    part = np.zeros(len(digits))
    for digit in np.unique(digits):
        chosen = np.flatnonzero(digits == digit)
        part[chosen] = np.arange(len(chosen)) / len(chosen)
    splits = np.where(part < 0.8, "train", np.where(part < 0.87, "val", "test"))
    # All but a few are right hands: a "left" one is a mistake of the labeller.
    data["ok"] &= data["is_right"]
    return labelled(folder, out, data, splits=splits)


def stereo(folder: Path, out: Path) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Two clips of one right hand, and its joints in 3D; the last fifth of the time is held out."""
    data = load(folder)
    (out / "stereo").mkdir()
    rows, count = [], len(data["ok"])
    points: dict[str, list] = {
        key: [] for key in ("name", "split", "xyz_mm", "intrinsics", "labeller_mm")
    }
    for camera in range(2):
        intrinsics = matrices(folder / f"c{camera}.dat")["intrinsic"]
        xyz_mm = STEREO_UNIT_MM * data["xyz_cam0"]
        if camera == 1:
            # The file names R and T twice; the later ones lead from camera 0 to camera 1.
            pose = matrices(folder / "rot_trans_c1.dat")
            xyz_mm = xyz_mm @ pose["R"].T + STEREO_UNIT_MM * pose["T"][:, 0]
        clip = Film(str(folder / f"cam{camera}.mp4"))
        for frame, shown in enumerate(itertools.islice(clip, count)):
            good = data["ok"][frame] and data["reproj"][frame] <= MAX_REPROJECTION_PX
            if not good or frame % STEREO_EVERY:
                continue
            name = f"stereo/{camera}_{frame:04d}.jpg"
            write_jpeg(out / name, shown.rgb)
            split = "train" if frame < 0.8 * count else "test"
            rows.append(
                row(
                    "stereo",
                    name,
                    uv_px=data["uv"][camera, frame],
                    weight=1.0,
                    is_right=True,
                    split=split,
                )
            )
            labeller_mm = 1000.0 * data["world"][camera, frame]
            values = (name, split, xyz_mm[frame], intrinsics, labeller_mm)
            for key, value in zip(points, values, strict=True):
                points[key].append(value)
    return rows, {key: np.array(values) for key, values in points.items()}


def ti1k(folder: Path, out: Path) -> list[dict]:
    """Photographs from the wearer's eyes, a person and a place after the other."""
    data = load(folder, "labels.npz")
    number = np.array([int(Path(str(name)).stem) for name in data["name"]])
    data["ok"] &= (data["tips_off"] < MAX_TIPS_OFF) & ~(data["is_right"] & (number <= TI1K_LEFT))
    splits = np.where(
        number > TI1K_TEST, "test", np.where(number > TI1K_VALIDATION, "val", "train")
    )
    return labelled(folder, out, data, splits=splits)


def clips(folder: Path, out: Path) -> list[dict]:
    """Two clips of one right hand each; the second validates."""
    (out / "clips").mkdir()
    rows = []
    for name, split in {"human_hand_video.mp4": "train", "color_gestures.avi": "val"}.items():
        data = load(folder, f"{Path(name).stem}.npz")
        row_of = {int(frame): number for number, frame in enumerate(data["frame"])}
        for frame, shown in enumerate(Film(str(folder / name))):
            if frame % CLIP_EVERY or frame not in row_of or data["score"][row_of[frame]] < 0.9:
                continue
            place = f"clips/{Path(name).stem}_{frame:04d}.jpg"
            write_jpeg(out / place, shown.rgb)
            uv_px, weight = data["uv_px"][row_of[frame]], float(data["score"][row_of[frame]])
            rows.append(row("clips", place, uv_px=uv_px, weight=weight, is_right=True, split=split))
    return rows


def matrices(path: Path) -> dict[str, np.ndarray]:
    """The matrices of a calibration file: a line with a name and a colon, then rows of numbers."""
    found: dict[str, list] = {}
    rows: list = []
    for line in path.read_text().splitlines():
        if line.strip().endswith(":"):
            rows = found[line.strip()[:-1]] = []
        elif line.strip() and not line.startswith("#"):
            rows.append([float(number) for number in line.split()])
    return {name: np.array(values) for name, values in found.items()}


def labelled(folder: Path, out: Path, data: dict, *, splits) -> list[dict]:
    """Rows and copies of the pictures of a collection whose labels are good enough."""
    (out / folder.name).mkdir()
    rows = []
    for number in np.flatnonzero(data["ok"]):
        uv, score = data["uv_px"][number], float(data["score"][number])
        picture = folder / "images" / str(data["name"][number])
        side = max(picture_files.read_head(picture).size_px)
        if score < MIN_SCORE or (uv.max(axis=0) - uv.min(axis=0)).max() < MIN_BOX_SHARE * side:
            continue
        name = f"{folder.name}/{picture.name}"
        shutil.copyfile(picture, out / name)
        is_right = bool(data["is_right"][number])
        rows.append(
            row(
                folder.name,
                name,
                uv_px=uv,
                weight=score,
                is_right=is_right,
                split=str(splits[number]),
            )
        )
    return rows


def picture_of(one: dict, folder: Path) -> np.ndarray:
    """The picture of a hand, [H, W, 3] uint8 RGB."""
    return picture_files.read(folder / one["name"])


def composited(rows: list[dict], folder: Path, backgrounds: str) -> list[dict]:
    """The training hands of `sign_digits` once more, before other backgrounds and in other light.

    Not cut along a line that is sharp or right everywhere: good enough for labels of joints.
    """
    (folder / "composited").mkdir()
    rng = np.random.default_rng(0)
    cv2.setRNGSeed(0)  # of GrabCut
    moved = []
    for one in rows:
        if (one["set"], one["split"]) != ("sign_digits", "train"):
            continue
        rgb = picture_of(one, folder)
        cover = cut_out(rgb, one["uv_px"])[..., None]
        light = np.exp(rng.normal(-0.25, 0.3) + rng.normal(0.0, 0.06, 3))
        behind = photograph_background(rng, max(rgb.shape[:2]), folder=backgrounds, tint=0.1)
        behind = 255.0 * behind[: rgb.shape[0], : rgb.shape[1]]
        picture = cover * (rgb * light) + (1.0 - cover) * behind
        name = f"composited/{Path(one['name']).stem}.png"
        pixels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / name), pixels[..., ::-1])
        moved.append(one | {"set": "composited", "name": name})
    return moved


def cut_out(rgb: np.ndarray, uv_px: np.ndarray) -> np.ndarray:
    """How much of each pixel is the hand before a plain wall: [H, W] of 0..1.

    GrabCut (Rother et al. 2004), started from the joints: bones and the palm are the hand, what is
    far from them is the wall, and the forearm goes on behind the wrist.

    Args:
        rgb: [H, W, 3] uint8.
        uv_px: [21, 2] joints.
    """
    height, width = rgb.shape[:2]
    factor = CUT_PX / max(height, width)
    kind = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    large = cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=kind)
    points = (uv_px.astype(np.float64) + 0.5) * factor - 0.5
    length = float(np.linalg.norm(points[MIDDLE_MCP] - points[ROOT]))
    elbow = points[ROOT] + 4.0 * (points[ROOT] - points[MIDDLE_MCP])

    def painted(shade: int, share: float, lines: list[tuple]) -> None:
        for start, end in lines:
            ends = [tuple(np.rint(point).astype(int).tolist()) for point in (start, end)]
            cv2.line(parts, *ends, shade, max(round(share * length), 1))

    bones = [(points[start], points[end]) for start, end in BONES]
    parts = np.full(large.shape[:2], cv2.GC_BGD, np.uint8)
    painted(cv2.GC_PR_BGD, ARM, [(points[ROOT], elbow)])
    painted(cv2.GC_PR_BGD, AROUND, bones)
    painted(cv2.GC_PR_FGD, FINGER, bones)
    painted(cv2.GC_FGD, SURE, bones)
    hull = cv2.convexHull(np.rint(points[list(PALM)]).astype(np.int32))
    cv2.fillConvexPoly(parts, hull, cv2.GC_FGD)
    cv2.grabCut(large, parts, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    hand = np.isin(parts, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(hand)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    # The rim is half wall: it is left away.
    rim = np.ones((3, 3), np.uint8)
    hand = cv2.erode(
        (pieces == largest).astype(np.float32), rim, iterations=max(round(factor / 2), 1)
    )
    soft = cv2.GaussianBlur(hand, (0, 0), 0.5 * max(factor, 1.0))
    return cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)


def repeated(rows: list[dict], wanted: list[str]) -> list[dict]:
    """Rows with the training hands of some collections several times, SET=N."""
    for text in wanted:
        name, _, times = text.partition("=")
        if not times.isdigit() or name not in {one["set"] for one in rows}:
            raise SystemExit(f"--repeat takes SET=N. Received: {text}")
        again = [one for one in rows if one["set"] == name and one["split"] == "train"]
        rows = rows + again * (int(times) - 1)
    return rows


def load(folder: Path, name: str = "pseudo_labels.npz") -> dict[str, np.ndarray]:
    """The arrays of a collection's label file."""
    with np.load(folder / name, allow_pickle=False) as data:
        return {name: data[name].copy() for name in data.files}


def split_of(group: int) -> str:
    """Of twenty groups sixteen train, one validates, three test."""
    return "test" if group % 20 in (4, 11, 18) else "val" if group % 20 == 8 else "train"


def alike(paths: list[Path]) -> list[int]:
    """Group numbers of pictures: those whose thumbnails are near, directly or by others, are one.

    Photographs of one person in one room differ by the hand; their border pixels stay.
    """
    thumbnails = []
    for path in paths:
        small = cv2.resize(picture_files.read(path), (16, 16), interpolation=cv2.INTER_AREA)
        border = np.ones((16, 16), bool)
        border[3:13, 3:13] = False
        thumbnails.append(small[border].astype(np.float32).ravel() / 255.0)
    thumbnails = np.array(thumbnails)
    group = list(range(len(paths)))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    for i in range(len(paths)):
        distance = np.sqrt(((thumbnails[i + 1 :] - thumbnails[i]) ** 2).mean(axis=1))
        for j in np.flatnonzero(distance < ALIKE):
            group[root(i + 1 + int(j))] = root(i)
    return [root(i) for i in range(len(paths))]


if __name__ == "__main__":
    main()
