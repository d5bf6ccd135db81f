"""The training step of every scheme in PyTorch, the way its users write it: autograd on local losses, ``torch.optim.Adam``.

Same arithmetic as ours with default options, on the chain of ``sizes`` with tanh and softmax; ``tests/benchmarks`` hold it to that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

Tensor = torch.Tensor
Losses = Callable[[dict[str, Tensor], Tensor, Tensor, Mapping[str, Tensor]], dict[str, Tensor]]


def names(w: Mapping[str, Tensor]) -> list[str]:
    """Return the forward projections, from the input up."""
    hidden = sum(name.endswith(".w") and "__hidden" in name and "/" not in name for name in w)
    ends = ["x", *(f"hidden{k}" for k in range(1, hidden + 1)), "output"]
    return [f"{a}__{b}" for a, b in zip(ends, ends[1:], strict=False)]


def drive(w: Mapping[str, Tensor], name: str, rate: Tensor) -> Tensor:
    """Return the drive through one projection."""
    return rate @ w[f"{name}.w"] + w[f"{name}.b"]


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy."""
    return F.cross_entropy(logits, y)


def blocks(w: Mapping[str, Tensor], x: Tensor) -> list[Tensor]:
    """Return [x, rate 1, ..., logits], every population cut off from the one below."""
    rates = [x]
    for name in names(w)[:-1]:
        rates.append(torch.tanh(drive(w, name, rates[-1].detach())))
    return [*rates, drive(w, names(w)[-1], rates[-1].detach())]


# ---------------------------------------------------------------------- one function a scheme: what is minimised


