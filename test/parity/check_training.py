"""Optimizers, schedules, losses, layer decay and accumulation along twenty steps, beside torch.optim, transformers and
torch.nn."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

import bounds
from bert_cnn import load_directory
from cases import LONG_MARGIN, TRAINING, Case, Reference, ragged_batch, random_labels, reference, shares
from check_values import MODELS, make_short_minilm
from native import Native
from report import Report
from texts import SHORT_SENTENCES, encode

STEPS = 20
EVERY_STEP = list(range(1, STEPS + 1))
SOME_STEPS = [1, 10, 20]
LENGTHS = [9, 1, 12, 7, 2, 10, 6, 5]  # some shorter than the kernels
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
    "adafactor": {"optimizer": "adafactor", "learning_rate": 0.01, "head_learning_rate": 0.02, "weight_decay": 0.1},
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
    "focal": (SINGLE, {"focal_gamma": 2.0}),
    "focal, weights": (SINGLE, {"focal_gamma": 0.5, "class_weights": WEIGHTS}),
    "multi label": (MULTI, {}),
    "focal, multi label": (MULTI, {"focal_gamma": 1.5, "pos_weight": WEIGHTS}),
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


# Pad positions of a trained encoder multiply rounding by 100 on the way back (bounds.ROUNDING): after some steps PyTorch
# no longer follows itself.
PADDED_STEPS = 5
PADDED_SHARE = 3  # every third case
MINILM_FILTERS = 4  # for each kernel size; see cases.MARGIN
# BERT's usual rates: larger ones would make MiniLM's runs chaotic, and rounding would decide them.
MINILM_RATES = {
    "adamw": {"learning_rate": 5e-5, "head_learning_rate": 2e-4},
    "sgd": {"learning_rate": 2e-3, "head_learning_rate": 2e-2},
    "adafactor": {"learning_rate": 1e-4, "head_learning_rate": 1e-3},
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
    "adafactor": {"weight_decay": 0.08},
    "focal": {"focal_gamma": 1.9},
    "focal, multi label": {"focal_gamma": 1.6},
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
    config = model.bert.config
    batch = ragged_batch(LENGTHS, config.vocab_size, config.type_vocab_size, 0, generator)
    return batch, random_labels(problem_type, len(LENGTHS), config.num_labels, generator)


def rows_of(case: Case, got: dict, expected: tuple[dict, dict]) -> list[bounds.Row]:
    single, double = expected
    rows = bounds.compare(got, single, double, case.steps)
    rows = [row for row in rows if not row.what.startswith("logits")]  # those have sections of their own
    if not case.freezes:  # else the groups change on the way
        rows += bounds.steps_taken(got, single, double)
    rows += bounds.recorded(got, single, double, case.recorded)
    return rows + [bounds.worst_weights("weights after", got, double)]


class Run:
    """A model and a batch to take steps on; PyTorch's twin is loaded once."""

    def __init__(self, native: Native, models: Path, model: str, recorded: list[int]):
        self.native, self.models, self.model, self.recorded = native, models, model, recorded
        self.reference = Reference(models / model)
        self.batch: dict[str, torch.Tensor] = {}
        self.generator = torch.Generator().manual_seed(17)

    def prepare(self, case: Case) -> tuple[torch.Tensor, tuple[dict, dict]]:
        """Labels with which rounding does not decide the case's run, and what PyTorch says of it, in float32 and
        float64. The case is given the rates that suit the model."""
        _, labels, expected = self.reference.draw(case, lambda: self.batch, self.generator, LONG_MARGIN)
        return labels, expected

    def take(self, case: Case, labels: torch.Tensor) -> dict:
        return self.native.run(self.models / self.model, case, self.batch, labels)

    def compare(self, case: Case, labels: torch.Tensor, expected: tuple[dict, dict]) -> list[bounds.Row]:
        return rows_of(case, self.take(case, labels), expected)


class TinyRun(Run):
    def __init__(self, native: Native, model: str):
        super().__init__(native, MODELS, model, EVERY_STEP)
        config = self.reference.single.bert.config
        self.batch = ragged_batch(LENGTHS, config.vocab_size, config.type_vocab_size, 0, self.generator)


class MiniLmRun(Run):
    """The MiniLM encoder with a head, and a few short texts."""

    def __init__(self, native: Native, encoder: Path):
        models, model = native.scratch / "minilm-training", "max-over-time"
        make_short_minilm(encoder, models / model, model, SHORT_SENTENCES, MINILM_FILTERS)
        super().__init__(native, models, model, SOME_STEPS)
        self.batch = encode(models / model, SHORT_SENTENCES)

    def __enter__(self) -> MiniLmRun:
        return self

    def __exit__(self, *_error) -> None:
        shutil.rmtree(self.models)

    def prepare(self, case: Case) -> tuple[torch.Tensor, tuple[dict, dict]]:
        case.training |= MINILM_RATES[case.training.get("optimizer", "adamw")]
        return super().prepare(case)


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def options_of_api(training: dict) -> dict:
    """The options as JavaScript calls them; it refuses those that have no effect."""
    without = ("beta1", "beta2", "epsilon") if training.get("optimizer") in ("sgd", "adafactor") else ()
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
        *bounds.steps_taken(got, single, double),
        bounds.worst_weights("weights after", weights, double),
    ]


def api(native: Native, report: Report, _encoder: Path) -> None:
    report.section("training, by the JavaScript API: largest difference / bound")
    generator = torch.Generator().manual_seed(19)
    lines = []
    for case in (make_case(name, "tiny-fine-tune") for name in (*TOGETHER, "balanced")):
        batch, labels = draw(case, generator)
        lines.append((case.name, compare_api(native, case, batch, labels)))
        report.add(f"API training {case.name}", lines[-1][1])
    report.table(lines)


def tiny(native: Native, report: Report, _encoder: Path) -> None:
    report.section("training, a tiny model: largest difference / bound")
    run = TinyRun(native, "tiny-max-over-time")
    lines, unnoticed = [], []
    for case in (make_case(name, run.model) for name in ALL):
        labels, expected = run.prepare(case)
        lines.append((case.name, run.compare(case, labels, expected)))
        report.add(f"training {case.name}", lines[-1][1])
        if case.name in CHANGES:
            changed = replace(case, training=case.training | CHANGES[case.name])
            if all(row.passed for row in run.compare(changed, labels, expected)):
                unnoticed.append(case.name)
    report.table(lines)
    report.check("an option that is a little off is noticed", not unnoticed, ", ".join(unnoticed))


def padded_case(name: str, model: str) -> Case:
    case = make_case(name, model, "include", [1, PADDED_STEPS])
    return replace(case, name=f"{name}, padded", steps=PADDED_STEPS)


def minilm(native: Native, report: Report, encoder: Path) -> None:
    report.section("training, the MiniLM encoder: largest difference / bound")
    lines = []
    with MiniLmRun(native, encoder) as run:
        cases = [make_case(name, run.model, recorded=run.recorded) for name in ALL]
        cases += [padded_case(name, run.model) for name in list(ALL)[::PADDED_SHARE]]
        for case in report.some(cases):
            lines.append((case.name, run.compare(case, *run.prepare(case))))
            report.add(f"MiniLM training {case.name}", lines[-1][1])
    report.table(lines)
