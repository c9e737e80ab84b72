"""The months: a table for each, two tables for whatever lies before and after them, and the function that makes months ahead.

Together they take every date, so that no import fails for want of a partition; and in order without a gap, as a DEFAULT partition would
not let them be: a page in date order walks from month to month and sorts nothing.
"""

from __future__ import annotations

from sqlalchemy import Connection

MONTHS_AHEAD = 2
MOST_MONTHS_BACK = 120
"""Rows older than that lie together in transactions_earlier."""
EARLIER, LATER = "transactions_earlier", "transactions_later"

_STORAGE = "autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 2"

# A partition is reached through its parent, whose policy counts; its own, without a grant, is for whoever is granted it one day.
_CREATE_PARTITION = f"""
    CREATE OR REPLACE FUNCTION accounts.create_transactions_partition(name text, bounds text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
    BEGIN
        EXECUTE format('CREATE TABLE accounts.%I PARTITION OF accounts.transactions FOR VALUES %s WITH ({_STORAGE})', name, bounds);
        EXECUTE format('ALTER TABLE accounts.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_rows ON accounts.%I FOR ALL TO scale_accounts
                        USING ((SELECT auth.uid()) = user_id) WITH CHECK ((SELECT auth.uid()) = user_id)', name);
        EXECUTE format('REVOKE ALL ON accounts.%I FROM PUBLIC', name);
    END
    $$
"""  # nosec B608  # constants

# Whoever waits for a table gives up before PostgreSQL looks for deadlocks (after a second): no other session is ever the victim. The
# triggers stand still while rows move from one partition to another, since nothing changes for anybody.
_PARTITION_MONTHS = f"""
    CREATE OR REPLACE FUNCTION accounts.partition_months(first_month date, last_month date) RETURNS integer
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET lock_timeout = '500ms'
    AS $$
    DECLARE
        low date;
        high date;
        wanted_low date;
        wanted_high date;
        month date;
        columns text;
        made integer := 0;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('accounts.partition_months', 0));
        SELECT (regexp_match(pg_get_expr(relpartbound, oid), 'TO \\(''([0-9-]+)''\\)'))[1]::date INTO STRICT low
          FROM pg_class WHERE oid = 'accounts.{EARLIER}'::regclass;
        SELECT (regexp_match(pg_get_expr(relpartbound, oid), 'FROM \\(''([0-9-]+)''\\)'))[1]::date INTO STRICT high
          FROM pg_class WHERE oid = 'accounts.{LATER}'::regclass;
        wanted_low := LEAST(low, date_trunc('month', COALESCE(first_month, low)::timestamp)::date);
        wanted_high := GREATEST(high, (date_trunc('month', last_month::timestamp) + interval '1 month')::date);
        IF wanted_low = low AND wanted_high = high THEN
            RETURN 0;
        END IF;
        LOCK TABLE accounts.transactions IN ACCESS EXCLUSIVE MODE;
        ALTER TABLE accounts.transactions DISABLE TRIGGER USER;
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO STRICT columns
          FROM pg_attribute
         WHERE attrelid = 'accounts.transactions'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
        IF wanted_low < low THEN
            ALTER TABLE accounts.transactions DETACH PARTITION accounts.{EARLIER};
        END IF;
        IF wanted_high > high THEN
            ALTER TABLE accounts.transactions DETACH PARTITION accounts.{LATER};
        END IF;
        FOR month IN
            SELECT day::date FROM generate_series(wanted_low::timestamp, wanted_high::timestamp - interval '1 month', '1 month') AS day
             WHERE day < low OR day >= high
        LOOP
            PERFORM accounts.create_transactions_partition(
                to_char(month, '"transactions_"YYYY_MM'), format('FROM (%L) TO (%L)', month, (month + interval '1 month')::date));
            made := made + 1;
        END LOOP;
        IF wanted_low < low THEN
            EXECUTE format('WITH moved AS (DELETE FROM accounts.{EARLIER} WHERE transaction_date >= $1 RETURNING *)
                            INSERT INTO accounts.transactions (%1$s) SELECT %1$s FROM moved', columns) USING wanted_low;
            EXECUTE format('ALTER TABLE accounts.transactions ATTACH PARTITION accounts.{EARLIER} FOR VALUES FROM (MINVALUE) TO (%L)',
                           wanted_low);
        END IF;
        IF wanted_high > high THEN
            EXECUTE format('WITH moved AS (DELETE FROM accounts.{LATER} WHERE transaction_date < $1 RETURNING *)
                            INSERT INTO accounts.transactions (%1$s) SELECT %1$s FROM moved', columns) USING wanted_high;
            EXECUTE format('ALTER TABLE accounts.transactions ATTACH PARTITION accounts.{LATER} FOR VALUES FROM (%L) TO (MAXVALUE)',
                           wanted_high);
        END IF;
        ALTER TABLE accounts.transactions ENABLE TRIGGER USER;
        RETURN made;
    END
    $$
"""  # nosec B608  # constants

_CREATE_AHEAD = f"""
    CREATE OR REPLACE FUNCTION accounts.create_monthly_partitions(months_ahead integer DEFAULT {MONTHS_AHEAD}) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    BEGIN
        IF months_ahead NOT BETWEEN 0 AND 24 THEN
            RAISE EXCEPTION 'months_ahead must be from 0 to 24, not %', months_ahead USING ERRCODE = 'invalid_parameter_value';
        END IF;
        RETURN accounts.partition_months(NULL, (current_date + make_interval(months => months_ahead))::date);
    END
    $$
"""  # nosec B608  # constants


def create_functions(connection: Connection) -> None:
    """Makes or replaces the functions; a service may call `accounts.create_monthly_partitions` alone."""
    for statement in (_CREATE_PARTITION, _PARTITION_MONTHS, _CREATE_AHEAD):
        connection.exec_driver_sql(statement)
    for function in (
        "create_transactions_partition(text, text)",
        "partition_months(date, date)",
        "create_monthly_partitions(integer)",
    ):
        connection.exec_driver_sql(f"REVOKE ALL ON FUNCTION accounts.{function} FROM PUBLIC")
    connection.exec_driver_sql("GRANT EXECUTE ON FUNCTION accounts.create_monthly_partitions(integer) TO scale_accounts")


def create_edges(connection: Connection, month: str) -> None:
    """The two tables for all dates: up to the first day of `month` (YYYY-MM-01), and from it on."""
    create = "SELECT accounts.create_transactions_partition($1, $2)"
    connection.exec_driver_sql(create, (EARLIER, f"FROM (MINVALUE) TO ('{month}')"))
    connection.exec_driver_sql(create, (LATER, f"FROM ('{month}') TO (MAXVALUE)"))


def keep_months_ahead(connection: Connection) -> None:
    """Makes the months that are due, unless the ledger is too busy for it now: the service's worker asks every hour."""
    connection.exec_driver_sql("""
        DO $$
        BEGIN
            PERFORM accounts.create_monthly_partitions();
        EXCEPTION WHEN lock_not_available THEN
            RAISE NOTICE 'the ledger is busy: its worker makes the months that are due';
        END
        $$
    """)
