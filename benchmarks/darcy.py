"""Train our FNO and neuraloperator's on the Darcy set of its repository, epoch by epoch in turns.

    python benchmarks/darcy.py darcy_train_16.pt darcy_test_16.pt darcy_test_32.pt

The files lie in neuraloperator's repository under neuralop/data/datasets/data; the package is in
the extra [neuraloperator]. Both networks get the same samples in the same order, the relative L2
loss, AdamW and a cosine. The input is 0 or 1 with coordinates i/N, as in the files and in
neuraloperator, or with --standard of mean zero and deviation one with coordinates (i + 1/2)/N, as
`normalization: standard` and walls have it. They take turns in one process, so times are of one
allocator setting, that of the `sciml` command, and of one state of the machine.
"""

import importlib
import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, median

import torch
from peers import num_parameters
from torch import Tensor, nn

from lightning_sciml.models.fno import FNO
from lightning_sciml.pde.grid import Boundary, Grid
from lightning_sciml.process_memory import keep_freed_memory

Predict = Callable[[Tensor], Tensor]


def build_ours(options: Namespace) -> tuple[nn.Module, Predict]:
    """Our FNO of the given block; coordinates are channels."""
    network = FNO(
        num_channels=options.num_channels,
        num_modes=options.num_modes,
        block=options.block,
        coefficient_names=(),
        input_fields=("nu", "x", "y"),
        output_fields=("u",),
    )

    def predict(nu: Tensor) -> Tensor:
        B, _, H, W = nu.shape
        kind: Boundary = "dirichlet" if options.standard else "periodic"
        grid = Grid(shape=(H, W), boundary=(kind, kind))
        y, x = (torch.as_tensor(c, dtype=nu.dtype) for c in grid.coordinates())
        channels = [nu, x.expand(B, 1, H, W), y[:, None].expand(B, 1, H, W)]
        return network(torch.cat(channels, dim=1), nu.new_empty(B, 0))

    return network, predict


def build_neuraloperator(options: Namespace) -> tuple[nn.Module, Predict]:
    """neuraloperator's FNO as its example of this set has it; it makes coordinates itself."""
    network = importlib.import_module("neuralop.models").FNO(
        n_modes=(8, 8), in_channels=1, out_channels=1, hidden_channels=24
    )
    return network, network


class Trainee:
    """A network in training: its optimizer, its time, its errors."""

    def __init__(
        self, network: nn.Module, predict: Predict, scales: tuple[Tensor, Tensor], num_steps: int
    ) -> None:
        self.network, self.predict, self.scales = network, predict, scales
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=1e-4)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, num_steps)
        self.cpu_seconds: list[float] = []

    def errors(self, nu: Tensor, u: Tensor) -> Tensor:
        """‖û - u‖ / ‖u‖ of each sample."""
        u_mean, u_std = self.scales
        difference = self.predict(nu) * u_std + u_mean - u
        return difference.flatten(1).norm(dim=1) / u.flatten(1).norm(dim=1)

    def train_epoch(self, nu: Tensor, u: Tensor, batches: list[Tensor]) -> None:
        """Take a step a batch."""
        started_at = time.process_time()
        for batch in batches:
            self.optimizer.zero_grad()
            self.errors(nu[batch], u[batch]).mean().backward()
            self.optimizer.step()
            self.schedule.step()
        self.cpu_seconds.append(time.process_time() - started_at)

    def test(self, nu: Tensor, u: Tensor) -> float:
        """Mean error over samples."""
        with torch.no_grad():
            return self.errors(nu, u).mean().item()


def read(path: Path) -> tuple[Tensor, Tensor]:
    """Permeability and solution, (n, 1, H, W), of a file."""
    arrays = torch.load(path, weights_only=True)
    return arrays["x"].float()[:, None], arrays["y"].float()[:, None]


def run(seed: int, options: Namespace) -> dict[str, tuple[Trainee, list[float]]]:
    """Train both networks with one seed; return them with their errors on the test files."""
    (nu, u), *tests = [read(path) for path in (options.train, *options.tests)]
    num_trained = len(nu) - options.held_out
    tests += [(nu[num_trained:], u[num_trained:])] if options.held_out else []
    nu, u = nu[:num_trained], u[:num_trained]
    scales = (u.mean(), u.std())
    if options.standard:
        nu_mean, nu_std = nu.mean(), nu.std()
        nu, tests = (nu - nu_mean) / nu_std, [((a - nu_mean) / nu_std, b) for a, b in tests]
    num_steps = options.epochs * len(nu.split(options.batch_size))
    trainees = {}
    for name, build in {"ours": build_ours, "neuraloperator": build_neuraloperator}.items():
        torch.manual_seed(seed)
        trainees[name] = Trainee(*build(options), scales, num_steps)
    order = torch.Generator().manual_seed(seed)
    for _ in range(options.epochs):
        batches = list(torch.randperm(len(nu), generator=order).split(options.batch_size))
        for trainee in trainees.values():
            trainee.train_epoch(nu, u, batches)
    return {name: (one, [one.test(*files) for files in tests]) for name, one in trainees.items()}


def parse() -> Namespace:
    """Command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("train", type=Path, help="darcy_train_16.pt")
    parser.add_argument("tests", type=Path, nargs="+", help="darcy_test_16.pt darcy_test_32.pt")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--held_out", type=int, default=0, help="samples of train to test on, too")
    parser.add_argument("--standard", action="store_true", help="scale the input, centre the cells")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--block", default="mlp", help="of our FNO: paper or mlp")
    parser.add_argument("--num_channels", type=int, default=26)
    parser.add_argument("--num_modes", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def told(errors: list[float], options: Namespace) -> str:
    """Errors with the files they are of."""
    names = [path.stem for path in options.tests] + [f"{options.held_out} held out"]
    return "  ".join(f"{name} {error:.4f}" for name, error in zip(names, errors, strict=False))


def main() -> None:
    """Train, print a line a seed and network, and the means."""
    options = parse()
    if find_spec("neuralop") is None:
        raise SystemExit(
            "error: neuraloperator is not installed; pip install -e '.[neuraloperator]'"
        )
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    results = []
    for seed in options.seeds:
        results.append(run(seed, options))
        for name, (_, errors) in results[-1].items():
            print(f"seed {seed}  {name:<15}{told(errors, options)}", flush=True)
    for name, (trainee, _) in results[0].items():
        means = [mean(values) for values in zip(*(r[name][1] for r in results), strict=True)]
        seconds = median(s for r in results for s in r[name][0].cpu_seconds)
        size = f"{num_parameters(trainee.network):,} parameters  {seconds:.2f} s of CPU an epoch"
        print(f"mean    {name:<15}{told(means, options)}  {size}")


if __name__ == "__main__":
    main()
