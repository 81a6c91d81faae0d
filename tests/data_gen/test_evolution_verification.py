"""Stored states are integrated again: an edited one is found, rounding and chaos are not faults."""

import shutil

import numpy as np
import pytest
from evolution_sets import rewrite_shard
from evolution_states import CASES, run, smooth_states

from data_gen.verification import check_of, check_step
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.shards.field_norms import field_norms
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.verification import verify_dataset

STEPS = 8


def checked(name, states, time, steps=STEPS):
    case = CASES[name]
    return check_step(
        EVOLUTION_EQUATIONS[name](),
        states.astype(np.float32),
        np.array(case.coefficients),
        interval=time,
        steps=steps,
        lengths=case.lengths,
    )


@pytest.mark.parametrize("name", EVOLUTION_EQUATIONS)
def test_stored_steps_are_good_and_an_edited_point_is_found(name):
    """Edit one point of each field in turn."""
    case = CASES[name]
    (states,) = run(name, smooth_states(name, (16, 16)), STEPS, times=(0.0, case.time))
    good = checked(name, states, case.time)
    assert good.is_checkable
    assert not good.is_wrong
    for field in range(states.shape[1]):
        wrong = states.copy()
        wrong[1, field, 3, 5] += 1e-2 * np.abs(states[1]).max()
        assert checked(name, wrong, case.time).is_wrong


def test_rounding_that_chaos_amplifies_is_no_fault():
    """After ten units of time a state can be checked, after a hundred it is another one."""
    name = "kuramoto_sivashinsky"
    start = smooth_states(name, (40, 40))
    (states,) = run(name, start, 250, times=(0.0, 50.0, 60.0, 160.0))
    near, far = checked(name, states[1:3], 10.0, 250), checked(name, states[2:], 100.0, 250)
    assert near.is_checkable
    assert near.explained > 2 * 256 * 2**-24
    assert not near.is_wrong
    assert not far.is_checkable


@pytest.fixture
def copy(undisturbed, tmp_path):
    return shutil.copytree(undisturbed / "burgers_small", tmp_path / "set")


def test_an_edited_state_is_found_and_all_others_are_good(copy, monkeypatch, capsys):
    """The checksums and norms agree with the edited state."""
    monkeypatch.setattr("data_gen.verification.CHECKS_A_SHARD", 4 * 3)
    assert verify_dataset(copy, check=check_of(Manifest.load(copy))) == []
    states = ShardedDataset(copy, "train").windows(np.arange(4), np.zeros(4, int), num_states=4)
    states[1, 2, 1, 3, 3] += 1e-3
    inputs = np.empty((4, 0, 16, 16), np.float32)
    norms = field_norms(inputs, states)
    rewrite_shard(copy, "train/00000.h5", trajectories=states, norms=norms)
    with pytest.raises(SystemExit):
        main(["data", "verify", str(copy)])
    told = capsys.readouterr().err
    assert "has 2 faults" in told
    for time in ("0.2", "0.3"):
        assert f"train/00000.h5: sample 1 at time {time} differs from the solution" in told


def test_a_manifest_that_contradicts_its_equation_is_rejected(copy):
    text = (copy / "manifest.json").read_text()
    (copy / "manifest.json").write_text(text.replace('"velocity_x"', '"velocity_z"'))
    with pytest.raises(InputError, match="state_fields of burgers are"):
        check_of(Manifest.load(copy))
