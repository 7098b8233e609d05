"""Collect photographs that stand behind rendered hands from packages of three registries.

    python tools/recipe/fetch_backgrounds.py --out backgrounds

`data.source.backgrounds` names the folder. PyPI needs pip, npm packages need npm, Debian's need
apt-get and dpkg-deb; what cannot be had is named and left out. Where OpenCV was built without
OpenEXR, the panoramas of two packages need `pip install OpenEXR`. Stopped, it goes on with the
packages that are missing. Writes JPEG files of at most 640 px, one folder for each package, and
SOURCES.md with versions, authors and licences: keep it with the pictures.
"""

from __future__ import annotations

import argparse
import base64
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
import zipfile
from collections.abc import Iterator
from pathlib import Path

os.environ["OPENCV_IO_ENABLE_OPENEXR"] = "1"  # OpenCV looks when it is imported

import cv2
import numpy as np
from background_packages import PACKAGES, Package

from kerashand.files import write_text

MIN_PICTURES = 200
LONG_SIDE_PX = 640
JPEG_QUALITY = 90
FIELD_OF_VIEW_DEG = 95.0
PITCHES_DEG = (0.0, -20.0)  # in turns: hands are often seen before a floor or a table
SKY_BOX_PX = (400, 400)
MIDDLE_GREY = 0.12
VERSION_FILE = "version.txt"
TIMEOUT_S = 900.0


class UnavailableError(Exception):
    """Nothing can be had from a package; the message says why."""


def main(argv: list[str] | None = None) -> None:
    """Fetch what is missing and write the list of sources."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    left_out = []
    for package in PACKAGES:
        if not (args.out / package.folder).exists():
            try:
                fetch(package, args.out)
            except UnavailableError as error:
                left_out.append(package.name)
                print(f"{package.name}: left out, {error}", flush=True)
                continue
            write_text(args.out / "SOURCES.md", sources(args.out))
        print(f"{package.name}: {count(args.out / package.folder)} pictures", flush=True)
    write_text(args.out / "SOURCES.md", sources(args.out))
    total = sum(count(args.out / package.folder) for package in PACKAGES)
    print(f"{args.out}: {total} pictures, {len(left_out)} of {len(PACKAGES)} packages left out")
    if total < MIN_PICTURES:
        raise SystemExit(
            f"{total} pictures are too few to stand behind hands; at least {MIN_PICTURES} are "
            f"wanted. The lines above say what was left out; run again to fetch only that."
        )


def fetch(package: Package, out: Path) -> None:
    """Write the pictures of a package to its folder in `out`, which appears whole or not at all.

    Raises:
        UnavailableError: when a registry or a tool is missing or the package holds no such file.
    """
    # Beside `out`, not in it: a killed run must not leave pictures where they are read.
    parent = out.resolve().parent
    with tempfile.TemporaryDirectory(dir=parent, prefix=f".{out.name}-") as beside:
        downloads, unpacked, whole = (Path(beside, n) for n in ("downloads", "unpacked", "whole"))
        for folder in (downloads, unpacked, whole):
            folder.mkdir()
        try:
            version = download(package, downloads)
            unpack(downloads, unpacked)
        except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, tarfile.TarError) as error:
            raise UnavailableError(reason(error)) from error
        for number, (name, picture) in enumerate(pictures(package, unpacked)):
            path = whole / f"{number:03d}_{name}.jpg"
            encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
            path.write_bytes(encoded.tobytes())
        if not count(whole):
            raise UnavailableError("it holds none of the files that are taken from it")
        write_text(whole / VERSION_FILE, version + "\n")
        whole.rename(out / package.folder)


def download(package: Package, folder: Path) -> str:
    """Let the registry's own client fetch the archive, the only file in the folder.

    Returns:
        version of the archive.
    """
    name, version = package.name, package.version
    commands = {
        # The wheel is only unpacked: one Python version does for all, so that versions can be
        # pinned.
        "pypi": [
            sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "-q",
            "--python-version", "3.11", "--disable-pip-version-check", "--retries", "1",
            "-d", str(folder), f"{name}=={version}",
        ],
        "npm": [
            "npm", "pack", f"{name}@{version}", "--pack-destination", str(folder), "--silent",
            "--fetch-retries", "1",
        ],
        "debian": ["apt-get", "download", name],
    }  # fmt: skip
    run(commands[package.registry], folder)
    archive = only_file(folder)
    return version or urllib.parse.unquote(archive.stem.split("_")[1])


def unpack(downloads: Path, folder: Path) -> None:
    """Unpack the only file of a folder: a wheel, an npm package or a Debian package."""
    archive = only_file(downloads)
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)
    elif archive.suffix == ".deb":
        run(["dpkg-deb", "-x", str(archive), str(folder)], downloads)
    else:
        with tarfile.open(archive) as tar:
            for member in tar:  # the filters of extractall are missing before Python 3.11.4
                target = (folder / member.name).resolve()
                if member.isfile() and target.is_relative_to(folder.resolve()):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(tar.extractfile(member).read())


def run(command: list[str], folder: Path) -> None:
    """Run a command in a folder, silently."""
    subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True, timeout=TIMEOUT_S
    )


def only_file(folder: Path) -> Path:
    """The file that a client has downloaded."""
    files = list(folder.iterdir())
    if len(files) != 1:
        raise FileNotFoundError(f"the registry's client left {len(files)} files instead of one")
    return files[0]


def reason(error: Exception) -> str:
    """One line on why a package could not be fetched."""
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{error.filename} is not there"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"{error.cmd[0]} took longer than {TIMEOUT_S:.0f} s"
    if isinstance(error, subprocess.CalledProcessError):
        lines = (error.stderr or "").strip().splitlines()
        return lines[-1] if lines else f"{error.cmd[0]} failed with exit code {error.returncode}"
    return " ".join(str(error).split())


def pictures(package: Package, folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Names and pictures [H, W, 3] uint8 BGR of an unpacked package.

    Raises:
        UnavailableError: when no library here reads a file.
    """
    for pattern in package.files:
        paths = sorted(folder.glob(pattern))
        if not paths:
            print(f"{package.name}: {pattern} is not in it")
        for path in paths:
            name = path.name.split(".")[0]
            if path.suffix == ".ktx":
                for number, face in enumerate(sky_box(path.read_bytes())):
                    shown = cv2.resize(tone_map(face), SKY_BOX_PX, interpolation=cv2.INTER_CUBIC)
                    yield f"{name}_{number}", shown
            elif package.views:
                panorama = read_panorama(path)
                for view in range(package.views):
                    yaw, pitch = 360.0 * view / package.views, PITCHES_DEG[view % len(PITCHES_DEG)]
                    yield f"{name}_{view}", cut_out(panorama, yaw, pitch)
            else:
                yield name, scaled_down(read(path))


