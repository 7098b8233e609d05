"""Writes tiny files in the formats of RGB-D cameras, by nothing of `kerashand.data.imports`."""

from __future__ import annotations

import contextlib
import json
import sqlite3
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


def quaternion(rotation):
    """x, y, z, w."""
    vector = cv2.Rodrigues(rotation)[0].ravel()
    angle = np.linalg.norm(vector)
    axis = vector / angle if angle else vector
    return (*(axis * np.sin(angle / 2)), np.cos(angle / 2))


# ---------------------------------------------------------------------------------------- ROS


class Bag:
    """A ROS 1 bag (.bag), or a ROS 2 folder with "sqlite3" or "mcap"."""

    def __init__(self, path, storage=None, packed=None):
        from rosbags import rosbag1, rosbag2
        from rosbags.typesys import Stores, get_typestore

        self.ros1 = storage is None
        self.store = get_typestore(Stores.ROS1_NOETIC if self.ros1 else Stores.ROS2_HUMBLE)
        if self.ros1:
            self.writer = rosbag1.Writer(path)
            if packed:
                self.writer.set_compression(rosbag1.Writer.CompressionFormat[packed])
        else:
            plugin = rosbag2.StoragePlugin[storage.upper()]
            self.writer = rosbag2.Writer(path, version=9, storage_plugin=plugin)
        self.connections = {}

    def __enter__(self):
        self.writer.open()
        return self

    def __exit__(self, *_):
        self.writer.close()

    def make(self, name, **fields):
        return self.store.types[name](**fields)

    def put(self, topic, kind, message, time_s, *, as_type=None):
        if topic not in self.connections:
            self.connections[topic] = self.writer.add_connection(
                topic, as_type or kind, typestore=self.store
            )
        write = self.store.serialize_ros1 if self.ros1 else self.store.serialize_cdr
        self.writer.write(self.connections[topic], round(time_s * 1e9), write(message, kind))

    def header(self, time_s, frame):
        stamp = self.make(
            "builtin_interfaces/msg/Time", sec=int(time_s), nanosec=round(time_s % 1 * 1e9)
        )
        seq = {"seq": 0} if self.ros1 else {}
        return self.make("std_msgs/msg/Header", stamp=stamp, frame_id=frame, **seq)

    def image(self, topic, picture, encoding, time_s, *, frame="", log_s=None, pad=0, big=False):
        picture = np.asarray(picture)
        height, width = picture.shape[:2]
        if big:
            picture = picture.astype(picture.dtype.newbyteorder(">"))
        rows = np.frombuffer(picture.tobytes(), np.uint8).reshape(height, -1)
        rows = np.pad(rows, ((0, 0), (0, pad)), constant_values=77)
        kind = "sensor_msgs/msg/Image"
        message = self.make(
            kind, header=self.header(time_s, frame), height=height, width=width, encoding=encoding,
            is_bigendian=int(big), step=rows.shape[1], data=rows.ravel(),
        )  # fmt: skip
        self.put(topic, kind, message, time_s if log_s is None else log_s)

    def compressed(self, topic, content, form, time_s, *, frame=""):
        kind = "sensor_msgs/msg/CompressedImage"
        data = np.frombuffer(content, np.uint8)
        message = self.make(kind, header=self.header(time_s, frame), format=form, data=data)
        self.put(topic, kind, message, time_s)

    def camera(self, topic, k, size_px, *, model="plumb_bob", d=(0.0,) * 5, p=None):
        case = str.upper if self.ros1 else str
        p = np.c_[k if p is None else p, np.zeros(3)]
        values = {"k": k, "d": d, "r": np.eye(3), "p": p}
        fields = {case(key): np.asarray(value, np.float64).ravel() for key, value in values.items()}
        roi = self.make(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0,
            do_rectify=False,
        )  # fmt: skip
        kind = "sensor_msgs/msg/CameraInfo"
        message = self.make(
            kind, header=self.header(0.0, ""), height=size_px[1], width=size_px[0],
            distortion_model=model, binning_x=0, binning_y=0, roi=roi, **fields,
        )  # fmt: skip
        self.put(topic, kind, message, 0.0)

    def transform(self, rotation, shift_mm):
        x, y, z, w = quaternion(rotation)
        tx, ty, tz = np.asarray(shift_mm) / 1000.0
        return self.make(
            "geometry_msgs/msg/Transform",
            translation=self.make("geometry_msgs/msg/Vector3", x=tx, y=ty, z=tz),
            rotation=self.make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
        )

    def float32(self, topic, value):
        kind = "std_msgs/msg/Float32"
        self.put(topic, kind, self.make(kind, data=value), 0.0)

    def static(self, steps):
        """Each step: parent, child, rotation and shift from the child to the parent."""
        from rosbags.typesys import get_types_from_msg

        kind = "tf2_msgs/msg/TFMessage"
        if kind not in self.store.types:
            text = "geometry_msgs/TransformStamped[] transforms"
            self.store.register(get_types_from_msg(text, kind))
        stamped = [
            self.make(
                "geometry_msgs/msg/TransformStamped", header=self.header(0.0, parent),
                child_frame_id=child, transform=self.transform(rotation, shift),
            )
            for parent, child, rotation, shift in steps
        ]  # fmt: skip
        self.put("/tf_static", kind, self.make(kind, transforms=stamped), 0.0)

    def extrinsics(self, topic, rotation, shift_mm):
        from rosbags.typesys import get_types_from_msg

        kind = "realsense2_camera_msgs/msg/Extrinsics"
        text = "std_msgs/Header header\nfloat64[9] rotation\nfloat64[3] translation\n"
        self.store.register(get_types_from_msg(text, kind))
        message = self.make(
            kind, header=self.header(0.0, "depth_to_color_extrinsics"),
            rotation=np.asarray(rotation).T.ravel(), translation=np.asarray(shift_mm) / 1000.0,
        )  # fmt: skip
        self.put(topic, kind, message, 0.0)


