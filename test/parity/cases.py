"""The cases that are compared, and what PyTorch says of each."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path

import torch

from bert_cnn import (
    PADDINGS,
    PROBLEM_TYPES,
    VARIANTS,
    BertCnn,
    Freeze,
    load_directory,
    trained_parameters,
)
from training import Training, make_loss

STEPS = 10
# Larger than the defaults, so that ten steps move the losses visibly.
TRAINING = {
    "learning_rate": 5e-4,
    "head_learning_rate": 2e-3,
    "weight_decay": 0.01,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
    "max_grad_norm": 1.0,
}


# Where a maximum over time nearly has a rival, or is nearly zero, rounding decides whose the gradient is, and what the
# weights become after that. A run that comes so near in float64 is not compared: others are drawn. Differences grow
# along the steps.
MARGIN = 1e-5
LONG_MARGIN = 1e-4  # of many steps
DRAWS = 50


@dataclass
class Case:
    """One model directory with the options it is loaded with. The dropout of BERT is off in the
    directory's config.json, that of the head by the options."""

    name: str
    model: str
    options: dict
    training: dict = field(default_factory=lambda: dict(TRAINING))
    steps: int = STEPS
    # What is frozen from a step on, by the number of steps taken before it.
    freezes: dict[int, Freeze] = field(default_factory=dict)
    # Steps, from 1, whose gradients (before clipping, with what is accumulated) and weights after it are compared.
    recorded: list[int] = field(default_factory=list)

    def manifest(self) -> dict:
        manifest = {
            "name": self.name,
            "model": self.model,
            "options": self.options,
            "training": self.training,
            "steps": self.steps,
        }
        if self.freezes:
            manifest["freezes"] = {str(step): freeze for step, freeze in self.freezes.items()}
        if self.recorded:
            manifest["recorded"] = self.recorded
        return manifest


def make_case(name: str, model: str, problem_type: str, padding: str, freeze: str) -> Case:
    options = {"problem_type": problem_type, "padding": padding, "freeze": freeze, "dropout": 0.0}
    return Case(name, model, options)


def all_cases(model_of_variant) -> list[Case]:
    """3 variants x 3 problem types x 2 padding modes."""
    short = {
        "single_label_classification": "single-label",
        "multi_label_classification": "multi-label",
        "regression": "regression",
    }
    return [
        make_case(
            f"{variant}-{short[problem_type]}-{padding}",
            model_of_variant(variant),
            problem_type,
            padding,
            "encoder" if variant == "frozen" else "none",
        )
        for variant in VARIANTS
        for problem_type in PROBLEM_TYPES
        for padding in PADDINGS
    ]


