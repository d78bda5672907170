"""Makes what the benchmark's contenders load.

    python make_models.py model FOLDER SPECIFICATION.json
    python make_models.py onnx FOLDER MODEL_FOLDER
    python make_models.py ctranslate2 FOLDER MODEL_FOLDER

`model` writes a directory as `savePretrained` does, inputs with the prototype's outputs to compare
with (reference.json), and, where the specification has texts, the sentences to be timed with their
lengths (texts.json). `onnx` exports the whole BERT-CNN from there (plain.onnx), has ONNX Runtime's
optimizer fuse it (onnx/model.onnx) and quantizes it (onnx/model_quantized.onnx), laid out for
transformers.js. `ctranslate2` converts the encoder; the head has no counterpart there.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "test" / "parity"))

from bert_cnn import BertCnn, HeadConfig, load_directory, save_directory  # noqa: E402
from peer import Limits, load_tokenizer, pad  # noqa: E402
from transformers import AutoTokenizer, BertConfig, BertModel  # noqa: E402

CHECK_LENGTHS = (16, 5, 33, 128, 9, 64, 21)
FILTER_SIZES = (3, 4, 5)


def random_rows(lengths, vocab_size: int, generator: torch.Generator) -> list[list[int]]:
    first = min(1000, vocab_size // 2)  # what is below are BERT's special and unused tokens
    sizes = [(length,) for length in lengths]
    return [torch.randint(first, vocab_size, n, generator=generator).tolist() for n in sizes]


def least_tokens(model: BertCnn) -> int:
    """The prototype refuses a batch whose texts are all shorter than its largest kernel."""
    return max(model.head.filter_sizes)


@torch.inference_mode()
def alone(model: BertCnn, rows) -> torch.Tensor:
    """Logits of each row by itself, without padding."""
    outputs = []
    for row in rows:
        ids = torch.tensor([row])
        hidden = model.bert(input_ids=ids).last_hidden_state
        outputs.append(model.fc(model.pooled_alone(hidden)))
    return torch.cat(outputs)


@torch.inference_mode()
def padded(model: BertCnn, rows) -> torch.Tensor:
    """Logits of all rows as one batch, convolved over padding."""
    ids, mask = pad(rows, least_tokens(model))
    hidden = model.bert(input_ids=ids, attention_mask=mask).last_hidden_state
    return model.fc(model.pooled(hidden))


def spread_logits(model: BertCnn, rows) -> None:
    """Scales the classifier so that random weights give logits with a mean of 0 and a deviation of
    1, which a tolerance can be held against."""
    logits = alone(model, rows)
    deviation, mean = torch.std_mean(logits, dim=0)
    with torch.no_grad():
        model.fc.weight.div_(deviation[:, None])
        model.fc.bias.sub_(mean).div_(deviation)


def random_model(specification) -> BertCnn:
    """A BERT with random weights in the shape that the specification gives; what it omits is
    BERT-base's."""
    torch.manual_seed(specification["seed"])
    model = BertCnn(BertConfig(num_labels=2, **specification["config"]), head_config()).eval()
    generator = torch.Generator().manual_seed(specification["seed"])
    sample = random_rows([8, 16, 32, 48] * 8, model.bert.config.vocab_size, generator)
    spread_logits(model, sample)
    return model


def head_config() -> HeadConfig:
    return HeadConfig("frozen", FILTER_SIZES, padding="ignore")


def given_model(source: Path, labels: int) -> tuple[BertCnn, str, bool]:
    """A checkpoint of the user's: the model, its problem type, and whether its head is still to be
    trained."""
    config = json.loads((source / "config.json").read_text())
    if "bert_cnn" in config:
        return *load_directory(source), False
    bert_config = BertConfig.from_pretrained(source, num_labels=labels)
    model = BertCnn(bert_config, head_config())
    model.bert.load_state_dict(BertModel.from_pretrained(source).state_dict())
    return model.eval(), "regression", True


