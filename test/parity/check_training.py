"""Optimizers, schedules, losses, layer decay and accumulation along twenty steps, beside torch.optim, transformers and
torch.nn."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

import bounds
from bert_cnn import load_directory
from cases import TRAINING, Case, Reference, ragged_batch, random_labels, reference, shares
from check_values import MODELS, make_minilm_models
from native import Native
from report import Report
from texts import SHORT_SENTENCES, encode

STEPS = 20
EVERY_STEP = list(range(1, STEPS + 1))
SOME_STEPS = [1, 10, 20]
SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
SGD = {"optimizer": "sgd", "learning_rate": 0.02, "head_learning_rate": 0.05}
LINEAR = {"schedule": "linear", "total_steps": 16, "warmup_steps": 4}
WEIGHTS = [0.5, 2.0, 1.25]

OPTIMIZERS = {
    "adamw": {},
    "adamw, other betas": {"beta1": 0.8, "beta2": 0.99, "epsilon": 1e-6, "weight_decay": 0.1},
    "sgd": SGD,
    "sgd, momentum": SGD | {"momentum": 0.9},
    "sgd, nesterov": SGD | {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "layer decay": {"layer_decay": 0.5},
    "no clipping": {"max_grad_norm": 0.0},
}
SCHEDULES = {
    "constant": {"schedule": "constant", "warmup_steps": 5},
    "linear": LINEAR,
    "cosine": {"schedule": "cosine", "total_steps": 17, "warmup_ratio": 0.15},
    "polynomial": {"schedule": "polynomial", "total_steps": 16, "warmup_steps": 3, "power": 2.0},
    "inverse_sqrt": {"schedule": "inverse_sqrt", "warmup_steps": 5},
    "inverse_sqrt, no warm-up": {"schedule": "inverse_sqrt"},
}
LOSSES = {
    "class weights": (SINGLE, {"class_weights": WEIGHTS}),
    "balanced": (SINGLE, {"class_counts": [70, 20, 10]}),
    "label smoothing": (SINGLE, {"label_smoothing": 0.1}),
    "weights, smoothing": (SINGLE, {"class_weights": WEIGHTS, "label_smoothing": 0.2}),
    "multi label": (MULTI, {}),
    "pos weight": (MULTI, {"pos_weight": WEIGHTS}),
    "regression": (REGRESSION, {}),
}
ACCUMULATION = {
    "2 batches a step": (SINGLE, {"gradient_accumulation_steps": 2}),
    "4 batches, weights": (SINGLE, {"gradient_accumulation_steps": 4, "class_weights": WEIGHTS}),
}
TOGETHER = {
    "adamw, all": (
        SINGLE,
        LINEAR
        | {"layer_decay": 0.8, "class_weights": WEIGHTS, "label_smoothing": 0.1}
        | {"gradient_accumulation_steps": 2, "total_steps": 8, "warmup_steps": 2},
    ),
    "sgd, all": (
        MULTI,
        SGD
        | {"momentum": 0.9, "nesterov": True, "schedule": "cosine", "total_steps": 10}
        | {"layer_decay": 0.8, "pos_weight": WEIGHTS, "gradient_accumulation_steps": 2},
    ),
}


# BERT's usual rates: larger ones would make MiniLM's runs chaotic, and rounding would decide them.
MINILM_RATES = {
    "adamw": {"learning_rate": 5e-5, "head_learning_rate": 1e-3},
    "sgd": {"learning_rate": 5e-3, "head_learning_rate": 5e-2},
}
# The comparison is worth something only if it fails where one option differs a little.
CHANGES = {
    "adamw, other betas": {"weight_decay": 0.08},
    "sgd, momentum": {"momentum": 0.89},
    "sgd, nesterov": {"nesterov": False},
    "layer decay": {"layer_decay": 0.51},
    "linear": {"warmup_steps": 5},
    "cosine": {"total_steps": 18},
    "polynomial": {"power": 1.9},
    "inverse_sqrt": {"warmup_steps": 4},
    "class weights": {"class_weights": [0.5, 2.0, 1.3]},
    "balanced": {"class_counts": [70, 20, 11]},
    "label smoothing": {"label_smoothing": 0.11},
    "pos weight": {"pos_weight": [0.5, 2.0, 1.3]},
    "no clipping": {"max_grad_norm": 1.0},
}
ALL = (
    {name: (SINGLE, options) for name, options in (OPTIMIZERS | SCHEDULES).items()}
    | LOSSES
    | ACCUMULATION
    | TOGETHER
)


def make_case(name: str, model: str, padding: str = "ignore", recorded=EVERY_STEP) -> Case:
    problem_type, training = ALL[name]
    options = {"problem_type": problem_type, "padding": padding, "freeze": "none", "dropout": 0.0}
    return Case(name, model, options, TRAINING | training, STEPS, recorded=recorded)


def draw(case: Case, generator: torch.Generator) -> tuple[dict, torch.Tensor]:
    model, problem_type = load_directory(MODELS / case.model, **case.options)
    config, lengths = model.bert.config, [9, 4, 12, 7, 3, 10, 6, 5]
    batch = ragged_batch(lengths, config.vocab_size, config.type_vocab_size, 0, generator)
    return batch, random_labels(problem_type, len(lengths), config.num_labels, generator)


def compare(native: Native, models: Path, case: Case, batch: dict, labels, expected) -> list[bounds.Row]:
    single, double = expected
    got = native.run(models / case.model, case, batch, labels)
    rows = bounds.compare(got, single, double, STEPS) + bounds.steps_taken(got, double)
    rows = [row for row in rows if not row.what.startswith("logits")]  # those have sections of their own
    rows += bounds.recorded(got, single, double, case.recorded)
    return rows + [bounds.worst_weights("weights after", got, double)]


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def options_of_api(training: dict) -> dict:
    """The options as JavaScript calls them; it refuses those that have no effect."""
    without = ("beta1", "beta2", "epsilon") if training.get("optimizer") == "sgd" else ()
    options = {camel(name): value for name, value in training.items() if name not in without}
    return options | ({"classWeights": "balanced"} if "classCounts" in options else {})


def compare_api(native: Native, case: Case, batch: dict, labels) -> list[bounds.Row]:
    """The same steps by the JavaScript API."""
    single, double = reference(case, MODELS, batch, labels)
    parts = shares(batch, labels, case.training.get("gradient_accumulation_steps", 1))
    file = native.scratch / "trained.safetensors"
    results = native.api(
        "train",
        directory=str(MODELS / case.model),
        options={camel(k): v for k, v in case.options.items()} | {"device": "cpu", "threads": 1},
        training=options_of_api(case.training),
        shares=[
            {camel(k): v.tolist() for k, v in part.items()} | {"labels": of_part.tolist()}
            for part, of_part in parts
        ],
        steps=case.steps,
        file=str(file),
    )
    column = lambda name: torch.tensor([result[name] for result in results])  # noqa: E731
    got = {"losses": column("loss"), "grad_norms": column("gradNorm"), "learning_rates": column("learningRates")}
    weights = {f"final.{name}": tensor for name, tensor in load_file(file).items()}
    return [
        bounds.losses(f"{case.steps} losses", got, double, single, double),
        *bounds.steps_taken(got, double),
        bounds.worst_weights("weights after", weights, double),
    ]


def api(native: Native, report: Report) -> None:
    report.section("training, by the JavaScript API: largest difference / bound")
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(19)
    lines = []
    for case in (make_case(name, "tiny-fine-tune") for name in (*TOGETHER, "balanced")):
        batch, labels = draw(case, generator)
        lines.append((case.name, compare_api(native, case, batch, labels)))
        report.add(f"API training {case.name}", lines[-1][1])
    report.table(lines)


def tiny(native: Native, report: Report) -> None:
    report.section("training, a tiny model: largest difference / bound")
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(13)
    lines, unnoticed = [], []
    for case in (make_case(name, "tiny-max-over-time") for name in ALL):
        batch, labels = draw(case, generator)
        expected = reference(case, MODELS, batch, labels)
        lines.append((case.name, compare(native, MODELS, case, batch, labels, expected)))
        report.add(f"training {case.name}", lines[-1][1])
        if case.name in CHANGES:
            changed = replace(case, training=case.training | CHANGES[case.name])
            if all(row.passed for row in compare(native, MODELS, changed, batch, labels, expected)):
                unnoticed.append(case.name)
    report.table(lines)
    report.check("an option that is a little off is noticed", not unnoticed, ", ".join(unnoticed))


def minilm(native: Native, report: Report, encoder: Path) -> None:
    report.section("training, the MiniLM encoder: largest difference / bound")
    torch.set_num_threads(os.cpu_count() or 1)
    models = native.scratch / "minilm-training"
    make_minilm_models(encoder, models, ["max-over-time"])
    reference = Reference(models / "max-over-time")
    batch = encode(encoder, SHORT_SENTENCES)
    generator = torch.Generator().manual_seed(17)
    lines = []
    for case in (make_case(name, "max-over-time", "include", SOME_STEPS) for name in ALL):
        case.training |= MINILM_RATES[case.training.get("optimizer", "adamw")]
        labels = random_labels(case.options["problem_type"], len(SHORT_SENTENCES), 3, generator)
        expected = reference(case, batch, labels)
        lines.append((case.name, compare(native, models, case, batch, labels, expected)))
        report.add(f"MiniLM training {case.name}", lines[-1][1])
    report.table(lines)
    shutil.rmtree(models)


def check(native: Native, report: Report, encoder: Path) -> None:
    tiny(native, report)
    api(native, report)
    minilm(native, report, encoder)
