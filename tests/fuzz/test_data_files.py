"""Data files with random damage: each loads or is refused in one line, in little time and memory, and runs nothing.

A process of its own reads them, so that a crash, a hang or a memory that runs full is seen as what it is.  To repeat a case, give
the seed that a failure prints: ``NEUROSIM_FUZZ_SEED=123 pytest -m slow tests/fuzz/test_data_files.py``.
"""

from __future__ import annotations

import gzip
import io
import os
import pickle
import secrets
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from neurosim.datasets.registry import CIFAR_BATCHES, IDX_FILES

SECONDS = 20  # for one case
MEBIBYTES = 700  # of addresses, for all cases: Python and its libraries take some 200

READER = """
import logging, resource, signal, sys
from pathlib import Path
import pandas, sklearn.datasets
from neurosim import load
from neurosim.datasets import describe
from neurosim.errors import DataError
logging.disable()
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]) * 2**20,) * 2)
doors = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "os.mkdir", "os.remove", "socket.connect")
sys.addaudithook(lambda event, _: event in doors and sys.exit(f"{event}, asked for by a file"))
for case in sorted(Path(sys.argv[2]).iterdir()):
    print(case.name, end=": ", flush=True)
    signal.alarm(int(sys.argv[3]))
    name = case.name.split("@")[1]
    try:
        if name.startswith("mine"):
            describe(name if "." in name else "./mine", data_dir=case)
        print("loaded", len(load(name if name != "mine" else "./mine", data_dir=case).train))
    except DataError as error:
        assert "\\n" not in str(error) and len(str(error)) < 2000, error
        print("refused", error)
"""

draw = np.random.default_rng(0)
X, Y = draw.integers(0, 256, (12, 28, 28), dtype=np.uint8), np.arange(12, dtype=np.uint8) % 10
PHOTOS = draw.integers(0, 256, (2, 3072), dtype=np.uint8)

HOSTILE = (b"cposix\nsystem\n(U\x02lstR", b"r\xff\xff\xff\x7f", b"(" * 999, b"]" * 9999, b"\x85" * 9999)  # for pickles

Case = tuple[str, dict[str, bytes]]  # the data set's name, and its files


def idx(values: Any) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape) + values.tobytes()


def npz(save: Callable[..., None]) -> bytes:
    with io.BytesIO() as buffer:
        save(buffer, x_train=X[:8], y_train=Y[:8], x_test=X[8:], y_test=Y[8:])
        return buffer.getvalue()


def sound() -> list[Case]:
    """Return small data sets in every format, undamaged."""
    plain = dict(zip(IDX_FILES, map(idx, (X[:8], Y[:8], X[8:], Y[8:])), strict=True))
    cases = [("mnist", plain), ("mnist", {f"{name}.gz": gzip.compress(content, 1) for name, content in plain.items()})]
    cases += [("mnist", {"mnist.npz": npz(save)}) for save in (np.savez, np.savez_compressed)]
    for protocol in (2, 4, 5):
        batch = pickle.dumps({b"data": PHOTOS, b"labels": [3, 4], b"filenames": ["a", "b"]}, protocol)
        cases.append(("cifar-10", {name: batch for name in CIFAR_BATCHES}))
    records = b"".join(bytes([k]) + photo.tobytes() for k, photo in enumerate(PHOTOS))
    cases.append(("cifar-10", {f"{name}.bin": records for name in CIFAR_BATCHES}))
    return cases + users()


def users() -> list[Case]:
    """Return small data sets as users have them: named by a path, with every kind of target."""
    x, targets = X[:, :3, 0].astype(np.float64) / 7, (Y % 3, np.array(["a", "bc", "d"])[Y % 3], Y / 3, Y > 4)
    cases: list[Case] = []
    for y in targets:
        for save in (np.savez, np.savez_compressed):
            with io.BytesIO() as buffer:
                save(buffer, x=x, y=y)
                cases.append(("mine.npz", {"mine.npz": buffer.getvalue()}))
        arrays = {"train/x": x[:8], "train/y": y[:8], "test/x": x[8:], "test/y": y[8:]}
        cases.append(("mine", {f"mine/{key}.npy": npy(values) for key, values in arrays.items()}))
        lines = [f"{','.join(map(str, row))},{target}" for row, target in zip(x.tolist(), y.tolist(), strict=True)]
        cases.append(("mine.csv", {"mine.csv": "\n".join(["a,b,c,label", *lines, ""]).encode()}))
    return cases


