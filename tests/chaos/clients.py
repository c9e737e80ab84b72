"""Clients that do what clients do while servers die: the same request again after the time that they were told, and no other."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import httpx

from services.local import LocalSystem
from tests.chaos.experiment import RETRY_STATUSES
from tests.support.rest import RestUser

PATIENCE_S = 900
"""An import or a job that takes longer is stuck: each of its processes may have been killed on the way, more than once."""
_CATEGORIES = {"REWE": "groceries_supermarket", "GOLF": "education_courses", "MARKET": "housing"}


class NeverAnswered(Exception):
    """A client has tried for as long as anybody would."""


class WrongAnswer(Exception):
    """An answer that no outage excuses."""


class Client(threading.Thread):
    """One user at work, again and again, until told to stop; what is in hand is then carried to its end."""

    def __init__(self, system: LocalSystem, *, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.user = RestUser(system, timeout_s=60)
        self.problems: list[str] = []
        self.statuses: Counter[str] = Counter()
        self.done = 0
        self._pause_s = pause_s
        self._stopping = threading.Event()

    def stop(self) -> None:
        """After what is in hand."""
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.once()
                self.done += 1
            except Exception as error:
                self.problems.append(f"{type(self).__name__}: {type(error).__name__}: {error}")
                return
            self._stopping.wait(self._pause_s * random.uniform(0.5, 1.5))

    def once(self) -> None:
        """One piece of work, from the request to its end."""
        raise NotImplementedError

    def answered(self, send: Callable[[], httpx.Response], *statuses: int) -> httpx.Response:
        """The same request until it is answered with one of these. Raises WrongAnswer for anything that is no outage's."""
        until = time.monotonic() + PATIENCE_S
        while True:
            pause = 0.3
            try:
                response = send()
                self.statuses[str(response.status_code)] += 1
                if response.status_code in statuses:
                    return response
                if response.status_code not in RETRY_STATUSES:
                    raise WrongAnswer(
                        f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text[:500]}"
                    )
                pause = min(float(response.headers["Retry-After"]), 2.0)
            except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
                self.statuses[type(error).__name__] += 1
            if time.monotonic() > until:
                raise NeverAnswered(f"no answer for {PATIENCE_S} s; so far {dict(self.statuses)}")
            time.sleep(pause * random.uniform(0.3, 1))


