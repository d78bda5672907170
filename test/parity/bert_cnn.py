"""The PyTorch prototype that bertcnn replaces: BERT + TextCNN, in its three variants.

BERT is transformers' own `BertModel`; only the head is written here. The names in the state dict are
`bert.*`, `conv.*` (variant "fine-tune") or `convs.{i}.*` (the other two), and `fc.*`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel

VARIANTS = ("frozen", "fine-tune", "max-over-time")
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")
PADDINGS = ("ignore", "include")
# "encoder", "embeddings", "none", a number of layers, or patterns of names
Freeze = str | int | list[str]


@dataclass
class HeadConfig:
    """The `bert_cnn` section of a saved config.json."""

    variant: str
    filter_sizes: tuple[int, ...] = (3, 4, 5)
    num_filters: int = 100
    dropout: float = 0.5
    padding: str = "ignore"
    freeze: Freeze = "encoder"

    def section(self) -> dict:
        return {
            "variant": self.variant,
            "filter_sizes": list(self.filter_sizes),
            "num_filters": self.num_filters,
            "dropout": self.dropout,
            "padding": self.padding,
            "freeze": self.freeze,
            "activation": "relu",
        }


def is_frozen(freeze: Freeze, name: str) -> bool:
    """Whether a parameter is not trained; the pooler, which takes no part, never is."""
    if name.startswith("bert.pooler."):
        return True
    if isinstance(freeze, list):
        return any(fnmatchcase(name, pattern) for pattern in freeze)
    if freeze == "encoder":
        return name.startswith("bert.")
    if freeze == "none":
        return False
    layers = 0 if freeze == "embeddings" else freeze
    lowest = tuple(f"bert.encoder.layer.{i}." for i in range(layers))
    return name.startswith(("bert.embeddings.", *lowest))


class BertCnn(nn.Module):
    """Whole last hidden state -> Conv1d per kernel size -> ReLU -> max over time -> concat -> linear."""

    def __init__(self, bert_config: BertConfig, head: HeadConfig):
        super().__init__()
        self.head = head
        self.bert = BertModel(bert_config, add_pooling_layer=True)
        convs = [nn.Conv1d(bert_config.hidden_size, head.num_filters, k) for k in head.filter_sizes]
        if head.variant == "fine-tune":
            (self.conv,) = convs
        else:
            self.convs = nn.ModuleList(convs)
        self.dropout = nn.Dropout(head.dropout)
        self.fc = nn.Linear(head.num_filters * len(head.filter_sizes), bert_config.num_labels)
        self.margin = math.inf
        self.set_freeze(head.freeze)

    @property
    def convolutions(self) -> list[nn.Conv1d]:
        return [self.conv] if self.head.variant == "fine-tune" else list(self.convs)

    def set_freeze(self, freeze: Freeze) -> None:
        """Switches off the gradients of what is frozen."""
        self.head.freeze = freeze
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(not is_frozen(freeze, name))
        self.train(self.training)

    def with_options(self, options: dict) -> BertCnn:
        """Itself, with these for what the head's config has of them."""
        self.head.padding, self.head.dropout = options["padding"], options["dropout"]
        self.dropout.p = self.head.dropout
        self.set_freeze(options["freeze"])
        return self

    def train(self, mode: bool = True) -> BertCnn:
        """The lower part of the encoder that is frozen whole stays in evaluation mode, as bertcnn's does."""
        super().train(mode)
        for block in (self.bert.embeddings, *self.bert.encoder.layer):
            if any(parameter.requires_grad for parameter in block.parameters()):
                break
            block.eval()
        return self

    def encode(self, **inputs: torch.Tensor) -> torch.Tensor:
        return self.bert(**inputs).last_hidden_state

    def pooled(self, hidden: torch.Tensor) -> torch.Tensor:
        """[rows, length, hidden] -> [rows, filters], by convolution, ReLU and max over time."""
        signal = hidden.transpose(1, 2)
        return torch.cat([self.max_over_time(conv(signal)) for conv in self.convolutions], dim=1)

    def max_over_time(self, values: torch.Tensor) -> torch.Tensor:
        """[rows, filters, positions] -> [rows, filters], of the values' positive part. `margin` becomes the least
        distance at which a maximum has been from another position's value, or from zero: gradients jump there."""
        largest = values.detach().topk(min(2, values.shape[2]), dim=2).values
        second = largest[..., 1] if largest.shape[2] == 2 else torch.full_like(largest[..., 0], -math.inf)
        gap = torch.where(largest[..., 0] > 0, largest[..., 0] - second.clamp(min=0), -largest[..., 0])
        self.margin = min(self.margin, gap.min().item())
        return F.relu(values).amax(dim=2)

    def pooled_alone(self, hidden: torch.Tensor) -> torch.Tensor:
        """As `pooled`, for a single unpadded row that may be shorter than a kernel: it is then extended
        with zero vectors to exactly that kernel's size."""
        signal = hidden.transpose(1, 2)
        features = []
        for conv in self.convolutions:
            short = max(0, conv.kernel_size[0] - signal.shape[2])
            features.append(self.max_over_time(conv(F.pad(signal, (0, short)))))
        return torch.cat(features, dim=1)

    def features(self, input_ids, attention_mask, token_type_ids) -> torch.Tensor:
        if self.head.padding == "include":
            hidden = self.encode(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            )
            return self.pooled(hidden)
        rows = []
        for ids, mask, types in zip(input_ids, attention_mask, token_type_ids):
            places = mask.nonzero()[:, 0]
            hidden = self.encode(
                input_ids=ids[places][None],
                token_type_ids=types[places][None],
                position_ids=places[None],
            )
            rows.append(self.pooled_alone(hidden))
        return torch.cat(rows)

    def forward(self, input_ids, attention_mask, token_type_ids) -> torch.Tensor:
        return self.fc(self.dropout(self.features(input_ids, attention_mask, token_type_ids)))


def trained_parameters(model: BertCnn) -> dict[str, nn.Parameter]:
    """Every parameter that the next step changes."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def save_directory(model: BertCnn, directory: Path, labels: list[str], problem_type: str) -> None:
    """Writes what `savePretrained` writes, but for the tokenizer's files."""
    directory.mkdir(parents=True, exist_ok=True)
    config = model.bert.config.to_dict()
    config["id2label"] = {str(i): label for i, label in enumerate(labels)}
    config["label2id"] = {label: i for i, label in enumerate(labels)}
    config["num_labels"] = len(labels)
    config["problem_type"] = problem_type
    config["bert_cnn"] = model.head.section()
    (directory / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, directory / "model.safetensors", metadata={"format": "pt"})


def load_directory(directory: Path, **overrides) -> tuple[BertCnn, str]:
    """Reads a saved directory; `overrides` replace fields of its `bert_cnn` section, and
    `problem_type`. Returns the model in evaluation mode and the problem type."""
    config = json.loads((directory / "config.json").read_text())
    problem_type = overrides.pop("problem_type", config["problem_type"])
    section = {k: v for k, v in config["bert_cnn"].items() if k != "activation"} | overrides
    section["filter_sizes"] = tuple(section["filter_sizes"])
    bert_config = BertConfig.from_pretrained(directory, attn_implementation="eager")
    model = BertCnn(bert_config, HeadConfig(**section))
    model.load_state_dict(load_file(directory / "model.safetensors"), strict=True)
    return model.eval(), problem_type
