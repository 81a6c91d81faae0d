"""The configuration of a training run of seconds, and the run itself."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from lightning_sciml.cli.main import main

POISSON = ("k11", "k22", "k12")
QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}


def network(
    names: Iterable[str] = POISSON,
    class_path: str = "lightning_sciml.models.fno.FNO",
    **options: Any,
) -> dict[str, Any]:
    """A network of a few hundred weights."""
    sizes = {"num_channels": 4, "num_modes": 4, "coefficient_names": list(names)}
    return {"class_path": class_path, "init_args": {**sizes, **options}}


def write_run(
    run_dir: Path,
    datasets: Iterable[Path],
    *,
    model: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    trainer: dict[str, Any] | None = None,
    module: str = "PretrainingModule",
    **options: Any,
) -> Path:
    """Write the YAML of a run beside its folder, and return its path.

    Args:
        run_dir: folder of the run.
        datasets: folders of its data sets.
        model: options of the module, over those of the tiny run; as `data` and `trainer` are.
            Fine-tuning takes its network from the checkpoint unless one is given.
        data: options of the data.
        trainer: options of the trainer.
        module: class of the module.
        options: those at the top level.
    """
    own = {} if module == "FineTuningModule" else {"network": network()}
    tree = {
        "run_dir": str(run_dir),
        "model": {"class_path": module, "init_args": {**own, **(model or {})}},
        "data": {"datasets": [str(d) for d in datasets], "batch_size": 8, **(data or {})},
        "trainer": {"accelerator": "cpu", "devices": 1, **QUIET, **(trainer or {})},
        **options,
    }
    path = run_dir.with_name(f"{run_dir.name}.yaml")
    path.write_text(yaml.safe_dump(tree))
    return path


def with_callbacks(config: Path, *callbacks: dict[str, Any], **options: Any) -> Path:
    """Write a second YAML of the run, with these callbacks and options at the top level."""
    tree = yaml.safe_load(config.read_text()) | options
    tree["trainer"]["callbacks"] = list(callbacks)
    changed = config.with_suffix(".changed.yaml")
    changed.write_text(yaml.safe_dump(tree))
    return changed


def fit(config: Path, *options: str) -> Path:
    """Train in this process; the folder of the run."""
    main(["fit", "--config", str(config), *options])
    return Path(yaml.safe_load(config.read_text())["run_dir"])
