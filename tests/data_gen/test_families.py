"""Which family of data sets a command line asks for, and what is said where it asks for two."""

import pytest
from tiny_generation import generated

from data_gen import solve
from data_gen.configuration import DatasetConfig
from data_gen.elliptic_configuration import EllipticConfig
from data_gen.evolution_configuration import EvolutionConfig
from data_gen.families import family
from lightning_sciml.errors import InputError


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--config=data/poisson_1_5", "--source.num_gaussians=3"], DatasetConfig),
        (["--config=data/poisson_dirichlet_1_5"], DatasetConfig),
        (["--config=data/darcy_fno", "--boundary", "neumann"], EllipticConfig),
        (["--diffusivity.contrast=[1,2]"], EllipticConfig),
        (["--initial_state", "Blobs"], EvolutionConfig),
        (["--initial_state.num_modes=3", "--num_points=24"], EvolutionConfig),
        (["--coefficients.help", "GrayScottCoefficients"], EvolutionConfig),
        (["--coefficients=data_gen.unsteady_coefficients.HeatCoefficients"], EvolutionConfig),
        (["--coefficients.help=PoissonCoefficients"], DatasetConfig),
        ([], DatasetConfig),
    ],
)
def test_an_option_that_no_other_family_has_tells_the_family(words, found):
    assert family(words) is found


def test_the_help_of_an_evolution_equation_needs_no_config(capsys):
    with pytest.raises(SystemExit) as stop:
        solve.parse(["--coefficients.help", "GrayScottCoefficients"])
    assert stop.value.code == 0
    assert "--coefficients.feed" in capsys.readouterr().out


def test_options_of_two_families_are_rejected():
    with pytest.raises(InputError, match="initial_state and diffusivity are options of data sets"):
        family(["--config=data/darcy_fno", "--initial_state=Blobs"])


def test_an_option_of_another_family_is_answered_with_those_there_are(tmp_path):
    status, (line,) = generated(tmp_path / "set", "poisson_1_5", max_residual=1e-8)
    assert status == 2
    assert line.startswith("error: unrecognized arguments: --max_residual=1e-08; known are config,")
