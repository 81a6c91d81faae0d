"""Where the programs under test lie."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MPIRUN = Path(sys.executable).parent / "mpirun"
