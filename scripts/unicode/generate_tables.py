"""Writes native/text/unicode_tables.inc: what Hugging Face's BERT tokenizer does with each character.

    python scripts/unicode/generate_tables.py        (needs the package `tokenizers`; takes a minute)

The package mixes tables of several Unicode versions, so the tables here come from its behaviour: every
scalar value is put through its normalizers, its pre-tokenizer and its matching of added tokens. Nothing is
taken from another source; the header of the output names the version that was asked.
"""

import collections
import pathlib
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

OUTPUT = pathlib.Path(__file__).resolve().parents[2] / "native" / "text" / "unicode_tables.inc"
UNICODE_END = 0x110000
SURROGATES = range(0xD800, 0xE000)
SCALARS = [c for c in range(UNICODE_END) if c not in SURROGATES]
HANGUL_SYLLABLES = range(0xAC00, 0xD7A4)  # decomposed by arithmetic, not by a table
BLOCK = 64

# One bit for each property, as in native/text/unicode.h.
REMOVED, SPACE, CHINESE, MARK, PUNCTUATION, WORD, DECOMPOSES, LOWERS, NONSTARTER = (1 << i for i in range(9))


def normalizer(**on):
    settings = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**settings, **on})


def each(transform):
    """{scalar: what `transform` makes of it}, where that is not the scalar itself."""
    results = {c: transform(chr(c)) for c in SCALARS}
    return {c: text for c, text in results.items() if text != chr(c)}


def cleaning():
    """(removed, spaces): the two things that cleaning does to a character."""
    changed = each(normalizer(clean_text=True).normalize_str)
    assert set(changed.values()) == {"", " "}, set(changed.values())
    removed = {c for c, text in changed.items() if text == ""}
    return removed, {c for c, text in changed.items() if text == " "} | {0x20}


def chinese_characters():
    changed = each(normalizer(handle_chinese_chars=True).normalize_str)
    assert all(text == f" {chr(c)} " for c, text in changed.items())
    return set(changed)


def decompositions():
    """{scalar: its full canonical decomposition}, Hangul syllables left out after checking them."""
    changed = each(normalizers.NFD().normalize_str)
    for c in HANGUL_SYLLABLES:
        assert changed.pop(c) == hangul(c), hex(c)
    assert all(part not in changed for text in changed.values() for part in map(ord, text))
    return changed


def hangul(c):
    lead, rest = divmod(c - 0xAC00, 588)
    vowel, trail = divmod(rest, 28)
    return chr(0x1100 + lead) + chr(0x1161 + vowel) + (chr(0x11A7 + trail) if trail else "")


def nonspacing_marks(decomposed):
    """What accent stripping drops, among the characters that are their own decomposition."""
    changed = each(normalizer(strip_accents=True).normalize_str)
    marks = {c for c, text in changed.items() if text == ""}
    for c, text in decomposed.items():
        kept = "".join(part for part in text if ord(part) not in marks)
        assert changed.get(c, chr(c)) == kept, hex(c)
    return marks - set(decomposed)


def combining_classes(decomposed):
    """{scalar: rank}, for the scalars that canonical ordering moves. Ranks order as the combining classes do:
    a mark sorts before another exactly where its rank is smaller."""
    reorder = normalizers.NFD().normalize_str

    def before(a, b):  # whether the sequence "b a" becomes "a b"
        return reorder(chr(b) + chr(a)) == chr(a) + chr(b)

    # The overlay U+0334 has the smallest class and the iota subscript U+0345 the largest.
    movable = [c for c in SCALARS if c not in decomposed and c not in HANGUL_SYLLABLES
               and c not in (0x334, 0x345) and (before(0x334, c) or before(c, 0x345))]
    classes = [[0x334], [0x345]]  # one representative first, in order
    for c in movable:
        place_in_order(c, classes, before)
    return {c: rank for rank, members in enumerate(classes, start=1) for c in members}


def place_in_order(c, classes, before):
    for i, members in enumerate(classes):
        if before(c, members[0]):
            classes.insert(i, [c])
            return
        if not before(members[0], c):
            members.append(c)
            return
    classes.append([c])


def lower_cases():
    changed = each(normalizer(lowercase=True).normalize_str)
    assert all(1 <= len(text) <= 2 for text in changed.values())
    return changed


def punctuation_and_spaces():
    """(punctuation, spaces) of the pre-tokenizer, which may differ from the normalizer's."""
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    isolated, spaces = set(), set()
    for c in SCALARS:
        pieces = [piece for piece, _ in split(f"a{chr(c)}a")]
        if len(pieces) == 3:
            isolated.add(c)
        elif len(pieces) == 2:
            spaces.add(c)
    return isolated, spaces


def added_token_tokenizer(**flags):
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "@@": 1}, unk_token="[UNK]"))
    tokenizer.add_special_tokens([AddedToken("@@", normalized=False, **flags)])
    return tokenizer


