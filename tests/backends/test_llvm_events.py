"""Products of a matrix that is mostly zeros: what they are, that they stay within their arrays, and when they are taken."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.backends import DraftBackend, NumpyBackend, llvm_events
from neurosim.backends.blas import NAMES, SMALL, select_blas
from neurosim.connectivity import Dense
from neurosim.errors import BackendError
from neurosim.network import Network, Population, Projection

DTYPES = [np.float32, np.float64]
SHARES = [0.0, 0.01, 0.2, 1.0]


def libraries():
    """Return the names of the libraries that are installed."""
    found = []
    for name in NAMES[1:]:
        with contextlib.suppress(BackendError):
            found.append(select_blas(name).name)
    return found


def spikes(draw, rows, columns, share, dtype, by_rows=True, wider=0):
    """Return a matrix of which a share is not zero; its lines lie ``wider`` elements further apart than they are long."""
    lines, length = (rows, columns) if by_rows else (columns, rows)
    held = np.zeros((lines, length + wider), dtype)
    held[:] = np.nan if wider else 0  # what lies between the lines is none of the product's
    held[:, :length] = np.where(draw.random((lines, length)) < share, draw.standard_normal((lines, length)), 0)
    a = held[:, :length] if by_rows else held[:, :length].T
    return a


def run(a, b, out, scale=None, parts=1):
    """Multiply by the kernel alone, part by part, the last one first."""
    scratch = llvm_events.Scratch()
    kernel, calls = llvm_events.split(a, b, out, scale, scratch, parts)
    for words in reversed(calls):
        kernel(*words)
    return len(calls)


def tolerance(a, b):
    """Return by how much a sum may be off: so many roundings of what is added up."""
    return (a.shape[1] + 2) * np.finfo(b.dtype).eps * (np.abs(a).astype(float) @ np.abs(b).astype(float)) + 1e-30


sizes = st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 127, 128, 129, 300]))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32), rows=sizes, inner=st.one_of(sizes, st.sampled_from([1023, 1024, 1100])), columns=sizes,
    share=st.sampled_from(SHARES), dtype=st.sampled_from(DTYPES), by_rows=st.booleans(), wider=st.integers(0, 3),
    scale=st.one_of(st.none(), st.sampled_from([1.0, -0.25, 3.0])), parts=st.integers(1, 5),
)  # fmt: skip
def test_a_product_is_that_of_all_elements(seed, rows, inner, columns, share, dtype, by_rows, wider, scale, parts):
    draw = np.random.default_rng(seed)
    a = spikes(draw, rows, inner, share, dtype, by_rows, wider)
    b = draw.standard_normal((inner, columns)).astype(dtype)
    around = np.full((rows + 2, columns), 7, dtype)  # what lies before and after is left alone
    out = around[1:-1]
    out[:] = np.nan if scale is None else draw.standard_normal(out.shape)
    before = np.zeros(out.shape) if scale is None else out.astype(float)
    expected = before + (1 if scale is None else scale) * (a.astype(float) @ b.astype(float))
    assert llvm_events.takes(a, b, out)
    run(a, b, out, scale, parts)
    bound = tolerance(a, b) * (1 if scale is None else abs(scale)) + 2 * np.finfo(dtype).eps * (np.abs(before) + np.abs(expected))
    assert (np.abs(out - expected) <= bound).all()
    assert (around[[0, -1]] == 7).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32), rows=sizes, inner=sizes, columns=st.sampled_from([1, 20, 128, 200, 300]), by_rows=st.booleans(),
    dtype=st.sampled_from(DTYPES), parts=st.integers(2, 6),
)  # fmt: skip
def test_bits_do_not_depend_on_the_number_of_parts(seed, rows, inner, columns, by_rows, dtype, parts):
    draw = np.random.default_rng(seed)
    a, b = spikes(draw, rows, inner, 0.3, dtype, by_rows), draw.standard_normal((inner, columns)).astype(dtype)
    whole, parted = np.zeros((2, rows, columns), dtype)
    run(a, b, whole)
    run(a, b, parted, parts=parts)
    assert np.array_equal(whole, parted)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_are_those_of_a_sum_from_the_first_to_the_last(dtype):
    """Over several blocks of rows of b, whose sums are held in between, too; multiplications by 1 round nothing."""
    draw = np.random.default_rng(0)
    for rows, inner, columns in ((3, 2500, 70), (2100, 150, 70)):
        for by_rows in (True, False):
            a = spikes(draw, rows, inner, 0.2, dtype, by_rows)
            a[a != 0] = 1
            b, out = draw.standard_normal((inner, columns)).astype(dtype), np.empty((rows, columns), dtype)
            run(a, b, out)
            for row in draw.integers(0, rows, 5):
                total = np.zeros(columns, dtype)
                for k in np.flatnonzero(a[row]):
                    total += b[k]
                assert np.array_equal(out[row], total)


def test_what_is_no_number_comes_through_and_zeros_meet_nothing():
    a, b, out = np.zeros((2, 3), np.float32), np.ones((3, 4), np.float32), np.empty((2, 4), np.float32)
    a[0, 1], a[1, 0], b[2] = np.nan, -0.0, np.inf
    run(a, b, out)
    assert np.isnan(out[0]).all() and (out[1] == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("by_rows", [True, False])
def test_the_count_is_of_every_sixteenth_line(dtype, by_rows):
    a = spikes(np.random.default_rng(0), 70, 90, 0.3, dtype, by_rows, wider=2)
    seen = a[::16] if by_rows else a[:, ::16]
    function, given, looked = llvm_events.count(a)
    assert (function(*given), looked) == (np.count_nonzero(seen), seen.size)


def test_matrices_that_it_does_not_take():
    a, b, out = np.zeros((8, 6), np.float32), np.zeros((6, 5), np.float32), np.zeros((8, 5), np.float32)
    assert llvm_events.takes(a, b, out)
    others = [
        (a.astype(np.float64), b, out), (a.astype(np.float16), b.astype(np.float16), out.astype(np.float16)),
        (np.zeros((8, 12), np.float32)[:, ::2], b, out), (np.broadcast_to(a[0], a.shape), b, out),
        (a, np.zeros((5, 6), np.float32).T, out), (a, b, np.zeros((5, 8), np.float32).T), (a[:0], b, out[:0]),
        (a[None], b[None], out[None]),
    ]  # fmt: skip
    assert not any(llvm_events.takes(*one) for one in others)


# ---------------------------------------------------------------------- when it is taken


def chosen(library, share, columns=256, scale=None):
    """Return how often the library's own product was called for matrices of which a share is not zero."""
    draw = np.random.default_rng(0)
    a, b = spikes(draw, 64, 128, share, np.float32), draw.standard_normal((128, columns)).astype(np.float32)
    out = np.zeros((64, columns), np.float32)
    assert out.size * a.shape[1] > SMALL
    called = []
    scratch = llvm_events.Scratch()
    function, given = library.event_product(a, b, out, (lambda: called.append(1), ()), scratch, scale)
    function(*given)
    if not called:
        assert np.allclose(out, (1 if scale is None else scale) * (a @ b), atol=1e-4)
    return len(called)


