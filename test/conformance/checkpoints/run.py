"""Every format x type x layout of a checkpoint, loaded by bertcnn and compared with PyTorch.

`npm run conformance:checkpoints` calls it. Every format is also written with one weight changed, which the comparison
has to notice.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "parity"))

import bounds  # noqa: E402
from formats import DIRECTORY, FILE, holds_nested, holds_views, to_safetensors  # noqa: E402
from models import (  # noqa: E402
    DTYPES,
    LABELS,
    STORAGES,
    SUBJECTS,
    Subject,
    expected_logits,
    head_of,
    make_model,
    rounded,
)
from refusals import refusals  # noqa: E402

PLANTED = "bert.encoder.layer.1.output.LayerNorm.bias"


@dataclass
class Case:
    subject: Subject
    format: str
    layout: str
    dtype: str
    planted: bool
    expected: torch.Tensor
    job: dict


class Writer:
    """Writes the cases of one subject."""

    def __init__(self, subject: Subject, scratch: Path, batch: dict, generator: torch.Generator):
        self.subject, self.scratch, self.batch = subject, scratch, batch
        self.model, self.state = make_model(subject.variant, generator)
        self.other, _ = make_model(subject.variant, generator)
        self.expected = {
            name: expected_logits(self.model, self.state, dtype, batch) for name, dtype in DTYPES.items()
        }

    def cases(self) -> list[Case]:
        formats = [*DIRECTORY, *(FILE if self.subject.is_prototype else [])]
        cases = [
            self.write(format_name, layout, dtype, names, lambda state: state)
            for format_name in formats
            for layout, names in self.subject.names.items()
            for dtype in DTYPES
        ]
        names = next(iter(self.subject.names.values()))
        for format_name in formats:
            for layout, lay in STORAGES.items():
                if holds_views(format_name) and (holds_nested(format_name) or "training" not in layout):
                    if format_name in FILE and layout == "tied":
                        continue  # loadStateDict is strict: it refuses the second name
                    cases += [self.write(format_name, layout, dtype, names, lay) for dtype in DTYPES]
            cases.append(self.write(format_name, "one weight changed", "float32", names, lambda s: s, planted=True))
        return cases

    def write(self, format_name, layout, dtype, names, lay, planted=False) -> Case:
        state = dict(self.state)
        if planted:
            state[PLANTED] = state[PLANTED].clone()
            state[PLANTED][3] += 1e-3
        state = lay(rounded(names(state), DTYPES[dtype]))
        folder = self.scratch / f"{len(list(self.scratch.iterdir()))}"
        folder.mkdir()
        files = []
        if format_name in FILE:
            save, name = FILE[format_name]
            save(state, folder / name)
            to_safetensors(self.other.state_dict(), folder / "model.safetensors")
            files.append({"path": str(folder / name), "strict": True})
        else:
            DIRECTORY[format_name](state, folder)
        if not self.subject.is_prototype:
            head = folder / "head.safetensors"
            to_safetensors(rounded(head_of(self.state), DTYPES[dtype]), head)
            files.append({"path": str(head), "strict": False})
        write_config(folder, self.model, self.subject.is_prototype)
        options = {"device": "cpu", "threads": 1, "seed": 1}
        if not self.subject.is_prototype:
            head = self.model.head
            options |= {"variant": head.variant, "filterSizes": list(head.filter_sizes)}
            options |= {"numFilters": head.num_filters, "labels": LABELS}
        ids = self.batch["input_ids"].tolist()
        job = {"directory": str(folder), "options": options, "files": files, "ids": ids}
        return Case(self.subject, format_name, layout, dtype, planted, self.expected[dtype], job)


def write_config(folder: Path, model, has_head: bool) -> None:
    config = model.bert.config.to_dict()
    if has_head:
        config["id2label"] = {str(i): label for i, label in enumerate(LABELS)}
        config["bert_cnn"] = model.head.section()
    (folder / "config.json").write_text(json.dumps(config))


def batch_of(generator: torch.Generator) -> dict:
    """Rows of several lengths, padded; some shorter than the kernels."""
    lengths = torch.tensor([1, 2, 5, 9, 17])
    mask = (torch.arange(17)[None] < lengths[:, None]).long()
    ids = torch.randint(1, 61, mask.shape, generator=generator) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}


def predict(node: str, jobs: list[dict]) -> list[dict]:
    script = str(HERE / "predict.mjs")
    done = subprocess.run([node, script], input=json.dumps(jobs), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"predict.mjs failed ({done.returncode}): {done.stderr.strip()}")
    return json.loads(done.stdout)


class Table:
    """A line a subject, format and layout; a column a type."""

    def __init__(self):
        self.lines: dict[tuple, dict[str, list[str]]] = {}
        self.shares: dict[tuple, float] = {}
        self.failures: list[str] = []
        self.counts: Counter = Counter()

    def add(self, case: Case, result: dict) -> None:
        name = f"{case.subject.name}, {case.format}, {case.layout}, {case.dtype}"
        if "logits" not in result:
            self.fail(case, f"{name}: {result['code']}: {result['message']}")
            return
        row = bounds.logits("logits", torch.tensor(result["logits"]), case.expected.flatten())
        if case.planted == row.passed:
            what = "a changed weight was not noticed" if case.planted else f"{row.difference:.1e} {row.where}"
            self.fail(case, f"{name}: {what}")
            return
        self.counts["noticed" if case.planted else "equal"] += 1
        self.put(case, "noticed" if case.planted else row.difference)

    def fail(self, case: Case, message: str) -> None:
        self.failures.append(message)
        self.put(case, "FAILED")

    def put(self, case: Case, cell) -> None:
        kind = "prototypes" if case.subject.is_prototype else case.subject.name
        self.lines.setdefault((kind, case.layout, case.format), {}).setdefault(case.dtype, []).append(cell)

    def print(self) -> None:
        print(f"{'':<64}" + "".join(f"{name:>10}" for name in DTYPES))
        for (kind, layout, format_name), cells in self.lines.items():
            label = f"{kind:<11} {layout:<24} {format_name}"
            print(f"{label:<64}" + "".join(f"{merged(cells.get(name, [])):>10}" for name in DTYPES))


def merged(cells: list) -> str:
    """The worst of the variants."""
    words = [cell for cell in cells if isinstance(cell, str)]
    if words or not cells:
        return "FAILED" if "FAILED" in words else next(iter(words), "")
    return f"{max(cells):.1e}"


def check_formats(node: str, scratch: Path, table: Table, plant: bool) -> None:
    generator = torch.Generator().manual_seed(20261124)
    batch = batch_of(generator)
    cases = [case for subject in SUBJECTS for case in Writer(subject, scratch, batch, generator).cases()]
    for case, result in zip(cases, predict(node, [case.job for case in cases]), strict=True):
        case.planted = case.planted and not plant
        table.add(case, result)


def check_refusals(node: str, scratch: Path, table: Table) -> None:
    sentinel = scratch / "a command ran"
    config, _ = make_model("frozen", torch.Generator().manual_seed(1))
    jobs, wanted = [], refusals(sentinel)
    for number, refusal in enumerate(wanted):
        folder = scratch / f"refused-{number}"
        folder.mkdir()
        refusal.write(folder / refusal.file)
        write_config(folder, config, has_head=False)
        jobs.append({"directory": str(folder), "options": {"device": "cpu"}, "files": [], "ids": [[1]]})
    print()
    for job, refusal, result in zip(jobs, wanted, predict(node, jobs), strict=True):
        code, message = result.get("code"), result.get("message", "")
        passed = code == refusal.code and all(part in message for part in refusal.says)
        shown = message.replace(job["directory"] + "/", "").replace(job["directory"], "DIR").split("\n")[0]
        print(f"{'refused' if passed else 'FAILED '} {refusal.what}\n        {code}: {shown}")
        table.counts["refused"] += passed
        if not passed:
            table.failures.append(f"{refusal.what}: expected {refusal.code} with {refusal.says}, got {result}")
    if sentinel.exists():
        table.failures.append("a command in a pickle ran")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--node", default="node")
    parser.add_argument("--plant", action="store_true", help="take the changed files for good: the run has to fail")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    table = Table()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "safetensors"))
    print(f"{packages}; largest differences of logits, within 1e-5 + 1e-5 * |logit|\n")
    with tempfile.TemporaryDirectory(prefix="bertcnn-conformance-") as scratch:
        check_formats(arguments.node, Path(scratch), table, arguments.plant)
        table.print()
        check_refusals(arguments.node, Path(scratch), table)
    print()
    for failure in table.failures:
        print(f"FAILED {failure}")
    counts = table.counts
    print(
        f"{counts['equal']} loaded with PyTorch's logits, {counts['noticed']} changed weights noticed, "
        f"{counts['refused']} refused, {len(table.failures)} failed"
    )
    return 1 if table.failures else 0


if __name__ == "__main__":
    sys.exit(main())
