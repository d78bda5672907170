"""The bounds of DESIGN.md ("Numbers that decide") and the comparison that applies them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

LOGIT_ABSOLUTE = 1e-5
LOGIT_RELATIVE = 1e-5
GRADIENT_RELATIVE = 1e-4
GRADIENT_ABSOLUTE = 1e-6
# Of the losses along the steps: rounding of float32, carried on by the optimizer. AdamW divides by the size of the
# gradient, so that in an unlucky run PyTorch's own float32 losses leave its float64 ones; how far they do is what
# rounding does to this run; see ROUNDING.
STEP_RELATIVE = 1e-4
# Of the gradients' norms along the steps: they feel the weights' rounding more than the losses do.
NORMS_RELATIVE = 1e-3
# Of each gradient tensor at a later step, by its norm: as its norm does.
STEP_GRADIENT_RELATIVE = 1e-3
# Of the weights after those steps, by the norm of the tensor: AdamW divides by the size of the gradient, so
# that elements with a tiny gradient move by its rounding.
WEIGHTS_RELATIVE = 1e-3
# How many times as far as PyTorch's own float32 is from its float64 ours may be, where that is the larger bound. Each
# is one draw of what rounding may do, and pad positions of a trained encoder, whose activations are huge, multiply it
# by 100 on the way back: one of two draws is easily several times the other.
ROUNDING = 8
# Their gradient is zero in exact arithmetic: AdamW turns its rounding into steps of full size.
WEIGHTS_EXEMPT = ".attention.self.key.bias"


@dataclass
class Row:
    """One line of the table. `difference` and `bound` belong to the element or tensor that comes nearest
    to its bound."""

    what: str
    difference: float
    bound: float
    where: str = ""

    @property
    def passed(self) -> bool:
        return self.difference <= self.bound  # false for NaN


def share(row: Row) -> float:
    """1 is the most that is allowed; what is no number is worse than anything."""
    value = row.difference / row.bound if row.bound else float("inf")
    return value if value == value else float("inf")


def worst_element(what: str, got, expected, absolute: float, relative: float, rounding=0.0) -> Row:
    """|got - expected| <= absolute + relative * |expected| + rounding, element by element."""
    got, expected = got.double().flatten(), expected.double().flatten()
    if got.shape != expected.shape:
        return Row(what, float("inf"), absolute, "shape")
    difference = (got - expected).abs()
    bound = absolute + relative * expected.abs() + rounding
    index = int((difference / bound).nan_to_num(float("inf")).argmax())
    return Row(what, difference[index].item(), bound[index].item(), f"[{index}]")


def logits(what: str, got, expected) -> Row:
    return worst_element(what, got, expected, LOGIT_ABSOLUTE, LOGIT_RELATIVE)


def loss(what: str, got, expected) -> Row:
    return worst_element(what, got, expected, LOGIT_ABSOLUTE, LOGIT_RELATIVE)


def worst_tensor(what: str, got: dict, expected: dict, prefix: str, bound, exempt: str = "?") -> Row:
    """Of the tensors whose names begin with `prefix`, the one whose difference's Euclidean norm comes nearest to
    `bound(name, norm of what is expected)`. All names must be there, and no others."""
    names = sorted(k for k in expected if k.startswith(prefix))
    strangers = set(names) ^ {k for k in got if k.startswith(prefix)}
    if strangers:
        return Row(what, float("inf"), 0.0, f"names: {sorted(strangers)[:3]}")
    rows = []
    for name in (name for name in names if not name.endswith(exempt)):
        want = expected[name].double()
        difference = (got[name].double() - want).norm().item()
        rows.append(Row(what, difference, bound(name, want.norm().item()), name.removeprefix(prefix)))
    return max(rows, key=share)


def worst_rounding(single: dict, double: dict, prefix: str) -> float:
    """The largest share of a gradient tensor's norm by which rounding moves PyTorch's own float32 gradients."""
    shares = [0.0]
    for name in (k for k in double if k.startswith(prefix) and not k.endswith(WEIGHTS_EXEMPT)):
        norm = double[name].double().norm().item()
        if norm > GRADIENT_ABSOLUTE:
            shares.append((single[name].double() - double[name].double()).norm().item() / norm)
    return max(shares)


def gradient_bound(single: dict, double: dict, prefix: str, relative: float = GRADIENT_RELATIVE):
    """Of each gradient tensor, by its name and norm. Where rounding moves PyTorch's own float32 gradients from its
    float64 ones, as where what comes through many layers nearly cancels, ROUNDING times that is allowed, too. It counts
    by the worst tensor of the step: which of them rounding hits is chance, and another order of sums hits others."""
    rounding = ROUNDING * worst_rounding(single, double, prefix)
    return lambda _name, norm: (relative + rounding) * norm + GRADIENT_ABSOLUTE


def rounding(name: str, rough: dict, fine: dict, times: float = ROUNDING) -> torch.Tensor:
    """So many times what rounding does to PyTorch's own values along the steps. A single step's may be nil by chance:
    the largest so far counts."""
    return times * (rough[name].double() - fine[name].double()).abs().cummax(0).values


def losses(what: str, got: dict, expected: dict, single: dict, double: dict) -> Row:
    allowed = rounding("losses", single, double)
    return worst_element(what, got["losses"], expected["losses"], 1e-5, STEP_RELATIVE, allowed)


def compare(got: dict, single: dict, double: dict, steps: int) -> list[Row]:
    """Compares a result with PyTorch's float32 and float64 ones."""
    rows = []
    for name, expected in (("float32", single), ("float64", double)):
        rows += [
            logits(f"logits / {name}", got["logits"], expected["logits"]),
            loss(f"loss / {name}", got["loss"], expected["loss"]),
            worst_tensor(f"gradients / {name}", got, expected, "grad.", gradient_bound(single, double, "grad.")),
            losses(f"{steps} losses / {name}", got, expected, single, double),
        ]
    return rows