@torch.inference_mode()
def hidden_states(model: BertCnn, rows, batch: int = 64) -> list[torch.Tensor]:
    """Each row's last hidden state; rows of like lengths share a batch."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    result = [torch.empty(0)] * len(rows)
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        ids, mask = pad([rows[i] for i in chosen], least_tokens(model))
        hidden = model.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        for i, states in zip(chosen, hidden):
            result[i] = states[: len(rows[i])].clone()
    return result


@torch.inference_mode()
def batched(model: BertCnn, rows) -> torch.Tensor:
    """As `alone`, but for rounding: the encoder takes many rows at a time, the head each by
    itself."""
    states = hidden_states(model, rows)
    return model.fc(torch.cat([model.pooled_alone(hidden[None]) for hidden in states]))


def train_head(model: BertCnn, rows, ratings, seed: int, epochs: int = 5, batch: int = 32) -> None:
    """Fits the head on the frozen encoder's hidden states by AdamW on the mean squared error."""
    features = hidden_states(model, rows)
    targets = torch.tensor(ratings)
    heads = [*model.convolutions, model.fc]
    optimizer = torch.optim.AdamW([p for part in heads for p in part.parameters()], lr=1e-3)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        order = torch.randperm(len(rows), generator=generator).tolist()
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            # Zero vectors stand for pad positions here: a window of them gives the convolution's
            # bias.
            hidden = nn.utils.rnn.pad_sequence([features[i] for i in chosen], batch_first=True)
            dropped = F.dropout(model.pooled(hidden), model.head.dropout)
            loss = F.mse_loss(model.fc(dropped).squeeze(1), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def correlation(left: torch.Tensor, right: torch.Tensor) -> float:
    return torch.corrcoef(torch.stack([left, right]))[0, 1].item()


def write_texts(model: BertCnn, specification, tokenizer, folder: Path, train: bool) -> list[str]:
    """Trains the head where it is new, and writes the sentences to be timed: those long enough for
    the prototype, their lengths in tokens, and the prototype's outputs for them. Returns those to
    check with."""
    if train and specification["train"]:
        rows = tokenizer([text for text, _ in specification["train"]])
        train_head(model, rows, [rating for _, rating in specification["train"]], 0)
    elif train:
        spread_logits(model, tokenizer(specification["texts"][:64]))
    pairs = zip(specification["texts"], tokenizer(specification["texts"]))
    kept = [(text, row) for text, row in pairs if len(row) >= least_tokens(model)]
    logits = batched(model, [row for _, row in kept])
    written = {
        "texts": [text for text, _ in kept],
        "lengths": [len(row) for _, row in kept],
        "logits": logits.tolist(),
    }
    if specification["ratings"]:
        known = dict(zip(specification["texts"], specification["ratings"]))
        rated = torch.tensor([known[text] for text, _ in kept])
        written["correlation"] = correlation(logits[:, 0], rated)
    (folder / "texts.json").write_text(json.dumps(written))
    return [text for text, _ in kept[: len(CHECK_LENGTHS)]]


def write_reference(model: BertCnn, inputs, rows, folder: Path) -> None:
    double = model.double()
    outputs = {"alone": alone(double, rows).tolist(), "padded": padded(double, rows).tolist()}
    (folder / "reference.json").write_text(json.dumps({"inputs": inputs, **outputs}))
    model.float()


def make_model(folder: Path, specification_file: str) -> None:
    specification = json.loads(Path(specification_file).read_text())
    if "config" in specification:
        model, kind = random_model(specification), "single_label_classification"
        generator = torch.Generator().manual_seed(specification["seed"] + 1)
        rows = inputs = random_rows(CHECK_LENGTHS, model.bert.config.vocab_size, generator)
    else:
        source = Path(specification["model"])
        torch.manual_seed(0)
        model, kind, train = given_model(source, 1)
        AutoTokenizer.from_pretrained(source, use_fast=True).save_pretrained(folder)
    labels = [f"LABEL_{i}" for i in range(model.fc.out_features)]
    save_directory(model, folder, labels, kind)
    if "model" in specification:
        tokenizer = load_tokenizer(folder, Limits(folder).most)
        inputs = write_texts(model, specification, tokenizer, folder, train)
        rows = tokenizer(inputs)
        save_directory(model, folder, labels, kind)  # again: its head may have been trained
    write_reference(model, inputs, rows, folder)


class Exported(nn.Module):
    """The prototype's arithmetic, written out so that ONNX Runtime's optimizer recognizes
    attention, layer norms and GELU in the exported graph; from transformers' own modules it exports
    to a graph that is fused in part only."""

    def __init__(self, model: BertCnn):
        super().__init__()
        self.model = model
        config = model.bert.config
        self.heads = config.num_attention_heads
        self.head_size = config.hidden_size // self.heads
        self.hidden_size = config.hidden_size

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """[rows, length, hidden] -> [rows, heads, length, hidden / heads]"""
        return x.view(x.size(0), x.size(1), self.heads, self.head_size).permute(0, 2, 1, 3)

    def attention(self, layer, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        own = layer.attention.self
        query, key, value = (self.split(part(x)) for part in (own.query, own.key, own.value))
        scores = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(self.head_size) + mask
        mixed = torch.matmul(torch.softmax(scores, dim=-1), value).permute(0, 2, 1, 3).contiguous()
        mixed = mixed.view(mixed.size(0), mixed.size(1), self.hidden_size)
        output = layer.attention.output
        return output.LayerNorm(output.dense(mixed) + x)

    def forward(self, input_ids, attention_mask, token_type_ids) -> torch.Tensor:
        parts = self.model.bert.embeddings
        positions = parts.position_ids[:, : input_ids.size(1)]
        words = parts.word_embeddings(input_ids) + parts.token_type_embeddings(token_type_ids)
        x = parts.LayerNorm(words + parts.position_embeddings(positions))
        mask = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -10000.0
        for layer in self.model.bert.encoder.layer:
            x = self.attention(layer, x, mask)
            inner = layer.intermediate(x)
            x = layer.output.LayerNorm(layer.output.dense(inner) + x)
        return self.model.fc(self.model.pooled(x))


INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def export_plain(model: BertCnn, file: str) -> None:
    ids, mask = pad([[7] * 16, [8] * 9], least_tokens(model))
    dynamic = {name: {0: "rows", 1: "length"} for name in INPUTS} | {"logits": {0: "rows"}}
    torch.onnx.export(
        Exported(model).eval(),
        (ids, mask, torch.zeros_like(ids)),
        file,
        dynamo=False,  # the optimizer's patterns are those of this exporter
        opset_version=17,
        input_names=list(INPUTS),
        output_names=["logits"],
        dynamic_axes=dynamic,
    )


def has_vnni() -> bool:
    """Without these instructions int8 products of 8 bits saturate, and ONNX Runtime advises 7."""
    return "vnni" in Path("/proc/cpuinfo").read_text()


def make_onnx(folder: Path, model_folder: str) -> None:
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    model, _ = load_directory(Path(model_folder))
    config = model.bert.config
    (folder / "onnx").mkdir()
    plain, fused = str(folder / "plain.onnx"), str(folder / "onnx" / "model.onnx")
    export_plain(model, plain)
    optimized = optimizer.optimize_model(
        plain,
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        optimization_options=FusionOptions("bert"),
        opt_level=1,
    )
    found = optimized.get_fused_operator_statistics()
    if found["Attention"] != config.num_hidden_layers:
        raise RuntimeError(f"ONNX Runtime's optimizer fused only {found}")
    optimized.save_model_to_file(fused)
    quantize_dynamic(
        fused,
        str(folder / "onnx" / "model_quantized.onnx"),
        op_types_to_quantize=["MatMul", "Attention", "Gemm"],
        per_channel=True,
        reduce_range=not has_vnni(),
        weight_type=QuantType.QInt8,
        # Of outputs of fused operators, whose type it cannot infer.
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if (Path(model_folder) / name).exists():
            shutil.copy(Path(model_folder) / name, folder)


def make_ctranslate2(folder: Path, model_folder: str) -> None:
    from ctranslate2.converters import TransformersConverter

    model, _ = load_directory(Path(model_folder))
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        model.bert.save_pretrained(scratch)
        place = Path(scratch) / "config.json"
        # The converter asks for a field that transformers 5 has dropped.
        config = json.loads(place.read_text()) | {"position_embedding_type": "absolute"}
        place.write_text(json.dumps(config))
        words = [f"word{i}" for i in range(model.bert.config.vocab_size - 5)]
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        vocabulary = [*special, *words]  # plays no part: ids are handed over
        (Path(scratch) / "vocab.txt").write_text("\n".join(vocabulary))
        (Path(scratch) / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
        TransformersConverter(scratch).convert(str(folder / "model"))


if __name__ == "__main__":
    what, target, source = sys.argv[1:]
    {"model": make_model, "onnx": make_onnx, "ctranslate2": make_ctranslate2}[what](
        Path(target), source
    )
