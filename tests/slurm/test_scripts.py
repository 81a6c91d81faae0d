"""The functions of slurm/job.sh, without a cluster; and the launchers that need none."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def bash(script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run a script that has sourced slurm/job.sh."""
    return subprocess.run(
        ["bash", "-c", f"source slurm/job.sh; {script}", "job", *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def training_job(tmp_path):
    """Runs a training job, where srun leaves a mark in the run folder and says what it would do."""
    site = tmp_path / "site.sh"
    site.write_text(
        f"export PATH={sysconfig.get_path('scripts')}:$PATH\n"
        'choose_meeting_point() { :; }\nqueue_again() { echo "$1"; }\n'
        'srun() { kill -USR1 $$; sleep 0.3; echo "$@"; }\n'
    )

    def run(*words: object) -> subprocess.CompletedProcess:
        variables = {"SCIML_SITE": str(site), "SLURM_JOB_NAME": "pretrain"}
        return bash('train "$@"', *map(str, words), **variables)

    return run


@pytest.mark.parametrize("name", ["runs/a#b", "runs/a b", "runs/it's"])
def test_a_request_to_stop_goes_to_the_folder_of_the_run(tmp_path, training_job, name):
    """Take the folder of the last config, written in flow style with a byte order mark."""
    first, overlay = tmp_path / "first.yaml", tmp_path / "overlay.yaml"
    first.write_text(f"run_dir: {tmp_path}/other\n")
    overlay.write_bytes(f'\ufeff{{seed_everything: 1, run_dir: "{tmp_path}/{name}"}}\r\n'.encode())
    result = training_job(first, f"--config={overlay}")
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith(f"--run_dir {tmp_path}/{name}\n")
    assert (tmp_path / name / "STOP_REQUESTED").exists()


def test_a_job_without_a_run_folder_is_rejected(tmp_path, training_job):
    config = tmp_path / "run.yaml"
    config.write_text("model: {run_dir: x}\n")
    result = training_job(config)
    assert (result.returncode, result.stdout) == (2, "")
    assert "add --run_dir, or run_dir: to" in result.stderr.splitlines()[-1]
    config.write_text("run_dir: 3\n")
    assert training_job(config).stderr.splitlines()[-1] == (
        "sciml: error: run_dir must be text, got 3; put it in quotes"
    )


def test_a_job_takes_the_name_of_a_config(training_job, tmp_path):
    result = training_job("pretrain/poisson", "--run_dir", tmp_path)
    assert result.returncode == 0, result.stderr
    words = f"sciml fit --config pretrain/poisson --run_dir {tmp_path} --run_dir {tmp_path}\n"
    assert result.stdout.endswith(words)
    result = training_job("pretrain/poison")
    assert (result.returncode, result.stdout) == (2, "")
    assert "did you mean pretrain/poisson?" in result.stderr


@pytest.mark.parametrize(("gpus", "tasks", "code"), [("0", "1", 0), ("4", "4", 0), ("4", "1", 2)])
def test_one_task_a_gpu(gpus, tasks, code):
    result = bash("one_task_a_gpu", SLURM_GPUS_ON_NODE=gpus, SLURM_NTASKS_PER_NODE=tasks)
    assert result.returncode == code
    assert ("add --ntasks-per-node=4 to sbatch" in result.stderr) == (code == 2)


@pytest.mark.parametrize(
    ("allocated", "seen", "is_noticed"),
    [("", "", True), ("0", "No devices found", True), ("1", "", False), ("", "GPU 0: A100", False)],
)
def test_a_training_job_without_a_gpu_says_so(tmp_path, allocated, seen, is_noticed):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{seen}'\n")
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    result = bash("notice_without_gpus", PATH=path, SLURM_GPUS_ON_NODE=allocated)
    assert result.returncode == 0
    assert ("for a GPU add --gpus-per-node=1 to sbatch" in result.stderr) == is_noticed


@pytest.mark.parametrize("script", ["pretrain", "finetune"])
def test_the_examples_of_training_ask_for_gpus(script):
    lines = (ROOT / f"slurm/{script}.sbatch").read_text().splitlines()
    examples = [line for line in lines if line.startswith("#   sbatch ")]
    assert examples
    assert all(" --gpus-per-node=" in line for line in examples)


def test_a_site_file_may_read_variables_that_are_not_set(tmp_path):
    """Allow unset variables in a site file, as modules and conda use them, and in no script."""
    site = tmp_path / "site.sh"
    site.write_text('echo "site: $NOT_SET"\n')
    result = bash('source_site; echo "job: $NOT_SET"', SCIML_SITE=str(site))
    assert result.stdout == "site: \n"
    assert "NOT_SET: unbound variable" in result.stderr


@pytest.fixture
def study_task(tmp_path):
    """Task 2 of an array of runs, where srun only says what it would do."""
    site, file = tmp_path / "site.sh", tmp_path / "study.yaml"
    site.write_text('srun() { echo "$@"; }\n')
    file.touch()
    variables = {"SCIML_SITE": str(site), "SLURM_ARRAY_TASK_ID": "2", "SLURM_JOB_NAME": "study"}
    return lambda *options: bash('study "$@"', str(file), *options, **variables)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "study.yaml --index 2"),
        (("--first", "30"), "study.yaml --index 32"),
        (("--first=0",), "study.yaml --index 2"),
        (("--scale", "tiny", "--first=5"), "study.yaml --scale=tiny --index 7"),
        (("--first=5", "--scale=tiny"), "study.yaml --scale=tiny --index 7"),
        (("--scale=t", "--datasets", "[a, b]"), "study.yaml --scale=t --datasets=[a, b] --index 2"),
    ],
)
def test_a_task_of_a_study_takes_the_run_of_its_number(study_task, options, words):
    result = study_task(*options)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith(f"{words}\n")


