"""Rules on the wire."""

from __future__ import annotations

from typing import TypeAlias

import grpc.aio

from scale.accounts.v1 import rules_service_pb2 as pb
from scale.accounts.v1.rules_service_pb2_grpc import RulesServiceServicer
from services.accounts.batches import MAX_LENGTHS
from services.accounts.edits.messages import to_edit
from services.accounts.fields import masked_paths, text_field, uuid_field
from services.accounts.messages import add_transactions
from services.accounts.rules.domain import NewRule, Rule, RuleChanges, RuleInput, RuleVerdict
from services.accounts.rules.service import RulesService
from services.kit.context import identity
from services.kit.dates import from_date_proto, to_timestamp
from services.kit.errors import InvalidArgument, invalid
from services.kit.money import from_money

Context: TypeAlias = grpc.aio.ServicerContext

_LENGTHS = {"name": 200, "filter": 4000, "category": 100, "merchant": 200, "note": 2000}
_REQUIRED = frozenset({"name", "filter"})
_CHANGEABLE = (*_LENGTHS, "active", "position")


class RulesServicer(RulesServiceServicer):
    """`scale.accounts.v1.RulesService`. Whose rules are meant is said by the verified token alone."""

    def __init__(self, service: RulesService) -> None:
        self._service = service

    async def CreateRule(self, request: pb.CreateRuleRequest, context: Context) -> pb.CreateRuleResponse:
        """Adds a rule."""
        request_id = text_field(request.request_id, "request_id", at_most=36, required=True)
        rule = await self._service.create_rule(identity().user_id, _new_rule(request.rule), request_id)
        return pb.CreateRuleResponse(rule=_to_rule(rule))

    async def GetRule(self, request: pb.GetRuleRequest, context: Context) -> pb.GetRuleResponse:
        """One rule."""
        rule = await self._service.get_rule(identity().user_id, uuid_field(request.rule_id, "rule_id"))
        return pb.GetRuleResponse(rule=_to_rule(rule))

    async def ListRules(self, request: pb.ListRulesRequest, context: Context) -> pb.ListRulesResponse:
        """One page of the caller's rules, by position."""
        rules, token = await self._service.list_rules(identity().user_id, requested_size=request.page_size, token=request.page_token)
        return pb.ListRulesResponse(rules=map(_to_rule, rules), next_page_token=token)

    async def UpdateRule(self, request: pb.UpdateRuleRequest, context: Context) -> pb.UpdateRuleResponse:
        """Any field of one rule."""
        paths = masked_paths(request.update_mask, request.rule, _CHANGEABLE)
        texts = {name: _text(request.rule, name) for name in _LENGTHS if name in paths}
        changes = RuleChanges(
            **texts,
            position=_position(request.rule, required=True) if "position" in paths else None,
            active=request.rule.active if "active" in paths else None,
        )
        rule = await self._service.update_rule(identity().user_id, uuid_field(request.rule.rule_id, "rule.rule_id"), changes)
        return pb.UpdateRuleResponse(rule=_to_rule(rule))

    async def DeleteRule(self, request: pb.DeleteRuleRequest, context: Context) -> pb.DeleteRuleResponse:
        """Takes a rule away."""
        await self._service.delete_rule(identity().user_id, uuid_field(request.rule_id, "rule_id"))
        return pb.DeleteRuleResponse()

    async def PreviewRule(self, request: pb.PreviewRuleRequest, context: Context) -> pb.PreviewRuleResponse:
        """What a rule that is not saved would do to the past."""
        rule_id = uuid_field(request.rule.rule_id, "rule.rule_id") if request.rule.rule_id else None
        preview = await self._service.preview_rule(
            identity().user_id, _new_rule(request.rule, named=False), rule_id, requested_size=request.sample_size
        )
        response = pb.PreviewRuleResponse(matched_count=preview.matched_count, changed_count=preview.changed_count)
        add_transactions(response.transactions, preview.transactions)
        return response

    async def ApplyRule(self, request: pb.ApplyRuleRequest, context: Context) -> pb.ApplyRuleResponse:
        """Applies a rule to the past."""
        request_id = text_field(request.request_id, "request_id", at_most=36, required=True)
        edit = await self._service.apply_rule(identity().user_id, uuid_field(request.rule_id, "rule_id"), request_id)
        return pb.ApplyRuleResponse(edit=to_edit(edit))

    async def EvaluateRules(self, request: pb.EvaluateRulesRequest, context: Context) -> pb.EvaluateRulesResponse:
        """What the caller's rules say of payments that are in no ledger."""
        inputs = [_input(one, f"inputs[{place}]") for place, one in enumerate(request.inputs)]
        verdicts = await self._service.evaluate_rules(identity().user_id, inputs)
        return pb.EvaluateRulesResponse(verdicts=map(_to_verdict, verdicts))

    async def UndoRule(self, request: pb.UndoRuleRequest, context: Context) -> pb.UndoRuleResponse:
        """Takes back what a rule did."""
        undone = await self._service.undo_rule(identity().user_id, uuid_field(request.rule_id, "rule_id"))
        return pb.UndoRuleResponse(restored_count=undone.restored_count, kept_count=undone.kept_count)


def _new_rule(rule: pb.Rule, *, named: bool = True) -> NewRule:
    return NewRule(
        name=_text(rule, "name") if named else "",
        filter=_text(rule, "filter"),
        category=_text(rule, "category"),
        merchant=_text(rule, "merchant"),
        note=_text(rule, "note"),
        position=_position(rule),
        active=rule.active if rule.HasField("active") else True,
    )


def _input(one: pb.RuleInput, field: str) -> RuleInput:
    if not one.HasField("amount"):
        raise invalid(f"{field}.amount", "is required")
    try:
        amount, currency = from_money(one.amount)
    except InvalidArgument as error:
        raise invalid(f"{field}.amount", "; ".join(found.reason for found in error.fields)) from None
    return RuleInput(
        description=text_field(one.description, f"{field}.description", at_most=MAX_LENGTHS["description"]),
        merchant=text_field(one.merchant, f"{field}.merchant", at_most=MAX_LENGTHS["merchant"]) or None,
        amount=amount,
        currency=currency,
        transaction_date=from_date_proto(one.transaction_date, f"{field}.transaction_date"),
    )


def _to_verdict(verdict: RuleVerdict | None) -> pb.RuleVerdict:
    if verdict is None:
        return pb.RuleVerdict()
    return pb.RuleVerdict(category=verdict.category, rule_id=str(verdict.rule_id), rule_name=verdict.rule_name)


def _text(rule: pb.Rule, name: str) -> str:
    return text_field(getattr(rule, name), f"rule.{name}", at_most=_LENGTHS[name], required=name in _REQUIRED).strip()


def _position(rule: pb.Rule, *, required: bool = False) -> int:
    if rule.position < (1 if required else 0):
        raise invalid("rule.position", "counts from 1")
    return rule.position


def _to_rule(rule: Rule) -> pb.Rule:
    return pb.Rule(
        rule_id=str(rule.id),
        name=rule.name,
        filter=rule.filter,
        category=rule.category,
        merchant=rule.merchant,
        note=rule.note,
        position=rule.position,
        active=rule.active,
        create_time=to_timestamp(rule.created_at),
        update_time=to_timestamp(rule.updated_at),
        problem=rule.problem,
    )
