"""Rows of the tables of the paper's settings, and what the text of Cai et al. 2018 states."""

from __future__ import annotations

from figure_forms import results, titled

STB_AUC = {"source_only": 0.667, "labels_2d": 0.807, "depth_maps": 0.889}
"""AUC 20-50 mm on STB (section 4.3) by the name of the setting in tools/ablation.py."""
REGULARIZER_GAIN = {"RHD": 0.031, "STB": 0.001}
"""AUC of full labels with the depth regularizer, less that without it (section 4.3)."""
SETTINGS = {
    "source_only": "3D labels of the source",
    "labels_2d": "and 2D labels of the target",
    "depth_maps": "and the target's depth maps, by the regularizer (the paper)",
    "weak": "and joints behind the measured skin (`weak.yaml`)",
    "full": "and the target's 3D labels (full)",
    "full_no_regularizer": "3D labels of both domains, no depth maps",
}


def settings() -> list[dict]:
    """Results of each setting, with the paper's AUC on STB where its text states it."""
    stated = {name: {"stb": auc} for name, auc in STB_AUC.items()}
    rows = results("ablation")["settings"]
    return titled({name: {**row, **stated.get(name, {})} for name, row in rows.items()}, SETTINGS)


def gap() -> str:
    """How much of the way from 2D labels to full labels each kind of weak supervision goes."""
    auc = {name: row["auc"]["mean"] for name, row in results("ablation")["settings"].items()}
    way = auc["full"] - auc["labels_2d"]
    paper, weak = ((auc[name] - auc["labels_2d"]) / way for name in ("depth_maps", "weak"))
    return (
        "Of the way from 2D labels of the target to its 3D labels, the paper's setting goes "
        f"{paper:.0%}, and `weak.yaml` {weak:.0%}.".replace("%", " %")
    )


def regularizer() -> list[dict]:
    """What the regularizer adds to full labels: the paper's data sets, then the domains here."""
    rows = results("ablation")["settings"]
    full, without = rows["full"], rows["full_no_regularizer"]
    found = [
        {"title": f"{name} (the paper)", "gain": gain} for name, gain in REGULARIZER_GAIN.items()
    ]
    for title, a, b in [
        ("source", full["source"], without["source"]), ("target", full, without)
    ]:  # fmt: skip
        found.append(
            {
                "title": title,
                "gain": a["auc"]["mean"] - b["auc"]["mean"],
                "depth_with": a["mean_depth_error_mm"]["mean"],
                "depth_without": b["mean_depth_error_mm"]["mean"],
            }
        )
    return found
