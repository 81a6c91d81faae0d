"""The time of a step as a coefficient: exact for a network that knows the heat equation."""

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from heat_sets import write_heat
from silent_trainer import silent_trainer
from tiny_run import fit, network, write_run
from torch import Tensor, nn

from lightning_sciml import load_operator, write_dataset
from lightning_sciml.checkpoints.files import OPERATOR
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.description import OperatorDescription
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.training.module import PretrainingModule

pytestmark = pytest.mark.filterwarnings("ignore:The `srun` command is available")


class HeatKernel(nn.Module):
    """û = exp(-ν|k|²τ) u on the periodic unit square, from scaled coefficients ν and τ."""

    coefficient_names = ("lead_time", "nu")
    input_fields = output_fields = ("u",)

    def __init__(self, medians: Tensor, scale: float) -> None:
        super().__init__()
        self.medians, self.scale = medians, scale
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, fields: Tensor, coefficients: Tensor) -> Tensor:
        product = (coefficients * self.medians).prod(dim=1)[:, None, None, None]
        k = 2 * torch.pi * torch.fft.fftfreq(fields.shape[-1], 1 / fields.shape[-1])
        k_squared = k.square() + k.square()[:, None]
        modes = torch.fft.fft2(fields * self.scale) * torch.exp(-product * k_squared)
        return torch.fft.ifft2(modes).real + self.unused


@pytest.fixture(scope="module")
def heat(tmp_path_factory):
    """Trajectories of the heat equation at five times, 0.1 apart."""
    return write_heat(tmp_path_factory.mktemp("heat") / "heat", fields=("u",))


@pytest.fixture(scope="module")
def trained(heat):
    """The exact network after a fit that leaves it as it is."""
    data = PDEDataModule([str(heat)], batch_size=16, stride=[2, 1], num_unrolled_steps=2)
    data.setup("fit")
    scales = data.train_statistics()
    medians = torch.tensor([scales.coefficients[n] for n in HeatKernel.coefficient_names])
    module = PretrainingModule(
        HeatKernel(medians, scales.field_norms["u"]),
        normalization="medians",
        optimizer=lambda p: torch.optim.SGD(p, lr=0.0),
    )
    trainer = silent_trainer(max_epochs=1)
    trainer.fit(module, data)
    return module, data, trainer


def test_every_window_of_every_stride_is_predicted_by_its_own_lead_time(trained):
    module, data, trainer = trained
    assert trainer.callback_metrics["val/relative_l2"] < 1e-5
    strides = set()
    for batch in data.train_dataloader():
        torch.testing.assert_close(module.predict_batch(batch), batch.outputs, rtol=0, atol=1e-5)
        strides |= set(np.round(batch.lead_time.numpy() / 0.1).tolist())
    assert strides == {1, 2}


def test_arrays_are_predicted_any_time_ahead(trained, heat):
    operator = trained[0].operator
    stored = ShardedDataset(heat, "test")[:]
    for step, lead_time in ((1, 0.1), (4, 0.4)):
        found = operator.predict({"u": stored["u"][:, 0]}, nu=stored["nu"], lead_time=lead_time)
        np.testing.assert_allclose(found, stored["u"][:, step], atol=1e-5)
    found = operator.rollout({"u": stored["u"][:, 0]}, 2, nu=stored["nu"], lead_time=0.2)
    np.testing.assert_allclose(found, stored["u"][:, [2, 4]], atol=1e-5)
    with pytest.raises(InputError, match=r"coefficients nu, lead_time \(heat\), got nu; "):
        operator.predict({"u": stored["u"][:, 0]}, nu=stored["nu"])
    _, report = operator.predict(
        {"u": stored["u"][0, 0]}, report=True, nu=float(stored["nu"][0]), lead_time=0.4
    )
    assert report.outside["lead_time"] == pytest.approx((0.1, 0.2))