def scaled_down(picture: np.ndarray) -> np.ndarray:
    """The picture with at most `LONG_SIDE_PX`."""
    scale = LONG_SIDE_PX / max(picture.shape[:2])
    if scale >= 1.0:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def read(path: Path, *, light: bool = False) -> np.ndarray:
    """A picture [H, W, 3] BGR: uint8, or with `light` float32 if the file holds linear light.

    Raises:
        UnavailableError: when no library here reads it.
    """
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_ANYDEPTH if light else 0)
    picture = cv2.imread(str(path), flags)
    if picture is None and path.suffix == ".exr":
        try:
            import OpenEXR
        except ImportError:
            raise UnavailableError("this OpenCV reads no .exr files: pip install OpenEXR") from None
        picture = OpenEXR.File(str(path)).channels()["RGB"].pixels[:, :, ::-1].astype(np.float32)
    if picture is None:
        raise UnavailableError(f"OpenCV cannot read its {path.name}")
    return picture


def read_panorama(path: Path) -> np.ndarray:
    """An equirectangular picture [H, W, 3] uint8 BGR, tone-mapped if it was linear light.

    A .js file holds the picture as a data URL.
    """
    if path.suffix == ".js":
        encoded = path.read_text(encoding="utf-8").split("base64,")[1].split("'")[0]
        path = path.with_suffix("")
        path.write_bytes(base64.b64decode(encoded))
    panorama = read(path, light=True)
    return panorama if panorama.dtype == np.uint8 else tone_map(panorama)


