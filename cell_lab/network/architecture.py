"""The Transformer-GRU: what each cell remembers, and what its rack has been through.

Every 16 seconds a Transformer takes means and spreads of the rack's inputs as one token, looks at
it and the 31 before it (eight and a half minutes), and tells a context. Every second a GRU of
each cell takes the cell's inputs and the rack's context and tells how far the filter's SOC is off,
and how sure that is. All heads share one key and one value (Shazeer 2019, arXiv 1911.02150), which
keeps a rack's cache small; the heads tell older tokens from younger ones by a slope of their own
(Press, Smith, Lewis 2022, ALiBi), so that a token's place is no input and the cache may roll.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cell_lab.network.shape import Shape
from station.estimators.network_run import ERROR_SCALE, LOG_SD_AT_0, LOG_SD_RANGE


@dataclass(frozen=True)
class Told:
    """What the network says of each second, shape (cells, seconds).

    Attributes:
        error: of the SOC that it was given: true minus given, a share of 1.
        log_sd: logarithm of its standard deviation.
    """

    error: Tensor
    log_sd: Tensor


class Layer(nn.Module):
    """One layer of the Transformer."""

    def __init__(self, shape: Shape) -> None:
        """Make its weights."""
        super().__init__()
        self.shape = shape
        width, key = shape.width, shape.key
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, shape.heads * key)
        self.key_value = nn.Linear(width, 2 * key)
        self.back = nn.Linear(shape.heads * key, width)
        self.norm2 = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the tokens after attention and feed-forward, shape (racks, tokens, width)."""
        racks, count, _ = tokens.shape
        normed = self.norm(tokens)
        query = self.query(normed).view(racks, count, self.shape.heads, -1).transpose(1, 2)
        key, value = self.key_value(normed)[:, None].split(self.shape.key, dim=-1)
        scores = query @ key.transpose(-1, -2) * self.shape.key**-0.5 + mask
        heard = (scores.softmax(-1) @ value).transpose(1, 2).reshape(racks, count, -1)
        tokens = tokens + self.back(heard)
        fed: Tensor = self.narrow(functional.relu(self.wide(self.norm2(tokens))))
        return tokens + fed


class TransformerGru(nn.Module):
    """The network; `shape.context` 0 leaves the Transformer out: a plain GRU."""

    slopes: Tensor

    def __init__(self, shape: Shape) -> None:
        """Make its weights."""
        super().__init__()
        self.shape = shape
        if shape.context:
            self.embed = nn.Linear(2 * shape.inputs, shape.width)
            self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
            self.norm = nn.LayerNorm(shape.width)
            self.tell = nn.Linear(shape.width, shape.context)
        self.gru = nn.GRU(shape.inputs + shape.context, shape.hidden, batch_first=True)
        self.head = nn.Linear(shape.hidden, 2)
        self.register_buffer("slopes", torch.tensor(shape.slopes), persistent=False)

    def forward(self, inputs: Tensor, hidden: Tensor | None = None) -> tuple[Told, Tensor]:
        """Take whole sequences from their start on.

        Args:
            inputs: shape (cells, seconds, inputs); each cell is a rack of its own.
            hidden: of the GRU before, shape (1, cells, hidden).

        Returns:
            What it tells, and the GRU's state after.
        """
        if self.shape.context:
            inputs = torch.cat([inputs, self.context_of_seconds(inputs)], dim=-1)
        states, hidden = self.gru(inputs, hidden)
        told = self.head(states)
        log_sd = torch.clamp(told[..., 1] + LOG_SD_AT_0, *LOG_SD_RANGE)
        return Told(told[..., 0] * ERROR_SCALE, log_sd), hidden

    def context_of_seconds(self, inputs: Tensor) -> Tensor:
        """Return the context of each second: that of the last whole patch before it, 0 at first."""
        cells, seconds, _ = inputs.shape
        patch = self.shape.patch_s
        whole = seconds // patch
        parts = inputs[:, : whole * patch].reshape(cells, whole, patch, -1)
        mean = parts.mean(2)
        variance = ((parts - mean[:, :, None]) ** 2).mean(2)
        tokens = self.embed(torch.cat([mean, (variance + self.shape.least_variance).sqrt()], -1))
        mask = self._mask(whole)
        for layer in self.layers:
            tokens = layer(tokens, mask)
        context = self.tell(self.norm(tokens))
        context = torch.cat([context.new_zeros(cells, 1, context.shape[-1]), context], 1)
        return context.repeat_interleave(patch, 1)[:, :seconds]

    def _mask(self, count: int) -> Tensor:
        """Return what is added to the scores: nothing of the future, nor beyond the window."""
        place = torch.arange(count, device=self.slopes.device)
        age = (place[:, None] - place[None, :]).float()
        mask = -self.slopes[:, None, None] * age
        return mask.masked_fill((age < 0) | (age >= self.shape.window), float("-inf"))
