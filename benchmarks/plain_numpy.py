"""Every scheme's training step beside a plain NumPy loop of the same arithmetic, in one process, alternating, medians.

    python -m benchmarks.plain_numpy [--out FILE.json]

The loops are what a careful user writes for one network: no framework, float32, Adam, 784-256-256-10, tanh, batch 128.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.linalg

from benchmarks.steps import batch_of, our_step, trainer
from benchmarks.timing import machine, medians

SIZES, BATCH, RATE = (784, 256, 256, 10), 128, 1e-3
Array = np.ndarray


class Weights:
    """Weight matrices with Adam's memory; ``move(name, change)`` makes one step."""

    def __init__(self, **arrays: Array) -> None:
        self.value = {name: array.astype(np.float32) for name, array in arrays.items()}
        self.m = {name: np.zeros_like(v) for name, v in self.value.items()}
        self.v = {name: np.zeros_like(v) for name, v in self.value.items()}
        self.t = 0

    def __getitem__(self, name: str) -> Array:
        return self.value[name]

    def move(self, **changes: Array) -> None:
        self.t += 1
        for name, g in changes.items():
            m, v = self.m[name], self.v[name]
            m *= 0.9
            m += 0.1 * g
            v *= 0.999
            v += 0.001 * g * g
            self.value[name] += RATE / (1 - 0.9**self.t) * m / (np.sqrt(v / (1 - 0.999**self.t)) + 1e-8)


def softmax(a: Array) -> Array:
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def forward(w: Weights, x: Array) -> tuple[Array, Array, Array]:
    h1 = np.tanh(x @ w["W1"] + w["b1"])
    h2 = np.tanh(h1 @ w["W2"] + w["b2"])
    return h1, h2, softmax(h2 @ w["W3"] + w["b3"])


def learned(x: Array, h1: Array, h2: Array, e1: Array, e2: Array, e3: Array) -> dict[str, Array]:
    """Return the six proposals of per-sample errors on the drives."""
    n = np.float32(1 / len(x))
    changes = {"W1": x.T @ e1 * n, "W2": h1.T @ e2 * n, "W3": h2.T @ e3 * n}
    return changes | {"b1": e1.mean(0), "b2": e2.mean(0), "b3": e3.mean(0)}


def sent_back(w: Weights, x: Array, y: Array, through2: Array, through3: Array) -> None:
    h1, h2, p = forward(w, x)
    e3 = y - p
    e2 = e3 @ through3.T * (1 - h2 * h2)
    e1 = e2 @ through2.T * (1 - h1 * h1)
    w.move(**learned(x, h1, h2, e1, e2, e3))


def backprop(w: Weights, x: Array, y: Array) -> None:
    sent_back(w, x, y, w["W2"], w["W3"])


def frozen(w: Weights, x: Array, y: Array) -> None:
    _, h2, p = forward(w, x)
    w.move(W3=h2.T @ (y - p) / np.float32(len(x)), b3=(y - p).mean(0))


def feedback_alignment(w: Weights, x: Array, y: Array) -> None:
    sent_back(w, x, y, w["B2"], w["B3"])


def direct_feedback_alignment(w: Weights, x: Array, y: Array) -> None:
    h1, h2, p = forward(w, x)
    e3 = y - p
    w.move(**learned(x, h1, h2, e3 @ w["D1"].T * (1 - h1 * h1), e3 @ w["B3"].T * (1 - h2 * h2), e3))


def difference_target_propagation(w: Weights, x: Array, y: Array) -> None:
    h1, h2, p = forward(w, x)
    e3, n = y - p, np.float32(1 / len(x))
    t2 = h2 + 0.1 * e3 @ w["W3"].T
    carried = np.tanh(h2 @ w["V"] + w["c"])
    t1 = h1 + np.tanh(t2 @ w["V"] + w["c"]) - carried
    e2, e1 = 2 * (t2 - h2) * (1 - h2 * h2), 2 * (t1 - h1) * (1 - h1 * h1)
    noisy = h1 + 0.36 * np.random.standard_normal(h1.shape).astype(np.float32)
    code = np.tanh(noisy @ w["W2"] + w["b2"])
    back = np.tanh(code @ w["V"] + w["c"])
    ev = 2 * (noisy - back) * (1 - back * back)
    w.move(**learned(x, h1, h2, e1, e2, e3), V=code.T @ ev * n, c=ev.mean(0))


