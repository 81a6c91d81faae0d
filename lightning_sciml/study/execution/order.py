"""The order of the runs of a study: what each waits for, and what it does next."""

from collections.abc import Callable
from pathlib import Path

from lightning_sciml.folder_lock import FolderLock
from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.halving import Leg, next_leg
from lightning_sciml.study.execution.run_config import Datasets
from lightning_sciml.study.execution.run_files import State, state_of
from lightning_sciml.study.execution.searches import searches


class Order:
    """Pre-trainings come before the runs that start from them; learning rates meet at rungs."""

    def __init__(self, study: StudyFile, datasets: Datasets) -> None:
        self.study = study
        found = searches(study, study.runs(), datasets)
        self._search_of = {run: search for search in found for run in search.runs}

    def is_searched(self, run: Run) -> bool:
        """Tell whether a run is one of several learning rates that are halved."""
        return run in self._search_of

    def origin(self, run: Run) -> Run | None:
        """Return the run of this study whose weights a run starts from."""
        origin = run.pretrained
        return None if origin is None or self.study.given_checkpoint(origin) else origin

    def is_ready(self, run: Run) -> bool:
        """Tell whether the weights that a run starts from are there."""
        origin = self.origin(run)
        return origin is None or state_of(self.study, origin) == State.FINISHED

    def next(self, run: Run, is_coming: Callable[[Run], bool]) -> Leg | Run | None:
        """Return what a run does next, or the run it waits for; None where it has lost.

        Args:
            run: that has no result.
            is_coming: whether a run that has failed is tried again.
        """
        search = self._search_of.get(run)
        return next_leg(self.study, search, run, is_coming) if search else Leg()


def is_held(folder: Path) -> bool:
    """Tell whether another process works in the folder of a run."""
    lock = FolderLock(folder)
    try:
        is_free = lock.acquire()
    except OSError:  # no such folder yet, or one that cannot be written, of which the run will tell
        return False
    lock.release()
    return not is_free
