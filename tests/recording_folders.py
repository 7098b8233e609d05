"""A recording for tests of `kerashand-data check` and `label`."""

import json

from dataset_writers import write_rgbd

from kerashand.cli import label, seen_hands


def recording_folder(tmp_path, rng):
    root = tmp_path / "recording"
    write_rgbd(root, rng, frames=10)
    return root


def lines(folder):
    return [json.loads(line) for line in (folder / "points.jsonl").read_text().splitlines()]


def without_depth_reader(monkeypatch):
    """The hands of these recordings are made of balls, which the packaged models do not know."""
    monkeypatch.setattr(label, "depth_reader", lambda: None)
    monkeypatch.setattr(seen_hands, "doubts", lambda hands: [])