def backprop(w: dict[str, Tensor], x: Tensor, y: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
    h = x
    for name in names(w)[:-1]:
        h = torch.tanh(drive(w, name, h))
    return cross_entropy(drive(w, names(w)[-1], h), y)


def frozen(w: dict[str, Tensor], x: Tensor, y: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
    with torch.no_grad():
        h = x
        for name in names(w)[:-1]:
            h = torch.tanh(drive(w, name, h))
    return cross_entropy(drive(w, names(w)[-1], h), y)


class Through(torch.autograd.Function):
    """A linear layer whose error goes back through other weights."""

    @staticmethod
    def forward(ctx: Any, rate: Tensor, weight: Tensor, feedback: Tensor) -> Tensor:
        ctx.save_for_backward(rate, feedback)
        return rate @ weight

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor, Tensor, None]:
        rate, feedback = ctx.saved_tensors
        return error @ feedback.T, rate.T @ error, None


def feedback_alignment(w: dict[str, Tensor], x: Tensor, y: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
    h = x
    for name in names(w):
        a = Through.apply(h, w[f"{name}.w"], w[f"feedback/{name}.w"]) + w[f"{name}.b"]
        h = torch.tanh(a) if not name.endswith("output") else a
    return cross_entropy(h, y)


def direct_feedback_alignment(w: dict[str, Tensor], x: Tensor, y: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
    rates = blocks(w, x)
    loss = cross_entropy(rates[-1], y)
    (error,) = torch.autograd.grad(loss, rates[-1], retain_graph=True)
    for k, h in enumerate(rates[1:-1], start=1):
        loss = loss + (h * (error @ w[f"feedback/hidden{k}.w"].T)).sum()
    return loss


def difference_target_propagation(w: dict[str, Tensor], x: Tensor, y: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
    def inverse(k: int, above: Tensor) -> Tensor:
        return torch.tanh(drive(w, f"inverse/hidden{k}__hidden{k - 1}", above))

    step, spread = 0.1, 0.36
    rates = blocks(w, x)
    hidden = len(rates) - 2
    loss = cross_entropy(rates[-1], y)
    with torch.no_grad():
        error = F.one_hot(y, rates[-1].shape[1]) - rates[-1].softmax(1)
        target = {hidden: rates[hidden] + step * error @ w[f"{names(w)[-1]}.w"].T}
        for k in range(hidden, 1, -1):
            target[k - 1] = rates[k - 1] + inverse(k, target[k]) - inverse(k, rates[k])
    for k in range(1, hidden + 1):
        loss = loss + ((target[k] - rates[k]) ** 2).sum(1).mean()
    for k in range(2, hidden + 1):
        with torch.no_grad():
            drawn = noise[f"hidden{k}"] if noise else torch.randn_like(rates[k - 1])
            noisy = rates[k - 1] + spread * drawn
            code = torch.tanh(drive(w, names(w)[k - 1], noisy))
        loss = loss + ((inverse(k, code) - noisy) ** 2).sum(1).mean()
    return loss


def normalised_kernel(values: Tensor, sigma: float) -> Tensor:
    z = values.double()
    squares = (z * z).sum(1)
    distance = (squares[:, None] + squares - 2 * z @ z.T).clamp(min=0)
    kernel = torch.exp(-distance / (2 * sigma**2 * z.shape[1]))
    m = len(z)
    centred = kernel - kernel.mean(1, keepdim=True)
    return centred @ torch.linalg.inv(centred + 1e-5 * m * torch.eye(m, dtype=z.dtype, device=z.device))


def hsic_bottleneck(w: dict[str, Tensor], x: Tensor, y: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
    sigma, beta = 5.0, 50.0
    rates = blocks(w, x)
    loss = cross_entropy(rates[-1], y).double()
    of_input = normalised_kernel(x, sigma)
    of_label = normalised_kernel(F.one_hot(y, rates[-1].shape[1]), sigma)
    for h in rates[1:-1]:
        own = normalised_kernel(h, sigma)
        loss = loss + (own * of_input.T).sum() - beta * (own * of_label.T).sum()
    return loss


def alternating_minimization(w: dict[str, Tensor], x: Tensor, y: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
    mu, iterations, step, momentum = 0.003, 5, 0.3, 0.9
    with torch.no_grad():
        start, h = [], x
        for name in names(w)[:-1]:
            start.append(drive(w, name, h))
            h = torch.tanh(start[-1])
    codes: list[Tensor] = [*start]
    for k in reversed(range(len(start))):
        code, velocity = start[k].clone(), torch.zeros_like(start[k])
        for _ in range(iterations):
            code.requires_grad_(True)
            above = drive(w, names(w)[k + 1], torch.tanh(code))
            last = k == len(start) - 1
            objective = cross_entropy(above, y) / mu if last else F.mse_loss(above, codes[k + 1])
            objective = objective + F.mse_loss(code, start[k])
            (gradient,) = torch.autograd.grad(objective, code)
            with torch.no_grad():
                velocity = momentum * velocity + gradient
                code = code - step * (gradient + momentum * velocity)
        codes[k] = code
    inputs = [x, *(torch.tanh(code) for code in codes)]
    loss = cross_entropy(drive(w, names(w)[-1], inputs[-1]), y)
    for name, rate, code in zip(names(w), inputs, codes, strict=False):
        loss = loss + F.mse_loss(drive(w, name, rate), code)
    return loss


def synthetic_gradients(w: dict[str, Tensor], x: Tensor, y: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
    rates = blocks(w, x)
    label = F.one_hot(y, rates[-1].shape[1]).to(x.dtype)
    losses = cross_entropy(rates[-1], y)
    below = [rate.detach().requires_grad_(True) for rate in rates[1:-1]]
    predicted = []
    for k, h in enumerate(rates[1:-1], start=1):
        seen = torch.cat([h.detach(), label], 1)
        predicted.append(drive(w, f"gradient/hidden{k}/seen__told", seen))
        losses = losses - (h * predicted[-1].detach()).sum(1).mean()
    for k, h in enumerate(below):
        if k == len(below) - 1:
            local = cross_entropy(drive(w, names(w)[k + 1], h), y) * len(x)
        else:
            local = -(torch.tanh(drive(w, names(w)[k + 1], h)) * predicted[k + 1].detach()).sum()
        (wanted,) = torch.autograd.grad(local, h)
        losses = losses + ((predicted[k] + wanted) ** 2).sum(1).mean()
    return losses


def similarity(values: Tensor) -> Tensor:
    centred = values - values.mean(1, keepdim=True)
    rows = centred / (centred.norm(dim=1, keepdim=True) + 1e-8)
    return rows @ rows.T


def local_errors(w: dict[str, Tensor], x: Tensor, y: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
    beta = 0.99
    rates = blocks(w, x)
    wanted = similarity(F.one_hot(y, rates[-1].shape[1]).to(x.dtype))
    loss = (1 - beta) * cross_entropy(rates[-1], y)
    for k, h in enumerate(rates[1:-1], start=1):
        loss = loss + (1 - beta) * cross_entropy(drive(w, f"pred/hidden{k}/seen__told", h), y)
        loss = loss + beta * F.mse_loss(similarity(h @ w[f"sim/hidden{k}/seen__told.w"]), wanted)
    return loss


LOSSES = {
    loss.__name__: loss
    for loss in (
        backprop, frozen, feedback_alignment, direct_feedback_alignment, difference_target_propagation, hsic_bottleneck,
        alternating_minimization, synthetic_gradients, local_errors,
    )
}  # fmt: skip


def learned(scheme: str, w: Mapping[str, Tensor]) -> list[str]:
    """Return the names of what learns: everything but fixed feedback, and only the output's synapses under the control."""
    return [name for name in w if not name.startswith("feedback/") and (scheme != "frozen" or "__output" in name)]


def update(
    scheme: str, weights: Mapping[str, np.ndarray], x: np.ndarray, y: np.ndarray, noise: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Return minus the gradient of what the scheme minimises, for every parameter that learns; y: labels."""
    w = {name: torch.tensor(value) for name, value in weights.items()}
    own = learned(scheme, w)
    for name in own:
        w[name].requires_grad_(True)
    drawn = {name: torch.tensor(value) for name, value in (noise or {}).items()}
    loss = LOSSES[scheme](w, torch.tensor(x), torch.tensor(y), drawn)
    gradients = torch.autograd.grad(loss, [w[name] for name in own], allow_unused=True)
    return {name: -gradient.numpy() for name, gradient in zip(own, gradients, strict=True) if gradient is not None}


def torch_step(
    scheme: str,
    weights: Mapping[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    *,
    device: str = "cpu",
    compiled: str = "",
    fused: bool = False,
    loss: Callable[..., Tensor] | None = None,
) -> Callable[[], Any]:
    """Return a training step, Adam included, on one batch that is in memory; y: labels.

    compiled : the mode of ``torch.compile`` for what is minimised, forward and backward; "" for none
    fused : PyTorch's fused Adam
    """
    w = {name: torch.tensor(value, device=device) for name, value in weights.items()}
    own = [w[name].requires_grad_(True) for name in learned(scheme, w)]
    optimiser = torch.optim.Adam(own, lr=1e-3, fused=fused)
    images, labels = torch.tensor(x, device=device), torch.tensor(y, device=device)
    minimised: Callable[..., Tensor] = loss or LOSSES[scheme]
    if compiled:
        minimised = torch.compile(minimised, mode=compiled)

    def step() -> None:
        optimiser.zero_grad()
        minimised(w, images, labels, {}).backward()
        optimiser.step()

    return step
