"""The addon, driven through server.mjs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np

from encoded import Encodings

NAMES = {"add_special_tokens": "addSpecialTokens", "max_length": "maxLength", "truncation": "truncation"}


class Ours:
    def __init__(self, node: str):
        script = Path(__file__).with_name("server.mjs")
        self._server = subprocess.Popen([node, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, directory: Path, texts: list[str], pairs: list[str] | None = None, public=False, **options) -> None:
        """Sends a request; `answer` waits for the result. Texts may hold lone surrogates."""
        given = {NAMES[name]: value for name, value in options.items()}
        request = {"directory": str(directory), "isPublic": public, "options": given}
        header = json.dumps(request | {"texts": len(texts), "pairs": pairs is not None}).encode()
        write = self._server.stdin.write
        write(len(header).to_bytes(4, "little") + header)
        for part in (texts, pairs) if pairs is not None else (texts,):
            units = [text.encode("utf-16-le", "surrogatepass") for text in part]
            write(np.array([len(unit) // 2 for unit in units], np.int32).tobytes())
            write(b"".join(units))
        self._server.stdin.flush()
        self._texts = len(texts)

    def answer(self) -> Encodings:
        (tokens,) = self._read(1, np.int32)
        lengths = self._read(self._texts, np.int32)
        ids, type_ids = self._read(tokens, np.int32), self._read(tokens, np.int32)
        offsets = self._read(2 * tokens, np.int32).reshape(-1, 2)
        return Encodings(lengths, ids, type_ids, offsets, self._read(self._texts, np.uint8).astype(bool))

    def decode(self, directory: Path, ids: list[list[int]]) -> list[dict]:
        """For each row what its tokens are called, its text, and its text without special tokens."""
        header = json.dumps({"directory": str(directory), "ids": ids}).encode()
        self._server.stdin.write(len(header).to_bytes(4, "little") + header)
        self._server.stdin.flush()
        (size,) = self._read(1, np.int32)
        return json.loads(self._read(size, np.uint8).tobytes())

    def _read(self, count: int, kind: type) -> np.ndarray:
        size = int(count) * np.dtype(kind).itemsize
        data = self._server.stdout.read(size)
        if len(data) != size:
            raise RuntimeError("server.mjs ended")
        return np.frombuffer(data, kind)
