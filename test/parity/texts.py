"""Sentences, and their tokens as Hugging Face's tokenizers sees them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer

# Of one word up, so that some are shorter than the kernels.
SENTENCES = [
    "Yes",
    "Not bad at all.",
    "The plot is thin, but the actors carry it.",
    "I laughed, I cried, I checked my watch; mostly I checked my watch.",
    "An unhurried, generous portrait of three sisters and the house they cannot bring themselves to sell.",
    "Awful!",
    "Großartig, naïve & déjà-vu: 10/10 \U0001f600",
    "Nothing here is new, and yet it is hard to look away from.",
]
# Four that make a small batch: a training run takes many steps.
SHORT_SENTENCES = [*SENTENCES[:3], SENTENCES[5]]
# Texts that a tokenizer may stumble over.
ODD_TEXTS = [
    "",
    "   \t\n ",
    "a",
    "\u4e2d\u6587 and \ud55c\uad6d\uc5b4",
    "e\u0301le\u0300ve \u0130stanbul \u00df",
    "don't-stop...believing!!! (1,000.5%)",
    "x" * 150,
    "[CLS] [MASK] [SEP] inside",
    "zero\u200bwidth\ufeff and \x00control\x07",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 family",
    "un##able ##ing # #",
    "word " * 700,
]


def tokenizer(directory: Path, max_length: int) -> BertWordPieceTokenizer:
    settings = json.loads((directory / "tokenizer_config.json").read_text())
    made = BertWordPieceTokenizer(
        str(directory / "vocab.txt"),
        lowercase=settings["do_lower_case"],
        strip_accents=settings.get("strip_accents"),
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
    )
    made.enable_truncation(max_length)
    return made


def encode(directory: Path, texts: list[str], max_length: int = 512) -> dict[str, torch.Tensor]:
    return encode_with(tokenizer(directory, max_length), texts)


def encode_with(made: BertWordPieceTokenizer, texts: list[str]) -> dict[str, torch.Tensor]:
    """Padded on the right, as transformers' tokenizers do."""
    encodings = made.encode_batch(texts)
    length = max(len(e.ids) for e in encodings)
    pad = lambda values: [v + [0] * (length - len(v)) for v in values]  # noqa: E731
    return {
        "input_ids": torch.tensor(pad([e.ids for e in encodings])),
        "attention_mask": torch.tensor(pad([e.attention_mask for e in encodings])),
        "token_type_ids": torch.tensor(pad([e.type_ids for e in encodings])),
    }
