"""Draw the figures of Cai et al. 2018 from runs of tools/ablation.py, one command each.

    python tools/paper_figures.py 5 --runs runs/ablation

5: PCK of the four settings on the target. 6: full labels with and without the depth regularizer,
and the error in depth. 7: weak and full supervision, on STB beside published curves. 8: depth maps
that the regularizer draws of true joints. 9: skeletons of three settings and the truth. 10:
skeletons of full supervision on both domains. A run knows its data: figures of runs on RHD and STB
take the same commands.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ablation import SETTINGS
from figure_paper import STB_AUC
from matplotlib.figure import Figure
from PIL import Image

from kerashand.cli.arguments import exit_code, writing
from kerashand.cli.startup import tensorflow_start
from kerashand.config import Config, load_config
from kerashand.errors import UserError
from kerashand.files import written_beside
from kerashand.visualize.files import JPEG_QUALITY, save_figure
from kerashand.visualize.images import plot_skeleton
from kerashand.visualize.pages import (
    curve_colour,
    figure_depth_maps,
    style_curves,
    write_page,
)
from kerashand.visualize.space import draw_skeleton_3d

FIG_5 = ("source_only", "labels_2d", "weak", "full")
MORE_5 = "depth_maps"
"""A setting of figure 5 that the paper's own configurations do not have: there it is `weak`."""
FIG_6 = ("full_no_regularizer", "full")
FIG_7 = ("weak", "full")
FIG_9 = ("source_only", "labels_2d", "weak")
DOMAINS = ("source", "target")
SIDE_PX = 384


