"""Loads a file as Python does and prints JSON: python.py WAY FILE

What is timed ends with all weights in memory of the process's own, in float32, as a model needs them.
"""

import json
import sys
import time

import torch
from safetensors.torch import load_file


def status(field):
    """A field of /proc/self/status, in bytes."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def own_float32(tensors):
    return {k: v.clone() if v.dtype == torch.float32 else v.float() for k, v in tensors.items()}


def read_and_convert(file, half):
    """The file's bytes in fresh memory, by one thread; float16 is widened by PyTorch."""
    with open(file, "rb", buffering=0) as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        memory = torch.empty(size, dtype=torch.uint8)
        view = memoryview(memory.numpy())
        while len(view) > 0:
            view = view[stream.readinto(view) :]
    return memory[: size // 2 * 2].view(torch.float16).float() if half else memory


def safetensors_load(file, _half):
    return own_float32(load_file(file))


def torch_load_mapped(file, _half):
    return own_float32(torch.load(file, mmap=True, weights_only=True))


def torch_load(file, half):
    tensors = torch.load(file, weights_only=True)
    return own_float32(tensors) if half else tensors


WAYS = {f.__name__: f for f in (read_and_convert, safetensors_load, torch_load_mapped, torch_load)}

way, file = sys.argv[1:]
half = "float16" in file
torch.zeros(1 << 20).half().float()  # the threads are there
before = status("VmRSS")
start = time.perf_counter()
result = WAYS[way](file, half)
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "peak": status("VmHWM") - before}))
