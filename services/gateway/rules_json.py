"""Between the JSON of rules and the messages of `scale.accounts.v1`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask

from scale.accounts.v1 import rules_service_pb2 as pb
from services.gateway.accounts_json import MAX_PAGE_SIZE
from services.gateway.schemas import rules as schemas
from services.gateway.wire import timestamp_text


def create_rule_request(rule: schemas.NewRule, request_id: str) -> pb.CreateRuleRequest:
    """The request to add a rule."""
    return pb.CreateRuleRequest(request_id=request_id, rule=pb.Rule(**rule.model_dump(exclude_none=True)))


def preview_rule_request(trial: schemas.RuleTrial) -> pb.PreviewRuleRequest:
    """The request to try a rule."""
    rule = pb.Rule(**trial.model_dump(exclude={"sample_size", "rule_id"}, exclude_none=True))
    if trial.rule_id is not None:
        rule.rule_id = str(trial.rule_id)
    return pb.PreviewRuleRequest(rule=rule, sample_size=min(trial.sample_size, MAX_PAGE_SIZE))


def list_rules_request(query: schemas.RuleQuery) -> pb.ListRulesRequest:
    """The request for a page of rules."""
    return pb.ListRulesRequest(page_size=min(query.page_size, MAX_PAGE_SIZE), page_token=query.page_token)


def update_rule_request(rule_id: UUID, change: schemas.RuleChange) -> pb.UpdateRuleRequest:
    """The request for a change of one rule."""
    rule = pb.Rule(rule_id=str(rule_id), **change.model_dump(exclude_none=True))
    return pb.UpdateRuleRequest(rule=rule, update_mask=FieldMask(paths=sorted(change.model_fields_set)))


def rule_json(rule: pb.Rule) -> dict[str, Any]:
    """One rule."""
    return {
        "id": rule.rule_id,
        "name": rule.name,
        "filter": rule.filter,
        "category": rule.category or None,
        "merchant": rule.merchant or None,
        "note": rule.note or None,
        "position": rule.position,
        "active": rule.active,
        "problem": rule.problem or None,
        "created_at": timestamp_text(rule.create_time),
        "updated_at": timestamp_text(rule.update_time),
    }
