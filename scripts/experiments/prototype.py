"""Trains the Python prototype, from the files to the evaluation, and prints JSON: prototype.py TASK

transformers' BertModel with SDPA, padded batches in random order, torch.optim.AdamW (fused), clipping; with dtype
"bfloat16" under autocast.
"""

import contextlib
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import BertConfig

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "test" / "parity"))

from bert_cnn import BertCnn, HeadConfig, trained_parameters  # noqa: E402
from texts import encode_with, tokenizer  # noqa: E402

WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0


def read(file):
    rows = [json.loads(line) for line in Path(file).open(encoding="utf-8")]
    return [row["text"] for row in rows], torch.tensor([row["label"] for row in rows])


def make_model(task):
    encoder = Path(task["encoder"])
    config = BertConfig.from_pretrained(
        encoder, num_labels=len(task["labels"]), attn_implementation="sdpa"
    )
    model = BertCnn(config, HeadConfig("max-over-time", padding="include", freeze="none"))
    weights = load_file(encoder / "model.safetensors")
    weights.pop("embeddings.position_ids", None)
    model.bert.load_state_dict(weights)
    return model


def make_optimizer(model, task):
    groups = {}
    for name, parameter in trained_parameters(model).items():
        rate = task["learningRate"] if name.startswith("bert.") else task["headLearningRate"]
        decay = 0.0 if name.endswith(".bias") or "LayerNorm" in name else WEIGHT_DECAY
        groups.setdefault((rate, decay), []).append(parameter)
    settings = [{"params": v, "lr": k[0], "weight_decay": k[1]} for k, v in groups.items()]
    return torch.optim.AdamW(settings, fused=True)


def batches(texts, task, order):
    """Token tensors and the rows' numbers. A batch shorter than the largest kernel would raise."""
    words = tokenizer(Path(task["encoder"]), task["maxLength"])
    for rows in order.split(task["batchSize"]):
        inputs = encode_with(words, [texts[i] for i in rows.tolist()])
        short = max(0, 5 - inputs["input_ids"].shape[1])
        yield {k: torch.nn.functional.pad(v, (0, short)) for k, v in inputs.items()}, rows


def loss_of(logits, labels, task):
    if task["problemType"] == "regression":
        return torch.nn.functional.mse_loss(logits.squeeze(-1), labels.float())
    return torch.nn.functional.cross_entropy(logits, labels)


def train(model, task, autocast):
    texts, labels = read(task["train"])
    optimizer = make_optimizer(model, task)
    parameters = list(trained_parameters(model).values())
    model.train()
    for _ in range(task["epochs"]):
        for inputs, rows in batches(texts, task, torch.randperm(len(texts))):
            optimizer.zero_grad(set_to_none=True)
            with autocast():
                logits = model(**inputs)
            loss_of(logits.float(), labels[rows], task).backward()
            torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
            optimizer.step()


@torch.no_grad()
def evaluate(model, task, autocast):
    texts, labels = read(task["test"])
    model.eval()
    outputs = []
    for inputs, _ in batches(texts, task, torch.arange(len(texts))):
        with autocast():
            outputs.append(model(**inputs).float())
    logits = torch.cat(outputs)
    if task["problemType"] == "regression":
        score = torch.corrcoef(torch.stack([logits.squeeze(-1).double(), labels.double()]))[0, 1]
    else:
        score = (logits.argmax(1) == labels).double().mean()
    return {"score": score.item(), "loss": loss_of(logits, labels, task).item()}


def main(task):
    torch.set_num_threads(task["threads"])
    torch.manual_seed(task["seed"])
    bfloat16 = lambda: torch.autocast("cpu", torch.bfloat16)  # noqa: E731
    autocast = bfloat16 if task["dtype"] == "bfloat16" else contextlib.nullcontext
    model = make_model(task)
    train(model, task, autocast)
    return evaluate(model, task, autocast)


print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
