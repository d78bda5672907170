"""The Python prototype as it is: transformers' BertModel and the head, convolving over padding.

Settings: `threads`; `autocast`, for bfloat16; `compile`, for torch.compile.
"""

import sys
from pathlib import Path

import torch
import transformers
from peer import Limits, Peer, answer_with, load_tokenizer, pad, serve

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "test" / "parity"))

from bert_cnn import load_directory  # noqa: E402


class Prototype(Peer):
    def load(self, folder: Path, settings: dict) -> dict:
        torch.set_num_threads(settings["threads"])
        self.model, _ = load_directory(folder, padding="include")
        # The parity check's reference is eager; this is what transformers takes by default.
        self.model.bert.set_attn_implementation("sdpa")
        self.limits = Limits(folder)
        self.tokenize = load_tokenizer(folder, self.limits.most)
        described = {"PyTorch": torch.__version__, "transformers": transformers.__version__}
        described["settings"] = f"{settings['threads']} threads, SDPA"
        self.without_gradients = torch.inference_mode
        if settings["autocast"]:
            # Never left, so that it converts each weight once and not for each batch; in inference
            # mode it would not keep them.
            torch.autocast("cpu", torch.bfloat16).__enter__()
            self.without_gradients = torch.no_grad
            described["settings"] += ", autocast to bfloat16"
        if settings.get("compile"):
            import torch._inductor.config as inductor

            inductor.freezing = True  # weights become constants, packed for oneDNN
            self.model = torch.compile(self.model, dynamic=True)
            described["settings"] += ", torch.compile(dynamic=True) with freezing"
        return described

    def prepare(self, rows):
        ids, mask = pad(rows, self.limits.least)
        return ids, mask, torch.zeros_like(ids)

    def run(self, batch):
        with self.without_gradients():
            return self.model(*batch).float().tolist()


serve(answer_with(Prototype()))
