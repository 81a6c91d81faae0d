"""Every scheduler of torch beside every way to validate and every limit: the rates of each step."""

from functools import partial

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.cli import ReduceLROnPlateau as LightningsPlateau
from torch import nn
from torch.optim import lr_scheduler as torchs

from lightning_sciml.checkpoints.plain_state import ReadableState
from lightning_sciml.checkpoints.writing import (
    BestCheckpoint,
    LastCheckpoint,
    WholeFileCheckpointIO,
)
from lightning_sciml.errors import InputError
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.training.module import PretrainingModule

pytestmark = pytest.mark.filterwarnings(
    "ignore:The `srun` command is available",
    "ignore:The number of training batches",
    "ignore:Checkpoint directory",
    "ignore:A `OneCycleLR` scheduler is using 'interval'",  # for once meant
    "ignore:`ModelCheckpoint",  # without validation there is no best checkpoint
)
BATCHES, EPOCHS = 5, 4  # 40 samples by 8
STEPS = BATCHES * EPOCHS
RATE = 0.125

SCHEDULERS = {
    "ReduceLROnPlateau": partial(torchs.ReduceLROnPlateau, patience=0, factor=0.5, threshold=0.9),
    "LightningsPlateau": partial(
        LightningsPlateau, monitor="val/relative_l2", patience=0, factor=0.5, threshold=0.9
    ),
    "OneCycleLR": partial(torchs.OneCycleLR, max_lr=0.2, total_steps=STEPS),
    "CosineAnnealingLR": partial(torchs.CosineAnnealingLR, T_max=STEPS),
    "CosineAnnealingWarmRestarts": partial(torchs.CosineAnnealingWarmRestarts, T_0=3),
    "StepLR": partial(torchs.StepLR, step_size=2),
    "MultiStepLR": partial(torchs.MultiStepLR, milestones=[2, 3]),
    "ExponentialLR": partial(torchs.ExponentialLR, gamma=0.9),
    "LinearLR": partial(torchs.LinearLR, total_iters=4),
    "ConstantLR": partial(torchs.ConstantLR, total_iters=2),
    "PolynomialLR": partial(torchs.PolynomialLR, total_iters=STEPS),
    "CyclicLR": partial(torchs.CyclicLR, base_lr=0.1, max_lr=0.2, step_size_up=3),
    "LambdaLR": partial(torchs.LambdaLR, lr_lambda=lambda step: 1 / (1 + step)),
    "SequentialLR": lambda optimizer: torchs.SequentialLR(
        optimizer,
        [torchs.LinearLR(optimizer, total_iters=3), torchs.ExponentialLR(optimizer, 0.9)],
        milestones=[3],
    ),
    "default": None,
}
VALIDATIONS = {
    "every epoch": {},
    "every second epoch": {"check_val_every_n_epoch": 2},
    "by steps that divide": {"check_val_every_n_epoch": None, "val_check_interval": BATCHES},
    "by steps that do not": {"check_val_every_n_epoch": None, "val_check_interval": 3},
    "twice an epoch": {"val_check_interval": 2},
    "after the end": {"check_val_every_n_epoch": 100},
    "none": {"limit_val_batches": 0},
}
LIMITS = {
    "epochs": {"max_epochs": EPOCHS},
    "steps": {"max_epochs": -1, "max_steps": 13},
    "time": {"max_epochs": EPOCHS, "max_time": {"hours": 1}},
    "few batches": {"max_epochs": EPOCHS, "limit_train_batches": 2, "limit_val_batches": 1},
}


class Pointwise(nn.Module):
    """The smallest network: a run takes a tenth of a second."""

    coefficient_names = ("k11", "k22", "k12")

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(1, 1, 1)

    def forward(self, source, coefficients):
        return self.layer(source)


class Rates(pl.Callback):
    """The rate of each step, and the validation errors with the step that they follow."""

    def __init__(self):
        self.rates, self.errors = [], []

    def on_train_batch_start(self, trainer, *_):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_validation_end(self, trainer, *_):
        self.errors.append((len(self.rates), trainer.callback_metrics["val/relative_l2"]))


def trained(datasets, folder, scheduler, interval="step", ckpt_path=None, **options):
    rates = Rates()
    module = PretrainingModule(
        Pointwise(),
        optimizer=partial(torch.optim.SGD, lr=RATE, momentum=0.5),
        scheduler=scheduler,
        scheduler_interval=interval,
        loss="relative_l2",
        compile=False,
    )
    data = PDEDataModule([str(datasets["poisson_1_5"])], batch_size=8, num_prefetch=0)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[
            ReadableState(),
            rates,
            BestCheckpoint(folder),
            LastCheckpoint(folder, every_n_steps=1),
        ],
        plugins=[WholeFileCheckpointIO()],
        **options,
    )
    trainer.fit(module, data, ckpt_path=ckpt_path)
    assert (folder / "last.ckpt").exists()
    return trainer, rates


