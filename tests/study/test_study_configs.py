"""Every study file of the repository: its runs are configurations that `sciml fit` takes."""

from pathlib import Path

import pytest
import yaml

from lightning_sciml.cli.main import main
from lightning_sciml.pde.steady import EQUATIONS
from lightning_sciml.study.definition.runs import DownstreamRun, Init
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.plan_faults import size_faults
from lightning_sciml.study.execution.run_config import DatasetFacts, run_config

ROOT = Path(__file__).parent.parent.parent
STUDIES = sorted(
    [*(ROOT / "launch/configs/study").glob("*.yaml"), *(ROOT / "docs/notebook").rglob("*.yaml")]
)


def assumed(name: str) -> DatasetFacts:
    """A data set as its configuration names it: equation_range."""
    assert (ROOT / f"launch/configs/data/{name}.yaml").exists(), name
    equation = next(e for e in EQUATIONS if name.startswith(e))
    names = EQUATIONS[equation].coefficient_names
    return DatasetFacts(coefficient_names=names, num_train_samples=32768)


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_every_study_parses_and_so_do_its_runs(path, tmp_path, capsys):
    study = StudyFile.load(path)
    assert not size_faults(study)
    datasets = {name: assumed(name) for name in study.dataset_names}
    kinds = {}  # one run of each stage and optimizer
    for run in study.runs():
        init = run.init if isinstance(run, DownstreamRun) else "pretrain"
        content = run_config(study, run, datasets)
        optimizer = content["model"]["init_args"]["optimizer"]["class_path"]
        if init in ("pretrain", Init.FINE_TUNE):
            kinds.setdefault((init, optimizer), content)
    assert "pretrain" in {init for init, _ in kinds}
    for content in kinds.values():
        config = tmp_path / "run.yaml"
        config.write_text(yaml.safe_dump(content))
        with pytest.raises(SystemExit) as stop:
            main(["fit", "--config", str(config), "--print_config"])
        assert stop.value.code == 0
        assert yaml.safe_load(capsys.readouterr().out)["run_dir"] == content["run_dir"]
