"""Draw figures of the notebook again from the results.csv of its studies, in today's style.

    python docs/notebook/redraw.py

The data sets of these studies need not be there: their titles come from their configurations.
"""

import csv
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure

from lightning_sciml.shards.figure_style import save_figure
from lightning_sciml.shards.titles import title_of
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.execution.results import ResultRow
from lightning_sciml.study.execution.run_files import Result
from lightning_sciml.study.report.curves import Curve, curves
from lightning_sciml.study.report.plotting import error_by_samples
from lightning_sciml.study.report.scaling_law import MIN_SIZES, fit_law
from lightning_sciml.study.report.size_figure import error_by_size
from lightning_sciml.study.report.styles import Styles
from lightning_sciml.study.report.trained_parameters import (
    alike_in_size,
    error_by_trained_parameters,
)

HERE = Path(__file__).parent
CONFIGS = HERE.parents[1] / "launch/configs/data"
RECIPES = ("paper", "relative_l2", "dimensionless_plain", "dimensionless")


def rows(path: Path, recipes: Collection[str]) -> Iterator[ResultRow]:
    """Read the rows of results.csv: means over fields, of some recipes or of all."""
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            is_shown = not recipes or line["recipe"] in recipes
            if is_shown and line.get("field", "all") == "all" and line["init"] != Init.PRETRAIN:
                yield row(line)


def row(line: Mapping[str, str]) -> ResultRow:
    """Take one row of results.csv."""
    error = float(line["relative_l2"]) if line["relative_l2"] else None
    result = Result(
        run=line["run"],
        num_parameters=int(line["num_parameters"]),
        val_relative_l2=None,
        num_steps=int(line["num_steps"]),
        num_samples_seen=int(line["num_samples_seen"]),
        fit_elapsed_s=float(line["fit_elapsed_s"]),
        num_attempts=int(line["num_attempts"]),
        tests={line["dataset"]: {"relative_l2": error}},
        num_trained_parameters=int(line.get("num_trained_parameters") or 0),
    )
    run = Run(
        init=Init(line["init"]),
        pretraining=line["pretraining"],
        datasets=(line["dataset"],),
        model=line["model"],
        recipe=line["recipe"],
        seed=int(line["seed"]),
        num_samples=int(line["num_samples"]),
        learning_rate=float(line["learning_rate"]) if line["learning_rate"] else None,
        subset_draw=int(line["subset_draw"]),
    )
    is_selected = line["is_selected"] == "True"
    return ResultRow(run=run, result=result, dataset=line["dataset"], is_selected=is_selected)


def titles() -> dict[str, str]:
    """Name the shipped data sets in words, by name."""
    found = {}
    for path in sorted(CONFIGS.glob("*.yaml")):
        config: Any = yaml.safe_load(path.read_text())
        coefficients = config.get("coefficients")
        kind = coefficients["class_path"] if isinstance(coefficients, dict) else ""
        words = re.findall("[A-Z][a-z]+", kind.removesuffix("Coefficients"))
        found[path.stem] = title_of(path.stem, "_".join(words).lower(), config)
    return found


def drawn(table: str, recipes: Collection[str] = ()) -> tuple[list[Curve], Styles]:
    """Return the curves of one table of results and their styles."""
    own = curves([*rows(HERE / table, recipes)])
    return own, Styles(own, titles())


def by_samples(own: list[Curve], styles: Styles) -> Figure:
    """Draw errors against samples, with laws as a report does."""
    long = [curve for curve in own if len(curve.num_samples) >= MIN_SIZES]
    return error_by_samples(own, {(c.dataset, c.arm): fit_law(c) for c in long}, styles)


def main() -> None:
    """Write all figures whose table is in the notebook."""
    for table, name, recipes in (
        ("study_cpu/results.csv", "error_by_samples", ()),
        ("study_tiny/downstream_data/results.csv", "error_by_samples", ()),
        ("study_tiny/mixture/results.csv", "error_by_samples", ()),
        ("study_tiny/physics_shift/results.csv", "error_by_samples", ()),
        ("evolution/burgers.csv", "burgers_error_by_samples", ()),
        ("evolution/navier_stokes.csv", "navier_stokes_error_by_samples", ()),
        ("evolution/allen_cahn.csv", "allen_cahn_error_by_samples", ()),
        ("evolution/kuramoto_sivashinsky.csv", "kuramoto_sivashinsky_error_by_samples", ()),
        (
            "evolution/unsteady_advection_diffusion.csv",
            "unsteady_advection_diffusion_error_by_samples",
            (),
        ),
        ("recipe/results.csv", "error_by_samples", RECIPES),
    ):
        figure = by_samples(*drawn(table, recipes))
        save_figure(figure, (HERE / table).with_name(name), ["png"])
    figure = error_by_size(*drawn("study_tiny/model_size/results.csv"))
    save_figure(figure, HERE / "study_tiny/model_size/error_by_model_size", ["png"])
    own, styles = drawn("fine_tuning/results.csv")
    figure = error_by_trained_parameters([*alike_in_size(own)], styles)
    save_figure(figure, HERE / "fine_tuning/error_by_trained_parameters", ["png"])


if __name__ == "__main__":
    main()
