"""The tokenizers that are compared, each a directory."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

#: All settings: lower-casing, accent stripping (None: as lower-casing), Chinese handling.
SETTINGS = list(itertools.product((True, False), (True, False, None), (True, False)))


def make_all(scratch: Path, minilm: Path, fixtures: Path) -> dict[str, Path]:
    """Names to directories. `every ...` has each character as a token, alone and as a continuation, so that
    ids tell the normalized text."""
    english = (minilm / "vocab.txt").read_text(encoding="utf-8").splitlines()
    made = {"uncased": minilm, "added tokens": fixtures / "added"}
    made["cased"] = write(scratch / "cased", cased(english), do_lower_case=False)
    made["chinese"] = write(scratch / "chinese", chinese())
    vocabulary = every_character()
    for index, settings in enumerate(SETTINGS):
        made[setting_name(settings)] = write(scratch / f"every-{index}", vocabulary, **setting_options(settings))
    return made


def setting_name(settings: tuple) -> str:
    lower, strip, chinese_apart = settings
    return f"every lower={lower} strip={strip} chinese={chinese_apart}".replace("True", "1").replace("False", "0")


def setting_options(settings: tuple) -> dict:
    return dict(zip(("do_lower_case", "strip_accents", "tokenize_chinese_chars"), settings))


def write(folder: Path, vocabulary: list[str], **config) -> Path:
    folder.mkdir()
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config) + "\n")
    return folder


def cased(english: list[str]) -> list[str]:
    """The English vocabulary with capitals: a cased one's shape, whatever its words."""
    words = [token for token in english if not token.startswith("[")]
    capital = [token[0].upper() + token[1:] for token in words if not token.startswith("#")]
    upper = [token.upper() for token in words if len(token) <= 5]
    return list(dict.fromkeys([*SPECIAL, *words, *capital, *upper]))


def chinese() -> list[str]:
    """Ideographs and kana one by one, Latin letters as pieces."""
    characters = [chr(c) for c in itertools.chain(range(0x21, 0x7F), range(0x3001, 0x3100), range(0x4E00, 0xA000),
                                                  range(0xFF01, 0xFF66), range(0x20000, 0x20100))]
    pieces = [f"##{c}" for c in characters if c.isalnum()]
    return list(dict.fromkeys([*SPECIAL, *characters, *pieces, "the", "film", "##ing", "##s"]))


def every_character() -> list[str]:
    """Those of the planes that hold characters; elsewhere all is private or unassigned, hence dropped."""
    codes = itertools.chain(range(0x21, 0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000))
    characters = [c for c in map(chr, codes) if not c.isspace()]
    return [*SPECIAL, *characters, *(f"##{c}" for c in characters)]
