"""Heads that depart from the prototype's: every option beside its PyTorch twin."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional as F

import bounds
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


class GatesInFront(BertCnn):
    def activate(self, values):
        gates, linear = values.chunk(2, dim=1)
        return linear * gates.sigmoid()


class LargestByValue(BertCnn):
    def largest_in_order(self, values):
        largest = values.topk(min(self.head.pooling_size, values.shape[2]), dim=2).values
        return F.pad(largest, (0, self.head.pooling_size - largest.shape[2])).flatten(1)


class MeansInFront(BertCnn):
    def pool_over_time(self, values, number):
        largest, means = super().pool_over_time(values, number).chunk(2, dim=1)
        return torch.cat([means, largest], dim=1)


class PoolsReversed(BertCnn):
    def attention(self, number):
        return self.pools[-1 - number]


class LayersReversed(BertCnn):
    def encode(self, **inputs):
        states = self.bert(**inputs, output_hidden_states=True).hidden_states[-self.head.hidden_layers :]
        return sum(weight * state for weight, state in zip(self.layer_mix.softmax(0), reversed(states)))


class OtherEpsilon(BertCnn):
    def forward(self, **inputs):
        norm = self.LayerNorm
        return self.fc(F.layer_norm(self.features(**inputs), norm.normalized_shape, norm.weight, norm.bias, 1e-3))


# A head, and a twin that is wrong in one thing.
MISTAKES = {
    "gates in front of what they gate": ("glu", dict(activation="glu"), GatesInFront),
    "the k largest by their size": ("3-max", dict(pooling="k-max"), LargestByValue),
    "means in front of maxima": ("max-mean", dict(pooling="max-mean"), MeansInFront),
    "another kernel's attention": ("attention", dict(pooling="attention"), PoolsReversed),
    "mixed layers in reverse": ("mix", dict(hidden_layers=3, layer_combination="mix"), LayersReversed),
    "another epsilon of the norm": ("norm", dict(layer_norm=True), OtherEpsilon),
}


def notice_mistakes(native: Native, report: Report, models: Path, generator: torch.Generator) -> None:
    for what, (name, options, mistaken) in MISTAKES.items():
        directory = models / f"mistaken {name}"
        write_model(directory, "max-over-time", options, generator)
        reference = Reference(directory)
        case = replace(make_case(what, directory.name, SINGLE, "ignore", "none"), steps=1)
        make_batch = partial(random_batch, reference.double.bert.config, generator)
        batch, labels, expected = reference.draw(case, make_batch, generator)
        got = native.run(directory, case, batch, labels)
        sound = all(row.passed for row in bounds.compare(got, *expected, case.steps))
        reference.single.__class__ = reference.double.__class__ = mistaken
        rows = bounds.compare(got, *reference(case, batch, labels), case.steps)
        report.check(f"heads: {what} is noticed", sound and not all(row.passed for row in rows))


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
    notice_mistakes(native, report, models, generator)
