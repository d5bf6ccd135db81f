"""Kill workers, scheduler and client of studies at random moments, resume them, and compare with the undisturbed study.

    python tests/studies/kills.py KILLS SEED FOLDER

The client and its scheduler are one process, or the scheduler is another, with workers of its own.  Prints one JSON line: how
many of each were killed, and what was wrong.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import psutil

STUDY = """
model = "compare"
settings = ["training.epochs=6", "data.limit=300", "network.hidden=[12]"]
seeds = 2
halving = { rungs = 2, eta = 2 }
[[parameters]]
key = "scheme"
values = ["backprop", "difference_target_propagation", "feedback_alignment"]
[[parameters]]
key = "stages.0.batch"
values = [16, 32]
"""
PROGRAM = [sys.executable, "-m", "neurosim", "study"]
ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
KINDS = ("client", "worker", "scheduler")
TURNS = 12  # studies, beside one for each kill, after which it ends with what it has: whom a moment meets is chance


def content(path):
    """Return all that a run file holds but what clocks say."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return {name: (np.shape(value), np.asarray(value).tobytes()) for name, value in found.items() if not name.endswith("seconds")}


def table(folder):
    return pd.read_csv(folder / "study.csv").drop(columns=["seconds", "created"])


def begin(options, log):
    return subprocess.Popen([*PROGRAM, *options], env=ENVIRONMENT, stdout=log, stderr=log)


class Cluster:
    """A scheduler and two workers of its own, that a study is sent to."""

    def __init__(self, log):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{one.getsockname()[1]}"
        options = {"env": ENVIRONMENT, "stdout": log, "stderr": log}
        port = self.address.rpartition(":")[2]
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
        self.scheduler = subprocess.Popen(command, **options)
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--nworkers", "2", "--nthreads", "1"]
        self.workers = subprocess.Popen([*worker, "--no-dashboard", "--death-timeout", "20"], **options)
        time.sleep(3)

    def end(self):
        for process in (self.workers, self.scheduler):
            end(process)


def end(process):
    """Kill a process and all that it started."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    for one in (process, *children):
        try:
            one.kill()
        except (psutil.NoSuchProcess, ProcessLookupError):
            pass
    process.wait()


def victims(client, cluster):
    """Return what can be killed now: kind -> process."""
    found = {"client": psutil.Process(client.pid)}
    parent = client if cluster is None else cluster.workers
    working = [one for one in psutil.Process(parent.pid).children(recursive=True) if "spawn" in " ".join(one.cmdline())]
    found |= {"worker": random.choice(working)} if working else {}
    return found | ({"scheduler": psutil.Process(cluster.scheduler.pid)} if cluster else {})


def main(kills, seed, folder):
    random.seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    file, counts, wrong = folder / "study.toml", Counter(), []
    file.write_text(STUDY)
    with (folder / "log").open("w") as log:
        began = time.monotonic()
        assert begin([str(file), "--out", str(folder / "whole"), "--workers", "2"], log).wait() == 0
        took, expected = time.monotonic() - began, table(folder / "whole")
        turn = 0
        lacking = lambda: sum(counts.values()) < kills or len(counts) < len(KINDS)  # noqa: E731
        while lacking() and turn < TURNS + kills:
            turn += 1
            parts, begun, status = folder / f"parts{turn}", False, None
            cluster = Cluster(log) if turn % 2 else None
            while status != 0:
                where = ["--cluster", cluster.address] if cluster else ["--workers", "2"]
                client = begin([*(["--resume"] if begun else [str(file)]), "--out", str(parts), *where], log)
                resumed = time.monotonic()
                while lacking() and random.random() < 0.8:
                    time.sleep(random.uniform(0, 0.5 * took))
                    if client.poll() is not None:
                        took = min(took, time.monotonic() - resumed)  # the machine is faster by now: kill sooner
                        break
                    there = victims(client, cluster)
                    wanted = [kind for kind in KINDS if kind not in counts] or list(there)
                    met = [kind for kind in wanted if kind in there]
                    if not met:  # no worker yet, or the scheduler is no process of its own
                        continue
                    kind = random.choice(met)
                    process = there[kind]
                    try:
                        os.kill(process.pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                    counts[kind] += 1
                    if kind == "scheduler":  # with it go its workers; the client gives up, or is ended
                        cluster.end()
                        end(client)
                        cluster = Cluster(log)
                try:
                    status = client.wait(timeout=300)
                except subprocess.TimeoutExpired:
                    wrong.append(f"parts{turn}: hangs")
                    end(client)
                begun = (parts / "study.toml").exists()
                if status not in (0, -9, 2, 3, 130):
                    wrong.append(f"parts{turn}: status {status}")
                    break
            if cluster:
                cluster.end()
            wrong += compared(folder / "whole", parts, expected) if status == 0 else []
    print(json.dumps({**counts, "wrong": wrong}))


def compared(whole, parts, expected):
    """Return what differs between an undisturbed study and one that was killed and resumed."""
    found, wrong = table(parts), []
    if not found.equals(expected):
        wrong.append(f"{parts.name}: another table")
    for path in sorted(whole.glob("*.h5")):
        one, other = content(path), content(parts / path.name)
        wrong += [f"{parts.name}/{path.name}: {name}" for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
    left = {path.name for path in parts.iterdir()} - {path.name for path in whole.iterdir()}
    return wrong + [f"{parts.name}: left behind {sorted(left)}"] * bool(left)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