def ragged_batch(
    lengths: list[int], vocab_size: int, type_vocab_size: int, pad: int, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """Rows of the given lengths, padded on the right; then the last row is shifted to the right end
    and the one before it gets a hole, since masks may have any form."""
    rows, length = len(lengths), max(lengths)
    ids = torch.full((rows, length), pad)
    mask = torch.zeros(rows, length, dtype=torch.int64)
    types = torch.zeros(rows, length, dtype=torch.int64)
    for row, count in enumerate(lengths):
        ids[row, :count] = torch.randint(5, vocab_size, (count,), generator=generator)
        mask[row, :count] = 1
        if type_vocab_size > 1:
            types[row, count // 2 : count] = 1
    ids[-1], mask[-1], types[-1] = (t[-1].roll(length - lengths[-1]) for t in (ids, mask, types))
    if lengths[-2] > 3:
        mask[-2, 2] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def random_labels(problem_type: str, rows: int, labels: int, generator) -> torch.Tensor:
    if problem_type == "single_label_classification":
        return torch.randint(0, labels, (rows,), generator=generator)
    shape = (rows,) if problem_type == "regression" and labels == 1 else (rows, labels)
    if problem_type == "multi_label_classification":
        return torch.randint(0, 2, shape, generator=generator).float()
    return torch.randn(shape, generator=generator)


def shares(batch: dict, labels: torch.Tensor, count: int) -> list[tuple[dict, torch.Tensor]]:
    """The batch cut into `count` parts of as many rows: what is accumulated must differ to tell anything."""
    rows = len(labels) // count
    cut = lambda tensor, i: tensor[i * rows : (i + 1) * rows]  # noqa: E731
    return [({k: cut(v, i) for k, v in batch.items()}, cut(labels, i)) for i in range(count)]


def make_training(model: BertCnn, problem_type: str, case: Case, training_class=Training) -> Training:
    if not case.freezes:
        return training_class(model, problem_type, case.training)
    # What is frozen now and trained later is the optimizer's, too; it leaves alone what has no gradient.
    model.set_freeze("none")
    run = training_class(model, problem_type, case.training)
    model.set_freeze(case.options["freeze"])
    return run


def take_steps(run: Training, batch: dict, labels: torch.Tensor, case: Case) -> dict:
    """The losses, gradient norms and learning rates of the steps, the gradients and weights of those recorded, and the
    weights that all lead to. With accumulation each step takes one share of the batch, in turn."""
    result: dict[str, torch.Tensor] = {}
    model = run.model
    parts = shares(batch, labels, case.training.get("gradient_accumulation_steps", 1))
    history = []
    for step in range(1, case.steps + 1):
        if step - 1 in case.freezes:
            model.set_freeze(case.freezes[step - 1])
        history.append(run.backward(*parts[(step - 1) % len(parts)]))
        parameters = trained_parameters(model) if step in case.recorded else {}
        result |= {f"step_{step}.grad.{k}": p.grad.clone() for k, p in parameters.items()}
        run.update()
        result |= {f"step_{step}.weight.{k}": p.detach().clone() for k, p in parameters.items()}
    for name, values in zip(("losses", "grad_norms", "learning_rates"), zip(*history)):
        result[name] = torch.tensor(values, dtype=next(model.parameters()).dtype)
    for name, parameter in trained_parameters(model).items():
        result[f"final.{name}"] = parameter.detach().clone()
    return result


def evaluate(model: BertCnn, batch, labels, problem_type: str, case: Case, training_class=Training) -> dict:
    """Logits, loss, every gradient, then what `take_steps` has, and the least `margin` on the way. `model` is left as
    it was."""
    model = copy.deepcopy(model).train()
    result: dict[str, torch.Tensor] = {}
    logits = model(**batch)
    loss = make_loss(problem_type, case.training, logits.dtype)(logits, labels)
    loss.backward()
    result["logits"], result["loss"] = logits.detach(), loss.detach().reshape(1)
    for name, parameter in trained_parameters(model).items():
        result[f"grad.{name}"] = parameter.grad.clone()
        parameter.grad = None
    result |= take_steps(make_training(model, problem_type, case, training_class), batch, labels, case)
    return result | {"margin": torch.tensor(model.margin)}


class Reference:
    """What PyTorch computes of a directory's model, in float32, and in float64 from the same weights. Loaded once, for
    any number of cases."""

    def __init__(self, directory: Path):
        self.single, _ = load_directory(directory)
        self.double = copy.deepcopy(self.single).double()

    def in_single(self, case: Case, batch, labels, training_class=Training) -> dict:
        return self._evaluate(self.single, case, batch, labels, training_class)

    def in_double(self, case: Case, batch, labels, training_class=Training) -> dict:
        return self._evaluate(self.double, case, batch, labels, training_class)

    def __call__(self, case: Case, batch, labels, training_class=Training) -> tuple[dict, dict]:
        arguments = (case, batch, labels, training_class)
        return self.in_single(*arguments), self.in_double(*arguments)

    def draw(
        self, case: Case, make_batch, generator: torch.Generator, margin: float = MARGIN
    ) -> tuple[dict, torch.Tensor, tuple[dict, dict]]:
        """A batch and labels with which rounding does not decide the case's run, and what it is in float32 and
        float64."""
        for _ in range(DRAWS):
            batch = make_batch()
            rows, labels = len(batch["input_ids"]), self.double.bert.config.num_labels
            targets = random_labels(case.options["problem_type"], rows, labels, generator)
            double = self.in_double(case, batch, targets)
            if double["margin"] >= margin:
                return batch, targets, (self.in_single(case, batch, targets), double)
        raise RuntimeError(f"{case.name}: of {DRAWS} runs each came nearer than {margin} to a tie")

    @staticmethod
    def _evaluate(model: BertCnn, case: Case, batch, labels, training_class) -> dict:
        model.with_options(case.options)
        return evaluate(model, batch, labels, case.options["problem_type"], case, training_class)


def reference(case: Case, models: Path, batch, labels) -> tuple[dict, dict]:
    """As a Reference that is wanted once."""
    return Reference(models / case.model)(case, batch, labels)
