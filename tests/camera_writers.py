"""Writes tiny files in the formats of RGB-D cameras, by nothing of `kerashand.data.imports`."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import cv2
import numpy as np
from dataset_writers import write_picture

COLOUR_PX, DEPTH_PX = (64, 48), (40, 32)
TURN = cv2.Rodrigues(np.array([0.02, -0.03, 0.01]))[0]
SHIFT_MM = np.array([14.8, -0.3, 0.6])
"""X_colour = TURN X_depth + SHIFT_MM."""


def colour_picture(number, size_px=COLOUR_PX):
    """Smooth, so that JPEG keeps it: red grows to the right, green downward, blue is the number."""
    columns, rows = np.meshgrid(np.arange(size_px[0]), np.arange(size_px[1]))
    red, green = 200 * columns / size_px[0], 200 * rows / size_px[1]
    return np.stack([red, green, np.full(red.shape, 20.0 * number)], -1).astype(np.uint8)


def depth_picture(number, size_px=DEPTH_PX):
    """Each value names its frame and place; the first row was not measured."""
    width, height = size_px
    values = 500 + 1000 * number + np.arange(width * height).reshape(height, width) % 900
    values[0] = 0
    return values.astype(np.uint16)


def jpeg(rgb):
    return cv2.imencode(".jpg", rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()


def png(picture):
    return cv2.imencode(".png", picture)[1].tobytes()


def matrix(fx, fy, cx, cy):
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


COLOUR_K, DEPTH_K = matrix(60.0, 61.0, 31.5, 23.25), matrix(38.0, 39.0, 19.75, 15.5)


def ebml(name, content):
    """An element of Matroska with a name in hexadecimal digits."""
    if isinstance(content, int):
        content = content.to_bytes(8, "big")
    elif isinstance(content, str):
        content = content.encode()
    elif isinstance(content, list):
        content = b"".join(content)
    return bytes.fromhex(name) + b"\x01" + len(content).to_bytes(7, "big") + content


KINECT = {
    "colour": [0.5004, 0.5107, 0.4761, 0.6347, 0.3442, -2.8605, 1.8035, 0.217, -2.649, 1.7057,
               0, 0, -4.41e-5, 4.744e-4],
    "depth": [0.4986, 0.493, 0.493, 0.4931, 3.8692, 2.0663, 0.0862, 4.2011, 3.3314, 0.5092,
              0, 0, 7.02e-5, 1.5636e-4],
}  # fmt: skip
"""cx cy fx fy k1 to k6 codx cody p2 p1 of a device."""


def kinect_calibration(rotation=TURN, shift_mm=SHIFT_MM, parameters=KINECT):
    cameras = []
    for kind, purpose, size, pose in (
        ("depth", "Depth", (1024, 1024), (np.eye(3), np.zeros(3))),
        ("colour", "PhotoVideo", (4096, 3072), (rotation, np.asarray(shift_mm) / 1000.0)),
    ):
        model = "CALIBRATION_LensDistortionModelBrownConrady"
        cameras.append(
            {
                "Intrinsics": {"ModelParameters": parameters[kind], "ModelType": model},
                "Purpose": f"CALIBRATION_CameraPurpose{purpose}",
                "Rt": {"Rotation": pose[0].ravel().tolist(), "Translation": pose[1].tolist()},
                "SensorWidth": size[0],
                "SensorHeight": size[1],
            }
        )
    return {"CalibrationInformation": {"Cameras": cameras}}


def write_kinect(path, colour, depth, calibration):
    """A file of k4arecorder: MJPEG, and 16 bits with the high byte first.

    Args:
        path: the file.
        colour: (time_s, RGB), or bytes in place of a JPEG file; not of the first one.
        depth: (time_s, values).
        calibration: what calibration.json holds; None leaves it out.
    """
    tracks, tags, blocks = [], [], []
    for number, (name, fourcc, bits, shots_) in enumerate(
        [("COLOR", b"MJPG", 24, colour), ("DEPTH", b"b16g", 16, depth), ("IR", b"b16g", 16, depth)],
        start=1,
    ):
        height, width = shots_[0][1].shape[:2]
        head = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, bits, fourcc, 0, 0, 0, 0, 0)
        video = ebml("E0", [ebml("B0", width), ebml("BA", height)])
        tracks.append(
            ebml("AE", [ebml("D7", number), ebml("73C5", 100 + number), ebml("83", 1),
                        ebml("536E", name), ebml("86", "V_MS/VFW/FOURCC"), ebml("63A2", head),
                        video])
        )  # fmt: skip
        said = [ebml("45A3", f"K4A_{name}_TRACK"), ebml("4487", str(100 + number))]
        target = ebml("63C0", [ebml("63C5", 100 + number)])
        tags.append(ebml("7373", [target, ebml("67C8", said)]))
        for time_s, picture in shots_:
            if name == "COLOR":
                content = picture if isinstance(picture, bytes) else jpeg(picture)
            else:
                content = (picture if name == "DEPTH" else picture + 1).astype(">u2").tobytes()
            block = bytes([0x80 | number, 0, 0, 0x80]) + content
            blocks.append((time_s, ebml("A3", block)))
    blocks.sort(key=lambda block: block[0])
    clusters = [ebml("1F43B675", [ebml("E7", round(t * 1e6)), block]) for t, block in blocks]
    attached = []
    if calibration is not None:
        file = [ebml("466E", "calibration.json"), ebml("4660", "application/octet-stream"),
                ebml("465C", json.dumps(calibration)), ebml("46AE", 7)]  # fmt: skip
        attached = [ebml("1941A469", [ebml("61A7", file)])]
    info = ebml("1549A966", [ebml("2AD7B1", 1000), ebml("4D80", "test"), ebml("5741", "test")])
    versions = [("4286", 1), ("42F7", 1), ("42F2", 4), ("42F3", 8), ("4287", 4), ("4285", 2)]
    head = ebml("1A45DFA3", [ebml("4282", "matroska"), *(ebml(*pair) for pair in versions)])
    parts = [info, ebml("1654AE6B", tracks), *attached, ebml("1254C367", tags), *clusters]
    Path(path).write_bytes(head + ebml("18538067", parts))


def write_record3d(path, colour, depth_m, **metadata):
    """A recording of Record3D; colour as arrays or JPEG files, depth of float32 or float16."""
    import lzfse

    height, width = depth_m[0].shape
    colour_px = COLOUR_PX if isinstance(colour[0], bytes) else colour[0].shape[1::-1]
    held = {
        "w": colour_px[0],
        "h": colour_px[1],
        "dw": width,
        "dh": height,
        "fps": 30,
        "K": COLOUR_K.T.ravel().tolist(),
    }
    held = {key: value for key, value in {**held, **metadata}.items() if value is not None}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata", json.dumps(held))
        for number, (rgb, depth) in enumerate(zip(colour, depth_m, strict=True)):
            content = rgb if isinstance(rgb, bytes) else jpeg(rgb)
            archive.writestr(f"rgbd/{number}.jpg", content)
            archive.writestr(f"rgbd/{number}.depth", lzfse.compress(depth.tobytes()))


def write_open3d(root, frames, *, size_px=COLOUR_PX, names="{:05d}", **camera):
    for number in frames:
        write_picture(
            root / "color" / f"{names.format(number)}.jpg", colour_picture(number, size_px)
        )
        write_picture(
            root / "depth" / f"{names.format(number)}.png", depth_picture(number, size_px)
        )
    if camera:
        (root / "intrinsic.json").write_text(
            json.dumps({"width": size_px[0], "height": size_px[1], **camera})
        )


def write_tum(root, colour_times, depth_times, *, size_px):
    """A sequence of the TUM benchmark."""
    for kind, times, picture in (
        ("rgb", colour_times, colour_picture), ("depth", depth_times, depth_picture),
    ):  # fmt: skip
        lines = ["# timestamp filename"]
        for number, time_s in enumerate(times):
            name = f"{kind}/{time_s:.6f}.png"
            write_picture(root / name, picture(number, size_px))
            lines.append(f"{time_s:.6f} {name}")
        (root / f"{kind}.txt").write_text("\n".join(lines) + "\n")
