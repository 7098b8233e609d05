"""Writes tiny data sets in the layouts of RHD, STB, FreiHAND and a recording, of rendered hands.

Each writer works from its own statement of a layout: constants are written out anew, and nothing of
`kerashand.data.kinds` is used, so that a reader and its fixture cannot be wrong together.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from kerashand.synthetic.hand import load_hand, sample_shape, skin
from kerashand.synthetic.poses import PoseRange, sample_pose
from kerashand.synthetic.render import rasterise, unit, vertex_normals

BACKGROUND_MM = 900.0


@dataclass
class View:
    """A hand before a camera: joints [21, 3] mm, and what it looks like from any other camera."""

    joints: np.ndarray
    vertices: np.ndarray
    faces: np.ndarray

    def moved(self, rotation, translation) -> View:
        """The same hand in another camera's frame: X' = rotation X + translation."""
        rotation, translation = np.asarray(rotation), np.asarray(translation)
        return View(
            self.joints @ rotation.T + translation,
            self.vertices @ rotation.T + translation,
            self.faces,
        )

    def right_handed(self, handedness) -> View:
        """Mirrored, if it is a left hand."""
        if handedness == "right":
            return self
        flip = [-1.0, 1.0, 1.0]
        return View(self.joints * flip, self.vertices * flip, self.faces[:, ::-1])

    def render(self, intrinsics, size_px):
        """RGB [H, W, 3] uint8, depth [H, W] mm, mask [H, W] bool."""
        width, height = size_px
        side = max(width, height)
        fragments = rasterise(
            self.vertices, self.faces, np.asarray(intrinsics, np.float64), size_px=side
        )
        normals = unit(fragments.interpolate(vertex_normals(self.vertices, self.faces), self.faces))
        shade = np.clip(-normals[:, 2:], 0.15, 1.0) * [[220.0, 170.0, 140.0]]
        rgb = fragments.image(shade.astype(np.float32), 40.0)[:height, :width]
        depth = fragments.image(fragments.depth_mm.astype(np.float32), 0.0)[:height, :width]
        mask = depth > 0
        return rgb.round().astype(np.uint8), np.where(mask, depth, BACKGROUND_MM), mask

    def pixels(self, intrinsics):
        """Joints in pixels [21, 2]."""
        projected = self.joints @ np.asarray(intrinsics, np.float64).T
        return projected[:, :2] / projected[:, 2:]


def render_view(rng, *, handedness="right", distance_mm=450.0) -> View:
    """A hand with its palm or back to the camera, fingers up."""
    mesh = load_hand("makehuman")
    rest, rest_joints = sample_shape(mesh, rng, length_mm=(170.0, 190.0))
    joints, bones = sample_pose(mesh, rest_joints, PoseRange(wide=False, noise_deg=5.0), rng=rng)
    vertices = skin(mesh, rest, rest_joints, posed_joints_mm=joints, rotations=bones)
    angle = rng.uniform(-0.5, 0.5, 3)
    turn = cv2.Rodrigues(angle)[0] @ np.diag([1.0, -1.0, -1.0])
    if rng.random() < 0.5:
        turn = turn @ np.diag([-1.0, 1.0, -1.0])
    centre = joints.mean(axis=0)
    place = np.array([*rng.uniform(-40.0, 40.0, 2), distance_mm])
    vertices, joints, faces = (vertices - centre) @ turn.T, (joints - centre) @ turn.T, mesh.faces
    if handedness == "left":
        vertices, joints = vertices * [-1.0, 1.0, 1.0], joints * [-1.0, 1.0, 1.0]
        faces = faces[:, ::-1]
    return View(joints + place, vertices + place, faces)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """RGB or grey, 8 or 16 bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if picture.ndim == 3:
        picture = picture[:, :, ::-1]
    assert cv2.imwrite(str(path), picture)


# ------------------------------------------------------------------------------------------ RHD