def npy(values: Any) -> bytes:
    with io.BytesIO() as buffer:
        np.save(buffer, values)
        return buffer.getvalue()


def damaged(content: bytes, random: Random) -> bytes:
    """Return ``content`` with one to four changes: bits, large numbers, pieces lost, doubled, or strange; or packed anew."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(min(len(changed), random.choice([16, 200, len(changed)])) or 1)
        match random.randrange(8):
            case 0:
                changed[at : at + 1] = bytes([(changed[at : at + 1] or b"a")[0] ^ 1 << random.randrange(8)])
            case 1:
                size = random.choice([1, 2, 4, 8])
                changed[at : at + size] = random.choice([b"\xff", b"\x7f", b"\x00"]) * size
            case 2:
                del changed[at : at + random.randrange(1, 100)]
            case 3:
                changed[at:at] = changed[at : at + random.randrange(1, 400)] * random.randrange(1, 9)
            case 4:
                changed[at:at] = random.randbytes(random.randrange(1, 40))
            case 5:
                del changed[at:]
            case 6:
                changed[at:at] = random.choice(HOSTILE)
            case 7:
                changed = bytearray(gzip.compress(bytes(changed), 1))
    return bytes(changed)


def repacked(content: bytes, random: Random) -> bytes:
    """Return an .npz whose members are damaged but whose list and checksums are sound, so that the damage is reached."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive, io.BytesIO() as buffer:
        with zipfile.ZipFile(buffer, "w", random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as new:
            for name in archive.namelist():
                member = archive.read(name)
                new.writestr(name, damaged(member, random) if random.random() < 0.5 else member)
        return buffer.getvalue()


def write_cases(folder: Path, seed: int, count: int) -> None:
    """Write ``count`` folders, one of each case: a data set one of whose files is damaged."""
    random = Random(seed)
    for number in range(count):
        name, files = random.choice(sound())
        victim = random.choice(list(files))
        damage = repacked if victim.endswith(".npz") and random.random() < 0.7 else damaged
        place = folder / f"{number:05}@{name}"
        place.mkdir()
        for file, content in files.items():
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_bytes(damage(content, random) if file == victim else content)


def read_cases(folder: Path, seed: int) -> list[str]:
    """Return what became of each case; fail where the reader did not come to its end."""
    command = [sys.executable, "-c", READER, str(MEBIBYTES), str(folder), str(SECONDS)]
    count = len(list(folder.iterdir()))
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS * count + 60, env=environment)
    lines = done.stdout.splitlines()
    last = lines[-1] if lines else "nothing"
    assert done.returncode == 0, f"seed {seed}, status {done.returncode}, last case: {last}\n{done.stderr[-2000:]}"
    assert len(lines) == count, f"seed {seed}: {len(lines)} of {count} cases"
    return lines


def test_undamaged_files_load(tmp_path: Path) -> None:
    for number, (name, files) in enumerate(sound()):
        place = tmp_path / f"{number:05}@{name}"
        place.mkdir()
        for file, content in files.items():
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_bytes(content)
    assert all(": loaded " in line for line in read_cases(tmp_path, 0))


def test_a_few_damaged_files(tmp_path: Path) -> None:
    write_cases(tmp_path, seed=1, count=60)
    lines = read_cases(tmp_path, 1)
    assert sum(": refused " in line for line in lines) > 30
    assert any(": loaded " in line for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, None], ids=["2", "fresh"])
def test_many_damaged_files(tmp_path: Path, seed: int | None) -> None:
    seed = int(os.environ.get("NEUROSIM_FUZZ_SEED") or secrets.randbits(32)) if seed is None else seed
    print(f"seed {seed}")
    write_cases(tmp_path, seed, count=800)
    read_cases(tmp_path, seed)
