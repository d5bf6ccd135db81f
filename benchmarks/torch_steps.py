"""The training step of every scheme in PyTorch as its users write it: nn.Linear, autograd on local losses, torch.optim.Adam.

Same arithmetic as ours with default options, on the chain of ``sizes`` with tanh and softmax; ``tests/benchmarks`` hold it to that.
Losses are means over the batch, so what ``learn`` leaves in ``.grad`` is minus what our schemes propose.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurosim.capture.cost import Product

MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


class Batch(NamedTuple):
    """Images, (batch, n), their labels one-hot and as integers, and standard normal noise by population instead of a fresh draw."""

    x: Tensor
    y: Tensor
    labels: Tensor
    noise: Mapping[str, Tensor]


class Scheme(nn.Module):
    """The chain's linear layers; a scheme is a subclass with ``learn``, which leaves a gradient in every parameter that learns.

    own : the scheme's own layers, fixed : its feedback weights, (post, pre) like those of nn.Linear; both by our names
    compiles : whether ``torch.compile`` makes anything of ``learn``
    """

    compiles = True

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes
        self.hidden = [f"hidden{k}" for k in range(1, len(sizes) - 1)]
        self.below = nn.ModuleList(nn.Linear(m, n) for m, n in pairwise(sizes[:-1]))
        self.readout = nn.Linear(sizes[-2], sizes[-1])
        self.own = nn.ModuleDict()
        self.fixed = nn.ParameterDict()
        self.build()

    def build(self) -> None:
        """Make ``own`` and ``fixed``; default: neither."""

    def learn(self, batch: Batch) -> None:
        raise NotImplementedError

    def layers(self) -> dict[str, nn.Linear]:
        """Return every layer by the name of our projection."""
        chain = [f"{pre}__{post}" for pre, post in pairwise(["x", *self.hidden, "output"])]
        return dict(zip(chain, [*self.below, self.readout], strict=True)) | dict(self.own.items())

    def blocks(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the hidden rates and the logits, every population cut off from the one below."""
        rates, below = [], x
        for layer in self.below:
            rates.append(torch.tanh(layer(below)))
            below = rates[-1].detach()
        return rates, self.readout(below)


# ---------------------------------------------------------------------- the schemes


class Backprop(Scheme):
    def learn(self, batch: Batch) -> None:
        h = batch.x
        for layer in self.below:
            h = torch.tanh(layer(h))
        F.cross_entropy(self.readout(h), batch.labels).backward()


class Frozen(Backprop):
    def build(self) -> None:
        self.below.requires_grad_(False)


class AlignedLinear(torch.autograd.Function):
    """A linear layer whose error goes back through other weights."""

    @staticmethod
    def forward(ctx: Any, rate: Tensor, weight: Tensor, bias: Tensor, feedback: Tensor) -> Tensor:
        ctx.save_for_backward(rate, feedback)
        return F.linear(rate, weight, bias)

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        rate, feedback = ctx.saved_tensors
        return error @ feedback if ctx.needs_input_grad[0] else None, error.T @ rate, error.sum(0), None


class FeedbackAlignment(Scheme):
    def build(self) -> None:
        for name, layer in self.layers().items():
            self.fixed[f"feedback/{name}"] = nn.Parameter(torch.randn_like(layer.weight), requires_grad=False)

    def learn(self, batch: Batch) -> None:
        h, (*below, last) = batch.x, self.fixed.values()
        for layer, feedback in zip(self.below, below, strict=True):
            h = torch.tanh(AlignedLinear.apply(h, layer.weight, layer.bias, feedback))
        logits = AlignedLinear.apply(h, self.readout.weight, self.readout.bias, last)
        F.cross_entropy(logits, batch.labels).backward()


class DirectFeedbackAlignment(Scheme):
    def build(self) -> None:
        for name, size in zip(self.hidden, self.sizes[1:-1], strict=True):
            self.fixed[f"feedback/{name}"] = nn.Parameter(torch.randn(self.sizes[-1], size), requires_grad=False)

    def learn(self, batch: Batch) -> None:
        rates, logits = self.blocks(batch.x)
        loss = F.cross_entropy(logits, batch.labels)
        error = (logits.detach().softmax(1) - batch.y) / len(batch.x)
        torch.autograd.backward([loss, *rates], [None, *(error @ feedback for feedback in self.fixed.values())])


