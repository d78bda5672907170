"""Files that are refused: what for, and with what words."""

from __future__ import annotations

import json
import os
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable
from unittest import mock

import torch
from safetensors.torch import save_file

from formats import to_legacy, to_zip


class Whole(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)


# Made without a class statement: the old format would store the source of a class with it.
Sourceless = type("Sourceless", (torch.nn.Module,), {})


class Runs:
    """A pickle of it calls a function when Python loads it."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@dataclass
class Refusal:
    what: str
    file: str
    write: Callable[[Path], None]
    code: str
    says: tuple[str, ...]


def zipped(value) -> Callable[[Path], None]:
    return lambda file: to_zip(value, file)


def legacy(value) -> Callable[[Path], None]:
    return lambda file: to_legacy(value, file)


def raw(data: bytes) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(data)


def torchscript(file: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), file)


def big_endian(save) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        with mock.patch.object(sys, "byteorder", "big"):
            save({"a": torch.zeros(2)}, file)

    return write


def cut(save, share: float) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        save({"a": torch.zeros(1000)}, file)
        os.truncate(file, int(file.stat().st_size * share))

    return write


def overlapping(file: Path) -> None:
    header = {name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for name in ("a", "b")}
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))


def huge_header(file: Path) -> None:
    file.write_bytes((2**62).to_bytes(8, "little") + b"{" + bytes(100))


def absurd_shape(file: Path) -> None:
    header = {"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 8]}}
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))


def refusals(sentinel: Path) -> list[Refusal]:
    """`sentinel` is what the commands in some pickles would make."""
    form, bin_, safetensors = "ERR_CHECKPOINT_FORMAT", "pytorch_model.bin", "model.safetensors"
    command = Runs(os.system, f"touch '{sentinel}'")
    program = Runs(eval, f"open({str(sentinel)!r}, 'w').close()")
    quantized = torch.quantize_per_tensor(torch.zeros(2), 0.5, 0, torch.qint8)
    advice = "torch.save(model.state_dict(), file)"
    float8 = torch.zeros(2, dtype=torch.float8_e4m3fn)
    lfs_pointer = b"version https://git-lfs.github.com/spec/v1\n"
    missing = "ERR_FILE_NOT_FOUND"
    return [
        Refusal("a whole module", bin_, zipped(Whole()), form, ("refusals.Whole", advice)),
        Refusal("a whole module, old format", bin_, legacy(Sourceless()), form, ("refusals.Sourceless", advice)),
        Refusal("os.system", bin_, zipped({"a": command}), form, ("posix.system",)),
        Refusal("os.system, old format", bin_, legacy({"a": command}), form, ("posix.system",)),
        Refusal("eval", bin_, zipped({"a": program}), form, ("builtin", "eval")),
        Refusal("os.system, a plain pickle", bin_, raw(pickle.dumps({"a": command})), form, ("plain Python pickle",)),
        Refusal("big-endian", bin_, big_endian(to_zip), form, ('byte order "big"', "little-endian")),
        Refusal("big-endian, old format", bin_, big_endian(to_legacy), form, ("big-endian",)),
        Refusal("quantized", bin_, zipped({"a": quantized}), form, ("_rebuild_qtensor",)),
        Refusal("float8", safetensors, lambda f: save_file({"a": float8}, f), form, ("F8_E4M3",)),
        Refusal("float8, zip", bin_, zipped({"a": float8}), form, ("_rebuild_tensor_v3",)),
        Refusal("complex", bin_, zipped({"a": torch.zeros(2, dtype=torch.complex64)}), form, ("Complex",)),
        Refusal("sparse", bin_, zipped({"a": torch.eye(2).to_sparse()}), form, ("_rebuild_sparse",)),
        Refusal("expanded", bin_, zipped({"a": torch.zeros(1).expand(9)}), form, (".contiguous()",)),
        Refusal("TorchScript", bin_, torchscript, form, ("TorchScript",)),
        Refusal("no tensors", bin_, zipped({"epoch": 1}), form, ("holds no tensors", '"epoch"')),
        Refusal("other names", bin_, zipped({"a": torch.zeros(2)}), "ERR_CHECKPOINT_MISMATCH", ("missing",)),
        Refusal("cut off, safetensors", safetensors, cut(save_file, 0.6), form, ("cut off",)),
        Refusal("cut off, zip", bin_, cut(to_zip, 0.6), form, ("cut off",)),
        Refusal("cut off, old format", bin_, cut(to_legacy, 0.6), form, ("beyond the file's end",)),
        Refusal("overlapping tensors", safetensors, overlapping, form, ("overlap",)),
        Refusal("an endless header", safetensors, huge_header, form, ("header claims",)),
        Refusal("an absurd shape", safetensors, absurd_shape, form, ("a shape that is possible",)),
        Refusal("an empty file", safetensors, raw(b""), form, ("empty",)),
        Refusal("a Git LFS pointer", safetensors, raw(lfs_pointer), form, ("git lfs pull",)),
        Refusal("Keras", "tf_model.h5", raw(b"\x89HDF\r\n\x1a\n"), missing, ("tf_model.h5", "convert")),
        Refusal("TensorFlow 1", "bert_model.ckpt.index", raw(b"x"), missing, ("ckpt.index", "convert")),
    ]
