"""Takes training steps with the Python prototype and prints JSON: prototype.py FOLDER TASK

transformers' BertModel with SDPA, padded batches, torch.optim.AdamW (fused), clipping; with `autocast`
in bfloat16. With `pad` "alone" the rows are computed one by one and without padding, which is what
outputs are compared with.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "test" / "parity"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "peers"))

from bert_cnn import load_directory, trained_parameters  # noqa: E402
from peer import pad  # noqa: E402


def status(field):
    """A field of /proc/self/status, in bytes."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def load(folder, task):
    alone = task["pad"] == "alone"
    model, _ = load_directory(
        folder, padding="ignore" if alone else "include", freeze=task["freeze"], **task["dropout"]
    )
    model.bert.set_attn_implementation("sdpa")
    return model.train()


def make_optimizer(model):
    groups = {}
    for name, parameter in trained_parameters(model).items():
        rate = 5e-5 if name.startswith("bert.") else 1e-3
        decay = 0.0 if name.endswith(".bias") or "LayerNorm" in name else 0.01
        groups.setdefault((rate, decay), []).append(parameter)
    settings = [{"params": v, "lr": k[0], "weight_decay": k[1]} for k, v in groups.items()]
    return torch.optim.AdamW(settings, fused=True)


def main(folder, task):
    torch.set_num_threads(task["threads"])
    torch.manual_seed(1)
    model = load(folder, task)
    optimizer = make_optimizer(model)
    parameters = list(trained_parameters(model).values())
    autocast = torch.autocast("cpu", torch.bfloat16) if task["autocast"] else None
    seconds, losses = [], []
    for index, batch in enumerate(task["batches"]):
        if index == 1:
            Path("/proc/self/clear_refs").write_text("5")
        ids, mask = pad(batch["texts"], 5)
        labels = torch.tensor(batch["labels"])
        begin = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with autocast or contextlib.nullcontext():
            logits = model(ids, mask, torch.zeros_like(ids)).float()
            loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - begin)
    return {"seconds": seconds[1:], "losses": losses, "peak": status("VmHWM")}


print(json.dumps(main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))))