def expected_rates(scheduler, interval, num_steps, steps_per_epoch, errors) -> list[float]:
    """The scheduler alone, stepped as the documentation says."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE, momentum=0.5)
    schedule, rates, seen = scheduler(optimizer), [], dict(errors)
    for step in range(num_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if isinstance(schedule, torchs.ReduceLROnPlateau):
            if step + 1 in seen:
                schedule.step(seen[step + 1])
        elif interval == "step" or (step + 1) % steps_per_epoch == 0:
            schedule.step()
    return rates


def check(datasets, folder, name, validation, limit, interval="step"):
    scheduler = SCHEDULERS[name]
    options = {**LIMITS[limit], **VALIDATIONS[validation]}
    if limit == "few batches":  # validation by steps must not ask for more than there are
        options["val_check_interval"] = min(options.get("val_check_interval", 1.0), 2)
        if validation == "by steps that do not":
            options["val_check_interval"] = 3
    if "Plateau" in name and validation == "none":
        with pytest.raises(InputError, match=r"needs the validation error.* is 0; validate"):
            trained(datasets, folder, scheduler, interval, **options)
        return
    trainer, seen = trained(datasets, folder, scheduler, interval, **options)
    per_epoch = 2 if limit == "few batches" else BATCHES
    num_steps = 13 if limit == "steps" else EPOCHS * per_epoch
    assert trainer.global_step == num_steps
    if name != "default":
        wanted = expected_rates(scheduler, interval, num_steps, per_epoch, seen.errors)
        assert seen.rates == pytest.approx(wanted)
    if validation not in ("none", "after the end"):
        assert seen.errors
        if "Plateau" in name and len(seen.errors) > 2:
            assert seen.rates[-1] < RATE  # the test would see a scheduler that is never stepped


CASES = [
    (name, validation, limit, interval)
    for name in SCHEDULERS
    for validation in VALIDATIONS
    for limit in LIMITS
    for interval in ("step", "epoch")
    if (name, interval) != ("default", "epoch")
]


@pytest.mark.parametrize("validation", VALIDATIONS)
@pytest.mark.parametrize("name", ["ReduceLROnPlateau", "OneCycleLR"])
def test_schedulers_work_beside_every_validation(datasets, tmp_path, name, validation):
    check(datasets, tmp_path, name, validation, "epochs")


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_works_beside_validation_by_steps(datasets, tmp_path, name):
    check(datasets, tmp_path, name, "by steps that do not", "steps")


@pytest.mark.parametrize("limit", LIMITS)
def test_plateaus_work_beside_every_limit(datasets, tmp_path, limit):
    check(datasets, tmp_path, "ReduceLROnPlateau", "every second epoch", limit, "epoch")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "validation", "limit", "interval"), CASES)
def test_all_of_them_together(datasets, tmp_path, name, validation, limit, interval):
    check(datasets, tmp_path, name, validation, limit, interval)


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (torchs.OneCycleLR, r"cannot be made: .*max_lr.*; .* this run takes 20"),
        (partial(torchs.OneCycleLR, max_lr=0.1), r"cannot be made: You must define .*total_steps"),
        (partial(torchs.OneCycleLR, max_lr=0.1, total_steps=9), r"OneCycleLR has no learning rate"),
        (partial(torchs.StepLR, step_length=2), r"cannot be made: .*step_length"),
        (
            partial(LightningsPlateau, monitor="val/loss"),
            r"needs val/loss, validation gives .*val/relative_l2; name one",
        ),
    ],
)
def test_a_scheduler_that_does_not_fit_is_one_line(datasets, tmp_path, scheduler, message):
    with pytest.raises(InputError, match=message):
        trained(datasets, tmp_path, scheduler, max_epochs=EPOCHS)


def test_a_resumed_plateau_goes_on(datasets, tmp_path):
    """Lightning would leave out the step at the end of the epoch that is resumed from."""
    scheduler = SCHEDULERS["ReduceLROnPlateau"]
    _, whole = trained(datasets, tmp_path / "whole", scheduler, max_epochs=EPOCHS)
    trained(datasets, tmp_path / "parts", scheduler, max_epochs=2)
    last = tmp_path / "parts/last.ckpt"
    _, rest = trained(
        datasets, tmp_path / "parts", scheduler, ckpt_path=str(last), max_epochs=EPOCHS
    )
    assert rest.rates == whole.rates[2 * BATCHES :]
    assert rest.rates[0] < whole.rates[BATCHES]
