"""The page on which points are corrected: what it is given, what it may change, and who may."""

import io
import json
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
from dataset_writers import write_rgbd
from PIL import Image

from kerashand.cli.correct import Corrected, serve
from kerashand.cli.data import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("correct") / "recording"
    write_rgbd(root, np.random.default_rng(5), frames=3)
    return root


@pytest.fixture
def page(folder):
    recording = Corrected(folder)
    server = serve(recording, 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def ask(path, body=None, **headers):
        headers.setdefault("Host", f"127.0.0.1:{server.server_port}")
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.server_port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    yield ask, recording.token
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_page_gets_pictures_and_points(page, folder):
    ask, token = page
    status, html = ask("/")
    assert status == 200
    assert token.encode() in html
    assert b"{token}" not in html
    held = json.loads(ask("/points")[1])
    assert held["frames"] == ["0000", "0001", "0002"]
    lines = (folder / "points.jsonl").read_text().splitlines()
    assert held["hands"] == [json.loads(line) for line in lines]
    status, picture = ask("/picture/0001")
    assert status == 200
    assert Image.open(io.BytesIO(picture)).size == (640, 480)
    for path in ("/picture/0007", "/picture/..%2f..%2frecording.yaml", "/recording.yaml"):
        assert ask(path)[0] == 404


def test_what_is_sent_is_checked_and_written(page, folder):
    ask, token = page
    before = (folder / "points.jsonl").read_text()
    hands = json.loads(ask("/points")[1])["hands"]
    hands[0]["uv_px"][3] = [12.5, 40.0]
    hands[0]["weight"] = [1.0] * 21
    hands[1]["handedness"] = "right"
    for wrong, text in (
        ([{**hands[0], "handedness": "both"}], "hand 1: `handedness` must be left or right"),
        ([*hands[:1], {**hands[1], "uv_px": [[1, 2]]}], "hand 2: `uv_px` must hold 21 points"),
        ({"hands": hands}, "must be a list of hands"),
    ):
        status, said = ask("/points", wrong, X_Token=token)
        assert status == 400
        assert text in said.decode()
    assert (folder / "points.jsonl").read_text() == before
    status, said = ask("/points", hands[:2], X_Token=token)
    assert (status, json.loads(said)) == (200, {"saved": 2})
    kept = [json.loads(line) for line in (folder / "points.jsonl").read_text().splitlines()]
    assert kept == hands[:2]
    (folder / "points.jsonl").write_text(before)


def test_other_pages_change_nothing(page, folder):
    ask, token = page
    before = (folder / "points.jsonl").read_text()
    assert ask("/points", [], X_Token="guessed")[0] == 403
    assert ask("/points", [])[0] == 403
    # Another name that leads to this machine: a page of strangers in the same browser.
    assert ask("/points", Host="evil.example:80")[0] == 403
    assert ask("/points", [], X_Token=token, Host="evil.example:80")[0] == 403
    assert (folder / "points.jsonl").read_text() == before


def test_no_recording(tmp_path, capsys):
    assert main(["correct", str(tmp_path), "--no-browser"]) == 2
    assert "recording.yaml does not exist" in capsys.readouterr().err
