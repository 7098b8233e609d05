import numpy as np
import pytest


@pytest.fixture
def average_weights(load_script):
    return load_script("tools/average_weights.py")


@pytest.fixture
def run(tmp_path, average_weights):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in average_weights.NEEDED:
        (folder / name).write_text(name)
    np.savez(
        folder / average_weights.LAST_WEIGHTS,
        **{"network/kernel": np.float32([1.0, 2.0]), "regularizer/kernel": np.float32([5.0])},
    )
    return folder


def test_mean_of_what_both_hold(average_weights, run, tmp_path):
    np.savez(tmp_path / "before.npz", **{"network/kernel": np.float32([3.0, -2.0])})
    arguments = ["--run", str(run), "--weights", str(tmp_path / "before.npz")]
    assert average_weights.main([*arguments, "--out", str(tmp_path / "mean")]) == 0
    with np.load(tmp_path / "mean" / average_weights.LAST_WEIGHTS) as data:
        assert data["network/kernel"].tolist() == [2.0, 0.0]
        assert data["network/kernel"].dtype == np.float32
        assert data["regularizer/kernel"].tolist() == [5.0]
    assert (tmp_path / "mean" / "config.yaml").read_text() == "config.yaml"
    # A quarter of the run.
    assert average_weights.main([*arguments, "--share", "0.25", "--out", str(tmp_path / "q")]) == 0
    with np.load(tmp_path / "q" / average_weights.LAST_WEIGHTS) as data:
        assert data["network/kernel"].tolist() == [2.5, -1.0]


def test_mistakes_are_named_and_nothing_is_left(average_weights, run, tmp_path, capsys):
    other, out = tmp_path / "other.npz", tmp_path / "mean"
    np.savez(other, **{"network/kernel": np.zeros(3, np.float32)})
    arguments = ["--run", str(run), "--weights", str(other), "--out", str(out)]
    assert average_weights.main(arguments) != 0
    assert "of another network: network/kernel is (3,) there, (2,)" in capsys.readouterr().err
    assert average_weights.main([*arguments, "--share", "40"]) != 0
    assert "--share must be 0 to 1. Received: 40" in capsys.readouterr().err
    other.write_bytes(b"no zip")
    assert average_weights.main(arguments) != 0
    assert "is no .npz of weights" in capsys.readouterr().err
    other.unlink()
    assert average_weights.main(arguments) != 0
    assert "no such file" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
