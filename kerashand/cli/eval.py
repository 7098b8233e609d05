"""`kerashand-eval`: models on a data set, as a table and one HTML page; reports compared."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kerashand import __version__
from kerashand.cli.arguments import exit_code, writing
from kerashand.cli.startup import tensorflow_start
from kerashand.config import COUNTED_KINDS, LOOKS
from kerashand.config.schema import DataConfig, DomainConfig
from kerashand.errors import UserError
from kerashand.files import user_path, write_text
from kerashand.metrics import PROTOCOLS

if TYPE_CHECKING:
    from kerashand.reports.assessment import Assessment

DOMAIN = "target"
RUN_DOMAINS = ("target", "source")
SAMPLES = 1000


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="kerashand-eval",
        description="Runs models over the test split of a data set, prints a table and writes one "
        "HTML page: curves, errors by joint, view, distance, occlusion and light, galleries, hands "
        "that turn with the mouse, confidence. Two models are compared sample by sample.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "models", nargs="+", metavar="MODEL",
        help="a run folder, an exported file (.tflite, .onnx, SavedModel), `lite` (the packaged "
        "model), or the .json of an earlier report",
    )  # fmt: skip
    parser.add_argument(
        "--data", default=DOMAIN, metavar="NAME",
        help=f"{', '.join(LOOKS)}: rendered hands of that look; KIND=FOLDER with a KIND of "
        f"{', '.join(COUNTED_KINDS)}. For a run folder alone, `target` and `source` are the data "
        "of its configuration (default: target)",
    )  # fmt: skip
    parser.add_argument("--protocol", choices=tuple(PROTOCOLS), default="cai2018")
    parser.add_argument(
        "--samples", type=int, default=SAMPLES, help=f"at most so many (default: {SAMPLES})"
    )
    parser.add_argument("--gallery", type=int, default=4, help="samples of each group (default: 4)")
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="the page")
    parser.add_argument(
        "--json", type=Path, metavar="FILE",
        help="everything but the pictures, to be compared later; for one model",
    )  # fmt: skip
    parser.add_argument("--csv", type=Path, metavar="FILE", help="a row a sample; for one model")
    parser.add_argument(
        "--published", action="store_true",
        help="draw the published curves of STB, which are drawn for STB anyway",
    )  # fmt: skip
    parser.add_argument("--backgrounds", metavar="DIR", help="photographs behind rendered hands")
    parser.add_argument("--cache-dir", metavar="DIR", help="where rendered hands are kept")
    parser.add_argument("--version", action="version", version=f"kerashand {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    arguments = build_parser().parse_args(argv)
    command = shlex.join(["kerashand-eval", *(sys.argv[1:] if argv is None else argv)])
    return exit_code("kerashand-eval", lambda: _evaluate(arguments, command))


def _evaluate(arguments: argparse.Namespace, command: str) -> None:
    _check(arguments)
    with tensorflow_start():
        from kerashand.evaluation import aligned_lines
        from kerashand.exporting.parity import versions
        from kerashand.reports import breakdown, page, records

    assessments = [_assessed(name, arguments) for name in arguments.models]
    differences = []
    if len(assessments) == 2:
        differences = breakdown.compared(*assessments)
    names = breakdown.names_apart(assessments)
    print("\n".join(aligned_lines(page.table(assessments, names))))
    print(f"On {assessments[0].data}.")
    print(f"{assessments[0].protocol}: {assessments[0].conditions}")
    for difference in differences:
        print(f"{names[1]} - {names[0]}, {difference.text()}.")
    published = arguments.published or arguments.data.startswith("stb-")
    text = page.report(
        assessments, versions=versions(), command=command, differences=differences,
        published=published,
    )  # fmt: skip
    files = [(arguments.out, text)]
    if arguments.json:
        files.append((arguments.json, records.as_json(assessments[0], versions())))
    if arguments.csv:
        files.append((arguments.csv, records.as_csv(assessments[0])))
    for path, content in files:
        with writing(path):
            write_text(path, content)
        print(f"written: {path}")


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot work before TensorFlow is imported."""
    for flag, low in (("samples", 1), ("gallery", 0)):
        if getattr(arguments, flag) < low:
            raise UserError(
                f"--{flag} must be at least {low}. Received: {getattr(arguments, flag)}"
            )
    if len(arguments.models) > 1 and (arguments.json or arguments.csv):
        raise UserError(
            f"--json and --csv are for one model. Received: {len(arguments.models)} models"
        )
    paths = [path for path in (arguments.out, arguments.json, arguments.csv) if path is not None]
    if len(set(paths)) < len(paths):
        raise UserError(f"--out, --json and --csv name one file: {paths[0]}")
    for path in paths:
        if path.is_dir() or not path.parent.is_dir():
            raise UserError(f"{path} cannot be written: no such folder, or it is one itself.")
        if str(path) in arguments.models:
            raise UserError(f"{path} is read and written.")
    _chosen(arguments.data, arguments)


def _chosen(data: str, arguments: argparse.Namespace) -> DomainConfig:
    """What `--data` names."""
    kind, separator, folder = data.partition("=")
    samples = arguments.samples
    if not separator and kind in LOOKS:
        return DomainConfig(
            kind="synthetic", look=kind, test=samples, backgrounds=arguments.backgrounds
        )
    if separator and kind in COUNTED_KINDS and folder:
        if not user_path(folder).is_dir():
            raise UserError(f"--data: the folder {folder} does not exist.")
        return DomainConfig(kind=kind, path=folder, train=None, val=None, test=None)
    raise UserError(
        f"--data is one of {', '.join(LOOKS)}, or KIND=FOLDER with a KIND of "
        f"{', '.join(COUNTED_KINDS)}. Received: {data}"
    )


# ---------------------------------------------------------------------------------- models


def _assessed(name: str, arguments: argparse.Namespace) -> Assessment:
    import dataclasses

    from kerashand.reports import records, subjects
    from kerashand.reports.assessment import assess

    path = user_path(name)
    if path.suffix.lower() == ".json":
        return records.from_json(path)
    data, domain = None, DOMAIN
    if (path / "config.yaml").is_file():
        predictor, config = subjects.of_run(path)
        if arguments.data in RUN_DOMAINS and len(arguments.models) == 1:
            domain = arguments.data
            cache_dir = arguments.cache_dir or config.data.cache_dir
            data = dataclasses.replace(config.data, cache_dir=cache_dir)
    else:
        predictor = subjects.of_file(name)
    if data is None:
        data = DataConfig(
            image_size_px=predictor.image_size_px, cache_dir=arguments.cache_dir,
            target=_chosen(arguments.data, arguments),
        )  # fmt: skip
    batches, words = subjects.labelled_batches(data, domain, predictor, arguments.samples)
    return assess(
        predictor, batches, data=words, protocol=arguments.protocol, gallery=arguments.gallery
    )


if __name__ == "__main__":
    raise SystemExit(main())
