"""Makes the files that are loaded: a model of BERT-base's size with random weights, in several formats.

    python files.py FOLDER

Each file has a folder of its own, with its config.json.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel


def save_legacy(state, file):
    torch.save(state, file, _use_new_zipfile_serialization=False)


def save_safetensors(state, file):
    save_file(state, file, metadata={"format": "pt"})


def main() -> None:
    torch.manual_seed(20261124)
    config = BertConfig()  # whose defaults are BERT-base's
    state = dict(BertModel(config).state_dict())
    transposed = {name: tensor.t().contiguous().t() if tensor.dim() == 2 else tensor for name, tensor in state.items()}
    half = {name: tensor.half() for name, tensor in state.items()}
    for name, tensors, save, file in [
        ("safetensors", state, save_safetensors, "model.safetensors"),
        ("safetensors-float16", half, save_safetensors, "model.safetensors"),
        ("zip", state, torch.save, "pytorch_model.bin"),
        ("legacy", state, save_legacy, "pytorch_model.bin"),
        ("zip-transposed", transposed, torch.save, "pytorch_model.bin"),
    ]:
        folder = Path(sys.argv[1]) / name
        folder.mkdir(parents=True)
        save(tensors, folder / file)
        (folder / "config.json").write_text(json.dumps(config.to_dict()))


if __name__ == "__main__":
    main()
