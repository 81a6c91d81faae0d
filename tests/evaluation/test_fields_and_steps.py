"""Test and predict on sets that differ in fields, steps, grid and walls, from disk to disk."""

import csv
import json

import h5py
import numpy as np
import pytest
import torch
from heat_sets import write_heat
from tiny_run import fit, network, write_run

from lightning_sciml.cli.main import main
from lightning_sciml.evaluation.kept_samples import load_sample
from lightning_sciml.evaluation.metrics import h1, relative_l2
from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.reader import ShardedDataset

WALLED = {"shape": (16, 24), "lengths": (1.0, 1.5), "boundary": ("neumann", "periodic")}
NETWORK = {
    "input_fields": ["source", "u@-1", "v@-1", "u", "v"],
    "output_fields": ["u", "v"],
    "class_path": "lightning_sciml.models.fno.FNO",
}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Folder of two data sets, and of a run that is trained on both, tested and applied."""
    root = tmp_path_factory.mktemp("fields")
    write_heat(root / "walled", fields=("u", "v"), with_source=True, **WALLED)
    write_heat(root / "plain", fields=("u",), num_times=6, shape=(12, 12), seed=1)
    config = write_run(
        root / "run",
        [root / "walled", root / "plain"],
        model={"network": network(["nu"], **NETWORK), "normalization": "standard"},
        data={"history": 2, "num_unrolled_steps": 2},
        trainer={"max_epochs": 1},
    )
    fit(config)
    for verb in ("test", "predict"):
        main([verb, "--config", str(config)])
    return root


def fields_of(root, name, field):
    """Predictions on disk, and what they are predictions of: (n, K, H, W)."""
    with h5py.File(root / "run/predictions/walled+plain-test.h5") as file:
        group = file[name]
        prediction, samples = group[f"prediction/{field}"][:], group["sample_index"][:]
        starts, times = group["time_index"][:] - 1, group["times"][:]
    data = ShardedDataset(root / name, "test")
    np.testing.assert_array_equal(times, np.array(data.times)[starts[:, None] + [2, 3]])
    windows = data.windows(samples, starts, 4)[:, 2:, data.target_fields.index(field)]
    return torch.from_numpy(prediction).double(), torch.from_numpy(windows.copy()).double()


def test_the_report_measures_what_predict_writes(evaluated):
    report = json.loads((evaluated / "run/test/walled+plain.json").read_text())
    walled, both = report["datasets"]["walled"], []
    for field in ("u", "v"):
        prediction, reference = fields_of(evaluated, "walled", field)
        assert prediction.shape == (2 * 2, 2, 16, 24)  # two trajectories of 5 times: 2 windows
        both.append(relative_l2(prediction, reference))
        told, of_h1 = walled["fields"][field], h1(prediction, reference, Grid(**WALLED))
        assert told["relative_l2"]["mean"] == pytest.approx(float(both[-1].mean()), rel=1e-5)
        assert told["steps"][1]["h1"]["max"] == pytest.approx(float(of_h1[:, 1].max()), rel=1e-5)
    by_step = torch.stack(both).mean(dim=0).mean(dim=0)
    told = [step["relative_l2"]["mean"] for step in walled["steps"]]
    np.testing.assert_allclose(told, by_step, rtol=1e-5)
    assert [step["lead_time"] for step in walled["steps"]] == pytest.approx([0.1, 0.2])
    assert "fields" not in report["datasets"]["plain"]  # it has one
    assert (report["num_samples"], report["fields"]["v"]["num_samples"]) == (4 + 6, 4)


def test_the_table_has_a_row_for_each_window_in_order(evaluated):
    rows = list(csv.DictReader((evaluated / "run/test/walled+plain.csv").read_text().splitlines()))
    places = [(r["dataset"], int(r["sample_index"]), int(r["time_index"])) for r in rows]
    assert places == [
        *(("walled", i, t) for i in (0, 1) for t in (1, 2)),
        *(("plain", i, t) for i in (0, 1) for t in (1, 2, 3)),
    ]
    for name, field in (("walled", "v"), ("plain", "u")):
        own = [float(r[f"relative_l2/{field}"]) for r in rows if r["dataset"] == name]
        expected = relative_l2(*fields_of(evaluated, name, field)).mean(dim=1)
        np.testing.assert_allclose(own, expected, rtol=1e-5)
    assert {r["relative_l2/v"] for r in rows if r["dataset"] == "plain"} == {"nan"}


def test_kept_samples_have_the_channels_of_their_own_data_set(evaluated):
    sample = load_sample(evaluated / "run/test/walled+plain.plain.npz")
    assert (sample.input_fields, sample.output_fields) == (("u@-1", "u"), ("u",))
    data = ShardedDataset(evaluated / "plain", "test")
    at = np.array([sample.sample_index]), np.array([sample.time_index - 1])
    window = data.windows(*at, 4)[0]
    np.testing.assert_array_equal(sample.inputs, window[:2, 0])
    np.testing.assert_array_equal(sample.reference, window[2:])
    np.testing.assert_allclose(sample.lead_times, [0.1, 0.2])
