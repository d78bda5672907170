"""Compares bertcnn's tokenizer with Hugging Face's. `npm run conformance:tokenizer` calls it."""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # each process is a thread

import jobs
import texts as corpus
import vocabularies

BLOCK = 0x8000  # characters of a job
GENERATED = 10_000  # texts of a job
WORKER: jobs.Worker


def start(node: str, directories: dict[str, Path], plant: bool) -> None:
    global WORKER
    WORKER = jobs.Worker(node, directories, plant)


def perform(job: tuple) -> jobs.Outcome:
    what, *arguments = job
    return getattr(WORKER, what)(*arguments)


def plan(arguments: argparse.Namespace) -> list[tuple]:
    every = [vocabularies.setting_name(settings) for settings in vocabularies.SETTINGS]
    quick = arguments.quick
    by_section = {
        "characters": characters(every, quick),
        "generated": generated(every, 60_000 if quick else arguments.texts),
        "real": real(arguments, 10 if quick else 1),
        "truncation": truncation(arguments, 30 if quick else 250),
        "decoding": decoding(arguments, 1000 if quick else 20_000),
    }
    return [job for name in arguments.only.split(",") for job in by_section[name]]


def characters(names: list[str], quick: bool) -> list[tuple]:
    """All of them in each setting; `quick`: all in the first, and of the others one in twelve each."""
    blocks = range(0, sys.maxunicode + 1, BLOCK)
    if not quick:
        return [("characters", name, first, first + BLOCK, 1) for name in names for first in blocks]
    thinned = [("characters", name, i, sys.maxunicode + 1, len(names)) for i, name in enumerate(names) if i > 0]
    return [("characters", names[0], first, first + BLOCK, 1) for first in blocks] + thinned


def generated(every: list[str], count: int) -> list[tuple]:
    """Half of them with a character each as a token."""
    plain = ["uncased", "cased", "chinese", "added tokens"]
    names = [name for pair in zip(every, itertools.cycle(plain)) for name in pair]
    seeds = range(-(-count // GENERATED))
    singles = sorted((("generated", names[seed % len(names)], GENERATED, seed) for seed in seeds), key=lambda job: job[1])
    pairs = [("generated_pairs", name, max(1000, count // 100), 10_000 + i) for i, name in enumerate(plain)]
    return singles + pairs


def real(arguments: argparse.Namespace, step: int) -> list[tuple]:
    work = []
    for name in ("uncased", "cased", "chinese"):
        for title, sentences in corpus.sentences(arguments.ratings).items():
            work.append(("real", name, f"sentences: {title}", sentences[::step]))
        mails = corpus.mails(arguments.mails)[::step]
        work += [("real", name, "mails", mails[i : i + 200]) for i in range(0, len(mails), 200)]
    return work


def truncation(arguments: argparse.Namespace, count: int) -> list[tuple]:
    sentences = corpus.sentences(arguments.ratings)["movieReviewSnippets"]
    cases = itertools.product(("uncased", "cased", "chinese"), jobs.STRATEGIES, (True, False))
    return [("truncated", *case, range(21), *jobs.truncation_texts(sentences, count, seed)) for seed, case in enumerate(cases)]


def decoding(arguments: argparse.Namespace, count: int) -> list[tuple]:
    sentences = corpus.sentences(arguments.ratings)["movieReviewSnippets"][:count]
    names = ("uncased", "cased", "chinese", "added tokens")
    return [
        ("decoded", name, sentences + corpus.generated(count, 20_000 + seed), count, seed)
        for seed, name in enumerate(names)
    ]


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("minilm", "ratings", "mails", "fixtures"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--node", default="node")
    parser.add_argument("--quick", action="store_true", help="a part of it, for CI")
    parser.add_argument("--texts", type=int, default=1_000_000, help="generated texts (default: %(default)s)")
    parser.add_argument("--only", default="characters,generated,real,truncation,decoding", help="some of: %(default)s")
    parser.add_argument("--plant", action="store_true", help="falsify an offset of ours, to see the check fail")
    arguments = parser.parse_args()
    print(f"tokenizers {version('tokenizers')}, transformers {version('transformers')}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory(prefix="bertcnn-conformance-") as scratch:
        directories = vocabularies.make_all(Path(scratch), arguments.minilm, arguments.fixtures)
        noticed = jobs.self_check(jobs.Worker(arguments.node, directories, False))
        print(f"self-check: {noticed} planted differences, {noticed} noticed")
        work = plan(arguments)
        setup = (arguments.node, directories, arguments.plant)
        with multiprocessing.Pool(len(os.sched_getaffinity(0)), start, setup) as pool:
            return report(pool.imap(perform, work))


def report(outcomes) -> int:
    rows: dict[str, jobs.Outcome] = {}
    for outcome in outcomes:
        row = rows.setdefault(outcome.row, jobs.Outcome(outcome.row))
        row.texts += outcome.texts
        row.differences += outcome.differences
        row.departures += outcome.departures
        row.examples += outcome.examples
    width = max(map(len, rows))
    print(f"{'':<{width}}  {'texts':>11}  {'departures':>10}  {'differences':>11}")
    for name, row in rows.items():
        print(f"{name:<{width}}  {row.texts:>11,}  {row.departures.total():>10,}  {row.differences:>11,}")
    total = sum(row.texts for row in rows.values())
    departures = sum((row.departures for row in rows.values()), Counter())
    differences = sum(row.differences for row in rows.values())
    print(f"{'all':<{width}}  {total:>11,}  {departures.total():>10,}  {differences:>11,}")
    if departures:
        print("departures: where Hugging Face fails, ours keeps to maxLength")
        for kind, count in sorted(departures.items()):
            print(f"  {count:>9,}  {kind}")
    for example in list(itertools.chain.from_iterable(row.examples[:5] for row in rows.values()))[:40]:
        print(f"DIFFERENT {example}")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
