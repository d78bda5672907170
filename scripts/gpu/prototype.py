"""The Python prototype's arithmetic in plain PyTorch on a card: prototype.py eager|sdpa|compile.

BERT-base and convolutions over padded batches of 256 texts in the order of arrival, in bfloat16, with
random weights: what counts is time. Prints a line of JSON as bertcnn_gpu_check does.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional

HIDDEN, HEADS, LAYERS, INTERMEDIATE, VOCABULARY = 768, 12, 12, 3072, 30522
TEXTS, SHORTEST, LONGEST, BATCH = 1024, 4, 128, 256
NAMES = {"eager": "eager", "sdpa": "SDPA", "compile": "torch.compile"}


class Layer(nn.Module):
    def __init__(self, eager: bool):
        super().__init__()
        self.eager = eager
        self.query, self.key, self.value, self.attended = (nn.Linear(HIDDEN, HIDDEN) for _ in range(4))
        self.up, self.down = nn.Linear(HIDDEN, INTERMEDIATE), nn.Linear(INTERMEDIATE, HIDDEN)
        self.first, self.second = nn.LayerNorm(HIDDEN), nn.LayerNorm(HIDDEN)

    def attend(self, q, k, v, mask):
        if not self.eager:
            return functional.scaled_dot_product_attention(q, k, v, mask)
        scores = q @ k.transpose(2, 3) / (HIDDEN // HEADS) ** 0.5 + mask
        return scores.softmax(-1) @ v

    def forward(self, x, mask):
        heads = lambda y: y.unflatten(-1, (HEADS, -1)).transpose(1, 2)  # noqa: E731
        attended = self.attend(heads(self.query(x)), heads(self.key(x)), heads(self.value(x)), mask)
        x = self.first(x + self.attended(attended.transpose(1, 2).flatten(2)))
        return self.second(x + self.down(functional.gelu(self.up(x))))


class Prototype(nn.Module):
    def __init__(self, eager: bool):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, HIDDEN)
        self.positions = nn.Embedding(512, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN)
        self.layers = nn.ModuleList(Layer(eager) for _ in range(LAYERS))
        self.convs = nn.ModuleList(nn.Conv1d(HIDDEN, 100, k) for k in (3, 4, 5))
        self.fc = nn.Linear(300, 2)

    def forward(self, ids, keys):
        places = torch.arange(ids.size(1), device=ids.device)
        x = self.norm(self.words(ids) + self.positions(places))
        mask = torch.zeros(keys.shape, dtype=x.dtype, device=ids.device)
        mask = mask.masked_fill(~keys, torch.finfo(x.dtype).min)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask)
        x = x.transpose(1, 2)
        return self.fc(torch.cat([functional.relu(conv(x)).amax(2) for conv in self.convs], 1))


def batches():
    torch.manual_seed(1)
    lengths = torch.randint(SHORTEST, LONGEST + 1, (TEXTS,))
    for chosen in lengths.split(BATCH):
        places = torch.arange(int(chosen.max()))
        ids = torch.randint(VOCABULARY, (len(chosen), len(places)))
        yield ids.pin_memory(), (places < chosen[:, None]).pin_memory()


def main(kind: str):
    model = Prototype(kind == "eager").eval().to("cuda", torch.bfloat16)
    if kind == "compile":
        model = torch.compile(model, dynamic=True)
    prepared = list(batches())

    @torch.inference_mode()
    def seconds():
        begin = time.perf_counter()
        for ids, keys in prepared:
            model(ids.cuda(non_blocking=True), keys.cuda(non_blocking=True)).float().cpu()
        return time.perf_counter() - begin

    for _ in range(3):
        seconds()
    median = sorted(seconds() for _ in range(9))[4]
    row = {"row": f"prototype {NAMES[kind]}, bf16, mixed lengths", "value": TEXTS / median}
    print(json.dumps(row | {"bound": 0, "unit": "texts/s", "relation": "at least", "passed": True}))


main(sys.argv[1])