def squares(a: Array) -> Array:
    """Return all pairs' squared distances, (batch, batch), in float64."""
    a = a.astype(np.float64)
    norms = (a * a).sum(1)
    return np.maximum(norms[:, None] + norms - 2 * a @ a.T, 0)


def relation(kernel: Array) -> tuple[Array, Array]:
    """Return K (KH + eps m I)^-1 with one-sided centring, and the inverse."""
    m = len(kernel)
    centred = kernel - kernel.mean(1, keepdims=True)
    inverse = scipy.linalg.inv(centred + 1e-5 * m * np.eye(m))
    return centred @ inverse, inverse


def hsic_bottleneck(w: Weights, x: Array, y: Array) -> None:
    h1, h2, p = forward(w, x)
    m, sigma, beta = len(x), 5.0, 50.0
    target = relation(np.exp(-squares(x) / (2 * sigma**2 * x.shape[1])))[0]
    target -= beta * relation(np.exp(-squares(y) / (2 * sigma**2 * y.shape[1])))[0]
    errors = []
    for h in (h1, h2):
        d = 2 * sigma**2 * h.shape[1]
        kernel = np.exp(-squares(h) / d)
        inverse = relation(kernel)[1]
        g = 1e-5 * m * inverse @ target @ inverse
        s = -(g - g.mean(0)).T * kernel / d
        s = s + s.T
        z = h.astype(np.float64)
        errors.append((-m * 2 * (s.sum(1)[:, None] * z - s @ z)).astype(np.float32) * (1 - h * h))
    w.move(**learned(x, h1, h2, errors[0], errors[1], y - p))


def alternating_minimization(w: Weights, x: Array, y: Array) -> None:
    a1 = x @ w["W1"] + w["b1"]
    h1 = np.tanh(a1)
    a2 = h1 @ w["W2"] + w["b2"]
    n, mu = np.float32(1 / len(x)), 0.003

    def relaxed(start: Array, gradient: Callable[[Array], Array]) -> Array:
        code, speed = start.copy(), np.zeros_like(start)
        for _ in range(5):
            g = gradient(code) + 2 / start.size * (code - start)
            speed = 0.9 * speed + g
            code -= 0.3 * (g + 0.9 * speed)
        return code

    def at_output(c: Array) -> Array:
        h = np.tanh(c)
        return (softmax(h @ w["W3"] + w["b3"]) - y) @ w["W3"].T * (1 - h * h) * n / mu

    c2 = relaxed(a2, at_output)

    def below(c: Array) -> Array:
        h = np.tanh(c)
        return 2 / c2.size * (h @ w["W2"] + w["b2"] - c2) @ w["W2"].T * (1 - h * h)

    c1 = relaxed(a1, below)
    r1, r2 = np.tanh(c1), np.tanh(c2)
    e1, e2 = 2 / c1.shape[1] * (c1 - a1), 2 / c2.shape[1] * (c2 - r1 @ w["W2"] - w["b2"])
    w.move(**learned(x, r1, r2, e1, e2, y - softmax(r2 @ w["W3"] + w["b3"])))


def synthetic_gradients(w: Weights, x: Array, y: Array) -> None:
    h1, h2, p = forward(w, x)
    e3, n = y - p, np.float32(1 / len(x))
    k1, k2 = np.concatenate([h1, y], 1), np.concatenate([h2, y], 1)
    s1, s2 = k1 @ w["M1"] + w["m1"], k2 @ w["M2"] + w["m2"]
    e2, e1 = s2 * (1 - h2 * h2), s1 * (1 - h1 * h1)
    d2, d1 = 2 * (e3 @ w["W3"].T - s2), 2 * (e2 @ w["W2"].T - s1)
    own = {"M1": k1.T @ d1 * n, "M2": k2.T @ d2 * n, "m1": d1.mean(0), "m2": d2.mean(0)}
    w.move(**learned(x, h1, h2, e1, e2, e3), **own)


