"""What the Python contenders share: the protocol, batches, padding, tokenization. See README.md.

A contender is a class with `load`, `prepare` and `run`; `serve` answers the benchmark's requests
with it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


class Limits:
    """Tokens that a batch has at least, for the largest kernel, and a text at most."""

    def __init__(self, folder: Path):
        read = lambda name: json.loads((folder / name).read_text())  # noqa: E731
        config = read("config.json")
        self.least = max(config["bert_cnn"]["filter_sizes"])
        self.most = config["max_position_embeddings"]
        if (folder / "tokenizer_config.json").exists():
            told = read("tokenizer_config.json").get("model_max_length", self.most)
            self.most = min(self.most, int(told))


def pad(rows, least: int):
    """Ids of several texts as a padded batch and its mask, both [rows, length] of int64."""
    import torch

    length = max(least, max(map(len, rows)))
    ids = torch.zeros(len(rows), length, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


def load_tokenizer(folder: Path, most: int):
    """A function from texts to rows of at most so many ids, by Hugging Face's tokenizer with all
    its threads; None where the model has no vocabulary."""
    file = folder / "tokenizer.json"
    if not file.exists():
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    return lambda texts: [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]


def batches_of(lengths, mode: str, size: int) -> list[list[int]]:
    """Indices of the rows of each batch: by "arrival", "sorted" by length (longest first), or
    "each" and "alone" one row a batch."""
    order = list(range(len(lengths)))
    if mode == "sorted":
        order.sort(key=lambda i: -lengths[i])
    step = size if mode in ("arrival", "sorted") else 1
    return [order[i : i + step] for i in range(0, len(order), step)]


class Peer:
    """A contender. `padding` says what a padded batch's logits are: "convolved" over pad positions,
    as the prototype's are, or "ignored": those of each row alone."""

    padding = "convolved"
    tokenize = None

    def load(self, folder: Path, settings: dict) -> dict:
        """Loads the model and returns what is printed: version and settings."""
        raise NotImplementedError

    def prepare(self, rows):
        """A batch of id lists as this system's tensors; not timed where ids are handed over."""
        raise NotImplementedError

    def run(self, batch) -> list[list[float]]:
        """The logits of a prepared batch."""
        raise NotImplementedError

    def run_all(self, batches) -> list[list[list[float]]]:
        """The logits of many batches, which may be computed at the same time."""
        return [self.run(batch) for batch in batches]


def feed(peer: Peer, workload: dict, mode: str):
    """Seconds and logits of one pass over a workload."""
    texts = workload["texts"]
    are_ids = not isinstance(texts[0], str)
    begin = time.perf_counter()
    rows = texts if are_ids else peer.tokenize(texts)
    order = batches_of([len(row) for row in rows], mode, workload["batch"])
    batches = [peer.prepare([rows[i] for i in chosen]) for chosen in order]
    if are_ids:
        begin = time.perf_counter()
    if mode == "alone":
        results = [peer.run(batch) for batch in batches]
    else:
        results = peer.run_all(batches)
    seconds = time.perf_counter() - begin
    logits: list = [None] * len(texts)
    for chosen, rows_of in zip(order, results):
        for i, values in zip(chosen, rows_of):
            logits[i] = values
    return seconds, logits


def answer_with(peer: Peer):
    """The function that answers one request."""
    workloads: dict[str, dict] = {}

    def answer(request: dict) -> dict:
        if request["do"] == "load":
            given = json.loads(Path(request["workloads"]).read_text())
            workloads.update({workload["name"]: workload for workload in given})
            described = peer.load(Path(request["folder"]), request["settings"])
            return {"described": described, "padding": peer.padding}
        seconds, logits = feed(peer, workloads[request["workload"]], request["mode"])
        return {"seconds": seconds} if request["do"] == "time" else {"logits": logits}

    return answer


def serve(answer) -> None:
    """Answers JSON lines on standard input until it ends. What libraries print goes to standard
    error."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # whatever it is, the benchmark names it and goes on
            first = str(error).strip().split("\n")[0]
            reply = {"error": f"{type(error).__name__}: {first[:300]}"}
        print(json.dumps(reply), file=replies, flush=True)
