"""Runs bertcnn: its C++ classes by the tool `bertcnn_parity`, its JavaScript API by api.mjs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from cases import Case


class Native:
    def __init__(self, tool: Path, node: str, scratch: Path):
        self.tool, self.node, self.scratch = tool, node, scratch

    def run(self, directory: Path, case: Case, batch: dict, labels: torch.Tensor) -> dict:
        """Logits, loss, every gradient, losses and weights along the steps; and `logits_alone`, each row
        predicted by itself, where padding is ignored."""
        files = [self.scratch / name for name in ("case.json", "in.safetensors", "out.safetensors")]
        files[0].write_text(json.dumps(case.manifest()))
        save_file({**batch, "labels": labels}, files[1])
        self._call([str(self.tool), str(directory), *map(str, files)])
        result = load_file(files[2])
        files[2].unlink()
        return result

    def api(self, job: str, **details) -> dict:
        """Runs a job of api.mjs."""
        script = Path(__file__).with_name("api.mjs")
        return json.loads(self._call([self.node, str(script)], json.dumps({"job": job} | details)))

    @staticmethod
    def _call(command: list[str], text: str = "") -> str:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stderr.strip()}")
        return done.stdout
