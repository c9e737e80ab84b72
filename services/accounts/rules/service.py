"""Rules: their use-cases, and what makes one whole."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from services.accounts.domain import FirstRequest
from services.accounts.edits.domain import Edit, Undone
from services.accounts.filters import Expression, parse
from services.accounts.rules.domain import NewRule, Preview, Rule, RuleChanges, RuleInput, RuleVerdict
from services.kit.errors import invalid
from services.kit.pagination import PageTokens, page_size

MAX_INPUTS = 1000
"""Payments that are judged at once."""


class RulesRepository(Protocol):
    """What the service stores. Each method is one transaction and touches only rows of `user_id`."""

    async def create_rule(self, user_id: UUID, new: NewRule, request: FirstRequest) -> Rule: ...

    async def get_rule(self, user_id: UUID, rule_id: UUID) -> Rule: ...

    async def list_rules(self, user_id: UUID, *, after: tuple[int, UUID] | None, limit: int) -> list[Rule]: ...

    async def change_rule(self, user_id: UUID, rule_id: UUID, change: Callable[[Rule], Rule]) -> Rule: ...

    async def delete_rule(self, user_id: UUID, rule_id: UUID) -> None: ...

    async def preview_rule(self, user_id: UUID, rule: NewRule, expression: Expression, rule_id: UUID | None, *, limit: int) -> Preview: ...

    async def apply_rule(self, user_id: UUID, rule_id: UUID, request: FirstRequest) -> Edit: ...

    async def evaluate_rules(self, user_id: UUID, inputs: Sequence[RuleInput]) -> list[RuleVerdict | None]: ...

    async def undo_rule(self, user_id: UUID, rule_id: UUID) -> Undone: ...


class RulesService:
    """Use-cases of rules, for the verified user who asks."""

    def __init__(self, repository: RulesRepository, page_tokens: PageTokens) -> None:
        self._repository = repository
        self._page_tokens = page_tokens

    async def create_rule(self, user_id: UUID, new: NewRule, request_id: str) -> Rule:
        """Adds a rule; the same request again returns the same rule. Raises InvalidArgument, AlreadyExists, FailedPrecondition."""
        _check(new)
        request = FirstRequest(request_id, hashlib.sha256(repr(new).encode()).digest())
        return await self._repository.create_rule(user_id, new, request)

    async def get_rule(self, user_id: UUID, rule_id: UUID) -> Rule:
        """One rule. Raises NotFound."""
        return await self._repository.get_rule(user_id, rule_id)

    async def list_rules(self, user_id: UUID, *, requested_size: int, token: str) -> tuple[list[Rule], str]:
        """One page by position, and the token of the next one; empty on the last page."""
        size = page_size(requested_size)
        after = None
        if token:
            position, last_id = self._page_tokens.decode(token, user_id=user_id, filters="rules")
            after = (int(position), UUID(last_id))
        found = await self._repository.list_rules(user_id, after=after, limit=size + 1)
        if len(found) <= size:
            return found, ""
        last = found[size - 1]
        return found[:size], self._page_tokens.encode(user_id=user_id, filters="rules", position=(str(last.position), str(last.id)))

    async def update_rule(self, user_id: UUID, rule_id: UUID, changes: RuleChanges) -> Rule:
        """Changes a rule; what it has done stays. Raises NotFound, InvalidArgument."""
        given = {field.name: value for field in dataclasses.fields(changes) if (value := getattr(changes, field.name)) is not None}

        def change(rule: Rule) -> Rule:
            changed = dataclasses.replace(rule, **given)
            _check(changed, filter_changes="filter" in given)
            return changed

        return await self._repository.change_rule(user_id, rule_id, change)

    async def delete_rule(self, user_id: UUID, rule_id: UUID) -> None:
        """Takes a rule away; what it has done stays. Harmless to repeat."""
        await self._repository.delete_rule(user_id, rule_id)

    async def preview_rule(self, user_id: UUID, rule: NewRule, rule_id: UUID | None, *, requested_size: int) -> Preview:
        """What a rule that is not saved would do to the past. Raises InvalidArgument."""
        _check(rule)
        if requested_size < 0:
            raise invalid("sample_size", "must not be negative")
        return await self._repository.preview_rule(
            user_id, rule, parse(rule.filter, "rule.filter"), rule_id, limit=page_size(requested_size)
        )

    async def apply_rule(self, user_id: UUID, rule_id: UUID, request_id: str) -> Edit:
        """Applies a rule to the past; the same request again returns the same edit. Raises NotFound, AlreadyExists, FailedPrecondition."""
        request = FirstRequest(request_id, hashlib.sha256(f"apply rule {rule_id}".encode()).digest())
        return await self._repository.apply_rule(user_id, rule_id, request)

    async def evaluate_rules(self, user_id: UUID, inputs: Sequence[RuleInput]) -> list[RuleVerdict | None]:
        """What the rules say of each of these payments, in order; None where no rule sets a category. Raises InvalidArgument."""
        if not 1 <= len(inputs) <= MAX_INPUTS:
            raise invalid("inputs", f"has {len(inputs)} entries, 1 to {MAX_INPUTS} are allowed")
        return await self._repository.evaluate_rules(user_id, inputs)

    async def undo_rule(self, user_id: UUID, rule_id: UUID) -> Undone:
        """Takes back what a rule did, but for what was changed since. Harmless to repeat. Raises NotFound."""
        return await self._repository.undo_rule(user_id, rule_id)


def _check(rule: NewRule | Rule, *, filter_changes: bool = True) -> None:
    if filter_changes:
        parse(rule.filter, "rule.filter")
    if not (rule.category or rule.merchant or rule.note):
        raise invalid("rule.category", "at least one of category, merchant and note must be there")
