"""The rows whose gathering is timed are those that batches hold."""

import numpy as np
import pytest
from heat_sets import write_heat

from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.speed import _rows, measure


@pytest.mark.parametrize("kind", ["steady", "evolution"])
def test_rows_are_those_of_the_batches_of_an_epoch(datasets, tmp_path, kind):
    folder = datasets["poisson_1_5"]
    if kind == "evolution":
        folder = write_heat(tmp_path / "heat", fields=("u", "v"), with_source=True)
    data = PDEDataModule([str(folder)], batch_size=4)
    data.setup("fit")
    rows = _rows(ShardedDataset(folder, "train"), len(data.mixtures["train"]))
    batches = [
        np.concatenate([b.inputs, b.outputs.flatten(1, 2)], 1) for b in data.train_dataloader()
    ]
    found = np.concatenate(batches)
    assert {row.tobytes() for row in rows} == {row.tobytes() for row in found}


def test_speed_of_windows_is_measured(tmp_path):
    folder = write_heat(tmp_path / "heat", num_samples={"train": 5, "val": 1})
    (speed,) = measure(str(folder), batch_sizes=[4], caches=["none"], max_samples=9, num_repeats=1)
    assert speed.samples_per_s > 0
    assert speed.megabytes_per_s / speed.samples_per_s == pytest.approx(2 * 8 * 8 * 4 / 1e6)
