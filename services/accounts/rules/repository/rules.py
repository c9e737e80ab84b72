"""Rows of accounts.rules, and what a rule does to the past."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from services.accounts.domain import FirstRequest, request_id_reused, unknown_category
from services.accounts.edits.domain import Edit, Undone
from services.accounts.edits.repository.changing import (
    EDIT_COLUMNS,
    Origin,
    changing_condition,
    count_rows,
    restore_rows,
    store_edit,
)
from services.accounts.edits.repository.edits import repeated_edit
from services.accounts.filters import Expression
from services.accounts.repository.filters import columns_of
from services.accounts.repository.locking import lock_user
from services.accounts.repository.transactions import TransactionRows
from services.accounts.rules.domain import (
    MAX_RULES,
    NewRule,
    Preview,
    Rule,
    RuleInput,
    RuleVerdict,
    rule_has_problem,
    rule_not_found,
    too_many_rules,
)
from services.accounts.rules.repository.applying import apply_rule, row_changes, rule_target
from services.accounts.rules.repository.evaluating import evaluate_rules
from services.accounts.rules.repository.stored import SELECT, active_rules, rule_of, working
from services.kit.postgres import Connection, Database, affected

# One change at a time to a user's rules: their positions depend on each other.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('accounts.rules ' || $1, 0))"
_SELECT_ONE = f"{SELECT} AND id = $2"
SELECT_PAGE = f"{SELECT} AND ($2::integer IS NULL OR (position, id) > ($2, $3::uuid)) ORDER BY position, id LIMIT $4"
_SELECT_BY_REQUEST = "SELECT id, request_hash FROM accounts.rules WHERE user_id = $1 AND request_id = $2"
_COUNT = "SELECT count(*) FROM accounts.rules WHERE user_id = $1"
_INSERT = """
    INSERT INTO accounts.rules (
        user_id, id, name, filter, category, merchant_name, note, is_active, position, request_id, request_hash)
    VALUES ($1, $2, $3, $4, NULLIF($5, ''), NULLIF($6, ''), NULLIF($7, ''), $8, $9, $10, $11)
"""
_UPDATE = """
    UPDATE accounts.rules
       SET name = $3, filter = $4, category = NULLIF($5, ''), merchant_name = NULLIF($6, ''), note = NULLIF($7, ''), is_active = $8,
           updated_at = now()
     WHERE user_id = $1 AND id = $2
"""
_DELETE = "DELETE FROM accounts.rules WHERE user_id = $1 AND id = $2"
# One rule goes to a place between two others, and all are numbered from 1 again.
_PLACE = """
    UPDATE accounts.rules SET position = placed.place
      FROM (SELECT id, row_number() OVER (ORDER BY CASE WHEN id = $2 THEN $3::numeric ELSE position END, id) AS place
              FROM accounts.rules WHERE user_id = $1) AS placed
     WHERE rules.user_id = $1 AND rules.id = placed.id AND rules.position <> placed.place
"""
_SAMPLE = """
    SELECT {columns} FROM accounts.transactions AS t
     WHERE t.user_id = $1 AND {condition}
     ORDER BY transaction_date DESC, id DESC LIMIT {limit}
"""
SELECT_EDITS = f"""
    SELECT {EDIT_COLUMNS} FROM accounts.edits
     WHERE user_id = $1 AND rule_id = $2 AND expires_at > now() AND NOT is_expired ORDER BY id DESC
