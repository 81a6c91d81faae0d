"""Settings that make no data set of trajectories end generation in one line and leave nothing."""

import io
import shutil
import sys
from contextlib import redirect_stderr

import pytest
from small_trajectories import CONFIG

from data_gen import solve


def told(output, *words, **options):
    """Run the program here, with a number of steps; return its exit status and its lines."""
    flags = [f"--{name}={value}" for name, value in ({"steps": 4} | options).items()]
    said = io.StringIO()
    with redirect_stderr(said):
        status = solve.main([f"--config={CONFIG}", f"--output={output}", *words, *flags])
    return status, said.getvalue().strip().splitlines()


INVALID = [
    ("coefficients.nu", "[-0.1,0.1]", "nu must be positive"),
    ("coefficients.nu", "[0.2,0.1]", "nu must be a range [low, high]"),
    ("lengths", "[0,1]", "lengths of a grid must be positive and finite, got (0.0, 1.0)"),
    ("lengths", "[1,.inf]", "lengths of a grid must be positive and finite"),
    ("lengths", "1", "lengths: wanted a list such as [1, 1], got 1"),
    ("num_points", 6, "initial_state.num_modes=3 needs a grid of at least 7 points"),
    ("times.interval", 0, "times.interval must be positive"),
    ("times.interval", ".nan", "times.interval must be positive"),
    ("times.num", 1, "times.num must be 2 …"),
    ("coefficients.nu", "1e-3", "coefficients.nu: wanted a list such as [1e-3, 1e-3], got 1e-3"),
    ("times.horizon", 2, "; times has the options times.interval, times.num, times.first"),
    ("times.first", 0.01, "times.first must be a multiple of the step 0.025, got 0.01"),
    ("times.first", 1e300, "times.first at most as many intervals"),
    ("times", "0.1", "times"),
    (
        "error_horizon",
        0.15,
        "error_horizon must be a stored time, got 0.15; times are 0, 0.1 … 0.3",
    ),
    ("error_horizon", ".nan", "error_horizon must be a stored time, got nan"),
    ("steps", 0, "steps must be auto or 1 … 100,000, got 0"),
    ("steps", "many", "steps"),
    ("max_time_error", 0, "max_time_error must lie in 0 … 1, got 0"),
    ("max_spectral_tail", ".nan", "max_spectral_tail must lie in 0 … 1, got nan"),
    ("checked_share", 0, "checked_share must be at least 1, got 0"),
    ("library", "fftw", "library: wanted numpy or ducc0, got fftw"),
    ("initial_state", "Waves", "initial_state: no class is called Waves, wanted one of"),
    ("coefficients", "PoissonCoefficients", "coefficients: no class is called"),
    ("num_train_samples", 10**15, "samples of a split at most"),
]
AT_THE_FIRST_SAMPLE = [
    # advection by 4000 cells a step, and by 2: too much for an explicit step
    ({"initial_state.rms": 1e4}, "train sample 0 is not finite at time 0.1 with steps=4"),
    (
        {"initial_state.rms": 1, "steps": 1, "max_spectral_tail": 1},
        "train sample 0 has a time error",
    ),
    ({"initial_state.rms": 1, "steps": 50}, "train sample 0 is not resolved at time 0.2"),
]


@pytest.mark.parametrize(
    ("option", "value", "message"), INVALID, ids=[f"{o}={v}" for o, v, _ in INVALID]
)
def test_an_invalid_setting_is_rejected_in_one_line_and_leaves_nothing(
    tmp_path, option, value, message
):
    status, lines = told(tmp_path / "set", **{option: value})
    assert status == 2
    (line,) = lines
    assert line.startswith("error: ")
    assert message in line
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("options", "message"), AT_THE_FIRST_SAMPLE)
def test_unstable_or_unresolved_settings_are_found_at_the_first_sample(tmp_path, options, message):
    status, lines = told(tmp_path / "set", **options)
    assert status == 2
    (line,) = lines
    assert line.startswith(f"error: {message}")
    assert not any(tmp_path.iterdir())


def test_a_library_that_is_not_installed_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ducc0", None)
    status, (line,) = told(tmp_path / "set", library="ducc0")
    assert status == 2
    assert "ducc0 is not installed; pip install 'lightning_sciml[ducc]'" in line
    assert not any(tmp_path.iterdir())


def test_an_error_that_no_steps_meet_ends_the_trial(tmp_path, monkeypatch):
    monkeypatch.setattr("data_gen.step_trial.MAX_STEPS", 16)
    status, (_, line) = told(tmp_path / "set", steps="auto", max_time_error=1e-15)
    assert status == 2
    assert line.startswith("error: train sample 0 has a time error of")
    assert "with 16 steps between stored times, wanted 1.0e-16; raise max_time_error" in line


@pytest.mark.parametrize(("option", "value"), [("steps", 50), ("times.interval", 0.05)])
def test_a_set_is_not_resumed_with_other_settings(undisturbed, tmp_path, option, value):
    output = shutil.copytree(undisturbed / "burgers_small", tmp_path / "set")
    status, (line,) = told(output, **{option: value})
    assert status == 2
    assert "holds another data set" in line
    assert f"config.{option} is " in line
    assert f", asked {value}" in line
