"""CTranslate2's encoder with the head in PyTorch, which has no counterpart there.

Settings: `computeType`; `workers` batches at the same time, each with `threads`.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ctranslate2
import numpy
import torch
from peer import Limits, Peer, answer_with, load_tokenizer, serve
from safetensors.torch import load_file
from torch.nn import functional as F


class Head:
    """Convolutions, ReLU, max over time and the linear layer, over real tokens only."""

    def __init__(self, folder: Path):
        state = load_file(folder / "model.safetensors")
        sizes = json.loads((folder / "config.json").read_text())["bert_cnn"]["filter_sizes"]
        names = ["conv"] if "conv.weight" in state else [f"convs.{i}" for i in range(len(sizes))]
        self.convolutions = [(state[f"{n}.weight"], state[f"{n}.bias"]) for n in names]
        self.weight, self.bias = state["fc.weight"], state["fc.bias"]
        self.longest = max(sizes)

    def __call__(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """[rows, length, hidden], [rows, length] -> [rows, labels]"""
        short = max(0, self.longest - hidden.shape[1])
        signal = F.pad(hidden.transpose(1, 2), (0, short))
        mask = F.pad(mask, (0, short))
        pooled = []
        for weight, bias in self.convolutions:
            # A window counts where its last token is real; the first one always does.
            counts = mask[:, weight.shape[2] - 1 :].clone()
            counts[:, 0] = 1
            features = F.relu(F.conv1d(signal, weight, bias)) * counts[:, None]
            pooled.append(features.amax(dim=2))
        return F.linear(torch.cat(pooled, dim=1), self.weight, self.bias)


class CTranslate2(Peer):
    padding = "ignored"

    def load(self, folder: Path, settings: dict) -> dict:
        workers, threads = settings["workers"], settings["threads"]
        torch.set_num_threads(threads)
        self.encoder = ctranslate2.Encoder(
            settings["converted"],
            compute_type=settings["computeType"],
            inter_threads=workers,
            intra_threads=threads,
        )
        self.head = Head(folder)
        self.pool = ThreadPoolExecutor(workers) if workers > 1 else None
        self.tokenize = load_tokenizer(folder, Limits(folder).most)
        return {
            "CTranslate2": ctranslate2.__version__,
            "settings": f"compute type {settings['computeType']}, inter_threads {workers}, "
            f"intra_threads {threads}; the head in PyTorch",
        }

    def prepare(self, rows):
        length = max(map(len, rows))
        ids = numpy.zeros((len(rows), length), dtype=numpy.int32)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        lengths = numpy.array([len(row) for row in rows], dtype=numpy.int32)
        mask = torch.from_numpy(numpy.arange(length)[None] < lengths[:, None]).float()
        view = ctranslate2.StorageView.from_array
        # The arrays are kept too: the views refer to their memory.
        return view(ids), view(lengths), mask, ids, lengths

    def run(self, batch):
        ids, lengths, mask, *_ = batch
        output = self.encoder.forward_batch(ids, lengths).last_hidden_state
        with torch.inference_mode():
            return self.head(torch.from_numpy(numpy.asarray(output)), mask).tolist()

    def run_all(self, batches):
        return list(self.pool.map(self.run, batches)) if self.pool else super().run_all(batches)


serve(answer_with(CTranslate2()))
