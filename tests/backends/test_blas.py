"""Libraries of matrix products, and loops on several threads."""

import copy
import ctypes
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.backends import NumpyBackend, blas, llvm_loops, numpy_backend
from neurosim.backends.blas import NAMES, VARIABLE, select_blas
from neurosim.cli import completion
from neurosim.cli.main import main
from neurosim.encoders import Sequence
from neurosim.errors import BackendError, UnknownNameError
from neurosim.feedback import Phase, pathway, pathways
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import BatchNormalisation, Leaky
from neurosim.neurons.lif import LIF
from neurosim.plasticity import SGD, Adam, Bounds, Momentum, chain
from neurosim.runfile import Run
from neurosim.training import Trainer

INSTALLED = select_blas("auto").name == "mkl"
with_mkl = pytest.mark.skipif(not INSTALLED, reason="the package mkl is not installed")
LEARN = Phase("learn")


# ---------------------------------------------------------------------- choice


def test_a_library_is_chosen_by_name_or_by_the_environment(monkeypatch):
    assert select_blas("openblas").name == "openblas"
    monkeypatch.setenv(VARIABLE, "openblas")
    assert select_blas().name == "openblas" and NumpyBackend().blas is select_blas("openblas")
    monkeypatch.setenv(VARIABLE, "blis")
    with pytest.raises(UnknownNameError, match="blas 'blis' is unknown: expected one of auto, mkl, openblas"):
        select_blas()
    with pytest.raises(UnknownNameError, match="blas 'atlas' is unknown"):
        NumpyBackend("atlas")


def test_a_library_that_is_not_installed_is_named_in_one_line(monkeypatch):
    def missing(name):
        raise blas.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(blas.metadata, "files", missing)
    blas._mkl.cache_clear()
    try:
        with pytest.raises(BackendError, match=r"package intel-openmp is not installed; run: pip install 'neurosim\[mkl\]'"):
            select_blas("mkl")
        assert select_blas("auto").name == "openblas"
        monkeypatch.setattr(blas.metadata, "files", None)  # nothing is looked for a second time
        assert select_blas("auto").name == "openblas"
    finally:
        blas._mkl.cache_clear()


def test_a_package_without_its_library_is_named_in_one_line(monkeypatch):
    monkeypatch.setattr(blas.metadata, "files", lambda name: [])
    blas._mkl.cache_clear()
    try:
        with pytest.raises(
            BackendError, match="intel-openmp has no library iomp5; run: pip install --force-reinstall intel-openmp"
        ):
            select_blas("mkl")
    finally:
        blas._mkl.cache_clear()


def test_the_command_takes_the_library_and_refuses_others(capsys, monkeypatch):
    monkeypatch.setenv(VARIABLE, "auto")
    assert completion.blas("") == list(NAMES)
    assert main(["show", "digits-oja", "--blas", "openblas"]) == 0
    assert f"of {select_blas('openblas').describe()}" in capsys.readouterr().out
    assert os.environ[VARIABLE] == "openblas"  # for processes that this one starts, too
    assert main(["show", "digits-oja", "--blas", "blis"]) == 2
    assert "blas 'blis' is unknown" in capsys.readouterr().err


def test_a_backend_is_copied_and_pickled_with_its_library():
    backend = NumpyBackend("openblas")
    for other in (copy.deepcopy(backend), pickle.loads(pickle.dumps(backend))):
        assert other.blas is backend.blas
    assert repr(backend) == "NumpyBackend(blas='openblas')" and repr(NumpyBackend()) == "NumpyBackend()"


# ---------------------------------------------------------------------- products


def lying(draw, values, transposed, offset, gap):
    """Return an array with these values: as it lies or transposed, its first element ``offset`` elements after a cache line."""
    rows, columns = values.shape[::-1] if transposed else values.shape
    memory = np.zeros(rows * (columns + gap) + offset + 64, values.dtype)
    start = -memory.ctypes.data % 64 // values.itemsize + offset
    placed = memory[start : start + rows * (columns + gap)].reshape(rows, columns + gap)[:, :columns]
    placed = placed.T if transposed else placed
    placed[...] = values
    return placed


