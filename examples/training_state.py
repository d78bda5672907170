"""Goes on in PyTorch with a run that bertcnn's `saveTrainingState` wrote.

    state = TrainingState("run.safetensors")
    model.load_state_dict(state.weights)                   # the prototype's names
    optimizer = torch.optim.AdamW(groups, lr=state.options["learningRate"], ...)
    optimizer.load_state_dict(state.optimizer_state_dict(optimizer, model))
    state.set_gradients(model)                             # where some are accumulated
"""

from __future__ import annotations

import json

import torch
from safetensors import safe_open


class TrainingState:
    def __init__(self, file: str):
        self.weights: dict[str, torch.Tensor] = {}
        self.gradients: dict[str, torch.Tensor] = {}
        self.memory: dict[str, dict[str, torch.Tensor]] = {}  # {"fc.bias": {"exp_avg": ...}}
        with safe_open(file, "pt") as opened:
            run = json.loads(opened.metadata()["training"])
            for name in opened.keys():
                self._put(name, opened.get_tensor(name))
        self.step, self.batches, self.options = run["step"], run["batches"], run["options"]
        self.freeze = run["config"]["bert_cnn"]["freeze"]

    def _put(self, name: str, tensor: torch.Tensor) -> None:
        if name.startswith("optimizer."):
            _, kind, parameter = name.split(".", 2)
            self.memory.setdefault(parameter, {})[kind] = tensor
        elif name.startswith("gradient."):
            self.gradients[name.removeprefix("gradient.")] = tensor
        else:
            self.weights[name] = tensor

    def optimizer_state_dict(self, optimizer: torch.optim.Optimizer, model: torch.nn.Module) -> dict:
        """For `optimizer.load_state_dict`, whatever its groups: what is remembered goes by the parameters' names.
        The groups' own values (lr, weight_decay) stay those of `optimizer`."""
        names = {parameter: name for name, parameter in model.named_parameters()}
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        state = {i: self.memory[names[p]] for i, p in enumerate(parameters) if names[p] in self.memory}
        return optimizer.state_dict() | {"state": state}

    def set_gradients(self, model: torch.nn.Module) -> None:
        for name, parameter in model.named_parameters():
            if name in self.gradients:
                parameter.grad = self.gradients[name].to(parameter)
