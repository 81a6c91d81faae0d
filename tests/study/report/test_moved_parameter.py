"""The parameter that moved, where its values lie, and the axis it is drawn on."""

from types import SimpleNamespace

import numpy as np
import pytest

from lightning_sciml.shards.dataset_statistics import histogram
from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.moved_parameter import (
    Extent,
    extents,
    is_log_uniform,
    moved_parameter,
)
from lightning_sciml.study.report.shift_section import error_by_parameter, shifted_panels
from lightning_sciml.study.report.styles import Styles


def made(equation="poisson", drawn=None, **options):
    """A data set of these options, with the values that were drawn of its coefficients."""
    return SimpleNamespace(
        equation=equation,
        config={"coefficients": {"class_path": "Some", "init_args": options}} if options else {},
        histograms={name: histogram(np.asarray(v)) for name, v in (drawn or {}).items()},
    )


def test_an_extent_is_realised_where_it_is_drawn_and_configured_elsewhere():
    nu = np.geomspace(1e-3, 1e-1, 20_001)
    manifest = made(drawn={"nu": nu, "k11": nu}, nu=[1e-3, 1.0], eigenvalue=[1, 5], diffusivity=0.1)
    found = extents(manifest)
    assert found["eigenvalue"] == (1, 3, 5)
    low, median, high = found["nu"]
    assert (low, high) == (pytest.approx(1e-3), pytest.approx(1e-1))
    assert median == pytest.approx(1e-2, abs=1e-3)  # a bin is 0.002 wide
    assert is_log_uniform(found["nu"])
    assert not is_log_uniform(found["eigenvalue"])
    assert "diffusivity" not in found


def test_the_parameter_that_moved_is_the_one_with_another_range():
    contrast = {"contrast": [2.0, 8.0], "field": {"correlation_length": [0.1, 0.3]}}
    before = made("darcy", **contrast)
    steeper, rougher = ({**contrast, k: v} for k, v in (("contrast", [8, 9]), ("field", {})))
    rougher["field"] = {"correlation_length": [0.05, 0.3]}
    assert moved_parameter(before, made("darcy", **steeper)) == "contrast"
    assert moved_parameter(before, made("darcy", **rougher)) == "correlation_length"
    both = made("darcy", **{**rougher, "contrast": [8, 9]})  # disjoint against overlapping
    assert moved_parameter(before, both) == "contrast"
    assert moved_parameter(before, before) is None


def test_without_a_configuration_the_coefficients_tell():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 1, (2, 20_000))
    before, after = made(drawn={"a": a, "b": b}), made(drawn={"a": b, "b": b + 0.5})
    assert moved_parameter(before, after) == "b"
    assert moved_parameter(before, made(drawn={"a": b, "b": a})) is None


def curve(dataset, error, init="fine_tune"):
    return Curve(
        arm=Arm(init, "" if init == "scratch" else "pre", "1M", "paper"),
        dataset=dataset,
        num_samples=(0,) if init == "zero_shot" else (16,),
        replicates=((0, 0),),
        errors=np.array([[error]]),
        num_parameters=1,
    )


def test_errors_are_drawn_where_the_parameter_is():
    """(1, 2.5) lies nearer to (1, 5) on the axis than (2.5, 7.5) does, whatever overlaps more."""
    ranges = {"own": [1, 5], "inside": [1, 2.5], "across": [2.5, 7.5], "beyond": [5, 10]}
    found = SimpleNamespace(
        study=SimpleNamespace(pretrainings={"pre": SimpleNamespace(datasets=["own"])}),
        manifests={name: made(eigenvalue=limits) for name, limits in ranges.items()},
    )
    panels = shifted_panels(found, [("pre", name) for name in ranges])
    assert panels == {
        ("pre", "eigenvalue"): {
            "": Extent(1, 3, 5),
            "inside": Extent(1, 1.75, 2.5),
            "across": Extent(2.5, 5, 7.5),
            "beyond": Extent(5, 7.5, 10),
            "own": Extent(1, 3, 5),
        }
    }
    errors = {"own": 0.02, "inside": 0.01, "across": 0.05, "beyond": 0.1}
    curves = [curve(name, error, "zero_shot") for name, error in errors.items()]
    curves += [curve(name, 2 * error, "scratch") for name, error in errors.items()]
    (axes,) = error_by_parameter(curves, panels, Styles(curves)).axes
    assert (axes.get_xlabel(), axes.get_xscale(), axes.get_yscale()) == ("λ", "log", "log")
    lines = {str(c.get_label()): c.lines[0].get_xydata() for c in axes.containers}
    np.testing.assert_allclose(lines["zero-shot"], [[1.75, 0.01], [3, 0.02], [5, 0.05], [7.5, 0.1]])
    np.testing.assert_allclose(lines["from scratch, 16 samples"][:, 1], [0.02, 0.04, 0.1, 0.2])
    bars = sorted(
        tuple(map(float, line.get_xdata())) for line in axes.lines if line.get_color() == "0.4"
    )
    assert bars == [(1, 2.5), (1, 5), (2.5, 7.5), (5, 10)]
    heights = {
        tuple(line.get_xdata()): line.get_ydata()[0]
        for line in axes.lines
        if line.get_color() == "0.4"
    }
    assert heights[1, 2.5] != heights[1, 5] != heights[2.5, 7.5]


def test_a_parameter_of_one_test_set_is_not_drawn():
    found = SimpleNamespace(
        study=SimpleNamespace(
            pretrainings={
                "pre": SimpleNamespace(datasets=["own"]),
                "mixed": SimpleNamespace(datasets=["own", "other"]),
            }
        ),
        manifests={
            "own": made(eigenvalue=[1, 5]),
            "other": made(eigenvalue=[5, 9]),
            "heat": made("heat", eigenvalue=[9, 10]),
        },
    )
    pairs = [("pre", "other"), ("pre", "heat"), ("mixed", "other"), ("mixed", "heat")]
    assert shifted_panels(found, pairs) == {}