class DifferenceTargetPropagation(Scheme):
    def build(self) -> None:
        for (pre, post), (m, n) in zip(pairwise(self.hidden), pairwise(self.sizes[1:-1]), strict=True):
            self.own[f"inverse/{post}__{pre}"] = nn.Linear(n, m)

    def learn(self, batch: Batch) -> None:
        rates, logits = self.blocks(batch.x)
        targets = self.targets([rate.detach() for rate in rates], logits.detach(), batch.y)
        loss = F.cross_entropy(logits, batch.labels)
        for rate, target in zip(rates, targets, strict=True):
            loss = loss + F.mse_loss(rate, target, reduction="sum") / len(target)
        for k, inverse in enumerate(self.own.values()):
            code, noisy = self.corrupted(k, rates[k].detach(), batch.noise.get(self.hidden[k]))
            loss = loss + F.mse_loss(torch.tanh(inverse(code)), noisy, reduction="sum") / len(noisy)
        loss.backward()

    @torch.no_grad()
    def targets(self, rates: list[Tensor], logits: Tensor, y: Tensor, step: float = 0.1) -> list[Tensor]:
        """Return the hidden populations' targets, from the input up."""
        targets = [rates[-1] + step * (y - logits.softmax(1)) @ self.readout.weight]
        for inverse, below, rate in zip(reversed(self.own.values()), rates[-2::-1], rates[:0:-1], strict=True):
            targets.insert(0, below + torch.tanh(inverse(targets[0])) - torch.tanh(inverse(rate)))
        return targets

    @torch.no_grad()
    def corrupted(self, k: int, rate: Tensor, noise: Tensor | None, spread: float = 0.36) -> tuple[Tensor, Tensor]:
        """Return what the population above hidden population ``k`` makes of its noisy rate, and that rate."""
        noisy = rate + spread * (torch.randn_like(rate) if noise is None else noise)
        return torch.tanh(self.below[k + 1](noisy)), noisy


def relation(values: Tensor, sigma: float = 5.0, epsilon: float = 1e-5) -> Tensor:
    """Return K H (K H + epsilon m I)**-1 of a Gaussian kernel, (batch, batch), in the values' own type."""
    z = values
    m, squares = len(z), (z * z).sum(1)
    distance = (squares[:, None] + squares - 2 * z @ z.T).clamp(min=0)
    kernel = torch.exp(-distance / (2 * sigma**2 * z.shape[1]))
    centred = kernel - kernel.mean(1, keepdim=True)
    return centred @ torch.linalg.inv(centred + epsilon * m * torch.eye(m, dtype=z.dtype, device=z.device))


class HSICBottleneck(Scheme):
    def learn(self, batch: Batch, beta: float = 50.0) -> None:
        rates, logits = self.blocks(batch.x)
        wanted = relation(batch.x) - beta * relation(batch.y)
        loss = F.cross_entropy(logits, batch.labels)
        for rate in rates:
            loss = loss + (relation(rate) * wanted.T).sum()
        loss.backward()


class AlternatingMinimization(Scheme):
    def learn(self, batch: Batch) -> None:
        first = self.below[0](batch.x)
        codes = self.codes(first.detach(), batch.labels)
        rates = [torch.tanh(code) for code in codes]
        loss = F.cross_entropy(self.readout(rates[-1]), batch.labels) + F.mse_loss(first, codes[0])
        for layer, rate, code in zip([*self.below][1:], rates[:-1], codes[1:], strict=True):
            loss = loss + F.mse_loss(layer(rate), code)
        loss.backward()

    def codes(self, first: Tensor, labels: Tensor, mu: float = 0.003) -> list[Tensor]:
        """Return the hidden codes, relaxed from the top down, from the input up."""
        codes, upper = [first], [*self.below][1:]
        with torch.no_grad():
            for layer in upper:
                codes.append(layer(torch.tanh(codes[-1])))
        codes[-1] = relaxed(codes[-1], lambda code: F.cross_entropy(self.readout(torch.tanh(code)), labels) / mu)
        for k in reversed(range(len(upper))):
            codes[k] = relaxed(codes[k], lambda code, f=upper[k], c=codes[k + 1]: F.mse_loss(f(torch.tanh(code)), c))
        return codes


