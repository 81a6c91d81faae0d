"""The pipeline in minutes: generate, pre-train, transfer, compare with training from scratch.

Every step is a command that a user would type; each is echoed before it runs. A second call goes on
where the first was stopped.
"""

import os
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

from lightning_sciml.study.runs import Init
from lightning_sciml.study.transfer_figure import plot_transfer
from lightning_sciml.study.transfer_table import (
    TransferResult,
    best_validation_error,
    format_table,
    transfer_result,
    write_table,
)

ROOT = Path("demo")
CONFIGS = Path("launch/configs/demo")
PRETRAINING, DOWNSTREAM = "poisson_1_5", "poisson_5_10"
NUM_TRAIN_SAMPLES = {PRETRAINING: 2048, DOWNSTREAM: 64}
NUM_EXAMPLES = (16, 64)
LEARNING_RATES = (1e-3, 3e-3)
SCRIPTS = Path(sysconfig.get_path("scripts"))


def run(command: Sequence[str | Path], *, log: Path | None = None, num_threads: int = 2) -> None:
    """Echo and run one command; its output goes to the screen, or to `log`."""
    words = [str(word) for word in command]
    sys.stdout.write(f"\n$ {shlex.join(words)}{f'  > {log}' if log else ''}\n")
    sys.stdout.flush()
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": str(num_threads),
    }
    output = log.open("w") if log else None
    try:
        subprocess.run(words, check=True, env=environment, stdout=output, stderr=output)
    except subprocess.CalledProcessError as error:
        tail = "\n".join(log.read_text().splitlines()[-15:]) if log else ""
        raise SystemExit(
            f"{tail}\nthe command above failed with exit code {error.returncode}"
        ) from error
    finally:
        if output:
            output.close()


def generate(name: str) -> None:
    """Make one data set with two MPI ranks."""
    run(
        [
            *("mpirun", "-n", "2", "python", "data_gen/solve.py"),
            *("--config", f"launch/configs/data/{name}.yaml", "--output", ROOT / "data" / name),
            *("--num_points", "64", "--shard_size", "256"),
            *("--num_train_samples", str(NUM_TRAIN_SAMPLES[name])),
            *("--num_val_samples", "128", "--num_test_samples", "128"),
        ],
        num_threads=1,
    )


def run_dir(init: Init, num_examples: int, learning_rate: float) -> Path:
    """Folder of a downstream run."""
    return ROOT / "runs" / f"{init}_{num_examples}_{learning_rate:g}"


def train_downstream(init: Init, num_examples: int, learning_rate: float) -> None:
    """Fine-tune, or train from scratch, on a few examples."""
    folder = run_dir(init, num_examples, learning_rate)
    config = CONFIGS / ("finetune.yaml" if init == Init.FINE_TUNE else "scratch.yaml")
    run(
        [
            *("sciml", "fit", "--config", config, "--run_dir", folder),
            *("--data.num_train_samples", str(num_examples)),
            *("--model.init_args.optimizer.init_args.lr", str(learning_rate)),
        ],
        log=folder / "log.txt",
        num_threads=1,
    )


def test_downstream(init: Init, num_examples: int) -> TransferResult:
    """Test the learning rate that did best on the validation set."""
    learning_rate = min(
        LEARNING_RATES, key=lambda rate: best_validation_error(run_dir(init, num_examples, rate))
    )
    folder = run_dir(init, num_examples, learning_rate)
    command = ["sciml", "test", "--config", folder / "config.yaml"]
    run(command, log=folder / "test_log.txt", num_threads=1)
    return transfer_result(
        folder / "test" / f"{DOWNSTREAM}.json", init, num_examples, learning_rate
    )


def zero_shot(folder: Path) -> TransferResult:
    """Test the pre-trained model on the downstream set as it is."""
    run(
        [
            *("sciml", "test", "--config", folder / "config.yaml"),
            *("--data.datasets", f"[{ROOT / 'data' / DOWNSTREAM}]"),
        ],
        log=folder / "test_log.txt",
    )
    return transfer_result(folder / "test" / f"{DOWNSTREAM}.json", Init.ZERO_SHOT, 0, None)


def main() -> None:
    """Run all steps; the last line says where table and figure are."""
    started_at = perf_counter()
    for name in (PRETRAINING, DOWNSTREAM):
        generate(name)
    pretraining = ROOT / "runs" / "pretrain"
    run(["sciml", "fit", "--config", CONFIGS / "pretrain.yaml", "--run_dir", pretraining])
    results = [zero_shot(pretraining)]
    arms = [(init, n) for n in NUM_EXAMPLES for init in (Init.FINE_TUNE, Init.SCRATCH)]
    with ThreadPoolExecutor(2) as pool:  # two runs side by side, one thread each
        list(
            pool.map(
                lambda job: train_downstream(*job), [(*a, r) for a in arms for r in LEARNING_RATES]
            )
        )
        results += pool.map(lambda arm: test_downstream(*arm), arms)
    table, figure = ROOT / "transfer.csv", ROOT / "transfer.png"
    write_table(results, table)
    plot_transfer(results, "Poisson λ ∈ (1, 5) → λ ∈ (5, 10), 64×64, FNO", figure)
    sys.stdout.write(
        "\nRelative L² error on Poisson (5, 10), mean of 128 test samples:\n\n"
        f"{format_table(results)}\n\n"
        f"Curves: tensorboard --logdir {ROOT / 'runs'}\n"
        f"Done in {perf_counter() - started_at:.0f} s. Table: {table}  Figure: {figure.resolve()}\n"
    )


if __name__ == "__main__":
    main()
