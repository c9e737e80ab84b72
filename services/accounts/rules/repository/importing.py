"""Applies a user's rules to the rows of an import, between staging and the ledger (repository/append.py).

The rows of the temporary table `incoming` are judged and changed before they are inserted: to change them in the ledger afterwards would
write each of them, with all its indexes, a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from services.accounts.edits.repository.changing import Arguments, Changed, Origin, store_edit
from services.accounts.repository.conditions import filter_condition
from services.accounts.rules.repository.applying import apply_rule
from services.accounts.rules.repository.stored import WorkingRule, active_rules, working
from services.kit.postgres import Connection

log = structlog.get_logger()

_UNCLAIMED = "NOT EXISTS (SELECT FROM claims WHERE claims.line = incoming.line)"
# An incoming row with the names of the ledger's columns: what a filter may ask for, as it is at the moment when a row comes in.
_AS_TRANSACTIONS = f"""
    SELECT line, id, account_id, transaction_date, amount, currency, CASE WHEN amount < 0 THEN 'debit' ELSE 'credit' END AS type,
           description, description_key, merchant AS merchant_name, lower(merchant) AS merchant_key, category, category_source, confidence,
           payment_method, status, note, {{import_id}}::uuid AS import_id, raw_data, NULL::uuid AS suspected_duplicate_of
      FROM incoming WHERE books IS NULL AND {_UNCLAIMED}
"""  # nosec B608
_CREATE_HITS = "CREATE TEMPORARY TABLE rule_hits (line bigint, place integer) ON COMMIT DROP"
_HITS = """
    INSERT INTO rule_hits SELECT line, unnest(array_remove(ARRAY[{hits}]::integer[], NULL)) FROM ({rows}) AS t
"""
_HIT = "CASE WHEN {condition} THEN {place} END"
_CREATE_RULED = """
    CREATE TEMPORARY TABLE ruled (
        line bigint, category_place integer, merchant_place integer, note_place integer,
        category text, category_source text, confidence double precision, merchant text
    ) ON COMMIT DROP
"""
# By field, the first rule that sets it; beside it what the row was before. A rule never overrules the user, whose word has no confidence.
_RULE = """
    INSERT INTO ruled
    SELECT line,
           CASE WHEN category IS NULL OR category_source <> 'user' OR confidence IS NOT NULL THEN category_place END,
           CASE WHEN incoming.merchant IS DISTINCT FROM ($2::text[])[merchant_place] THEN merchant_place END,
           CASE WHEN note = '' THEN note_place END,
           category, category_source, confidence, merchant
      FROM (SELECT line, min(place) FILTER (WHERE ($1::text[])[place] <> '') AS category_place,
                   min(place) FILTER (WHERE ($2::text[])[place] <> '') AS merchant_place,
                   min(place) FILTER (WHERE ($3::text[])[place] <> '') AS note_place
              FROM rule_hits GROUP BY line) AS first
      JOIN incoming USING (line)
"""
_SET = """
    UPDATE incoming
       SET category = CASE WHEN category_place IS NULL THEN incoming.category ELSE ($1::text[])[category_place] END,
           category_source = CASE WHEN category_place IS NULL THEN incoming.category_source ELSE 'rule' END,
           confidence = CASE WHEN category_place IS NULL THEN incoming.confidence END,
           merchant = CASE WHEN merchant_place IS NULL THEN incoming.merchant ELSE ($2::text[])[merchant_place] END,
           note = CASE WHEN note_place IS NULL THEN incoming.note ELSE ($3::text[])[note_place] END,
           note_source = CASE WHEN note_place IS NOT NULL THEN 'rule' END
      FROM ruled WHERE ruled.line = incoming.line
