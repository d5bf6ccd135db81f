"""Marks that are followed through graphs: what they reach is what can change, and what samples mix is told from sums."""

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.capture import Graph, Recorded, repeat
from neurosim.capture.recorded import node_of
from neurosim.checking.following import Following, Mixing

DRAW = np.random.default_rng(0)
A, B = DRAW.normal(size=(4, 3)), DRAW.normal(size=(3, 5))


def both(function, *arrays):
    """Return, for each array, where its elements reach: in the graph, and when each is moved; (size of the array, *result)."""
    graph = Graph()
    inputs = [graph.input(f"x{k}", array.shape, array.dtype) for k, array in enumerate(arrays)]
    result = node_of(graph, function(*(Recorded(graph, node) for node in inputs)))
    base, found = np.asarray(function(*(array.copy() for array in arrays))), []
    for node, array in zip(inputs, arrays, strict=True):
        followed, moved = [], []
        for at in np.ndindex(array.shape):
            marks = np.zeros(array.shape, np.uint64)
            marks[at] = 1
            followed.append(Following({node: marks}).follow([result])[0] != 0)
            other = [one.copy() for one in arrays]
            other[[one is array for one in arrays].index(True)][at] += 0.7
            moved.append(np.asarray(function(*other)) != base)
        found.append((np.array(followed), np.array(moved)))
    return found


def turn(x):
    return (np.tanh(x + x.sum(axis=0) / 4),)


EXACT = {  # every path has an effect
    "product": lambda a, b: a @ b,
    "turned": lambda a, b: (b.T @ a.T).reshape(20),
    "joined": lambda a, b: np.concatenate([a[1:3, :2], b[:2, 1:3]], axis=1),
    "stacked": lambda a, b: np.stack([a.sum(axis=0), b.mean(axis=1)])[:, None],
    "broadcast": lambda a, b: a[:, :, None] * np.exp(b)[None],
    "largest": lambda a, b: (a.sum(axis=1, keepdims=True) + b.sum()) * np.ones_like(a),
    "repeated": lambda a, b: repeat(5, turn, a)[0] @ b,
    "moved axes": lambda a, b: np.moveaxis(a[None] * 2.0, 0, 2)[..., 0] - np.transpose(b)[:4],
}


@pytest.mark.parametrize("name", EXACT)
def test_marks_reach_what_moves(name):
    for followed, moved in both(EXACT[name], A, B):
        np.testing.assert_array_equal(followed, moved)


def test_marks_reach_what_could_have_moved():
    """A product with zero, the smaller of two and the sign of a number: a path, and no effect here."""
    idle = lambda a, b: a * 0.0 + b.sum(), lambda a, b: np.minimum(a, -9.0) + b.sum(), lambda a, b: np.sign(a - 99.0) + b.sum()
    for function in idle:
        (followed, moved), _ = both(function, A, B)
        assert not moved.any() and followed.any()
        np.testing.assert_array_equal(followed, np.eye(A.size, dtype=bool).reshape(A.size, *A.shape))


def test_a_routine_of_the_backend_hands_all_on():
    backend = NumpyBackend()
    square = A.T @ A + np.eye(3)
    ((followed, moved),) = both(lambda a: backend.positive_inverse(a), square)
    assert followed.all() and moved.any()


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda w: np.sign(w), False),
        (lambda w: np.where(w > 0, 1.0, -1.0), False),
        (lambda w: (0 < w) * 2.0, False),
        (lambda w: np.where(w > 0.5, 1.0, -1.0), True),
        (lambda w: np.sign(w) * w, True),
        (lambda w: np.sign(w - w.mean()), False),
    ],
)
def test_sizes_end_where_signs_are_asked_for(function, left):
    graph = Graph()
    node = graph.input("w", A.shape, A.dtype)
    result = node_of(graph, function(Recorded(graph, node)))
    read, size = np.uint64(1), np.uint64(2)
    (marks,) = Following({node: np.full(A.shape, read | size)}, sizes=size).follow([result])
    assert (marks & read).all() and bool((marks & size).any()) == left


def test_what_is_taken_goes_no_further():
    graph = Graph()
    x = Recorded(graph, graph.input("x", A.shape, A.dtype))
    error = 1.0 - x
    result, beside = node_of(graph, error * 2.0), node_of(graph, error * x)
    marks = {x.node: np.ones(A.shape, np.uint64)}
    one, other = Following(marks, taken={error.node: np.uint64(1)}).follow([result, beside])
    assert not one.any() and other.all()


ONE, OTHER, MIXED = (np.uint64(1 << k) for k in range(3))
MIXES = {
    "mean": (lambda x, w: (x @ w).mean(axis=0), False),
    "correlation": (lambda x, w: x.T @ np.tanh(x), False),
    "scaled": (lambda x, w: (x.sum(axis=0) / 4 - 3.0) * w[0, 0], False),
    "chosen": (lambda x, w: np.where(x > 0, x, 0.0).sum(axis=0), False),
    "variance": (lambda x, w: x.var(axis=0), True),
    "square of the mean": (lambda x, w: x.mean(axis=0) ** 2, True),
    "similarity": (lambda x, w: (x @ x.T).sum(axis=0), True),
    "largest": (lambda x, w: x.max(axis=0), True),
    "normalised": (lambda x, w: (x * x / x.sum(axis=0)).sum(axis=0), True),
    "covariance": (lambda x, w: x.T @ (x - x.mean(axis=0)), True),
}


@pytest.mark.parametrize("name", MIXES)
def test_samples_mix_where_they_are_multiplied(name):
    """A sum over samples has something of each, and is no mixture: what one adds does not depend on the others."""
    function, mixes = MIXES[name]
    graph = Graph()
    x, w = (graph.input(key, array.shape, array.dtype) for key, array in (("x", A), ("w", B)))
    result = node_of(graph, function(Recorded(graph, x), Recorded(graph, w)))
    samples = np.full(A.shape, OTHER)
    samples[0] = ONE
    (marks,) = Following({x: samples}, mixing=Mixing(ONE, OTHER, MIXED)).follow([result])
    assert (marks & ONE).any() and (marks & OTHER).any()
    assert bool((marks & MIXED).any()) == mixes
    first, rest = A.copy(), A.copy()
    first[0] += 1
    rest[1:] += DRAW.normal(size=rest[1:].shape)
    both_moved = np.concatenate([first[:1], rest[1:]])
    off = function(both_moved, B) - function(first, B) - function(rest, B) + function(A, B)
    assert bool((np.abs(off) > 1e-9).any()) == mixes
