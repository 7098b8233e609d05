"""`kerashand-eval`: models on a data set, as a table and one HTML page; reports compared."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kerashand import __version__
from kerashand.cli.arguments import add_backgrounds, check_backgrounds, exit_code, writing
from kerashand.cli.rerun_log import add_rerun_argument, check_target, file_of
from kerashand.cli.startup import tensorflow_start
from kerashand.config import STYLES, load_config
from kerashand.config.schema import DataConfig, DomainConfig
from kerashand.data.kinds import ON_DISK
from kerashand.errors import UserError
from kerashand.extras import check
from kerashand.files import RUN_CONFIG, identity, user_path, write_text
from kerashand.metrics import PROTOCOLS

if TYPE_CHECKING:
    from kerashand.reports.assessment import Assessment

DOMAIN = "target"
RUN_DOMAINS = ("target", "source")
SAMPLES = 1000
PROTOCOL = "cai2018"
SPLITS = ("test", "val")
PAGE_SUFFIXES = (".html", ".htm")
"""Of files that are part of no data set."""


def build_parser(prog: str = "kerashand-eval") -> argparse.ArgumentParser:
    """The command's arguments; `prog` is its name in the usage."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Runs models over the test split of a data set, prints a table and writes one "
        "HTML page: curves, errors by joint, view, distance, occlusion and light, kinds of hands, "
        "offsets of joints, galleries, hands that turn with the mouse, confidence. Two models are "
        "compared sample by sample.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "models", nargs="+", metavar="MODEL",
        help="a run folder, an exported file (.tflite, .onnx, SavedModel), `lite` (the packaged "
        "model), or the .json of an earlier report, on the same hands",
    )  # fmt: skip
    parser.add_argument(
        "--data", default=DOMAIN, metavar="NAME",
        help=f"{', '.join(STYLES)}: rendered hands of that style; KIND=FOLDER with a KIND of "
        f"{', '.join(ON_DISK)}. With a run folder among the models, `target` and `source` "
        "are the data of its configuration (of the first run's), for all models (default: target)",
    )  # fmt: skip
    parser.add_argument(
        "--protocol", choices=tuple(PROTOCOLS), default=PROTOCOL,
        help=f"how joint errors become numbers, see docs/protocols.md (default: {PROTOCOL})",
    )  # fmt: skip
    parser.add_argument(
        "--split", choices=SPLITS, default=SPLITS[0],
        help="the split to measure on: test, or val for choices (default: test)",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=int,
        help=f"largest number of hands (default: as many as an earlier report has, else {SAMPLES})",
    )  # fmt: skip
    parser.add_argument(
        "--gallery", type=int, default=4, help="pictures of each group (default: 4)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("report.html"),
        help="the page, which is overwritten if it exists (default: report.html)",
    )  # fmt: skip
    parser.add_argument(
        "--names", nargs="+", metavar="NAME",
        help="names of the models, in their order (default: the ends of their paths)",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=Path, metavar="FILE",
        help="write all but the pictures, for a later comparison; one model only",
    )  # fmt: skip
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write a row for each hand; one model only"
    )
    add_rerun_argument(parser, what="the hands of the galleries with truth and depth maps")
    published = "draw the published curves of STB (always drawn for STB)"
    parser.add_argument("--published", action="store_true", help=published)
    add_backgrounds(parser, "behind rendered hands that are not the data of a run")
    parser.add_argument("--cache-dir", metavar="DIR", help="where rendered hands are kept")
    parser.add_argument("--version", action="version", version=f"kerashand {__version__}")
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "kerashand-eval") -> int:
    """Runs the command, called `prog`; returns its exit code."""
    arguments = build_parser(prog).parse_args(argv)
    command = shlex.join([*prog.split(), *(sys.argv[1:] if argv is None else argv)])
    return exit_code(prog, lambda: _evaluate(arguments, command))


