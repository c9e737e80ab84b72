"""The shapes of the health answers."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from services.gateway.schemas.fields import Output


class Health(Output):
    """The process runs."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"] = Field(description="Always ok: a process that is not does not answer.")


class PoolFigures(Output):
    """A service's pool of database connections."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"ok": True, "pool_size": 5, "checked_in": 4, "checked_out": 1, "overflow": 0, "pool_class": "Pool"}]
        },
    )

    ok: bool = Field(description="Whether the database answers.")
    pool_size: int = Field(description="Connections kept open.")
    checked_in: int = Field(description="Idle connections.")
    checked_out: int = Field(description="Connections in use.")
    overflow: int = Field(description="Connections beyond pool_size.")
    pool_class: str = Field(description="Kind of pool.")


class Dependency(Output):
    """One thing that the gateway needs."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"status": "up", "latency_ms": 0.8}]})

    status: Literal["up", "down"] = Field(description="Whether it answered, and said that it is well.")
    latency_ms: float = Field(description="How long it took.")
    error: str | None = Field(None, description="What is wrong; absent when it is up.")
    database: PoolFigures | None = Field(None, description="Of a service with a database; absent elsewhere and while it does not answer.")
    model: str | None = Field(
        None, description="Of a service with a model: its version, or `fallback` while rules answer in its place; absent elsewhere."
    )
    worker: Literal["up", "down"] | None = Field(
        None, description="Whether a worker takes the tasks of the service; absent elsewhere and while Redis does not answer."
    )


class Readiness(Output):
    """Everything that the gateway needs is up."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "state": "ready",
                    "rung": "full",
                    "degradations": [],
                    "dependencies": {
                        "redis": {"status": "up", "latency_ms": 0.4},
                        "accounts": {
                            "status": "up",
                            "latency_ms": 1.1,
                            "database": {
                                "ok": True,
                                "pool_size": 5,
                                "checked_in": 5,
                                "checked_out": 0,
                                "overflow": 0,
                                "pool_class": "Pool",
                            },
                        },
                    },
                }
            ]
        },
    )

    state: Literal["ready", "degraded", "unavailable"] = Field(
        description="ready; degraded: requests are answered, without what is down; unavailable: the ledger cannot be read."
    )
    rung: Literal["full", "uncached", "paused", "unlimited", "errors", "maintenance"] = Field(
        description="The lowest rung of the ladder that is reached. full: nothing is lost; uncached: Redis is too slow to be waited for, "
        "answers are right and slower; paused: nobody takes a service's work in the background, which waits; unlimited: without Redis, "
        "requests are counted per process; errors: calls that need what is down answer 503, all others work; maintenance: no service "
        "answers, every call is a 503."
    )
    degradations: list[str] = Field(description="What does not work as usual, one sentence for each rung that is reached; the worst first.")
    dependencies: dict[str, Dependency] = Field(description="By name.")
