"""Writes the fuzzers' first inputs: python3 test/fuzz/seeds.py FOLDER makes FOLDER/TARGET/good/NAME, most of them
fixtures of the tests, and FOLDER/TARGET/hostile/NAME. Python's standard library only.
"""

import io
import json
import struct
import sys
import zipfile
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
LARGEST = 8192  # bytes; the fuzzers are slow with longer inputs


def files(folder, *patterns):
    """The fixtures of these names that are small, by name."""
    found = {}
    for pattern in patterns:
        for path in sorted((FIXTURES / folder).glob(pattern)):
            if path.is_file() and path.stat().st_size <= LARGEST:
                found[path.relative_to(FIXTURES / folder).as_posix().replace("/", "-")] = path.read_bytes()
    return found


def cut(name, data):
    """The file cut off in several places, and with bytes behind its end."""
    return {
        f"{name}-half": data[: len(data) // 2],
        f"{name}-short": data[:-1],
        f"{name}-long": data + b"\0",
    }


def safetensors_file(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(dtype="F32", shape=(2,), begin=0, end=8):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def safetensors():
    good = files("checkpoint", "*.safetensors", "*/*.safetensors")
    eight = bytes(8)
    made = {
        "empty": ({}, b""),
        "scalar": ({"t": tensor(shape=(), end=4)}, bytes(4)),
        "metadata": ({"__metadata__": {"format": "pt"}, "t": tensor()}, eight),
        "two": ({"a": tensor(), "b": tensor("F16", (2, 2), 8, 16)}, bytes(16)),
        "zero-of-many": ({"t": tensor(shape=(2**62, 2**62, 0), end=0)}, b""),
    }
    good |= {name: safetensors_file(*parts) for name, parts in made.items()}
    made = {
        "overlapping": ({"a": tensor(), "b": tensor(begin=4, end=12)}, bytes(12)),
        "hole": ({"a": tensor(), "b": tensor(begin=12, end=20)}, bytes(20)),
        "reversed": ({"t": tensor(begin=8, end=0)}, eight),
        "beyond": ({"t": tensor(begin=0, end=2**62)}, eight),
        "negative": ({"t": tensor(shape=(-1, -2))}, eight),
        "overflow": ({"t": tensor(shape=(2**62, 2**62))}, eight),
        "many-dimensions": ({"t": tensor(shape=[1] * 65, end=4)}, bytes(4)),
    }
    hostile = {name: safetensors_file(*parts) for name, parts in made.items()}
    hostile["name-twice"] = safetensors_file(b'{"t":%b,"t":%b}' % ((json.dumps(tensor()).encode(),) * 2), eight)
    hostile["header-too-long"] = safetensors_file({"t": tensor()}, eight, length=2**63)
    hostile["header-past-end"] = safetensors_file({"t": tensor()}, eight, length=1000)
    return good, hostile | cut("dtypes", good["dtypes.safetensors"])


def pickled_tensor(dtype, elements, offset, shape, stride):
    """What rebuilds one, in few bytes, as short inputs are changed to more effect."""

    def numbers(values):
        return b"(" + b"".join(b"K%c" % value for value in values) + b"t"

    storage = b"(X\7\0\0\0storagectorch\n%bStorage\nX\1\0\0\x000X\3\0\0\0cpuK%ctQ" % (dtype, elements)
    return b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"K%c" % offset + numbers(shape) + numbers(stride) + b"tR"


def pickled_dict(*tensors):
    items = b"".join(b"X\1\0\0\0%c" % (97 + i) + tensor for i, tensor in enumerate(tensors))
    return b"\x80\2}(" + items + b"u."


def small_pickles():
    return {
        "vector": pickled_dict(pickled_tensor(b"Float", 3, 0, [3], [1])),
        "scalar": pickled_dict(pickled_tensor(b"Half", 2, 1, [], [])),
        "transposed": pickled_dict(pickled_tensor(b"BFloat16", 6, 0, [2, 3], [1, 2])),
        "slice": pickled_dict(pickled_tensor(b"Double", 9, 4, [2, 2], [3, 1])),
        "permuted": pickled_dict(pickled_tensor(b"Half", 30, 3, [2, 3, 4], [1, 8, 2])),
        "shared": pickled_dict(pickled_tensor(b"Float", 4, 0, [4], [1]), pickled_tensor(b"Float", 4, 1, [2], [2])),
    }


def old_format(pickle, *storages):
    """The pickles and storages that torch.save wrote before its zip archives."""
    machine = b"\x80\2}X\r\0\0\0little_endian\x88s."
    keys = b"\x80\2](" + b"".join(b"X\1\0\0\0%c" % (48 + i) for i in range(len(storages))) + b"e."
    magic = b"\x80\2\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\2M\xe9\3."
    return magic + machine + pickle + keys + b"".join(struct.pack("<q", n) + bytes(n * size) for n, size in storages)


def zipped(pickle, storage):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", pickle)
        archive.writestr("a/data/0", storage)
    return file.getvalue()


def pytorch_file():
    small = small_pickles()
    good = files("checkpoint", "*.pt", "*.pickle", "legacy/*.pt", "*/*.bin")
    good |= {
        "old": old_format(small["vector"], (3, 4)),
        "old-slice": old_format(small["slice"], (9, 8)),
        "zipped": zipped(small["vector"], bytes(12)),
        "zipped-slice": zipped(small["slice"], bytes(72)),
    }
    return good, cut("zip", good["protocol2.pt"]) | cut("legacy", good["legacy-protocol2.pt"])


def pickle_file():
    good = small_pickles()
    for name, data in files("checkpoint", "*.pt", "*/*.bin").items():
        if data.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                good[name] = archive.read(next(n for n in archive.namelist() if n.endswith("/data.pkl")))
    memo = b"\x80\x02}" + b"".join(b"q%c" % i for i in range(256))
    return good, {"quadratic": memo + b"(" + b"h\0" * 999 + b"tq\1" + b"h\1Q" * 99 + b"."} | cut(
        "dtypes", good["dtypes.pt"]
    )


def json_text():
    good = files("models", "*/config.json") | files("checkpoint", "*/*.json")
    values = ["[]", "{}", '""', "0", "-0", "1e5", "-1.5E-3", "1" * 40, "9223372036854775807", "-9223372036854775808",
              "9223372036854775808", "NaN", "Infinity", "-Infinity", "true", "null", '"\\u00e9\\ud83d\\ude00\\n"',
              '"\u00e9\u4e2d\U0001f600"', "[" * 128 + "]" * 128, "\ufeff1", '{"weight_map":{"t":"f"}}']
    good |= {f"value-{i}": value.encode() for i, value in enumerate(values)}
    values = ['"\\ud800"', '{"a":1,"a":2}', "[" * 129 + "]" * 129, "1e999", "01", "[1,]", '{"a":}', "1.", '"\t"', "\xff"]
    hostile = {f"value-{i}": value.encode("latin-1") for i, value in enumerate(values)}
    shards = ["/etc/passwd", "..", "a\\b", "a\0b", ""]
    hostile |= {f"shard-{i}": json.dumps({"weight_map": {"t": name}}).encode() for i, name in enumerate(shards)}
    return good, hostile


def config():
    good = files("models", "*/config.json")
    head = {
        "variant": "max-over-time",
        "filter_sizes": [2, 9],
        "num_filters": 5,
        "dropout": 0.1,
        "padding": "include",
        "freeze": "none",
        "activation": "relu",
    }
    cases = {
        "nothing": {},
        "head": {"bert_cnn": head},
        "layers": {"bert_cnn": head | {"freeze": 2}},
        "patterns": {"bert_cnn": head | {"freeze": ["bert.embeddings.*", "*.bias"]}},
        "fine-tune": {"bert_cnn": {"variant": "fine-tune", "filter_sizes": [2]}},
        "labels": {"id2label": {"0": "a", "1": "b"}, "problem_type": "multi_label_classification"},
        "number-of-labels": {"num_labels": 3, "torch_dtype": "float16"},
        "regression": {"problem_type": "regression"},
        "sizes": {"hidden_size": 8, "num_attention_heads": 2, "vocab_size": 9, "pad_token_id": 1},
        "encoder": {
            "model_type": "bert",
            "hidden_act": "gelu_new",
            "position_embedding_type": "absolute",
            "is_decoder": False,
            "pruned_heads": {},
            "quantization_config": None,
            "layer_norm_eps": 1e-12,
        },
    }
    good |= {name: json.dumps(fields).encode() for name, fields in cases.items()}
    whole = json.loads(good["tiny-frozen-config.json"])
    changed = {
        "no-labels": {"id2label": {}},
        "label-twice": {"id2label": {"0": "a", "1": "a"}},
        "numbers-as-labels": {"id2label": {"0": 1, "1": None}},
        "no-filters": {"bert_cnn": {"filter_sizes": []}},
        "long-filter": {"bert_cnn": {"filter_sizes": [2**31 - 1]}},
        "many-labels": {"id2label": None, "num_labels": 10**6 + 1},
        "pad-is-last": {"pad_token_id": -1},
        "no-pad": {"pad_token_id": None},
        "no-heads": {"num_attention_heads": 0},
        "decoder": {"is_decoder": True},
    }
    return good, {name: json.dumps(whole | fields).encode() for name, fields in changed.items()}


def tokenizer_input(parts, text="film, B\u00e9ab [MASK] \u4e2d", pair="a <x> b", options=b"\x07\xff"):
    names = ["tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]
    sections = [parts.get(name, b"") for name in names] + [text.encode(), pair.encode()]
    return options + b"\xff".join(sections)


def vocabulary(*tokens):
    return "".join(f"{token}\n" for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *tokens)).encode()


def tokenizer():
    good = {}
    for folder in ("text/cased", "text/chinese", "text/uncased", "models/tiny-bert", "text/added"):
        parts = {path.name: path.read_bytes() for path in (FIXTURES / folder).iterdir() if path.is_file()}
        if sum(map(len, parts.values())) < LARGEST:
            good[folder.replace("/", "-")] = tokenizer_input(parts)
    small = vocabulary("a", "##b", "film", "<x>")
    added = {"90": {"content": "<x>", "lstrip": True, "rstrip": True}, "91": {"content": " b", "special": True}}
    whole = json.loads((FIXTURES / "text/added/tokenizer.json").read_text())
    model = whole["model"]
    model["vocab"] = {"[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "##b": 5}
    old_processor = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}

    def model_with(**fields):
        return {"tokenizer.json": whole | {"model": model | fields}}

    good |= inputs({
        "vocabulary": {"vocab.txt": small},
        "crlf": {"vocab.txt": small.replace(b"\n", b"\r\n")},
        "decoder": {"vocab.txt": small, "tokenizer_config.json": {"added_tokens_decoder": added}},
        "map": {
            "vocab.txt": small,
            "special_tokens_map.json": {"unk_token": "a", "additional_special_tokens": ["film", "<y>"]},
            "added_tokens.json": {"<y>": 7, "<x>": 2147483647},
        },
        "lengths": {"vocab.txt": small, "tokenizer_config.json": {"model_max_length": 1e30}},
        "small": {"tokenizer.json": whole},
        "no-prefix": model_with(continuing_subword_prefix=""),
        "no-decoder": {"tokenizer.json": whole | {"decoder": None, "padding": {"pad_id": 0}}},
        "old-processor": {"tokenizer.json": whole | {"post_processor": old_processor}},
    })
    hostile = inputs({
        "blank-lines": {"vocab.txt": small + b"\n\n"},
        "empty-unknown": {"vocab.txt": small + b"\n", "tokenizer_config.json": {"unk_token": ""}},
        "far-id": model_with(vocab=model["vocab"] | {"b": 2**24 - 1}),
        "same-id": model_with(vocab=model["vocab"] | {"b": 4}),
        "short-template": {
            "tokenizer.json": whole | {"post_processor": {"type": "TemplateProcessing", "single": []}}
        },
    })
    return good, hostile


def inputs(cases):
    """Objects are written as JSON."""
    return {
        name: tokenizer_input(
            {key: part if isinstance(part, bytes) else json.dumps(part).encode() for key, part in parts.items()}
        )
        for name, parts in cases.items()
    }


def encoding():
    texts = ["", "film", "Films, e\u0301 \u00e9\u00c9 \u4e2d\u6587!", "a\u0301\u0327b", "[CLS] a [MASK]b", "x" * 300,
             "<l> <r> b", "alone alones", "<r>  b<r><r> b", "\u03a3\u03c2\u0130\u1e9e", "\u1100\u1161\uac00", "\U0001f600\u200d",
             "a\u00a0\u2028\ufeffb\0\x7f", "ab" * 40]
    invalid = [b"\xc3", b"a\xe4\xb8", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\x80\xbf"]

    def with_options(every):
        return {
            f"{i}-{choice}": bytes([choice, 7 | i % 3 << 3, 255 if i % 2 else i]) + text + b"\xff" + every[-i]
            for i, text in enumerate(every)
            for choice in (0, 0x1B, 0x1F)
        }

    return with_options([text.encode() for text in texts]), with_options(invalid)


TARGETS = {
    "safetensors": safetensors,
    "pytorch_file": pytorch_file,
    "pickle": pickle_file,
    "json": json_text,
    "config": config,
    "tokenizer": tokenizer,
    "encoding": encoding,
}


def main():
    out = Path(sys.argv[1])
    for target, make in TARGETS.items():
        for kind, seeds in zip(("good", "hostile"), make()):
            folder = out / target / kind
            folder.mkdir(parents=True, exist_ok=True)
            for name, data in seeds.items():
                (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
