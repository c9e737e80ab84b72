"""Edits and rules through a real channel: shapes of requests, and a rule's way from its making to its undoing."""

from __future__ import annotations

from typing import Any

import grpc.aio
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type import date_pb2, money_pb2
from uuid_utils.compat import uuid7

from scale.accounts.v1 import edits_service_pb2 as edits_pb
from scale.accounts.v1 import rules_service_pb2 as pb
from scale.accounts.v1.edits_service_pb2_grpc import EditsServiceStub
from scale.accounts.v1.rules_service_pb2_grpc import RulesServiceStub
from services.kit.auth import mint_token
from services.kit.errors import InvalidArgument
from services.kit.status import from_rpc_error
from tests.accounts.test_servicer import SECRET, Client, address, batch, channel, end, metadata
from tests.support.ledger_rows import row

__all__ = ["address", "channel"]

EURO = money_pb2.Money(currency_code="EUR", units=-1)
PAYMENT = pb.RuleInput(amount=EURO)
RULE: dict[str, Any] = {"name": " Trains ", "filter": "train", "category": "travel"}


class Caller:
    """One user, at both services."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._token = mint_token(SECRET, user_id=uuid7())
        self._stubs = (RulesServiceStub(channel), EditsServiceStub(channel))
        self.ledger = Client(channel, self._token)

    async def __call__(self, method: str, request: Any) -> Any:
        stub = next(stub for stub in self._stubs if hasattr(stub, method))
        try:
            return await getattr(stub, method)(request, metadata=(("authorization", f"Bearer {self._token}"),), timeout=20)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="accounts") from error


@pytest.fixture
def ask(channel: grpc.aio.Channel) -> Caller:
    return Caller(channel)


async def test_a_rule_from_its_making_to_its_undoing(ask: Caller) -> None:
    made = (await ask("CreateRule", pb.CreateRuleRequest(request_id="one", rule=pb.Rule(**RULE)))).rule
    # Absent means switched on.
    assert (made.name, made.category, made.position, made.active, made.problem) == ("Trains", "travel", 1, True, "")
    account = await ask.ledger.account()
    await ask.ledger.append(metadata(uuid7()), batch([row(account, 1, description="Train")]), end(1))
    (edit,) = (await ask("ListEdits", edits_pb.ListEditsRequest())).edits
    assert (edit.rule_id, edit.matched_count, edit.changed_count) == (made.rule_id, 1, 1)
    assert edit.import_id
    preview = await ask("PreviewRule", pb.PreviewRuleRequest(rule=pb.Rule(filter="train", merchant="Rail")))
    assert (preview.matched_count, preview.changed_count, preview.transactions[0].category) == (1, 1, "travel")
    off = pb.UpdateRuleRequest(rule=pb.Rule(rule_id=made.rule_id), update_mask=FieldMask(paths=["active"]))
    assert not (await ask("UpdateRule", off)).rule.active
    assert (await ask("GetRule", pb.GetRuleRequest(rule_id=made.rule_id))).rule.name == "Trains"
    applied = (await ask("ApplyRule", pb.ApplyRuleRequest(request_id="two", rule_id=made.rule_id))).edit
    assert (applied.matched_count, applied.changed_count) == (1, 0)
    undone = await ask("UndoRule", pb.UndoRuleRequest(rule_id=made.rule_id))
    assert (undone.restored_count, undone.kept_count) == (1, 0)
    await ask("DeleteRule", pb.DeleteRuleRequest(rule_id=made.rule_id))
    assert not (await ask("ListRules", pb.ListRulesRequest())).rules


async def test_payments_are_judged_in_input_order(ask: Caller) -> None:
    made = (await ask("CreateRule", pb.CreateRuleRequest(request_id="one", rule=pb.Rule(**RULE)))).rule
    inputs = [pb.RuleInput(description=text, amount=EURO) for text in ("Bus", "Train", "")]
    inputs[2].merchant = "Train and Co"
    inputs[2].transaction_date.CopyFrom(date_pb2.Date(year=2026, month=1, day=2))
    answer = await ask("EvaluateRules", pb.EvaluateRulesRequest(inputs=inputs))
    hit = pb.RuleVerdict(category="travel", rule_id=made.rule_id, rule_name="Trains")
    assert list(answer.verdicts) == [pb.RuleVerdict(), hit, hit]


async def test_an_edit_and_back(ask: Caller) -> None:
    account = await ask.ledger.account()
    await ask.ledger.append(metadata(uuid7()), batch([row(account, 1)]), end(1))
    request = edits_pb.EditTransactionsRequest(request_id="one", filter="amount < 0", note="x", dry_run=True)
    assert not (await ask("EditTransactions", request)).edit.edit_id
    request.dry_run = False
    edit = (await ask("EditTransactions", request)).edit
    assert edit.expire_time.seconds > edit.create_time.seconds
    undone = await ask("UndoEdit", edits_pb.UndoEditRequest(edit_id=edit.edit_id))
    assert (undone.restored_count, undone.kept_count, undone.edit.HasField("undo_time")) == (1, 0, True)
    assert (await ask("GetEdit", edits_pb.GetEditRequest(edit_id=edit.edit_id))).edit == undone.edit


@pytest.mark.parametrize(
    ("method", "request_message", "field"),
    [
        ("EditTransactions", edits_pb.EditTransactionsRequest(request_id="x", note="x"), "filter"),
        ("EditTransactions", edits_pb.EditTransactionsRequest(filter="x", note="x"), "request_id"),
        ("EditTransactions", edits_pb.EditTransactionsRequest(request_id="x", filter="x"), "category"),
        ("EditTransactions", edits_pb.EditTransactionsRequest(request_id="x", filter="x", note="x" * 2001), "note"),
        ("EditTransactions", edits_pb.EditTransactionsRequest(request_id="x", filter="amount <", note="x"), "filter"),
        ("UndoEdit", edits_pb.UndoEditRequest(edit_id="x"), "edit_id"),
        ("ListEdits", edits_pb.ListEditsRequest(page_token="x"), "page_token"),
        ("CreateRule", pb.CreateRuleRequest(request_id="x", rule=pb.Rule(filter="x", note="x")), "rule.name"),
        ("CreateRule", pb.CreateRuleRequest(request_id="x", rule=pb.Rule(name="x", note="x")), "rule.filter"),
        ("CreateRule", pb.CreateRuleRequest(rule=pb.Rule(**RULE)), "request_id"),
        ("CreateRule", pb.CreateRuleRequest(request_id="x", rule=pb.Rule(**RULE, position=-1)), "rule.position"),
        ("PreviewRule", pb.PreviewRuleRequest(rule=pb.Rule(**RULE), sample_size=-1), "sample_size"),
        ("PreviewRule", pb.PreviewRuleRequest(rule=pb.Rule(**RULE, rule_id="x")), "rule.rule_id"),
        ("UpdateRule", pb.UpdateRuleRequest(rule=pb.Rule(name="x")), "rule.rule_id"),
        ("UpdateRule", pb.UpdateRuleRequest(rule=pb.Rule(**RULE), update_mask=FieldMask(paths=["problem"])), "update_mask"),
        ("ListRules", pb.ListRulesRequest(page_size=-1), "page_size"),
        ("EvaluateRules", pb.EvaluateRulesRequest(), "inputs"),
        ("EvaluateRules", pb.EvaluateRulesRequest(inputs=[PAYMENT] * 1001), "inputs"),
        ("EvaluateRules", pb.EvaluateRulesRequest(inputs=[PAYMENT, pb.RuleInput()]), "inputs[1].amount"),
        ("EvaluateRules", pb.EvaluateRulesRequest(inputs=[pb.RuleInput(amount=money_pb2.Money(units=1))]), "inputs[0].amount"),
        ("EvaluateRules", pb.EvaluateRulesRequest(inputs=[pb.RuleInput(amount=EURO, description="a\x00b")]), "inputs[0].description"),
        ("EvaluateRules", pb.EvaluateRulesRequest(inputs=[pb.RuleInput(amount=EURO, transaction_date=date_pb2.Date(year=1))]),
         "inputs[0].transaction_date"),
    ],
)  # fmt: skip
async def test_wrong_requests_say_which_field(ask: Caller, method: str, request_message: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await ask(method, request_message)
    assert [one.field for one in caught.value.fields] == [field]
