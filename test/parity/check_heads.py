"""Heads that depart from the prototype's: every option beside its PyTorch twin."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from bert_cnn import BertCnn, HeadConfig, save_directory
from cases import Case, Reference, make_case
from check_values import compare_case, random_batch
from make_fixtures import TINY_BERT, bert_config, randomize
from native import Native
from report import Report

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
# By what differs from the prototype: every option by itself, and some together.
HEADS = {
    "gelu": dict(activation="gelu"),
    "tanh": dict(activation="tanh"),
    "glu": dict(activation="glu"),
    "mean": dict(pooling="mean"),
    "max-mean": dict(pooling="max-mean"),
    "3-max": dict(pooling="k-max", pooling_size=3),
    "attention": dict(pooling="attention"),
    "layer norm": dict(layer_norm=True),
    "2 layers, mean": dict(hidden_layers=2),
    "2 layers, concat": dict(hidden_layers=2, layer_combination="concat"),
    "3 layers, mix": dict(hidden_layers=3, layer_combination="mix"),
    "glu, attention": dict(activation="glu", pooling="attention", layer_norm=True),
    "2-max, concat": dict(pooling="k-max", pooling_size=2, hidden_layers=3, layer_combination="concat"),
    "gelu, max-mean, mix": dict(
        activation="gelu", pooling="max-mean", layer_norm=True, hidden_layers=2, layer_combination="mix"
    ),
}
LAYERS = 3
FILTERS = 4
STEPS = 3


def head_of(variant: str, options: dict) -> HeadConfig:
    sizes = (3,) if variant == "fine-tune" else (1, 2, 5)
    return HeadConfig(variant, sizes, FILTERS, freeze="none", **options)


def write_model(directory: Path, variant: str, options: dict, generator: torch.Generator) -> None:
    config = bert_config(**(TINY_BERT | {"num_hidden_layers": LAYERS}), num_labels=3)
    model = BertCnn(config, head_of(variant, options))
    randomize(model, generator)
    save_directory(model, directory, ["a", "b", "c"], SINGLE)


def cases_of(name: str, number: int) -> list[Case]:
    """In both modes of padding, all of it trained and with the encoder frozen."""
    types = (SINGLE, MULTI, REGRESSION)
    modes = [("ignore", "none"), ("include", "none"), ("ignore", "encoder")]
    cases = [
        make_case(f"{name}, {padding}, {freeze} frozen", name, types[(number + i) % 3], padding, freeze)
        for i, (padding, freeze) in enumerate(modes)
    ]
    return [replace(case, steps=STEPS) for case in cases]


def check(native: Native, report: Report, _minilm: Path) -> None:
    report.section("other heads, a tiny model, 3 steps: largest difference / bound")
    models = native.scratch / "heads"
    generator = torch.Generator().manual_seed(23)
    lines = []
    for number, (name, options) in enumerate(HEADS.items()):
        variant = ("max-over-time", "fine-tune")[number % 2]
        write_model(models / name, variant, options, generator)
        reference = Reference(models / name)
        make_batch = partial(random_batch, reference.double.bert.config, generator)
        for case in cases_of(name, number):
            lines.append((case.name, compare_case(native, case, models, reference, make_batch, generator)))
            report.add(f"head {case.name}", lines[-1][1])
    report.table(lines)
