"""REST routes of rules."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from scale.accounts.v1 import rules_service_pb2 as pb
from services.gateway import rules_json as shape
from services.gateway.accounts import IdempotencyKey
from services.gateway.accounts_json import transaction_json
from services.gateway.answers import Cache, json_answer
from services.gateway.edits_json import edit_json
from services.gateway.idempotency import short_idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import rules as schemas
from services.gateway.schemas.edits import Edit
from services.gateway.schemas.fields import Identifier
from services.gateway.upstreams import upstreams

router = APIRouter(prefix="/api/v1", tags=["rules"], responses=EVERYWHERE)

# Its paths say :uuid, so that /rules/preview is never taken for an id.
RuleId = Annotated[Identifier, Path(description="The rule.")]


@router.get("/rules", response_model=schemas.RulePage, openapi_extra=query_parameters(schemas.RuleQuery))
async def list_rules(request: Request) -> Response:
    """Your rules by position. `problem` says why one does nothing."""
    query = read_query(request, schemas.RuleQuery)
    page = await upstreams(request).rules.unary("ListRules", shape.list_rules_request(query))
    content = {"items": list(map(shape.rule_json, page.rules)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.REVALIDATE)


@router.post("/rules", status_code=201, response_model=schemas.Rule, responses=CONFLICT)
async def create_rule(request: Request, rule: schemas.NewRule, key: IdempotencyKey = None) -> Response:
    """Adds a rule, which sees what comes in from now on. A category that you set by hand is never overruled."""
    answer = await upstreams(request).rules.unary("CreateRule", shape.create_rule_request(rule, short_idempotency_key(request)))
    content = shape.rule_json(answer.rule)
    return json_answer(request, content, status=201, headers={"Location": f"/api/v1/rules/{content['id']}"})


@router.post("/rules/preview", response_model=schemas.RulePreview)
async def preview_rule(request: Request, trial: schemas.RuleTrial) -> Response:
    """What a rule that is not saved yet would change in the past."""
    timeout_s = request.app.state.settings.import_timeout_s
    answer = await upstreams(request).rules.unary("PreviewRule", shape.preview_rule_request(trial), timeout_s=timeout_s)
    content = {
        "matched": answer.matched_count,
        "changed": answer.changed_count,
        "transactions": list(map(transaction_json, answer.transactions)),
    }
    return json_answer(request, content)


@router.get("/rules/{rule_id:uuid}", response_model=schemas.Rule, responses=NOT_FOUND)
async def get_rule(request: Request, rule_id: RuleId) -> Response:
    """One rule."""
    answer = await upstreams(request).rules.unary("GetRule", pb.GetRuleRequest(rule_id=str(rule_id)))
    return json_answer(request, shape.rule_json(answer.rule), Cache.REVALIDATE)


@router.patch("/rules/{rule_id:uuid}", response_model=schemas.Rule, responses=NOT_FOUND | CONFLICT)
async def update_rule(request: Request, rule_id: RuleId, change: schemas.RuleChange) -> Response:
    """Changes a rule. What it has done stays until you take it back."""
    answer = await upstreams(request).rules.unary("UpdateRule", shape.update_rule_request(rule_id, change))
    return json_answer(request, shape.rule_json(answer.rule))


@router.delete("/rules/{rule_id:uuid}", status_code=204, response_model=None, responses=NOT_FOUND)
async def delete_rule(request: Request, rule_id: RuleId) -> Response:
    """Takes a rule away; what it has done stays. Harmless to repeat."""
    await upstreams(request).rules.unary("DeleteRule", pb.DeleteRuleRequest(rule_id=str(rule_id)))
    return Response(status_code=204)


@router.post("/rules/{rule_id}/apply", response_model=Edit, responses=NOT_FOUND | CONFLICT)
async def apply_rule(request: Request, rule_id: RuleId, key: IdempotencyKey = None) -> Response:
    """Applies a rule to the past. The `undo_token` of the answer takes that back; 409 for a rule with a `problem`."""
    asked = pb.ApplyRuleRequest(request_id=short_idempotency_key(request), rule_id=str(rule_id))
    timeout_s = request.app.state.settings.import_timeout_s
    answer = await upstreams(request).rules.unary("ApplyRule", asked, timeout_s=timeout_s)
    return json_answer(request, edit_json(answer.edit))


@router.post("/rules/{rule_id}/undo", response_model=schemas.UndoneRule, responses=NOT_FOUND)
async def undo_rule(request: Request, rule_id: RuleId) -> Response:
    """Takes back all that a rule did, in imports and in the past, but for what was changed since. Harmless to repeat."""
    timeout_s = request.app.state.settings.import_timeout_s
    answer = await upstreams(request).rules.unary("UndoRule", pb.UndoRuleRequest(rule_id=str(rule_id)), timeout_s=timeout_s)
    return json_answer(request, {"restored": answer.restored_count, "kept": answer.kept_count})
