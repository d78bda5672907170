"""The tiny models that are written, and the state dicts that people's files hold of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

import torch
from bert_cnn import VARIANTS, BertCnn, HeadConfig
from make_fixtures import randomize
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertForSequenceClassification

DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}
LABELS = ["negative", "neutral", "positive"]
FILTER_SIZES = {"frozen": (3, 4, 5), "fine-tune": (3,), "max-over-time": (3, 4, 5)}

State = dict[str, torch.Tensor]


def bert_config() -> BertConfig:
    return BertConfig(
        vocab_size=61,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=24,
        max_position_embeddings=24,
        num_labels=len(LABELS),
        attn_implementation="eager",
    )


def make_model(variant: str, generator: torch.Generator) -> tuple[BertCnn, State]:
    """A prototype, and its state dict in float64 with digits that no float32 has."""
    model = BertCnn(bert_config(), HeadConfig(variant, FILTER_SIZES[variant], 6)).eval()
    randomize(model, generator)
    noise = lambda tensor: torch.randn(tensor.shape, generator=generator, dtype=torch.float64)  # noqa: E731
    return model, {k: v.double() * (1 + 1e-9 * noise(v)) for k, v in model.state_dict().items()}


def rounded(state: State, dtype: torch.dtype) -> State:
    """What was tied stays tied."""
    made: dict[tuple, torch.Tensor] = {}
    for v in state.values():
        made.setdefault(place(v), v.to(dtype) if v.is_floating_point() else v)
    return {k: made[place(v)] for k, v in state.items()}


def place(tensor: torch.Tensor) -> tuple:
    """The same for two names of one tensor."""
    return tensor.data_ptr(), tensor.shape, tensor.stride()


@torch.no_grad()
def expected_logits(model: BertCnn, state: State, dtype: torch.dtype, batch: dict) -> torch.Tensor:
    """PyTorch's logits in float32 with the weights that a file of `dtype` holds."""
    model.load_state_dict({k: v.float() for k, v in rounded(state, dtype).items()}, strict=True)
    return model(**batch)


# ---- what names the tensors have


def encoder_of(state: State) -> State:
    return {k.removeprefix("bert."): v for k, v in state.items() if k.startswith("bert.")}


def head_of(state: State) -> State:
    return {k: v for k, v in state.items() if not k.startswith("bert.")}


def prefixed(prefix: str) -> Callable[[State], State]:
    return lambda state: {prefix + k: v for k, v in state.items()}


def with_bert(state: State) -> State:
    return prefixed("bert.")(encoder_of(state))


def sentence_encoder(state: State) -> State:
    return {k: v for k, v in encoder_of(state).items() if not k.startswith("pooler.")}


def gamma_and_beta(state: State) -> State:
    """As the checkpoints of 2018 and 2019, with their buffer of positions."""
    old = {
        k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
        for k, v in state.items()
    }
    return {"bert.embeddings.position_ids": torch.arange(24)[None], **old}


def task(kind: type) -> Callable[[State], State]:
    """The state dict of a transformers model with a task's head; its own tied weights stay tied."""

    def make(state: State) -> State:
        model = kind(bert_config()).double()
        encoder = encoder_of(state)
        result = model.bert.load_state_dict(encoder, strict=False)
        assert not result.missing_keys, result
        return dict(model.state_dict())

    return make


ENCODER_NAMES: dict[str, Callable[[State], State]] = {
    "BertModel": encoder_of,
    "bert. prefix": with_bert,
    "module. prefix": lambda state: prefixed("module.")(encoder_of(state)),
    "module.bert. prefix": lambda state: prefixed("module.")(with_bert(state)),
    "_orig_mod. prefix": lambda state: prefixed("_orig_mod.")(encoder_of(state)),
    "gamma, beta": lambda state: gamma_and_beta(with_bert(state)),
    "sequence classification": task(BertForSequenceClassification),
    "masked language model": task(BertForMaskedLM),
    "pre-training": task(BertForPreTraining),
    "sentence encoder": sentence_encoder,
}
PROTOTYPE_NAMES: dict[str, Callable[[State], State]] = {
    "prototype": dict,
    "module. prefix": prefixed("module."),
    "gamma, beta": gamma_and_beta,
}

# ---- how the tensors lie in their storages; only PyTorch's formats know others than contiguous ones


def in_one_storage(state: State) -> State:
    """Every tensor of a type is a view into one storage, as FSDP and flattened optimizers leave them."""
    views: State = {}
    for dtype in {v.dtype for v in state.values()}:
        of_dtype = {k: v for k, v in state.items() if v.dtype == dtype}
        flat = torch.cat([v.flatten() for v in of_dtype.values()])
        parts = flat.split([v.numel() for v in of_dtype.values()])
        views |= {k: part.view(v.shape) for (k, v), part in zip(of_dtype.items(), parts)}
    return {k: views[k] for k in state}


def transposed(state: State) -> State:
    """Every matrix lies column by column, every vector as every other element of its storage."""

    def lay(v: torch.Tensor) -> torch.Tensor:
        if v.dim() >= 2:
            return v.transpose(0, -1).contiguous().transpose(0, -1)
        return torch.stack([v, torch.zeros_like(v)], dim=-1).flatten()[::2]

    return {k: lay(v) for k, v in state.items()}


def tied(state: State) -> State:
    """Every tensor once more, under a name that no model has."""
    return {**state, **{f"copy.{k}": v for k, v in state.items()}}


def in_training_checkpoint(state: State) -> dict:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(3))])
    return {
        "epoch": 3,
        "loss": 0.5,
        "model_state_dict": state,
        "optimizer_state_dict": optimizer.state_dict(),
    }


STORAGES: dict[str, Callable[[State], dict]] = {
    "one shared storage": in_one_storage,
    "not contiguous": transposed,
    "tied": tied,
    "a training checkpoint": in_training_checkpoint,
}


@dataclass(frozen=True)
class Subject:
    """What is written: an encoder alone, or a prototype of a variant."""

    name: str
    variant: str
    names: dict[str, Callable[[State], State]] = field(hash=False)

    @property
    def is_prototype(self) -> bool:
        return self.name != "encoder"


SUBJECTS = [
    Subject("encoder", "frozen", ENCODER_NAMES),
    *(Subject(f"prototype {variant}", variant, PROTOTYPE_NAMES) for variant in VARIANTS),
]
