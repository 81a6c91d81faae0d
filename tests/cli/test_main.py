"""`sciml` dispatches a verb, and one of several processes says what is wrong."""

import subprocess
import sys

import pytest

from lightning_sciml.cli.main import main


def test_help_comes_at_once_and_loads_no_torch():
    code = (
        "import sys, lightning_sciml.cli.main as cli; cli.parser(); print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


def test_public_names_are_listed_before_they_are_loaded():
    code = "import sys, lightning_sciml as s; print(*dir(s), 'torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    *names, is_loaded = result.stdout.split()
    assert {"load_operator", "read_dataset", "write_dataset"} <= {*names}
    assert is_loaded == "False"


TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2"}


@pytest.mark.parametrize(
    ("variables", "waits", "speaks"),
    [
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}, False, True),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}, True, True),
        ({**TORCHRUN, "RANK": "1", "LOCAL_RANK": "0"}, True, True),
        ({"LOCAL_RANK": "1", "SLURM_PROCID": "0"}, False, False),
    ],
    ids=["first of srun", "other of srun", "other of torchrun", "started by Lightning"],
)
def test_of_several_processes_the_first_speaks_unless_it_sees_nothing_wrong(
    variables, waits, speaks, tmp_path, monkeypatch, capsys
):
    waited = []
    monkeypatch.setattr("lightning_sciml.cli.main.sleep", waited.append)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stop:
        main(["data", "describe", str(tmp_path)])
    assert stop.value.code == 2
    assert bool(waited) == waits
    assert ("has no manifest.json" in capsys.readouterr().err) == speaks
