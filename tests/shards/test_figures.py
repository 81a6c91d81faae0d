"""Figures of data sets of all kinds."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from heat_sets import heat, write_heat
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from PIL import Image

from lightning_sciml import write_dataset
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.field_panels import color_scale, panel_size, spread
from lightning_sciml.shards.figures import coefficients_figure, plot_dataset, samples_figure
from lightning_sciml.shards.movie import FFMpegWriter
from lightning_sciml.shards.reader import read_dataset
from lightning_sciml.shards.titles import time_labels
from lightning_sciml.shards.trajectories import frames_figure, moments_figure


@pytest.fixture(scope="module")
def evolution(tmp_path_factory):
    """Trajectories of a vector and a static source, 16 × 24 points on 1 × 3, walls along y."""
    return write_heat(
        tmp_path_factory.mktemp("figures") / "evolution",
        shape=(16, 24),
        lengths=(1.0, 3.0),
        boundary=("neumann", "periodic"),
        num_times=4,
        fields=("velocity_x", "velocity_y"),
        with_source=True,
    )


def texts(figure):
    """All that is written into a figure."""
    parts = [figure, *figure.subfigs]
    found = [axes.get_title() for axes in figure.axes] + [a.get_ylabel() for a in figure.axes]
    return found + [part.get_suptitle() for part in parts]


@pytest.mark.parametrize("name", ["poisson_1_5", "advection_diffusion_0p2_1", "helmholtz_1_10"])
def test_figures_of_every_system_are_written(datasets, tmp_path, name):
    files = plot_dataset(datasets[name], tmp_path / "figures")
    assert [file.name for file in files] == ["samples.png", "coefficients.png", "spectra.png"]
    for file in files:
        assert np.ptp(imread(file)) > 0.5  # something dark on something light


def test_figures_and_a_movie_of_trajectories_are_written(evolution, tmp_path):
    files = plot_dataset(evolution, tmp_path, "gif")
    names = ["trajectories.png", "moments.png", "coefficients.png", "spectra.png"]
    assert [file.name for file in files] == [*names, "trajectories.gif"]
    for file in files[:-1]:
        assert np.ptp(imread(file)) > 0.5
    with Image.open(files[-1]) as movie:
        assert movie.n_frames == 4  # a frame a time


def test_frames_of_a_field_share_colours_and_the_aspect_of_the_domain(evolution):
    dataset = read_dataset(evolution, "train")
    figure = frames_figure(dataset)
    assert {"t = 0", "t = 0.1", "t = 0.2", "t = 0.3", "velocity x\ny", "source\ny"} <= {
        *texts(figure)
    }
    images = [image for axes in figure.axes for image in axes.images]
    fields = [i for i in images if i.get_array().shape == (16, 24)]
    num_samples, num_frames = 2, 4
    assert len(fields) == num_samples * (1 + 2 * num_frames)
    assert len({image.get_clim() for image in fields}) == 3  # a scale for each field
    assert {tuple(image.get_extent()) for image in fields} == {(0, 3, 0, 1)}
    assert all(image.axes.get_aspect() == 1 for image in fields)
    first = dataset[0]["velocity_x"]
    np.testing.assert_array_equal(fields[1].get_array(), first[0])
    np.testing.assert_array_equal(fields[4].get_array(), first[-1])


def test_moments_are_those_of_the_states(evolution):
    dataset = read_dataset(evolution, "train")
    axes = moments_figure(dataset).axes
    states = dataset[:]["velocity_y"].astype(float)
    drawn = [np.array([line.get_ydata() for line in a.lines]) for a in axes]
    np.testing.assert_allclose(drawn[1], states.mean((2, 3)), atol=1e-12)
    np.testing.assert_allclose(drawn[3], (states**2).mean((2, 3)), rtol=1e-12)
    np.testing.assert_allclose(axes[0].lines[0].get_xdata(), dataset.times)
    assert axes[0].get_title().startswith("mean of velocity x:\nchanges by ≤ ")


def test_a_steady_set_of_several_fields_on_a_rectangle_is_drawn(tmp_path):
    rng = np.random.default_rng(0)
    fields = {name: rng.random((4, 8, 16)) for name in ("a", "b", "u", "v")}
    write_dataset(
        tmp_path / "set",
        {name: fields[name] for name in "ab"},
        {name: fields[name] for name in "uv"},
        lengths=(1.0, 2.0),
        boundary=("wall", "wall"),
        split={"train": 4},
    )
    figure = samples_figure(read_dataset(tmp_path / "set", "train"))
    images = [i for axes in figure.axes for i in axes.images if i.get_array().shape == (8, 16)]
    assert len(images) == 4 * 4
    assert {tuple(image.get_extent()) for image in images} == {(0, 2, 0, 1)}
    assert [file.name for file in plot_dataset(tmp_path / "set", tmp_path / "figures")] == [
        "samples.png",
        "spectra.png",
    ]


def test_numbers_below_samples_neither_overlap_nor_leave_the_figure(tmp_path):
    names = ("diffusivity", "velocity_x", "velocity_y", "rate_of_decay", "spring_of_the_left_wall")
    u = np.random.default_rng(0).normal(size=(4, 8, 8))
    numbers = dict.fromkeys(names, -123.4)
    write_dataset(tmp_path / "set", {"f": u}, {"u": -u}, numbers, split={"train": 4})
    figure = samples_figure(read_dataset(tmp_path / "set", "train"))
    FigureCanvasAgg(figure).draw()
    labels = [axes.xaxis.label for axes in figure.axes if axes.get_xlabel()]
    boxes = [label.get_window_extent() for label in labels]
    assert len(boxes) == 4
    assert boxes[0].x0 >= 0
    assert boxes[-1].x1 <= figure.bbox.x1
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
    assert all(box.y0 >= 0 for box in boxes)


def test_colours_are_around_zero_only_where_both_signs_matter():
    assert color_scale(np.array([-1.0, 3.0]))["vmin"] == -3
    assert color_scale(np.array([-0.01, 3.0]))["vmin"] == -0.01
    assert color_scale(np.array([290.0, 300.0]))["vmin"] == 290


def test_panels_have_the_aspect_of_the_domain_and_fit_a_page():
    for lengths in ((1.0, 1.0), (1.0, 40.0), (6.28, 1e-3)):
        height, width = panel_size(lengths)
        np.testing.assert_allclose(height / width, lengths[0] / lengths[1])
        assert max(height, width) < 4


def test_chosen_numbers_have_both_ends_and_times_differ():
    assert spread(101, 5) == [0, 25, 50, 75, 100]
    assert spread(2, 5) == [0, 1]
    assert time_labels([1000.0, 1000.01]) == ["t = 1000", "t = 1000.01"]


def test_heat_of_the_test_sets_decays_as_its_equation_says():
    grid = Grid(shape=(32, 32), lengths=(1.0, 2.0), boundary=("neumann", "periodic"))
    nu, source, states = heat(grid, np.array([0.0, 1e-3]), 1, with_source=True)
    u, later = states[0, :, 0]
    h = np.array(grid.lengths) / 32
    padded = np.pad(np.pad(u, ((1, 1), (0, 0)), "edge"), ((0, 0), (1, 1)), "wrap")
    along_y = (padded[2:, 1:-1] - 2 * u + padded[:-2, 1:-1]) / h[0] ** 2
    along_x = (padded[1:-1, 2:] - 2 * u + padded[1:-1, :-2]) / h[1] ** 2
    rate = nu[0] * (along_y + along_x) + source[0]
    change = (later - u) / 1e-3
    assert np.abs(change - rate).max() < 0.05 * np.abs(rate).max()  # second order: (kh)²/12


def test_a_movie_needs_times_and_an_mp4_needs_ffmpeg(datasets, evolution, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no times to make a movie of; leave --movie out"):
        plot_dataset(datasets["poisson_1_5"], tmp_path / "figures", "gif")
    monkeypatch.setattr(FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    with pytest.raises(InputError, match="ffmpeg, which is not found; use --movie gif"):
        plot_dataset(evolution, tmp_path / "figures", "mp4")
    assert not (tmp_path / "figures").exists()


def test_unwritable_folder_is_rejected(datasets, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        plot_dataset(datasets["poisson_1_5"], tmp_path / "file" / "figures")


@pytest.mark.parametrize(
    ("boundary", "walls"), [("periodic", ""), ("dirichlet", "Dirichlet "), ("neumann", "Neumann ")]
)
def test_figures_of_coefficients_name_the_walls_and_measure_from_their_resonances(
    datasets, boundary, walls
):
    """At ω = 1 the nearest κ|k|² are 0.79 = 2·4π²κ, 0.99 = 10π²κ, and 0.99 = 10π²κ."""
    manifest = read_dataset(datasets["helmholtz_1_10"], "train").manifest
    grid = replace(manifest.grid, boundary=(boundary, boundary))
    figure = coefficients_figure(replace(manifest, grid=grid))
    assert figure.get_suptitle().startswith(f"{walls}Helmholtz, ω ∈ (1, 10): ")
    (axes,) = (axes for axes in figure.axes if axes.get_title() == "distance from resonance")
    nearest = {"periodic": 2 * 4, "dirichlet": 10, "neumann": 10}[boundary] * np.pi**2 * 0.01
    assert axes.patches[0].get_height() == pytest.approx(abs(1 - nearest))
