"""Training with parts of the model frozen, and with `setFreeze` between the steps, beside PyTorch's `requires_grad_`
with the frozen lower part of the encoder in evaluation mode."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

import bounds
from bert_cnn import is_frozen, load_directory
from cases import Case, make_case, ragged_batch, random_labels, reference
from check_values import MODELS
from native import Native
from report import Report

STEPS = 20
LENGTHS = [1, 2, 7, 5, 12, 9, 8, 6]
FORMS = {
    "encoder": "encoder",
    "embeddings": "embeddings",
    "no layers": 0,
    "one layer": 1,
    "all layers": 3,
    "none": "none",
    "biases": ["*.bias"],
    "a layer in the middle": ["bert.encoder.layer.1.*"],
    "layers above a gap": ["bert.embeddings.*", "bert.encoder.layer.1.*"],
    "part of the lowest layer": ["bert.embeddings.*", "bert.encoder.layer.0.attention.*"],
    "queries and the head": ["*.query.*", "convs.*"],
}
SCHEDULES = {
    "gradually": {5: 2, 10: 1, 15: "none"},
    "everything at once": {10: "none"},
    "less, the head goes on": {10: "encoder"},
    "another part": {7: ["bert.encoder.layer.1.*"], 14: "embeddings"},
}


def make_cases() -> list[Case]:
    kind = "regression"
    cases = []
    for padding in ("ignore", "include"):
        for name, freeze in FORMS.items():
            cases.append(make_case(f"{name}, {padding}", "tiny-max-over-time", kind, padding, freeze))
    for name, freezes in SCHEDULES.items():
        start = "none" if name.startswith("less") else "encoder"
        case = make_case(name, "tiny-max-over-time", kind, "ignore", start)
        case.freezes = freezes
        cases.append(case)
    for case in cases:
        case.steps = STEPS
    return cases


def never_trained(case: Case, name: str) -> bool:
    return all(is_frozen(freeze, name) for freeze in (case.options["freeze"], *case.freezes.values()))


def unchanged(case: Case, got: dict) -> bounds.Row:
    """How many of the weights that are frozen all along are not, bit for bit, what they were."""
    before = load_file(MODELS / case.model / "model.safetensors")
    frozen = [name for name in before if never_trained(case, name)]
    changed = [name for name in frozen if not torch.equal(got[f"final.{name}"], before[name])]
    return bounds.Row("frozen weights", len(changed), 0.5, " ".join(changed[:3]))


def compare(native: Native, case: Case, batch: dict, labels) -> list[bounds.Row]:
    single, double = reference(case, MODELS, batch, labels)
    got = native.run(MODELS / case.model, case, batch, labels)
    rows = bounds.compare(got, single, double, case.steps)
    return rows + [bounds.worst_weights("weights after", got, double), unchanged(case, got)]


def check(native: Native, report: Report, _minilm: Path) -> None:
    report.section(f"freezing, {STEPS} steps: largest difference / bound")
    torch.set_num_threads(1)  # more would wait for each other
    generator = torch.Generator().manual_seed(13)
    lines = []
    for case in make_cases():
        model, problem_type = load_directory(MODELS / case.model, **case.options)
        config = model.bert.config
        batch = ragged_batch(LENGTHS, config.vocab_size, config.type_vocab_size, 0, generator)
        labels = random_labels(problem_type, len(LENGTHS), config.num_labels, generator)
        lines.append((case.name, compare(native, case, batch, labels)))
        report.add(case.name, lines[-1][1])
    report.table(lines)