def _evaluate(arguments: argparse.Namespace, command: str) -> None:
    check("evaluation")
    _check(arguments)
    with tensorflow_start():
        from kerashand.evaluation.tables import aligned_lines
        from kerashand.machine import made, versions
        from kerashand.reports import breakdown, findings, page, records
        from kerashand.reports.verdict import verdict

    assessments, origin = _assessments(arguments)
    for other in assessments[1:]:
        breakdown.check_same(assessments[0], other)
    differences = []
    if len(assessments) == 2:
        differences = breakdown.compared(*assessments)
    names = arguments.names or breakdown.names_apart([one.name for one in assessments])
    print(verdict(assessments, names).text)
    print("\n".join(aligned_lines(page.table(assessments, names))))
    print(f"On {assessments[0].data}{origin}.")
    print(page.conditions(assessments, names))
    for text in findings.sentences(assessments, names):
        print(text)
    for difference in differences:
        print(f"{difference.text(names)}.")
    when = made()
    published = arguments.published or arguments.data.startswith("stb-")
    text = page.report(
        assessments, made=when, command=command, names=names, differences=differences,
        published=published, origin=origin,
    )  # fmt: skip
    files = [(arguments.out, text)]
    if arguments.json:
        files.append((arguments.json, records.as_json(assessments[0], versions() | {"made": when})))
    if arguments.csv:
        files.append((arguments.csv, records.as_csv(assessments[0])))
    for path, content in files:
        with writing(path):
            write_text(path, content)
        print(f"written: {path}")
    if arguments.rerun is not None:
        from kerashand.cli.rerun_gallery import log_galleries

        log_galleries(arguments.rerun, assessments, names)
        if recording := file_of(arguments.rerun):
            print(f"written: {recording}")


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot work before TensorFlow is imported."""
    for flag, low in (("samples", 1), ("gallery", 0)):
        value = getattr(arguments, flag)
        if value is not None and value < low:
            raise UserError(f"--{flag} must be at least {low}. Received: {value}")
    if len(arguments.models) > 1 and (arguments.json or arguments.csv):
        raise UserError(
            f"--json and --csv are for one model. Received: {len(arguments.models)} models"
        )
    names = arguments.names
    if names is not None and (len(names) != len(arguments.models) or len(set(names)) < len(names)):
        raise UserError(
            f"--names must give each model a name of its own. Received: {len(names)} names, "
            f"{len(arguments.models)} models"
        )
    recording = file_of(arguments.rerun)
    named = (
        arguments.out,
        arguments.json,
        arguments.csv,
        user_path(recording) if recording else None,
    )
    paths = [path for path in named if path is not None]
    models = {identity(user_path(name)) for name in arguments.models}
    if len({identity(path) for path in paths}) < len(paths):
        raise UserError(f"--out, --json, --csv and --rerun name one file: {paths[0]}")
    for path in paths:
        if path.is_dir() or not path.parent.is_dir():
            raise UserError(f"{path} cannot be written: no such folder, or it is one itself.")
        if identity(path) in models:
            raise UserError(f"{path} is read and written.")
    check_target(arguments.rerun)
    check_backgrounds(arguments.backgrounds)
    chosen = _chosen(arguments.data, arguments, samples=SAMPLES)
    if arguments.backgrounds is not None and chosen.path:
        raise UserError(f"--backgrounds is for rendered hands, and not for {arguments.data}.")
    for path in paths if chosen.path else ():
        held = path.exists() and user_path(str(chosen.path)).resolve() in path.resolve().parents
        if held and path.suffix.lower() not in PAGE_SUFFIXES:
            raise UserError(f"{path} exists in the folder of the data: choose another name.")


def _chosen(data: str, arguments: argparse.Namespace, samples: int) -> DomainConfig:
    """What `--data` names."""
    kind, separator, folder = data.partition("=")
    if not separator and kind in STYLES:
        return DomainConfig(
            kind="synthetic", style=kind, val=samples, test=samples,
            backgrounds=arguments.backgrounds,
        )  # fmt: skip
    if separator and kind in ON_DISK and folder:
        if not user_path(folder).is_dir():
            raise UserError(f"--data: the folder {folder} does not exist.")
        return DomainConfig(kind=kind, path=folder, train=None, val=None, test=None)
    raise UserError(
        f"--data is one of {', '.join(STYLES)}, or KIND=FOLDER with a KIND of "
        f"{', '.join(ON_DISK)}. Received: {data}"
    )


# ---------------------------------------------------------------------------------- models


def _assessments(arguments: argparse.Namespace) -> tuple[list[Assessment], str]:
    """All models on the same hands, and whose data these are in words ("" where `--data` says)."""
    from kerashand.reports import breakdown, records, subjects
    from kerashand.reports.assessment import assess

    paths = {name: user_path(name) for name in arguments.models}
    earlier = {
        name: records.from_json(path)
        for name, path in paths.items()
        if path.suffix.lower() == ".json"
    }
    if len(earlier) == len(paths):
        _refuse_unused(arguments, earlier)
        return [earlier[name] for name in arguments.models], ""
    samples = arguments.samples or min(map(len, earlier.values()), default=SAMPLES)
    runs = [name for name, path in paths.items() if (path / RUN_CONFIG).is_file()]
    data, domain, origin = _data(arguments, runs, samples)
    if earlier:
        words = subjects.in_words(data, domain, samples, split=arguments.split)
        other = next(name for name in paths if name not in earlier)
        for name, report in earlier.items():
            if (report.data, report.protocol) != (words, arguments.protocol):
                raise breakdown.not_the_same(
                    (name, report.data, report.protocol), (other, words, arguments.protocol)
                )

    # All of them before the first one works: a runtime that is missing is said at once.
    predictors = {
        name: subjects.of_run(paths[name])[0] if name in runs else subjects.of_file(name)
        for name in paths
        if name not in earlier
    }

    def assessed(name: str) -> Assessment:
        predictor = predictors[name]
        sized = dataclasses.replace(data, image_size_px=predictor.image_size_px)
        batches, words = subjects.labelled_batches(
            sized, domain, predictor, samples=samples, split=arguments.split
        )
        return assess(
            predictor, batches, data=words, protocol=arguments.protocol, gallery=arguments.gallery
        )

    return [
        earlier[name] if name in earlier else assessed(name) for name in arguments.models
    ], origin


def _refuse_unused(arguments: argparse.Namespace, reports: dict[str, Assessment]) -> None:
    """Raise UserError for an option that nothing is measured by: reports are as they are."""
    first, report = next(iter(reports.items()))
    asked = {
        "--data": arguments.data != DOMAIN,
        "--split": arguments.split != SPLITS[0],
        "--protocol": arguments.protocol not in (PROTOCOL, report.protocol),
        "--samples": arguments.samples not in (None, len(report)),
        "--json": arguments.json is not None,
        "--backgrounds": arguments.backgrounds is not None,
    }
    if named := [flag for flag, is_asked in asked.items() if is_asked]:
        raise UserError(
            f"{', '.join(named)}: nothing is measured, {first} holds what was: {report.data} by "
            f"{report.protocol}. Give the model instead of its report."
        )


def _data(
    arguments: argparse.Namespace, runs: Sequence[str], samples: int
) -> tuple[DataConfig, str, str]:
    """The data, their domain, and whose they are in words."""
    if runs and arguments.data in RUN_DOMAINS:
        if arguments.backgrounds is not None:
            raise UserError(f"--backgrounds: the hands are those of the data of {runs[0]}.")
        data = load_config(user_path(runs[0]) / RUN_CONFIG).data
        cache_dir = arguments.cache_dir or data.cache_dir
        data = dataclasses.replace(data, cache_dir=cache_dir)
        return data, arguments.data, f", the data of {runs[0]}"
    target = _chosen(arguments.data, arguments, samples)
    return DataConfig(cache_dir=arguments.cache_dir, target=target), DOMAIN, ""


if __name__ == "__main__":
    raise SystemExit(main())
