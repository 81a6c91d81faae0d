"""What cannot work ends in one line before any GPU is touched, and is not queued again."""

import shlex

import pytest
from cluster import Cluster, Run

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]
PRETRAIN = "slurm/pretrain.sbatch"


def rejection(cluster: Cluster, job: str) -> str:
    """The one line of error of a job that fails for good."""
    assert cluster.wait(job) == "FAILED", cluster.log(job)
    assert cluster.field(job, "Restarts") == "0"
    lines = [line for line in cluster.log(job).splitlines() if ": error: " in line]
    (line,) = (line for line in lines if not line.startswith(("srun:", "slurmstepd")))
    return line


def submit_by_hand(cluster: Cluster, run: Run, options: str) -> str:
    """sciml on two nodes with options that may name the node: nodes that see different things."""
    fit = f"sciml fit --config {run.config} {options}"
    script = run.config.with_suffix(".sbatch")
    script.write_text(
        "#!/bin/bash\nsource slurm/job.sh\nsource_site\nchoose_meeting_point\n"
        f"srun --kill-on-bad-exit=1 bash -c {shlex.quote(fit)}\n"
    )
    return cluster.submit("--ntasks-per-node=1", script)


def test_a_partition_that_is_not_there(cluster: Cluster, make_run):
    run = make_run("run")
    answer = cluster.run("sbatch", "--partition=none", PRETRAIN, run.config, check=False)
    assert "invalid partition" in answer


def test_a_site_file_that_is_not_there(cluster: Cluster, make_run):
    run = make_run("run")
    job = cluster.submit("--export=ALL,SCIML_SITE=/nowhere/site.sh", PRETRAIN, run.config)
    line = rejection(cluster, job)
    assert "the settings of this site are wanted in /nowhere/site.sh" in line
    assert "cp slurm/site.example.sh" in line


def test_a_config_that_is_not_there(cluster: Cluster):
    assert "none.yaml is neither a file nor a config of sciml" in rejection(
        cluster, cluster.submit(PRETRAIN, "none.yaml")
    )


def test_a_batch_that_does_not_divide_over_the_processes(cluster: Cluster, make_run):
    job = cluster.submit(PRETRAIN, make_run("run").config, "--data.batch_size", "7")
    assert "batch_size=7 over 2; try 6" in rejection(cluster, job)


def test_a_run_folder_that_the_nodes_do_not_share(cluster: Cluster, make_run):
    run = make_run("run")
    job = submit_by_hand(
        cluster, run, f"--collective_timeout_s 5 --run_dir {run.folder}/$SLURM_NODEID"
    )
    line = rejection(cluster, job)
    assert "run_dir must be a folder that all nodes share: after 5 s node" in line


def test_a_data_set_that_one_node_lacks(cluster: Cluster, make_run, dataset):
    run = make_run("run")
    (dataset.parent / "of_node_0").symlink_to(dataset)
    folder = f"{dataset.parent}/of_node_$SLURM_NODEID"
    line = rejection(cluster, submit_by_hand(cluster, run, f"--data.datasets [{folder}]"))
    assert f"the data set {dataset.parent}/of_node_1 is wanted on all 2 nodes" in line
    assert "it is not on node 1" in line


@pytest.mark.parametrize("script", ["generate", "pretrain", "finetune"])
def test_slurm_takes_the_header_of_every_script(cluster: Cluster, script):
    answer = cluster.run("sbatch", "--test-only", f"slurm/{script}.sbatch")
    assert "to start at" in answer
