"""Feed damaged and hostile files to every entrance of the package and report what gets through.

    python tests/fuzz.py --inputs 10000 --seed 0
    python tests/fuzz.py --entrance yaml video --inputs 500 --keep findings

An entrance is what a command does with one file. It may give a result or refuse the file with the
error that commands show as a message. A finding is anything else: another exception, more than
10 s of work, more than 1 GB of memory, code of the file that ran, or a crash of native code, which
is why each entrance runs in a process of its own that is started again after a crash.

An input is `make(case, seed, number)`: first the bombs of the entrance, then its valid files,
damaged byte by byte or rebuilt with values of wrong kinds. The same numbers give the same inputs.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz_data_sets import (
    freihand_case,
    labels_case,
    mat_case,
    points_case,
    recording_case,
    rhd_case,
    tfrecord_case,
)
from fuzz_inputs import CANARY, Case, make
from fuzz_media import bag_case, depth_case, image_case, record3d_case, video_case
from fuzz_models import checkpoint_case, hand3d_case, onnx_case, tflite_case, weights_case
from fuzz_texts import boxes_case, override_case, report_case, yaml_case

MOST_SECONDS = 10.0
"""Of processor time that a file may take."""
HANGS_SECONDS, START_SECONDS = 60.0, 300.0
"""Without a word of a process, by the clock: other programs may be busy."""
MOST_GROWTH = 1 << 30
HARD_GROWTH = 3 << 30
"""Bytes of address space beyond which allocations fail, so that the machine survives."""


ENTRANCES: dict[str, tuple[Callable[[Path], Case], float]] = {
    "yaml": (yaml_case, 1.0), "override": (override_case, 0.7), "recording": (recording_case, 1.0),
    "points": (points_case, 1.0), "freihand": (freihand_case, 0.7), "rhd": (rhd_case, 1.0),
    "mat": (mat_case, 1.0), "hand3d": (hand3d_case, 1.0), "labels": (labels_case, 0.7),
    "image": (image_case, 1.5), "depth": (depth_case, 0.7), "video": (video_case, 1.0),
    "onnx": (onnx_case, 0.7), "tflite": (tflite_case, 1.0), "weights": (weights_case, 0.7),
    "checkpoint": (checkpoint_case, 0.7), "tfrecord": (tfrecord_case, 0.7),
    "report": (report_case, 1.0), "boxes": (boxes_case, 0.7), "bag": (bag_case, 0.7),
    "record3d": (record3d_case, 1.0),
}  # fmt: skip
"""Name -> what makes its case, and its share of the inputs."""


# ------------------------------------------------------------------------------------ running


@dataclass(frozen=True)
class Finding:
    """What one input of an entrance did."""

    entrance: str
    number: int
    what: str


@dataclass
class Result:
    """Counts of an entrance; what is said of valid files that are refused, which none should be."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    findings: list[Finding] = field(default_factory=list)
    refused_valid: list[str] = field(default_factory=list)

    def count(self, entrance: str, number: int, outcome: str, text: str) -> None:
        """Take in what one input did."""
        self.inputs += 1
        self.accepted += outcome == "accepted"
        self.refused += outcome == "refused"
        if outcome == "finding":
            self.findings.append(Finding(entrance, number, text))


def try_input(case: Case, path: Path) -> tuple[str, str]:
    """Outcome ("accepted", "refused" or "finding") and its text for one file."""
    canary = os.environ.get(CANARY)
    start = time.process_time()
    outcome, text = "accepted", ""
    try:
        case.call(path)
    except (*case.refusals, OSError) as error:
        outcome, text = "refused", str(error)
        if not text.strip() or len(text) > 20_000:
            outcome, text = "finding", f"a message of {len(text)} characters: {text[:80]!r}"
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "kerashand/" in frame.filename] or frames
        where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        outcome, text = "finding", f"{type(error).__name__} at {where}: {str(error)[:160]}"
    seconds = time.process_time() - start
    if seconds > MOST_SECONDS:
        outcome, text = "finding", f"{seconds:.0f} s"
    if canary and os.path.exists(canary):
        os.unlink(canary)
        outcome, text = "finding", "code of the file ran"
    return outcome, text


