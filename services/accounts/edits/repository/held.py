"""What the user says by hand of one transaction is later than every edit so far: an undo leaves it, be it the same again."""

from __future__ import annotations

from uuid import UUID

from services.kit.postgres import Connection

# No category is empty text: the row does not hold any more what the edit made of it. Of rules' edits there is nothing to hold, since
# their word is never the user's. Edits come first: their rows are found by edit and transaction.
HOLD_CATEGORY = """
    UPDATE accounts.edit_rows AS kept SET category_after = ''
      FROM accounts.edits
     WHERE edits.user_id = $1 AND edits.rule_id IS NULL AND NOT edits.is_expired
       AND kept.user_id = $1 AND kept.edit_id = edits.id AND kept.transaction_id = $2 AND 'category' = ANY (kept.fields)
"""


async def hold_category(connection: Connection, user_id: UUID, transaction_id: UUID) -> None:
    """After the user has set, or taken away, the category of one transaction."""
    await connection.execute(HOLD_CATEGORY, user_id, transaction_id)
