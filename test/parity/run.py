"""Live comparison of bertcnn with PyTorch and transformers. `npm run test:parity` calls it.

    python test/parity/run.py --tool bertcnn_parity --minilm DIR [--only tiny,minilm,...] [--quick]

Sections run beside each other, each in a process of its own with one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

import check_bfloat16
import check_files
import check_freeze
import check_heads
import check_perturbed
import check_pretraining
import check_state
import check_texts
import check_training
import check_values
import check_windows
from native import Native
from report import Report

# Those that take long come first, so that none is left over at the end.
SECTIONS = {
    "training-minilm": check_training.minilm,
    "freeze-minilm": check_freeze.minilm,
    "mistakes-minilm": check_perturbed.minilm_mistakes,
    "bfloat16-minilm": check_bfloat16.minilm,
    "training": check_training.tiny,
    "minilm": check_values.minilm,
    "freeze": check_freeze.tiny,
    "heads": check_heads.check,
    "windows": check_windows.check,
    "pretraining": check_pretraining.check,
    "tiny": check_values.tiny,
    "perturbed": check_perturbed.changed_models,
    "mistakes": check_perturbed.tiny_mistakes,
    "bfloat16": check_bfloat16.tiny,
    "api": check_training.api,
    "state": check_state.check,
    "files": check_files.check,
    "texts": check_texts.check,
}


def run(name: str, arguments: argparse.Namespace) -> tuple[str, Report]:
    """What a section prints, and what it found."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    report = Report(arguments.quick)
    printed = io.StringIO()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bertcnn-parity-") as scratch, contextlib.redirect_stdout(printed):
        SECTIONS[name](Native(arguments.tool, arguments.node, Path(scratch)), report, arguments.minilm)
    return f"{printed.getvalue()}  ({name}, {time.monotonic() - begin:.0f} s)\n", report


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", type=Path, required=True, help="the program bertcnn_parity")
    parser.add_argument("--minilm", type=Path, required=True, help="the MiniLM encoder's directory")
    parser.add_argument("--node", default="node")
    parser.add_argument("--only", default=",".join(SECTIONS), help="some of: %(default)s")
    parser.add_argument("--quick", action="store_true", help="some of the cases only, of those that take long")
    arguments = parser.parse_args()
    total = Report()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as processes:
        for future in [processes.submit(run, name, arguments) for name in arguments.only.split(",")]:
            printed, report = future.result()
            print(printed, end="", flush=True)
            total.add_report(report)
    return total.finish()


if __name__ == "__main__":
    sys.exit(main())