def multiplied(library, a, b):
    """Return a @ b."""
    out = np.full((len(a), b.shape[1]), np.nan, a.dtype)
    function, arguments = library.product(a, b, out)
    function(*arguments)
    return out


@with_mkl
@given(st.data())
def test_products_are_right_in_every_layout(data):
    m, k, n = (data.draw(st.integers(1, 90)) for _ in range(3))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(m * k * n)
    ways = st.booleans(), st.integers(0, 5), st.sampled_from([0, 0, 3])
    a = lying(rng, rng.standard_normal((m, k)).astype(dtype), *map(data.draw, ways))
    b = lying(rng, rng.standard_normal((k, n)).astype(dtype), *map(data.draw, ways))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blas, "SMALL", 0)
        found = multiplied(select_blas("mkl"), a, b)
        square = multiplied(select_blas("mkl"), a, a.T)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    assert np.abs(found - exact).max() <= 8 * k * np.finfo(dtype).eps * np.abs(a).max() * np.abs(b).max()
    assert np.array_equal(square, square.T)
    assert np.abs(square - a.astype(np.float64) @ a.T).max() <= 8 * k * np.finfo(dtype).eps * np.abs(a).max() ** 2


@with_mkl
@pytest.mark.parametrize("shape", [(128, 784, 1024), (100, 240, 240), (128, 512, 64), (57, 311, 129)])
def test_products_do_not_depend_on_where_arrays_lie(shape):
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((k, n)).astype(np.float32)
    assert m * k * n > blas.SMALL
    found = {
        multiplied(select_blas("mkl"), lying(rng, a, False, first, 0), lying(rng, b, False, second, 0)).tobytes()
        for first in (0, 1, 4, 8) for second in (0, 1, 8) for _ in range(5)
    }  # fmt: skip
    assert len(found) == 1


@with_mkl
def test_what_mkl_cannot_read_is_numpys():
    rng = np.random.default_rng(0)
    strided, whole = rng.standard_normal((300, 600))[:, ::2], rng.standard_normal((300, 300))
    for a, b in ((strided, whole), (whole, strided), (whole.astype(np.float32), whole), (np.zeros((300, 0)), np.zeros((0, 300)))):
        function, _ = select_blas("mkl").product(a, b, np.empty((300, 300)))
        assert function is np.matmul