def write_rhd(root: Path, rng, *, train=6, test=3) -> dict[str, list[tuple[View, str]]]:
    """RHD with one whole hand a picture; the other hand of each person is far outside."""
    camera = np.array([[283.1, 0.0, 160.0], [0.0, 283.1, 160.0], [0.0, 0.0, 1.0]])
    written = {}
    for folder, count in (("training", train), ("evaluation", test)):
        annotations, views = {}, []
        for number in range(count):
            handedness = ("right", "left")[number % 2]
            view = render_view(rng, handedness=handedness, distance_mm=420.0)
            rgb, depth, mask = view.render(camera, (320, 320))
            name = f"{number:05d}.png"
            write_picture(root / folder / "color" / name, rgb)
            numbers = np.where(mask, {"left": 7, "right": 25}[handedness], 1).astype(np.uint8)
            numbers[:5, :5] = {"left": 20, "right": 3}[handedness]  # a bit of the other hand
            write_picture(root / folder / "mask" / name, numbers)
            coded = np.round(depth / 5000.0 * 65535.0).astype(int)
            picture = np.zeros((320, 320, 3), np.uint8)
            picture[..., 0], picture[..., 1] = coded // 256, coded % 256
            write_picture(root / folder / "depth" / name, picture)
            # A finger's joints run from its tip to the palm.
            chain = [0] + [f + k for f in (1, 5, 9, 13, 17) for k in (3, 2, 1, 0)]
            joints = np.zeros((42, 3), np.float32)
            joints[:] = (5.0, 5.0, 1.0)
            uv_vis = np.zeros((42, 3), np.float32)
            first = {"left": 0, "right": 21}[handedness]
            joints[first : first + 21] = view.joints[chain] / 1000.0
            uv_vis[first : first + 21, :2] = view.pixels(camera)[chain]
            uv_vis[first : first + 21, 2] = 1.0
            annotations[number] = {"uv_vis": uv_vis, "xyz": joints, "K": camera.astype(np.float32)}
            views.append((view, handedness))
        with open(root / folder / f"anno_{folder}.pickle", "wb") as file:
            pickle.dump(annotations, file)
        written[folder] = views
    return written


# ------------------------------------------------------------------------------------------ STB

STB_COLOUR = np.array([[607.92271, 0, 314.78337], [0, 607.88192, 236.42484], [0, 0, 1.0]])
STB_DEPTH = np.array([[475.62768, 0, 336.41179], [0, 474.77709, 238.77962], [0, 0, 1.0]])
STB_BB = np.array([[822.79041, 0, 318.47345], [0, 822.79041, 250.31296], [0, 0, 1.0]])
STB_TURN = cv2.Rodrigues(np.array([0.00531, -0.01196, 0.00301]))[0]
STB_SHIFT = np.array([-24.0381, -0.4563, -1.2326])


def write_stb(root: Path, rng, *, frames=2) -> dict[str, list[View]]:
    """STB with `frames` of each sequence; views in the frame of SK's colour camera."""
    from scipy.io import savemat

    written = {}
    (root / "labels").mkdir(parents=True)
    for sequence in [f"B{n}{kind}" for n in range(1, 7) for kind in ("Counting", "Random")]:
        views, sk, bb = [], [], []
        for number in range(frames):
            view = render_view(rng, handedness="left", distance_mm=700.0)
            in_depth = view.moved(STB_TURN, STB_SHIFT)  # X_colour = R^T (X_depth - t)
            folder = root / "images" / sequence
            write_picture(folder / f"SK_color_{number}.png", view.render(STB_COLOUR, (640, 480))[0])
            depth = np.round(in_depth.render(STB_DEPTH, (640, 480))[1]).astype(int)
            picture = np.zeros((480, 640, 3), np.uint8)
            picture[..., 0], picture[..., 1] = depth % 256, depth // 256
            write_picture(folder / f"SK_depth_{number}.png", picture)
            right_eye = view.moved(np.eye(3), (-120.054, 0.0, 0.0))
            for eye, seen in (("left", view), ("right", right_eye)):
                write_picture(folder / f"BB_{eye}_{number}.png", seen.render(STB_BB, (640, 480))[0])
            views.append(view)
            sk.append(_stb_order(in_depth.joints))
            bb.append(_stb_order(view.joints))
        for camera, labels in (("SK", sk), ("BB", bb)):
            savemat(
                root / "labels" / f"{sequence}_{camera}.mat",
                {"handPara": np.array(labels).transpose(2, 1, 0)},
            )
        written[sequence] = views
    return written