def test_steps_of_several_lengths_are_not_told_as_one(tmp_path, trained):
    uneven = ShardedDataset(write_heat(tmp_path / "heat", fields=("u",)), "train")
    whole = uneven[:]
    write_dataset(
        tmp_path / "uneven",
        states={"u": whole["u"][:, [0, 1, 2, 4]]},
        coefficients={"nu": whole["nu"]},
        times=[0.0, 0.1, 0.2, 0.4],
        split={"train": 3, "val": 2, "test": 1},
    )
    module, _, trainer = trained
    data = PDEDataModule([str(tmp_path / "uneven")], num_unrolled_steps=2)
    with pytest.raises(InputError, match=r"stored times of uneven lie 0\.1 to 0\.2 apart; set "):
        trainer.validate(module, data, verbose=False)
    data = PDEDataModule([str(tmp_path / "uneven")])
    (metrics,) = trainer.validate(module, data, verbose=False)
    assert metrics["val/relative_l2"] < 1e-5


def test_times_that_a_file_has_in_float32_are_even(tmp_path, trained):
    """Late in a trajectory steps differ by more than 1e-4 of their length."""
    times = (500 + 0.1 * np.arange(5)).astype(np.float32).astype(float)
    assert np.ptp(np.diff(times)) > 1e-5
    states = np.random.default_rng(0).normal(size=(4, 5, 8, 8))
    split, nu = {"train": 1, "val": 2, "test": 1}, [0.01] * 4
    write_dataset(
        tmp_path / "late", states={"u": states}, coefficients={"nu": nu}, times=times, split=split
    )
    module, _, trainer = trained
    data = PDEDataModule([str(tmp_path / "late")], num_unrolled_steps=2)
    trainer.validate(module, data, verbose=False)


def test_a_network_that_is_not_told_which_of_several_steps_is_wanted_is_named(heat, caplog):
    for names, strides in (((), [2, 1]), (("lead_time",), [2, 1]), ((), [2])):
        data = PDEDataModule([str(heat)], stride=strides)
        fields = {"input_fields": ("u",), "output_fields": ("u",)}
        made = FNO(num_channels=2, num_modes=2, coefficient_names=("nu", *names), **fields)
        module = PretrainingModule(made, normalization="standard")
        module.trainer = pl.Trainer(accelerator="cpu", devices=1, logger=False)
        module.trainer.datamodule = data
        data.setup("fit")
        module.setup("fit")
    said = [text for text in caplog.messages if text.startswith("data.stride")]
    assert said == [
        "data.stride=[2, 1] has steps of several lengths, which the network is not told: add "
        "lead_time to model.network.coefficient_names, or set one stride"
    ]


def test_a_run_keeps_the_lead_time_in_checkpoint_files_and_rollouts(heat, tmp_path, capsys):
    fields = {"input_fields": ["u"], "output_fields": ["u"]}
    config = write_run(
        tmp_path / "run",
        [heat],
        model={"network": network(["lead_time", "nu"], **fields), "normalization": "standard"},
        data={"stride": [1, 2]},
        trainer={"max_epochs": 1},
    )
    run = fit(config)
    told = torch.load(run / "checkpoints/best.ckpt", weights_only=True)[OPERATOR]
    (problem,) = OperatorDescription.from_plain(told).problems
    assert problem.ranges["lead_time"] == pytest.approx((0.1, 0.2))
    scale = load_operator(run).normalization.median_coefficients[0].item()
    assert scale == pytest.approx(0.1)  # of 4 + 3 windows a trajectory
    main(["test", "--config", str(config), "--data.rollout", "all"])
    stored = ShardedDataset(heat, "test")[:]
    words = ["predict", "--ckpt_path", str(run), "--output", str(tmp_path / "out.npz")]
    np.savez(tmp_path / "in.npz", u=stored["u"][:, 0], nu=stored["nu"], lead_time=0.2)
    main([*words, "--input", str(tmp_path / "in.npz")])
    wanted = load_operator(run).predict({"u": stored["u"][:, 0]}, nu=stored["nu"], lead_time=0.2)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npz")["prediction"], wanted)
    np.savez(tmp_path / "in.npz", u=stored["u"][:, 0], nu=stored["nu"])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main([*words, "--input", str(tmp_path / "in.npz")])
    assert "the coefficients nu, lead_time (heat), got nu; give" in capsys.readouterr().err