def steps_taken(got: dict, single: dict, double: dict) -> list[Row]:
    """The norms of the gradients along the steps, and the learning rates, which a float32 holds exactly enough."""
    allowed = rounding("grad_norms", single, double)
    return [
        worst_element("norms", got["grad_norms"], double["grad_norms"], 1e-6, NORMS_RELATIVE, allowed),
        worst_element("rates", got["learning_rates"], double["learning_rates"], 1e-12, 1e-6),
    ]


def alone(got: dict) -> Row:
    """Each row predicted by itself, against the same row among the others."""
    return logits("row alone", got["logits_alone"], got["logits"])


def worst_weights(what: str, got: dict, expected: dict, prefix: str = "final.") -> Row:
    """Of all trained weights: `got` has the frozen ones, too."""
    trained = {name: got[name] for name in expected if name in got}
    bound = lambda _name, norm: WEIGHTS_RELATIVE * norm  # noqa: E731
    return worst_tensor(what, trained, expected, prefix, bound, WEIGHTS_EXEMPT)


def recorded(got: dict, single: dict, double: dict, steps: list[int]) -> list[Row]:
    """Gradients before the recorded steps, and the weights after them. The first step starts from the same weights and
    has the bound of any gradient."""
    rows = []
    for step in steps:
        what = "first gradients" if step == 1 else "later gradients"
        relative = GRADIENT_RELATIVE if step == 1 else STEP_GRADIENT_RELATIVE
        prefix = f"step_{step}.grad."
        bound = gradient_bound(single, double, prefix, relative)
        rows.append(worst_tensor(what, got, double, prefix, bound))
        rows.append(worst_weights("weights on the way", got, double, f"step_{step}.weight."))
        for row in rows[-2:]:
            row.where = f"step {step} {row.where}"
    return [max((r for r in rows if r.what == what), key=share) for what in dict.fromkeys(r.what for r in rows)]
