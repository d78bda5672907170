"""What bertcnn writes is read by PyTorch, and what PyTorch writes by bertcnn."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

import bounds
from bert_cnn import VARIANTS, BertCnn, load_directory
from check_values import MODELS
from native import Native
from report import Report
from texts import encode

TEXTS = ["a good movie", "the plot was not very good, was it?", "bad"]
MAX_LENGTH = 32


def same_logits(what: str, model: BertCnn, texts_of: Path, got: list) -> bounds.Row:
    with torch.no_grad():
        expected = model(**encode(texts_of, TEXTS, MAX_LENGTH))
    return bounds.logits(what, torch.tensor(got), expected)


def equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def written_by_us(native: Native, report: Report, variant: str) -> None:
    source = MODELS / f"tiny-{variant}"
    out = native.scratch / "written"
    out.mkdir()
    options = {"device": "cpu", "problemType": "single_label_classification", "seed": 1}
    got = native.api(
        "write", directory=str(source), options=options, texts=TEXTS, labels=[2, 1, 0], steps=2, out=str(out)
    )
    saved, problem_type = load_directory(out / "saved")
    report.check(f"{variant}: a saved directory passes load_state_dict(strict=True)", True)
    report.check(f"{variant}: its problem type is kept", problem_type == options["problemType"])
    reference = dict(saved.state_dict())
    files = {
        ".pt, weights_only": torch.load(out / "weights.pt", weights_only=True),
        ".pt, mapped": torch.load(out / "weights.pt", weights_only=True, mmap=True),
        ".safetensors": load_file(out / "weights.safetensors"),
    }
    for kind, state in files.items():
        saved.load_state_dict(state, strict=True)
        same = equal(dict(state), reference)
        report.check(f"{variant}: {kind} passes load_state_dict(strict=True), with the same weights", same)
    before = load_file(source / "model.safetensors")
    trained = [name for name in before if not torch.equal(before[name], reference[name])]
    report.check(f"{variant}: the steps before had changed weights", "fc.weight" in trained)
    report.add(variant, [row := same_logits("logits of written files", saved, source, got["logits"])])
    report.table([(variant, [row])])
    shutil.rmtree(out)


def written_by_pytorch(native: Native, report: Report, variant: str) -> None:
    """torch.save of a state dict, whose weights are not those of the directory that is loaded first."""
    source = MODELS / f"tiny-{variant}"
    model, _ = load_directory(source)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.9)
    file = native.scratch / "prototype.pt"
    torch.save(model.state_dict(), file)
    got = native.api("load", directory=str(source), options={"device": "cpu"}, texts=TEXTS, file=str(file))
    report.check(f"{variant}: a .pt of PyTorch loads, every name known", not any(got["report"].values()))
    report.add(variant, [row := same_logits("logits of PyTorch's file", model, source, got["logits"])])
    report.table([(variant, [row])])
    file.unlink()


def check(native: Native, report: Report, _minilm: Path) -> None:
    report.section("files, written here and read there")
    for variant in VARIANTS:
        written_by_us(native, report, variant)
        written_by_pytorch(native, report, variant)
