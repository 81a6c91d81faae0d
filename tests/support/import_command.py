"""The command `sciml data import`, as a user types it."""

import pytest

from lightning_sciml.cli.main import main


def import_(folder, paths, *words):
    """Import files by their names."""
    main(["data", "import", str(folder), f"--train=[{','.join(map(str, paths))}]", *words])
    return folder


def rejected(capsys, *arguments):
    """Return the one line in which an import ends."""
    with pytest.raises(SystemExit) as stop:
        import_(*arguments)
    assert stop.value.code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(error) == 1
    return error[0]