@pytest.mark.parametrize(
    "options",
    [
        *(("--frist", "3"), ("3",), ("--first",), ("--first=3", "--jobs=2"), ("--first", "x")),
        *(("",), ("--scale",)),
    ],
)
def test_a_study_rejects_what_it_does_not_know(study_task, options):
    result = study_task(*options)
    assert result.returncode == 2
    assert result.stderr.startswith("study: error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_a_step_is_waited_for_whatever_signals_come_and_gives_its_exit_code():
    script = """
        trap 'echo signalled' USR1
        (sleep 0.3; kill -USR1 $$; sleep 0.2; kill -USR1 $$; kill -TERM $$) &
        run_step bash -c 'sleep 1; exit 7'
        echo $?
    """
    *signals, code = bash(script).stdout.split()
    assert set(signals) == {"signalled"}
    assert code == "7"


def devcluster(verb: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [shutil.which("bash"), ROOT / "launch/devcluster.sh", verb],
        env=os.environ | {"SCIML_DEVCLUSTER": str(folder)} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_development_cluster_that_is_not_up_says_so_and_can_be_taken_down(tmp_path):
    status = devcluster("status", tmp_path)
    assert status.returncode == 1
    assert status.stderr == "devcluster: error: not up; launch/devcluster.sh up starts it\n"
    assert devcluster("down", tmp_path).returncode == 0
    assert devcluster("restart", tmp_path).returncode == 2


def test_without_slurm_and_without_root_it_says_what_is_missing(tmp_path):
    """On a path that holds no SLURM, for a user who is not root."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("mkdir", "chmod", "realpath", "dirname"):
        (programs / name).symlink_to(shutil.which(name))
    (programs / "id").write_text("#!/bin/sh\necho 1000\n")
    (programs / "id").chmod(0o755)
    up = devcluster("up", tmp_path / "c", PATH=str(programs))
    assert up.returncode == 3
    assert "sbatch; install slurm-wlm and munge (needs root)" in up.stderr
    assert up.stderr.count("\n") == 1


def test_a_launcher_asks_for_a_config():
    for words, line in (
        ([], "torchrun.sh: error: a config is wanted as first argument"),
        (["none.yaml"], "sciml: error: none.yaml is neither a file nor a config of sciml"),
    ):
        command = [ROOT / "launch/torchrun.sh", *words]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 2
        assert result.stderr.startswith(line)
        assert result.stderr.count("\n") == 1


def test_a_machine_without_a_gpu_trains_by_one_process(tmp_path):
    """Stand-ins for Python and torchrun: one says that there is no GPU, one shows its options."""
    (tmp_path / "python").write_text('#!/bin/sh\ncase "$*" in *is_available*) exit 1;; esac\n')
    (tmp_path / "torchrun").write_text('#!/bin/sh\necho "$@"\n')
    for program in tmp_path.iterdir():
        program.chmod(0o755)

    def started(**variables):
        path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        command = [ROOT / "launch/torchrun.sh", "pretrain/poisson"]
        return subprocess.run(
            command, env=path | variables, capture_output=True, text=True, check=False
        )

    alone, two, wrong = started(), started(NPROC="2"), started(NPROC="gpu")
    assert "--nproc-per-node 1 " in alone.stdout
    assert "no GPU that CUDA sees, so one process trains; NPROC=2" in alone.stderr
    assert "--nproc-per-node 2 " in two.stdout
    assert not two.stderr
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("torchrun.sh: error: NPROC=gpu needs a GPU")
    assert wrong.stderr.count("\n") == 1
