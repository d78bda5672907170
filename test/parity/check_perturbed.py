"""The comparison is worth something only if it fails when the model is changed: one weight, the form of
GELU, the layer norms' epsilon; and when a training run goes wrong after its first step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import bounds
import check_training
import planted
from bert_cnn import load_directory
from cases import Case, make_case, ragged_batch, random_labels, reference
from check_values import MODELS, make_minilm_models
from native import Native
from report import Report
from texts import SENTENCES, encode

CASE = make_case("changed", "", "single_label_classification", "ignore", "none")


def changed_config(source: Path, target: Path, **fields) -> Path:
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | fields))
    return target


def changed_weight(source: Path, target: Path, name: str, index: int, by: float) -> Path:
    shutil.copytree(source, target)
    weights = load_file(source / "model.safetensors")
    weights[name].view(-1)[index] += by
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    return target


class Perturbed:
    """One model, its batch and what PyTorch says of the unchanged model."""

    def __init__(self, native: Native, report: Report, source: Path, batch: dict, labels, steps: int):
        self.native, self.report, self.source = native, report, source
        self.batch, self.labels = batch, labels
        self.case = Case(CASE.name, source.name, dict(CASE.options), steps=steps)
        self.single, self.double = reference(self.case, source.parent, batch, labels)
        self.unnoticed: list[str] = []
        rows = self.rows(source)
        report.check(f"{source.name}: unchanged, the comparison holds", all(r.passed for r in rows))

    def rows(self, directory: Path) -> list[bounds.Row]:
        got = self.native.run(directory, self.case, self.batch, self.labels)
        return bounds.compare(got, self.single, self.double, self.case.steps)

    def failures(self, change, *arguments, **fields) -> list[str]:
        """What fails once `change` was applied to a copy of the model's directory."""
        directory = self.native.scratch / "changed" / self.source.name
        rows = self.rows(change(self.source, directory, *arguments, **fields))
        shutil.rmtree(directory)
        return sorted({r.what for r in rows if not r.passed})

    def must_fail(self, what: str, change, *arguments, **fields) -> None:
        failed = self.failures(change, *arguments, **fields)
        detail = f"seen in: {', '.join(failed)}" if failed else "NOT SEEN"
        self.report.check(f"{self.source.name}: {what} is noticed", bool(failed), detail)

    def settings(self) -> None:
        self.must_fail("GELU's tanh form", changed_config, hidden_act="gelu_new")
        for epsilon in (1e-6, 1e-5):
            self.must_fail(f"a layer norm epsilon of {epsilon}", changed_config, layer_norm_eps=epsilon)

    def weights(self, names: list[str], by: float = 1e-3) -> None:
        """Changes one element of each tensor, the one that the loss answers to most."""
        unnoticed = []
        for name in names:
            index = int(self.double[f"grad.{name}"].abs().argmax())
            if not self.failures(changed_weight, name, index, by):
                unnoticed.append(name)
        self.report.check(
            f"{self.source.name}: one of {len(names)} weight tensors changed by {by} in one element"
            " is noticed, each tensor in turn",
            not unnoticed,
            ", ".join(unnoticed),
        )


# A run's case of check_training, options that make what is wrong visible, and the mistake.
MISTAKES = {
    "AdamW's bias correction": ("adamw", {}, planted.FirstBiasCorrection),
    "the momentum's sign": ("sgd, momentum", {}, planted.NegativeMomentum),
    "a schedule one step ahead": ("linear", {}, planted.ScheduleAhead),
    "decay of a bias": ("adamw, other betas", {"weight_decay": 2.0}, planted.DecayedBias),
    "clipping tensor by tensor": ("sgd", {"max_grad_norm": 0.05}, planted.ClippedByTensor),
    "gradients left from the step before": ("adamw", {}, planted.GradientsLeft),
    "a gradient that is 1 % too large": ("no clipping", {}, planted.WrongGradient),
}


# What the first step alone would have compared.
FIRST_STEP = ("loss / float32", "loss / float64", "gradients / float32", "gradients / float64", "first gradients")


def failures(case: Case, got: dict, expected: tuple[dict, dict]) -> list[str]:
    return sorted({row.what for row in check_training.rows_of(case, got, expected) if not row.passed})


def notice_mistakes(report: Report, title: str, run: check_training.Run, mistakes: list) -> None:
    """Each mistake, planted in PyTorch's twin, must make comparisons fail that hold without it, and none of those that
    the first step has."""
    for what, (name, options, mistake) in mistakes:
        case = check_training.make_case(name, run.model, recorded=run.recorded)
        case.training |= options
        labels, expected = run.prepare(case)
        got = run.native.run(run.models / run.model, case, run.batch, labels)
        sound = failures(case, got, expected)
        failed = failures(case, got, run.reference(case, run.batch, labels, mistake))
        seen = bool(failed) and not sound and not set(failed) & set(FIRST_STEP)
        detail = f"seen in: {', '.join(failed)}" if failed else "NOT SEEN"
        if sound:
            detail = f"fails without it, too: {', '.join(sound)}"
        report.check(f"{title}: {what} is noticed, after the first step", seen, detail)


def tiny(native: Native, report: Report) -> None:
    source = MODELS / "tiny-frozen"
    config = load_directory(source)[0].bert.config
    generator = torch.Generator().manual_seed(3)
    batch = ragged_batch([1, 4, 9, 7, 12, 6], config.vocab_size, 2, 0, generator)
    labels = random_labels(CASE.options["problem_type"], 6, config.num_labels, generator)
    perturbed = Perturbed(native, report, source, batch, labels, steps=1)
    perturbed.settings()
    # A key projection's bias shifts all scores of a query alike: softmax does not see it.
    names = [n.removeprefix("grad.") for n in perturbed.double if n.startswith("grad.")]
    perturbed.weights([n for n in names if not n.endswith(bounds.WEIGHTS_EXEMPT)])


def minilm(native: Native, report: Report, directory: Path) -> None:
    models = native.scratch / "minilm"
    make_minilm_models(directory, models, ["frozen"])
    batch = encode(directory, SENTENCES)
    labels = torch.arange(len(SENTENCES)) % 3
    perturbed = Perturbed(native, report, models / "frozen", batch, labels, steps=1)
    perturbed.settings()
    layer = "bert.encoder.layer.2."
    perturbed.weights([f"{layer}output.LayerNorm.bias", f"{layer}attention.output.dense.weight", "fc.weight"])
    shutil.rmtree(models)


def changed_models(native: Native, report: Report, encoder: Path) -> None:
    report.section("the comparison fails when the native model is changed")
    tiny(native, report)
    minilm(native, report, encoder)


def tiny_mistakes(native: Native, report: Report, _encoder: Path) -> None:
    report.section("the comparison fails when PyTorch's twin trains a tiny model otherwise")
    run = check_training.TinyRun(native, "tiny-max-over-time")
    notice_mistakes(report, "tiny", run, list(MISTAKES.items()))


def minilm_mistakes(native: Native, report: Report, encoder: Path) -> None:
    report.section("the comparison fails when PyTorch's twin trains the MiniLM encoder otherwise")
    with check_training.MiniLmRun(native, encoder) as run:
        notice_mistakes(report, "MiniLM", run, report.some(list(MISTAKES.items())))
