"""Texts become the tokens of Hugging Face's tokenizers, and so the same logits."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

import bounds
from bert_cnn import load_directory
from check_values import MODELS, make_minilm_models
from native import Native
from report import Report
from texts import ODD_TEXTS, SENTENCES, encode, tokenizer


def check_directory(native: Native, report: Report, name: str, directory: Path, max_length: int) -> None:
    texts = SENTENCES + ODD_TEXTS
    encodings = tokenizer(directory, max_length).encode_batch(texts)
    ids = [e.ids for e in encodings]
    options = {"device": "cpu"}
    got = native.api(
        "texts", directory=str(directory), options=options, texts=texts, ids=ids, maxLength=max_length
    )
    different = [texts[i][:20] for i in range(len(texts)) if got["ids"][i] != ids[i]]
    report.check(f"{name}: {len(texts)} texts have the ids of tokenizers", not different, str(different or ""))
    cut = [int(bool(e.overflowing)) for e in encodings]
    report.check(f"{name}: the texts that were cut are named", got["truncated"] == cut)
    model, _ = load_directory(directory)
    with torch.no_grad():
        expected = model(**encode(directory, texts, max_length))
    of_texts, of_ids = torch.tensor(got["logitsOfTexts"]), torch.tensor(got["logitsOfIds"])
    rows = [
        bounds.logits("texts / PyTorch", of_texts, expected),
        bounds.logits("texts / ids", of_texts, of_ids),
    ]
    report.add(name, rows)
    report.table([(name, rows)])


def check(native: Native, report: Report, minilm: Path) -> None:
    report.section("texts: predict(texts) beside predict(ids) and PyTorch, by way of the JavaScript API")
    check_directory(native, report, "tiny-frozen", MODELS / "tiny-frozen", 32)
    models = native.scratch / "minilm"
    make_minilm_models(minilm, models)
    check_directory(native, report, "MiniLM", models / "max-over-time", 512)
    shutil.rmtree(models)
