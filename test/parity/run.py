"""Live comparison of bertcnn with PyTorch and transformers. `npm run test:parity` calls it.

    python test/parity/run.py --tool bertcnn_parity --minilm DIR [--only tiny,minilm,...] [--quick]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch

import check_bfloat16
import check_files
import check_freeze
import check_perturbed
import check_state
import check_texts
import check_training
import check_values
from native import Native
from report import Report

SECTIONS = {
    "tiny": check_values.tiny,
    "minilm": check_values.minilm,
    "training": check_training.check,
    "freeze": check_freeze.check,
    "bfloat16": check_bfloat16.check,
    "state": check_state.check,
    "perturbed": check_perturbed.check,
    "files": check_files.check,
    "texts": check_texts.check,
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", type=Path, required=True, help="the program bertcnn_parity")
    parser.add_argument("--minilm", type=Path, required=True, help="the MiniLM encoder's directory")
    parser.add_argument("--node", default="node")
    parser.add_argument("--only", default=",".join(SECTIONS), help="some of: %(default)s")
    parser.add_argument("--quick", action="store_true", help="some of the cases only, of those that take long")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    report = Report(arguments.quick)
    with tempfile.TemporaryDirectory(prefix="bertcnn-parity-") as scratch:
        native = Native(arguments.tool, arguments.node, Path(scratch))
        for name in arguments.only.split(","):
            SECTIONS[name](native, report, arguments.minilm)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
