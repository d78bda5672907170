"""Hugging Face's `BertTokenizerFast`."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from transformers import BertTokenizerFast

from encoded import Encodings


@lru_cache(maxsize=3)
def tokenizer(directory: Path):
    """The `tokenizers.Tokenizer` inside, whose `encode_batch` takes many texts and reports failures apart."""
    made = BertTokenizerFast.from_pretrained(str(directory)).backend_tokenizer
    made.no_padding()
    made.no_truncation()
    return made


def encode(directory: Path, texts: list[str], pairs: list[str] | None = None, add_special_tokens=True) -> Encodings:
    """`texts` are well-formed."""
    batch = list(zip(texts, pairs)) if pairs is not None else texts
    encodings = tokenizer(directory).encode_batch(batch, add_special_tokens=add_special_tokens)
    return flatten(encodings, texts, pairs)


def encode_truncated(directory, texts, pairs, add_special_tokens, max_length, strategy):
    """Encodings, and what went wrong with each text: None, or Hugging Face's message. Where something did,
    the encoding is that of an empty text."""
    inside = tokenizer(directory)
    inside.enable_truncation(max_length, strategy=strategy)
    encodings, errors = [], []
    try:
        for index, text in enumerate(texts):
            pair = None if pairs is None else pairs[index]
            try:
                encodings.append(inside.encode(text, pair, add_special_tokens=add_special_tokens))
                errors.append(None)
            except Exception as error:  # what it raises is a plain Exception
                encodings.append(inside.encode("", add_special_tokens=False))
                errors.append(str(error))
    finally:
        inside.no_truncation()
    result = flatten(encodings, texts, pairs)
    result.truncated = np.array([bool(encoding.overflowing) for encoding in encodings])
    return result, errors


def decode(directory: Path, ids: list[list[int]]) -> list[dict]:
    """As Ours.decode. By the decoder of the directory's tokenizer.json, where there is one:
    BertTokenizerFast puts its own into its place."""
    file = directory / "tokenizer.json"
    inside = Tokenizer.from_file(str(file)) if file.exists() else tokenizer(directory)
    return [
        {
            "tokens": [inside.id_to_token(number) for number in row],
            "text": inside.decode(row, skip_special_tokens=False),
            "plain": inside.decode(row, skip_special_tokens=True),
        }
        for row in ids
    ]


def encoded_ids(directory: Path, texts: list[str]) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer(directory).encode_batch(texts)]


def size(directory: Path) -> int:
    return tokenizer(directory).get_vocab_size()


def flatten(encodings, texts: list[str], pairs: list[str] | None) -> Encodings:
    lengths = np.array([len(encoding) for encoding in encodings], np.int32)
    ids = integers(encoding.ids for encoding in encodings)
    if pairs is None:
        type_ids = np.zeros(len(ids), np.int32)
    else:
        type_ids = integers(encoding.type_ids for encoding in encodings)
    offsets = integers(chain.from_iterable(encoding.offsets) for encoding in encodings).reshape(-1, 2)
    units, starts = utf16_positions(texts)
    start = np.repeat(starts, lengths)
    if pairs is not None:
        second_units, second_starts = utf16_positions(pairs)
        second_start = np.repeat(second_starts, lengths) + len(units)
        units, start = np.concatenate([units, second_units]), np.where(type_ids == 1, second_start, start)
    # Hugging Face counts characters.
    in_units = units[offsets + start[:, None]] - units[start][:, None]
    return Encodings(lengths, ids, type_ids, in_units.astype(np.int32), np.zeros(len(texts), bool))


def integers(parts) -> np.ndarray:
    return np.fromiter(chain.from_iterable(parts), np.int32)


def utf16_positions(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The UTF-16 position of every character of all texts, joined, and of the end; and the index of each
    text's first character."""
    characters = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    positions = np.concatenate([[0], np.cumsum(1 + (characters > 0xFFFF))])
    starts = np.concatenate([[0], np.cumsum([len(text) for text in texts])])[:-1]
    return positions, starts.astype(np.int64)
