"""A gRPC server as every service runs it: health, reflection, metrics, limits, one interceptor, and a drain that loses no call."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
import orjson
import structlog
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.kit.auth import TokenVerifier
from services.kit.credentials import server_credentials
from services.kit.error_reports import configure_sentry
from services.kit.interceptors import CallInterceptor
from services.kit.logging import configure_logging
from services.kit.probe_port import ProbePort
from services.kit.settings import ProcessSettings, WorkerSettings
from services.kit.telemetry import DEPENDENCIES_UP, serve_metrics
from services.kit.tracing import configure_tracing

log = structlog.get_logger()

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""gRPC's own default, made explicit: larger things are streamed."""

GC_THRESHOLD = 20_000
"""A page makes a few thousand objects that die with their request: looking for cycles after every 700 finds nothing, many times."""

_OPTIONS: list[tuple[str, int]] = [
    # Two processes on one port would share calls at random.
    ("grpc.so_reuseport", 0),
    # Clients keep connections for long; ageing them lets new replicas get their share.
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 600_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]


def set_up_process(service: str, settings: WorkerSettings) -> None:
    """Logs, error reports, metrics and traces of a process; once, before anything else."""
    configure_logging(service, settings.log_level)
    configure_sentry(settings.sentry_dsn.get_secret_value() if settings.sentry_dsn else None, service, settings.environment)
    configure_tracing(service, settings.otlp_endpoint, sample_ratio=settings.trace_sample_ratio)
    serve_metrics(settings.host, settings.metrics_port)


FIGURES_KEY = "scale-figures-bin"
"""Trailing metadata of a health answer: figures about what the service depends on, as a JSON object."""
_CHECK_EVERY_S = 1.0
_CHECK_TIMEOUT_S = 3.0


class _Health(health.aio.HealthServicer):
    """The health protocol, with figures for whoever asks about a service by name."""

    def __init__(self, figures: Callable[[], Mapping[str, object]] | None) -> None:
        super().__init__()
        self._figures = figures
        self._over = asyncio.Event()

    async def Check(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Whether a service serves; the empty name stands for the process."""
        if request.service and self._figures is not None:
            context.set_trailing_metadata(((FIGURES_KEY, orjson.dumps(self._figures())),))
        return await super().Check(request, context)

    async def Watch(self, request: Any, context: grpc.aio.ServicerContext) -> None:
        """A health and each change of it, until the server stops: grpcio's own goes on, and a stop would last its whole grace."""
        watch, over = asyncio.create_task(super().Watch(request, context)), asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait((watch, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
            over.cancel()
            await asyncio.wait((watch, over))

    def end_watches(self) -> None:
        """Whoever watches has been told NOT_SERVING."""
        self._over.set()


class Server:
    """One gRPC server.

    The health of the empty name says that the process runs. The health of each named service follows `check`, asked every second: whether
    what the service depends on is up. `figures` go with the answer.
    """

    def __init__(
        self,
        settings: ProcessSettings,
        *,
        name: str,
        services: Sequence[str],
        register: Callable[[grpc.aio.Server], None],
        service_methods: frozenset[str] = frozenset(),
        open_methods: frozenset[str] = frozenset(),
        check: Callable[[], Awaitable[bool]] | None = None,
        figures: Callable[[], Mapping[str, object]] | None = None,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        max_calls: int | None = None,
        before_stop: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`services` are full names such as scale.accounts.v1.AccountsService; `register` adds the servicers. Background work must have
        made its tokens for `name`, and may call `service_methods` only, such as /scale.accounts.v1.AccountsService/GetProfile. Nobody
        needs a token for `open_methods`. `interceptors` see a call after the token, within what turns errors into a status. More than
        `max_calls` at once, health among them, are RESOURCE_EXHAUSTED before anything is looked at. `before_stop` ends what calls wait for
        that would not end by themselves; it must not raise."""
        self._settings = settings
        self._name = name
        self._services = services
        self._check = check
        self._before_stop = before_stop
        interceptor = CallInterceptor(
            TokenVerifier(settings, name),
            service_methods=service_methods,
            open_methods=open_methods,
        )
        limits = [("grpc.max_receive_message_length", max_message_bytes), ("grpc.max_send_message_length", max_message_bytes)]
        self._server = grpc.aio.server(
            interceptors=[interceptor, *interceptors], options=[*limits, *_OPTIONS], maximum_concurrent_rpcs=max_calls
        )
        register(self._server)
        self._health = _Health(figures)
        self._checking: asyncio.Task[None] | None = None
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection([*services, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)
        address, tls = f"{settings.host}:{settings.port}", settings.server_tls
        self.port = self._server.add_secure_port(address, server_credentials(tls)) if tls else self._server.add_insecure_port(address)
        self.probes = ProbePort(settings.host, settings.probe_port) if settings.probe_port else None

    async def start(self) -> None:
        """Listens."""
        await self._server.start()
        # What was imported lives as long as the process: looking through it again and again costs a request up to 100 ms.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 20)
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        await self._set_serving(self._check is None)
        if self._check is not None:
            self._checking = asyncio.create_task(self._follow(self._check))
        if self.probes is not None:
            await self.probes.start()
        log.info("listening", host=self._settings.host, port=self.port)

    async def _set_serving(self, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in self._services:
            await self._health.set(service, status)

    async def _follow(self, check: Callable[[], Awaitable[bool]]) -> None:
        was_well: bool | None = None
        while True:
            try:
                # Not wait_for, which in Python 3.11 loses a cancellation that comes together with the result.
                async with asyncio.timeout(_CHECK_TIMEOUT_S):
                    well = await check()
            except Exception as error:
                log.debug("check failed", error=repr(error))
                well = False
            if well != was_well:
                DEPENDENCIES_UP.set(well)
                await self._set_serving(well)
                if not well:
                    log.warning("what this service depends on is down")
                elif was_well is not None:
                    log.info("what this service depends on is up again")
                was_well = well
            await asyncio.sleep(_CHECK_EVERY_S)

    async def stop(self) -> None:
        """Says NOT_SERVING, waits for balancers to notice, then lets running calls finish."""
        if self._checking is not None:
            self._checking.cancel()
            with suppress(asyncio.CancelledError):
                await self._checking
        await self._health.enter_graceful_shutdown()
        if self.probes is not None:
            self.probes.drain()
        if self._before_stop is not None:
            await self._before_stop()
        await asyncio.sleep(self._settings.drain_s)
        self._health.end_watches()
        await self._server.stop(self._settings.grace_s)
        if self.probes is not None:
            await self.probes.stop()

    async def run_until_signal(self) -> None:
        """Serves until SIGTERM or SIGINT, then drains."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await self.start()
        await stop.wait()
        log.info("draining")
        await self.stop()
        log.info("stopped")


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Runs a service's `main` on uvloop."""

    async def _main() -> None:
        await main()

    uvloop.run(_main())
