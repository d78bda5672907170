"""The side of Hugging Face's `tokenizers` (Rust) in the tokenizer benchmark; see worker.mjs."""

import json
import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import Tokenizer  # noqa: E402  (it reads the settings above)

with open(sys.argv[1], encoding="utf-8") as file:
    corpora = json.load(file)
tokenizer = Tokenizer.from_file(os.path.join(sys.argv[2], "tokenizer.json"))
tokenizer.no_truncation()
tokenizer.no_padding()

BATCH = 256


def in_batches(texts):
    starts = range(0, len(texts), BATCH)
    return sum(sum(map(len, tokenizer.encode_batch(texts[i : i + BATCH]))) for i in starts)


WAYS = {
    "encode": lambda texts: sum(len(tokenizer.encode(text).ids) for text in texts),
    "encode_batch": in_batches,
    "encode_all": lambda texts: sum(map(len, tokenizer.encode_batch(texts))),
}
for line in sys.stdin:
    corpus, way = line.split()
    begin, before = time.perf_counter(), time.process_time()
    tokens = WAYS[way](corpora[corpus])
    times = [1000 * (time.perf_counter() - begin), 1000 * (time.process_time() - before)]
    print(json.dumps([*times, tokens]), flush=True)