@pytest.mark.parametrize("name", ["openblas", pytest.param("mkl", marks=with_mkl)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inverses_are_right(name, dtype):
    rng = np.random.default_rng(0)
    for n in (1, 2, 37, 130):
        half = rng.standard_normal((n, n))
        matrix = (half @ half.T + n * np.eye(n)).astype(dtype)
        before, out = matrix.copy(), np.empty_like(matrix)
        select_blas(name).positive_inverse_into(matrix, out)
        assert np.array_equal(matrix, before) and np.array_equal(out, out.T)
        assert np.abs(out @ matrix.astype(np.float64) - np.eye(n)).max() <= 100 * n * np.finfo(dtype).eps
    select_blas(name).positive_inverse_into(-np.eye(3, dtype=dtype), out := np.empty((3, 3), dtype))
    assert np.isnan(out).all()


# ---------------------------------------------------------------------- loops on several threads


def replayed(program, trainer, steps):
    """Return a trainer's arrays after some steps on random inputs."""
    rng = np.random.default_rng(1)
    for step in range(steps):
        for name in sorted(program.inputs):
            program.inputs[name][...] = rng.random(program.inputs[name].shape)
        program.replay(step)
    return {name: np.array(value) for name, value in trainer.state().items() if isinstance(value, np.ndarray)}


def trained(scheme, normalisation=None, steps=6):
    """Return the state of a small network after some captured steps, and their program."""
    network = Network.layered((30,), (41, 37), 5, transfer="tanh", normalisation=normalisation, backend=NumpyBackend("mkl"))
    chosen = pathway(scheme)
    chosen.attach(network, 5, 0)
    trainer = Trainer(network, chosen, Adam(1e-2), batch=33)
    program = network.backend.capture(trainer.recorded(LEARN))
    return replayed(program, trainer, steps), program


CASES = [(name, None) for name in sorted(pathways())] + [("local_errors", BatchNormalisation()), ("pepita", BatchNormalisation())]


@with_mkl
@pytest.mark.parametrize(("scheme", "normalisation"), CASES)
def test_loops_on_several_threads_compute_what_one_does(scheme, normalisation, monkeypatch):
    """Every element of every loop, bit by bit; a loop whose rows need each other is left alone."""
    monkeypatch.setattr(blas, "LEAST", 10**9)
    alone, _ = trained(scheme, copy.deepcopy(normalisation))
    for least, threads in ((1, 2), (1, 3), (64, 5)):
        monkeypatch.setattr(blas, "LEAST", least)
        monkeypatch.setattr(select_blas("mkl"), "_threads", threads)
        shared, program = trained(scheme, copy.deepcopy(normalisation))
        assert alone.keys() == shared.keys() and alone
        assert all(np.array_equal(alone[name], shared[name], equal_nan=True) for name in alone)
        parallel = sum(function is select_blas("mkl").parallel for _, (function, _) in program.calls)
        assert parallel or scheme == "none"  # which changes nothing


@with_mkl
def test_all_parts_are_done_where_there_are_fewer_threads():
    n = 10_000
    place = np.zeros(n, np.float32)
    loop = llvm_loops.Loop(DOUBLED, ["place"], [2.0], 1, n, [4])
    call = llvm_loops.bound(loop, llvm_loops.compiled([DOUBLED])[DOUBLED], lambda _: place)
    parts = llvm_loops.split(loop, call, 7)
    job = llvm_loops.Job(call[0], parts, 2, 2, select_blas("mkl").asked)
    for threads in (1, 2, 7, 9):
        place[:] = np.arange(n)
        select_blas("mkl").parallel(job.function, job.address, ctypes.c_uint(threads), ctypes.c_uint(0))
        assert np.array_equal(place, 2 * np.arange(n))


DOUBLED = """define void @NAME(ptr noalias %p0, ptr noalias %numbers, i64 %rows, i64 %columns) {
entry:
  %by = load double, ptr %numbers
  %factor = fptrunc double %by to float
  br label %body
body:
  %j = phi i64 [0, %entry], [%j2, %body]
  %place = getelementptr float, ptr %p0, i64 %j
  %value = load float, ptr %place
  %twice = fmul float %value, %factor
  store float %twice, ptr %place
  %j2 = add i64 %j, 1
  %all = icmp eq i64 %j2, %columns
  br i1 %all, label %exit, label %body
exit:
  ret void
}"""


# ---------------------------------------------------------------------- products that are added where they are made


def stepped(library, scheme, optimiser, ticks=None, steps=5):
    """Return the state of a small network in float64 after some captured steps by a library, and their program.

    ticks : of a trial of spiking neurons, whose inputs are others in each; None for rates, which take one
    """
    backend = NumpyBackend(library)
    if ticks is None:
        network = Network.layered((30,), (21, 17), 5, transfer="tanh", dtype="float64", backend=backend)
        trial = {}
    else:
        neurons = {"hidden": LIF(tau="20*ms", resistance=9.0), "output": Leaky(tau=20.0, resistance=20.0, transfer="softmax")}
        populations = [Population("x", (1, 30)), *(Population(name, 9, neurons=of) for name, of in neurons.items())]
        links = [Projection("x", "hidden"), Projection("hidden", "output")]
        network = Network(populations, links, dt="1*ms", dtype="float64", backend=backend)
        trial = {"clock": Clock(ticks, ticks), "encoder": Sequence(axis=1)}
    chosen = pathway(scheme)
    trainer = Trainer(network, chosen, optimiser, batch=9, **trial)
    trainer.sample = network.populations["x"].shape if ticks is None else (1, ticks, 30)
    chosen.attach(network, network.populations["output"].size, 0)
    program = backend.capture(trainer.recorded(chosen.phases[0]))
    return replayed(program, trainer, steps), program


def calls_of(program):
    """Return all functions that a program calls, those of repeated bodies too."""
    found = [call for _, call in program.calls]
    for _, arguments in found:
        found += [call for part in arguments if isinstance(part, list) for call in part]  # of the turns of a repeat
    return [function for function, _ in found]


@with_mkl
@pytest.mark.parametrize("scheme", sorted(pathways()))
@pytest.mark.parametrize("optimiser", [SGD(0.1), chain(SGD(0.1), Momentum(0.9))], ids=["sgd", "momentum"])
def test_both_libraries_lead_to_the_same_weights(scheme, optimiser, monkeypatch):
    monkeypatch.setattr(blas, "SMALL", 0)  # every product is MKL's
    ours, _ = stepped("mkl", scheme, copy.deepcopy(optimiser))
    theirs, _ = stepped("openblas", scheme, copy.deepcopy(optimiser))
    assert ours.keys() == theirs.keys() and ours
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-6, atol=1e-9, err_msg=name)


@with_mkl
def test_a_change_of_weights_is_added_by_the_product_that_makes_it(monkeypatch):
    monkeypatch.setattr(blas, "SMALL", 0)
    _, program = stepped("mkl", "backprop", SGD(0.1))
    assert len(program.added) == 3 and all(one.scale == pytest.approx(0.1 / 9) for one in program.added.values())
    assert all(one.into.op == "leaf" for one in program.added.values())
    for optimiser in (Adam(0.1), chain(SGD(0.1), Bounds(-1, 1))):  # which does more than to add
        assert not stepped("mkl", "backprop", optimiser)[1].added
    assert not stepped("openblas", "backprop", SGD(0.1))[1].added


@with_mkl
@pytest.mark.parametrize("scheme", ["backprop_through_time", "decolle", "eprop"])
def test_products_of_ticks_are_added_up_and_read_their_inputs_where_they_lie(scheme, monkeypatch):
    monkeypatch.setattr(blas, "SMALL", 0)
    ours, program = stepped("mkl", scheme, Adam(0.1), ticks=12)
    theirs, plain = stepped("openblas", scheme, Adam(0.1), ticks=12)
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-6, atol=1e-9, err_msg=name)
    assert any(one.into.op == "carried" for one in program.added.values())
    for one in (program, plain):
        assert one.moving and numpy_backend._take_part not in calls_of(one)


