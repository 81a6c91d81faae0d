"""Increments and noise in training: what the loss compares, what a checkpoint knows."""

import numpy as np
import pytest
import torch
from silent_trainer import silent_trainer
from tiny_run import fit, network, write_run

from lightning_sciml import load_operator, write_dataset
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.input_noise import InputNoise
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.training.finetuning import FineTuningModule
from lightning_sciml.training.module import PretrainingModule

SPLIT = {"train": 6, "val": 2, "test": 1}
n, T, H, W = 9, 5, 8, 8
BEST = "checkpoints/best.ckpt"
pytestmark = pytest.mark.filterwarnings("ignore:The `srun` command is available")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Trajectories that change by 1 % of their size a step, others by 3 %, and steady ones."""
    root, rng = tmp_path_factory.mktemp("options"), np.random.default_rng(0)
    start = rng.standard_normal((n, 1, H, W))
    for name, size in (("slow", 0.01), ("fast", 0.03)):
        changes = size * rng.standard_normal((n, T - 1, H, W))
        states = np.concatenate([start, start + changes.cumsum(axis=1)], axis=1)
        write_dataset(root / name, states={"u": states}, split=SPLIT)
    write_dataset(root / "steady", {"f": start[:, 0]}, {"u": start[:, 0]}, split=SPLIT)
    return root


def net(inputs=("u",)):
    torch.manual_seed(0)
    names = {"coefficient_names": (), "input_fields": inputs, "output_fields": ("u",)}
    return FNO(num_channels=4, num_modes=3, **names)


def trained(module, *datasets, **options):
    data = PDEDataModule([str(d) for d in datasets], batch_size=64, **options)
    trainer = silent_trainer(max_epochs=1)
    trainer.fit(module, data)
    return module, data


@pytest.mark.parametrize("predicts", ["state", "increment"])
def test_a_loss_on_noisy_states_is_that_of_what_leads_from_them_to_the_reference(folders, predicts):
    """A network of zeros: all that is left of sum_of_squares is what had to be predicted."""
    module = PretrainingModule(
        net(), normalization="standard", predicts=predicts, input_noise=0.2, compile=False
    )
    module, data = trained(module, folders / "slow")
    for parameter in module.operator.network.parameters():
        torch.nn.init.zeros_(parameter)
    module.log = lambda *_, **__: None
    batch = next(iter(data.train_dataloader()))
    found = module.training_step(batch, 0)
    statistics = data.train_statistics(with_increments=True)
    mean, std = statistics.field_means["u"], statistics.field_stds["u"]
    noise = InputNoise(0.2, module.operator.channels, {"u": std})
    noisy = noise(batch, seed=data.seed, step=module.global_step).inputs[:, None]
    assert float((noisy - batch.inputs[:, None]).std()) == pytest.approx(0.2 * std, rel=0.05)
    wanted = (batch.outputs - mean) / std
    if predicts == "increment":
        wanted = (batch.outputs - noisy) / statistics.increments["u"]
    expected = wanted.square().sum((1, 2, 3, 4)).mean()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)


def test_validation_sees_no_noise(folders):
    errors = []
    for amplitude in (0.0, 0.5):
        options = {"optimizer": lambda p: torch.optim.SGD(p, lr=0.0), "compile": False}
        module = PretrainingModule(
            net(), normalization="standard", input_noise=amplitude, **options
        )
        trained(module, folders / "slow")
        errors.append(module.trainer.callback_metrics["val/relative_l2"])
    assert errors[0] == errors[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"predicts": "increment"},
            r"predicts=increment is for trajectories, steady is steady; set",
        ),
        ({"input_noise": 0.1}, r"input_noise=0.1 is for states of trajectories, all data sets are"),
    ],
)
def test_steady_problems_take_neither_increments_nor_noise(folders, options, message):
    module = PretrainingModule(net(("f",)), normalization="standard", **options)
    with pytest.raises(InputError, match=message):
        trained(module, folders / "steady")


def test_a_mixture_of_increments_is_tested_on_its_steady_set_alone(folders):
    """The error there is that of its samples among all."""
    module = PretrainingModule(net(("u", "f")), normalization="standard", predicts="increment")
    sets = [str(folders / name) for name in ("slow", "steady")]
    trained(module, *sets)
    both, alone = (PDEDataModule(part, batch_size=64) for part in (sets, sets[1:]))
    module.trainer.test(module, both, verbose=False)
    batch = next(iter(both.test_dataloader()))
    rows, u = batch.dataset == 1, batch.outputs[:, 0]
    with torch.no_grad():
        predicted = module.operator(batch.inputs, batch.coefficients, batch.dataset)
    expected = (predicted - u)[rows].norm() / u[rows].norm()  # of one test sample
    (metrics,) = module.trainer.test(module, alone, verbose=False)
    assert metrics["test/relative_l2"] == pytest.approx(float(expected), rel=1e-5)


@pytest.fixture(scope="module")
def pretrained(folders):
    fields = {"input_fields": ["u"], "output_fields": ["u"]}
    model = {"network": network([], **fields), "normalization": "standard", "predicts": "increment"}
    config = write_run(
        folders / "run",
        [folders / "slow"],
        model={**model, "gradients": "last", "loss": "relative_l2"},
        data={"num_unrolled_steps": 2},
        trainer={"max_epochs": 1},
    )
    return fit(config)


def test_a_checkpoint_knows_that_it_predicts_increments(folders, pretrained, capsys):
    operator = load_operator(pretrained)
    assert operator.describe().predicts == "increment"
    assert operator.increments.scales.item() == pytest.approx(0.01, rel=0.1)
    u = np.random.default_rng(1).standard_normal((H, W)).astype("f4")
    change = operator.predict(u) - u
    assert 0 < abs(change).max() < 0.2  # 20 s, of an output of order one
    config = pretrained.with_name("run.yaml")
    main(["test", "--config", str(config)])
    with pytest.raises(SystemExit):
        main(["test", "--config", str(config), "--model.predicts=state"])
    assert "trained with predicts=increment, here it is state" in capsys.readouterr().err


def test_fine_tuning_takes_increments_and_their_scale_from_the_checkpoint(folders, pretrained):
    scales = {}
    for statistics in ("pretrained", "downstream"):
        module = FineTuningModule(str(pretrained / BEST), statistics=statistics, compile=False)
        module, data = trained(module, folders / "fast")
        scales[statistics] = module.operator.increments.scales.item()
    assert scales["pretrained"] == load_operator(pretrained).increments.scales.item()
    own = data.train_statistics(with_increments=True).increments["u"]
    assert scales["downstream"] == pytest.approx(own, rel=1e-6)
    assert own == pytest.approx(0.03, rel=0.1)
    with pytest.raises(InputError, match=r"trained with predicts=increment, this run has state"):
        trained(FineTuningModule(str(pretrained / BEST), predicts="state"), folders / "fast")