def _peak_bytes() -> int:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def work_through(name: str, seed: int, first: int, count: int) -> None:
    """Try inputs first .. count - 1 of an entrance; a line of JSON for each on standard output."""
    import resource

    for variable in ("OPENCV_LOG_LEVEL", "OPENCV_FFMPEG_LOGLEVEL"):
        os.environ.setdefault(variable, {"OPENCV_LOG_LEVEL": "SILENT"}.get(variable, "-8"))
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    os.environ["KERAS_BACKEND"] = "tensorflow"
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.chdir(work)
        os.environ |= {"KERASHAND_CACHE": str(work / "cache"), CANARY: str(work / "canary")}
        case = ENTRANCES[name][0](work)
        refused = []
        for content in case.valid:
            (work / f"valid{case.suffix}").write_bytes(content)
            outcome, text = try_input(case, work / f"valid{case.suffix}")
            refused += [text] if outcome != "accepted" else []
        print(json.dumps({"ready": name, "refused": refused}), file=out)
        if sys.platform == "linux":
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + HARD_GROWTH,) * 2)
        start_bytes = _peak_bytes()
        for number in range(first, count):
            path = work / f"input{case.suffix}"
            path.write_bytes(make(case, seed, number))
            before = _peak_bytes()
            outcome, text = try_input(case, path)
            grown = _peak_bytes() - start_bytes
            if grown > MOST_GROWTH and before - start_bytes <= MOST_GROWTH:
                outcome, text = "finding", f"{grown / 2**30:.1f} GB of memory ({text[:80]})"
            print(json.dumps({"number": number, "outcome": outcome, "text": text[:300]}), file=out)
            if grown > MOST_GROWTH:
                return  # the next process starts small


def fuzz(name: str, inputs: int, seed: int) -> Result:
    """Try inputs of an entrance in processes of their own."""
    result, number = Result(), 0
    while number < inputs:
        first = number
        command = [sys.executable, __file__, "--work", name, "--seed", str(seed)]
        command += ["--first", str(first), "--inputs", str(inputs)]
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
            )
            ready = False
            for said in _lines_of(process):
                if "ready" in said:
                    ready, result.refused_valid = True, said["refused"]
                    continue
                number = said["number"] + 1
                result.count(name, said["number"], said["outcome"], said["text"])
            process.stdout.close()
            code = process.wait()
            errors.seek(0)
            tail = errors.read()[-300:].decode(errors="replace").strip()
        if not ready or (code == 0 and number == first):
            raise RuntimeError(f"{name} does not start: {tail}")
        if number < inputs and code:
            how = _signal_name(code)
            if how == "SIGKILL":
                how = f"this program after {HANGS_SECONDS:.0f} s without an answer"
            result.count(name, number, "finding", f"the process was ended by {how}: {tail[-120:]}")
            number += 1
    return result


def _lines_of(process: subprocess.Popen) -> Iterator[dict[str, Any]]:
    """What a process writes; it is ended when it says nothing for too long."""
    held, limit = b"", START_SECONDS
    while True:
        if not select.select([process.stdout], [], [], limit)[0]:
            os.killpg(process.pid, signal.SIGKILL)
            return
        read = os.read(process.stdout.fileno(), 1 << 16)
        if not read:
            return
        *lines, held = (held + read).split(b"\n")
        yield from map(json.loads, lines)
        limit = HANGS_SECONDS


def _signal_name(code: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit code {code}"


def keep(findings: Sequence[Finding], seed: int, folder: Path) -> None:
    """Write the inputs of findings."""
    folder.mkdir(parents=True, exist_ok=True)
    by_name = collections.defaultdict(list)
    for finding in findings:
        by_name[finding.entrance].append(finding.number)
    with tempfile.TemporaryDirectory() as work:
        for name, numbers in by_name.items():
            case = ENTRANCES[name][0](Path(work))
            for number in numbers:
                path = folder / f"{name}-{number}{case.suffix}"
                path.write_bytes(make(case, seed, number))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the entrances and print the table; 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000, help="in total (default: 10000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--entrance", nargs="+", choices=ENTRANCES, default=list(ENTRANCES))
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the inputs of findings")
    parser.add_argument("--work", choices=ENTRANCES, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.work:
        work_through(arguments.work, arguments.seed, arguments.first, arguments.inputs)
        return 0
    shares = {name: ENTRANCES[name][1] for name in arguments.entrance}
    print(f"{'entrance':<12}{'inputs':>8}{'accepted':>10}{'refused':>9}{'findings':>10}{'s':>7}")
    total, findings = Result(), []
    begin = time.monotonic()
    for name, share in shares.items():
        start = time.monotonic()
        result = fuzz(name, -int(-arguments.inputs * share // sum(shares.values())), arguments.seed)
        _print_row(name, result, time.monotonic() - start)
        findings += result.findings
        findings += [Finding(name, -1, f"a valid file: {text}") for text in result.refused_valid]
        total.inputs += result.inputs
        total.accepted += result.accepted
        total.refused += result.refused
    total.findings = findings
    _print_row("all", total, time.monotonic() - begin)
    for finding in findings:
        print(f"{finding.entrance} {finding.number}: {finding.what}")
    if arguments.keep and findings:
        keep(findings, arguments.seed, arguments.keep)
    return 1 if findings else 0


def _print_row(name: str, result: Result, seconds: float) -> None:
    print(
        f"{name:<12}{result.inputs:>8}{result.accepted:>10}{result.refused:>9}"
        f"{len(result.findings):>10}{seconds:>7.0f}", flush=True,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
