"""Words of descriptions and merchants: which ones nothing holds, and which ones there are."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.accounts.filters.domain import Condition, Field, Operator, all_of
from services.accounts.repository.conditions import condition, read_meanings
from services.kit.postgres import Database

_HELD = "EXISTS (SELECT FROM accounts.transactions WHERE user_id = $1 AND {})"
_MARKS = '.,;:!?/|*+-_=#&@()[]<>"'
# The newest transactions have the words that people search for, and to take all apart would take longer than people wait. Numbers and
# references are nobody's typing mistakes.
SELECT_WORDS = """
    WITH held AS MATERIALIZED (
        SELECT word, count(*) AS times
          FROM (SELECT description_key || ' ' || COALESCE(merchant_key, '') AS texts FROM accounts.transactions
                 WHERE user_id = $1 ORDER BY transaction_date DESC, id DESC LIMIT 20000) AS newest,
               unnest(string_to_array(texts, ' ')) AS word
         WHERE length(word) >= $2
         GROUP BY word)
    SELECT part, sum(times)::bigint
      FROM held, unnest(string_to_array(translate(word, $4, rpad('', length($4))), ' ')) AS part
     WHERE word !~ '[0-9]' AND length(part) BETWEEN $2 AND $3
     GROUP BY part ORDER BY sum(times) DESC
"""


class WordRows:
    """What a search is compared with when it finds nothing."""

    _database: Database

    async def unknown_words(self, user_id: UUID, words: Sequence[str]) -> list[str]:
        """Those of the words that no transaction of the user holds."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            searched = [Condition(Field.TEXT, Operator.HAS, word) for word in words]
            meanings = await read_meanings(connection, user_id, all_of(searched))
            arguments: list[object] = [user_id]

            def add(value: object) -> str:
                arguments.append(value)
                return f"${len(arguments)}"

            columns = ", ".join(_HELD.format(condition(one, add, meanings)) for one in searched)
            held = await connection.fetchrow(f"SELECT {columns}", *arguments)  # nosec B608  # placeholders only
        return [word for word, found in zip(words, held, strict=True) if not found]

    async def known_words(self, user_id: UUID, shortest: int, longest: int) -> list[tuple[str, int]]:
        """Words of so many letters in the user's newest transactions, folded, the most frequent first, with how often each is there."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return [(word, count) for word, count in await connection.fetch(SELECT_WORDS, user_id, shortest, longest, _MARKS)]
