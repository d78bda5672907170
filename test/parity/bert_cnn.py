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
    activation: str = "relu"
    pooling: str = "max"
    pooling_size: int = 3  # of "k-max"
    layer_norm: bool = False  # before the classifier
    hidden_layers: int = 1  # of the encoder's last ones, which the convolutions see
    layer_combination: str = "mean"  # of several: or "concat", "mix"
    long_text: str = "truncate"
    window_overlap: int | None = None
    window_length: int | None = None

    @property
    def numbers_of_filter(self) -> int:
        """That pooling makes of it."""
        return {"k-max": self.pooling_size, "max-mean": 2}.get(self.pooling, 1)

    @property
    def mixes(self) -> bool:
        return self.hidden_layers > 1 and self.layer_combination == "mix"

    @property
    def concatenates(self) -> bool:
        return self.hidden_layers > 1 and self.layer_combination == "concat"

    def section(self) -> dict:
        return {
            "variant": self.variant,
            "filter_sizes": list(self.filter_sizes),
            "num_filters": self.num_filters,
            "dropout": self.dropout,
            "padding": self.padding,
            "freeze": self.freeze,
            "activation": self.activation,
            "pooling": self.pooling,
            "pooling_size": self.pooling_size,
            "layer_norm": self.layer_norm,
            "hidden_layers": self.hidden_layers,
            "layer_combination": self.layer_combination,
            "long_text": self.long_text,
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
    """Whole last hidden state -> Conv1d per kernel size -> ReLU -> max over time -> concat -> linear; or what the
    head's config has in place of these."""

    chooses_later = False  # of two windows of a long row that serve a token alike

    def __init__(self, bert_config: BertConfig, head: HeadConfig):
        super().__init__()
        self.head = head
        self.bert = BertModel(bert_config, add_pooling_layer=True)
        width = bert_config.hidden_size * (head.hidden_layers if head.concatenates else 1)
        if head.mixes:
            self.layer_mix = nn.Parameter(torch.zeros(head.hidden_layers))
        channels = head.num_filters * (2 if head.activation == "glu" else 1)
        convs = [nn.Conv1d(width, channels, k) for k in head.filter_sizes]
        attends = head.pooling == "attention"
        pools = [nn.Linear(head.num_filters, 1, bias=False) for _ in head.filter_sizes if attends]
        if head.variant == "fine-tune":
            (self.conv,) = convs
            if attends:
                (self.pool,) = pools
        else:
            self.convs = nn.ModuleList(convs)
            if attends:
                self.pools = nn.ModuleList(pools)
        features = head.num_filters * len(head.filter_sizes) * head.numbers_of_filter
        if head.layer_norm:
            self.LayerNorm = nn.LayerNorm(features, eps=bert_config.layer_norm_eps)
        self.dropout = nn.Dropout(head.dropout)
        self.fc = nn.Linear(features, bert_config.num_labels)
        self.margin = math.inf
        # Rows of more tokens than the first of these are read in windows of so many, which overlap by the second
        # or more; none: as they are.
        self.window: tuple[int, int] | None = None
        self.set_freeze(head.freeze)

    @property
    def convolutions(self) -> list[nn.Conv1d]:
        return [self.conv] if self.head.variant == "fine-tune" else list(self.convs)

    def attention(self, number: int) -> nn.Linear:
        return self.pool if self.head.variant == "fine-tune" else self.pools[number]

    def set_freeze(self, freeze: Freeze) -> None:
        """Switches off the gradients of what is frozen."""
        self.head.freeze = freeze
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(not is_frozen(freeze, name))
        self.train(self.training)

    def with_options(self, options: dict) -> BertCnn:
        """Itself, with these for what the head's config has of them."""
        self.head.padding, self.head.dropout = options["padding"], options["dropout"]
        self.window = options.get("window")
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
        """What the convolutions see."""
        if self.head.hidden_layers == 1:
            return self.bert(**inputs).last_hidden_state
        states = self.bert(**inputs, output_hidden_states=True).hidden_states[-self.head.hidden_layers :]
        if self.head.concatenates:
            return torch.cat(states, dim=2)
        if self.head.mixes:
            return sum(weight * state for weight, state in zip(self.layer_mix.softmax(0), states))
        return torch.stack(states).mean(0)

    def pooled(self, hidden: torch.Tensor) -> torch.Tensor:
        """[rows, length, hidden] -> [rows, features], by convolution, activation and pooling over time."""
        signal = hidden.transpose(1, 2)
        return torch.cat([self.pool_over_time(conv(signal), i) for i, conv in enumerate(self.convolutions)], dim=1)

    def activate(self, values: torch.Tensor) -> torch.Tensor:
        if self.head.activation == "glu":
            return F.glu(values, dim=1)
        return {"relu": F.relu, "gelu": F.gelu, "tanh": torch.tanh}[self.head.activation](values)

    def pool_over_time(self, values: torch.Tensor, number: int) -> torch.Tensor:
        """[rows, channels, positions] -> [rows, filters times what pooling makes of one]."""
        if self.head.activation == "relu" and self.head.pooling == "max":
            return self.max_over_time(values)
        values = self.activate(values)
        pooling = self.head.pooling
        if pooling == "mean":
            return values.mean(dim=2)
        if pooling == "attention":
            weights = self.attention(number)(values.transpose(1, 2)).softmax(dim=1)  # [rows, positions, 1]
            return (values @ weights).squeeze(2)
        if pooling == "k-max":
            return self.largest_in_order(values)
        self.keep_margin(values, 1)
        largest = values.amax(dim=2)
        return torch.cat([largest, values.mean(dim=2)], dim=1) if pooling == "max-mean" else largest

    def largest_in_order(self, values: torch.Tensor) -> torch.Tensor:
        """The largest of each filter in the order of their positions, filter by filter; zeros behind where there are
        fewer."""
        count = min(self.head.pooling_size, values.shape[2])
        self.keep_margin(values, count)
        places = values.detach().topk(count, dim=2).indices.sort(dim=2).values
        kept = F.pad(values.gather(2, places), (0, self.head.pooling_size - count))
        return kept.flatten(1)

    def keep_margin(self, values: torch.Tensor, count: int) -> None:
        """`margin` becomes the least distance at which one of the `count` largest has been from the largest that is
        left. Equal values, such as ReLU's zeros, are no matter of rounding."""
        largest = values.detach().topk(min(count + 1, values.shape[2]), dim=2).values
        if largest.shape[2] > count:
            gaps = largest[..., count - 1] - largest[..., count]
            self.margin = min(self.margin, gaps[gaps > 0].min().item() if (gaps > 0).any() else math.inf)

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
        for number, conv in enumerate(self.convolutions):
            short = max(0, conv.kernel_size[0] - signal.shape[2])
            features.append(self.pool_over_time(conv(F.pad(signal, (0, short))), number))
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
            if self.window and len(places) > self.window[0]:
                hidden = self.encode_in_windows(ids[places], types[places])
            else:
                hidden = self.encode(
                    input_ids=ids[places][None],
                    token_type_ids=types[places][None],
                    position_ids=places[None],
                )
            rows.append(self.pooled_alone(hidden))
        return torch.cat(rows)

    def encode_in_windows(self, ids: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """[1, length, hidden] of a row that is too long: of each token the state in that of its windows where the text
        goes on farthest on the token's shorter side. First and last token are those of the first and last window."""
        size, overlap = self.window[0] - 2, self.window[1]
        tokens = len(ids) - 2
        count = 1 + math.ceil((tokens - size) / (size - overlap))
        starts = [i * (tokens - size) // (count - 1) for i in range(count)]
        states = []
        for start in starts:
            places = [0, *range(start + 1, start + size + 1), len(ids) - 1]
            states.append(self.encode(input_ids=ids[places][None], token_type_ids=types[places][None])[0])

        def context(token: int, start: int) -> float:
            before = math.inf if start == 0 else token - start
            behind = math.inf if start + size == tokens else start + size - 1 - token
            return -1 if token < start or token >= start + size else min(before, behind)

        kept = [states[0][0]]
        for token in range(tokens):
            order = range(count - 1, -1, -1) if self.chooses_later else range(count)
            best = max(order, key=lambda i: context(token, starts[i]))  # the first of equal ones
            kept.append(states[best][1 + token - starts[best]])
        return torch.stack([*kept, states[-1][-1]])[None]

    def forward(self, input_ids, attention_mask, token_type_ids) -> torch.Tensor:
        features = self.features(input_ids, attention_mask, token_type_ids)
        if self.head.layer_norm:
            features = self.LayerNorm(features)
        return self.fc(self.dropout(features))


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
    section = config["bert_cnn"] | overrides
    section["filter_sizes"] = tuple(section["filter_sizes"])
    bert_config = BertConfig.from_pretrained(directory, attn_implementation="eager")
    model = BertCnn(bert_config, HeadConfig(**section))
    model.load_state_dict(load_file(directory / "model.safetensors"), strict=True)
    return model.eval(), problem_type