def main(argv: list[str] | None = None) -> int:
    """Draw one figure."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="figures:\n" + "\n".join(
            f"  {number}: {function.__doc__.rstrip('.')} (needs {', '.join(settings)})"
            for number, (function, settings) in FIGURES.items()
        ),
    )  # fmt: skip
    parser.add_argument("figure", type=int, choices=tuple(FIGURES), help="its number, see below")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/ablation"),
        help="--out of tools/ablation.py (default: runs/ablation)",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", help="default: all that are there")
    parser.add_argument(
        "--samples", type=int, nargs="+",
        help="numbers of test hands to show in figures 8 to 10 (default: 0 10 20 30 40)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, help=".png or .jpg (default: figure_N.png in the folder of runs)"
    )
    parser.add_argument("--width", type=int, metavar="PX", help="shrink the picture to this width")
    args = parser.parse_args(argv)
    return exit_code("paper_figures", lambda: draw(args))


def draw(args: argparse.Namespace) -> None:
    """Draw the figure that is asked for."""
    runs = Runs(args.runs, args.seeds or seeds_in(args.runs))
    out = args.out or args.runs / f"figure_{args.figure}.png"
    function, settings = FIGURES[args.figure]
    pages = args.figure in PAGES
    for seed in runs.seeds[:1] if pages else runs.seeds:
        for setting in settings:
            runs.path(setting, seed)
    with writing(out):
        if pages:
            function(runs, args.samples or list(range(0, 50, 10)), out)
        else:
            function(runs, out)
        if args.width:
            shrink(out, args.width)
    print(f"written: {out}")


def shrink(path: Path, width: int) -> None:
    """Write a picture anew with this width; one that is not wider stays as it is."""
    with Image.open(path) as picture:
        form = picture.format
        if picture.width <= width:
            return
        height = round(picture.height * width / picture.width)
        small = picture.resize((width, height), Image.Resampling.LANCZOS)
    with written_beside(path) as beside:
        small.save(beside, form, quality=JPEG_QUALITY)


def seeds_in(folder: Path) -> list[int]:
    """Seeds of which there are runs."""
    names = [path.name.removeprefix("seed") for path in folder.glob("seed*") if path.is_dir()]
    seeds = sorted(int(name) for name in names if name.isdecimal())
    if not seeds:
        raise UserError(f"--runs: no seed0, seed1 ... of tools/ablation.py in {folder}.")
    return seeds


@dataclasses.dataclass(frozen=True)
class Runs:
    """The runs of a folder.

    Attributes:
        folder: of tools/ablation.py.
        seeds: which are read.
    """

    folder: Path
    seeds: Sequence[int]

    def path(self, setting: str, seed: int | None = None) -> Path:
        """The run folder of a setting; it must be finished."""
        path = self.folder / f"seed{self.seeds[0] if seed is None else seed}" / setting
        if not (path / "results.json").is_file():
            raise UserError(
                f"No finished run in {path}. `python tools/ablation.py --out {self.folder} "
                f"--seeds {self.seeds[0] if seed is None else seed} --settings {setting}` makes "
                "it, with the same --set as the others had."
            )
        return path

    def finished(self) -> list[str]:
        """The settings that have a finished run of every seed."""
        folders = [self.folder / f"seed{seed}" for seed in self.seeds]
        return [s for s in SETTINGS if all((f / s / "results.json").is_file() for f in folders)]

    def results(self, setting: str) -> list[dict]:
        """Results of a setting, seed by seed."""
        paths = [self.path(setting, seed) / "results.json" for seed in self.seeds]
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths]

    def numbers(self, setting: str, domain: str) -> list[dict]:
        """Test results on a domain, seed by seed."""
        found = [result["test"][domain] for result in self.results(setting)]
        if any("pck" not in numbers for numbers in found):
            raise UserError(f"{self.folder}: no 3D labels in the {domain} test split of {setting}.")
        return found

    def data(self, domain: str) -> str:
        """The kind of data of a domain, as titles name it."""
        config = self.config()
        kind = config.data[domain].kind
        return f"{domain} ({'rendered' if kind == 'synthetic' else kind.split('-')[0].upper()})"

    def is_stb(self, domain: str) -> bool:
        """Whether published curves are of the same data."""
        return self.config().data[domain].kind.startswith("stb")

    def config(self) -> Config:
        """The configuration of any of the runs."""
        for setting in SETTINGS:
            path = self.folder / f"seed{self.seeds[0]}" / setting / "config.yaml"
            if path.is_file():
                return load_config(path)
        raise UserError(f"No runs in {self.folder}.")

    def subject(self, setting: str) -> tuple[Any, Config]:
        """The model of a setting, and its configuration."""
        with tensorflow_start():
            from kerashand.reports import subjects

        return subjects.of_run(self.path(setting))

    def shown(self, subject: tuple[Any, Config], domain: str, samples: Sequence[int]) -> list[dict]:
        """What a model gives for some samples, with pictures; see `assess`."""
        from kerashand.reports import subjects
        from kerashand.reports.assessment import assess

        predictor, config = subject
        batches, words = subjects.labelled_batches(
            config.data, domain, predictor, samples=max(samples) + 1
        )
        protocol = config.evaluation.protocol
        found = assess(predictor, batches, data=words, protocol=protocol, shown=samples).shown
        if not found:
            raise UserError(f"--samples: {words} only. Received: {samples}")
        return list(found)


# -------------------------------------------------------------------------------- plots


def curves(axes, runs: Runs, settings: Sequence[str], *, domain: str) -> None:
    """The mean curve over seeds of each setting with its AUC, and how far seeds are apart."""
    for number, setting in enumerate(settings):
        found = runs.numbers(setting, domain)
        thresholds = np.array(found[0]["thresholds_mm"])
        shares = np.array([numbers["pck"] for numbers in found])
        areas = np.array([numbers["auc"] for numbers in found])
        label = f"{SETTINGS[setting]}: {areas.mean():.3f}"
        if len(areas) > 1:
            label += f" ± {areas.std(ddof=1):.3f}"
            axes.fill_between(
                thresholds, shares.min(axis=0), shares.max(axis=0), alpha=0.25, lw=0,
                color=curve_colour(number),
            )  # fmt: skip
        axes.plot(thresholds, shares.mean(axis=0), color=curve_colour(number), lw=2, label=label)
    style_curves(axes, title=runs.data(domain), legend="AUC 20-50 mm")


def foot(figure: Figure, runs: Runs, setting: str, *, more: str = "") -> None:
    """Conditions below the plots."""
    seeds = f"Seed {runs.seeds[0]}."
    if len(runs.seeds) > 1:
        seeds = f"Seeds {', '.join(map(str, runs.seeds))}: mean, and their range."
    text = f"{runs.results(setting)[0]['conditions']} {seeds} {more}"
    figure.supxlabel(text, fontsize=6.5, color="0.35", wrap=True)


def figure_5(runs: Runs, out: Path) -> None:
    """The settings on the target."""
    figure = Figure(figsize=(7.6, 5.4), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    more = {MORE_5} & set(runs.finished())
    curves(axes, runs, [s for s in SETTINGS if s in more.union(FIG_5)], domain="target")
    paper = ", ".join(f"{SETTINGS[name]} {area}" for name, area in STB_AUC.items())
    foot(figure, runs, "weak", more=f"The paper's AUC on STB: {paper}.")
    save_figure(figure, out)


def figure_6(runs: Runs, out: Path) -> None:
    """Full labels with and without the regularizer, and the error in depth."""
    figure = Figure(figsize=(15.5, 4.8), dpi=110, layout="constrained")
    *places, bars = figure.subplots(1, 3, width_ratios=(1, 1, 0.8))
    for axes, domain in zip(places, DOMAINS, strict=True):
        curves(axes, runs, FIG_6, domain=domain)
    for number, setting in enumerate(FIG_6):
        errors = [
            np.array([n["mean_depth_error_mm"] for n in runs.numbers(setting, domain)])
            for domain in DOMAINS
        ]
        spread = [e.std(ddof=1) if len(e) > 1 else 0.0 for e in errors]
        heights = [e.mean() for e in errors]
        drawn = bars.bar(
            np.arange(2) + 0.38 * (number - 0.5), heights, 0.36, yerr=spread, capsize=4,
            color=curve_colour(number), label=SETTINGS[setting],
        )  # fmt: skip
        bars.bar_label(drawn, [f"{height:.1f}" for height in heights], padding=2, fontsize=8)
    bars.set_xticks(range(2), [runs.data(domain) for domain in DOMAINS])
    bars.set_ylabel("mean error in z (mm)")
    bars.margins(y=0.25)
    bars.legend(fontsize=8)
    bars.set_title("error in depth")
    foot(figure, runs, "full", more="One model for both domains; the paper trains one for each.")
    save_figure(figure, out)


def figure_7(runs: Runs, out: Path) -> None:
    """Weak and full supervision on both domains, beside published curves where one is STB."""
    with tensorflow_start():
        from kerashand.reports.charts import published_curves

    figure = Figure(figsize=(11.0, 5.0), dpi=130, layout="constrained")
    for axes, domain in zip(figure.subplots(1, 2), DOMAINS, strict=True):
        curves(axes, runs, FIG_7, domain=domain)
        if runs.is_stb(domain):
            published_curves(axes)
            axes.legend(title="AUC 20-50 mm", fontsize=8)
    foot(figure, runs, "weak")
    save_figure(figure, out)


# -------------------------------------------------------------------------------- pages


def figure_8(runs: Runs, samples: Sequence[int], out: Path) -> None:
    """Depth maps drawn of true joints beside the measured ones."""
    predictor, config = subject = runs.subject("weak")
    if predictor.generate_depth is None:
        raise UserError(f"{runs.path('weak')} has no depth regularizer.")
    shown = [s for s in runs.shown(subject, "target", samples) if s["measured"] is not None]
    shown = [s for s in shown if s["xyz_true_mm"] is not None]
    if not shown:
        raise UserError(f"None of the samples {list(samples)} has joints in 3D and a depth map.")
    depth = np.stack([s["xyz_true_mm"][:, 2] - s["xyz_true_mm"][0, 2] for s in shown])
    scale = np.array([s["scale_mm"] for s in shown])
    drawn = predictor.generate_depth(
        np.stack([s["uv_true_px"] for s in shown]), depth / scale[:, None]
    )
    figure_depth_maps(
        np.stack([s["image"] for s in shown]), measured=np.stack([s["measured"] for s in shown]),
        weight=np.stack([s["measured_weight"] for s in shown]), generated=drawn[..., 0], path=out,
        window_mm=2 * config.model.half_width_scales * scale,
        title=f"Depth maps of true joints, {runs.data('target')}",
    )  # fmt: skip


def figure_9(runs: Runs, samples: Sequence[int], out: Path) -> None:
    """Three settings and the truth from a new view."""
    of = {setting: runs.shown(runs.subject(setting), "target", samples) for setting in FIG_9}
    rows, captions = [], []
    for found in zip(*of.values(), strict=True):
        ours = found[-1]
        truth = ours["xyz_true_mm"]
        if truth is None:
            raise UserError("Figures 9 and 10 need true joints in 3D.")
        views = [draw_skeleton_3d(s["xyz_mm"], size_px=SIDE_PX, truth_mm=truth) for s in found]
        rows.append([overlay(ours), *views, draw_skeleton_3d(truth, size_px=SIDE_PX)])
        captions.append([f"sample {ours['number']}", *map(error_text, found), ""])
    titles = ["weak, on the picture", *("source only", "+ 2D labels", "weak"), "truth"]
    title = f"A new view, the truth in grey, {runs.data('target')}"
    write_page(rows, out, column_titles=titles, captions=captions, title=title)


def figure_10(runs: Runs, samples: Sequence[int], out: Path) -> None:
    """Full supervision on both domains."""
    rows, captions = [], []
    pairs, subject = 2, runs.subject("full")
    for domain in DOMAINS:
        cells, texts = [], []
        for shown in runs.shown(subject, domain, samples):
            truth = shown["xyz_true_mm"]
            if truth is None:
                raise UserError("Figures 9 and 10 need true joints in 3D.")
            cells += [
                overlay(shown),
                draw_skeleton_3d(shown["xyz_mm"], size_px=SIDE_PX, truth_mm=truth),
            ]
            texts += [f"{domain}, sample {shown['number']}", error_text(shown)]
        for start in range(0, len(cells), 2 * pairs):
            rows.append(cells[start : start + 2 * pairs])
            captions.append(texts[start : start + 2 * pairs])
    columns = max(map(len, rows))
    titles = (["full, on the picture", "new view"] * pairs)[:columns]
    title = f"Full supervision on {runs.data('source')} and {runs.data('target')}"
    write_page(rows, out, column_titles=titles, captions=captions, title=title)


def overlay(shown: Mapping) -> np.ndarray:
    """The picture with the predicted joints."""
    image = shown["image"]
    scale = max(round(SIDE_PX / image.shape[0]), 1)
    return plot_skeleton(image, shown["uv_px"], scale=scale)


def error_text(shown: Mapping) -> str:
    """The mean error of a hand."""
    distance = np.linalg.norm(shown["xyz_mm"] - shown["xyz_true_mm"], axis=-1)
    return f"{distance.mean():.0f} mm off"


FIGURES = {
    5: (figure_5, FIG_5), 6: (figure_6, FIG_6), 7: (figure_7, FIG_7), 8: (figure_8, ("weak",)),
    9: (figure_9, FIG_9), 10: (figure_10, ("full",)),
}  # fmt: skip
"""Number -> what draws it, and the settings whose runs it needs."""
PAGES = (8, 9, 10)
"""Figures of single hands, of the first seed's runs."""


if __name__ == "__main__":
    raise SystemExit(main())
