"""OpenVINO on the exported BERT-CNN.

Settings: `precision` is "f32" or "bf16", `hint` "LATENCY" or "THROUGHPUT", and `threads`.
"""

from pathlib import Path

import openvino
from peer import Limits, Peer, answer_with, load_tokenizer, pad, serve


class OpenVino(Peer):
    def load(self, folder: Path, settings: dict) -> dict:
        core = openvino.Core()
        config = {
            "INFERENCE_PRECISION_HINT": settings["precision"],
            "PERFORMANCE_HINT": settings["hint"],
            "INFERENCE_NUM_THREADS": settings["threads"],
        }
        self.model = core.compile_model(Path(settings["onnx"]) / "plain.onnx", "CPU", config)
        got = self.model.get_property("INFERENCE_PRECISION_HINT").to_string()
        if got != settings["precision"]:
            raise RuntimeError(f"asked for {settings['precision']}, OpenVINO computes in {got}")
        self.request = self.model.create_infer_request()
        self.queue = openvino.AsyncInferQueue(self.model)  # as many requests as the hint asks for
        self.queue.set_callback(lambda request, results: self.keep(request, results))
        self.limits = Limits(folder)
        self.tokenize = load_tokenizer(folder, self.limits.most)
        streams = self.model.get_property("NUM_STREAMS")
        return {
            "OpenVINO": openvino.__version__.split("-")[0],
            "settings": f"hint {settings['hint']}, precision {got}, {settings['threads']} threads, "
            f"{streams} streams",
        }

    def prepare(self, rows):
        ids, mask = (tensor.numpy() for tensor in pad(rows, self.limits.least))
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}

    def run(self, batch):
        return self.request.infer(batch, share_inputs=True)[0].tolist()

    def keep(self, request, place) -> None:
        results, index = place
        results[index] = request.get_output_tensor(0).data.tolist()

    def run_all(self, batches):
        if len(self.queue) == 1:
            return super().run_all(batches)
        results: list = [None] * len(batches)
        for index, batch in enumerate(batches):
            self.queue.start_async(batch, (results, index), share_inputs=True)
        self.queue.wait_all()
        return results


serve(answer_with(OpenVino()))
