"""One engine on one reader, as a process of its own: `python -m tests.fuzz.engine atheris csv --seconds 20 --work FOLDER --findings FOLDER`."""

from __future__ import annotations

import argparse
import atexit
import hashlib
import resource
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

MAX_ATHERIS_BYTES = 32 * 1024  # hypothesis takes the large ones
MEMORY_BYTES = 4 * 1024**3  # of address space; beyond it an input gets a MemoryError, not the machine
SCALED_BYTES = 12 * 1024
GROWTH = 6
"""A reader's time may grow by this factor where its input grows fourfold; a square would make it 16."""


def run_atheris(name: str, seconds: float, work: Path, findings: Path) -> None:
    """Coverage-guided: what reaches new lines of the readers is kept and changed further. Ends the process."""
    import atheris

    with atheris.instrument_imports(include=["services.ingestion.readers", "services.ingestion.formats"]):
        from tests.fuzz import targets
    from tests.fuzz.case import Case, case_of
    from tests.fuzz.edits import apply, random_edit
    from tests.fuzz.journal import Journal
    from tests.fuzz.oracles import Finding, Limits, Oracle

    target = targets.target(name, in_process=True)
    # Instrumented code is several times slower.
    oracle = Oracle(target.readers, work, Limits(bytes_per_s=30_000, slack_s=3))
    journal = Journal(work, findings, f"atheris-{name}")
    corpus, seeds = findings.parent / "corpus" / name, work / "seeds"
    corpus.mkdir(parents=True, exist_ok=True)
    seeds.mkdir(exist_ok=True)
    for seed in target.seeds:
        data = seed.data()
        (seeds / hashlib.sha256(data).hexdigest()).write_bytes(data)

    def execute(data: bytes) -> None:
        case = case_of(data)
        journal.begin(case)
        try:
            journal.done(oracle.check(case, default_format=name, twice=zlib.crc32(data) % 4 == 0))
        except Finding as finding:
            journal.found(case, finding)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        chance = Random(seed)
        case = case_of(data)
        content, options = case.content, case.options
        if chance.random() < 0.05:
            options = chance.choice(target.options)
        if chance.random() < 0.02:
            content = chance.choice(target.seeds).content
        if chance.random() < 0.35 and len(content) <= max_size:
            content = atheris.Mutate(content, max_size)
        else:
            content = apply(content, [random_edit(chance, content, target.tokens) for _ in range(chance.choice((1, 1, 2, 4)))])
        return Case(content[: max_size - 1024], options).data()

    atexit.register(journal.write)
    _limit_memory()
    arguments = [sys.argv[0], str(corpus), str(seeds), f"-max_total_time={int(seconds)}", f"-max_len={MAX_ATHERIS_BYTES}", "-timeout=300",
                 "-rss_limit_mb=0", "-len_control=0", f"-artifact_prefix={work}/"]  # fmt: skip
    atheris.Setup(arguments, execute, custom_mutator=mutate)
    atheris.Fuzz()


