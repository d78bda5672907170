"""Training in bfloat16 beside PyTorch's autocast. Both round; how far autocast leaves PyTorch's float32 says how far
bfloat16 may leave it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

import bounds
from bounds import Row
from cases import Case, ragged_batch
from check_training import MiniLmRun, Run, TinyRun, make_case
from native import Native
from report import Report
from training import Training

CASES = ["adamw", "sgd, momentum", "linear", "pos weight", "regression", "2 batches a step"]
# Further on a maximum over time may pass to another window, sooner in one than in the other, and then they part.
STEPS = 5
# As cases.MARGIN, for what bfloat16 rounds away; at the first step.
MARGIN = 1e-2
LENGTHS = [9, 12, 7]  # few maxima, so that such batches are found
# Where autocast happens to agree with float32, rounding to 8 bits may still show.
LOSS_FLOOR = 2e-3
COSINE_FLOOR = 1e-3
NORM_FLOOR = 1e-2


class Autocast(Training):
    """Matrix products in bfloat16, weights and optimizer in float32."""

    def forward(self, batch: dict, labels: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self.model(**batch)
        return self.loss(logits.float(), labels)


def multiplies_bfloat16() -> bool:
    """Whether the processor does, by what the system tells of it."""
    return "avx512_bf16" in Path("/proc/cpuinfo").read_text().split()


class FarFromTies(TinyRun):
    """A batch whose maxima over time are the same ones in bfloat16."""

    def __init__(self, native: Native, model: str):
        super().__init__(native, model)
        config = self.reference.single.bert.config
        sizes = (config.vocab_size, config.type_vocab_size)
        make_batch = lambda: ragged_batch(LENGTHS, *sizes, 0, self.generator)  # noqa: E731
        first = replace(make_case("adamw", model, recorded=[]), steps=1)
        self.batch, _, _ = self.reference.draw(first, make_batch, self.generator, MARGIN)


def losses(got: dict, autocast: dict, single: dict) -> Row:
    """Each loss of the run, beside float32's."""
    drift = bounds.rounding("losses", autocast, single, times=2)
    return bounds.worst_element("losses", got["losses"], single["losses"], LOSS_FLOOR, LOSS_FLOOR, drift)


def cosine_and_ratio(gradient: torch.Tensor, expected: torch.Tensor) -> tuple[float, float]:
    """1 - the cosine of the angle between them, and |1 - the ratio of their norms|."""
    a, b = gradient.double().flatten(), expected.double().flatten()
    norms = a.norm() * b.norm()
    return (1 - a @ b / norms).item(), abs(1 - (a.norm() / b.norm()).item())


def gradients(got: dict, autocast: dict, single: dict) -> list[Row]:
    """Direction and size of each gradient tensor of the first step, beside float32's: the worst of ours and the worst
    of autocast's. Which tensors rounding hits is chance."""
    ours, theirs = {}, {}
    for name in (k for k in single if k.startswith("step_1.grad.") and not k.endswith(bounds.WEIGHTS_EXEMPT)):
        if single[name].norm() > bounds.GRADIENT_ABSOLUTE:
            ours[name] = cosine_and_ratio(got[name], single[name])
            theirs[name] = cosine_and_ratio(autocast[name], single[name])
    rows = []
    for i, (what, floor) in enumerate((("directions", COSINE_FLOOR), ("norms' ratios", NORM_FLOOR))):
        bound = 2 * max(pair[i] for pair in theirs.values()) + floor
        rows.append([Row(what, pair[i], bound, name.removeprefix("step_1.grad.")) for name, pair in ours.items()])
    return [max(of_one, key=bounds.share) for of_one in rows]


def compare(run: Run, case: Case) -> list[Row]:
    labels, (single, _double) = run.prepare(case)
    autocast = run.reference.in_single(case, run.batch, labels, Autocast)
    got = run.take(replace(case, training=case.training | {"bfloat16": True}), labels)
    rounded = (got["losses"] - single["losses"]).abs().max().item()
    in_bfloat16 = Row("leaves float32", 1e-6, rounded)  # fails where it computes in float32 after all
    return [losses(got, autocast, single), *gradients(got, autocast, single), in_bfloat16]


def compare_all(run: Run, report: Report, cases: list[str], title: str) -> None:
    lines = []
    for name in cases:
        case = replace(make_case(name, run.model, recorded=[1]), steps=STEPS)
        lines.append((name, compare(run, case)))
        report.add(f"{title} {name}", lines[-1][1])
    report.table(lines)


def begin(report: Report, title: str) -> bool:
    """Whether there is anything to compare."""
    report.section(f"bfloat16, {title}, {STEPS} steps beside PyTorch's autocast: largest difference / bound")
    if multiplies_bfloat16():
        return True
    report.skip(f"training in bfloat16, {title}", "no bfloat16 on this processor")
    return False


def tiny(native: Native, report: Report, _encoder: Path) -> None:
    if begin(report, "a tiny model"):
        compare_all(FarFromTies(native, "tiny-max-over-time"), report, CASES, "bfloat16 tiny")


def minilm(native: Native, report: Report, encoder: Path) -> None:
    if not begin(report, "the MiniLM encoder"):
        return
    with MiniLmRun(native, encoder) as run:
        compare_all(run, report, report.some(CASES), "bfloat16 MiniLM")
