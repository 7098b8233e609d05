"""Averages of weights before and after a stage."""

import keras
import numpy as np
import pytest

from kerashand.config import ConfigError, load_config
from kerashand.models.hand_pose import save_parts_npz
from kerashand.training.averaging import StartAverage


@pytest.fixture
def models(tmp_path):
    """A part whose weights were 2 before the stage, and are 6 now."""
    part = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="dense")])
    parts = {"network": part}
    part.set_weights([np.full((3, 1), 2.0), np.full(1, 2.0)])
    save_parts_npz(tmp_path / "start.npz", parts)
    part.set_weights([np.full((3, 1), 6.0), np.full(1, 6.0)])
    return parts


def values(models):
    return np.unique(np.concatenate([array.ravel() for array in models["network"].get_weights()]))


def test_a_quarter_of_before(models, tmp_path):
    average = StartAverage(models, tmp_path / "start.npz", 0.25)
    with average.applied():
        assert values(models) == [5.0]
    assert values(models) == [6.0]
    average.apply()
    assert values(models) == [5.0]


def test_the_trained_weights_are_back_after_an_error(models, tmp_path):
    with pytest.raises(KeyError), StartAverage(models, tmp_path / "start.npz", 0.5).applied():
        raise KeyError
    assert values(models) == [6.0]


def test_without_a_share_no_file_is_read(models, tmp_path):
    average = StartAverage(models, tmp_path / "none.npz", 0.0)
    average.apply()
    with average.applied():
        assert values(models) == [6.0]


def test_a_first_stage_from_nothing_has_no_weights_before():
    with pytest.raises(ConfigError, match="averages with the weights from before the stage, and"):
        load_config("weak.yaml", ["stages.pretrain.start_share=0.5", "model.initial_weights=null"])
    load_config("weak.yaml", ["stages.finetune.start_share=0.5", "model.initial_weights=null"])
