"""The section on trained parameters: there where recipes differ in them, with what they reach."""

from types import SimpleNamespace

import numpy as np

from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.styles import Styles
from lightning_sciml.study.report.trained_parameters import (
    error_by_trained_parameters,
    trained_parameters_section,
)


def curve(recipe, num_trained, errors, init="fine_tune"):
    return Curve(
        arm=Arm(init, "poisson_1_5", "1M", recipe),
        dataset="poisson_5_10",
        num_samples=(4, 32)[: len(errors[0])],
        replicates=tuple((seed, seed) for seed in range(len(errors))),
        errors=np.array(errors, float),
        num_parameters=1000,
        num_trained_parameters=num_trained,
    )


def section(tmp_path, *curves):
    page = Page(tmp_path)
    found = SimpleNamespace(curves=list(curves), styles=Styles(curves))
    trained_parameters_section(page, found)
    return "".join(page.parts)


ALL = curve("all", 1000, [[0.2, 0.1], [0.4, 0.3]])


def test_recipes_are_listed_by_trained_parameters_with_their_share(tmp_path):
    text = section(tmp_path, curve("ends", 50, [[0.3, 0.2], [0.3, 0.2]]), ALL)
    rows = [row.split("</td>") for row in text.split("<tr>")[2:]]
    cells = [[cell.split(">")[-1] for cell in row[:-1]] for row in rows]
    assert [row[:3] for row in cells] == [
        ["fine-tuned; all", "1,000", "100.0%"],
        ["fine-tuned; ends", "50", "5.0%"],
    ]
    assert [cell.split()[0] for cell in cells[0][3:]] == ["0.3000", "0.2000"]  # means over seeds
    assert (tmp_path / "error_by_trained_parameters.png").exists()


def test_points_lie_at_trained_parameters_and_mean_errors():
    few = curve("ends", 50, [[0.3], [0.5]])
    figure = error_by_trained_parameters([[ALL, few]], Styles([ALL, few]))
    points = [container[0].get_xydata()[0] for container in figure.axes[0].containers]
    np.testing.assert_allclose(points, [[1000, 0.3], [50, 0.4]], rtol=1e-12)


def test_there_is_no_section_where_recipes_train_alike_or_it_is_not_known(tmp_path):
    others = [curve("ends", 50, [[0.3, 0.2]], init="scratch"), curve("old", 0, [[0.3, 0.2]])]
    assert not section(tmp_path, ALL, curve("replay", 1000, [[0.3, 0.2]]), *others)
