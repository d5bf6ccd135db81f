"""How far HSIC's gradient is off in float32, and what keeps it near: against float64, norm of the difference over norm.

    python -m benchmarks.hsic_precision --data-dir FOLDER [--out FILE.json]

ours        the scheme as it is: distances, and the kernels of input and label, in float64, the rest in float32
given       with the kernels of input and label in float32 too, but for their distances
distances   with distances in float32
one         with C from K instead of K - 11'
plain       all three: everything in float32
tf32        the first, with products whose operands are rounded as by TF32: why they stay in float64 there
"""

import argparse
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import machine
from neurosim.backends import NumpyBackend
from neurosim.experiments.run import prepare
from neurosim.feedback.hsic_bottleneck import EPSILON, HSICBottleneck, centred
from neurosim.modelfile.model_file import ModelFile
from neurosim.network import Network
from neurosim.tasks import one_hot
from neurosim.training import Trainer

MODELS = {"hsic-mnist-unformatted": 2, "hsic-mnist-format": 1, "hsic-mnist-sigma-combined": 1}  # and the seed of each
BATCHES, SIGMAS, EPOCHS = (128, 256, 512), (1.0, 5.0, 6.0, 10.0), (0, 2)
SCALES, SPREADS = (0.1, 1.0, 3.0, 10.0, 30.0), (0.1, 0.01, 0.001)


class Careless(HSICBottleneck):
    """The scheme without some of what keeps float32 exact.

    given, distances : the least dtype of the kernels of input and label, and of all distances
    from_one : whether C is made of K - 11' or of K
    """

    def __init__(self, *, beta: float = 50.0, given: Any = np.float64, distances: Any = np.float64, from_one: bool = True) -> None:
        super().__init__(beta=beta)
        self.given, self.distances, self.from_one = given, distances, from_one

    def _target_relation(self, x: Any, target: Any, sigma: float) -> Any:
        x, target, dtype = x.astype(self.given), target.astype(self.given), x.dtype
        return (self._relation(x, sigma) - self.beta * self._relation(target, sigma)).astype(dtype)

    def _kernel(self, values: Any, sigma: float) -> tuple[Any, Any, Any, float]:
        backend, wide = self.network.backend, values.astype(np.result_type(values.dtype, self.distances))
        squares = (wide * wide).sum(axis=1)
        distance = np.maximum(squares[:, None] + squares - 2 * wide @ wide.T, 0) / (2 * sigma**2 * values.shape[1])
        less_one = np.expm1(-distance).astype(values.dtype)
        c = EPSILON * len(values)
        middle = less_one if self.from_one else np.exp(-distance).astype(values.dtype)
        regular = centred(middle) + c * backend.identity(len(values), values.dtype)
        return values, less_one, backend.positive_inverse(regular), c


CHANGES: dict[str, dict[str, Any]] = {
    "given": {"given": np.float32}, "distances": {"distances": np.float32}, "one": {"from_one": False},
    "plain": {"given": np.float32, "distances": np.float32, "from_one": False},
}  # fmt: skip
VARIANTS = ("ours", *CHANGES, "tf32")
PAPERS, WIDE = "the papers' models, own batch and sigma", "the widest of them, batch 128 to 512, sigma 5 to 10"
NARROW, NEAR = "the widest of them, sigma 1", "clusters up to one kernel width apart"
FAR, NO_INVERSE = "clusters 3 to 30 kernel widths apart", "no inverse"


class TF32(NumpyBackend):
    """NumPy whose float32 products see ten bits of their operands' mantissa."""

    def matmul(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.matmul(ten_bits(a), ten_bits(b))


def ten_bits(values: np.ndarray) -> np.ndarray:
    """Return float32 values rounded to ten bits of mantissa; others as they are."""
    if values.dtype != np.float32:
        return values
    return ((np.ascontiguousarray(values).view(np.int32) + (1 << 12)) & -(1 << 13)).view(np.float32)


class Gradients:
    """The gradients of one batch by every variant.

    x, y : (batch, d), (batch, classes); sigma, beta : of the objective
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, sigma: float, beta: float) -> None:
        self.sigma, self.exact = sigma, attached(HSICBottleneck(beta=beta))
        self.schemes: dict[str, HSICBottleneck] = {"ours": self.exact}
        self.schemes |= {name: attached(Careless(beta=beta, **change)) for name, change in CHANGES.items()}
        self.schemes["tf32"] = attached(HSICBottleneck(beta=beta), TF32())
        self.wanted = {name: scheme._target_relation(np.float32(x), np.float32(y), sigma) for name, scheme in self.schemes.items()}
        self.exactly_wanted = self.exact._target_relation(np.float64(x), np.float64(y), sigma)

    def of(self, z: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return -m dL/dZ, (batch, d), in float64, and by variant in float32."""
        z = np.float32(z)
        found = {name: scheme._error(z, self.wanted[name], self.sigma) for name, scheme in self.schemes.items()}
        return self.exact._error(np.float64(z), self.exactly_wanted, self.sigma), found

    def condition(self, z: np.ndarray) -> float:
        """Return the condition number of C = H K H + c I of Z."""
        values = np.linalg.eigvalsh(self.exact._kernel(np.float64(z), self.sigma)[2])
        return float(values[-1] / values[0])


def attached(scheme: HSICBottleneck, backend: NumpyBackend | None = None) -> HSICBottleneck:
    """Return the scheme with a backend; its network does not matter."""
    scheme.attach(Network.layered((2,), [2], 2, backend=backend), 2, 0)
    return scheme


def off(found: np.ndarray, exact: np.ndarray) -> float | None:
    """Return the norm of the difference over the norm; None where a matrix had no factor, and so no inverse."""
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact)) if np.isfinite(found).all() else None


