"""The program that kills jobs: what it counts as lost, with jobs that need no TensorFlow."""

import kill_runs
import numpy as np
import pytest


@pytest.mark.parametrize("same", [True, False])
def test_jobs_are_killed_and_compared(monkeypatch, tmp_path, capsys, same):
    """A job that writes the same at its end wherever it runs, or the name of its folder."""

    def command(folder):
        folder.mkdir(exist_ok=True)
        text = "same" if same else folder.name
        program = (
            f"import time; time.sleep(0.3); open({str(folder / 'end')!r}, 'w').write({text!r})"
        )
        return ["timeit", "-n", "1", "-r", "1", program]

    def compare(expected, found):
        ends = {(folder / "end").read_text() for folder in (expected, found)}
        return ["another end"] if len(ends) > 1 else []

    monkeypatch.setitem(kill_runs.JOBS, "train", (command, lambda folder: [], compare))
    lost = kill_runs.survive("train", 2, np.random.default_rng(0), tmp_path)
    assert lost == (not same)
    assert "train: 2 kills" in capsys.readouterr().out


def test_files_that_are_not_whole_are_named(tmp_path):
    np.savez(tmp_path / "weights.npz", a=np.zeros(100))
    assert kill_runs.unreadable(tmp_path / "weights.npz") == []
    whole = (tmp_path / "weights.npz").read_bytes()
    (tmp_path / "weights.npz").write_bytes(whole[:400] + b"damaged" + whole[407:])
    assert "weights.npz: " in kill_runs.unreadable(tmp_path / "weights.npz")[0]
    (tmp_path / "report.html").write_text("<html>")
    (tmp_path / "report.json").write_text('{"a": ')
    found = kill_runs.check_report(tmp_path)
    assert [text.split()[0] for text in found] == ["report.html", "report.json:"]


def test_shards_are_compared_byte_by_byte(tmp_path):
    for folder, content in (("a", b"1"), ("b", b"2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.tfrecord").write_bytes(content)
        (tmp_path / folder / f"1{kill_runs.PART_SUFFIX}").write_bytes(content)
    assert kill_runs.compare_cache(tmp_path / "a", tmp_path / "b") == ["0.tfrecord differs"]
