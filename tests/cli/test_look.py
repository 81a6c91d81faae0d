"""`sciml data` and `sciml inspect`: look at data sets and checkpoints."""

import pytest
from command_line import rejection
from heat_sets import write_heat

from lightning_sciml.cli.main import main


def test_a_data_set_can_be_described_and_verified(datasets, tmp_path, capsys):
    main(["data", "describe", str(datasets["helmholtz_1_10"])])
    told = [line[:28].strip() for line in capsys.readouterr().out.splitlines()]
    assert {"realised omega", "largest residual", "seed", "draws rejected"} <= {*told}
    main(["data", "describe", str(datasets["poisson_1_5"])])
    drawn = "class_path PoissonCoefficients; init_args eigenvalue [1.0, 5.0]; diffusivity 0.01"
    assert f"config.coefficients         {drawn}\n" in capsys.readouterr().out
    main(["data", "verify", str(datasets["helmholtz_1_10"])])
    assert "is good" in capsys.readouterr().out
    assert "has no manifest.json" in rejection(["data", "describe", tmp_path], capsys)


def test_trajectories_are_described_verified_and_drawn(tmp_path, capsys):
    options = {"shape": (8, 12), "lengths": (1.0, 1.5), "boundary": ("neumann", "periodic")}
    folder = str(write_heat(tmp_path / "heat", fields=("u", "v"), with_source=True, **options))
    main(["data", "describe", folder])
    described = capsys.readouterr().out.splitlines()
    for line in (
        "fields                      u, v over time",
        "static fields               source",
        "grid                        8×12 (y×x), lengths 1×1.5, neumann along y, periodic along x",
        "times                       5, 0 … 0.4, every 0.1",
        "trajectories                train 6, val 2, test 2; 0.04 MB in 3 shards",
        "coefficients                nu",
    ):
        assert line in described
    assert not [line for line in described if line.startswith(("seed", "draws", "largest"))]
    main(["data", "verify", folder])
    note = "heat is good; trajectories are unchecked: no equation is known\n"
    assert capsys.readouterr().out.endswith(note)
    main(["data", "bench", folder, "--batch_sizes=4", "--num_repeats=1", "--max_samples=8"])
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split()[0] == "windows/s"
    assert [row.split()[3:] for row in rows[:2]] == [
        [f"cache={cache}", "batch_size=4"] for cache in ("none", "memory")
    ]
    main(["data", "plot", folder, "--output", str(tmp_path / "figures")])
    assert "trajectories.png\n" in capsys.readouterr().out
    line = rejection(["data", "plot", folder, "--movie", "avi"], capsys)
    assert "movie" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verify", "--jobs=0"], "jobs must be at least 1, got 0"),
        (["bench", "--num_repeats=0"], "num_repeats must be at least 1, got 0"),
        (["bench", "--max_samples=-1"], "max_samples must be at least 1, got -1"),
        (["bench", "--batch_sizes=[8,0]"], "batch_sizes must be at least 1, got [8, 0]"),
        (["bench", "--batch_sizes=[]"], "batch_sizes must be at least 1, got []"),
    ],
)
def test_invalid_looks_at_data_are_rejected(datasets, words, message, capsys):
    command, *options = words
    assert message in rejection(["data", command, datasets["poisson_1_5"], *options], capsys)


def test_weights_are_exported_to_a_folder_that_is_made(config, tmp_path, capsys):
    main(["fit", "--config", str(config(max_epochs=1))])
    words = ["export", str(tmp_path / "run"), "--format=safetensors", "--output"]
    main([*words, str(tmp_path / "new/folder")])
    assert {p.name for p in (tmp_path / "new/folder").iterdir()} == {
        "config.json",
        "model.safetensors",
    }
    (tmp_path / "file").touch()
    for place in ("file", "file/weights"):
        assert f"{place} cannot be written" in rejection([*words, tmp_path / place], capsys)
