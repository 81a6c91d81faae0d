"""Memory that can be had: of the machine, or what a job or a container leaves of it."""

from pathlib import Path

import pytest

from lightning_sciml.process_memory import available_memory

MACHINE = 64 << 30


def kernel(root: Path, cgroup: str, groups: dict[str, dict[str, object]]) -> Path:
    """Write the files of a kernel whose machine has 64 GiB free."""
    meminfo = f"MemTotal: {MACHINE >> 9} kB\nMemAvailable:   {MACHINE >> 10} kB\n"
    files = {"proc/meminfo": meminfo, "proc/self/cgroup": cgroup}
    for group, of_group in groups.items():
        files |= {f"sys/fs/cgroup/{group}/{name}": f"{of_group[name]}\n" for name in of_group}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def version_2(limit, used=0, cached=0):
    stat = f"anon {used - cached}\ninactive_file {cached // 4}\nactive_file {cached * 3 // 4}"
    return {"memory.max": limit, "memory.current": used, "memory.stat": stat}


def version_1(limit, used=0, cached=0):
    stat = f"cache 1\ninactive_file 1\ntotal_inactive_file {cached}\ntotal_active_file 0"
    return {"memory.limit_in_bytes": limit, "memory.usage_in_bytes": used, "memory.stat": stat}


JOB = "slurm/uid_7/job_3"
UNLIMITED = 9223372036854771712  # what version 1 says where there is no limit


@pytest.mark.parametrize(
    ("cgroup", "groups", "wanted"),
    [
        # SLURM's --mem is the limit of the job, a group above that of the process
        (
            f"0::/{JOB}/step_0/task_0\n",
            {f"{JOB}/step_0/task_0": version_2("max"), JOB: version_2(8 << 30, 3 << 30, 1 << 30)},
            6 << 30,
        ),
        (
            f"9:name=systemd:/\n4:memory:/{JOB}/step_0\n0::/\n",
            {
                f"memory/{JOB}/step_0": version_1(UNLIMITED, 3 << 30),
                f"memory/{JOB}": version_1(8 << 30, 3 << 30, 1 << 30),
                "memory": version_1(UNLIMITED, 30 << 30),
            },
            6 << 30,
        ),
        # containers see their own group as the top, by its name inside or outside
        ("0::/\n", {"": version_2(2 << 30, 1 << 30)}, 1 << 30),
        ("4:cpu,memory:/docker/3af\n", {"memory": version_1(2 << 30, 1 << 30)}, 1 << 30),
        # the smallest counts, and what is used beyond a limit is no memory
        ("0::/a/b\n", {"a": version_2(5 << 30), "a/b": version_2(4 << 30)}, 4 << 30),
        ("0::/\n", {"": version_2(2 << 30, 3 << 30)}, 0),
        # no limit below the machine's memory
        ("0::/a\n", {"a": version_2("max", 1 << 30)}, MACHINE),
        ("0::/a\n", {"a": version_2(128 << 30, 1 << 30)}, MACHINE),
        ("0::/user.slice\n", {}, MACHINE),
    ],
)
def test_a_limit_of_a_job_or_container_counts(tmp_path, cgroup, groups, wanted):
    assert available_memory(kernel(tmp_path, cgroup, groups)) == wanted


def test_a_machine_has_memory():
    """Whatever this process's own limits are."""
    assert available_memory() > 0
