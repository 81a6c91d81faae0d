"""One network for several data sets against one for each: means over common seeds."""

from types import SimpleNamespace

from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_parts import Pretraining
from lightning_sciml.study.report.mixtures import HEADER, mixture_table
from lightning_sciml.study.report.styles import PlainNames

STUDY = SimpleNamespace(
    pretrainings={
        "heat": Pretraining(datasets=["heat_1_5"]),
        "shuffled": Pretraining(datasets=["heat_1_5"], shuffled=True),
        "wave": Pretraining(datasets=["wave_0p5_2"]),
        "both": Pretraining(datasets=["heat_1_5", "wave_0p5_2"]),
    }
)


def row(pretraining, dataset, seed, error, init=Init.ZERO_SHOT):
    told = {"pretraining": pretraining, "datasets": (dataset,), "model": "1M", "recipe": "paper"}
    return SimpleNamespace(
        run=Run(init=init, seed=seed, **told), dataset=dataset, relative_l2=error, field=None
    )


def test_a_mixture_is_compared_with_each_network_for_one_of_its_sets():
    rows = [
        row("heat", "heat_1_5", 0, 0.1),
        row("heat", "heat_1_5", 1, 0.3, Init.PRETRAIN),
        row("heat", "heat_1_5", 2, 9.0),  # the mixture of this seed is not finished
        row("shuffled", "heat_1_5", 0, 9.0),
        row("wave", "wave_0p5_2", 0, 0.5),
        row("wave", "heat_1_5", 0, 9.0),  # other physics
        row("both", "heat_1_5", 0, 0.2),
        row("both", "heat_1_5", 1, 0.3),
        row("both", "wave_0p5_2", 0, 0.5),
        row("both", "wave_0p5_2", 1, None),
        row("both", "heat_1_5", 0, 9.0, Init.FINE_TUNE),
    ]
    assert mixture_table(STUDY, rows, PlainNames([])) == [
        HEADER,
        ["heat_1_5", "both", "1M, paper", "0.2000", "0.2500", "1.25 [1.00, 2.00]"],
        ["wave_0p5_2", "both", "1M, paper", "0.5000", "0.5000", "1.00"],
    ]
