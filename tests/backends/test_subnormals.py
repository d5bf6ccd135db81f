"""Numbers too small for full precision."""

import contextlib
import platform
import threading

import numpy as np
import pytest

from neurosim.backends import NumpyBackend, subnormals
from neurosim.backends.blas import select_blas
from neurosim.backends.subnormals import SUBNORMALS_AS_ZERO, X86
from neurosim.datasets import from_arrays
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.plasticity import Adam, CentredRMSProp, Momentum, Nesterov, RMSProp
from neurosim.training import Observer, Trainer

on_x86 = pytest.mark.skipif(platform.machine().lower() not in X86, reason="only on x86 are subnormal numbers taken as zero")
TINY = {np.float32: 1e-40, np.float64: 1e-310}


def is_kept(dtype=np.float32):
    """Return whether a subnormal number stays what it is when it is computed with."""
    return bool((np.full(100, TINY[dtype], dtype) * dtype(1)).all())


@on_x86
@pytest.mark.parametrize("dtype", TINY)
def test_they_are_zero_within_and_numbers_again_afterwards(dtype):
    assert is_kept(dtype)
    with SUBNORMALS_AS_ZERO:
        assert not is_kept(dtype)
        with SUBNORMALS_AS_ZERO:
            assert not is_kept(dtype)
        assert not is_kept(dtype)
    assert is_kept(dtype)


@on_x86
def test_what_is_computed_and_what_is_read_are_zero():
    smallest = np.finfo(np.float32).tiny
    with SUBNORMALS_AS_ZERO:
        computed = np.full(100, smallest) * np.float32(0.5)
        read = np.full(100, 1e-40, np.float32) * np.float32(1e30)
        assert np.array_equal(np.full(100, smallest) * np.float32(1), np.full(100, smallest))
    assert not computed.any() and not read.any()


@on_x86
def test_an_error_ends_it():
    with pytest.raises(ZeroDivisionError), SUBNORMALS_AS_ZERO:
        raise ZeroDivisionError
    assert is_kept()


@on_x86
def test_each_thread_has_its_own():
    entered, seen, left = threading.Event(), threading.Event(), []

    def other():
        with SUBNORMALS_AS_ZERO:
            entered.set()
            seen.wait(10)
            left.append(is_kept())
        left.append(is_kept())

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait(10)
    assert is_kept()
    with SUBNORMALS_AS_ZERO:
        pass
    seen.set()
    thread.join()
    assert left == [False, True] and is_kept()


def test_other_processors_go_on_as_they_are(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(subnormals, "_exchange", subnormals._exchange.__wrapped__)
    with SUBNORMALS_AS_ZERO:
        assert is_kept()


@on_x86
@pytest.mark.skipif(select_blas("auto").name != "mkl", reason="the package mkl is not installed")
def test_all_threads_of_a_product_take_them_as_zero():
    a = np.full((512, 512), 1e-20, np.float32)
    out = np.empty_like(a)
    multiply, arguments = select_blas("mkl").product(a, a, out)
    with SUBNORMALS_AS_ZERO:
        multiply(*arguments)
    assert not out.any()
    multiply(*arguments)
    assert out.all()


@on_x86
@pytest.mark.parametrize("code", ["captured", "array code"])
@pytest.mark.parametrize("optimiser", [Momentum(0.01), Nesterov(0.01), RMSProp(0.01), CentredRMSProp(0.01), Adam(0.01)], ids=repr)
def test_an_optimisers_memory_of_silent_weights_ends_at_zero(optimiser, code, monkeypatch):
    draw = np.random.default_rng(0)
    x = draw.random((40, 12)).astype(np.float32)
    x[:, :6] = 0  # inputs that are silent
    data = from_arrays(x, draw.integers(0, 3, 40))
    trainer = Trainer(Network.layered((12,), [32], 3), pathway("backprop"), optimiser, batch=10)
    trainer.check(data)
    if code == "array code":
        run = Trainer.run_as_array_code
        monkeypatch.setattr(Trainer, "_runner", lambda self, phase, program, data, images: (
            lambda rows: run(self, phase, images(rows), self._held_by_backend(data)["target"][rows])
        ))  # fmt: skip
    trainer.run_epoch(data)
    memory = {name: values for name, values in trainer.commit.state().items() if "x__hidden1.w" in name and np.ndim(values)}
    assert memory
    for values in memory.values():
        values[...] = 1e-39
    trainer.restore(trainer.state() | {f"optimiser|{name}": values for name, values in memory.items()})
    trainer.run_epoch(data)
    after = {name: trainer.commit.state()[name] for name in memory}
    for name, values in after.items():
        assert not values[:6].any(), name  # (12, 32): of the silent inputs
        assert values[6:].any(), name
    assert is_kept()


@on_x86
def test_what_is_done_between_steps_computes_as_it_always_does():
    seen = []

    class Looks(Observer):
        def on_step(self, trainer):
            seen.append(is_kept())

        def on_epoch(self, trainer, metrics):
            seen.append(is_kept())

    draw = np.random.default_rng(0)
    data = from_arrays(draw.random((40, 12)), draw.integers(0, 3, 40))
    trainer = Trainer(Network.layered((12,), [8], 3), pathway("backprop"), Adam(0.01), batch=10)
    trainer.fit(data, Looks(), epochs=2, progress=False)
    assert len(seen) > 8 and all(seen)
    trainer.predict(data.train.x)
    assert is_kept()


@on_x86
def test_without_it_they_would_stay(monkeypatch):
    monkeypatch.setattr(NumpyBackend, "subnormals_as_zero", lambda self: contextlib.nullcontext())
    with pytest.raises(AssertionError):
        test_an_optimisers_memory_of_silent_weights_ends_at_zero(Adam(0.01), "captured", monkeypatch)
