"""Training runs in processes of their own, as a launcher starts them; what a run ends with."""

import multiprocessing
import os
import socket
import warnings
from pathlib import Path

import torch

import lightning_sciml.cli.fit  # noqa: F401 -- imported before forking: seconds saved each time
from lightning_sciml.cli.main import main

FORK = multiprocessing.get_context("fork")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_rank(config: Path, rank: int, world_size: int, port: int) -> None:
    os.setpgid(0, 0)
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(world_size),
        "NODE_RANK": "0",
        "LOCAL_RANK": str(rank),
    }
    torch.set_num_threads(1)
    # As in a program: a remark on a damaged checkpoint is not an error there. All others still are.
    warnings.filterwarnings("default", ".* is damaged")
    arguments = ["fit", "--config", str(config), "--trainer.devices", str(world_size)]
    if world_size == 1:
        del os.environ["LOCAL_RANK"]
    main(arguments)


def start(config: Path, world_size: int) -> list:
    port = free_port()
    ranks = [
        FORK.Process(target=run_rank, args=(config, rank, world_size, port))
        for rank in range(world_size)
    ]
    for rank in ranks:
        rank.start()
    return ranks


def finish(config: Path, world_size: int) -> None:
    for rank in start(config, world_size):
        rank.join()
        assert rank.exitcode == 0


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
