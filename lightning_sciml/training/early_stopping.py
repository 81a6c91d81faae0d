"""Keep a run ended that EarlyStopping has ended."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason
from lightning.pytorch.utilities import rank_zero_info

SETTINGS = ("monitor", "mode", "min_delta", "patience", "stopping_threshold")


class EndedEarly(Callback):
    """Logs that EarlyStopping has ended a run, and ends the same command typed again.

    With other settings of EarlyStopping, or without it, the run is resumed.
    """

    def __init__(self) -> None:
        self._reason = ""
        self._settings: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        """Save the reason and the settings by which the run was ended; no reason if it was not."""
        return {"reason": self._reason, "settings": self._settings}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore reason and settings."""
        self._reason, self._settings = state_dict["reason"], state_dict["settings"]

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Let the patience of the configuration count, not the saved one."""
        for callback in _early_stopping(trainer):
            saved = checkpoint["callbacks"].get(callback.state_key)
            if saved:
                saved["patience"] = callback.patience
                saved["stopping_reason"] = EarlyStoppingReason.NOT_STOPPED.value

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End at once if the current settings have ended the run before."""
        if self._reason and self._settings == _settings(trainer):
            trainer.should_stop = True
            rank_zero_info(
                f"EarlyStopping has ended this run ({self._reason}) and it stays ended; to train "
                "on, change the settings of EarlyStopping or leave it out"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Discard the saved end if the settings have changed since."""
        self._reason, self._settings = "", []

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log why the run ends, and save the reason in the last checkpoint."""
        for callback in _early_stopping(trainer):
            if trainer.should_stop and callback.stopping_reason != EarlyStoppingReason.NOT_STOPPED:
                self._reason = str(callback.stopping_reason_message).split(" Signaling")[0]
                self._settings = _settings(trainer)
                rank_zero_info(
                    f"EarlyStopping ended the run after step {trainer.global_step}: {self._reason}"
                )


def _early_stopping(trainer: pl.Trainer) -> list[EarlyStopping]:
    return [c for c in trainer.early_stopping_callbacks if isinstance(c, EarlyStopping)]


def _settings(trainer: pl.Trainer) -> list[dict[str, Any]]:
    return [{name: getattr(c, name) for name in SETTINGS} for c in _early_stopping(trainer)]