class Importer(Client):
    """Imports one statement after the other, each with the end of the one before, as overlapping exports have it; every fourth is so large
    that a worker reads it. Keeps what the ledger must hold, and what it was told."""

    SMALL, LARGE, OVERLAP = 40, 1_500, 10

    def __init__(self, system: LocalSystem, *, pause_s: float = 1) -> None:
        super().__init__(system, pause_s=pause_s)
        self.rows: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.queued = 0
        self.longest_s = 0.0
        self._next = 0
        self._overlap: list[str] = []

    def once(self) -> None:
        first, number = self._next, self.done
        rows = [_row(one) for one in range(first, first + (self.LARGE if number % 4 == 3 else self.SMALL))]
        # Two genuine equal rows of one statement are both kept.
        rows.append(rows[-1])
        extra = ["2026-05-13,0.00,nothing", "2026-05-45,-1.00,no such day"]
        text = "\n".join(["Date,Amount,Description", *self._overlap, *rows, *extra, ""])
        begun = time.monotonic()
        counts = self._imported(text)
        self.longest_s = max(self.longest_s, time.monotonic() - begun)
        expected = {"rows": len(self._overlap) + len(rows) + 2, "inserted": len(rows), "duplicates": len(self._overlap)}
        expected |= {"zero_amount": 1, "rejected": 1}
        if {name: counts[name] for name in expected} != expected:
            raise WrongAnswer(f"import {number} of {self.user.user_id} was told {counts}, and is {expected}")
        self.rows.update(rows)
        self.told.update({name: counts[name] for name in expected})
        self._next = first + len(rows) - 1
        self._overlap = rows[: self.OVERLAP]

    def _imported(self, text: str) -> dict[str, int]:
        key = str(uuid4())
        response = self.answered(lambda: self.user.post_import(text, key=key), 200, 201, 202)
        if response.status_code == 202:
            self.queued += 1
            location = response.headers["Location"].removeprefix("/api/v1")
            until = time.monotonic() + PATIENCE_S
            while response.json()["state"] in ("pending", "running"):
                if time.monotonic() > until:
                    raise NeverAnswered(f"import {location} is stuck: {response.text[:500]}")
                time.sleep(0.3)
                response = self.answered(lambda: self.user.http.get(location), 200)
        told = response.json()
        if told["state"] != "succeeded":
            raise WrongAnswer(f"an import has ended as {told}")
        return {name: value for name, value in told["counts"].items() if isinstance(value, int)}

    def reconciled(self) -> list[str]:
        """What the ledger and the list of imports say otherwise than the client knows; nothing in the best case."""
        problems = []
        found = self._pages("/transactions")
        held = Counter(f"{one['transaction_date']},{one['amount']},{one['description']}" for one in found)
        if missing := self.rows - held:
            problems.append(f"lost for {self.user.user_id}: {missing.total()} rows, such as {next(iter(missing))}")
        if doubled := held - self.rows:
            problems.append(f"doubled for {self.user.user_id}: {doubled.total()} rows, such as {next(iter(doubled))}")
        if len({one["id"] for one in found}) != len(found):
            problems.append(f"one row was listed twice for {self.user.user_id}")
        imports = self._pages("/imports")
        listed = Counter[str]()
        for one in imports:
            listed.update({name: one["counts"][name] for name in self.told})
        if len(imports) != self.done or {one["state"] for one in imports} - {"succeeded"}:
            problems.append(f"{self.user.user_id} has sent {self.done} imports, and {[one['state'] for one in imports]} are listed")
        if listed != self.told:
            problems.append(f"{self.user.user_id} was told {dict(self.told)}, and {dict(listed)} is listed")
        parts = self.told["inserted"] + self.told["duplicates"] + self.told["zero_amount"] + self.told["rejected"]
        if self.told["rows"] != parts or self.told["inserted"] != held.total():
            problems.append(f"rows do not add up for {self.user.user_id}: {dict(self.told)}, and {held.total()} are held")
        return problems

    def _pages(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        parameters: dict[str, Any] = {"page_size": 1000}
        while True:
            page = self.answered(lambda: self.user.http.get(path, params=parameters), 200).json()
            items += page["items"]
            if not page["next_page_token"]:
                return items
            parameters["page_token"] = page["next_page_token"]


def _row(number: int) -> str:
    return f"2026-{1 + number // 250 % 12:02}-{1 + number // 10 % 25:02},-{1 + number % 90}.50,payment {number}"


class Lister(Client):
    """Looks at another client's ledger: it never shrinks, and no page shows a row twice."""

    def __init__(self, system: LocalSystem, whose: Client) -> None:
        super().__init__(system, pause_s=0.5)
        self.user = RestUser(system, whose.user.user_id, timeout_s=60)

    def once(self) -> None:
        page = self.answered(lambda: self.user.http.get("/transactions", params={"page_size": 200}), 200).json()
        ids = [one["id"] for one in page["items"]]
        if len(set(ids)) != len(ids):
            raise WrongAnswer("a page shows a row twice")


class Classifier(Client):
    """Asks what payments were for."""

    def __init__(self, system: LocalSystem) -> None:
        super().__init__(system, pause_s=0.5)

    def once(self) -> None:
        items = [{"description": f"REWE SAGT DANKE {number}", "amount": "-12.30", "currency": "EUR"} for number in range(5)]
        found = self.answered(lambda: self.user.http.post("/classify/batch", json={"items": items}), 200).json()
        if len(found["items"]) != len(items):
            raise WrongAnswer(f"{len(items)} were asked, and {len(found['results'])} answered")


class Learner(Client):
    """Has a model of its own trained, again and again; each job ends, and tells so once."""

    ENDED = ("completed", "failed")

    def __init__(self, system: LocalSystem) -> None:
        super().__init__(system, pause_s=10)
        self.ended: dict[str, str] = {}
        self.longest_s = 0.0
        names = [*_CATEGORIES, *(f"SHOP {letter}" for letter in "ABCDEFGHIJKL")]
        rows = [f"2026-{1 + row % 12:02}-{1 + row % 28:02},-{1 + row % 90}.50,{names[row % 15]} {row}" for row in range(750)]
        text = "\n".join(["Date,Amount,Description", *rows, ""])
        key = str(uuid4())
        response = self.answered(lambda: self.user.post_import(text, key=key), 200, 201, 202)
        while response.status_code == 202 or response.json()["state"] != "succeeded":
            location = f"/imports/{response.json()['id']}"
            response = self.answered(partial(self.user.http.get, location), 200)
            time.sleep(0.1)
        for word, category in _CATEGORIES.items():
            edit = {"filter": f"description:{word}", "category": category}
            self.answered(partial(self.user.http.patch, "/transactions", json=edit), 200)

    def begin(self) -> str:
        """Starts a training; its id."""
        key = {"Idempotency-Key": str(uuid4())}
        begun = self.answered(lambda: self.user.http.post("/training/jobs", json={"model": "categorizer"}, headers=key), 200, 202).json()
        return str(begun["job_id"])

    def once(self) -> None:
        begun = time.monotonic()
        job_id = self.begin()
        job = self.job_when(job_id, *self.ENDED)
        self.longest_s = max(self.longest_s, time.monotonic() - begun)
        self.ended[job_id] = job["status"]

    def job_when(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """The job, as soon as it is one of these."""
        until = time.monotonic() + PATIENCE_S
        while True:
            job = dict(self.answered(lambda: self.user.http.get(f"/training/status/{job_id}"), 200).json())
            if job["status"] in statuses:
                return job
            if time.monotonic() > until:
                raise NeverAnswered(f"training {job_id} is stuck: {job}")
            time.sleep(0.1)

    def reconciled(self) -> list[str]:
        """What is recorded otherwise than it was told."""
        problems = []
        told: Counter[tuple[str, str]] = Counter((one["subject_id"], one["kind"]) for one in self.user.pages("/notifications"))
        for job_id, status in self.ended.items():
            kinds = {kind: count for (subject, kind), count in told.items() if subject == job_id}
            if kinds != {f"training_{status}": 1}:
                problems.append(f"training {job_id} has {status}, and its user was told {kinds}")
        versions = Counter(str(one["job_id"]) for one in self.user.pages("/training/models/categorizer/versions"))
        if twice := [job for job, count in versions.items() if count > 1]:
            problems.append(f"one training made two versions: {twice}")
        if strange := set(versions) - {job for job, status in self.ended.items() if status == "completed"}:
            problems.append(f"versions of trainings that have not completed: {strange}")
        return problems