SDK_COLOUR, SDK_DEPTH = "/device_0/sensor_1/Color_0", "/device_0/sensor_0/Depth_0"


def write_realsense(path, pictures, *, k=(COLOUR_K, DEPTH_K), unit_m=0.001, packed=None, **colour):
    """A file of RealSense's viewer.

    Args:
        path: the file.
        pictures: (time_s, RGB) of colour, and (time_s, values) of depth.
        k: cameras.
        unit_m: what a depth value of 1 is.
        packed: "LZ4" or "BZ2".
        colour: of `Bag.camera`.
    """
    with Bag(path, packed=packed) as bag:
        # From a third camera to each, as the program writes them.
        reference = cv2.Rodrigues(np.array([0.0, 0.05, 0.0]))[0], np.array([5.0, 1.0, 0.0])
        own = reference[0], reference[1]
        both = TURN @ own[0], TURN @ own[1] + SHIFT_MM
        for topic, (rotation, shift), matrix_k, shots in (
            (SDK_COLOUR, both, k[0], pictures[0]), (SDK_DEPTH, own, k[1], pictures[1]),
        ):  # fmt: skip
            size = shots[0][1].shape[1::-1]
            if topic == SDK_COLOUR:
                bag.camera(f"{topic}/info/camera_info", matrix_k, size, **colour)
            else:
                bag.camera(f"{topic}/info/camera_info", matrix_k, size, model="Brown Conrady")
            kind = "geometry_msgs/msg/Transform"
            bag.put(f"{topic}/tf/0", kind, bag.transform(rotation, shift), 0.0)
        bag.float32("/device_0/sensor_1/option/Exposure/value", 166.0)
        bag.float32("/device_0/sensor_0/option/Depth Units/value", unit_m)
        for topic, encoding, shots in (
            (SDK_COLOUR, "rgb8", pictures[0]), (SDK_DEPTH, "mono16", pictures[1]),
        ):  # fmt: skip
            for time_s, picture in shots:
                # Headers hold the camera's clock, the file counts from its beginning.
                bag.image(f"{topic}/image/data", picture, encoding, 1600000000.0 + time_s,
                          frame="0", log_s=time_s)  # fmt: skip