def run_hypothesis(name: str, seconds: float, work: Path, findings: Path) -> None:
    """Made-up statements, changed seeds, and both blown up to see how time grows; what fails is made as small as it gets."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis import strategies as st

    from tests.fuzz import targets
    from tests.fuzz.case import Case
    from tests.fuzz.edits import KINDS, MARKUP, Edit, apply
    from tests.fuzz.grammars import documents
    from tests.fuzz.journal import Journal
    from tests.fuzz.oracles import Finding, Limits, Oracle, Result

    target = targets.target(name, in_process=False)
    oracle = Oracle(target.readers, work, Limits())
    journal = Journal(work, findings, f"hypothesis-{name}")
    end = time.monotonic() + seconds
    place = st.floats(0, 1, exclude_max=True)
    tokens = st.sampled_from(list(target.tokens)) | st.binary(max_size=8)
    kinds = KINDS + 3 * MARKUP if name in ("camt", "ofx", "workbook") else KINDS
    edits = st.builds(Edit, st.sampled_from(kinds), place, st.integers(0, 60), tokens, st.integers(1, 40))
    contents = documents(name) | st.sampled_from([case.content for case in target.seeds])
    words = st.sampled_from(["date", "amount", "debit", "credit", "description", "direction", "account", "balance", "currency", "x", ""])
    said = st.fixed_dictionaries({}, optional={
        "date_format": st.sampled_from(["%d/%m/%Y", "dmy", "YYYY-MM-DD"]) | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip),
        "currency": st.sampled_from(["EUR", "JPY", "ZZZ", "e"]),
        "columns": st.dictionaries(words, st.integers(-2, 12).map(str) | st.sampled_from(["Amount", "Date", "Description", "", "٣"]), max_size=4),
    })  # fmt: skip
    options = st.sampled_from(list(target.options)) | said

    def check(case: Case, *, twice: bool) -> Result | None:
        """None when it is a finding that is known already. Raises Finding for a new one."""
        journal.begin(case)
        try:
            result = oracle.check(case, default_format=name, twice=twice)
        except Finding as finding:
            if finding.signature in known:
                journal.found(case, finding)
                return None
            failing.append((case, finding))
            raise
        journal.done(result)
        return result

    def any_input(content: bytes, changes: list[Edit], given_options: dict[str, Any]) -> None:
        if time.monotonic() < end:
            case = Case(apply(content, changes), given_options)
            check(case, twice=zlib.crc32(case.content) % 4 == 0)

    def grow(kind: str, token: bytes) -> None:
        """The same thing again and again in a small file, then four times as often: time may not grow with the square."""
        content, at = chance.choice(small_seeds), chance.random()
        piece = token or content[int(at * len(content)) :][: chance.randint(1, 40)] or b" "
        times = max(1, SCALED_BYTES // len(piece))
        small, large = (Case(apply(content, [Edit(kind, at, len(piece), token, count)])) for count in (times, 4 * times))
        try:
            for _ in range(3):  # a busy machine may slow down one of them, hardly all
                before, after = check(small, twice=False), check(large, twice=False)
                if not before or not after or after.cpu_s < max(0.25, GROWTH * before.cpu_s) or len(large.content) > 5 * len(small.content):
                    return
        except Finding as finding:
            keep(finding)
            return
        detail = f"{len(small.content)} bytes take {before.cpu_s:.2f} s, {len(large.content)} take {after.cpu_s:.2f} s"
        failing.append((large, Finding("growth", detail, after.file_format)))
        keep(failing[-1][1])

    def keep(finding: Finding) -> None:
        for case, found in failing:
            if found.signature == finding.signature:
                journal.found(case, found)
        known.add(finding.signature)
        failing.clear()

    chance = Random()
    small_seeds = [case.content for case in target.seeds if len(case.content) < 10_000]
    sweep = [(kind, token) for kind in ("repeat", "line end", "line", "element") for token in [*target.tokens, b"", b""]]
    chance.shuffle(sweep)
    known: set[str] = set()
    failing: list[tuple[Case, Finding]] = []
    _limit_memory()
    for seeded in target.seeds:  # first, so that what is loaded on first use is loaded before time counts
        if time.monotonic() < end:
            with suppress(Finding):
                check(seeded, twice=False)
    start = chance.getrandbits(32)
    number = 0
    chosen = settings(max_examples=100, deadline=None, database=None, phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False,
                      suppress_health_check=list(HealthCheck), print_blob=False)  # fmt: skip
    test = given(contents, st.lists(edits, max_size=4), options)
    while time.monotonic() < end:
        try:
            seed(start + number)(chosen(test(any_input)))()
        except Finding as finding:
            keep(finding)
        for at in range(40):
            if time.monotonic() < end:
                grow(*sweep[(40 * number + at) % len(sweep)])
        number += 1
    journal.write()


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Run until the time is over. Figures and findings are in the folders by then; the exit status says nothing of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=("atheris", "hypothesis"))
    parser.add_argument("reader")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--findings", type=Path, required=True)
    said = parser.parse_args()
    run = run_atheris if said.engine == "atheris" else run_hypothesis
    run(said.reader, said.seconds, said.work, said.findings)


if __name__ == "__main__":
    main()