def word_characters():
    """Characters that an added token with `single_word` may not touch; the same on its right and its left."""
    tokenizer = added_token_tokenizer(single_word=True)
    after = {c for c in SCALARS if 1 not in tokenizer.encode(f"@@{chr(c)}").ids}
    before = {c for c in SCALARS if 1 not in tokenizer.encode(f"{chr(c)}@@").ids}
    assert before == after
    return before


def stripped_spaces():
    """Characters that an added token with `lstrip` or `rstrip` takes with it."""
    found = []
    for flag in ("lstrip", "rstrip"):
        tokenizer = added_token_tokenizer(**{flag: True})
        form = "{}@@" if flag == "lstrip" else "@@{}"
        found.append({c for c in SCALARS if tokenizer.encode(form.format(chr(c))).ids == [1]})
    assert found[0] == found[1]
    return found[0]


def collect_flags():
    removed, spaces = cleaning()
    punctuation, split_spaces = punctuation_and_spaces()
    # One property serves cleaning (which asks first what it removes), splitting and the stripping of added tokens.
    assert split_spaces == stripped_spaces() and split_spaces - removed == spaces
    decomposed = decompositions()
    ranks = combining_classes(decomposed)
    lowered = lower_cases()
    properties = {
        REMOVED: removed, SPACE: split_spaces, CHINESE: chinese_characters(), MARK: nonspacing_marks(decomposed),
        PUNCTUATION: punctuation, WORD: word_characters(),
        DECOMPOSES: set(decomposed) | set(HANGUL_SYLLABLES), LOWERS: set(lowered), NONSTARTER: set(ranks),
    }
    flags = [0] * UNICODE_END
    for bit, members in properties.items():
        for c in members:
            flags[c] |= bit
    return flags, decomposed, ranks, lowered


def two_stages(flags):
    """(kinds, blocks, index): `kinds[blocks[index[c / BLOCK] * BLOCK + c % BLOCK]]` are c's flags."""
    for c in SURROGATES:  # no character: whatever makes the table small
        flags[c] = flags[0xDFFF + 1]
    kinds = [kind for kind, _ in collections.Counter(flags).most_common()]
    number = {kind: i for i, kind in enumerate(kinds)}
    assert len(kinds) <= 256
    blocks, index = {}, []
    for start in range(0, UNICODE_END, BLOCK):
        block = tuple(number[kind] for kind in flags[start:start + BLOCK])
        index.append(blocks.setdefault(block, len(blocks)))
    return kinds, [kind for block in blocks for kind in block], index


def without_tail(index):
    """The index up to where one block repeats until the end of Unicode; that block stays as the last entry."""
    end = len(index)
    while end > 1 and index[end - 1] == index[end - 2]:
        end -= 1
    return index[:end]


def write_array(out, kind, name, values):
    out.write(f"constexpr {kind} {name}[] = {{\n")
    line = ""
    for value in map(str, values):
        if len(line) + len(value) + 1 > 110:
            out.write(line + "\n")
            line = ""
        line += value + ","
    out.write(line + "\n};\n\n")


def write_mapping(out, name, mapping):
    """Three parallel arrays: the scalars in order, where each one's text begins, and all texts."""
    keys = sorted(mapping)
    starts, pool = [], []
    for c in keys:
        starts.append(len(pool))
        pool.extend(map(ord, mapping[c]))
    write_array(out, "char32_t", f"{name}From", keys)
    write_array(out, "uint16_t", f"{name}Start", [*starts, len(pool)])
    write_array(out, "char32_t", f"{name}To", pool)


def main():
    flags, decomposed, ranks, lowered = collect_flags()
    kinds, blocks, index = two_stages(flags)
    with open(OUTPUT, "w", encoding="ascii") as out:
        out.write("// Made by scripts/unicode/generate_tables.py from the behaviour of the Python package\n")
        out.write(f"// tokenizers {tokenizers.__version__} on every Unicode scalar value. Do not edit.\n\n")
        out.write(f"constexpr char32_t kBlock = {BLOCK};\n\n")
        write_array(out, "uint16_t", "kKinds", kinds)
        write_array(out, "uint16_t", "kIndex", without_tail(index))
        write_array(out, "uint8_t", "kBlocks", blocks)
        write_mapping(out, "kDecomposition", decomposed)
        write_mapping(out, "kLowerCase", lowered)
        ordered = sorted(ranks)
        write_array(out, "char32_t", "kCombining", ordered)
        write_array(out, "uint8_t", "kCombiningRank", [ranks[c] for c in ordered])
    print(f"{OUTPUT}: {OUTPUT.stat().st_size} bytes; {len(kinds)} kinds, {len(blocks) // BLOCK} blocks, "
          f"{len(decomposed)} decompositions, {len(lowered)} lower-casings, {len(ranks)} combining marks "
          f"of {max(ranks.values())} classes", file=sys.stderr)


if __name__ == "__main__":
    main()
