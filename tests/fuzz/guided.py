"""The coverage-guided engine, atheris: inputs that reach something new in the readers are kept and changed further.

Importing this instruments the readers: import it first, in a process of its own. What is native (polars, calamine, lxml) gives no coverage.
"""

from __future__ import annotations

import atexit
import hashlib
import sys
import zlib
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["services.ingestion.readers", "services.ingestion.formats"]):
    from tests.fuzz.targets import Target, target

from tests.fuzz.case import Case, case_of
from tests.fuzz.edits import apply, random_edit
from tests.fuzz.engine import SEED
from tests.fuzz.journal import Journal
from tests.fuzz.oracles import Finding, Limits, Oracle

MAX_BYTES = 32 * 1024  # the other engine takes the large ones
LIMITS = Limits(slack_s=3, bytes_per_s=30_000)  # instrumented code is several times slower


def run(name: str, seconds: float, work: Path, findings: Path) -> None:
    """Fuzzes one reader. Does not return: libFuzzer ends the process when the time is over."""
    fuzz(target(name, in_process=True), seconds, work, findings)


def fuzz(chosen: Target, seconds: float, work: Path, findings: Path) -> None:
    """The same for any target. What was worth keeping lies beside the findings, for the next run to go on from."""
    oracle = Oracle(chosen.readers, work, LIMITS)
    journal = Journal(work, findings, f"atheris-{chosen.name}")
    corpus, seeds = findings.parent / "corpus" / chosen.name, work / "seeds"
    corpus.mkdir(parents=True, exist_ok=True)
    seeds.mkdir(exist_ok=True)
    for seed in chosen.seeds:
        data = seed.data()
        (seeds / hashlib.sha256(data).hexdigest()).write_bytes(data)

    def execute(data: bytes) -> None:
        case = case_of(data)
        journal.begin(case)
        try:
            journal.done(oracle.check(case, default_format=chosen.name, twice=zlib.crc32(data) % 4 == 0))
        except Finding as finding:
            journal.found(case, finding)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        return _mutate(chosen, Random(seed), case_of(data), max_size)

    atexit.register(journal.write)
    arguments = [
        f"-max_total_time={int(seconds)}",
        f"-max_len={MAX_BYTES}",
        "-len_control=0",
        "-timeout=300",
        "-rss_limit_mb=0",
        f"-seed={SEED}",
    ]
    atheris.Setup([sys.argv[0], str(corpus), str(seeds), *arguments, f"-artifact_prefix={work}/"], execute, custom_mutator=mutate)
    atheris.Fuzz()


def _mutate(chosen: Target, chance: Random, case: Case, max_size: int) -> bytes:
    """Bytes as libFuzzer changes them, or edits that keep the form; now and then other options, or another seed."""
    content, options = case.content, case.options
    if chance.random() < 0.05:
        options = chance.choice(chosen.options)
    if chance.random() < 0.02:
        content = chance.choice(chosen.seeds).content
    if chance.random() < 0.35 and len(content) <= max_size:
        content = atheris.Mutate(content, max_size)
    else:
        content = apply(content, [random_edit(chance, content, chosen.tokens) for _ in range(chance.choice((1, 1, 2, 4)))])
    return Case(content[: max_size - 1024], options).data()
