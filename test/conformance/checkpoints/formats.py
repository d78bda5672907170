"""Writers of every format, each into a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from models import place
from safetensors.torch import save_file


def to_safetensors(state: dict, file: Path) -> None:
    """Drops the second name of a tied tensor, as transformers does."""
    names: dict[tuple, str] = {}
    unique = {k: v.contiguous() for k, v in state.items() if names.setdefault(place(v), k) == k}
    save_file(unique, file, metadata={"format": "pt"})


def to_zip(state: dict, file: Path) -> None:
    torch.save(state, file)


def to_legacy(state: dict, file: Path) -> None:
    torch.save(state, file, _use_new_zipfile_serialization=False)


def write_shards(state: dict, folder: Path, stem: str, ending: str, save, shards: int = 3) -> None:
    names = list(state)
    weight_map = {}
    for shard in range(shards):
        file = f"{stem}-{shard + 1:05}-of-{shards:05}{ending}"
        part = {name: state[name] for name in names[shard::shards]}
        save(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    if save is to_safetensors:  # which may have dropped some
        kept = {name for file in set(weight_map.values()) for name in names_in(folder / file)}
        weight_map = {name: file for name, file in weight_map.items() if name in kept}
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / f"{stem}{ending}.index.json").write_text(json.dumps(index))


def names_in(file: Path) -> list[str]:
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return list(json.loads(stream.read(length)))


# Of a directory that fromPretrained reads.
DIRECTORY = {
    "safetensors": lambda state, folder: to_safetensors(state, folder / "model.safetensors"),
    "safetensors, sharded": lambda state, folder: write_shards(
        state, folder, "model", ".safetensors", to_safetensors
    ),
    "bin, zip": lambda state, folder: to_zip(state, folder / "pytorch_model.bin"),
    "bin, zip, sharded": lambda state, folder: write_shards(state, folder, "pytorch_model", ".bin", to_zip),
    "bin, legacy": lambda state, folder: to_legacy(state, folder / "pytorch_model.bin"),
    "bin, legacy, sharded": lambda state, folder: write_shards(
        state, folder, "pytorch_model", ".bin", to_legacy
    ),
}
# Of a file that loadStateDict reads, and its name.
FILE = {
    "file, safetensors": (to_safetensors, "weights.safetensors"),
    "file, pt, zip": (to_zip, "weights.pt"),
    "file, pt, legacy": (to_legacy, "weights.pt"),
}


def holds_views(name: str) -> bool:
    """Whether the format has storages, which tensors share or lie in with strides."""
    return "safetensors" not in name


def holds_nested(name: str) -> bool:
    return holds_views(name) and "sharded" not in name
