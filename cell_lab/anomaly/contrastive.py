"""The multi-time-scale contrastive network: windows of healthy cells come to lie together.

One small convolutional encoder looks at each time scale; the three views of one cell are aligned,
then joined into one embedding. Training draws two healthy windows together, and pushes away
windows into which a shape was put that healthy cells do not show (a step, a ramp, a spike, a
swing, a wild or a dead reading), of random size and at a random time, the same at all three scales
(supervised contrastive loss: Khosla et al. 2020, NeurIPS 33). What is told at the station is the
distance of an embedding from the healthy ones, in multiples of their scatter.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from station.estimators.anomaly.windows import FIGURES, POINTS, SCALES_S

Floats = npt.NDArray[np.float32]

SCALES = len(SCALES_S)
CHANNELS, VIEW, EMBEDDING = 16, 16, 16
_BATCH, _RATE, _TEMPERATURE = 384, 2e-3, 0.2
_ALIGNMENT = 0.2
_SHAPES = 6
_FINE = 24.0

Progress = Callable[[float], None]


class WindowEncoder(nn.Module):
    """Windows (cells, scales, figures, points) to embeddings of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(FIGURES, CHANNELS, 3, padding=1)
        self.second = nn.Conv1d(CHANNELS, CHANNELS, 3, padding=1)
        self.view = nn.Linear(2 * CHANNELS, VIEW)
        self.join = nn.Linear(SCALES * VIEW, 32)
        self.last = nn.Linear(32, EMBEDDING)

    def forward(self, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return embeddings (cells, EMBEDDING) and the views (cells, scales, VIEW)."""
        flat = windows.reshape(-1, FIGURES, POINTS)
        seen = functional.relu(self.second(functional.relu(self.first(flat))))
        pooled = torch.cat([seen.mean(dim=2), seen.amax(dim=2)], dim=1)
        views = self.view(pooled).reshape(len(windows), SCALES, VIEW)
        joined = functional.relu(self.join(functional.relu(views).flatten(1)))
        return functional.normalize(self.last(joined), dim=1), views


@dataclass(frozen=True)
class Trained:
    """A network with what is healthy to it.

    Attributes:
        encoder: the network.
        centre: mean embedding of healthy windows, shape (EMBEDDING,).
        whiten: its rows take a distance from the centre to multiples of scatter.
        losses: one for each hundred steps.
    """

    encoder: WindowEncoder
    centre: Floats
    whiten: Floats
    losses: tuple[float, ...]


def train_encoder(
    windows: Floats, steps: int, seed: int, progress: Progress | None = None
) -> Trained:
    """Return a network trained on healthy windows, as `network_input` makes them."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    encoder = WindowEncoder()
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    losses, running = [], 0.0
    for step in range(steps):
        healthy = windows[rng.integers(0, len(windows), _BATCH)]
        strange, shape = disturbed(windows[rng.integers(0, len(windows), _BATCH)], rng)
        both = torch.from_numpy(np.concatenate([healthy, strange]))
        label = torch.from_numpy(np.concatenate([np.zeros(_BATCH, np.int64), 1 + shape]))
        embedding, views = encoder(both)
        loss = _contrast(embedding, label) + _ALIGNMENT * _misaligned(views[:_BATCH])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        running += float(loss.detach()) / 100
        if step % 100 == 99:  # noqa: PLR2004 - each hundred
            losses.append(running)
            running = 0.0
            if progress:
                progress((step + 1) / steps)
    centre, whiten = _healthy(encoder, windows[:: max(1, len(windows) // 50_000)])
    return Trained(encoder, centre, whiten, tuple(losses))


def disturbed(windows: Floats, rng: np.random.Generator) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return windows with shapes put in, and which shape, 0..5."""
    number = len(windows)
    shape = rng.integers(0, _SHAPES, number)
    size = rng.choice([-1, 1], number) * np.exp(rng.uniform(np.log(2), np.log(40), number))
    began_s = np.exp(rng.uniform(np.log(20), np.log(7000), number))
    swing_s = np.exp(rng.uniform(np.log(40), np.log(3000), number))
    figure = rng.integers(0, FIGURES, number)
    true = np.sinh(windows)
    for scale, span_s in enumerate(SCALES_S):
        ago_s = (np.arange(POINTS)[::-1] + 0.5) * span_s
        since_s = began_s[:, None] - ago_s
        on = np.clip(since_s / span_s + 0.5, 0, 1)
        put = np.select(
            [shape[:, None] == each for each in range(4)],
            [
                on,
                on * since_s / began_s[:, None],
                on * np.exp(-np.maximum(since_s, 0) / 60),
                on * np.sin(2 * np.pi * since_s / swing_s[:, None]) * min(1.0, 64 / span_s),
            ],
            0.0,
        )
        wild = on * rng.standard_normal(put.shape) / np.sqrt(span_s / 16)
        put = np.where(shape[:, None] == 4, wild, put)  # noqa: PLR2004 - numbers of shapes
        chosen = true[np.arange(number), scale, figure]
        dead = np.where(shape[:, None] == 5, -on * chosen, 0)  # noqa: PLR2004
        dead += np.where(shape[:, None] == 5, on * 0.3 * size[:, None], 0)  # noqa: PLR2004
        true[np.arange(number), scale, figure] = chosen + put * size[:, None] + dead
    codes = np.clip(np.rint(_FINE * np.arcsinh(true)), -127, 127)
    return (codes / _FINE).astype(np.float32), shape


def distances(trained: Trained, windows: Floats) -> Floats:
    """Return the distance of windows from healthy ones, shape (windows,)."""
    with torch.no_grad():
        embedding, _ = trained.encoder(torch.from_numpy(windows))
    off = (embedding.numpy() - trained.centre) @ trained.whiten
    distance: Floats = np.sqrt((off**2).sum(axis=1) + 1e-12).astype(np.float32)
    return distance


def _contrast(embedding: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    alike = embedding @ embedding.T / _TEMPERATURE
    self_mask = torch.eye(len(label), dtype=torch.bool)
    alike = alike.masked_fill(self_mask, -1e9)
    log_share = alike - torch.logsumexp(alike, dim=1, keepdim=True)
    same = (label[:, None] == label[None]) & ~self_mask
    # Healthy windows are to lie together; strange ones only with those of the same shape.
    own = (log_share * same).sum(dim=1) / same.sum(dim=1).clamp(min=1)
    return -own.mean()


def _misaligned(views: torch.Tensor) -> torch.Tensor:
    unit = functional.normalize(views, dim=2)
    pairs = ((0, 1), (1, 2), (0, 2))
    near = [(unit[:, i] * unit[:, j]).sum(dim=1).mean() for i, j in pairs]
    return 1 - torch.stack(near).mean()


def _healthy(encoder: WindowEncoder, windows: Floats) -> tuple[Floats, Floats]:
    with torch.no_grad():
        embedding = encoder(torch.from_numpy(windows))[0].numpy().astype(np.float64)
    centre = embedding.mean(axis=0)
    covariance = np.cov((embedding - centre).T) + 1e-3 * np.eye(EMBEDDING)
    whiten = np.linalg.cholesky(np.linalg.inv(covariance))
    return centre.astype(np.float32), whiten.astype(np.float32)
