"""What points at a transaction by (user_id, id), which is no key of the partitioned form: triggers that keep what a foreign key promises.

A row that names a transaction finds it there and holds it until its own transaction ends; a transaction that goes takes what points at it
along, or is forgotten there. Both run as whoever changes the rows, under row level security.
"""

from __future__ import annotations

from dataclasses import dataclass

from alembic import op
from sqlalchemy import Connection

_MUST_EXIST = """
    CREATE OR REPLACE FUNCTION accounts.transaction_must_exist() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
    DECLARE
        named CONSTANT uuid := to_jsonb(NEW) ->> TG_ARGV[0];
    BEGIN
        PERFORM FROM accounts.transactions WHERE user_id = NEW.user_id AND id = named FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION '% of %.% names the transaction %, which is not there', TG_ARGV[0], TG_TABLE_SCHEMA, TG_TABLE_NAME, named
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
        END IF;
        RETURN NULL;
    END
    $$
"""
_FOLLOW = """
    CREATE OR REPLACE FUNCTION accounts.follow_removed_transactions() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
    BEGIN
        IF TG_ARGV[2] = 'CASCADE' THEN
            EXECUTE format('DELETE FROM %1$s AS t USING removed WHERE t.user_id = removed.user_id AND t.%2$I = removed.id',
                           TG_ARGV[0], TG_ARGV[1]);
        ELSE
            EXECUTE format('UPDATE %1$s AS t SET %2$I = NULL FROM removed WHERE t.user_id = removed.user_id AND t.%2$I = removed.id',
                           TG_ARGV[0], TG_ARGV[1]);
        END IF;
        RETURN NULL;
    END
    $$
"""
_FOREIGN_KEYS = """
    SELECT con.conname, con.conrelid::regclass::text, con.confdeltype::text, array_agg(att.attname::text ORDER BY key.place)
      FROM pg_constraint AS con
      CROSS JOIN LATERAL unnest(con.conkey) WITH ORDINALITY AS key (attnum, place)
      JOIN pg_attribute AS att ON att.attrelid = con.conrelid AND att.attnum = key.attnum
     WHERE con.contype = 'f' AND con.confrelid = 'accounts.transactions'::regclass AND con.conparentid = 0
     GROUP BY con.oid, con.conname, con.conrelid, con.confdeltype ORDER BY con.conname
"""
_ON_DELETE = {"c": "CASCADE", "n": "SET NULL"}


@dataclass(frozen=True, slots=True)
class Reference:
    """`table`.`column` names a transaction of the row's user; `on_delete`, CASCADE or SET NULL, is what happens when that goes."""

    table: str
    column: str
    on_delete: str
    name: str
    """Of the foreign key, or of the triggers in its place."""


def find_references(connection: Connection) -> list[Reference]:
    """The foreign keys that point at the plain form. Raises ValueError for one that triggers cannot stand for."""
    found = []
    for name, table, action, columns in connection.exec_driver_sql(_FOREIGN_KEYS):
        if len(columns) != 2 or columns[0] != "user_id" or action not in _ON_DELETE:
            raise ValueError(f"{name} of {table} ({', '.join(columns)}) is no reference by user_id and id with CASCADE or SET NULL")
        found.append(Reference(table, columns[1], _ON_DELETE[action], name))
    return found


def create_functions(connection: Connection) -> None:
    """Makes or replaces the trigger functions."""
    for statement in (_MUST_EXIST, _FOLLOW):
        connection.exec_driver_sql(statement)
    for function in ("transaction_must_exist()", "follow_removed_transactions()"):
        connection.exec_driver_sql(f"REVOKE ALL ON FUNCTION accounts.{function} FROM PUBLIC")


def follow_by_triggers(connection: Connection, reference: Reference) -> None:
    """The triggers for one reference. A statement for each DELETE, not one for each row: an undone import may take 100,000."""
    name, table, column = reference.name, reference.table, reference.column
    connection.exec_driver_sql(f"""
        CREATE TRIGGER {name} AFTER INSERT OR UPDATE OF {column} ON {table}
        FOR EACH ROW WHEN (NEW.{column} IS NOT NULL) EXECUTE FUNCTION accounts.transaction_must_exist('{column}')
    """)
    connection.exec_driver_sql(f"""
        CREATE TRIGGER {name}_removed AFTER DELETE ON accounts.transactions REFERENCING OLD TABLE AS removed
        FOR EACH STATEMENT EXECUTE FUNCTION accounts.follow_removed_transactions('{table}', '{column}', '{reference.on_delete}')
    """)


def refer_to_transactions(table: str, column: str, *, on_delete: str) -> None:
    """For a revision: `column` names a transaction. A foreign key in the plain form, triggers in the partitioned one."""
    connection = op.get_bind()
    name = f"{table.rpartition('.')[2]}_{column}_fkey"
    partitioned = connection.exec_driver_sql("SELECT relkind = 'p' FROM pg_class WHERE oid = 'accounts.transactions'::regclass")
    if partitioned.scalar_one():
        follow_by_triggers(connection, Reference(table, column, on_delete, name))
        return
    action = f"SET NULL ({column})" if on_delete == "SET NULL" else on_delete
    connection.exec_driver_sql(f"""
        ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (user_id, {column})
        REFERENCES accounts.transactions (user_id, id) ON DELETE {action}
    """)