def tone_map(linear: np.ndarray) -> np.ndarray:
    """Linear light of any scale as uint8: the middle becomes a dark grey, highlights stay soft.

    The curve is Narkowicz's fit to the film curve of ACES. Negative light is the black ring that
    sharp scaling left around lamps; it is painted over.
    """
    light = np.maximum(linear, 0.0)
    grey = light.mean(axis=-1)
    middle = np.exp(np.log(grey + 1e-4 * grey.mean() + 1e-9).mean())
    rings = (linear.min(axis=-1) < -0.01 * middle).astype(np.uint8)
    light *= MIDDLE_GREY / middle
    curve = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    shown = (np.clip(curve, 0.0, 1.0) ** (1 / 2.2) * 255.0).round().astype(np.uint8)
    return cv2.inpaint(shown, cv2.dilate(rings, np.ones((3, 3))), 3, cv2.INPAINT_TELEA)


def cut_out(panorama: np.ndarray, yaw_deg: float, pitch_deg: float = 0.0) -> np.ndarray:
    """What a pinhole camera of `FIELD_OF_VIEW_DEG` would see, five wide by four high.

    Args:
        panorama: [H, W, 3] equirectangular; the middle column is ahead.
        yaw_deg: 90 looks to the right.
        pitch_deg: positive looks up.

    Returns:
        [h, w, 3] of the panorama's type, w about half of W.
    """
    rows, columns = panorama.shape[:2]
    width = int(np.clip(columns // 2, 400, LONG_SIDE_PX))
    height = width * 4 // 5
    focal = width / 2 / np.tan(np.deg2rad(FIELD_OF_VIEW_DEG / 2))
    right = (np.arange(width) - (width - 1) / 2)[None, :] / focal
    up = ((height - 1) / 2 - np.arange(height))[:, None] / focal
    pitch = np.deg2rad(pitch_deg)
    ahead = np.cos(pitch) - up * np.sin(pitch)
    up = np.sin(pitch) + up * np.cos(pitch)
    longitude = np.arctan2(right, ahead) + np.deg2rad(yaw_deg)
    latitude = np.arctan2(up, np.hypot(right, ahead))
    u = (longitude / (2 * np.pi) + 0.5) % 1.0 * columns - 0.5
    v = np.clip((0.5 - latitude / np.pi) * rows - 0.5, 0, rows - 1)
    u, v = np.broadcast_arrays(u.astype(np.float32), v.astype(np.float32))
    return cv2.remap(panorama, u, v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)


def sky_box(data: bytes) -> np.ndarray:
    """The sides and the floor, not the sky, of a cube map: linear light [5, N, N, 3] float32 BGR.

    The file is a KTX 1 container of packed floats: 11 bits of red, 11 of green and 10 of blue,
    each a half float without a sign and without its last bits.
    """
    header = np.frombuffer(data, "<u4", count=13, offset=12)
    side, key_value_bytes = int(header[6]), int(header[12])
    packed = np.frombuffer(data, "<u4", count=6 * side * side, offset=68 + key_value_bytes)
    red, green, blue = packed & 0x7FF, packed >> 11 & 0x7FF, packed >> 22
    half = np.stack([blue << 5, green << 4, red << 4], axis=-1).astype(np.uint16).view(np.float16)
    faces = half.astype(np.float32).reshape(6, side, side, 3)
    return faces[[0, 1, 3, 4, 5]]


def count(folder: Path) -> int:
    """Pictures in a folder; 0 if there is none."""
    return len(list(folder.glob("*.jpg")))


def sources(out: Path) -> str:
    """The text of SOURCES.md: packages that are there, as a table."""
    lines = [
        "# Sources of the photographs",
        "",
        f"Scaled to at most {LONG_SIDE_PX} px and stored as JPEG; of panoramas, views were cut out "
        "and tone-mapped.",
        "A licence of the whole package is that of the package which holds the pictures: it says",
        "nothing about them in particular.",
        "",
        "| package | version | registry | licence | authors | pictures |",
        "|---|---|---|---|---|---|",
    ]
    total = 0
    for package in PACKAGES:
        folder = out / package.folder
        if folder.exists():
            total += count(folder)
            version = (folder / VERSION_FILE).read_text(encoding="utf-8").strip()
            cells = (package.name, version, package.registry, package.licence, package.authors)
            lines.append(f"| {' | '.join(cells)} | {count(folder)} |")
    return "\n".join([*lines, "", f"{total} pictures in all.", ""])


if __name__ == "__main__":
    main()