@pytest.mark.parametrize("name", libraries())
@pytest.mark.parametrize("scale", [None, -0.5])
def test_many_zeros_are_left_out_and_few_are_multiplied(name, scale):
    library = select_blas(name)
    equal = library.loop_threads() / library.threads()  # where loops have fewer threads, fewer elements are worth it
    assert chosen(library, 0.15 * equal, scale=scale) == 0
    assert chosen(library, 0.4 * equal, scale=scale) == 1
    assert chosen(library, 0.15 * equal, columns=129, scale=scale) == 1  # of two panels, half is idle


@pytest.mark.parametrize("name", libraries())
def test_a_choice_follows_what_the_matrix_holds_now(name):
    library, a, b = select_blas(name), np.zeros((64, 128), np.float32), np.ones((128, 256), np.float32)
    out, called, scratch = np.zeros((64, 256), np.float32), [], llvm_events.Scratch()
    function, given = library.event_product(a, b, out, (lambda: called.append(1), ()), scratch)
    for value, calls in ((0, 0), (1, 1), (0, 1)):
        a[:] = value
        function(*given)
        assert len(called) == calls


@pytest.mark.parametrize("name", libraries())
def test_small_products_are_left_to_the_library(name):
    a, b, out = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float32)
    dense = (print, ())
    assert select_blas(name).event_product(a, b, out, dense, llvm_events.Scratch()) is dense


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.skipif("mkl" not in libraries(), reason="MKL is not installed")
def test_threads_change_no_bit(threads, monkeypatch):
    library = select_blas("mkl")
    draw = np.random.default_rng(0)
    for shape in ((64, 300, 500), (300, 64, 100)):
        a, b = spikes(draw, *shape[:2], 0.1, np.float32), draw.standard_normal(shape[1:]).astype(np.float32)
        alone, shared = np.zeros((2, shape[0], shape[2]), np.float32)
        run(a, b, alone)
        monkeypatch.setattr(library, "_threads", threads)
        scratch = llvm_events.Scratch()
        function, given = library.event_product(a, b, shared, (pytest.fail, ("dense",)), scratch)
        function(*given)
        assert np.array_equal(alone, shared)


