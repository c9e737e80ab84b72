"""SCALE's REST interface as the command line needs it: one address, one token, and errors that read as sentences."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import httpx

from clients.cli.events import Event, read_events

FINAL_STATES = ("succeeded", "failed", "undone")
OPEN_STATUSES = ("pending", "processing")
"""Of a job of training."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Reading a long file may take its time; connecting may not.
_TIMEOUT = httpx.Timeout(600, connect=5)
# A stream says every 15 seconds that it is still there.
_STREAM_TIMEOUT = httpx.Timeout(60, connect=5)
_STREAM_TRIES = 3
_PAUSE_S = 0.5
# A process that died is back within seconds; the import has not heard of it.
_PATIENCE_S = 30
_TRY_LATER = (429, 503, 504)


class ScaleError(Exception):
    """SCALE could not be asked, or refused. The message is for a person; `exit_code` is the command's, `problem` what SCALE answered."""

    exit_code = 1

    def __init__(self, message: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.problem = problem or {}


class NotReachable(ScaleError):
    """Nobody answers at the address."""

    exit_code = 3


class TryLater(ScaleError):
    """Something is down or busy now."""


class _NoStream(Exception):
    """There is no stream to follow here."""


class ScaleClient:
    """A session with one gateway. Every method raises ScaleError."""

    def __init__(self, url: str, token: str, *, transport: httpx.BaseTransport | None = None) -> None:
        try:
            address = httpx.URL(url.rstrip("/"))
        except httpx.InvalidURL as error:
            raise ScaleError(f"{url} is not an address: {error}") from error
        self._http = httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=_TIMEOUT,
            transport=transport,
            # A proxy for the outside world cannot reach this machine's own loopback.
            trust_env=address.host not in _LOOPBACK,
        )

    def __enter__(self) -> ScaleClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def import_statement(
        self,
        file: Path,
        *,
        options: Mapping[str, str],
        idempotency_key: str | None = None,
        sent: Callable[[int], None] = lambda position: None,
    ) -> dict[str, Any]:
        """Uploads a statement; `sent` gets the number of bytes sent so far. The import of a large one goes on: see `follow`."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self.upload("/api/v1/imports", file, sent=sent, data=dict(options), headers=headers)

    def upload(self, path: str, file: Path, *, sent: Callable[[int], None], **request: Any) -> dict[str, Any]:
        """Posts a file as a form; `sent` gets the number of bytes sent so far."""
        try:
            handle = file.open("rb")
        except OSError as error:
            raise ScaleError(f"{file}: {error.strerror}.") from error
        with handle:
            upload = cast(IO[bytes], _Upload(handle, sent))
            return self.ask("POST", path, files={"file": (file.name, upload)}, **request)

    def download(self, path: str) -> Iterator[bytes]:
        """A file, block by block. Raises NotReachable when it breaks off."""
        try:
            with self._http.stream("GET", path, headers={"Accept": "*/*"}) as response:
                if not response.is_success:
                    response.read()
                    raise (TryLater if response.status_code in _TRY_LATER else ScaleError)(explain(response))
                yield from response.iter_raw()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotReachable(f"Nobody answers at {self._http.base_url}: is it running? `make run` starts it.") from error
        except httpx.HTTPError as error:
            raise NotReachable(f"The connection to {self._http.base_url} broke: {error!r}. Try again.") from error

    def follow(self, import_id: str) -> Iterator[dict[str, Any]]:
        """An import at every step that it makes, the last time when it is done: from its stream, or by asking where that does not work."""
        with suppress(_NoStream):
            for event in self._stream(f"/api/v1/imports/{import_id}/stream"):
                found = json.loads(event.data)
                yield found
                if found["state"] in FINAL_STATES:
                    return
        yield from self.follow_state(f"/api/v1/imports/{import_id}")

    def follow_training(self, job_id: str) -> Iterator[dict[str, Any]]:
        """How far a job of training is, at every step that it makes (`status`, `step`, `total`, `loss`): from its stream, or by asking
        where that does not work. The last one is the job itself, when it has ended."""
        with suppress(_NoStream):
            for event in self._stream(f"/api/v1/training/stream/{job_id}"):
                if event.name != "progress":
                    break
                yield json.loads(event.data)
        while True:
            found = self._ask_patiently(f"/api/v1/training/jobs/{job_id}")
            if found["status"] not in OPEN_STATUSES:
                yield found
                return
            progress = found["progress"] or {"step": 0, "total": 0, "loss": None, "phase": ""}
            yield {**progress, "status": progress["phase"] or found["status"]}
            time.sleep(_PAUSE_S)

    def follow_job(self, job_id: str) -> Iterator[dict[str, Any]]:
        """A job of categorization twice a second, the last time when it is done."""
        yield from self.follow_state(f"/api/v1/classify/jobs/{job_id}")

    def follow_state(self, path: str) -> Iterator[dict[str, Any]]:
        """What is at `path` twice a second, the last time when its `state` is final."""
        while True:
            found = self._ask_patiently(path)
            yield found
            if found["state"] in FINAL_STATES:
                return
            time.sleep(_PAUSE_S)

    def finished(self, path: str) -> dict[str, Any]:
        """What is at `path` once its `state` is final."""
        return deque(self.follow_state(path), maxlen=1).pop()

    def _stream(self, path: str) -> Iterator[Event]:
        """A stream's events, taken up where it was when it breaks. Raises _NoStream where there is none, or none any more."""
        last_id, tries = "", 0
        while tries < _STREAM_TRIES:
            tries += 1
            for event in self._events(path, last_id):
                yield event
                last_id, tries = event.id, 0
            time.sleep(_PAUSE_S)
        raise _NoStream

    def _events(self, path: str, last_id: str) -> Iterator[Event]:
        """What comes until the stream ends or breaks."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        try:
            with self._http.stream("GET", path, headers=headers, timeout=_STREAM_TIMEOUT) as response:
                if response.headers.get("Content-Type", "").startswith("text/event-stream"):
                    yield from read_events(response.iter_lines())
                elif response.status_code not in _TRY_LATER:
                    raise _NoStream
        except httpx.HTTPError:
            return

    def _ask_patiently(self, path: str) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self.ask("GET", path)
            except (NotReachable, TryLater):
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_S)

    def import_rows(self, import_id: str, outcome: str, limit: int) -> list[dict[str, Any]]:
        """The first rows of an import with that outcome."""
        parameters = {"outcome": outcome, "page_size": str(limit)}
        return list(self.ask("GET", f"/api/v1/imports/{import_id}/rows", params=parameters)["items"])

    def items(
        self, resource: str, parameters: Mapping[str, str], limit: int, *, first_page: Callable[[dict[str, Any]], None] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Up to `limit` items of a listing, page by page. `first_page` is called with the first one whole."""
        query = dict(parameters)
        while limit > 0:
            page = self.ask("GET", f"/api/v1/{resource}", params=query | {"page_size": str(min(limit, 1000))})
            if first_page is not None and "page_token" not in query:
                first_page(page)
            yield from page["items"][:limit]
            limit -= len(page["items"])
            if not page.get("next_page_token"):
                return
            query["page_token"] = page["next_page_token"]

    def csv_profiles(self) -> list[dict[str, Any]]:
        """What is remembered of the layouts of CSV files, the latest first."""
        return list(self.items("csv-profiles", {}, 1000))

    def forget_csv_profile(self, header_hash: str) -> None:
        """Forgets one of them."""
        self.ask("DELETE", f"/api/v1/csv-profiles/{header_hash}")

    def ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """One request and its JSON answer, empty for 204; `request` is as httpx takes it."""
        try:
            response = self._http.request(method, path, **request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotReachable(f"Nobody answers at {self._http.base_url}: is it running? `make run` starts it.") from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ScaleError(f"{self._http.base_url} is not an address of SCALE: {error}") from error
        except httpx.HTTPError as error:
            raise NotReachable(f"The connection to {self._http.base_url} broke: {error!r}. Try again.") from error
        if response.status_code == httpx.codes.NO_CONTENT:
            return {}
        if response.is_success:
            return _json(response)
        raise (TryLater if response.status_code in _TRY_LATER else ScaleError)(explain(response), _json(response))


def explain(response: httpx.Response) -> str:
    """An error answer (RFC 7807) as a sentence, with one line for each field at fault."""
    problem = _json(response)
    title = problem.get("detail") or problem.get("title") or response.reason_phrase or "refused"
    lines = [f"{str(title).rstrip('.')} ({response.status_code})."]
    errors = problem.get("errors") or []
    lines += [f"  {where_and_why(error)}" for error in errors]
    if any(error.get("field") == "password" for error in errors):
        lines.append("  --password asks for it.")
    if response.status_code == 401:
        lines.append("  `scale token` prints a fresh token; --token or SCALE_TOKEN names one.")
    if problem.get("reason") in ("ROLE_NOT_ALLOWED", "ADMINS_ONLY"):
        lines.append("  `scale token --admin` prints an administrator's token, in development; --token or SCALE_TOKEN names one.")
    if retry_after := response.headers.get("Retry-After"):
        lines.append(f"  Try again in {retry_after} s.")
    if request_id := problem.get("request_id") or response.headers.get("X-Request-ID"):
        lines.append(f"  Request {request_id}")
    return "\n".join(lines)


def where_and_why(error: Mapping[str, Any]) -> str:
    """One member of `errors` as a line."""
    place = f"line {error['line']}, " if error.get("line") else ""
    return f"{place}{error.get('field') or 'request'}: {error.get('reason')}"


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        if response.is_success:
            raise ScaleError(f"{response.url} answered, but not as SCALE does: is that the right address?") from None
        return {}
    return found if isinstance(found, dict) else {}


class _Upload:
    """A file that tells how much of it was read, for the progress bar."""

    def __init__(self, handle: IO[bytes], sent: Callable[[int], None]) -> None:
        self._handle = handle
        self._sent = sent

    def read(self, size: int = -1) -> bytes:
        block = self._handle.read(size)
        self._sent(self._handle.tell())
        return block

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._handle.seek(offset, whence)

    def tell(self) -> int:
        return self._handle.tell()

    def fileno(self) -> int:
        return self._handle.fileno()