def relaxed(
    start: Tensor, above: Callable[[Tensor], Tensor], iterations: int = 5, step: float = 0.3, momentum: float = 0.9
) -> Tensor:
    """Return the code after Nesterov's gradient of what ``above`` and the distance from ``start`` ask."""
    code, velocity = start, torch.zeros_like(start)
    for _ in range(iterations):
        code = code.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(above(code) + F.mse_loss(code, start), code)
        velocity = momentum * velocity + gradient
        code = code.detach() - step * (gradient + momentum * velocity)
    return code


class SyntheticGradients(Scheme):
    compiles = False  # a leaf tensor at every interface: PyTorch 2.13 says nothing and runs all of it eagerly

    def build(self) -> None:
        for name, size in zip(self.hidden, self.sizes[1:-1], strict=True):
            self.own[f"gradient/{name}/input__output"] = nn.Linear(size + self.sizes[-1], size)

    def learn(self, batch: Batch) -> None:
        rates, told, received = [], [], [batch.x]
        for layer, module in zip(self.below, self.own.values(), strict=True):
            rates.append(torch.tanh(layer(received[-1])))
            told.append(module(torch.cat([rates[-1].detach(), batch.y], 1)))
            received.append(rates[-1].detach().requires_grad_())
        loss, m = F.cross_entropy(self.readout(received[-1]), batch.labels), len(batch.x)
        torch.autograd.backward([loss, *rates], [None, *(-error.detach() / m for error in told)])
        own = [F.mse_loss(error, -m * rate.grad, reduction="sum") / m for error, rate in zip(told, received[1:], strict=True)]
        sum(own).backward()


def similarity(values: Tensor) -> Tensor:
    """Return the cosines of all pairs of rows, each less its own mean."""
    centred = values - values.mean(1, keepdim=True)
    rows = centred / (centred.norm(dim=1, keepdim=True) + 1e-8)
    return rows @ rows.T


class LocalErrors(Scheme):
    def build(self) -> None:
        for name, size in zip(self.hidden, self.sizes[1:-1], strict=True):
            self.own[f"pred/{name}/input__output"] = nn.Linear(size, self.sizes[-1])
            self.own[f"sim/{name}/input__output"] = nn.Linear(size, size, bias=False)

    def learn(self, batch: Batch, beta: float = 0.99) -> None:
        rates, logits = self.blocks(batch.x)
        wanted = similarity(batch.y)
        loss = (1 - beta) * F.cross_entropy(logits, batch.labels)
        for name, rate in zip(self.hidden, rates, strict=True):
            pred, sim = self.own[f"pred/{name}/input__output"], self.own[f"sim/{name}/input__output"]
            loss = loss + (1 - beta) * F.cross_entropy(pred(rate), batch.labels) + beta * F.mse_loss(similarity(sim(rate)), wanted)
        loss.backward()


SCHEMES: dict[str, type[Scheme]] = {
    "backprop": Backprop,
    "frozen": Frozen,
    "feedback_alignment": FeedbackAlignment,
    "direct_feedback_alignment": DirectFeedbackAlignment,
    "difference_target_propagation": DifferenceTargetPropagation,
    "hsic_bottleneck": HSICBottleneck,
    "alternating_minimization": AlternatingMinimization,
    "synthetic_gradients": SyntheticGradients,
    "local_errors": LocalErrors,
}


# ---------------------------------------------------------------------- a step to time, an update to compare


