"""Training with parts of the model frozen, and with `setFreeze` between the steps, beside PyTorch's `requires_grad_`
with the frozen lower part of the encoder in evaluation mode."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

import bounds
from bert_cnn import is_frozen
from cases import Case, make_case
from check_training import MULTI, REGRESSION, SINGLE, STEPS, MiniLmRun, Run, TinyRun
from native import Native
from report import Report

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
# Of the MiniLM encoder, which has 6 layers.
MINILM_FORMS = {
    "encoder": "encoder",
    "embeddings": "embeddings",
    "4 layers": 4,
    "none": "none",
    "biases": ["*.bias"],
    "a layer in the middle": ["bert.encoder.layer.3.*"],
    "part of the lowest layer": ["bert.embeddings.*", "bert.encoder.layer.0.attention.*"],
}
MINILM_SCHEDULES = {
    "gradually": {5: 4, 10: 2, 15: "none"},
    "less, the head goes on": {10: "encoder"},
}


def make_cases(model: str) -> list[Case]:
    kind = REGRESSION
    cases = []
    for padding in ("ignore", "include"):
        for name, freeze in FORMS.items():
            cases.append(make_case(f"{name}, {padding}", model, kind, padding, freeze))
    for name, freezes in SCHEDULES.items():
        start = "none" if name.startswith("less") else "encoder"
        case = make_case(name, model, kind, "ignore", start)
        case.freezes = freezes
        cases.append(case)
    return cases


def make_minilm_cases(model: str) -> list[Case]:
    cases = []
    for number, (name, freeze) in enumerate(MINILM_FORMS.items()):
        kind, padding = (REGRESSION, MULTI)[number % 2], ("include", "ignore")[number % 2]
        cases.append(make_case(name, model, kind, padding, freeze))
    for name, freezes in MINILM_SCHEDULES.items():
        cases.append(make_case(name, model, SINGLE, "ignore", "none" if name.startswith("less") else "encoder"))
        cases[-1].freezes = freezes
    return cases


def never_trained(case: Case, name: str) -> bool:
    return all(is_frozen(freeze, name) for freeze in (case.options["freeze"], *case.freezes.values()))


def unchanged(case: Case, models: Path, got: dict) -> bounds.Row:
    """How many of the weights that are frozen all along are not, bit for bit, what they were."""
    before = load_file(models / case.model / "model.safetensors")
    frozen = [name for name in before if never_trained(case, name)]
    changed = [name for name in frozen if not torch.equal(got[f"final.{name}"], before[name])]
    return bounds.Row("frozen weights", len(changed), 0.5, " ".join(changed[:3]))


def compare(run: Run, case: Case) -> list[bounds.Row]:
    labels, (single, double) = run.prepare(case)
    got = run.take(case, labels)
    rows = bounds.compare(got, single, double, case.steps) + bounds.recorded(got, single, double, case.recorded)
    return rows + [bounds.worst_weights("weights after", got, double), unchanged(case, run.models, got)]


def compare_all(run: Run, report: Report, cases: list[Case], title: str) -> None:
    lines = []
    for case in cases:
        case.steps, case.recorded = STEPS, run.recorded
        lines.append((case.name, compare(run, case)))
        report.add(f"{title} {case.name}", lines[-1][1])
    report.table(lines)


def tiny(native: Native, report: Report, _encoder: Path) -> None:
    report.section(f"freezing, {STEPS} steps: largest difference / bound")
    run = TinyRun(native, "tiny-max-over-time")
    compare_all(run, report, make_cases(run.model), "freezing")


def minilm(native: Native, report: Report, encoder: Path) -> None:
    report.section(f"freezing, the MiniLM encoder, {STEPS} steps: largest difference / bound")
    with MiniLmRun(native, encoder) as run:
        compare_all(run, report, report.some(make_minilm_cases(run.model)), "MiniLM freezing")
