"""Whose ledgers are long enough to learn forecasting from."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_long_histories()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead.")


def _create_long_histories() -> None:
    # Ids only; all that follows is done as the user. From user to user by the primary key, and to the first and the last day of each by an
    # index that begins with the user: a page costs as many users as it passes, however many rows they have.
    op.execute("""
        CREATE FUNCTION accounts.long_histories(least_days integer, after uuid, most integer)
        RETURNS TABLE (user_id uuid)
        LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
        DECLARE
            found integer := 0;
            first_day date;
            last_day date;
        BEGIN
            user_id := after;
            WHILE found < most LOOP
                SELECT owner.user_id INTO user_id FROM accounts.accounts AS owner
                 WHERE owner.user_id > long_histories.user_id ORDER BY owner.user_id LIMIT 1;
                EXIT WHEN user_id IS NULL;
                SELECT one.transaction_date INTO first_day FROM accounts.transactions AS one
                 WHERE one.user_id = long_histories.user_id AND one.status = 'posted' ORDER BY one.transaction_date LIMIT 1;
                SELECT one.transaction_date INTO last_day FROM accounts.transactions AS one
                 WHERE one.user_id = long_histories.user_id AND one.status = 'posted' ORDER BY one.transaction_date DESC LIMIT 1;
                IF last_day - first_day + 1 >= least_days THEN
                    found := found + 1;
                    RETURN NEXT;
                END IF;
            END LOOP;
        END
        $$
    """)
    op.execute("REVOKE ALL ON FUNCTION accounts.long_histories(integer, uuid, integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION accounts.long_histories(integer, uuid, integer) TO scale_accounts")
