"""Figures of a study: axes that can be read, titles in words."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from heat_sets import write_heat

from lightning_sciml.evaluation.sample_fields import SampleFields
from lightning_sciml.shards.axis_ticks import log_ticks
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.titles import title, titles
from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.plotting import error_by_samples, error_by_shift
from lightning_sciml.study.report.sample_panels import sample_panels
from lightning_sciml.study.report.size_figure import error_by_size
from lightning_sciml.study.report.styles import Styles
from lightning_sciml.study.report.trained_parameters import error_by_trained_parameters


def curve(errors, num_samples, *, dataset="poisson_5_10", init="scratch", model="1M") -> Curve:
    return Curve(
        arm=Arm(init, "" if init == "scratch" else "poisson_1_5", model, "paper"),
        dataset=dataset,
        num_samples=tuple(num_samples),
        replicates=((0, 0),),
        errors=np.array([errors], float),
        num_parameters={"1M": 10**6, "4M": 4 * 10**6}[model],
    )


def labelled(axis) -> list:
    """Ticks with labels that lie within the limits of an axis, once drawn."""
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    shown = [t for t in ticks if low <= t.get_loc() <= high and t.label1.get_text()]
    return shown


def test_a_logarithmic_axis_has_two_to_seven_ticks_within_it():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        low = 10 ** rng.uniform(-9, 6)
        high = low * 10 ** rng.choice([1e-3, 0.05, 0.3, 1, 3, 12]) * 1.001
        ticks = log_ticks(low, high)
        assert 2 <= len(ticks) <= 7, (low, high, ticks)
        assert low <= min(ticks)
        assert max(ticks) <= high
        assert len({f"{tick:g}" for tick in ticks}) == len(ticks) or high / low < 1.0001


@pytest.mark.parametrize(
    "errors",
    [[0.9], [0.95, 0.94], [0.31, 0.29], [0.5, 0.05], [0.9, 1e-6], [2e-5, 1.9e-5], [0.11, 0.19]],
)
def test_every_axis_has_two_labels_of_one_size(errors):
    sizes = (16, 64)[: len(errors)]
    arms = [
        curve(e, sizes, model=model, init=init, dataset=dataset)
        for e in (errors,)
        for model in ("1M", "4M")
        for init in ("scratch", "fine_tune")
        for dataset in ("poisson_5_10", "poisson_1_5")
    ]
    styles = Styles(arms)
    shifts = {("poisson_1_5", "poisson_5_10"): 0.7, ("poisson_1_5", "poisson_1_5"): 0.0}
    for figure in (
        error_by_samples(arms, {}, styles),
        error_by_size(arms, styles),
        error_by_shift([a for a in arms if a.arm.model == "1M"], shifts, styles),
    ):
        figure.draw_without_rendering()
        for axes in figure.axes:
            x_ticks, y_ticks = labelled(axes.xaxis), labelled(axes.yaxis)
            assert len(x_ticks) >= 2
            is_inner = not axes.yaxis.get_tick_params().get("labelleft", True)
            assert is_inner or len(y_ticks) >= 2
            assert len({tick.label1.get_size() for tick in (*x_ticks, *y_ticks)}) == 1


def test_a_line_joins_networks_of_one_class_at_their_numbers_of_parameters():
    sizes = {"64K": 63_489, "1M": 1_064_321, "res": 200_000, "near": 210_000}
    arms = [
        replace(curve([0.5], (4,)), arm=Arm("scratch", "", m, "paper"), num_parameters=n)
        for m, n in sizes.items()
    ]
    families = {"64K": "FNO", "1M": "FNO", "res": "ResNet", "near": "ResNet"}

    def drawn(some):
        figure = error_by_size(some, Styles(some), families)
        figure.draw_without_rendering()
        (axes,) = figure.axes
        lines = {tuple(map(int, bars[0].get_xdata())) for bars in axes.containers}
        return lines, [tick.get_text() for tick in axes.get_xticklabels()]

    lines, ticks = drawn(arms)
    assert lines == {(63_489, 1_064_321), (200_000, 210_000)}
    assert ticks == ["63.5K", "200K", "1.06M"]  # the last two but one would touch
    lines, ticks = drawn(arms[:3])
    assert lines == {(63_489, 1_064_321), (200_000,)}
    assert ticks == ["63.5K\n64K", "200K\nres", "1.06M\n1M"]
    _, ticks = drawn(arms[:2])  # names that say the same
    assert ticks == ["63.5K", "1.06M"]


def test_figures_of_many_sets_are_no_wider_than_three_panels():
    """A page scales a wider figure down until its labels cannot be read."""
    arms = [
        replace(arm, arm=arm.arm._replace(pretraining=name), num_trained_parameters=number)
        for number, model in enumerate(("1M", "4M"), start=1)
        for name in "abcde"
        for dataset in ("x" + name, "y" + name)
        for arm in [curve([0.5, 0.1], (4, 16), dataset=dataset, init="fine_tune", model=model)]
    ]
    styles = Styles(arms)
    shifts = {(name, first + name): 0.1 for name in "abcde" for first in "xy"}
    for figure in (
        error_by_size(arms, styles),
        error_by_shift([arm for arm in arms if arm.arm.model == "1M"], shifts, styles),
        error_by_trained_parameters([[arm] for arm in arms], styles),
    ):
        rows = Counter(axes.get_subplotspec().rowspan.start for axes in figure.axes)
        assert max(rows.values()) == 3
        assert figure.get_figwidth() <= 5.5


def test_titles_say_equation_and_range(datasets):
    manifests = {name: Manifest.load(folder) for name, folder in datasets.items()}
    assert titles(manifests) == {
        "poisson_1_5": "Poisson, λ ∈ (1, 5)",
        "poisson_5_10": "Poisson, λ ∈ (5, 10)",
        "advection_diffusion_0p2_1": "advection-diffusion, Ψ ∈ (0.2, 1)",
        "helmholtz_1_10": "Helmholtz, ω ∈ (1, 10)",
    }
    first = manifests["poisson_1_5"]
    same = titles({"first": first, "second_set": first})
    assert same["second_set"] == "Poisson, λ ∈ (1, 5) (second_set)"
    for config in ({}, {"coefficients": None}, {"coefficients": {"init_args": {"eigenvalue": 3}}}):
        unknown = Manifest(**{**vars(first), "config": config})
        assert title(unknown) == "poisson_1_5"  # a set of one's own keeps its name
    media = {"diffusivity": {"class_path": "T", "init_args": {"low": 3.0, "contrast": [2, 8]}}}
    darcy = Manifest(**{**vars(first), "equation": "darcy", "config": media})
    assert title(darcy) == "Darcy flow, contrast ∈ (2, 8)"


def test_figures_are_titled_by_words():
    arms = [curve([0.5, 0.4], (16, 64)), curve([0.4, 0.3], (16, 64), init="fine_tune")]
    styles = Styles(arms, {"poisson_5_10": "Poisson, λ ∈ (5, 10)"})
    of_one = error_by_size([curve([0.5], (1,))], styles)
    assert of_one.axes[0].get_legend_handles_labels()[1] == ["from scratch, 1 sample"]
    figure = error_by_samples(arms, {}, styles)
    assert figure.axes[0].get_title() == "Poisson, λ ∈ (5, 10); 1M"
    assert styles.title("some_set") == "some_set"


def shown(manifest, inputs, reference, prediction, coefficients) -> SampleFields:
    """A sample as a test keeps it, at one step."""
    return SampleFields(
        inputs=inputs,
        reference=reference[None],
        prediction=prediction[None],
        coefficients=coefficients,
        lead_times=np.array([0.1 * manifest.is_evolution]),
        sample_index=0,
        time_index=0,
        input_fields=manifest.input_fields + manifest.state_fields,
        output_fields=manifest.target_fields,
    )


def test_panels_measure_the_error_by_u_and_the_residual_by_f(datasets):
    data = ShardedDataset(datasets["poisson_1_5"], "test")
    source, reference = data.fields(np.array([0]))[0][:, None]
    coefficients = data.coefficients(np.array([0]))[0].astype(np.float32)
    predictions = {"exact": reference, "nothing": np.zeros_like(reference)}
    samples = {
        label: shown(data.manifest, source, reference, prediction, coefficients)
        for label, prediction in predictions.items()
    }
    figure = sample_panels(samples, data.manifest, "solution")
    titles = [axes.get_title().replace("\n", " ") for axes in figure.axes]  # wrapped
    assert "error û − u: 0 of ‖u‖" in titles
    assert "error û − u: 1 of ‖u‖" in titles
    residuals = [float(t.split(": ")[1].split()[0]) for t in titles if t.startswith("residual")]
    assert residuals[0] < 1e-3  # rounding to float32, amplified by L
    assert residuals[1] == 1


def test_panels_of_a_field_of_an_evolution_show_its_last_state_on_its_rectangle(tmp_path):
    walls = {"shape": (8, 12), "lengths": (1.0, 3.0), "boundary": ("neumann", "periodic")}
    write_heat(tmp_path / "heat", fields=("u", "v"), with_source=True, **walls)
    data = ShardedDataset(tmp_path / "heat", "test")
    source = data.inputs(np.array([0]))[0]
    before, after = data.windows(np.array([0]), np.array([0]), 2)[0]
    sample = shown(data.manifest, np.concatenate([source, before]), after, 0.9 * after, np.ones(1))
    later = replace(sample, reference=2 * sample.reference)  # of another window
    figure = sample_panels({"arm": sample, "later": later}, data.manifest, "v")
    assert len(figure.axes) == len(sample_panels({"arm": sample}, data.manifest, "v").axes)
    drawn = {axes.get_title(): axes.images[0] for axes in figure.axes if axes.images}
    assert {"v", "source", "reference v after 0.1"} < drawn.keys()
    np.testing.assert_array_equal(drawn["v"].get_array(), before[1])
    assert "error û − u:\n0.1 of ‖u‖" in drawn
    assert drawn["v"].get_extent() == [0, 3.0, 0, 1.0]
    assert not [title for title in drawn if title.startswith("residual")]
