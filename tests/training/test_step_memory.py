"""The memory of unrolled steps: estimated as it is met, bounded, and said before a start."""

import os
import subprocess
import sys

import pytest
import torch
from heat_sets import write_heat
from tiny_run import fit, network, write_run

from lightning_sciml.cli.main import main
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.operators.unrolling import Unrolling
from lightning_sciml.training import memory_check
from lightning_sciml.training.step_memory import StepMemory, memory_fault, on_meta, step_memory

N = 32
HOW = {
    "all": Unrolling(),
    "last": Unrolling(gradients="last"),
    "checkpoint_steps": Unrolling(checkpoint_steps=True),
}
MEASURE = """
import sys, threading, time
from test_step_memory import HOW, losses, operator, step_memory

def resident():
    with open("/proc/self/statm") as file:
        return 4096 * int(file.read().split()[1])

def watch():
    global most
    while most and not is_over:
        most = max(most, resident())
        time.sleep(0.001)

of_operator = losses(operator(num_channels=32), HOW[sys.argv[1]])
estimated = step_memory(of_operator, 6).of(16)
before = most = resident()
is_over = False
thread = threading.Thread(target=watch)
thread.start()
of_operator(16, 6).sum().backward()
is_over = True
thread.join()
print(estimated, most - before)
"""


def operator(num_channels=8) -> NeuralOperator:
    net = FNO(
        num_channels=num_channels,
        num_modes=8,
        coefficient_names=("nu",),
        input_fields=("u@-1", "u"),
        output_fields=("u",),
    )
    return NeuralOperator(net, normalization="standard")


def losses(of_operator, unrolling):
    """The losses of random samples."""

    def losses_of(num_samples, num_steps):
        inputs, coefficients = torch.randn(num_samples, 2, N, N), torch.randn(num_samples, 1)
        problem = torch.zeros(num_samples, dtype=torch.long)
        outputs = torch.randn(num_samples, num_steps, 1, N, N)
        given = inputs, coefficients, problem, outputs
        found, wanted = of_operator.training_pair(*given, unrolling)
        return (found - wanted).square().sum((1, 2, 3, 4))

    return losses_of


@pytest.mark.parametrize("how", ["all", *(pytest.param(h, marks=pytest.mark.slow) for h in HOW)])
def test_the_estimate_is_what_a_process_takes_within_30_percent(how):
    """Give memory back when it is freed, so that the process shows what it holds."""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "16384", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, how],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    estimated, taken = map(float, result.stdout.split())
    assert taken > 3e7
    assert estimated == pytest.approx(taken, rel=0.3)


@pytest.mark.parametrize("how", HOW)
def test_nothing_need_be_computed_to_know_it(how):
    unrolling = HOW[how]
    with torch.device("meta"):
        without = on_meta(operator(), (N, N), unrolling)
    known, met = (step_memory(f, 5).of(8) for f in (without, losses(operator(), unrolling)))
    assert known == pytest.approx(met, rel=0.02)
    direct = step_memory(losses(operator(), unrolling), 2).of(8)
    growth = met / direct
    assert (growth > 2) if how == "all" else (growth < 1.3)


def test_the_remedy_names_what_bounds_memory_and_the_batch_that_fits():
    memory = StepMemory(shared=1e9, per_sample=1e9)
    assert memory_fault(memory, num_samples=7, num_steps=4, free=8e9) is None
    fault = memory_fault(memory, num_samples=16, num_steps=4, free=8.5e9)
    assert fault == (
        "num_unrolled_steps=4 of 16 samples a device take about 17 GB, 8.5 GB are free; set "
        "model.checkpoint_steps to true, model.gradients to last, data.batch_size to 7 a device or "
        "fewer"
    )
    bounded = memory_fault(memory, num_samples=16, num_steps=4, free=1e9, is_bounded=True)
    assert bounded.endswith("are free; set a smaller network")


@pytest.fixture
def config(tmp_path):
    """A run that unrolls three steps."""
    write_heat(tmp_path / "heat")
    return write_run(
        tmp_path / "run",
        [tmp_path / "heat"],
        model={"network": network(["nu"], input_fields=["u"]), "normalization": "standard"},
        data={"num_unrolled_steps": 3},
        trainer={"max_epochs": 1},
    )


def weights(run):
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def test_the_memory_is_said_and_the_training_left_as_it_is(config, monkeypatch, caplog):
    run = fit(config)
    assert "3 unrolled steps of 8 samples take about" in caplog.text
    measured = weights(run)
    monkeypatch.setattr("lightning_sciml.training.module.reject_steps_beyond_memory", id)
    plain = weights(fit(config, "--run_dir", str(config.parent / "plain")) and run.parent / "plain")
    assert all(torch.equal(tensor, measured[name]) for name, tensor in plain.items())


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_steps_are_measured_or_left_in_other_precisions(config, precision):
    """Weights become float64 after this check."""
    run = fit(config, f"--trainer.precision={precision}")
    dtype = weights(run)["operator.network.lifting.weight"].dtype
    assert dtype == (torch.float64 if precision == "64-true" else torch.float32)


def test_the_process_with_least_memory_counts(config, monkeypatch, capsys):
    """Else it alone would end, and the others wait for it."""
    monkeypatch.setattr(
        "lightning.pytorch.strategies.SingleDeviceStrategy.reduce",
        lambda self, tensor, *_, reduce_op=None, **__: (
            tensor * 0 + 1e5 if reduce_op == "min" else tensor
        ),
    )
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(config)])
    assert "0.1 MB are free; set model.checkpoint_steps to true" in capsys.readouterr().err


def test_steps_that_do_not_fit_are_one_line(config, monkeypatch, capsys):
    monkeypatch.setattr(memory_check, "available_memory", lambda: 1e5)
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(config)])
    assert "0.1 MB are free; set model.checkpoint_steps to true" in capsys.readouterr().err
