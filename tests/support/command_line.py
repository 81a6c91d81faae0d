"""What tests of the command line share."""

import pytest

from lightning_sciml.cli.main import main


def rejection(arguments, capsys, *, exit_code=2) -> str:
    """The one line that a command writes before it exits."""
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    assert stop.value.code == exit_code
    lines = [x for x in capsys.readouterr().err.splitlines() if "error:" in x]
    assert len(lines) == 1
    return lines[0]
