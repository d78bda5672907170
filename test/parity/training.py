"""Training as PyTorch users write it: what bertcnn's options are called in torch.nn, torch.optim and transformers."""

from __future__ import annotations

import math

import torch
from torch import nn
from transformers import get_scheduler

from bert_cnn import BertCnn, trained_parameters

LAYER = "bert.encoder.layer."


def focal_cross_entropy(logits, labels, weights, gamma: float) -> torch.Tensor:
    """Lin et al. (2017), equation 5, over classes; the weighted mean is CrossEntropyLoss's."""
    probability = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    weight = torch.ones_like(probability) if weights is None else weights[labels]
    return (weight * (1 - probability) ** gamma * -probability.log()).sum() / weight.sum()


def focal_binary(logits, labels, pos_weight, gamma: float) -> torch.Tensor:
    """The same of each label by itself."""
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none", pos_weight=pos_weight)
    probability = logits.sigmoid()
    of_target = probability * labels + (1 - probability) * (1 - labels)
    return (entropy * (1 - of_target) ** gamma).mean()


def make_loss(problem_type: str, options: dict, dtype: torch.dtype):
    """Hugging Face's loss of a problem type: a function of logits and labels."""
    tensor = lambda values: None if values is None else torch.tensor(values, dtype=dtype)  # noqa: E731
    if problem_type == "single_label_classification":
        weights = options.get("class_weights")
        if counts := options.get("class_counts"):
            weights = [sum(counts) / (len(counts) * count) for count in counts]
        smoothing = options.get("label_smoothing", 0.0)
        if gamma := options.get("focal_gamma"):
            return lambda logits, labels: focal_cross_entropy(logits, labels, tensor(weights), gamma)
        return nn.CrossEntropyLoss(weight=tensor(weights), label_smoothing=smoothing)
    if problem_type == "multi_label_classification":
        pos_weight = tensor(options.get("pos_weight"))
        if gamma := options.get("focal_gamma"):
            return lambda logits, labels: focal_binary(logits, labels.to(dtype), pos_weight, gamma)
        loss = nn.BCEWithLogitsLoss(pos_weight=pos_weight)
        return lambda logits, labels: loss(logits, labels.to(dtype))
    return lambda logits, labels: nn.functional.mse_loss(
        logits.squeeze(-1) if logits.shape[1] == 1 else logits, labels.to(dtype)
    )


def parameter_groups(model: BertCnn, options: dict) -> list[dict]:
    """A learning rate each for encoder and head, with layer decay for each layer of the encoder; biases and layer
    norms are not decayed. From the embeddings up, those without weight decay after the others."""
    layers = model.bert.config.num_hidden_layers
    layer_decay = options.get("layer_decay", 1.0)
    groups: dict[tuple[int, bool], dict] = {}
    for name, parameter in trained_parameters(model).items():
        depth, rate = layers + 1, options["head_learning_rate"]
        if name.startswith("bert."):
            depth = int(name.removeprefix(LAYER).split(".")[0]) + 1 if name.startswith(LAYER) else 0
            rate = options["learning_rate"] * layer_decay ** (layers - depth)
            depth = layers if layer_decay == 1.0 else depth
        plain = name.endswith(".bias") or "LayerNorm" in name
        decay = 0.0 if plain else options["weight_decay"]
        group = groups.setdefault((depth, plain), {"params": [], "lr": rate, "weight_decay": decay})
        group["params"].append(parameter)
    return [groups[key] for key in sorted(groups)]


def make_optimizer(model: BertCnn, options: dict) -> torch.optim.Optimizer:
    groups = parameter_groups(model, options)
    if options.get("optimizer", "adamw") == "sgd":
        momentum, nesterov = options.get("momentum", 0.0), options.get("nesterov", False)
        return torch.optim.SGD(
            groups, lr=options["learning_rate"], momentum=momentum, nesterov=nesterov
        )
    if options.get("optimizer") == "adafactor":
        # The least variance would else be that of float64 in the reference.
        return torch.optim.Adafactor(groups, lr=options["learning_rate"], eps=(torch.finfo(torch.float32).eps, 1e-3))
    return torch.optim.AdamW(
        groups,
        lr=options["learning_rate"],
        betas=(options["beta1"], options["beta2"]),
        eps=options["epsilon"],
    )


def make_schedule(optimizer: torch.optim.Optimizer, options: dict):
    name, total = options.get("schedule", "constant"), options.get("total_steps")
    warmup = options.get("warmup_steps", 0)
    if "warmup_ratio" in options:
        warmup = math.ceil(total * options["warmup_ratio"])
    return get_scheduler(
        "constant_with_warmup" if name == "constant" else name,
        optimizer,
        num_warmup_steps=warmup,
        num_training_steps=total,
        scheduler_specific_kwargs={"power": options["power"]} if "power" in options else None,
    )


class Training:
    """A run of training steps."""

    def __init__(self, model: BertCnn, problem_type: str, options: dict):
        self.model, self.options = model, options
        self.loss = make_loss(problem_type, options, next(model.parameters()).dtype)
        self.optimizer = make_optimizer(model, options)
        self.schedule = make_schedule(self.optimizer, options)
        self.batches = 0

    def forward(self, batch: dict, labels: torch.Tensor) -> torch.Tensor:
        """The loss of a batch."""
        return self.loss(self.model(**batch), labels)

    def backward(self, batch: dict, labels: torch.Tensor) -> tuple[float, float, list[float]]:
        """Adds a batch's gradients. The loss before the step, the norm of the gradients before clipping, the learning
        rates."""
        accumulated = self.options.get("gradient_accumulation_steps", 1)
        loss = self.forward(batch, labels)
        (loss / accumulated).backward()
        gradients = [parameter.grad for parameter in trained_parameters(self.model).values()]
        norm = nn.utils.get_total_norm(gradients)
        self.batches += 1
        return loss.item(), norm.item(), [group["lr"] for group in self.optimizer.param_groups]

    def update(self) -> None:
        """Updates the weights where enough batches are accumulated."""
        if self.batches % self.options.get("gradient_accumulation_steps", 1) != 0:
            return
        parameters = list(trained_parameters(self.model).values())
        nn.utils.clip_grad_norm_(parameters, self.options["max_grad_norm"] or math.inf)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)

    def step(self, batch: dict, labels: torch.Tensor) -> tuple[float, float, list[float]]:
        history = self.backward(batch, labels)
        self.update()
        return history