"""  # nosec B608 - only constants


class PostgresRulesRepository(TransactionRows):
    """Rules of each user. Each public method is one transaction, as the user whose rows it touches."""

    def __init__(self, database: Database, *, bulk_statement_timeout_s: float, edit_lifetime: timedelta) -> None:
        """`edit_lifetime`: how long what a rule did can be taken back."""
        self._database = database
        self._bulk_statement_timeout_s = bulk_statement_timeout_s
        self._edit_lifetime = edit_lifetime
        self._forget_taxonomy()

    async def create_rule(self, user_id: UUID, new: NewRule, request: FirstRequest) -> Rule:
        """Adds a rule, or returns the one that the same request added before.

        Raises AlreadyExists for another request under the same id, InvalidArgument for an unknown category, FailedPrecondition.
        """
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_LOCK, str(user_id))
            before = await connection.fetchrow(_SELECT_BY_REQUEST, user_id, request.request_id)
            if before is not None:
                if before["request_hash"] != request.content_hash:
                    raise request_id_reused(request.request_id)
                return await _find(connection, user_id, before["id"])
            await self._check_category(connection, user_id, new.category)
            count = await connection.fetchval(_COUNT, user_id)
            if count >= MAX_RULES:
                raise too_many_rules()
            rule_id, last = uuid7(), count + 1
            position = min(new.position or last, last)
            values = (new.name, new.filter, new.category, new.merchant, new.note, new.active, position)
            await connection.execute(_INSERT, user_id, rule_id, *values, request.request_id, request.content_hash)
            await _place(connection, user_id, rule_id, position - 0.5)
            return await _find(connection, user_id, rule_id)

    async def get_rule(self, user_id: UUID, rule_id: UUID) -> Rule:
        """One rule. Raises NotFound."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return await _find(connection, user_id, rule_id)

    async def list_rules(self, user_id: UUID, *, after: tuple[int, UUID] | None, limit: int) -> list[Rule]:
        """At most `limit` rules by position, behind the place `after`."""
        position, last_id = after or (None, None)
        async with self._database.transaction(user_id, read_only=True) as connection:
            return [rule_of(record) for record in await connection.fetch(SELECT_PAGE, user_id, position, last_id, limit)]

    async def change_rule(self, user_id: UUID, rule_id: UUID, change: Callable[[Rule], Rule]) -> Rule:
        """Stores what `change` makes of the rule. Raises NotFound, InvalidArgument for an unknown category, and what `change` raises."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_LOCK, str(user_id))
            old = await _find(connection, user_id, rule_id)
            new = change(old)
            if new.category != old.category:
                await self._check_category(connection, user_id, new.category)
            values = (new.name, new.filter, new.category, new.merchant, new.note, new.active)
            await connection.execute(_UPDATE, user_id, rule_id, *values)
            if new.position != old.position:
                await _place(connection, user_id, rule_id, new.position + (0.5 if new.position > old.position else -0.5))
            return await _find(connection, user_id, rule_id)

    async def delete_rule(self, user_id: UUID, rule_id: UUID) -> None:
        """Takes a rule away, if it is there. What it did can still be taken back."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_LOCK, str(user_id))
            if affected(await connection.execute(_DELETE, user_id, rule_id)):
                await _place(connection, user_id, rule_id, 0)

    async def preview_rule(self, user_id: UUID, rule: NewRule, expression: Expression, rule_id: UUID | None, *, limit: int) -> Preview:
        """What the rule would do to the past; `rule_id` where it is to take the place of one that is there. Raises InvalidArgument."""
        async with self._database.transaction(user_id, read_only=True, statement_timeout_s=self._bulk_statement_timeout_s) as connection:
            await self._check_category(connection, user_id, rule.category)
            rules = await active_rules(connection, user_id)
            own_place = next((other.position for other in rules if other.id == rule_id), None)
            position = rule.position or own_place or MAX_RULES + 1
            # A rule that moves to the end passes those that are there.
            last = position if own_place is not None and own_place < position else position - 1
            earlier = working([other for other in rules if other.position <= last and other.id != rule_id])
            changes = row_changes(rule)
            target = await rule_target(connection, user_id, rule, expression, earlier)
            matched, changed = await count_rows(connection, changes, target)
            target = await rule_target(connection, user_id, rule, expression, earlier)
            statement = _SAMPLE.format(
                columns=columns_of("t"), condition=changing_condition(changes, target), limit=target.arguments.add(limit)
            )
            records = await connection.fetch(statement, *target.arguments.values) if changed else []
            return Preview(matched, changed, await self._complete(connection, user_id, records))

    async def apply_rule(self, user_id: UUID, rule_id: UUID, request: FirstRequest) -> Edit:
        """Applies a rule to the past, or returns the edit that the same request made before.

        Raises NotFound, AlreadyExists for another request under the same id, FailedPrecondition for a rule with a problem.
        """
        async with self._database.transaction(user_id, statement_timeout_s=self._bulk_statement_timeout_s) as connection:
            await lock_user(connection, user_id)
            repeated = await repeated_edit(connection, user_id, request)
            if repeated is not None:
                return repeated
            rule = await _find(connection, user_id, rule_id)
            if rule.problem:
                raise rule_has_problem(rule_id, rule.problem)
            rules = [other for other in await active_rules(connection, user_id) if other.id != rule_id]
            earlier = working([other for other in rules if (other.position, other.id) < (rule.position, rule.id)])
            changed = await apply_rule(connection, user_id, working([rule])[0], earlier)
            origin = Origin(rule.filter, self._edit_lifetime, request, rule_id)
            return await store_edit(connection, user_id, changed, origin)

    async def evaluate_rules(self, user_id: UUID, inputs: Sequence[RuleInput]) -> list[RuleVerdict | None]:
        """What the rules say of payments that are in no ledger."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return await evaluate_rules(connection, user_id, inputs)

    async def undo_rule(self, user_id: UUID, rule_id: UUID) -> Undone:
        """Takes back all that a rule did, the latest first, but for what was changed since or is too old.

        Raises NotFound when there is neither the rule nor anything that it did.
        """
        async with self._database.transaction(user_id, statement_timeout_s=self._bulk_statement_timeout_s) as connection:
            await lock_user(connection, user_id)
            edits = [Edit(*record) for record in await connection.fetch(SELECT_EDITS, user_id, rule_id)]
            if not edits:
                await _find(connection, user_id, rule_id)
            undone = [(await restore_rows(connection, user_id, edit))[1] for edit in edits]
            return Undone(sum(one.restored_count for one in undone), sum(one.kept_count for one in undone))

    async def _check_category(self, connection: Connection, user_id: UUID, slug: str) -> None:
        if slug and not await self._is_known(connection, user_id, slug):
            raise unknown_category(slug, "rule.category")


async def _find(connection: Connection, user_id: UUID, rule_id: UUID) -> Rule:
    record = await connection.fetchrow(_SELECT_ONE, user_id, rule_id)
    if record is None:
        raise rule_not_found(rule_id)
    return rule_of(record)


async def _place(connection: Connection, user_id: UUID, rule_id: UUID, place: float) -> None:
    await connection.execute(_PLACE, user_id, rule_id, place)
