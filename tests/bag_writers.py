"""Writes tiny ROS bags and files of RealSense, by nothing of `kerashand.data.imports`."""

from __future__ import annotations

import contextlib
import sqlite3

import cv2
import numpy as np
import pytest
from camera_writers import COLOUR_K, COLOUR_PX, DEPTH_K, DEPTH_PX, SHIFT_MM, TURN, colour_picture


def quaternion(rotation):
    """x, y, z, w."""
    vector = cv2.Rodrigues(rotation)[0].ravel()
    angle = np.linalg.norm(vector)
    axis = vector / angle if angle else vector
    return (*(axis * np.sin(angle / 2)), np.cos(angle / 2))


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


TIMES = (0.0, 0.033, 0.066)


def driver(path, storage, put, *, depth="/camera/aligned_depth_to_color/image_raw"):
    """A bag of a driver with colour in rgb8; `put` adds what a test is about."""
    pytest.importorskip("rosbags")
    with Bag(path, storage) as bag:
        bag.camera("/camera/color/camera_info", COLOUR_K, COLOUR_PX)
        bag.camera("/camera/depth/camera_info", DEPTH_K, DEPTH_PX)
        for number, time_s in enumerate(TIMES):
            bag.image(
                "/camera/color/image_raw", colour_picture(number), "rgb8", 9 + time_s,
                frame="c",
            )  # fmt: skip
            put(bag, number, 9.002 + time_s)
    return path
