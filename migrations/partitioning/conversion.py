"""From one table to one for each month: locked, copied, compared, and all or nothing."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection

from migrations.figures import create_figures, drop_figures
from migrations.partitioning import references
from migrations.partitioning.months import MONTHS_AHEAD, MOST_MONTHS_BACK, create_edges, create_functions, keep_months_ahead
from migrations.row_security import protection

_PLAIN = "transactions_plain"
_LOCKS_PER_PARTITION = 24
"""A table, its rows too long for it, their index, and its own indexes: what one statement over all of them holds."""

_IS_PARTITIONED = "SELECT relkind = 'p' FROM pg_class WHERE oid = 'accounts.transactions'::regclass"
_MOST_LOCKS = """
    SELECT current_setting('max_locks_per_transaction')::int
           * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)
"""
_COLUMNS = """
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
     WHERE attrelid = 'accounts.transactions'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""
# Indexes in the order in which they were made. The parts of a unique one's key: it must name the partition's column as well.
_INDEXES = """
    SELECT index.relname, pg_get_indexdef(indexrelid), indisunique,
           indexprs IS NULL AND indpred IS NULL AS is_plain,
           array(SELECT attname::text FROM unnest(indkey) WITH ORDINALITY AS key (attnum, place)
                   JOIN pg_attribute AS att ON att.attrelid = indrelid AND att.attnum = key.attnum ORDER BY place) AS columns
      FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
     WHERE indrelid = 'accounts.transactions'::regclass AND NOT indisprimary ORDER BY indexrelid
"""
_FOREIGN_KEYS = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
     WHERE conrelid = 'accounts.transactions'::regclass AND contype = 'f' AND confrelid <> conrelid ORDER BY conname
"""
_TRIGGERS = """
    SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'accounts.transactions'::regclass AND NOT tgisinternal ORDER BY tgname
"""
# Months without rows stay out: known to be empty, they would be read from end to end by plans that outlive their first import.
_ANALYZE = """
    DO $$
    DECLARE
        month text;
    BEGIN
        FOR month IN SELECT DISTINCT tableoid::regclass::text FROM accounts.transactions LOOP
            EXECUTE 'ANALYZE ' || month;
        END LOOP;
        IF current_setting('server_version_num')::int >= 180000 THEN
            EXECUTE 'ANALYZE ONLY accounts.transactions';
        END IF;
    END
    $$
"""
# Planning looks at every partition, which costs ten times what running the plan does: a connection plans each statement once. Holds for new
# connections of the service. Where the migrator may not say so, whoever made the role can.
_PLAN_ONCE = """
    DO $$
    BEGIN
        EXECUTE format('ALTER ROLE scale_accounts IN DATABASE %I SET plan_cache_mode = force_generic_plan', current_database());
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE WARNING 'plan_cache_mode of scale_accounts stays as it is: %', SQLERRM;
    END
    $$