def _stb_order(joints: np.ndarray) -> np.ndarray:
    """Palm, little, ring, middle, index finger, thumb; each from the palm on."""
    palm = (joints[0] + joints[13]) / 2  # so that going on from the ring knuckle ends at the wrist
    return np.concatenate(
        [palm[None], joints[17:21], joints[13:17], joints[9:13], joints[5:9], joints[1:5]]
    )


# ------------------------------------------------------------------------------------- FreiHAND


def write_freihand(root: Path, rng, *, train=5, test=3, backgrounds=2) -> dict[str, list[View]]:
    """FreiHAND with some versions of each training picture."""
    written = {}
    for part, count, versions in (("training", train, backgrounds), ("evaluation", test, 1)):
        views, cameras = [], []
        for number in range(count):
            view = render_view(rng, distance_mm=600.0)
            camera = np.array([[480.0, 0, 112.0], [0, 481.0, 111.0], [0, 0, 1.0]])
            # Turn the camera so that the hand is in the middle, as in the data set's crops.
            middle = view.joints.mean(axis=0)
            view = view.moved(np.eye(3), (-middle[0], -middle[1], 0.0))
            rgb = view.render(camera, (224, 224))[0]
            for version in range(versions):
                write_picture(
                    root / part / "rgb" / f"{number + version * count:08d}.jpg",
                    (rgb * (1.0 - 0.1 * version)).astype(np.uint8),
                )
            views.append(view)
            cameras.append(camera.tolist())
        scale = [float(np.linalg.norm(v.joints[10] - v.joints[9]) / 1000) for v in views]
        for name, held in (
            ("K", cameras),
            ("xyz", [(v.joints / 1000.0).tolist() for v in views]),
            ("scale", scale),
        ):
            (root / f"{part}_{name}.json").write_text(json.dumps(held))
        written[part] = views
    return written


# ------------------------------------------------------------------------------------ recording

RGBD_COLOUR = np.array([[600.0, 0, 320.0], [0, 600.0, 240.0], [0, 0, 1.0]])
RGBD_DEPTH = np.array([[380.0, 0, 212.0], [0, 380.0, 120.0], [0, 0, 1.0]])
RGBD_TURN = cv2.Rodrigues(np.array([0.01, 0.02, -0.005]))[0]
RGBD_SHIFT = np.array([15.0, 0.3, -1.0])
"""X_colour = RGBD_TURN X_depth + RGBD_SHIFT."""


def write_rgbd(root: Path, rng, *, frames=10, registered=False) -> list[tuple[View, str]]:
    """A recording with points; depth from its own camera, or registered to the colour camera."""
    views, lines = [], []
    for number in range(frames):
        handedness = ("right", "left")[number % 2]
        view = render_view(rng, handedness=handedness, distance_mm=600.0)
        name = f"{number:04d}"
        write_picture(root / "colour" / f"{name}.png", view.render(RGBD_COLOUR, (640, 480))[0])
        if registered:
            depth = view.render(RGBD_COLOUR, (640, 480))[1]
        else:
            own = view.moved(RGBD_TURN.T, -RGBD_TURN.T @ RGBD_SHIFT)
            depth = own.render(RGBD_DEPTH, (424, 240))[1]
        write_picture(root / "depth" / f"{name}.png", np.round(depth).astype(np.uint16))
        uv = view.pixels(RGBD_COLOUR).round(2).tolist()
        lines.append(json.dumps({"frame": name, "handedness": handedness, "uv_px": uv}))
        views.append((view, handedness))
    (root / "points.jsonl").write_text("\n".join(lines) + "\n")
    colour = "{width: 640, height: 480, fx: 600, fy: 600, cx: 320, cy: 240}"
    depth = "{width: 424, height: 240, fx: 380, fy: 380, cx: 212, cy: 120, unit_mm: 1.0}"
    palm = np.mean([np.linalg.norm(v.joints[9] - v.joints[0]) for v, _ in views])
    text = [f"colour: {colour}", f"depth: {colour if registered else depth}"]
    if not registered:
        text += [
            "depth_to_colour:",
            f"  rotation: {RGBD_TURN.tolist()}",
            f"  translation_mm: {RGBD_SHIFT.tolist()}",
        ]
    text.append(f"hand: {{wrist_middle_mcp_mm: {palm:.2f}}}")
    (root / "recording.yaml").write_text("\n".join(text) + "\n")
    return views
