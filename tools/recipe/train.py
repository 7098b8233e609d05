"""Train the packaged models: one configuration each, from named sources to figures.

    python tools/recipe/train.py --data DATA --work WORK

DATA holds the photographs, see prepare_photographs.py for names, sources and licences. Everything
else is made in WORK: photographs without hands, labelled photographs, rendered hands, runs, files
and figures. Stopped, the same command goes on; a step that is finished is not repeated. Choices are
made on validation photographs. `--test` reads the test photographs, once, of models that are
chosen. Needs the extras `test` or `export`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kerashand.cli.arguments import RESUMABLE, exit_code
from kerashand.errors import UserError
from kerashand.runtime.hand_pose import DETECTOR_FILE, packaged_model

HERE = Path(__file__).resolve().parent
REPEATED = ("fingers=3", "ti1k=2", "clips=2", "stereo=2")
"""Training hands that are shown several times as often as those of other sets."""
POSE, DETECTOR, BY_DEPTH = "hand_pose.tflite", "hand_detector.tflite", "hand_pose_by_depth.tflite"


@dataclass(frozen=True)
class Step:
    """A command that makes a file or folder of WORK.

    Attributes:
        made: what it makes; the step is left out where it exists.
        command: a script of this folder or a program, with its arguments.
    """

    made: str
    command: list[str]


def steps(data: Path, *, test: bool) -> Iterator[Step]:
    """All steps in their order; paths are relative to WORK."""
    repeats = [part for each in REPEATED for part in ("--repeat", each)]
    photographs = ["--photographs", "photographs", "--backgrounds", "backgrounds"]
    yield Step("backgrounds", ["fetch_backgrounds.py", "--out", "backgrounds"])
    yield Step(
        "photographs",
        ["prepare_photographs.py", "--data", str(data), "--out", "photographs", "--backgrounds",
         "backgrounds", *repeats],
    )  # fmt: skip
    yield Step(
        "runs/pose/results.json",
        ["kerashand-train", "--config", str(HERE / "pose.yaml"), "--run-dir", "runs/pose"],
    )
    in_8_bits = ["--precision", "dynamic_int8"]
    yield Step(POSE, ["kerashand-export", "--model", "runs/pose", *in_8_bits, "--out", POSE])
    start = str(packaged_model(DETECTOR_FILE))
    yield Step(
        DETECTOR,
        ["train_detector.py", *photographs, "--start", start, "--start-share", "0.6", "--rendered",
         "20000", "--photographed", "14000", "--epochs", "16", "--steps", "700", "--learning-rate",
         "1.8e-3", "--precision", "mixed_bfloat16", "--seed", "1", "--out", DETECTOR],
    )  # fmt: skip
    run = "runs/depth_pose"
    yield Step(
        f"{run}/results.json",
        ["kerashand-train", "--config", str(HERE / "depth_pose.yaml"), "--run-dir", run],
    )
    yield Step(BY_DEPTH, ["kerashand-export", "--model", run, *in_8_bits, "--out", BY_DEPTH])
    models = ["--model", POSE, "--detector", DETECTOR]
    for split in ("val", "test") if test else ("val",):
        for number, passes in {"": [], "_1": ["--passes", "1"], "_2": ["--passes", "2"]}.items():
            made = f"evaluation_{split}{number}.json"
            yield Step(
                made,
                ["evaluate_model.py", *photographs, *models, "--split", split, *passes,
                 "--out", made],
            )  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--work", type=Path, required=True, help="folder of all that is made")
    parser.add_argument("--test", action="store_true", help="read the test photographs too")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and stop")
    args = parser.parse_args(argv)
    return exit_code("recipe", lambda: run(args), stopped=RESUMABLE)


def run(args: argparse.Namespace) -> None:
    """Run the steps whose results are missing."""
    args.work.mkdir(parents=True, exist_ok=True)
    for step in steps(args.data.resolve(), test=args.test):
        command = step.command
        if command[0].endswith(".py"):
            command = [sys.executable, str(HERE / command[0]), *command[1:]]
        done = (args.work / step.made).exists()
        print(f"{'made already: ' if done else ''}{' '.join(step.command)}", flush=True)
        if args.dry_run or done:
            continue
        code = subprocess.run(command, cwd=args.work, check=False).returncode
        if code:
            raise UserError(
                f"{step.command[0]} ended with code {code}. Run the same command again."
            )


if __name__ == "__main__":
    raise SystemExit(main())
