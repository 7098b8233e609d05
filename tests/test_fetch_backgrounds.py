"""The collector of photographs, with registries that are made up."""

import io
import tarfile

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("tools/recipe/fetch_backgrounds.py")


@pytest.fixture
def two_packages(script, monkeypatch):
    """Two npm packages of two pictures; the list of names that were downloaded."""
    packages = tuple(
        script.Package(name, "1.0", "npm", "CC0 1.0", "nobody", ("package/*.png",))
        for name in ("first", "@scope/second")
    )
    downloaded = []

    def download(package, folder):
        downloaded.append(package.name)
        picture = np.full((700, 1400, 3), 90, np.uint8)
        data = cv2.imencode(".png", picture)[1].tobytes()
        with tarfile.open(folder / "archive.tgz", "w:gz") as tar:
            for name in ("package/a.png", "package/b.png", "package/readme.txt"):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        return package.version

    monkeypatch.setattr(script, "PACKAGES", packages)
    monkeypatch.setattr(script, "MIN_PICTURES", 4)
    monkeypatch.setattr(script, "download", download)
    return downloaded


def direction(yaw_deg, pitch_deg):
    yaw, pitch = np.deg2rad([yaw_deg, pitch_deg])
    return np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])


@pytest.fixture
def panorama():
    """Colours are directions: right, up and ahead, each -1..1 as 0..1."""
    rows, columns = 512, 1024
    longitude = (np.arange(columns) + 0.5) / columns * 360.0 - 180.0
    latitude = 90.0 - (np.arange(rows) + 0.5) / rows * 180.0
    yaw, pitch = np.meshgrid(longitude, latitude)
    return np.moveaxis(direction(yaw, pitch) * 0.5 + 0.5, 0, -1).astype(np.float32)


@pytest.mark.parametrize("yaw", [0.0, 45.0, 90.0, 180.0, 315.0])
@pytest.mark.parametrize("pitch", [0.0, -20.0, 30.0])
def test_a_cut_out_looks_where_it_should(script, panorama, yaw, pitch):
    view = script.cut_out(panorama, yaw, pitch) * 2.0 - 1.0
    height, width = view.shape[:2]
    assert (height, width) == (409, 512)
    centre = view[height // 2 - 1 : height // 2 + 1, width // 2 - 1 : width // 2 + 1].mean((0, 1))
    np.testing.assert_allclose(centre, direction(yaw, pitch), atol=0.02)
    half = script.FIELD_OF_VIEW_DEG / 2
    if pitch == 0.0:
        np.testing.assert_allclose(view[height // 2, -1], direction(yaw + half, 0.0), atol=0.02)
    top = np.rad2deg(np.arctan(height / width * np.tan(np.deg2rad(half))))
    np.testing.assert_allclose(view[0, width // 2], direction(yaw, pitch + top), atol=0.02)


def test_a_cut_out_has_no_seam(script, panorama):
    """Behind the camera, where the panorama ends, neighbours differ no more than elsewhere."""
    steps = np.abs(np.diff(script.cut_out(panorama, 180.0), axis=1)).max(axis=(0, 2))
    assert steps.max() < 0.01


def test_tone_mapping_does_not_depend_on_the_scale(script, rng):
    light = rng.lognormal(0.0, 2.0, (40, 60, 3)).astype(np.float32)
    dim, bright = script.tone_map(light), script.tone_map(1000.0 * light)
    assert np.abs(dim.astype(int) - bright).max() <= 1
    assert dim.min() < 30
    assert dim.max() > 225


def test_rings_around_lamps_are_painted_over(script):
    light = np.ones((32, 32, 3), np.float32)
    light[12:20, 12:20] = -5.0
    light[13:19, 13:19] = 500.0
    shown = script.tone_map(light)
    assert shown.min() >= shown[0, 0].min()


def test_sky_boxes_are_decoded(script):
    """1.0 is exponent 15 and no mantissa: in red 15 << 6, in blue 15 << 5."""
    one = np.uint32(15 << 6)
    faces = np.zeros((6, 2, 2), "<u4")
    faces[0] = one
    faces[3] = np.uint32(16 << 5) << np.uint32(22)
    header = np.zeros(13, "<u4")
    header[6] = header[7] = 2
    header[12] = 4
    data = bytes(12) + header.tobytes() + bytes(4) + bytes(4) + faces.tobytes()
    light = script.sky_box(data)
    assert light.shape == (5, 2, 2, 3)
    np.testing.assert_array_equal(light[0], np.broadcast_to([0.0, 0.0, 1.0], (2, 2, 3)))
    np.testing.assert_array_equal(light[2], np.broadcast_to([2.0, 0.0, 0.0], (2, 2, 3)))


def test_pictures_and_their_sources_are_written(script, two_packages, tmp_path):
    out = tmp_path / "backgrounds"
    script.main(["--out", str(out)])
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*.jpg"))
    assert files == [
        "first/000_a.jpg", "first/001_b.jpg", "scope-second/000_a.jpg", "scope-second/001_b.jpg"
    ]  # fmt: skip
    assert cv2.imread(str(out / files[0])).shape == (320, 640, 3)
    text = (out / "SOURCES.md").read_text(encoding="utf-8")
    assert "| @scope/second | 1.0 | npm | CC0 1.0 | nobody | 2 |" in text
    assert [path.name for path in tmp_path.iterdir()] == ["backgrounds"]


def test_a_stopped_run_leaves_no_half_folder_and_goes_on(
    script, two_packages, tmp_path, monkeypatch
):
    out = tmp_path / "backgrounds"
    pictures = script.pictures

    def stopped(package, folder):
        for number, picture in enumerate(pictures(package, folder)):
            if package.name == "@scope/second" and number == 1:
                raise KeyboardInterrupt
            yield picture

    with monkeypatch.context() as patch:
        patch.setattr(script, "pictures", stopped)
        with pytest.raises(KeyboardInterrupt):
            script.main(["--out", str(out)])
    assert sorted(path.name for path in out.iterdir()) == ["SOURCES.md", "first"]
    assert [path.name for path in tmp_path.iterdir()] == ["backgrounds"]
    two_packages.clear()
    script.main(["--out", str(out)])
    assert two_packages == ["@scope/second"]
    assert len(list(out.rglob("*.jpg"))) == 4


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["no-such-program-here"], "no-such-program-here is not there"),
        (["sh", "-c", "echo trying >&2; echo E: no route >&2; exit 3"], "E: no route"),
        (["sh", "-c", "exit 3"], "sh failed with exit code 3"),
        (["true"], "the registry's client left 0 files instead of one"),
    ],
)
def test_what_cannot_be_had_is_left_out_in_one_line(
    script, two_packages, tmp_path, monkeypatch, capsys, command, expected
):
    download = script.download

    def unreachable(package, folder):
        if package.name == "first":
            return download(package, folder)
        script.run(command, folder)
        return script.only_file(folder).name

    monkeypatch.setattr(script, "download", unreachable)
    out = tmp_path / "backgrounds"
    with pytest.raises(SystemExit, match="2 pictures are too few"):
        script.main(["--out", str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert f"@scope/second: left out, {expected}" in lines
    assert len(lines) == 3
    assert sorted(path.name for path in out.iterdir()) == ["SOURCES.md", "first"]
    monkeypatch.setattr(script, "MIN_PICTURES", 2)
    script.main(["--out", str(out)])


def test_every_package_has_its_own_folder_and_versions_are_pinned(script):
    folders = [package.folder for package in script.PACKAGES]
    assert len(set(folders)) == len(folders)
    for package in script.PACKAGES:
        assert (package.version is None) == (package.registry == "debian")
