"""Compiled and sharded training end where plain training ends, and their checkpoints are plain."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from ranks import end_state, finish, join, run_killed, set_rank, start
from tiny_run import QUIET, network, write_run
from torch.distributed.device_mesh import init_device_mesh

from lightning_sciml.models.fno import FNO
from lightning_sciml.training.parallelism import ShardedParameters, data_parallel

# torch 2.13's inductor calls its own deprecated decorator while it compiles.
compiles = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
# Dynamo looks at what FSDP puts in the place of parameters.
compiles_shards = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not")
CONSTANT_RATE = {"class_path": "torch.optim.lr_scheduler.ConstantLR", "init_args": {"factor": 1.0}}


@pytest.fixture
def write_config(tmp_path, datasets):
    def write(
        name: str, *, model: dict | None = None, max_steps: int = 8, every=None, **trainer
    ) -> Path:
        options = {"scheduler": CONSTANT_RATE, **(model or {})}
        # The last batch of validation has one sample: none on one of two ranks.
        return write_run(
            tmp_path / name,
            [datasets["poisson_1_5"]],
            module=options.pop("class_path", "PretrainingModule"),
            model=options,
            data={"batch_size": 12, "num_train_samples": 24, "eval_batch_size": 4},
            trainer={
                "devices": 2,
                "max_steps": max_steps,
                "max_epochs": -1,
                "logger": None,
                "log_every_n_steps": 1,
                **trainer,
            },
            checkpoint_every_n_steps=every,
        )

    return write


def assert_close(run: Path, other: Path) -> None:
    """Eight steps of Adam grow a difference of round-off 1e-7 a thousandfold at most."""
    one, two = end_state(run), end_state(other)
    assert list(one["weights"]) == list(two["weights"])
    torch.testing.assert_close(one["weights"], two["weights"], rtol=1e-4, atol=1e-4)


def test_sharded_training_is_training(write_config, tmp_path):
    """Stopped, resumed sharded, resumed unsharded: where an undisturbed DDP run ends."""
    finish(write_config("plain"), 2)
    finish(write_config("sharded", strategy="fsdp", max_steps=3), 2)
    finish(write_config("sharded", strategy="fsdp", max_steps=5), 2)
    finish(write_config("sharded", strategy="ddp"), 2)
    assert_close(tmp_path / "sharded", tmp_path / "plain")


@pytest.mark.slow
@compiles
def test_compiled_training_is_training_and_resumes_bit_by_bit(write_config, tmp_path):
    compiled = {"compile": True}
    finish(write_config("plain"), 2)
    finish(write_config("undisturbed", model=compiled), 2)
    finish(write_config("resumed", model=compiled, max_steps=5), 2)
    finish(write_config("resumed", model=compiled), 2)
    assert_close(tmp_path / "undisturbed", tmp_path / "plain")
    one, other = end_state(tmp_path / "resumed"), end_state(tmp_path / "undisturbed")
    for part in ("weights", "optimizer"):  # a stop within an epoch counts it as one
        torch.testing.assert_close(one[part], other[part], rtol=0, atol=0)


@compiles
@compiles_shards
def test_fine_tuning_compiled_and_sharded_starts_from_a_plain_checkpoint(write_config, tmp_path):
    two_units = {"network": network(num_blocks=2)}
    finish(write_config("pretrained", model=two_units, max_steps=3), 2)
    model = {
        "class_path": "FineTuningModule",
        "checkpoint": str(tmp_path / "pretrained/checkpoints/last.ckpt"),
    }
    short = {"max_steps": 3, "limit_val_batches": 1}  # one shape a split, as each is compiled
    finish(write_config("plain", model=model, **short), 2)
    fast = {**model, "compile": True}
    finish(write_config("fast", model=fast, strategy="fsdp", **short), 2)
    assert_close(tmp_path / "fast", tmp_path / "plain")


HELD = {
    "class_path": "lightning_sciml.training.weight_constraints.FreezeModes",
    "init_args": {"below": 2.0},
}
UPDATES = {"low_rank": 2, "trains": "new"}
SOAP = {"class_path": "pytorch_optimizer.SOAP", "init_args": {"lr": 3e-3}}
KINDS = {
    "of three ranks": (3, {}, {}),
    "of two ranks with SOAP": (2, {"optimizer": SOAP}, {}),
    "of three ranks with SOAP": (3, {"optimizer": SOAP}, {"accumulate_grad_batches": 2}),
    "compiled": (2, {"compile": True}, {}),
    "sharded": (2, {}, {"strategy": "fsdp"}),
    "compiled and sharded": (2, {"compile": True}, {"strategy": "fsdp"}),
    "held to pre-trained weights": (2, {"class_path": "FineTuningModule"}, {"callbacks": [HELD]}),
    "of low-rank updates alone": (2, {"class_path": "FineTuningModule", **UPDATES}, {}),
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
@compiles
@compiles_shards
def test_killed_and_resumed_it_ends_with_the_bits_of_an_undisturbed_run(
    write_config, tmp_path, kind
):
    world_size, model, trainer = KINDS[kind]
    if "class_path" in model:
        finish(write_config("pretrained", max_steps=3), world_size)
        model = {**model, "checkpoint": str(tmp_path / "pretrained/checkpoints/last.ckpt")}
    options = {"model": model, "every": 2, **trainer}
    finish(write_config("undisturbed", **options), world_size)
    killer = {"class_path": "ranks.KillAt", "init_args": {"step": 5, "delay_s": 0.0}}
    callbacks = [*trainer.get("callbacks", ()), killer]
    assert run_killed(write_config("killed", **{**options, "callbacks": callbacks}), world_size)
    finish(write_config("killed", **options), world_size)
    one, other = end_state(tmp_path / "killed"), end_state(tmp_path / "undisturbed")
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def check_shards(rank: int, world_size: int, port: int, block: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world_size)
    torch.manual_seed(0)
    network = FNO(num_channels=4, num_modes=3, block=block)
    source, coefficients = torch.randn(2, 1, 9, 8), torch.randn(2, 3)
    expected = network(source, coefficients)
    strategy = ShardedParameters(world_size, timedelta(seconds=60))
    strategy._device_mesh = init_device_mesh(
        "cpu", (2, 1), mesh_dim_names=("data_parallel", "tensor_parallel")
    )
    strategy.shard(network)
    for unit in network.blocks:
        assert unit.spectral.weight.shape == (18, 4, 2, 4)
        assert unit.spectral.weight.to_local().shape == (9, 4, 2, 4)  # half of the modes
    torch.testing.assert_close(network(source, coefficients), expected, rtol=0, atol=0)
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("block", ["paper", "mlp"])
def test_each_rank_holds_half_of_the_modes(block):
    join(start(2, check_shards, block))


class SameStep(LightningModule):
    """Takes the same step again and again at a learning rate of zero, and records its gradients."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = FNO(num_channels=5, num_modes=3, block="mlp")
        torch.manual_seed(rank)
        self.batch = (torch.randn(2, 1, 9, 8), torch.randn(2, 3))
        self.gradients: list[list[torch.Tensor]] = []
        self.alignments: list[list[int]] = []

    def training_step(self, *_: object) -> torch.Tensor:
        return self.network(*self.batch).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)

    def on_before_optimizer_step(self, _: object) -> None:
        gradients = [weight.grad for weight in self.parameters()]
        self.gradients.append([gradient.clone() for gradient in gradients])
        self.alignments.append([gradient.data_ptr() % 64 for gradient in gradients])


