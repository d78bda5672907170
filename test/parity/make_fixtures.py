"""Makes test/fixtures/models and test/fixtures/parity: tiny random BERTs and what PyTorch says of them.

    python test/parity/make_fixtures.py

Needs the packages of requirements.txt. The same versions give the same files.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

import bounds
from bert_cnn import BertCnn, HeadConfig, load_directory, save_directory
from cases import all_cases, make_case, ragged_batch, random_labels, reference

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
MODELS = FIXTURES / "models"
PARITY = FIXTURES / "parity"
MAX_LENGTH = 32

WORDS = (
    "the a is was not very good bad great awful movie film plot like love hate un dis"
    " ##ing ##ed ##s ##ly ##able ##ness"
)


def vocabulary() -> list[str]:
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return special + list(".,!?'-0123456789") + letters + ["##" + x for x in letters] + WORDS.split()


def bert_config(**fields) -> BertConfig:
    defaults = dict(
        vocab_size=len(vocabulary()),
        max_position_embeddings=MAX_LENGTH + 8,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=0,
        attn_implementation="eager",
    )
    return BertConfig(**(defaults | fields))


# Widths, heads, kernels and activations that no aligned or hard-wired code would survive.
TINY_BERT = dict(hidden_size=16, num_attention_heads=4, num_hidden_layers=2, intermediate_size=32)
SAVED = {
    "tiny-frozen": (
        dict(TINY_BERT, hidden_act="gelu", layer_norm_eps=1e-12),
        HeadConfig("frozen", (3, 4, 5), 6),
        "single_label_classification",
        3,
    ),
    "tiny-fine-tune": (
        dict(
            hidden_size=12,
            num_attention_heads=3,
            num_hidden_layers=2,
            intermediate_size=20,
            hidden_act="gelu_new",
            layer_norm_eps=1e-5,
        ),
        HeadConfig("fine-tune", (3,), 5, freeze="none"),
        "multi_label_classification",
        3,
    ),
    "tiny-max-over-time": (
        dict(
            hidden_size=20,
            num_attention_heads=2,
            num_hidden_layers=3,
            intermediate_size=28,
            hidden_act="gelu",
            layer_norm_eps=1e-12,
        ),
        HeadConfig("max-over-time", (1, 2, 7), 5, freeze="none"),
        "regression",
        3,
    ),
    "tiny-score": (
        dict(
            hidden_size=14,
            num_attention_heads=2,
            num_hidden_layers=2,
            intermediate_size=18,
            hidden_act="relu",
            layer_norm_eps=1e-6,
            type_vocab_size=1,
        ),
        HeadConfig("frozen", (2, 3), 4),
        "regression",
        1,
    ),
}
LENGTHS = [1, 2, 3, 5, 9, 12, 8, 6]


def randomize(module: torch.nn.Module, generator: torch.Generator) -> None:
    """Weights large enough that logits and gradients answer to every one of them. Embeddings are small,
    as BERT's are: the first layer norm's epsilon then shows."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("LayerNorm.weight"):
                parameter.copy_(1 + 0.2 * noise)
            elif "embeddings" in name and "LayerNorm" not in name:
                parameter.copy_(0.03 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.2 * noise)
            else:
                parameter.copy_((0.3 if name.startswith(("bert.", "encoder.")) else 0.2) * noise)


