"""Guessing masked tokens beside transformers' BertForMaskedLM, and models that go from one to the other."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import BertForMaskedLM

import bounds
from cases import Case, make_case, ragged_batch
from make_fixtures import TINY_BERT, bert_config, randomize, write_tokenizer
from native import Native
from report import Report

LENGTHS = [1, 9, 4, 23, 40, 12]
MASK = 4  # the mask token's id
TEXTS = ["a good movie", "the plot was not very good", "bad", "like it"]


def masked_batch(config, generator: torch.Generator):
    """A batch, with masks, and the places and ids of the tokens that were there."""
    batch = ragged_batch(LENGTHS, config.vocab_size, config.type_vocab_size, 0, generator)
    batch = {name: tensor[:-2] for name, tensor in batch.items()}  # the last two are no usual rows
    real = batch["attention_mask"].bool()
    chosen = real & (torch.rand(real.shape, generator=generator) < 0.3)
    chosen[1, 2] = True
    labels = torch.where(chosen, batch["input_ids"], -100)
    places = chosen[real].nonzero()[:, 0]
    targets = batch["input_ids"][chosen]
    batch["input_ids"] = torch.where(chosen, torch.tensor(MASK), batch["input_ids"])
    return batch, labels, places, targets


def expected(model: BertForMaskedLM, batch: dict, labels: torch.Tensor) -> dict:
    model.zero_grad()
    loss = model(**batch, labels=labels).loss
    loss.backward()
    gradients = {f"grad.{name}": p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return {"loss": loss.detach().reshape(1), **gradients}


def guess(native: Native, directory: Path, case: Case, batch: dict, places, targets) -> dict:
    files = [native.scratch / name for name in ("case.json", "in.safetensors", "out.safetensors")]
    files[0].write_text(json.dumps(case.manifest()))
    labels = torch.zeros(len(batch["input_ids"]), dtype=torch.int64)
    save_file({**batch, "labels": labels, "places": places, "targets": targets}, files[1])
    native._call([str(native.tool), str(directory), *map(str, files)])
    return load_file(files[2])


def gradients(native: Native, report: Report, model: BertForMaskedLM, directory: Path, generator) -> None:
    case = make_case("masked tokens", directory.name, "single_label_classification", "ignore", "none")
    batch, labels, places, targets = masked_batch(model.config, generator)
    got = guess(native, directory, case, batch, places, targets)
    single, double = (expected(m, batch, labels) for m in (model, copy.deepcopy(model).double()))
    rows = []
    for name, reference in (("float32", single), ("float64", double)):
        rows += [
            bounds.loss(f"loss / {name}", got["loss"], reference["loss"]),
            bounds.worst_tensor(
                f"gradients / {name}", got, reference, "grad.", bounds.gradient_bound(single, double, "grad.")
            ),
        ]
    report.add("masked tokens", rows)
    report.table([("masked tokens", rows)])
    other = {**single, "loss": expected(model, batch, labels.roll(1, dims=1))["loss"]}
    seen = not bounds.loss("", got["loss"], other["loss"]).passed
    report.check("masked tokens: other targets are noticed", seen)


def goes_to_transformers(native: Native, report: Report, directory: Path) -> None:
    out = native.scratch / "pretrained"
    options = {"device": "cpu", "labels": ["a", "b"], "seed": 1}
    native.api("pretrain", directory=str(directory), options=options, texts=TEXTS, steps=2, out=str(out))
    model, info = BertForMaskedLM.from_pretrained(out, output_loading_info=True)
    strangers = {name for name in info["unexpected_keys"] if not name.startswith("bert.pooler.")}
    report.check("transformers finds every weight of a written encoder", not info["missing_keys"] and not strangers)
    config = json.loads((out / "config.json").read_text())
    report.check("its configuration says what it is", config["architectures"] == ["BertForMaskedLM"])
    before, after = (load_file(d / "model.safetensors") for d in (directory, out))
    name = "cls.predictions.transform.dense.weight"
    report.check("which the steps had changed", not torch.equal(before[name], after[name]))
    report.check("and reads it as it was written", torch.equal(dict(model.named_parameters())[name], after[name]))
    shutil.rmtree(out)


def check(native: Native, report: Report, _minilm: Path) -> None:
    report.section("masked tokens beside BertForMaskedLM, a tiny model: largest difference / bound")
    generator = torch.Generator().manual_seed(31)
    directory = native.scratch / "masked"
    model = BertForMaskedLM(bert_config(**(TINY_BERT | {"num_hidden_layers": 3})))
    randomize(model, generator)
    model.tie_weights()
    model.save_pretrained(directory)
    write_tokenizer(directory)
    gradients(native, report, model.train(), directory, generator)
    goes_to_transformers(native, report, directory)
