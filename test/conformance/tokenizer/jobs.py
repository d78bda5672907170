"""What is compared, cut into jobs that run apart. A job gives (row of the table, texts, differing ones with
a description each, departures by kind)."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import hugging_face
import texts as corpus
from encoded import Encodings, differing
from ours import Ours

SHOWN = 3  # differences described for each job
STRATEGIES = ("longest_first", "only_first", "only_second")


@dataclass
class Outcome:
    row: str
    texts: int = 0
    differences: int = 0
    examples: list[str] = field(default_factory=list)
    departures: Counter = field(default_factory=Counter)

    def compare(self, where: str, ours: Encodings, theirs: Encodings, texts, pairs=None, skip=frozenset()) -> None:
        """Counts; the texts in `skip` are departures and do not count as differing."""
        self.texts += len(texts)
        wrong = [int(index) for index in differing(ours, theirs) if int(index) not in skip]
        self.differences += len(wrong)
        for index in wrong[: max(0, SHOWN - len(self.examples))]:
            pair = "" if pairs is None else f" and {pairs[index][:300]!a}"
            self.examples.append(
                f"{self.row}, {where}: {texts[index][:300]!a}{pair}\n  {shown(ours.at(index), theirs.at(index))}")


def shown(ours: tuple, theirs: tuple) -> str:
    """Where two encodings of a text begin to differ."""
    kinds = ("ids", "type ids", "offsets", "truncated")
    for kind, mine, other in zip(kinds, ours, theirs):
        if mine == other:
            continue
        if kind == "truncated":
            return f"truncated: ours {mine}, theirs {other}"
        at = next((i for i, pair in enumerate(zip(mine, other)) if pair[0] != pair[1]), min(len(mine), len(other)))
        return f"{kind} from token {at}: ours {mine[at:at + 8]}, theirs {other[at:at + 8]}"
    return "equal"


class Worker:
    """One process's addon, and the planted fault that it is asked to have."""

    def __init__(self, node: str, directories: dict[str, Path], plant: bool):
        self.ours, self.directories, self.plant = Ours(node), directories, plant

    def both(self, name: str, texts, pairs=None, public=False, add_special_tokens=True) -> tuple[Encodings, Encodings]:
        self.ours.ask(self.directories[name], texts, pairs, public, add_special_tokens=add_special_tokens)
        clean = [corpus.well_formed(text) for text in texts]
        clean_pairs = None if pairs is None else [corpus.well_formed(text) for text in pairs]
        theirs = hugging_face.encode(self.directories[name], clean, clean_pairs, add_special_tokens)
        ours = self.ours.answer()
        if self.plant and len(ours.ids):
            ours.offsets = ours.offsets.copy()
            ours.offsets[-1, 1] += 1
        return ours, theirs

    def characters(self, name: str, first: int, last: int, step: int) -> Outcome:
        """Every `step`th character from `first` to `last`, alone and between letters."""
        alone = [chr(c) for c in range(first, last, step) if not 0xD800 <= c < 0xE000]
        outcome = Outcome("characters: " + name.removeprefix("every "))
        for texts in (alone, [f"a{c}b" for c in alone]):
            outcome.compare(name, *self.both(name, texts, add_special_tokens=False), texts)
        return outcome

    def generated(self, name: str, count: int, seed: int) -> Outcome:
        outcome = Outcome("generated: " + name.split(" lower")[0])
        texts = corpus.generated(count, seed)
        outcome.compare(f"{name}, seed {seed}", *self.both(name, texts), texts)
        return outcome

    def generated_pairs(self, name: str, count: int, seed: int) -> Outcome:
        outcome = Outcome("generated pairs: " + name.split(" lower")[0])
        texts = corpus.generated(2 * count, seed)
        first, second = texts[:count], texts[count:]
        outcome.compare(f"{name}, seed {seed}", *self.both(name, first, second, public=True), first, second)
        return outcome

    def real(self, name: str, row: str, texts: list[str]) -> Outcome:
        outcome = Outcome(row)
        outcome.compare(name, *self.both(name, texts, public=True), texts)
        return outcome

    def decoded(self, name: str, texts: list[str], count: int, seed: int) -> Outcome:
        """`decode` and `tokens`, of the ids of texts and of ids drawn at random."""
        directory = self.directories[name]
        rng = random.Random(seed)
        vocabulary = hugging_face.size(directory)

        def drawn() -> int:  # the first ones are special tokens, characters and the like
            return rng.randrange(vocabulary if rng.random() < 0.7 else min(vocabulary, 1200))

        ids = hugging_face.encoded_ids(directory, [corpus.well_formed(text) for text in texts])
        ids += [[drawn() for _ in range(rng.randrange(40))] for _ in range(count)]
        outcome = Outcome(f"decoding: {name}", texts=len(ids))
        theirs = hugging_face.decode(directory, ids)
        for row, mine, other in zip(ids, self.ours.decode(directory, ids), theirs):
            if self.plant:
                mine["text"] += " "
            if mine == other:
                continue
            outcome.differences += 1
            if len(outcome.examples) < SHOWN:
                outcome.examples.append(f"{outcome.row}: {row}\n  ours {mine}\n  theirs {other}")
        return outcome

    def truncated(self, name: str, strategy: str, special: bool, lengths: range, singles, firsts, seconds) -> Outcome:
        outcome = Outcome(f"truncation: {name}, {strategy}")
        for max_length in lengths:
            for texts, pairs in ((singles, None), (firsts, seconds)):
                self._truncated(outcome, name, strategy, special, max_length, texts, pairs)
        return outcome

    def _truncated(self, outcome, name, strategy, special, max_length, texts, pairs) -> None:
        directory = self.directories[name]
        options = {"add_special_tokens": special, "max_length": max_length, "truncation": strategy}
        # The public API takes no length of 0.
        self.ours.ask(directory, texts, pairs, max_length > 0, **options)
        theirs, errors = hugging_face.encode_truncated(directory, texts, pairs, special, max_length, strategy)
        ours = self.ours.answer()
        skip = set()
        for index, error in enumerate(errors):
            if error is not None:
                kind = f"it raises '{error.removeprefix('Truncation error: ')}'"
            elif theirs.lengths[index] > max_length:
                kind = "its result is longer than max_length"
            else:
                continue
            skip.add(index)
            outcome.departures[kind] += 1
        outcome.compare(f"{options}", ours, theirs, texts, pairs, skip)
        if (too_long := int((ours.lengths > max_length).sum())) > 0:
            outcome.differences += too_long
            outcome.examples.append(f"{outcome.row}: {too_long} of ours are longer than {max_length}")


