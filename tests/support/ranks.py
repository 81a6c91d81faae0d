"""Training runs in processes of their own, as a launcher starts them; what a run ends with."""

import contextlib
import multiprocessing
import os
import secrets
import signal
import socket
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

import lightning_sciml.cli.fit  # noqa: F401 -- imported before forking: seconds saved each time
from lightning_sciml.cli.main import main

FORK = multiprocessing.get_context("fork")


class KillAt(Callback):
    """Sends SIGKILL to its own process, some time after a step."""

    def __init__(self, step: int, delay_s: float) -> None:
        self.step, self.delay_s = step, delay_s

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        if trainer.global_step == self.step and trainer.is_global_zero:
            threading.Timer(self.delay_s, os.kill, (os.getpid(), signal.SIGKILL)).start()


def free_port() -> int:
    """Find a port below those that the system gives to connections, which could take it first."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def set_rank(rank: int, world_size: int, port: int) -> None:
    """Tell Lightning which rank this process is."""
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(world_size),
        "NODE_RANK": "0",
        "LOCAL_RANK": str(rank),
    }


def run_rank(rank: int, world_size: int, port: int, config: Path) -> None:
    os.setpgid(0, 0)
    set_rank(rank, world_size, port)
    torch.set_num_threads(1)
    # As in a program: a remark on a damaged checkpoint is not an error there. All others still are.
    warnings.filterwarnings("default", ".* is damaged")
    arguments = ["fit", "--config", str(config), "--trainer.devices", str(world_size)]
    if world_size == 1:
        del os.environ["LOCAL_RANK"]
    main(arguments)


def start(world_size: int, target: Callable[..., None], *arguments: object) -> list:
    """Start target(rank, world_size, port, *arguments) in as many processes as there are ranks."""
    port = free_port()
    ranks = [
        FORK.Process(target=target, args=(rank, world_size, port, *arguments))
        for rank in range(world_size)
    ]
    for rank in ranks:
        rank.start()
    return ranks


def join(ranks: list) -> None:
    for rank in ranks:
        rank.join()
        assert rank.exitcode == 0


def finish(config: Path, world_size: int) -> None:
    join(start(world_size, run_rank, config))


def run_killed(config: Path, world_size: int) -> bool:
    """Run until rank 0 is killed, then kill the others; False if it came to its end before."""
    ranks = start(world_size, run_rank, config)
    ranks[0].join()
    for rank in ranks:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(rank.pid, signal.SIGKILL)
        rank.join()
    return ranks[0].exitcode == -signal.SIGKILL


def end_state(run: Path) -> dict[str, object]:
    """Everything of the last checkpoint that a continued training depends on."""
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    best = next(v for k, v in checkpoint["callbacks"].items() if k.startswith("BestCheckpoint"))
    return {
        "weights": checkpoint["state_dict"],
        "optimizer": checkpoint["optimizer_states"][0]["state"],
        "scheduler": checkpoint["lr_schedulers"],
        "best": best["best_model_score"],
        "step": checkpoint["global_step"],
        "epoch": checkpoint["epoch"],
    }
