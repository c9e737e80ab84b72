"""What is in a database, in numbers that two copies of it share exactly; and whether users are still apart in it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from uuid import UUID

import asyncpg

# Rows of each table, with a digest of all that is in them, whatever their order; and each column of exact numbers summed up.
_COUNT = """
DO $$
DECLARE
    "table" record;
    "column" name;
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS figures (name text PRIMARY KEY, value numeric) ON COMMIT DROP;
    FOR "table" IN
        SELECT oid, format('%I.%I', relnamespace::regnamespace, relname) AS name
          FROM pg_class
         WHERE relkind IN ('r', 'p') AND NOT relispartition
           AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
    LOOP
        EXECUTE format('INSERT INTO figures SELECT %L || each.name, each.value FROM (SELECT count(*) AS rows, '
                       'coalesce(sum(hashtextextended(row::text, 0)::numeric), 0) AS digest FROM %s AS row) AS of, '
                       'LATERAL (VALUES ('' rows'', of.rows::numeric), ('' digest'', of.digest)) AS each (name, value)',
                       "table".name, "table".name);
        FOR "column" IN
            SELECT attname FROM pg_attribute
             WHERE attrelid = "table".oid AND attnum > 0 AND NOT attisdropped AND atttypid = 'numeric'::regtype
        LOOP
            EXECUTE format('INSERT INTO figures SELECT %L, coalesce(sum(%I), 0) FROM %s',
                           "table".name || ' sum of ' || "column", "column", "table".name);
        END LOOP;
    END LOOP;
END
$$
"""
_MONEY = "SELECT user_id, currency, count(*), sum(amount) FROM accounts.transactions GROUP BY user_id, currency"
# Who may see what: roles, grants, policies.
_RIGHTS = """
    SELECT 'role ' || rolname AS name, concat_ws(' ', rolsuper, rolbypassrls, rolreplication, rolcanlogin) AS value
      FROM pg_roles WHERE rolname LIKE 'scale\\_%'
    UNION ALL
    SELECT 'table ' || oid::regclass, concat_ws(' ', relrowsecurity, relforcerowsecurity, relacl::text)
      FROM pg_class WHERE relkind IN ('r', 'p', 'm', 'v') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
    UNION ALL
    SELECT 'policy ' || polrelid::regclass || ' ' || polname,
           concat_ws(' ', polcmd, polroles::regrole[]::text, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
      FROM pg_policy
"""
_UNFORCED = """
    SELECT "table".oid::regclass::text
      FROM pg_class AS "table" JOIN pg_attribute ON attrelid = "table".oid AND attname = 'user_id' AND NOT attisdropped
     WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
       AND NOT (relrowsecurity AND relforcerowsecurity)
"""
_LEDGER_ROLE = "scale_accounts"


@dataclass(frozen=True)
class Figures:
    """Everything that must be the same again after a restore."""

    tables: dict[str, Decimal]
    money: dict[tuple[UUID, str], tuple[int, Decimal]]
    """Of each user and currency: transactions, and their exact sum."""
    rights: dict[str, str]

    @property
    def users(self) -> int:
        return len({user for user, _ in self.money})

    @property
    def transactions(self) -> int:
        return sum(count for count, _ in self.money.values())

    def differences(self, other: Figures) -> list[str]:
        """One line for each figure that is not the same there."""
        found = []
        for part in fields(self):
            mine, theirs = getattr(self, part.name), getattr(other, part.name)
            keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
            found += [f"{part.name} {key}: {mine.get(key)} became {theirs.get(key)}" for key in keys]
        return found


async def read_figures(database: asyncpg.Connection) -> Figures:
    """The figures at one moment, as a superuser."""
    async with database.transaction(isolation="repeatable_read"):
        await database.execute(_COUNT)
        tables = dict(await database.fetch("SELECT name, value FROM figures"))
        money = {(user, currency): (count, total) for user, currency, count, total in await database.fetch(_MONEY)}
        rights = dict(await database.fetch(_RIGHTS))
    return Figures(tables, money, rights)


async def users_apart(database: asyncpg.Connection, figures: Figures, *, users: int = 5) -> list[str]:
    """What is wrong with row level security, asked as the ledger's own role for some users and for nobody; empty where nothing is."""
    problems = [f"{name} does not force row level security" for (name,) in await database.fetch(_UNFORCED)]
    ids = sorted({user for user, _ in figures.money})[:users]
    await database.execute("SELECT set_config('session_authorization', $1, false)", _LEDGER_ROLE)
    try:
        for user in (None, *ids):
            async with database.transaction():
                await database.execute("SELECT set_config('app.user_id', $1, true)", str(user) if user else "")
                found = await database.fetch(_MONEY)
                mine = {key: value for key, value in figures.money.items() if key[0] == user}
                if {(one, currency): (count, total) for one, currency, count, total in found} != mine:
                    problems.append(f"{user or 'nobody'} sees other transactions than before, or other people's")
    finally:
        await database.execute("RESET SESSION AUTHORIZATION")
    return problems
