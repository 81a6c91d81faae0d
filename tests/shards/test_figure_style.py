"""The style of figures: colours that survive a copy in grey, letters that can be read in print."""

import ast
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import lightning_sciml
from lightning_sciml.errors import InputError
from lightning_sciml.shards.color_maps import MAPS, luminance
from lightning_sciml.shards.field_panels import color_scale
from lightning_sciml.shards.figure_style import (
    ERROR,
    PREDICTION,
    REFERENCE,
    STYLE,
    WIDTH,
    check_formats,
    save_figure,
    styled,
)
from lightning_sciml.shards.titles import wrapped

PACKAGE = Path(lightning_sciml.__file__).parent


@pytest.mark.parametrize("kind", ["signed", "one sign", "error"])
def test_the_lightness_of_every_map_rises_linearly(kind):
    """Equal steps of a value are equal steps of grey, so a copy in grey keeps the order."""
    y = luminance(MAPS[kind](np.linspace(0, 1, 257))[:, :3])
    values = 116 * np.cbrt(y) - 16  # L* of CIELAB, but for colours darker than all of these
    line = np.linspace(values[0], values[-1], 257)
    assert values[-1] - values[0] > 70
    np.testing.assert_allclose(values, line, atol=2.0)  # of 100; viridis is a spline


@pytest.mark.parametrize("kind", ["signed", "error"])
def test_zero_is_grey_and_the_signs_have_other_hues(kind):
    low, zero, high = MAPS[kind](np.array([0.25, 0.5, 0.75]))[:, :3]
    assert np.ptp(zero) < 0.01
    assert low.argmin() != high.argmin()


def test_kinds_of_fields_have_maps_of_their_own_around_zero():
    assert len({MAPS[kind].name for kind in MAPS}) == 3
    scale = color_scale(np.array([0.1, 0.3]), "error")
    assert (scale["cmap"], scale["vmin"], scale["vmax"]) == (MAPS["error"], -0.3, 0.3)
    assert color_scale(np.array([0.1, 0.3]))["cmap"] == MAPS["one sign"]


def test_reference_prediction_and_error_differ_in_their_lines():
    assert len({str(look["ls"]) for look in (REFERENCE, PREDICTION, ERROR)}) == 3


def test_letters_of_the_style_have_seven_points_at_least():
    sizes = [value for name, value in STYLE.items() if name.endswith(("size", "font.size"))]
    assert min(size for size in sizes if not isinstance(size, str)) >= 1
    fonts = ("font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "legend.fontsize")
    assert min(STYLE[name] for name in fonts) >= 7
    assert WIDTH == 5.5


def test_every_function_that_returns_a_figure_has_the_style():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
            if is_public and getattr(node.returns, "id", "") == "Figure":
                names = [getattr(decorator, "id", "") for decorator in node.decorator_list]
                assert "styled" in names, f"{path}: {node.name}"


def test_figures_are_saved_in_one_place():
    """A figure that is saved elsewhere has the user's settings instead of the style."""
    saving = [path for path in PACKAGE.rglob("*.py") if ".savefig(" in path.read_text()]
    assert [path.name for path in saving] == ["figure_style.py"]


def test_the_users_settings_neither_change_figures_nor_are_changed():
    @styled
    def drawn():
        axes = Figure().subplots()
        return axes.set_title("u").get_fontsize()

    with matplotlib.rc_context({"axes.titlesize": 30.0}):
        assert drawn() == 8
        assert matplotlib.rcParams["axes.titlesize"] == 30.0


def test_equal_figures_are_equal_files_in_every_format(tmp_path):
    def drawn() -> Figure:
        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([1, 2], [3, 4])
        return figure

    files = save_figure(drawn(), tmp_path / "a", ["png", "svg", "pdf"])
    for file, other in zip(
        files, save_figure(drawn(), tmp_path / "b", ["png", "svg", "pdf"]), strict=True
    ):
        assert file.read_bytes() == other.read_bytes()
    assert [file.name for file in files] == ["a.png", "a.svg", "a.pdf"]
    assert files[2].read_bytes().startswith(b"%PDF")


def test_unknown_formats_are_rejected_in_one_line():
    assert check_formats(["pdf", "png"]) == ["png", "pdf"]
    with pytest.raises(InputError, match="formats must be some of png, svg, pdf, got eps"):
        check_formats(["png", "eps"])


def test_titles_are_not_broken_within_a_range():
    broken = wrapped("advection-diffusion, Ψ ∈ (0.2, 1); 1M", 24)
    assert broken.split("\n") == ["advection-diffusion,", "Ψ ∈ (0.2, 1); 1M"]