"""
# Each row as text, in whatever order: the sum of their hashes changes with any value of any row.
_CHECKSUM = "SELECT count(*), COALESCE(sum(hashtextextended(t::text, 0)::numeric), 0) FROM accounts.{} AS t"


class ConversionError(Exception):
    """The ledger stays as it is; the message says why and what to do."""


def is_partitioned(connection: Connection) -> bool:
    """Whether the ledger has its partitioned form."""
    return bool(connection.exec_driver_sql(_IS_PARTITIONED).scalar_one())


def partition_ledger(connection: Connection) -> None:
    """Gives the ledger its partitioned form, rows and all, within the caller's transaction. Nobody reads or writes it meanwhile.

    Raises ConversionError.
    """
    run = connection.exec_driver_sql
    # Without this a role that the policies bind would see an empty ledger, and keep nothing of it.
    run("SET LOCAL row_security = off")
    run("LOCK TABLE accounts.accounts, accounts.transactions IN ACCESS EXCLUSIVE MODE")
    first_month = _first_month(connection)
    try:
        pointing = references.find_references(connection)
    except ValueError as error:
        raise ConversionError(f"The ledger cannot be partitioned: {error}.") from error
    for table in sorted({reference.table for reference in pointing} - {"accounts.transactions"}):
        run(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    columns = run(_COLUMNS).scalar_one()
    indexes = [_index(*record) for record in run(_INDEXES)]
    foreign_keys = list(run(_FOREIGN_KEYS))
    triggers = [record[0] for record in run(_TRIGGERS)]
    before = tuple(run(_CHECKSUM.format("transactions")).one())

    drop_figures(run)
    for reference in pointing:
        run(f"ALTER TABLE {reference.table} DROP CONSTRAINT {reference.name}")
    run(f"ALTER TABLE accounts.transactions RENAME TO {_PLAIN}")
    run(f"""
        CREATE TABLE accounts.transactions (
            LIKE accounts.{_PLAIN} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION
                INCLUDING COMMENTS INCLUDING STATISTICS
        ) PARTITION BY RANGE (transaction_date)
    """)
    for statement in protection("accounts.transactions", "scale_accounts"):
        run(statement)
    create_functions(connection)
    create_edges(connection, first_month.isoformat())
    run(f"SELECT accounts.partition_months(NULL, (current_date + make_interval(months => {MONTHS_AHEAD}))::date)")
    run(f"INSERT INTO accounts.transactions ({columns}) SELECT {columns} FROM accounts.{_PLAIN}")  # nosec B608  # the catalogue's names
    after = tuple(run(_CHECKSUM.format("transactions")).one())
    if after != before:
        raise ConversionError(f"The copy differs from the ledger ({before[0]} rows became {after[0]}): nothing was changed.")
    run(f"DROP TABLE accounts.{_PLAIN}")

    run("ALTER TABLE accounts.transactions ADD PRIMARY KEY (user_id, transaction_date, id)")
    for statement in indexes:
        run(statement)
    run("CREATE INDEX idx_transactions_id ON accounts.transactions (user_id, id)")
    for name, definition in foreign_keys:
        run(f"ALTER TABLE accounts.transactions ADD CONSTRAINT {name} {definition}")
    for statement in triggers:
        run(statement)
    references.create_functions(connection)
    for reference in pointing:
        references.follow_by_triggers(connection, reference)
    create_figures(run)
    run(_ANALYZE)
    run(_PLAN_ONCE)


def keep_partitions(connection: Connection) -> None:
    """On a partitioned ledger: the functions as this version has them, and the months that are due."""
    create_functions(connection)
    references.create_functions(connection)
    keep_months_ahead(connection)


def _first_month(connection: Connection) -> date:
    """Where the months begin: with the oldest row, but not before MOST_MONTHS_BACK."""
    first: date = connection.exec_driver_sql(f"""
        SELECT date_trunc('month', GREATEST(LEAST(min(transaction_date), current_date),
                                            current_date - make_interval(months => {MOST_MONTHS_BACK})))::date
          FROM accounts.transactions
    """).scalar_one()  # nosec B608  # a constant
    today: date = connection.exec_driver_sql("SELECT current_date").scalar_one()
    months = (today.year - first.year) * 12 + today.month - first.month + MONTHS_AHEAD + 3
    most = connection.exec_driver_sql(_MOST_LOCKS).scalar_one()
    if months * _LOCKS_PER_PARTITION * 2 > most:
        raise ConversionError(
            f"{months} partitions need more locks than the server has room for ({most}): set max_locks_per_transaction to 512 in its "
            "configuration, restart it, and run this again."
        )
    return first


def _index(name: str, definition: str, is_unique: bool, is_plain: bool, columns: list[str]) -> str:
    """The same index on the partitioned form, where a unique one needs the day; equal fingerprints have equal days."""
    if not is_unique or "transaction_date" in columns:
        return definition
    if not is_plain:
        raise ConversionError(f"The ledger cannot be partitioned: {name} is unique on a part of the rows, or on an expression.")
    return f"CREATE UNIQUE INDEX {name} ON accounts.transactions ({', '.join(columns)}, transaction_date)"