# ---------------------------------------------------------------------- who asks for it


def test_what_a_projection_gets_may_be_spikes_of_neurons_or_of_an_encoder():
    ends = [Population("x", 5), Population("a", 4, neurons="lif"), Population("b", 3, neurons="leaky"), Population("c", 2)]
    links = [Projection("x", "a"), Projection("a", "b"), Projection("b", "c")]
    network = Network(ends, links, dt="1*ms")
    assert {name: p.carries_spikes for name, p in network.projections.items()} == {"x__a": True, "a__b": True, "b__c": False}
    assert not any(p.carries_spikes for p in Network.layered((5,), [4], 2).projections.values())


class Strange(Dense):
    """A stranger's synapses, which note what multiplies for them."""

    def __init__(self, seen):
        self.seen = seen

    def drive(self, backend, rate, w, post):
        self.seen.append(backend)
        return super().drive(backend, rate, w, post)

    def correlate(self, backend, pre, post):
        self.seen.append(backend)
        return super().correlate(backend, pre, post)


@pytest.mark.parametrize("neurons", ["lif", "leaky"])
def test_a_strangers_synapses_are_given_the_products_that_leave_out_zeros(neurons):
    seen = []
    ends = [Population("x", 5), Population("a", 4, neurons=neurons), Population("b", 3)]
    network = Network(ends, [Projection("x", "a"), Projection("a", "b", connectivity=Strange(seen))], dt="1*ms")
    p, rate = network.projections["a__b"], np.ones((2, 4), np.float32)
    p.drive(rate)
    p.delta({"rate": rate}, {"error": np.ones((2, 3), np.float32)}, {}, {})
    expected = network.backend.event_driven if neurons == "lif" else network.backend
    assert len(seen) == 2 and all(one is expected for one in seen)


@pytest.mark.parametrize("backend", [NumpyBackend(), NumpyBackend("openblas"), DraftBackend()], ids=repr)
def test_array_code_multiplies_as_a_captured_step_does(backend):
    draw = np.random.default_rng(0)
    a, b = spikes(draw, 64, 128, 0.05, np.float32), draw.standard_normal((128, 256)).astype(np.float32)
    alone = np.empty((64, 256), np.float32)
    run(a, b, alone)
    assert np.array_equal(backend.event_driven.matmul(a, b), alone)
    assert np.array_equal(backend.event_driven.event_driven.matmul(a, b), alone)
    stacks = backend.event_driven.matmul(a[None], b[None])
    assert np.allclose(stacks[0], alone, atol=1e-4)
    assert backend.event_driven.blas is backend.blas