def write_realsense_db3(path, pictures, *, bare):
    """A file of newer programs: texts, and pictures of ROS 2 or (`bare`) nothing but pixels."""
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    rows = []

    def text(topic, content, name):
        if bare:
            rows.append((topic, f"librealsense/{name}", 0, content.encode()))
        else:
            kind = "std_msgs/msg/String"
            message = store.types[kind](data=content)
            rows.append((topic, kind, 0, bytes(store.serialize_cdr(message, kind))))

    def listed(values):
        return ",".join(f"{value:.9f}" for value in np.ravel(values))

    middle = "info/" if bare else ""
    for topic, k, pose, encoding in (
        (SDK_COLOUR, COLOUR_K, (TURN, SHIFT_MM), ("RGB8", "rgb8")),
        (SDK_DEPTH, DEPTH_K, (np.eye(3), np.zeros(3)), ("Z16", "mono16")),
    ):
        shots_ = pictures[topic == SDK_DEPTH]
        height, width = shots_[0][1].shape[:2]
        text(f"{topic}/info", f"is_recommended=true;encoding={encoding[0]};fps=30", "stream_info")
        text(
            f"{topic}/{middle}camera_info",
            f"width={width};height={height};fx={k[0, 0]};ppx={k[0, 2]};fy={k[1, 1]};"
            f"ppy={k[1, 2]};model=Inverse Brown Conrady;coeffs=0,0,0,0,0",
            "camera_info",
        )
        pose_text = f"rotation={listed(pose[0].T)};translation={listed(pose[1] / 1000)}"
        text(f"{topic}/tf/{'' if bare else 'ref_'}0", pose_text, "extrinsics")
        for time_s, picture in shots_:
            data = np.frombuffer(picture.tobytes(), np.uint8)
            kind, content = "librealsense/raw_frame", picture.tobytes()
            if not bare:
                kind = "sensor_msgs/msg/Image"
                stamp = store.types["builtin_interfaces/msg/Time"](
                    sec=5, nanosec=round(time_s * 1e9)
                )
                header = store.types["std_msgs/msg/Header"](stamp=stamp, frame_id="0")
                message = store.types[kind](
                    header=header, height=height, width=width, encoding=encoding[1],
                    is_bigendian=0, step=len(data) // height, data=data,
                )  # fmt: skip
                content = bytes(store.serialize_cdr(message, kind))
            rows.append((f"{topic}/image/data", kind, round(time_s * 1e9), content))
    text("/device_0/sensor_0/option/Depth_Units/value", "0.000250", "option")
    _write_db3(path, rows)


def _write_db3(path, rows):
    with contextlib.closing(sqlite3.connect(path)) as base, base:
        base.execute(
            "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, "
            "serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL)"
        )
        base.execute(
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, "
            "timestamp INTEGER NOT NULL, data BLOB NOT NULL)"
        )
        ids = {}
        for topic, kind, _, _ in rows:
            if topic not in ids:
                ids[topic] = len(ids) + 1
                base.execute("INSERT INTO topics VALUES(?,?,?,'cdr','')", (ids[topic], topic, kind))
        for topic, _, time_ns, content in rows:
            base.execute(
                "INSERT INTO messages(topic_id, timestamp, data) VALUES(?,?,?)",
                (ids[topic], time_ns, content),
            )


def shots(times, picture, **more):
    return [(time_s, picture(number, **more)) for number, time_s in enumerate(times)]


# -------------------------------------------------------------------------------- Azure Kinect


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


# ------------------------------------------------------------------------------- other formats


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
