"""What a mean does not show: the worst groups of hands, and where a model puts its joints."""

from __future__ import annotations

from collections.abc import Sequence

from kerashand.evaluation.groups import worst_in_words
from kerashand.evaluation.tables import COLUMNS, cells, held_columns
from kerashand.reports.assessment import Assessment
from kerashand.skeleton import JOINT_NAMES

GROUP_COLUMNS = tuple(
    column for column in COLUMNS if column[1] in ("mean_error_mm", "mean_error_px", "pck_2d")
)
"""Of each kind of hand, beside those of `MORE_COLUMNS`."""


def sentences(assessments: Sequence[Assessment], names: Sequence[str]) -> list[str]:
    """Worst groups of each model, and its error without mean offsets of joints."""
    found = []
    for name, assessment in zip(names, assessments, strict=True):
        texts = worst_in_words(assessment.groups)
        numbers = assessment.numbers
        if "mean_without_offsets_mm" in numbers:
            texts.append(
                f"Without the mean offset of each joint, fitted on the other half of the hands: "
                f"{numbers['mean_without_offsets_mm']:.1f} mm instead of "
                f"{numbers['mean_error_mm']:.1f}, AUC {numbers['auc_without_offsets']:.3f} instead "
                f"of {numbers['auc']:.3f}."
            )
        found += [f"{name}: {text}" for text in texts]
    return found


def group_rows(assessment: Assessment) -> list[list[str]]:
    """The numbers of each kind of hand as rows of text, the titles first; none without groups."""
    if not assessment.groups:
        return []
    columns = [*GROUP_COLUMNS, *held_columns(assessment.groups.values())]
    rows = [["hands", "number", *(title for title, _, _ in columns)]]
    for name, numbers in assessment.groups.items():
        rows.append([name, str(numbers["samples"]), *cells(numbers, columns)])
    return rows


def offset_rows(assessment: Assessment) -> list[list[str]]:
    """The mean offset of each joint in percent of the palm, the titles first; none if unknown."""
    offsets = assessment.numbers.get("joint_offsets")
    if offsets is None:
        return []
    rows = [["joint", "to the thumb's side", "to the finger tips", "out of the palm", "distance"]]
    for joint, offset in zip(JOINT_NAMES, offsets, strict=True):
        distance = sum(value * value for value in offset) ** 0.5
        percent = (round(100 * value, 1) + 0.0 for value in offset)  # no -0.0
        rows.append([joint, *(f"{value:+.1f}" for value in percent), f"{100 * distance:.1f}"])
    return rows