def self_check(worker: Worker) -> int:
    """Differences of every kind, planted one by one; raises where one goes unnoticed. Gives their number."""
    texts = ["Café movies, 電影", "the film was unwatchable"]
    name = "uncased"
    planted = []

    def plant(what: str, change) -> None:
        ours, theirs = worker.both(name, texts)
        fields = {key: getattr(ours, key).copy() for key in vars(ours)}
        changed = Encodings(**fields)
        change(changed)
        planted.append((what, differing(changed, theirs)))

    plant("an id", lambda e: e.ids.__setitem__(3, 7))
    plant("an offset", lambda e: e.offsets.__setitem__((-2, 0), 99))
    plant("a type id", lambda e: e.type_ids.__setitem__(1, 1))
    plant("truncated", lambda e: e.truncated.__setitem__(1, True))

    def drop(encodings: Encodings) -> None:
        encodings.lengths[1] -= 1
        for key in ("ids", "type_ids", "offsets"):
            setattr(encodings, key, getattr(encodings, key)[:-1])

    plant("a token left out", drop)
    # Another setting on our side is another tokenizer.
    settings = ["every lower=1 strip=1 chinese=1", "every lower=1 strip=0 chinese=1"]
    worker.ours.ask(worker.directories[settings[0]], texts)
    other = hugging_face.encode(worker.directories[settings[1]], texts)
    planted.append(("accents stripped", differing(worker.ours.answer(), other)))
    for what, found in planted:
        if len(found) == 0:
            raise RuntimeError(f"self-check: a planted difference was not noticed: {what}")
    return len(planted)


def truncation_texts(sentences: list[str], count: int, seed: int) -> tuple[list[str], list[str], list[str]]:
    """Texts of 0 to 20 words, marks and ideographs among them; singles, firsts and seconds of pairs."""
    rng = random.Random(seed)
    words = [word for sentence in sentences[:500] for word in sentence.split()] + ["電影", "é", "[SEP]", "unwatchable", "\ud83d"]

    def text() -> str:
        return corpus.well_formed(" ".join(rng.choice(words) for _ in range(rng.choice((0, 1, 2, 3, 5, 8, 13, 20)))))

    return tuple([text() for _ in range(count)] for _ in range(3))
