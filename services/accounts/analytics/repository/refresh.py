"""The refresh of the figures of all users together, which the database does by itself."""

from __future__ import annotations

from uuid import UUID

from services.kit.postgres import Database

_NOBODY = UUID(int=0)
"""The refresh is no user's."""

_MAY_REFRESH = "SELECT COALESCE(now() >= max(made_at) + (1 + $1::int) * sum(took), true) FROM accounts.figures"
_REFRESH = "SELECT accounts.refresh_figures()"


class PostgresFiguresRepository:
    """`FiguresRepository` on PostgreSQL."""

    def __init__(self, database: Database, *, refresh_timeout_s: float) -> None:
        self._database = database
        self._refresh_timeout_s = refresh_timeout_s

    async def may_refresh(self, pause_factor: int) -> bool:
        """Whether so many times what the last refresh took have passed since."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            return bool(await connection.fetchval(_MAY_REFRESH, pause_factor))

    async def refresh_figures(self) -> list[UUID] | None:
        """Whose changes went in; None while another one is at it. Raises DeadlineExceeded after the time that it has."""
        async with self._database.transaction(_NOBODY, statement_timeout_s=self._refresh_timeout_s) as connection:
            changed: list[UUID] | None = await connection.fetchval(_REFRESH)
            return changed