def trained(trainer: Trainer, x: np.ndarray, y: np.ndarray, sigma: dict[str, float], beta: float) -> dict:
    """Return a row: the worst population's error of the gradient, by variant, and of the weights' change, and condition number."""
    network, flat = trainer.network, x.reshape(len(x), -1)
    sweep = network.sweep(network.backend.asarray(x), training=True)
    sets = {width: Gradients(flat, y, width, beta) for width in set(sigma.values())}
    conditions, changes, errors = [], [], {name: [] for name in VARIANTS}
    for name, width in sigma.items():
        exact, found = sets[width].of(sweep.rate[name])
        conditions.append(sets[width].condition(sweep.rate[name]))
        for variant, value in found.items():
            errors[variant].append(off(value, exact))
        changes.append(off(*(weights_change(network, sweep, name, error) for error in (found["ours"], exact))))
    return {"condition": max(conditions), "change": max(changes)} | {name: max(values) for name, values in errors.items()}


def weights_change(network: Network, sweep: Any, name: str, error: np.ndarray) -> np.ndarray:
    """Return what an error on a population's rates comes to at the weights into it, (n_pre, n_post)."""
    below = next(projection.pre for projection in network.projections.values() if projection.post == name)
    taught = network.populations[name].teach(error, sweep[name]).error
    return np.float64(sweep.rate[below].reshape(len(error), -1)).T @ taught


def in_training(data_dir: str | None) -> Iterator[dict]:
    """Yield rows of the papers' models as drawn and after two epochs; of the widest also at other batches and sigmas."""
    for model, seed in MODELS.items():
        job = prepare(ModelFile.load(model), seed=seed, backend="numpy", data_dir=data_dir)
        trainer, images, labels = job.trainers[0], job.data.train.x, one_hot(job.data.train.y, job.data.classes)
        scheme = trainer.pathway
        assert isinstance(scheme, HSICBottleneck)
        trainer.check(job.data)
        for epoch in EPOCHS:
            while trainer.epoch < epoch:
                trainer.run_epoch(job.data)
            settings = [(PAPERS, trainer.batch, scheme.sigma)]
            if model == "hsic-mnist-unformatted":
                for batch, sigma in itertools.product(BATCHES, SIGMAS):
                    settings.append((NARROW if sigma == 1 else WIDE, batch, dict.fromkeys(scheme.sigma, sigma)))
            for group, batch, sigma in settings:
                row = {"group": group, "model": model, "epochs": epoch, "batch": batch, "sigma": sorted(set(sigma.values()))}
                yield row | trained(trainer, images[:batch], labels[:batch], sigma, scheme.beta)


def clustered(batch: int = 256, width: int = 128, beta: float = 200.0) -> Iterator[dict]:
    """Yield rows of activity in one cluster for each class, the worst that the conditioning allows.

    scale : the classes' centres are drawn with this standard deviation, in kernel widths; spread : that of a cluster over it
    """
    draw = np.random.default_rng(0)
    x, noise = draw.random((batch, 64)), draw.normal(size=(batch, width))
    for classes in (2, 10):
        labels, centres = np.arange(batch) % classes, draw.normal(size=(classes, width))
        gradients = Gradients(x, np.eye(classes)[labels], 1.0, beta)
        for scale in SCALES:
            for spread in SPREADS:
                z = scale * (centres[labels] + spread * noise)
                exact, found = gradients.of(z)
                row = {"group": NEAR if scale <= 1 else FAR, "classes": classes, "batch": batch, "scale": scale, "spread": spread}
                row |= {"condition": gradients.condition(z)}
                yield row | {name: off(value, exact) for name, value in found.items()}


def worst(rows: list[dict]) -> list[dict]:
    """Return for each group the largest condition number and the largest error of each variant, "no inverse" being the largest."""
    found: dict[str, dict] = {}
    for row in rows:
        held = found.setdefault(row["group"], {"activity": row["group"]})
        for name in ("condition", *VARIANTS):
            values = [held.get(name, 0.0), row[name]]
            held[name] = NO_INVERSE if None in values or NO_INVERSE in values else max(values)
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hsic_precision", description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    rows = []
    for row in itertools.chain(in_training(arguments.data_dir), clustered()):
        words = (f"{name} {value:.2g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items())
        print("  ".join(words), flush=True)
        rows.append(row)
    if arguments.out:
        found = {"about": machine(), "steps": worst(rows), "rows": rows}
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
