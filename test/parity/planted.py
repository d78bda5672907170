"""Mistakes in training that the first step does not show, for the comparison to find: each is PyTorch's twin with one
thing wrong."""

from __future__ import annotations

import torch

from bert_cnn import trained_parameters
from training import Training

LATE = 10  # the step from which some go wrong


class FirstBiasCorrection(Training):
    """AdamW corrects its moments' bias in every step as in the first."""

    def update(self) -> None:
        for state in self.optimizer.state.values():
            state["step"].zero_()
        super().update()


class NegativeMomentum(Training):
    """SGD moves against what it remembers."""

    def update(self) -> None:
        for state in self.optimizer.state.values():
            state["momentum_buffer"].neg_()
        super().update()


class ScheduleAhead(Training):
    """The schedule is one step ahead from the second step on."""

    def update(self) -> None:
        super().update()
        if self.batches == 1:
            self.schedule.step()


class DecayedBias(Training):
    """One bias decays as weights do."""

    def update(self) -> None:
        bias = trained_parameters(self.model)["bert.encoder.layer.1.output.dense.bias"]
        rate = next(group["lr"] for group in self.optimizer.param_groups if any(p is bias for p in group["params"]))
        with torch.no_grad():
            bias.mul_(1 - rate * self.options["weight_decay"])
        super().update()


class ClippedByTensor(Training):
    """From some step on each gradient is clipped by its own norm, not by that of all."""

    def update(self) -> None:
        if self.batches >= LATE:
            for parameter in trained_parameters(self.model).values():
                torch.nn.utils.clip_grad_norm_([parameter], self.options["max_grad_norm"])
        super().update()


class GradientsLeft(Training):
    """The gradients of one step are still there in the next."""

    def update(self) -> None:
        parameters = trained_parameters(self.model)
        left = {name: parameter.grad.clone() for name, parameter in parameters.items()}
        super().update()
        if self.batches == LATE - 1:
            for name, parameter in parameters.items():
                parameter.grad = left[name]


class WrongGradient(Training):
    """One gradient is a hundredth too large from some step on."""

    def backward(self, batch: dict, labels: torch.Tensor):
        history = super().backward(batch, labels)
        if self.batches >= LATE:
            trained_parameters(self.model)["bert.encoder.layer.1.attention.self.query.weight"].grad.mul_(1.01)
        return history
