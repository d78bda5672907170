"""Logits, loss, every gradient and some steps, on the tiny models and on the MiniLM encoder."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import BertConfig

import bounds
from bert_cnn import PADDINGS, VARIANTS, BertCnn, HeadConfig, load_directory, save_directory
from cases import MARGIN, Case, Reference, all_cases, ragged_batch
from native import Native
from report import Report
from texts import SENTENCES, encode

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
MODELS = FIXTURES / "models"
# Of the heads of full size: among so many maxima some come so near a tie, sooner or later, that rounding decides the
# gradient. Twenty steps of smaller heads are check_training's.
MINILM_STEPS = 2


def fixture_cases() -> list[Case]:
    entries = json.loads((FIXTURES / "parity" / "manifest.json").read_text())["cases"]
    return [Case(**entry) for entry in entries]


def compare_case(native: Native, case: Case, models: Path, reference: Reference, make_batch, generator):
    batch, labels, (single, double) = reference.draw(case, make_batch, generator)
    got = native.run(models / case.model, case, batch, labels)
    rows = bounds.compare(got, single, double, case.steps)
    if "logits_alone" in got:
        rows.append(bounds.alone(got))
    return rows + [bounds.worst_weights("weights after", got, double)]


def random_batch(config: BertConfig, generator: torch.Generator) -> dict:
    lengths = [1, *torch.randint(2, 30, (7,), generator=generator).tolist(), 9, 8]
    return ragged_batch(lengths, config.vocab_size, config.type_vocab_size, 0, generator)


def tiny(native: Native, report: Report, _minilm: Path) -> None:
    """Every fixture model and option, on batches that no fixture holds."""
    report.section("tiny random models: largest difference / bound")
    generator = torch.Generator().manual_seed(7)
    lines = []
    for case in fixture_cases():
        reference = Reference(MODELS / case.model)
        make_batch = partial(random_batch, reference.double.bert.config, generator)
        lines.append((case.name, compare_case(native, case, MODELS, reference, make_batch, generator)))
        report.add(case.name, lines[-1][1])
    report.table(lines)


def make_minilm_models(minilm: Path, target: Path, variants=VARIANTS) -> None:
    """The encoder with a fresh head of each variant, and without BERT's dropout."""
    encoder = load_file(minilm / "model.safetensors")
    encoder.pop("embeddings.position_ids", None)
    for variant in variants:
        save_minilm(minilm, encoder, variant, target / variant)
        while nearest_tie(target / variant, encode(minilm, SENTENCES)) < MARGIN:
            save_minilm(minilm, encoder, variant, target / variant)
        for name in ("vocab.txt", "tokenizer.json"):
            shutil.copy(minilm / name, target / variant)


def nearest_tie(directory: Path, batch: dict) -> float:
    model = load_directory(directory)[0].double()
    for model.head.padding in PADDINGS:
        with torch.no_grad():
            model(**batch)
    return model.margin


def save_minilm(minilm: Path, encoder: dict, variant: str, directory: Path, filters: int = 100) -> None:
    """All but the tokenizer's vocabulary."""
    config = BertConfig.from_pretrained(
        minilm, num_labels=3, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    config.vocab_size = len(encoder["embeddings.word_embeddings.weight"])
    model = BertCnn(config, HeadConfig(variant, (3,) if variant == "fine-tune" else (3, 4, 5), filters))
    model.bert.load_state_dict(encoder, strict=True)
    save_directory(model, directory, ["a", "b", "c"], "single_label_classification")
    shutil.copy(minilm / "tokenizer_config.json", directory)


def make_short_minilm(minilm: Path, directory: Path, variant: str, texts: list[str], filters: int) -> None:
    """As `make_minilm_models`, with the embeddings of those words only that the texts have. The others are half of the
    model's weights, and training does nothing with them but let them decay."""
    vocabulary = (minilm / "vocab.txt").read_text().splitlines()
    special = [i for i, word in enumerate(vocabulary) if word in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")]
    kept = sorted({*special, *encode(minilm, texts)["input_ids"].flatten().tolist()})
    encoder = load_file(minilm / "model.safetensors")
    encoder.pop("embeddings.position_ids", None)
    encoder["embeddings.word_embeddings.weight"] = encoder["embeddings.word_embeddings.weight"][kept]
    save_minilm(minilm, encoder, variant, directory, filters)
    (directory / "vocab.txt").write_text("\n".join(vocabulary[i] for i in kept) + "\n")


def minilm(native: Native, report: Report, minilm_directory: Path) -> None:
    report.section("the MiniLM encoder with fresh heads, real sentences: largest difference / bound")
    models = native.scratch / "minilm"
    make_minilm_models(minilm_directory, models)
    batch = encode(minilm_directory, SENTENCES)
    generator = torch.Generator().manual_seed(11)
    references = {variant: Reference(models / variant) for variant in VARIANTS}
    lines = []
    for case in report.some(all_cases(lambda variant: variant)):
        case.steps = MINILM_STEPS
        # BERT's usual rates: larger ones would make these runs chaotic, and rounding would decide them.
        case.training |= {"learning_rate": 5e-5, "head_learning_rate": 1e-3}
        lines.append((case.name, compare_case(native, case, models, references[case.model], lambda: batch, generator)))
        report.add(f"MiniLM {case.name}", lines[-1][1])
    report.table(lines)
    shutil.rmtree(models)
