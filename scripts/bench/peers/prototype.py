"""The Python prototype as it is: transformers' BertModel and the head, convolving over padding.

Settings: `threads`; `autocast`, for bfloat16; `compile`, for torch.compile.
"""

import sys
from pathlib import Path

import torch
import transformers
from peer import LEAST_TOKENS, Peer, answer_with, load_tokenizer, pad, serve

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "test" / "parity"))

from bert_cnn import load_directory  # noqa: E402


class Prototype(Peer):
    def load(self, folder: Path, settings: dict) -> dict:
        torch.set_num_threads(settings["threads"])
        self.model, _ = load_directory(folder, padding="include")
        # The parity check's reference is eager; this is what transformers takes by default.
        self.model.bert.set_attn_implementation("sdpa")
        self.autocast = settings.get("autocast", False)
        positions = self.model.bert.config.max_position_embeddings
        if (folder / "tokenizer.json").exists():
            self.tokenize = load_tokenizer(folder, positions)
        described = {"PyTorch": torch.__version__, "transformers": transformers.__version__}
        described["settings"] = f"{settings['threads']} threads, SDPA, inference mode"
        if self.autocast:
            described["settings"] += ", autocast to bfloat16"
        if settings.get("compile"):
            import torch._inductor.config as inductor

            inductor.freezing = True  # weights become constants, packed for oneDNN
            self.model = torch.compile(self.model, dynamic=True)
            described["settings"] += ", torch.compile(dynamic=True) with freezing"
        return described

    def prepare(self, rows):
        ids, mask = pad(rows, LEAST_TOKENS)
        return ids, mask, torch.zeros_like(ids)

    def run(self, batch):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            return self.model(*batch).float().tolist()

    def run_all(self, batches):
        # One context around all, so that autocast converts each weight once.
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            return super().run_all(batches)


serve(answer_with(Prototype()))
