"""Continue the table of metrics of a run that is resumed."""

import csv
from pathlib import Path

from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from lightning_sciml.shards.durable import replacing


class ContinuedTable(ExperimentWriter):
    """Appends to an existing metrics.csv, which Lightning's writer would remove.

    Args:
        log_dir: folder of the file.
        step: rows from this step on are removed.
    """

    def __init__(self, log_dir: str, step: int) -> None:
        super().__init__(log_dir)
        path = Path(self.metrics_file_path)
        if not path.exists():
            return
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            self.metrics_keys = list(reader.fieldnames or ())
            rows = [row for row in reader if _is_before(step, row.get("step"))]
        with replacing(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=self.metrics_keys)
            writer.writeheader()
            writer.writerows(rows)

    def _check_log_dir_exists(self) -> None:
        """Keep the file that is there."""


def _is_before(step: int, told: str | None) -> bool:
    """Return whether a row is whole and of an earlier step; a kill may cut the last one short."""
    return bool(told and told.isdecimal()) and int(str(told)) < step