def local_errors(w: Weights, x: Array, y: Array) -> None:
    h1, h2, p = forward(w, x)
    n, beta, same = np.float32(1 / len(x)), np.float32(0.99), cosines(y)[0]
    errors, own = [], {}
    for k, h in ((1, h1), (2, h2)):
        e = (1 - beta) * (y - softmax(h @ w[f"U{k}"] + w[f"u{k}"]))
        z = h @ w[f"S{k}"]
        s, rows, norms = cosines(z)
        g = 4 * (s - same) / len(x) ** 2
        at_rows = g @ rows
        at_rows -= rows * (at_rows * rows).sum(1, keepdims=True)
        at_rows /= norms
        at_z = -len(x) * beta * (at_rows - at_rows.mean(1, keepdims=True))
        errors.append((e @ w[f"U{k}"].T + at_z @ w[f"S{k}"].T) * (1 - h * h))
        own |= {f"U{k}": h.T @ e * n, f"u{k}": e.mean(0), f"S{k}": h.T @ at_z * n}
    w.move(**learned(x, h1, h2, errors[0], errors[1], (1 - beta) * (y - p)), **own)


def cosines(z: Array) -> tuple[Array, Array, Array]:
    """Return the rows' cosines after each row's own mean is taken out, the unit rows, and their norms."""
    centred = z - z.mean(1, keepdims=True)
    norms = np.sqrt((centred * centred).sum(1, keepdims=True)) + np.float32(1e-8)
    rows = centred / norms
    return rows @ rows.T, rows, norms


LOOPS = (
    backprop, frozen, feedback_alignment, direct_feedback_alignment, difference_target_propagation, hsic_bottleneck,
    alternating_minimization, synthetic_gradients, local_errors,
)  # fmt: skip


def weights(draw: np.random.Generator) -> Weights:
    """Return every array that some loop needs."""
    n0, n1, n2, n3 = SIZES
    shapes = {"W1": (n0, n1), "W2": (n1, n2), "W3": (n2, n3), "B2": (n1, n2), "B3": (n2, n3), "D1": (n1, n3), "V": (n2, n1)}
    shapes |= {"M1": (n1 + n3, n1), "M2": (n2 + n3, n2), "U1": (n1, n3), "U2": (n2, n3), "S1": (n1, n1), "S2": (n2, n2)}
    arrays = {name: draw.normal(size=shape) / np.sqrt(shape[0]) for name, shape in shapes.items()}
    biases = {"b1": n1, "b2": n2, "b3": n3, "c": n1, "m1": n1, "m2": n2, "u1": n3, "u2": n3}
    return Weights(**arrays, **{name: np.zeros(n) for name, n in biases.items()})


def measure(scheme: Callable, x: Array, y: Array, seconds: float) -> dict[str, float]:
    """Return median milliseconds of our step and of the loop, and their ratio."""
    own = weights(np.random.default_rng(0))
    runs = {"ours": our_step(trainer(scheme.__name__, SIZES, BATCH)), "plain": lambda: scheme(own, x, y)}
    found = medians(runs, seconds)
    return found | {"ratio": found["ours"] / found["plain"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    parser.add_argument("--seconds", type=float, default=1.0, help="to spend on each scheme, at least")
    arguments = parser.parse_args()
    x, y = batch_of(SIZES, BATCH)
    rows = {scheme.__name__: measure(scheme, x, y, arguments.seconds) for scheme in LOOPS}
    for name, row in rows.items():
        print(f"{name:32s} ours {row['ours']:7.2f} ms   plain NumPy {row['plain']:7.2f} ms   ratio {row['ratio']:.2f}")
    if arguments.out:
        about = machine() | {"network": SIZES, "batch": BATCH}
        arguments.out.write_text(json.dumps({"about": about, "steps": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
