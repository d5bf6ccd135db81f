"""What a process may use, read from made-up files of the system, and what BLAS makes of it."""

import os
import subprocess
import sys

import pytest

from neurosim.backends import limits

GIB = 2**30


class System:
    """Made-up files of a system; without more, one with both versions of control groups and no limits."""

    def __init__(self, root):
        self.root = root
        self.write("proc/self/status", "VmSize:\t  1000 kB\nVmData:\t 500 kB\n")
        self.mounts = []

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def mount(self, start, place, kind, options):
        self.mounts.append(f"30 23 0:25 {start} {place} rw,nosuid shared:9 - {kind} {kind} {options}")
        self.write("proc/self/mountinfo", "\n".join(["21 1 8:1 / / rw - ext4 /dev/sda1 rw", *self.mounts]) + "\n")

    def group(self, folder, **files):
        for name, text in files.items():
            self.write(f"{folder.lstrip('/')}/{name.replace('__', '.')}", f"{text}\n")


@pytest.fixture
def system(tmp_path):
    return System(tmp_path)


@pytest.fixture
def first_version(system):
    system.write("proc/self/cgroup", "4:memory:/slurm/job_7\n3:cpu,cpuacct:/slurm/job_7\n1:name=systemd:/\n0::/\n")
    system.mount("/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory")
    system.mount("/", "/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct")
    return system


@pytest.fixture
def second_version(system):
    system.write("proc/self/cgroup", "0::/system.slice/job.scope\n")
    system.mount("/", "/sys/fs/cgroup", "cgroup2", "rw,nsdelegate")
    return system


@pytest.fixture(autouse=True)
def large_machine(monkeypatch):
    free = type("Free", (), {"available": 100 * GIB})
    monkeypatch.setattr(limits.psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)


def test_without_limits_all_of_the_machine_is_free(system, second_version):
    second_version.group("/sys/fs/cgroup/system.slice/job.scope", memory__max="max", memory__current=GIB, cpu__max="max 100000")
    for root in (system.root, system.root / "nothing"):
        assert limits.free_memory(root) == limits.Room(100 * GIB, "all that this machine has free")
        assert limits.processors(root) == 16


def test_memory_of_the_first_version(first_version):
    own = "/sys/fs/cgroup/memory/slurm/job_7"
    statistics = f"cache 9\ninactive_file 1\ntotal_inactive_file {GIB // 2}\ntotal_active_file {GIB // 4}"
    first_version.group(own, memory__limit_in_bytes=3 * GIB, memory__usage_in_bytes=2 * GIB, memory__stat=statistics)
    room = limits.free_memory(first_version.root)
    assert room == limits.Room(GIB + GIB // 2 + GIB // 4, "the control group's limit of 3,072 MiB")
    first_version.group(own, memory__limit_in_bytes=9223372036854771712)  # what stands there without a limit
    assert limits.free_memory(first_version.root).limit == "all that this machine has free"


def test_memory_of_the_second_version(second_version):
    own = "/sys/fs/cgroup/system.slice/job.scope"
    second_version.group(own, memory__max=3 * GIB, memory__current=2 * GIB, memory__stat=f"inactive_file {GIB}\nactive_file 0")
    assert limits.free_memory(second_version.root).bytes == 2 * GIB
    second_version.group(own, memory__high=2 * GIB)  # from here on the process is slowed down
    assert limits.free_memory(second_version.root).bytes == GIB
    second_version.group(own, memory__current=5 * GIB)
    assert limits.free_memory(second_version.root).bytes == 0


@pytest.mark.parametrize("folder", ["/sys/fs/cgroup/system.slice", "/sys/fs/cgroup"])
def test_groups_above_count_too(folder, second_version):
    second_version.group("/sys/fs/cgroup/system.slice/job.scope", memory__max="max", memory__current=GIB, cpu__max="max 100000")
    second_version.group(folder, memory__max=4 * GIB, memory__current=3 * GIB, cpu__max="300000 100000")
    assert limits.free_memory(second_version.root).bytes == GIB
    assert limits.processors(second_version.root) == 3


@pytest.mark.parametrize("own", ["/docker/abc", "/docker/abc/inner", "/../elsewhere", "/"])
def test_a_container_sees_its_group_where_it_is_mounted(own, system):
    """Without a namespace of its own /proc names the host's path, of which only a part is mounted."""
    system.write("proc/self/cgroup", f"0::{own}\n")
    system.mount("/docker/abc", "/sys/fs/cgroup\\040x", "cgroup2", "rw")
    system.group("/sys/fs/cgroup x", memory__max=2 * GIB, memory__current=GIB, cpu__max="150000 100000")
    assert limits.free_memory(system.root).bytes == GIB
    assert limits.processors(system.root) == 2


@pytest.mark.parametrize(("quota", "expected"), [(50000, 1), (150000, 2), (400000, 4), (-1, 16)])
def test_processors_of_the_first_version(quota, expected, first_version):
    own = "/sys/fs/cgroup/cpu,cpuacct/slurm/job_7"
    first_version.group(own, cpu__cfs_quota_us=quota, cpu__cfs_period_us=100000)
    assert limits.processors(first_version.root) == expected


def test_damaged_files_limit_nothing(second_version):
    own = "/sys/fs/cgroup/system.slice/job.scope"
    second_version.group(own, memory__max="many", memory__current="", memory__stat="x\n\ny z", cpu__max="100000 0")
    second_version.write("proc/self/status", "VmSize:\n")
    assert limits.free_memory(second_version.root).bytes == 100 * GIB
    assert limits.processors(second_version.root) == 16
    second_version.write("proc/self/cgroup", "0\n::\nx")
    second_version.write("proc/self/mountinfo", "30 23\n - cgroup2\n")
    assert limits.free_memory(second_version.root).bytes == 100 * GIB


def test_fewer_processors_by_taskset(monkeypatch, system):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3}, raising=False)
    assert limits.processors(system.root) == 1


@pytest.mark.parametrize(("kind", "size", "said"), [("RLIMIT_AS", 1000, "-v"), ("RLIMIT_DATA", 500, "-d")])
def test_what_the_shell_allows(kind, size, said, monkeypatch, system):
    resource = pytest.importorskip("resource")
    wanted = getattr(resource, kind)
    monkeypatch.setattr(resource, "getrlimit", lambda one: (GIB if one == wanted else resource.RLIM_INFINITY,) * 2)
    assert limits.free_memory(system.root) == limits.Room(GIB - 1024 * size, f"ulimit {said} {GIB // 1024}")


# ---------------------------------------------------------------------- threads

THREADS = """
import os, sys
from neurosim.backends import NumpyBackend, limits
limits.processors = lambda root=limits.ROOT: int(sys.argv[1])
NumpyBackend()
print(limits.threads(), limits.blas())
"""


@pytest.mark.parametrize(
    ("processors", "chosen", "expected"),
    [(1, {}, "1"), (1, {"OPENBLAS_NUM_THREADS": "2"}, "2"), (64, {"OMP_NUM_THREADS": "1"}, "1")],
)
def test_threads_are_those_there_are_processors_for(processors, chosen, expected):
    kept = {name: value for name, value in os.environ.items() if name not in limits.CHOSEN}
    done = subprocess.run(
        [sys.executable, "-c", THREADS, str(processors)], env=kept | chosen, capture_output=True, text=True, check=True
    )
    threads, blas, *version = done.stdout.split()
    if blas != "openblas" or (os.cpu_count() or 1) < 2:
        pytest.skip(f"NumPy's BLAS here is {blas} on {os.cpu_count()} processors")
    assert threads == expected and version