"""
_KEEP = f"""
    WITH given AS (SELECT * FROM unnest($2::uuid[]) WITH ORDINALITY AS given (edit_id, place)),
         kept AS (
             INSERT INTO accounts.edit_rows (
                 user_id, edit_id, transaction_id, fields, category_before, category_source_before, confidence_before, merchant_name_before,
                 note_before, category_after, merchant_name_after, note_after)
             SELECT $1, edit_id, incoming.id,
                    array_remove(ARRAY[CASE WHEN place = category_place THEN 'category' END,
                                       CASE WHEN place = merchant_place THEN 'merchant' END,
                                       CASE WHEN place = note_place THEN 'note' END], NULL),
                    CASE WHEN place = category_place THEN ruled.category END,
                    CASE WHEN place = category_place THEN ruled.category_source END,
                    CASE WHEN place = category_place THEN ruled.confidence END,
                    CASE WHEN place = merchant_place THEN ruled.merchant END, CASE WHEN place = note_place THEN '' END,
                    CASE WHEN place = category_place THEN incoming.category END,
                    CASE WHEN place = merchant_place THEN incoming.merchant END,
                    CASE WHEN place = note_place THEN incoming.note END
               FROM ruled JOIN incoming USING (line)
              CROSS JOIN LATERAL (SELECT DISTINCT unnest(ARRAY[category_place, merchant_place, note_place]) AS place) AS places
               JOIN given USING (place)
              WHERE {_UNCLAIMED}
             RETURNING edit_id)
    SELECT place, count(*) FROM kept JOIN given USING (edit_id) GROUP BY place
"""  # nosec B608 - only constants of this module
_COUNT_HITS = "SELECT place, count(*) FROM rule_hits GROUP BY place"
_SELECT_BOOKED = "SELECT books FROM incoming WHERE books IS NOT NULL"


class ImportRules:
    """A user's rules on the rows of one import."""

    def __init__(
        self, connection: Connection, user_id: UUID, import_id: UUID | None, rules: Sequence[WorkingRule], lifetime: timedelta
    ) -> None:
        self._connection = connection
        self._user_id = user_id
        self._import_id = import_id
        self._rules = rules
        self._lifetime = lifetime
        self._hits: dict[int, int] = {}

    @classmethod
    async def load(cls, connection: Connection, user_id: UUID, import_id: UUID | None, lifetime: timedelta) -> ImportRules:
        """Those that are switched on. One with a problem is left out: it must not keep an import from coming in."""
        rules = await active_rules(connection, user_id)
        for rule in rules:
            if rule.problem:
                log.warning("rule skipped", rule_id=str(rule.id), problem=rule.problem)
        return cls(connection, user_id, import_id, working(rules), lifetime)

    async def change_incoming(self) -> None:
        """Before the insert: puts what the rules set into the rows that nothing claims."""
        if not self._rules:
            return
        for statement in (_CREATE_HITS, _CREATE_RULED):
            await self._connection.execute(statement)
        arguments = Arguments()
        rows = _AS_TRANSACTIONS.format(import_id=arguments.add(self._import_id))
        hits = [
            _HIT.format(
                condition=await filter_condition(self._connection, self._user_id, one.expression, arguments.add, table="t"), place=place
            )
            for place, one in enumerate(self._rules, start=1)
        ]
        await self._connection.execute(_HITS.format(hits=", ".join(hits), rows=rows), *arguments.values)
        self._hits = dict(await self._connection.fetch(_COUNT_HITS))
        if self._hits:
            await self._connection.execute(_RULE, *self._actions())
            await self._connection.execute(_SET, *self._actions())

    async def keep_edits(self) -> None:
        """After the insert: notes what was changed, one edit for each rule that changed anything."""
        if not self._hits:
            return
        edits = [uuid7() for _ in self._rules]
        for place, changed in await self._connection.fetch(_KEEP, self._user_id, edits):
            await self._store(self._rules[place - 1], Changed(edits[place - 1], self._hits[place], changed))

    async def change_booked(self) -> None:
        """After pending rows of the ledger have become posted ones: their texts are new to the rules."""
        if not self._rules:
            return
        booked = [record[0] for record in await self._connection.fetch(_SELECT_BOOKED)]
        for place, one in enumerate(self._rules if booked else ()):
            changed = await apply_rule(self._connection, self._user_id, one, self._rules[:place], among=booked)
            if changed.changed_count:
                await self._store(one, changed)

    async def _store(self, one: WorkingRule, changed: Changed) -> None:
        origin = Origin(one.rule.filter, self._lifetime, rule_id=one.rule.id, import_id=self._import_id)
        await store_edit(self._connection, self._user_id, changed, origin)

    def _actions(self) -> tuple[list[str], list[str], list[str]]:
        rules = [one.rule for one in self._rules]
        return [rule.category for rule in rules], [rule.merchant for rule in rules], [rule.note for rule in rules]
