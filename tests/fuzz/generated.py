"""The engine that makes statements up, with hypothesis, and makes what fails as small as it gets; and that blows small ones up."""

from __future__ import annotations

import time
import zlib
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.case import Case
from tests.fuzz.edits import KINDS, MARKUP, Edit, apply
from tests.fuzz.engine import SEED
from tests.fuzz.grammars import documents, options
from tests.fuzz.journal import MAX_FINDINGS, Journal
from tests.fuzz.oracles import Finding, Oracle, Result
from tests.fuzz.targets import Target, target

SCALED_BYTES = 12 * 1024
GROWTH = 9
STEP = 2.5  # four where it grows with the square, two where it does not
"""A reader's time may grow by this factor where its input grows fourfold; a square would make it 16."""
SMALL_BYTES = 10_000
_EXAMPLES = 100
_SWEEP = 40
_SETTINGS = settings(
    max_examples=_EXAMPLES,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


class Generated:
    """One reader's run. A finding is kept and reported once; the run goes on."""

    def __init__(self, target: Target, seconds: float, work: Path, findings: Path, *, enough: int = MAX_FINDINGS) -> None:
        self._enough = enough
        self._end = time.monotonic() + seconds
        self._target = target
        self._oracle = Oracle(target.readers, work, target.limits)
        self._journal = Journal(work, findings, f"hypothesis-{target.name}")
        self._known: set[str] = set()
        self._failing: list[tuple[Case, Finding]] = []
        self._chance = Random(SEED or None)
        self._small = [case.content for case in self._target.seeds if len(case.content) < SMALL_BYTES]
        kinds = ("repeat", "line end", "line", "element")
        self._sweep = [(kind, token) for kind in kinds for token in [*self._target.tokens, b"", b""]]
        self._chance.shuffle(self._sweep)

    @property
    def _over(self) -> bool:
        return time.monotonic() >= self._end or len(self._known) >= self._enough

    def run(self) -> None:
        """Goes on until the time is over or there are enough findings."""
        for case in self._target.seeds:  # first, so that what is loaded on first use is loaded before time counts
            self._try(lambda case=case: self._check(case, twice=False))
        sweep = cycle(self._sweep)
        while not self._over:
            self._try(self._test(self._chance.getrandbits(32)))
            for kind, token in islice(sweep, _SWEEP):
                self._try(lambda kind=kind, token=token: self._grow(kind, token))
        self._journal.write()

    def _try(self, step: Any) -> None:
        if self._over:
            return
        try:
            step()
        except Finding as finding:
            for case, found in self._failing:
                if found.signature == finding.signature:
                    self._journal.found(case, found)
            self._known.add(finding.signature)
        self._failing.clear()

    def _test(self, number: int) -> Any:
        """A hypothesis test of made-up statements and changed seeds, which draws other ones for each number."""
        contents = documents(self._target.name) | st.sampled_from([case.content for case in self._target.seeds])
        tokens = st.sampled_from(list(self._target.tokens)) | st.binary(max_size=8)
        kinds = KINDS + 3 * MARKUP if self._target.name in ("camt", "ofx", "workbook") else KINDS
        place = st.floats(0, 1, exclude_max=True)
        edits = st.builds(Edit, st.sampled_from(kinds), place, st.integers(0, 60), tokens, st.integers(1, 40))

        def test(content: bytes, changes: list[Edit], said: dict[str, Any]) -> None:
            if time.monotonic() < self._end:
                case = Case(apply(content, changes), said)
                self._check(case, twice=zlib.crc32(case.content) % 4 == 0)

        drawn = given(contents, st.lists(edits, max_size=4), st.sampled_from(list(self._target.options)) | options())
        return seed(number)(_SETTINGS(drawn(test)))

    def _check(self, case: Case, *, twice: bool) -> Result | None:
        """None when it is a finding that is known already. Raises Finding for a new one."""
        self._journal.begin(case)
        try:
            result = self._oracle.check(case, default_format=self._target.name, twice=twice)
        except Finding as finding:
            if finding.signature in self._known:
                self._journal.found(case, finding)
                return None
            self._failing.append((case, finding))
            raise
        self._journal.done(result)
        return result

    def _grow(self, kind: str, token: bytes) -> None:
        """The same thing again and again in a small file, then twice and four times as often: time may not grow with the square.

        Both steps must show it: a reader may take a longer way from some size on, but takes it once.
        """
        content, at = self._chance.choice(self._small), self._chance.random()
        piece = token or content[int(at * len(content)) :][: self._chance.randint(1, 40)] or b" "
        times = max(1, SCALED_BYTES // len(piece))
        small, middle, large = (Case(apply(content, [Edit(kind, at, len(piece), token, n * times)])) for n in (1, 2, 4))
        # Not where the piece is the whole of it, nor where the large one was cut off.
        if not 3.5 * len(small.content) < len(large.content) < 5 * len(small.content):
            return
        detail = file_format = ""
        for _ in range(3):  # a busy machine may slow down one of them, hardly all
            before, after = self._check(small, twice=False), self._check(large, twice=False)
            if before is None or after is None or after.cpu_s < max(0.25, GROWTH * before.cpu_s):
                return
            half = self._check(middle, twice=False)
            if half is None or after.cpu_s < STEP * half.cpu_s or half.cpu_s < STEP * before.cpu_s:
                return
            detail = f"{len(small.content)} bytes take {before.cpu_s:.2f} s, {len(large.content)} take {after.cpu_s:.2f} s"
            file_format = after.file_format
        growing = Finding("growth", detail, file_format)
        self._failing.append((large, growing))
        raise growing


def run(name: str, seconds: float, work: Path, findings: Path) -> None:
    """Fuzzes one reader until the time is over."""
    Generated(target(name, in_process=False), seconds, work, findings).run()
