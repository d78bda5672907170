"""A run that `saveTrainingState` wrote goes on in PyTorch, by examples/training_state.py: one step there equals one
step here."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

import bounds
from bert_cnn import load_directory
from cases import TRAINING, Case, shares
from check_training import camel, draw, options_of_api
from check_values import MODELS
from native import Native
from report import Report
from training import Training

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples"))
from training_state import TrainingState  # noqa: E402

SINGLE = "single_label_classification"
SGD = {"optimizer": "sgd", "learning_rate": 0.02, "head_learning_rate": 0.05, "momentum": 0.9}
# Options, what is frozen, and the batches after which the state is saved.
RUNS = {
    "adamw": ({}, "none", 3),
    "adamw, layer decay, frozen layers": ({"layer_decay": 0.5}, 1, 3),
    "adamw, patterns": ({}, ["bert.encoder.layer.1.*", "convs.0.*"], 2),
    "adamw, gradients accumulated": ({"gradient_accumulation_steps": 2}, "embeddings", 3),
    "sgd": (SGD, "none", 3),
    "adafactor": ({"optimizer": "adafactor", "learning_rate": 0.01, "head_learning_rate": 0.02}, "none", 3),
}


def go_on_here(native: Native, case: Case, parts, saved: int, state: Path) -> dict[str, torch.Tensor]:
    """The weights after one batch more than the state has."""
    file = native.scratch / "trained.safetensors"
    native.api(
        "train",
        directory=str(MODELS / case.model),
        options={camel(k): v for k, v in case.options.items()} | {"device": "cpu", "threads": 1},
        training=options_of_api(case.training),
        shares=[{camel(k): v.tolist() for k, v in b.items()} | {"labels": y.tolist()} for b, y in parts],
        steps=saved + 1,
        file=str(file),
        state={"after": saved, "file": str(state)},
    )
    return load_file(file)


def go_on_there(case: Case, parts, saved: int, state: TrainingState, with_memory: bool) -> dict:
    model, problem_type = load_directory(MODELS / case.model, **case.options)
    model.load_state_dict(state.weights)
    run = Training(model.train(), problem_type, case.training)
    if with_memory:
        run.optimizer.load_state_dict(state.optimizer_state_dict(run.optimizer, model))
    state.set_gradients(model)
    run.batches = state.batches
    run.step(*parts[saved % len(parts)])
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def check(native: Native, report: Report, _minilm: Path) -> None:
    report.section("a training state of ours goes on in PyTorch")
    generator = torch.Generator().manual_seed(23)
    for name, (training, freeze, saved) in RUNS.items():
        options = {"problem_type": SINGLE, "padding": "ignore", "freeze": freeze, "dropout": 0.0}
        case = Case(name, "tiny-max-over-time", options, TRAINING | training)
        batch, labels = draw(case, generator)
        parts = shares(batch, labels, 2)
        file = native.scratch / "run.safetensors"
        here = go_on_here(native, case, parts, saved, file)
        state = TrainingState(str(file))
        got = {f"final.{k}": v for k, v in go_on_there(case, parts, saved, state, True).items()}
        expected = {f"final.{k}": v for k, v in here.items()}
        row = bounds.worst_weights("weights after one more step", got, expected)
        report.add(name, [row])
        moved = max((here[k] - v).abs().max().item() for k, v in state.weights.items())
        report.check(name, row.passed and moved > 0 and state.freeze == freeze, f"{row.difference:.1e}")
        without = {f"final.{k}": v for k, v in go_on_there(case, parts, saved, state, False).items()}
        noticed = largest_difference(without, expected) > 10 * largest_difference(got, expected)
        report.check(f"{name}: without the optimizer's state it would differ", noticed)


def largest_difference(got: dict, expected: dict) -> float:
    exempt = lambda name: name.endswith(bounds.WEIGHTS_EXEMPT)  # noqa: E731
    return max((got[k] - v).abs().max().item() for k, v in expected.items() if not exempt(k))
