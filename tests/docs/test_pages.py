"""Every block of README.md and docs/ that a reader types runs, in order, in a folder of its own."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from page_blocks import Block, blocks, unseen_lines
from warm_program import WarmProgram

CPU = "--data.batch_size 16 --trainer.accelerator cpu --trainer.devices 1 --trainer.logger false"
SIZES = {  # for the marks of pages
    "TINY_DATA": "--num_points 32 --num_train_samples 48 --num_val_samples 8 --num_test_samples 8",
    "TINY_RUN": f"--model.network.size 64K {CPU} --trainer.max_epochs 1",
    "FEW_STEPS": f"{CPU} --trainer.max_epochs 1 --trainer.check_val_every_n_epoch 1",
}
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
DEVCLUSTER = ROOT / "launch/devcluster.sh"
SLOW = [page for page in PAGES if "<!-- slow: " in page.read_text()]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment of a reader, with a `sciml` that starts at once and $GIVEN."""
    folder = tmp_path_factory.mktemp("pages")
    program = WarmProgram(folder)
    (folder / "home").mkdir()
    path = (program.bin, Path(sys.executable).parent, os.environ["PATH"])
    environment = os.environ | {
        "PATH": os.pathsep.join(map(str, path)),
        "PYTHONPATH": str(ROOT),
        "LIBRARY": str(ROOT),
        "HOME": str(folder / "home"),  # a page may write to ~
        "GIVEN": str(folder / "given"),
        "SCIML_DEVCLUSTER": str(folder / "slurm"),
        **SIZES,
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
    }
    yield environment
    program.close()


@pytest.fixture
def reader(environment, tmp_path, request):
    """Runs blocks as a reader does: reader(name of the page, blocks)."""

    def run(name: str, typed: list[Block]) -> None:
        if any("GIVEN" in block.text for block in typed):
            request.getfixturevalue("given")
        unseen = run_blocks(name, typed, tmp_path, environment)
        assert unseen == {}

    yield run
    if Path(environment["SCIML_DEVCLUSTER"]).exists():  # a page that failed left it running
        subprocess.run([DEVCLUSTER, "down"], env=environment, check=True)


@pytest.fixture(scope="module")
def given(environment):
    """Data sets and runs that pages on one task begin with, at tiny sizes."""
    folder = Path(environment["GIVEN"])
    folder.mkdir()
    script = Path(__file__).parent / "given.sh"
    subprocess.run(["bash", script], cwd=folder, env=environment, check=True, capture_output=True)


@pytest.mark.mpi
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_blocks_of_a_page_run_and_print_what_it_shows(page, reader):
    typed = [b for b in blocks(page) if not (b.not_run or b.is_slow)]
    reader(name_of(page), typed)


@pytest.mark.mpi
@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW, ids=name_of)
def test_all_blocks_of_a_page_run_and_print_what_it_shows(page, reader):
    typed = [b for b in blocks(page) if not b.not_run]
    if any("devcluster.sh up" in b.text for b in typed) and not can_start_a_cluster():
        pytest.skip("the tutorial starts SLURM, which only root can install: slurm-wlm, munge")
    reader(name_of(page), typed)


def can_start_a_cluster() -> bool:
    return shutil.which("slurmctld") is not None or os.geteuid() == 0


def run_blocks(
    name: str, typed: list[Block], folder: Path, environment: dict[str, str]
) -> dict[str, object]:
    """Run blocks in an empty folder, and return by line what the page shows and none printed."""
    if not typed:
        return {}
    steps, reader = folder / "page.json", folder / "reader"
    reader.mkdir()
    steps.write_text(json.dumps([asdict(block) | {"page": name} for block in typed]))
    done = subprocess.run(
        ["sciml", "page", steps],
        cwd=reader,
        env=environment | {"PAGE_STATE": str(folder / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    unseen: dict[str, object] = {}
    for block in json.loads(steps.with_suffix(".out.json").read_text()):
        sys.stdout.write(f"{name}, line {block['line']}: {block['elapsed_s']:.1f} s\n")
        if lines := unseen_lines(block["shown"] or "", block.get("printed", "")):
            unseen[f"line {block['line']}"] = {"shown": lines, "printed": block["printed"][-2000:]}
    return unseen
