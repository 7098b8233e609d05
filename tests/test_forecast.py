"""What a run says of the time that it will take: values by hand."""

import itertools
import logging

import pytest
from tiny_runs import TINY

from kerashand.config import load_config
from kerashand.training import callbacks, run_folder
from kerashand.training.callbacks import StageProgress
from kerashand.training.forecast import Forecast, duration
from kerashand.training.run import plan_of
from kerashand.training.run_folder import RunFolder


@pytest.fixture
def forecast():
    return Forecast(
        {"pretrain": 300, "regularizer": 0, "finetune": 1000},
        {"pretrain": 10, "regularizer": 10, "finetune": 20},
    )


def test_steps_of_the_stages_that_train(forecast):
    assert forecast.in_steps() == "1300 steps: pretrain 300, finetune 1000"
    assert Forecast({"detector": 5}, {"detector": 1}).in_steps() == "5 steps"


def test_later_stages_are_taken_to_be_as_slow_a_sample(forecast):
    """240 steps of 0.5 s are 2 minutes; 1000 steps of twice the samples 1000 s: 18.7 minutes."""
    forecast.step_seconds["pretrain"] = 0.5
    assert forecast.from_here("pretrain", done=60) == (
        "240 steps to go, about 2 minutes; all stages about 19 minutes, if a sample of the later "
        "ones takes as long"
    )


def test_the_slowest_samples_count(forecast):
    """A stage without pictures is fast: it says nothing of the last one."""
    forecast.step_seconds |= {"pretrain": 0.5, "regularizer": 0.001}
    assert forecast.seconds("finetune", 100) == pytest.approx(100.0)


def test_timed_stages_are_told_by_their_own_time(forecast):
    forecast.step_seconds |= {"pretrain": 0.2, "finetune": 0.1}
    assert forecast.from_here("finetune", done=400) == "600 steps to go, about 60 seconds"
    assert forecast.of_all() == "1300 steps, about 3 minutes"  # 60 + 100 s


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (89, "89 seconds"), (91, "2 minutes"), (5370, "90 minutes"),
     (5400, "1.5 hours"), (36000, "10.0 hours")],
)  # fmt: skip
def test_durations(seconds, words):
    assert duration(seconds) == words


def trained(bar, steps):
    """What `fit` calls in an epoch."""
    bar.set_params({"verbose": 0, "epochs": 1, "steps": steps})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    for batch in range(steps):
        bar.on_train_batch_end(batch, {"loss": 1.0})


def test_ten_steps_after_the_first_are_timed_once(monkeypatch):
    """The clock goes on by 3 s each time that it is read: twice in each step."""
    clock = itertools.count(0, 3)
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: next(clock))
    told = []
    bar = StageProgress(2, lambda *pace: told.append(pace))
    trained(bar, 25)
    trained(bar, 25)
    assert told == [(6.0, 11)]


def test_an_epoch_of_few_steps_is_timed_by_them():
    told = []
    bar = StageProgress(2, lambda *pace: told.append(pace))
    trained(bar, 1)
    trained(bar, 3)
    assert [steps for _, steps in told] == [3]


def test_a_run_that_goes_on_says_what_is_left(tmp_path, caplog, monkeypatch):
    """Epoch 1 of 2 with 8 steps is behind it, and 3 + 2 steps of the next."""
    monkeypatch.setattr(run_folder, "memory_in_words", lambda: ". Most memory so far: 1.5 GB")
    folder = RunFolder(tmp_path, plan_of(load_config("weak.yaml", TINY)))
    folder.state |= {"stage": "finetune", "epoch": 1, "step": 3}
    with caplog.at_level(logging.INFO):
        folder.say_pace(60.0, 2)
    assert caplog.messages == [
        "stage 3 of 3, finetune: 3 steps to go, about 3 minutes. Most memory so far: 1.5 GB"
    ]
