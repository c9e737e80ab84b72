"""REST routes of federated learning: the model that devices train together, a user's devices, and the rounds, for administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from scale.federation.v1 import devices_service_pb2 as devices_pb
from scale.federation.v1 import federated_model_service_pb2 as models_pb
from scale.federation.v1 import rounds_service_pb2 as rounds_pb
from services.gateway import federation_json as shape
from services.gateway.accounts import IdempotencyKey
from services.gateway.answers import Cache, json_answer
from services.gateway.auth import require_role
from services.gateway.exchange import FEDERATED_MODELS_PREFIX
from services.gateway.idempotency import short_idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import federation as schemas
from services.gateway.schemas.fields import Identifier, PageQuery
from services.gateway.settings import GatewaySettings
from services.gateway.signed_files import DOCUMENTED, SignedQuery, file_answer
from services.gateway.upstreams import upstreams

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

RoundId = Annotated[Identifier, Path(description="The round.")]
DeviceId = Annotated[Identifier, Path(description="The device.")]
Version = Annotated[int, Path(ge=1, le=schemas.MOST_VERSION, description="The version of the model.")]
Part = Annotated[str, Path(pattern=schemas.PART_PATTERN, description="`encoder`, which changes seldom, or `head`, which is trained.")]

_administrators: dict[str, Any] = {"tags": ["federation"], "dependencies": [Depends(require_role("admin"))]}


async def get_federated_model(request: Request) -> Response:
    """The newest version of the model that devices train together, with addresses for its parts.

    Ask for it now and then to learn that there is a new one.
    """
    answer = await upstreams(request).federated_model.unary("GetFederatedModel", models_pb.GetFederatedModelRequest())
    return json_answer(request, shape.model_json(answer.model_version))


_found: dict[str, Any] = {"response_model": schemas.FederatedModel}
router.get("/federation/model", tags=["federation"], operation_id="get_federated_model", **_found)(get_federated_model)
router.get(
    "/federated/model",
    tags=["aliases"],
    operation_id="get_federated_model_alias",
    summary="Alias of GET /api/v1/federation/model",
    **_found,
)(get_federated_model)


@router.get(
    "/federation/model/versions",
    response_model=schemas.FederatedModelPage,
    openapi_extra=query_parameters(PageQuery),
    **_administrators,
)
async def list_federated_model_versions(request: Request) -> Response:
    """Versions of that model, newest first. None is ever changed or removed. For administrators."""
    asked = models_pb.ListFederatedModelVersionsRequest(**shape.page_of(read_query(request, PageQuery)))
    page = await upstreams(request).federated_model.unary("ListFederatedModelVersions", asked)
    content = {"items": list(map(shape.model_json, page.model_versions)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content)


@router.post("/federation/model/promote", responses=NOT_FOUND | CONFLICT, **_found, **_administrators)
async def promote_federated_model(request: Request, chosen: schemas.VersionChoice) -> Response:
    """Lets a version answer in categorization. For administrators. Harmless to repeat."""
    asked = models_pb.PromoteFederatedModelRequest(version=chosen.version)
    answer = await upstreams(request).federated_model.unary("PromoteFederatedModel", asked)
    return json_answer(request, shape.model_json(answer.model_version))


@router.post("/federation/model/rollback", responses=NOT_FOUND | CONFLICT, **_found, **_administrators)
async def roll_back_federated_model(request: Request, chosen: schemas.VersionChoice) -> Response:
    """Has devices train on from an earlier version: a new one with its content, which is the answer. For administrators.

    Where the newest version answers in categorization, the earlier one does again.
    """
    asked = models_pb.RollBackFederatedModelRequest(version=chosen.version)
    answer = await upstreams(request).federated_model.unary("RollBackFederatedModel", asked)
    return json_answer(request, shape.model_json(answer.model_version))


@router.get(
    f"{FEDERATED_MODELS_PREFIX.removeprefix(router.prefix)}{{version}}/{{part}}",
    tags=["federation"],
    response_class=Response,
    responses=NOT_FOUND | DOCUMENTED,
    openapi_extra=query_parameters(SignedQuery),
)
async def read_model_part(request: Request, version: Version, part: Part) -> Response:
    """The file behind a download address of the model. Needs no token: whoever has the address may fetch it until it expires.

    A version's file never changes, however many have come after it.
    """
    query = read_query(request, SignedQuery)
    asked = models_pb.ReadModelPartRequest(version=version, name=part, expires=query.expires, signature=query.signature)
    settings: GatewaySettings = request.app.state.settings
    parts = upstreams(request).federated_model.unary_stream("ReadModelPart", asked, timeout_s=settings.timeout_s)
    return await file_answer(request, parts, name=f"federated-{version}-{part}")


# Devices


@router.get("/federation/devices", tags=["federation"], response_model=schemas.DevicePage, openapi_extra=query_parameters(PageQuery))
async def list_devices(request: Request) -> Response:
    """Your devices that train, newest first, with what each has spent of its privacy. A device enrols itself, over gRPC."""
    asked = devices_pb.ListDevicesRequest(**shape.page_of(read_query(request, PageQuery)))
    page = await upstreams(request).devices.unary("ListDevices", asked)
    content = {"items": list(map(shape.device_json, page.devices)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.REVALIDATE)


@router.delete("/federation/devices/{device_id}", tags=["federation"], response_model=schemas.Device, responses=NOT_FOUND)
async def revoke_device(request: Request, device_id: DeviceId) -> Response:
    """Shuts a device out for good, from the round that is open as well. Harmless to repeat."""
    answer = await upstreams(request).devices.unary("RevokeDevice", devices_pb.RevokeDeviceRequest(device_id=str(device_id)))
    return json_answer(request, shape.device_json(answer.device))


# Rounds


@router.get("/federation/status", response_model=schemas.FederationStatus, **_administrators)
async def get_federation_status(request: Request) -> Response:
    """How the coordinator is: the open round, devices that are there, the budget. For administrators."""
    answer = await upstreams(request).rounds.unary("GetFederationStatus", rounds_pb.GetFederationStatusRequest())
    return json_answer(request, shape.status_json(answer))


@router.get("/federation/rounds", response_model=schemas.RoundPage, openapi_extra=query_parameters(PageQuery), **_administrators)
async def list_rounds(request: Request) -> Response:
    """Rounds, newest first: what became of each, and why. No round says who took part. For administrators."""
    page = await upstreams(request).rounds.unary("ListRounds", rounds_pb.ListRoundsRequest(**shape.page_of(read_query(request, PageQuery))))
    content = {"items": list(map(shape.round_json, page.rounds)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.REVALIDATE)


@router.post("/federation/rounds", status_code=201, response_model=schemas.Round, responses=CONFLICT, **_administrators)
async def start_round(request: Request, wanted: schemas.NewRound | None = None, key: IdempotencyKey = None) -> Response:
    """Opens a round; it goes on by itself. For administrators.

    409 with `round_id` while another is open, and with reason BUDGET_SPENT when it would cost devices more than their budget.
    """
    asked = shape.start_round_request(wanted or schemas.NewRound(), short_idempotency_key(request))
    content = shape.round_json((await upstreams(request).rounds.unary("StartRound", asked)).round)
    return json_answer(request, content, status=201, headers={"Location": f"/api/v1/federation/rounds/{content['round_id']}"})


@router.get("/federation/rounds/{round_id}", response_model=schemas.Round, responses=NOT_FOUND, **_administrators)
async def get_round(request: Request, round_id: RoundId) -> Response:
    """One round. For administrators."""
    answer = await upstreams(request).rounds.unary("GetRound", rounds_pb.GetRoundRequest(round_id=str(round_id)))
    return json_answer(request, shape.round_json(answer.round), Cache.REVALIDATE)


@router.post("/federation/rounds/{round_id}/abort", response_model=schemas.Round, responses=NOT_FOUND | CONFLICT, **_administrators)
async def abort_round(request: Request, round_id: RoundId) -> Response:
    """Gives a round up: nothing of it is published. For administrators. Harmless to repeat; 409 for one that has ended otherwise."""
    answer = await upstreams(request).rounds.unary("AbortRound", rounds_pb.AbortRoundRequest(round_id=str(round_id)))
    return json_answer(request, shape.round_json(answer.round))