def write_tokenizer(directory: Path) -> None:
    (directory / "vocab.txt").write_text("\n".join(vocabulary()) + "\n")
    config = {
        "cls_token": "[CLS]",
        "do_lower_case": True,
        "mask_token": "[MASK]",
        "model_max_length": MAX_LENGTH,
        "pad_token": "[PAD]",
        "sep_token": "[SEP]",
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "tokenizer_class": "BertTokenizer",
        "unk_token": "[UNK]",
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def write_plain_bert(generator: torch.Generator) -> BertModel:
    """A BertModel without a head, with BERT's usual dropout, as `BertModel.save_pretrained` writes it."""
    directory = MODELS / "tiny-bert"
    dropout = dict(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
    bert = BertModel(bert_config(**TINY_BERT, **dropout))
    randomize(bert, generator)
    bert.save_pretrained(directory)
    write_tokenizer(directory)
    return bert


def write_legacy(bert: BertModel) -> None:
    """tiny-bert as old pre-training checkpoints have it: a pickled float16 file, `gamma` and `beta`, the
    `bert.` prefix, a buffer of positions and the heads of the pre-training tasks."""
    directory = MODELS / "tiny-legacy"
    directory.mkdir()
    old = {}
    for name, tensor in bert.state_dict().items():
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        old["bert." + name.replace("LayerNorm.bias", "LayerNorm.beta")] = tensor.half()
    old["bert.embeddings.position_ids"] = torch.arange(MAX_LENGTH + 8)[None]
    hidden, vocab = bert.config.hidden_size, bert.config.vocab_size
    old["cls.predictions.bias"] = torch.zeros(vocab).half()
    old["cls.predictions.transform.dense.weight"] = torch.zeros(hidden, hidden).half()
    old["cls.predictions.decoder.weight"] = old["bert.embeddings.word_embeddings.weight"]  # tied
    old["cls.seq_relationship.weight"] = torch.zeros(2, hidden).half()
    old["cls.seq_relationship.bias"] = torch.zeros(2).half()
    torch.save(old, directory / "pytorch_model.bin")
    shutil.copy(MODELS / "tiny-bert" / "config.json", directory)
    write_tokenizer(directory)


def write_saved(generator: torch.Generator) -> None:
    """What savePretrained writes, for each variant, and the prototype's own `.pt` of the same weights."""
    names = {1: ["score"], 3: ["negative", "neutral", "positive"]}
    for name, (fields, head, problem_type, labels) in SAVED.items():
        model = BertCnn(bert_config(num_labels=labels, **fields), head)
        randomize(model, generator)
        save_directory(model, MODELS / name, names[labels], problem_type)
        write_tokenizer(MODELS / name)
        if name != "tiny-score":
            torch.save(model.state_dict(), MODELS / f"{head.variant}.pt")


def fixture_cases():
    cases = all_cases(lambda variant: f"tiny-{variant}")
    for padding in ("ignore", "include"):
        cases.append(make_case(f"score-{padding}", "tiny-score", "regression", padding, "encoder"))
        name = f"frozen-unfrozen-{padding}"
        kind = "single_label_classification"
        cases.append(make_case(name, "tiny-frozen", kind, padding, "none"))
    return cases


def write_case(case, generator: torch.Generator) -> None:
    model, problem_type = load_directory(MODELS / case.model, **case.options)
    config = model.bert.config
    batch = ragged_batch(LENGTHS, config.vocab_size, config.type_vocab_size, 0, generator)
    labels = random_labels(problem_type, len(LENGTHS), config.num_labels, generator)
    single, double = reference(case, MODELS, batch, labels)
    for name in ("margin", "learning_rates"):  # which no test of the fixtures reads
        del single[name]
    # A fixture whose own rounding uses up the bounds, without what they allow for it, would prove nothing.
    for row in bounds.compare(single, double, double, case.steps):
        assert row.difference <= 0.5 * row.bound, f"{case.name}: {row}"
    tensors = dict(batch, labels=labels, **single)
    tensors.update({f"{k}64": double[k] for k in ("logits", "loss", "losses")})
    tensors = {k: v.contiguous() for k, v in tensors.items()}
    save_file(tensors, PARITY / f"{case.name}.safetensors", metadata={"format": "pt"})


def main() -> None:
    for directory in (MODELS, PARITY):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(20261124)
    write_legacy(write_plain_bert(generator))
    write_saved(generator)
    cases = fixture_cases()
    for case in cases:
        write_case(case, generator)
    manifest = json.dumps({"cases": [case.manifest() for case in cases]}, indent=2)
    (PARITY / "manifest.json").write_text(manifest + "\n")
    size = sum(p.stat().st_size for p in FIXTURES.rglob("*") if p.is_file())
    print(f"{len(cases)} cases; test/fixtures is {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
