"""The fastest matrix product of this machine at a BERT's shapes, by what PyTorch offers.

A request names a precision, `rows` and `shapes`, pairs of inputs and outputs of a linear layer. The
reply has the FLOP/s of each way at each shape, in several short blocks: the median of them.
"""

import statistics
import time

import torch
from peer import serve

BLOCKS = 5
BLOCK_SECONDS = 0.06


def float_ways(x, weight, bias):
    """Linear layers in x's precision: MKL's or oneDNN's plain ones, and with weights packed
    beforehand."""
    rows = x.shape[0]
    ways = {"plain": lambda: torch.nn.functional.linear(x, weight, bias)}
    if x.dtype == torch.float32 and torch.backends.mkl.is_available():
        packed = torch.ops.mkl._mkl_reorder_linear_weight(weight, rows)
        ways["MKL, packed"] = lambda: torch.ops.mkl._mkl_linear(x, packed, weight, bias, rows)
    if torch.backends.mkldnn.is_available():
        onednn = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
        apply = torch.ops.mkldnn._linear_pointwise
        ways["oneDNN, packed"] = lambda: apply(x, onednn, bias, "none", [], "")
    return ways


def int8_ways(rows, inputs, outputs):
    """oneDNN's product of activations in 8 bits without sign and weights with one scale an
    output."""
    ops = torch.ops.onednn
    x = torch.randint(0, 256, (rows, inputs), dtype=torch.uint8)
    weight = torch.randint(-127, 128, (outputs, inputs), dtype=torch.int8)
    packed = ops.qlinear_prepack(weight, [rows, inputs])
    scales, zeros = torch.full((outputs,), 0.01), torch.zeros(outputs, dtype=torch.int64)
    bias = torch.randn(outputs)

    def way(kind):
        rest = (scales, zeros, bias, 1.0, 0, kind, "none", [], "")
        return lambda: ops.qlinear_pointwise(x, 0.02, 128, packed, *rest)

    ways = {"oneDNN to float32": way(torch.float32)}
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():  # else it takes minutes
        ways["oneDNN to bfloat16"] = way(torch.bfloat16)
    return ways


def ways_of(precision, rows, inputs, outputs):
    if precision == "int8":
        return int8_ways(rows, inputs, outputs)
    kind = getattr(torch, precision)
    sizes = ((rows, inputs), (outputs, inputs), (outputs,))
    return float_ways(*(torch.randn(size).to(kind) for size in sizes))


def block(way) -> float:
    """Calls a second, over one block."""
    begin, calls = time.perf_counter(), 0
    while time.perf_counter() - begin < BLOCK_SECONDS:
        way()
        calls += 1
    return calls / (time.perf_counter() - begin)


made: dict = {}


@torch.inference_mode()
def measure(precision, rows, inputs, outputs) -> dict:
    key = (precision, rows, inputs, outputs)
    if key not in made:
        made[key] = ways_of(*key)
        for way in made[key].values():
            block(way)
    flops = 2 * rows * inputs * outputs
    blocks = {name: [] for name in made[key]}
    for _ in range(BLOCKS):  # in turns, as the contenders
        for name, way in made[key].items():
            blocks[name].append(flops * block(way))
    return {name: statistics.median(rates) for name, rates in blocks.items()}


def answer(request: dict) -> dict:
    if request["do"] == "load":
        torch.set_num_threads(request["settings"]["threads"])
        return {"described": {"PyTorch": torch.__version__, "settings": "the fastest of its ways"}}
    shapes = [measure(request["precision"], request["rows"], *shape) for shape in request["shapes"]]
    return {"rates": shapes}


serve(answer)