def torch_step(
    scheme: str, sizes: tuple[int, ...], batch: int, *, device: str = "cpu", compiled: str | None = None, fused: bool = False
) -> Callable[[], None]:
    """Return a training step, Adam(1e-3) included, on one batch that is already in memory (random x in [0,1), random one-hot y).

    compiled : the mode of ``torch.compile`` for the whole step; None for eager
    fused : PyTorch's fused Adam

    Raises
    ------
    ValueError
        An unknown mode, or a scheme that does not compile.
    """
    if compiled not in (None, *MODES):
        raise ValueError(f"compiled {compiled!r}: expected None or one of {', '.join(MODES)}; pick one")
    if compiled and not SCHEMES[scheme].compiles:
        raise ValueError(f"compiled {compiled!r}: torch.compile leaves scheme {scheme!r} to eager execution; expected None")
    made = SCHEMES[scheme](sizes).to(device)
    labels = torch.randint(sizes[-1], (batch,), device=device)
    held = Batch(torch.rand(batch, sizes[0], device=device), F.one_hot(labels, sizes[-1]).float(), labels, {})
    options = {"fused": True} if fused else {}  # fused=False would turn the default, foreach, off
    optimiser = torch.optim.Adam([p for p in made.parameters() if p.requires_grad], lr=1e-3, **options)

    def step() -> None:
        optimiser.zero_grad()
        made.learn(held)
        optimiser.step()

    return torch.compile(step, mode=compiled) if compiled else step


def torch_update(
    scheme: str, weights: Mapping[str, np.ndarray], x: np.ndarray, y: np.ndarray, noise: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Return minus the gradient for every parameter that learns; all names, and the shapes of what goes in and out, are ours.

    y : one-hot.  noise : hidden population -> standard normal draws, (batch, n), for the reconstruction of its noisy rate.
    """
    made = loaded(scheme, weights)
    target = torch.tensor(y)
    drawn = {name: torch.tensor(value) for name, value in (noise or {}).items()}
    made.learn(Batch(torch.tensor(x), target, target.argmax(1), drawn))
    changes: dict[str, np.ndarray] = {}
    for name, layer in made.layers().items():
        if layer.weight.requires_grad:
            changes[f"{name}.w"] = -layer.weight.grad.T.numpy()
            if layer.bias is not None:
                changes[f"{name}.b"] = -layer.bias.grad.numpy()
    return changes


def loaded(scheme: str, weights: Mapping[str, np.ndarray]) -> Scheme:
    """Return the scheme with our weights, in their precision; the chain's come from the input up."""
    chain = [value for name, value in weights.items() if name.endswith(".w") and "/" not in name]
    made = SCHEMES[scheme]((len(chain[0]), *(value.shape[1] for value in chain))).to(torch.tensor(chain[0]).dtype)
    with torch.no_grad():
        for name, layer in made.layers().items():
            layer.weight.copy_(torch.tensor(weights[f"{name}.w"]).T)
            if layer.bias is not None:
                layer.bias.copy_(torch.tensor(weights[f"{name}.b"]))
        for name, feedback in made.fixed.items():
            own = [value for key, value in weights.items() if key.startswith(f"{name}/")]
            if own:  # there are none into the input
                feedback.copy_(torch.tensor(own[0]))
    return made


def torch_products(products: Sequence[Product]) -> Callable[[], list[float]]:
    """Return a function that does a step's products, in its shapes and layouts, and returns the milliseconds of each."""
    draw = np.random.default_rng(0)

    def operand(rows: int, columns: int, transposed: bool, dtype: np.dtype) -> Tensor:
        values = torch.from_numpy(draw.random((columns, rows) if transposed else (rows, columns)).astype(dtype))
        return values.T if transposed else values

    calls = []
    for p in products:
        a = operand(p.rows, p.inner, p.transposed[0], p.dtype)
        b = a.T if p.symmetric else operand(p.inner, p.columns, p.transposed[1], p.dtype)
        calls.append((a, b, torch.empty(p.rows, p.columns, dtype=a.dtype)))

    def run() -> list[float]:
        times = []
        for a, b, out in calls:
            before = time.perf_counter()
            torch.mm(a, b, out=out)
            times.append(1000 * (time.perf_counter() - before))
        return times

    return run
