"""Deletes the tokens that an attribution names first and looks how far the output falls: deletion.py TASK, and prints JSON.

Attributions of a token: what its hidden state adds (from bertcnn's `explain`), integrated gradients of its word embedding
(Sundararajan et al., 2017; 32 steps, from the pad token's embedding), gradient times embedding, and chance.
"""

import json
import math
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "test" / "parity"))

from bert_cnn import load_directory  # noqa: E402
from texts import encode  # noqa: E402

STEPS = 32
SHARES = (0.1, 0.2, 0.3, 0.5)  # of the tokens that are deleted
MAX_LENGTH = 128


def output(model, embeddings):
    """[rows]. What the model says of word embeddings `[rows, tokens, hidden]`."""
    hidden = model.bert(inputs_embeds=embeddings).last_hidden_state
    return model.fc(model.pooled_alone(hidden)).squeeze(-1)


def gradients(model, embeddings):
    embeddings = embeddings.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(output(model, embeddings).sum(), embeddings)
    return gradient


def attributions(model, embeddings, pad, contributions, generator):
    """By token, each `[tokens]`."""
    baseline = embeddings.clone()
    baseline[1:-1] = pad  # [CLS] and [SEP] stay
    share = (torch.arange(STEPS) + 0.5) / STEPS
    path = baseline + share[:, None, None] * (embeddings - baseline)
    integrated = (gradients(model, path).mean(0) * (embeddings - baseline)).sum(1)
    product = (gradients(model, embeddings[None])[0] * embeddings).sum(1)
    return {
        "explain": torch.tensor(contributions),
        "integrated gradients": integrated,
        "gradient x embedding": product,
        "chance": torch.rand(len(embeddings), generator=generator),
    }


@torch.no_grad()
def falls(model, embeddings, attribution, value):
    """How much nearer to nothing the output is without the shares of tokens that speak most for it."""
    sign = math.copysign(1, value)
    order = (sign * attribution[1:-1]).argsort(descending=True) + 1
    result = []
    for share in SHARES:
        deleted = order[: math.ceil(share * len(order))]
        kept = torch.ones(len(embeddings), dtype=torch.bool)
        kept[deleted] = False
        result.append(sign * (value - output(model, embeddings[kept][None]).item()))
    return result


def main(task):
    torch.set_num_threads(task["threads"])
    directory = Path(task["directory"])
    model, _ = load_directory(directory)
    words = model.bert.embeddings.word_embeddings
    pad = words.weight[0].detach()
    generator = torch.Generator().manual_seed(task["seed"])
    all_falls = {}
    for row in task["rows"]:
        ids = encode(directory, [row["text"]], MAX_LENGTH)["input_ids"][0]
        if len(ids) < 8:
            continue
        embeddings = words(ids).detach()
        value = output(model, embeddings[None]).item()
        assert abs(value - row["logit"]) < 1e-3, (value, row["logit"])
        for name, attribution in attributions(model, embeddings, pad, row["contributions"], generator).items():
            all_falls.setdefault(name, []).append(falls(model, embeddings, attribution, value))
    means = {name: torch.tensor(rows).mean(0).tolist() for name, rows in all_falls.items()}
    errors = {name: (torch.tensor(rows).std(0) / math.sqrt(len(rows))).tolist() for name, rows in all_falls.items()}
    return {"texts": len(all_falls["explain"]), "shares": SHARES, "means": means, "errors": errors}


print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
