"""Texts that are too long for the encoder and are read in windows: logits, every gradient and some steps beside a twin
that encodes window by window and lets PyTorch differentiate all of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

import bounds
from bert_cnn import BertCnn
from cases import Case, Reference, make_case, ragged_batch
from check_heads import HEADS, write_model
from check_values import compare_case
from native import Native
from report import Report

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
# Head, window's tokens and overlap, problem type, what is frozen.
CASES = [
    ("plain", (12, 3), SINGLE, "none"),
    ("plain", (40, 0), MULTI, "none"),
    ("plain", (9, 6), REGRESSION, 1),
    ("plain", (30, 8), SINGLE, "encoder"),
    ("gelu", (12, 4), REGRESSION, "none"),
    ("glu, attention", (12, 3), MULTI, "none"),
    ("2-max, concat", (20, 5), SINGLE, "none"),
    ("gelu, max-mean, mix", (16, 4), SINGLE, "embeddings"),
]
STEPS = 3
# Some fit a window of each case, some are two, and one is more than passes the encoder at a time.
LENGTHS = [3, 11, 27, 41, 45, 60, 33, 1400]


def long_batch(config, generator: torch.Generator) -> dict:
    return ragged_batch(LENGTHS, config.vocab_size, config.type_vocab_size, 0, generator)


def cases() -> list[Case]:
    made = []
    for head, (length, overlap), problem_type, freeze in CASES:
        name = f"windows of {length}, {overlap} in common, {head}, {problem_type}, {freeze} frozen"
        case = make_case(name, head, problem_type, "ignore", freeze)
        made.append(replace(case, options=case.options | {"window": [length, overlap]}, steps=STEPS))
    return made


class LaterWindow(BertCnn):
    """Of two windows where a token has as much context takes the later one."""

    chooses_later = True


def notices_a_mistake(native: Native, report: Report, case: Case, models: Path, reference: Reference, batch) -> None:
    labels = torch.zeros(len(batch["input_ids"]), dtype=torch.int64)
    got = native.run(models / case.model, case, batch, labels)
    sound, mistaken = [], []
    for kind, rows in ((BertCnn, sound), (LaterWindow, mistaken)):
        reference.single.__class__ = reference.double.__class__ = kind
        rows += bounds.compare(got, *reference(case, batch, labels), case.steps)
    reference.single.__class__ = reference.double.__class__ = BertCnn
    seen = not all(row.passed for row in mistaken)
    report.check("windows: a token taken from the wrong one of two is noticed", all(r.passed for r in sound) and seen)


def check(native: Native, report: Report, _minilm: Path) -> None:
    report.section("long texts in windows, a tiny model, 3 steps: largest difference / bound")
    models = native.scratch / "windows"
    generator = torch.Generator().manual_seed(29)
    lines = []
    references: dict[str, Reference] = {}
    for case in cases():
        if case.model not in references:
            options = {} if case.model == "plain" else HEADS[case.model]
            write_model(models / case.model, "max-over-time", options, generator)
            references[case.model] = Reference(models / case.model)
        reference = references[case.model]
        make_batch = partial(long_batch, reference.double.bert.config, generator)
        lines.append((case.name, compare_case(native, case, models, reference, make_batch, generator)))
        report.add(case.name, lines[-1][1])
    report.table(lines)
    case = cases()[0]
    config = references[case.model].double.bert.config
    # A row with an odd number of tokens in common, so that there are ties.
    batch = ragged_batch([19, 5, 4], config.vocab_size, config.type_vocab_size, 0, generator)
    notices_a_mistake(native, report, replace(case, steps=1), models, references[case.model], batch)