def check_same_steps(rank: int, world_size: int, port: int) -> None:
    set_rank(rank, world_size, port)
    module = SameStep(rank)
    trainer = Trainer(
        accelerator="cpu",
        devices=world_size,
        strategy=data_parallel("auto", world_size, 60.0),
        max_steps=3,
        enable_checkpointing=False,
        **QUIET,
    )
    trainer.fit(module, range(3))
    for part in (module.gradients, module.alignments):
        torch.testing.assert_close(part[1:], part[:-1], rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:The `srun` command is available")
def test_the_first_step_of_a_process_rounds_as_the_later_ones():
    """Take three ranks, which add in an order that depends on a gradient's place in a bucket."""
    join(start(3, check_same_steps))


def test_strategy_by_name():
    assert isinstance(data_parallel("fsdp", 2, 60.0), ShardedParameters)
    assert data_parallel("auto", 1, 60.0) == "auto"


@pytest.mark.parametrize("strategy", ["fsdp", "auto", "ddp"])
def test_waiting_for_another_process_has_an_end(strategy):
    """Lightning waits for half an hour."""
    assert data_parallel(strategy, 2, 7.0)._timeout == timedelta(seconds=7)


def test_without_a_compiler_training_runs_with_a_notice(tmp_path):
    code = "from lightning_sciml.training.compilation import can_compile; print(can_compile('cpu'))"
    environment = {**os.environ, "CXX": "/nowhere/c++", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"
    [notice] = [line for line in result.stderr.splitlines() if "is not compiled" in line]
    assert "install a C++ compiler" in notice
