"""The examples of CONTRIBUTING.md, put where its checklists say, do what these promise."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
SIZES = ["--num_points=32", "--num_train_samples=8", "--num_val_samples=4", "--num_test_samples=4"]


def example(language: str, first_line: str) -> str:
    """The fenced block of that language in which the line stands, indented as its fence."""
    fences = re.findall(rf"^( *)```{language}\n(.*?)^\1```", TEXT, re.MULTILINE | re.DOTALL)
    (block,) = ((indent, body) for indent, body in fences if first_line in body)
    return re.sub(f"^{block[0]}", "", block[1], flags=re.MULTILINE)


class Clone:
    """A copy of the tree that a contributor edits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("lightning_sciml", "data_gen", "launch"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)

    def write(self, path: str, text: str) -> None:
        (self.folder / path).write_text(text)

    def edit(self, path: str, before: str, after: str) -> None:
        text = (self.folder / path).read_text()
        assert text.count(before) == 1, before
        self.write(path, text.replace(before, after))

    def append(self, path: str, text: str) -> None:
        self.write(path, (self.folder / path).read_text() + "\n\n" + text)

    def run(self, *words: object) -> str:
        """Run Python in the copy and return what it prints."""
        here = {"PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=self.folder,
            env=os.environ | here,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sciml(self, *words: object) -> str:
        return self.run("-m", "lightning_sciml.cli", *words)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """All checklists followed, and a data set of the new equation."""
    clone = Clone(tmp_path_factory.mktemp("clone"))
    steady, coefficients = "lightning_sciml/pde/steady.py", "data_gen/coefficients.py"
    equation = example("python", "class ReactionDiffusion(Equation)")
    clone.edit(steady, "\nEQUATIONS:", f"\n{equation}\n\nEQUATIONS:")
    clone.edit(steady, "(Poisson, Adv", "(ReactionDiffusion, Poisson, Adv")
    clone.edit(coefficients, "steady import Adv", "steady import ReactionDiffusion, Adv")
    clone.append(coefficients, example("python", "class ReactionDiffusionCoefficients"))
    config = example("yaml", "class_path: ReactionDiffusionCoefficients")
    clone.write("reaction_diffusion.yaml", config)
    evolution, drawn = "lightning_sciml/pde/evolution.py", "data_gen/evolution_coefficients.py"
    clone.append("lightning_sciml/pde/reactions.py", example("python", "class CahnHilliard(Evo"))
    clone.edit(evolution, "import AllenCahn,", "import AllenCahn, CahnHilliard,")
    clone.edit(evolution, "        AllenCahn,\n", "        AllenCahn,\n        CahnHilliard,\n")
    clone.edit(drawn, "import AllenCahn,", "import AllenCahn, CahnHilliard,")
    clone.append(drawn, example("python", "class CahnHilliardCoefficients"))
    clone.write("cahn_hilliard.yaml", example("yaml", "class_path: CahnHilliardCoefficients"))
    imports = (
        "from collections.abc import Sequence\n\nimport torch\nimport torch.nn.functional as F\n"
        "from jaxtyping import Float\nfrom torch import Tensor\n\n\n"
    )
    clone.write("lightning_sciml/models/conv_net.py", imports + example("python", "class ConvNet"))
    metrics, layouts = "lightning_sciml/evaluation/metrics.py", "lightning_sciml/foreign/layouts.py"
    before = "@dataclass(frozen=True)\nclass Metric:"
    clone.edit(metrics, before, example("python", "def mean_error") + "\n\n" + before)
    (added,) = re.findall(r"in `METRICS`: `(.*?)`", TEXT)
    entry = '    Metric(("vrmse",), vrmse),\n'
    clone.edit(metrics, entry, f"{entry}    {added},\n")
    recognise = example("python", 'if "flow" in file:')
    before = '    if "t0_fields" in file:\n'
    clone.edit(layouts, before, textwrap.indent(recognise, " " * 4) + before)
    before = "from lightning_sciml.foreign.foreign_file"
    clone.edit(layouts, before, f"from lightning_sciml.foreign.flow import read_flow\n{before}")
    clone.write("lightning_sciml/foreign/flow.py", example("python", "def read_flow"))
    clone.run("data_gen/solve.py", "--config=reaction_diffusion.yaml", "--output=data", *SIZES)
    return clone


def test_the_pde_of_the_checklist_is_generated_and_verified(clone):
    """κ|k|² û + s û = f̂ in every sample, with κ and s in the ranges of the config."""
    assert clone.sciml("data", "verify", "data").strip() == "data is good"
    ranges = yaml.safe_load((clone.folder / "reaction_diffusion.yaml").read_text())["coefficients"]
    with h5py.File(clone.folder / "data/train/00000.h5") as shard:
        source, u = np.moveaxis(shard["fields"][...].astype(float), 1, 0)
        kappa, s = shard["coefficients"][...].astype(float).T
    k = 2 * np.pi * np.fft.fftfreq(32, 1 / 32)
    symbol = kappa[:, None, None] * (k**2 + k[:, None] ** 2) + s[:, None, None]
    residual = np.fft.ifft2(symbol * np.fft.fft2(u)).real - source
    assert abs(residual).max() < 1e-4 * abs(source).max()  # fields are float32
    for values, name in ((kappa, "diffusivity"), (s, "reaction")):
        low, high = ranges["init_args"][name]
        assert low <= values.min() < values.max() <= high


def test_the_evolution_equation_of_the_checklist_is_generated_and_verified(clone):
    """The mean stays, and ∫ (u² - 1)²/4 + γ|∇u|²/2 falls from each stored state to the next."""
    few = ["--num_train_samples=2", "--num_val_samples=1", "--num_test_samples=1"]
    options = ["--config=cahn_hilliard.yaml", "--output=evolution", SIZES[0], *few]
    clone.run("data_gen/solve.py", *options)
    assert clone.sciml("data", "verify", "evolution").strip() == "evolution is good"
    with h5py.File(clone.folder / "evolution/train/00000.h5") as shard:
        u = shard["trajectories"][:, :, 0].astype(float)
        (gamma,) = shard["coefficients"][...].T
    assert 0.005 <= gamma.min() < gamma.max() <= 0.01
    assert abs(u.mean(axis=(2, 3)) - u[:, :1].mean(axis=(2, 3))).max() < 1e-6  # float32
    k = 2 * np.pi * np.fft.fftfreq(32, 1 / 32)
    squares = [np.fft.ifft2(1j * dk * np.fft.fft2(u)).real ** 2 for dk in (k, k[:, None])]
    energy = ((u**2 - 1) ** 2 / 4 + gamma[:, None, None, None] / 2 * sum(squares)).mean(axis=(2, 3))
    assert (np.diff(energy) < 0).all()
    assert (energy[:, -1] < 0.8 * energy[:, 0]).all()


def test_the_network_of_the_checklist_commutes_with_translations(clone):
    network_class = runpy.run_path(f"{clone.folder}/lightning_sciml/models/conv_net.py")["ConvNet"]
    torch.manual_seed(0)
    network, source, coefficients = network_class(4), torch.randn(2, 1, 8, 8), torch.randn(2, 3)
    moved = network(source.roll((3, 1), (2, 3)), coefficients)
    expected = network(source, coefficients).roll((3, 1), (2, 3))
    torch.testing.assert_close(moved, expected)


def test_the_network_of_the_checklist_learns_the_pde_of_the_checklist(clone):
    network = "{class_path: lightning_sciml.models.conv_net.ConvNet, init_args: "
    fit = [
        *("fit", "--config=launch/configs/pretrain/poisson.yaml"),
        *("--config=launch/configs/recipe/dimensionless.yaml", "--trainer.logger=false"),
        *("--run_dir=run", "--data.datasets=[data]", "--data.batch_size=4"),
        *("--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.max_epochs=1"),
        f"--model.init_args.network={network}{{num_channels: 4, coefficient_names: [kappa, s]}}}}",
    ]
    test = ["test", "--config=run/config.yaml"]
    clone.run("-c", f"from lightning_sciml.cli.main import main; main({fit}); main({test})")
    report = json.loads((clone.folder / "run/test/reaction_diffusion_1_10.json").read_text())
    assert 0 < report["relative_l2"]["mean"] < 10
    assert report["pde_residual"]["mean"] > 0
    assert 0 < report["mean_error"]["mean"] < report["max_error"]["mean"]


def test_the_layout_of_the_checklist_is_imported(clone):
    """Fields come out by [y, x], the pressure last."""
    flow = np.random.default_rng(0).random((8, 2, 16, 16), np.float32)
    with h5py.File(clone.folder / "flow.h5", "w") as file:
        file["flow"] = flow
    clone.sciml(
        *("data", "import", "flow", "--train=[flow.h5]", "--num_val=2", "--num_test=2"),
    )
    with h5py.File(clone.folder / "flow/train/00000.h5") as shard:
        np.testing.assert_array_equal(shard["fields"][...], flow[:4].swapaxes(2, 3))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("lightning_sciml/pde/steady.py", "EQUATIONS"),
        ("lightning_sciml/pde/evolution.py", "EVOLUTION_EQUATIONS"),
        ("data_gen/evolution_coefficients.py", "class RangedCoefficients"),
        ("tests/support/evolution_states.py", "CASES"),
        ("tests/support/right_hand_sides.py", "RIGHT_HAND_SIDES"),
        ("tests/pde/test_evolution.py", "SYMBOLS"),
        ("tests/data_gen/test_evolution_coefficients.py", "RANGED"),
        ("lightning_sciml/evaluation/metrics.py", "METRICS"),
        ("lightning_sciml/foreign/layouts.py", "def open_sets"),
        ("lightning_sciml/foreign/foreign_set.py", "class ForeignSet"),
        ("tests/pde/test_steady.py", "COEFFICIENTS"),
        ("tests/pde/test_symmetries.py", "COEFFICIENTS"),
    ],
)
def test_checklists_name_what_is_there(path, name):
    assert f"`{path}`" in TEXT
    assert f"`{name.split()[-1]}`" in TEXT
    assert re.search(rf"^{name}\b", (ROOT / path).read_text(), re.MULTILINE)
