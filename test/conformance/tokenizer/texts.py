"""Texts: generated ones and real ones."""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path

SCRIPTS = [
    (0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0xA0, 0x24F), (0x250, 0x2AF), (0x370, 0x3FF), (0x400, 0x52F),
    (0x530, 0x5FF), (0x600, 0x6FF), (0x700, 0x7FF), (0x8A0, 0x97F), (0x980, 0xDFF), (0xE00, 0xFFF), (0x1000, 0x10FF),
    (0x1100, 0x11FF), (0x1200, 0x139F), (0x13A0, 0x167F), (0x1780, 0x18AF), (0x1B00, 0x1CFF), (0x1E00, 0x1FFF),
    (0x2000, 0x206F), (0x2070, 0x218F), (0x2190, 0x27FF), (0x2C00, 0x2DFF), (0x2E80, 0x303F), (0x3040, 0x31FF),
    (0x3400, 0x3500), (0x4E00, 0x9FFF), (0xA000, 0xA4FF), (0xA640, 0xABFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF),
    (0xFB00, 0xFDFF), (0xFE00, 0xFFEF), (0x10000, 0x104FF), (0x10A00, 0x10FFF), (0x11000, 0x118FF),
    (0x1D100, 0x1D1FF), (0x1D400, 0x1D7FF), (0x1E000, 0x1E95F), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF),
    (0x2F800, 0x2FA1F), (0x30000, 0x323AF),
]
#: Marks of all ranks, among them those whose order canonical ordering changes.
MARKS = [*range(0x300, 0x370), *range(0x483, 0x488), *range(0x591, 0x5C8), *range(0x610, 0x61B), *range(0x64B, 0x660),
         0x8D5, 0x93C, 0x94D, *range(0xE38, 0xE3B), *range(0xF71, 0xF76), *range(0x1AB0, 0x1AC0),
         *range(0x1DC0, 0x1E00), *range(0x20D0, 0x20F1), *range(0x302A, 0x3030), 0x3099, 0x309A, 0x1D165, 0x1D166,
         *range(0x1D167, 0x1D173), 0x1E2EC]
DECOMPOSING = "éüñçÅåÉİıǆΐΰẛṩệợßſﬁＡａ①ｶﾞ가각힣क़ড়ਲ਼\u0344\u0340\u0341\u0f73\u0f76\u1e9b\u212b\u2126\ufb1d\ufb4b\U0001d15e\U0001d160\U0001d1bb豈\U0002f800"
CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x600, 0x61C, 0x70F, 0x180E, *range(0x200B, 0x2010),
            *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFE), 0xE000, 0xF8FF, 0xFFFF,
            0x1D173, 0xE0001, 0xE0020, 0xF0000, 0x10FFFF, 0x378]
SPACES = " \t\n\r\x0b\x0c\x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
EMOJI = ["😀", "👍🏽", "👩\u200d👩\u200d👧\u200d👦", "🇩🇪", "🇩", "❤\ufe0f", "1\ufe0f\u20e3", "🏴\U000e0067\U000e0062\U000e007f", "🧑🏿\u200d🚀",
         "\u200d", "\ufe0f", "🏽"]
LITERALS = [*(f"[{name}]" for name in ("PAD", "UNK", "CLS", "SEP", "MASK")), "[cls]", "[Sep]", "[ MASK ]", "[SEP", "SEP]", "[[SEP]]",
            "[MASK", "[UNK]x", "x[CLS]", "##", "##s", "[unused0]", "<person>", "Good Film", "very", "@@", "@@@", "京都"]
WORDS = """the a film movie was really good bad unwatchable wonderfully dull straße café naïve İstanbul ΛΌΓΟΣ κόσμος моё кино
don't we've e-mail 3.14 $5 under_score re-watched""".split()


def generated(count: int, seed: int) -> list[str]:
    """May hold lone surrogates."""
    rng = random.Random(seed)
    return [one(rng) for _ in range(count)]


def one(rng: random.Random) -> str:
    makers = rng.choices(MAKERS, WEIGHTS, k=rng.randint(1, 4))
    length = rng.choice((2, 4, 8, 12, 20))
    return "".join(rng.choice(makers)(rng) for _ in range(rng.randint(1, length)))


def of_script(rng: random.Random) -> str:
    low, high = rng.choice(SCRIPTS)
    return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6)))


def marked(rng: random.Random) -> str:
    base = chr(rng.randint(0x61, 0x7A)) if rng.random() < 0.5 else rng.choice(DECOMPOSING)
    return base + "".join(chr(rng.choice(MARKS)) for _ in range(rng.randint(0, 4)))


def long_word(rng: random.Random) -> str:
    """Around the 100 characters from which a word is unknown."""
    part = rng.choice(("a", "ab", "é", "e\u0301", "電", "😀", "的a", "x\u200d"))
    return (part * 200)[: rng.choice((98, 99, 100, 101, 102, 199))]


def any_character(rng: random.Random) -> str:
    code = rng.randrange(0x110000)
    return "" if 0xD800 <= code < 0xE000 else chr(code)


def surrogate(rng: random.Random) -> str:
    return chr(rng.randint(0xD800, 0xDFFF))


MAKERS = [of_script, marked, lambda rng: rng.choice(WORDS), lambda rng: " " + rng.choice(WORDS),
          lambda rng: rng.choice(SPACES), lambda rng: rng.choice(EMOJI), lambda rng: chr(rng.choice(CONTROLS)),
          lambda rng: rng.choice(LITERALS), lambda rng: rng.choice(DECOMPOSING), any_character, surrogate, long_word]
WEIGHTS = [6, 5, 3, 3, 3, 2, 2, 3, 2, 1, 1, 0.4]


def well_formed(text: str) -> str:
    """What JavaScript's `toWellFormed` makes of it: surrogates that form a pair are one character, lone ones
    U+FFFD."""
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return re.sub("[\ud800-\udfff]", "\ufffd", joined)


def sentences(folder: Path) -> dict[str, list[str]]:
    """The rated sentences by file."""
    files = sorted(folder.glob("*_GroundTruth.txt"))
    return {file.name.split("_")[0]: [line.split("\t")[2] for line in decoded(file).splitlines() if line.count("\t") >= 2]
            for file in files}


def mails(folder: Path) -> list[str]:
    return [decoded(file) for file in sorted((folder / "data").glob("*/*.txt"))]


def decoded(file: Path) -> str:
    data = file.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def characters() -> list[str]:
    """Every Unicode scalar value."""
    return [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
