"""Shipped sets of trajectories: a shifted set differs in what is drawn of coefficients alone."""

import numpy as np
import pytest
import yaml
from programs import ROOT

from data_gen import solve
from data_gen.evolution_configuration import EvolutionConfig
from data_gen.random_numbers import sample_uniforms
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS

CONFIGS = {path.stem: path for path in sorted((ROOT / "launch/configs/data").glob("*.yaml"))}
CONFIGS = {name: path for name, path in CONFIGS.items() if "initial_state:" in path.read_text()}
SHIFTED = {
    "navier_stokes_0p001_0p004": ["0p0004_0p0005", "0p0005_0p001", "0p004_0p01"],
    "burgers_0p01_0p03": ["0p005_0p01", "0p03_0p06", "0p06_0p1"],
    "kuramoto_sivashinsky_30_60": ["20_30", "60_75", "75_90"],
    "gray_scott_0p057_0p062": [
        *("0p05_0p052", "0p0535_0p0545", "0p0645_0p0655"),
        *("0p0565_0p0575", "0p0615_0p0625", "0p097_0p099"),
    ],
    "allen_cahn_0p0005_0p002": ["0p0002_0p0005", "0p002_0p005", "0p005_0p01"],
    "heat_1_5": ["2p5_7p5", "5_10", "10_20"],
    "unsteady_advection_diffusion_0p2_1": ["0p2_0p4", "1_2", "2_5"],
}
MAY_DIFFER = {"name", "coefficients", "max_spectral_tail"}


def parsed(name):
    _, config = solve.parse([f"--config={CONFIGS[name]}", "--output=x"])
    assert isinstance(config, EvolutionConfig)
    return config


@pytest.mark.parametrize("pretraining", SHIFTED)
def test_shifted_sets_differ_in_the_ranges_of_coefficients_alone(pretraining):
    equation = parsed(pretraining).coefficients.equation.name
    kept = yaml.safe_load(CONFIGS[pretraining].read_text())
    for name in (f"{equation}_{ranges}" for ranges in SHIFTED[pretraining]):
        shifted = yaml.safe_load(CONFIGS[name].read_text())
        assert shifted["coefficients"]["class_path"] == kept["coefficients"]["class_path"]
        assert shifted["coefficients"]["init_args"] != kept["coefficients"]["init_args"]
        for key in (kept.keys() | shifted.keys()) - MAY_DIFFER:
            assert shifted[key] == kept[key], (name, key)


def test_each_equation_has_a_set():
    assert {parsed(name).coefficients.equation.name for name in CONFIGS} == set(EVOLUTION_EQUATIONS)


@pytest.mark.parametrize("name", CONFIGS)
def test_names_are_those_of_the_equation_and_its_range(name):
    """Its ends are those of a coefficient's range, p for the point; both are one for a point."""
    config = parsed(name)
    equation = config.coefficients.equation.name
    ends = [float(end.replace("p", ".")) for end in name.removeprefix(f"{equation}_").split("_")]
    options = yaml.safe_load(CONFIGS[name].read_text())["coefficients"]["init_args"].values()
    assert [min(ends), max(ends)] in list(options)
    assert len(CONFIGS[name].read_text().splitlines()) <= 15


@pytest.mark.parametrize("name", CONFIGS)
def test_initial_states_are_drawn_and_resolved(name):
    """No mode lies in the highest third of the grid's, where max_spectral_tail looks."""
    config = parsed(name)
    equation, coefficients = config.coefficients.equation, config.coefficients
    count = config.initial_state.num_uniforms(len(equation.state_fields))
    numbers = sample_uniforms(0, "train", np.arange(2), attempt=0, count=count)
    u_hat = config.initial_state.draw(numbers, config.lengths, equation)
    few = numbers[:, : coefficients.num_uniforms]
    assert np.isfinite(coefficients.draw(few, u_hat, config.lengths)).all()
    assert abs(u_hat).max() > 1e-3
    assert 3 * config.initial_state.num_modes <= 2 * ((config.num_points - 1) // 2)
