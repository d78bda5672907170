"""Encodings of many texts in a few arrays, and how they are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Encodings:
    """Texts one after another."""

    lengths: np.ndarray  # [texts], tokens of each
    ids: np.ndarray  # [tokens], as is the next
    type_ids: np.ndarray
    offsets: np.ndarray  # [tokens, 2], in UTF-16 units of the token's own text
    truncated: np.ndarray  # [texts]

    def at(self, index: int) -> tuple:
        """One text's ids, type ids, offsets and whether it was truncated, as plain values."""
        end = int(self.lengths[: index + 1].sum())
        start = end - int(self.lengths[index])
        rows = slice(start, end)
        truncated = bool(self.truncated[index])
        return self.ids[rows].tolist(), self.type_ids[rows].tolist(), self.offsets[rows].tolist(), truncated


def differing(ours: Encodings, theirs: Encodings) -> np.ndarray:
    """The texts in which anything differs: ids, type ids, offsets, `truncated`."""
    wrong = ours.truncated != theirs.truncated
    if not np.array_equal(ours.lengths, theirs.lengths):
        wrong |= ours.lengths != theirs.lengths
        for index in np.flatnonzero(~wrong):
            wrong[index] = ours.at(index) != theirs.at(index)
        return np.flatnonzero(wrong)
    token_wrong = (ours.ids != theirs.ids) | (ours.type_ids != theirs.type_ids)
    token_wrong |= (ours.offsets != theirs.offsets).any(axis=1)
    text_of_token = np.repeat(np.arange(len(ours.lengths)), ours.lengths)
    wrong[text_of_token[token_wrong]] = True
    return np.flatnonzero(wrong)
