"""The examples of CONTRIBUTING.md do what its checklists say."""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from jaxtyping import Float

from data_gen import sampling
from data_gen.random_numbers import sample_uniforms
from data_gen.spectral_solver import SpectralSolver
from lightning_sciml.pde import equations
from lightning_sciml.pde.grid import PeriodicGrid

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def example(language: str, first_line: str) -> str:
    """The fenced block of that language in which the line stands, without its indentation."""
    fences = re.findall(rf"^( *)```{language}\n(.*?)^\1```", TEXT, re.MULTILINE | re.DOTALL)
    (block,) = (body for _, body in fences if first_line in body)
    return textwrap.dedent(block)


@pytest.fixture
def reaction_diffusion():
    """Equation and coefficients, defined where the checklist puts them."""
    of_equations, of_sampling = dict(vars(equations)), dict(vars(sampling))
    exec(example("python", "class ReactionDiffusion(Equation)"), of_equations)
    of_sampling["ReactionDiffusion"] = of_equations["ReactionDiffusion"]
    exec(example("python", "class ReactionDiffusionCoefficients"), of_sampling)
    config = yaml.safe_load(example("yaml", "class_path: ReactionDiffusionCoefficients"))
    chosen = config["coefficients"]
    ranges = {name: tuple(bounds) for name, bounds in chosen["init_args"].items()}
    assert config["name"].startswith(of_equations["ReactionDiffusion"].name)
    return of_sampling[chosen["class_path"]](**ranges)


def test_the_pde_of_the_checklist_is_drawn_in_its_ranges_and_solved(reaction_diffusion):
    """L cos(k·x) = (κ|k|² + s) cos(k·x)."""
    equation, grid = reaction_diffusion.equation, PeriodicGrid(16)
    uniforms = sample_uniforms(0, "train", np.arange(50), attempt=0, count=9)
    coefficients = reaction_diffusion.draw(uniforms, None, None)
    assert coefficients.shape == (50, len(equation.coefficient_names))
    assert (coefficients >= [0.01, 1.0]).all()
    assert (coefficients <= [0.05, 10.0]).all()
    x = np.arange(16) / 16
    u = np.cos(2 * np.pi * (3 * x[None, :] - 2 * x[:, None]))
    kappa, s = coefficients[0]
    f = (kappa * 4 * np.pi**2 * 13 + s) * u
    solution = SpectralSolver(equation, grid, 8).solve(f[None], coefficients[:1])
    np.testing.assert_allclose(solution[0], u, atol=1e-13)  # round-off
    np.testing.assert_array_equal(equation.coefficient_map(np.eye(2)), np.eye(2))


def test_the_network_of_the_checklist_commutes_with_translations():
    names = {"torch": torch, "F": torch.nn.functional, "Sequence": Sequence}
    names |= {"Float": Float, "Tensor": torch.Tensor}
    exec(example("python", "class ConvNet"), names)
    torch.manual_seed(0)
    network = names["ConvNet"](num_channels=4)
    source, coefficients = torch.randn(2, 1, 8, 8), torch.randn(2, 3)
    moved = network(source.roll((3, 1), (2, 3)), coefficients)
    expected = network(source, coefficients).roll((3, 1), (2, 3))
    torch.testing.assert_close(moved, expected)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("lightning_sciml/pde/steady.py", "EQUATIONS"),
        ("lightning_sciml/evaluation/test_report.py", "ERRORS"),
        ("lightning_sciml/study/execution/results.py", "_ERRORS"),
        ("lightning_sciml/study/execution/results.py", "class ResultRow"),
        ("lightning_sciml/foreign/layouts.py", "def open_steady_map"),
        ("lightning_sciml/foreign/layouts.py", "class SteadyMap"),
        ("tests/pde/test_steady.py", "COEFFICIENTS"),
        ("tests/pde/test_symmetries.py", "COEFFICIENTS"),
    ],
)
def test_checklists_name_what_is_there(path, name):
    assert f"`{path}`" in TEXT
    assert f"`{name.split()[-1]}`" in TEXT
    assert re.search(rf"^{name}\b", (ROOT / path).read_text(), re.MULTILINE)