@with_mkl
def test_threads_are_those_of_numpy_unless_mkl_has_its_own():
    code = "from neurosim.backends.blas import select_blas as s; print(s('mkl').threads(), s('openblas').threads())"
    for asked, expected in (({"OPENBLAS_NUM_THREADS": "1"}, "1 1"), ({"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "2"}, "2 1")):
        clean = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
        said = subprocess.run([sys.executable, "-c", code], env=clean | asked, capture_output=True, text=True, check=True)
        assert said.stdout.strip() == expected


MODEL = """title = "Digits, wide enough for MKL"
[data]
name = "digits"
limit = 700
[network]
hidden = [300, 200]
[network.layer]
transfer = "tanh"
dropout = 0.1
[[stages]]
scheme = "local_errors"
optimiser = { name = "sgd", learning_rate = 0.1 }
epochs = 3
batch = 128
"""

PARTS = """import sys
import numpy as np
from neurosim.experiments.run import prepare, reopen, resume, run
from neurosim.modelfile.model_file import ModelFile
model, path, until, moved = sys.argv[1:]
memory = [np.ones(int(moved) + 7 * k) for k in range(50)]  # so that arrays lie elsewhere
if until == "resume":
    resume(reopen(path), path)
else:
    run(prepare(ModelFile.load(model), backend="numpy"), path, until=int(until))
"""


@with_mkl
def test_a_run_that_goes_on_in_another_process_leaves_the_same_bits(tmp_path):
    """Products are MKL's, loops are shared, changes are added by their products, and arrays lie elsewhere in each process."""
    model = tmp_path / "wide.toml"
    model.write_text(MODEL, encoding="utf-8")
    own = {**os.environ, VARIABLE: "mkl", "MKL_NUM_THREADS": "2"}
    for path, until, moved in (("whole.h5", "3", "3"), ("parts.h5", "1", "1001"), ("parts.h5", "resume", "333")):
        command = [sys.executable, "-c", PARTS, model, tmp_path / path, until, moved]
        subprocess.run(command, env=own, check=True, capture_output=True)
    with Run(tmp_path / "whole.h5") as whole, Run(tmp_path / "parts.h5") as parts:
        assert whole.attributes["blas"].startswith("mkl ") and whole.attributes["threads"] == 2
        there = whole.checkpoint()
        assert there.keys() == parts.checkpoint().keys() and len(there) > 6
        for name, values in there.items():
            np.testing.assert_array_equal(parts.checkpoint()[name], values, err_msg=name)


# ---------------------------------------------------------------------- functions

SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e-40, -1e-40, 100.0, -100.0, 800.0, -800.0]


def applied(name, x, out=None):
    """Return what MKL makes of ``x``."""
    out = np.empty_like(x) if out is None else out
    function, given = select_blas("mkl").function(name, x, out)
    function(*given)
    return out


@with_mkl
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", blas.FUNCTIONS)
def test_functions_are_accurate_and_take_every_number(name, dtype):
    draw = np.random.default_rng(0)
    count = blas.MANY + 3
    x = (draw.standard_normal(count) * 10.0 ** draw.uniform(-6, 1.5, count)).astype(dtype)
    x[: len(SPECIAL)] = SPECIAL
    wide = np.longdouble if dtype == np.float64 else np.float64
    with np.errstate(all="ignore"):
        expected, usual = getattr(np, name)(x.astype(wide)), getattr(np, name)(x)
    found = applied(name, x)
    plain = np.isfinite(usual) & (np.abs(usual) >= np.finfo(dtype).tiny)
    units = np.abs(found[plain] - expected[plain]) / np.spacing(np.abs(usual[plain]))
    assert units.max() <= 1.0
    assert np.array_equal(np.isnan(found), np.isnan(usual)) and np.array_equal(np.isinf(found), np.isinf(usual))
    assert np.array_equal(np.signbit(found[~np.isnan(found)]), np.signbit(usual[~np.isnan(usual)]))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(found[~plain], usual[~plain], atol=2 * np.finfo(dtype).smallest_subnormal)


@with_mkl
@pytest.mark.parametrize("name", ["tanh", "exp", "cos"])
def test_functions_give_the_same_bits_wherever_numbers_lie_on_any_number_of_threads(name):
    count = blas.MANY + 5
    x = np.random.default_rng(0).standard_normal(count).astype(np.float32)
    library = select_blas("mkl").library
    first = applied(name, x)
    try:
        for threads in (1, 2, 3):
            library.MKL_Set_Num_Threads(threads)
            for ahead in (0, 1, 5, 16):
                held = np.empty(count + 32, np.float32)
                held[ahead : ahead + count] = x
                assert np.array_equal(applied(name, held[ahead : ahead + count]), first)
                assert np.array_equal(applied(name, held[ahead : ahead + count], held[ahead : ahead + count]), first)  # in place
    finally:
        library.MKL_Set_Num_Threads(select_blas("mkl").threads())


@with_mkl
def test_functions_that_numpy_keeps():
    many, library = np.ones((64, 512), np.float32), select_blas("mkl")
    assert library.function("tanh", many, np.empty_like(many)) is not None
    assert library.function("sinh", many, np.empty_like(many)) is None
    assert library.function("tanh", many[:, ::2], np.empty_like(many[:, ::2])) is None
    assert library.function("tanh", many[:2], np.empty_like(many[:2])) is None
    assert library.function("tanh", many.astype(np.float16), many.astype(np.float16)) is None
    assert library.function("tanh", many, np.empty(many.shape)) is None
    assert select_blas("openblas").function("tanh", many, np.empty_like(many)) is None


@with_mkl
def test_a_captured_step_takes_mkls_functions_where_numbers_are_many():
    def functions(hidden):
        network = Network.layered((20,), (hidden,), 5, transfer="tanh", backend=NumpyBackend("mkl"))
        chosen = pathway("backprop")
        chosen.attach(network, 5, 0)
        program = network.backend.capture(Trainer(network, chosen, Adam(1e-2), batch=64).recorded(LEARN))
        return {item.nodes[0].op: function for item, (function, _) in program.calls}

    assert functions(512)["tanh"] is select_blas("mkl").library.vmsTanh_64
    assert functions(30)["tanh"] is np.tanh
