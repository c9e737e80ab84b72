"""REST routes of the registry of models: versions, which one answers, back to the one before, and their artefacts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from scale.training.v1 import model_registry_service_pb2 as pb
from services.gateway import model_registry_json as shape
from services.gateway.answers import json_answer
from services.gateway.exchange import ARTIFACTS_PREFIX
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import model_registry as schemas
from services.gateway.schemas.fields import Identifier, PageQuery
from services.gateway.schemas.training import MODEL_PATTERN
from services.gateway.signed_files import DOCUMENTED, SignedQuery, file_answer
from services.gateway.upstreams import upstreams

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

Model = Annotated[
    str, Path(pattern=MODEL_PATTERN, description="`categorizer`, your own; or everybody's, `categorizer-global` and `forecaster-global`.")
]
Version = Annotated[str, Path(pattern=schemas.VERSION_PATTERN, description="The version.")]
OwnerId = Annotated[Identifier, Path(description="Whose it is; zero throughout for a global model.")]


@router.get(
    "/training/models/{model}/versions",
    tags=["models"],
    response_model=schemas.ModelVersionPage,
    openapi_extra=query_parameters(PageQuery),
)
async def list_model_versions(request: Request, model: Model) -> Response:
    """Versions of a model, newest first. Kept are the latest three, the one that answers, the one before it, and the best."""
    page = await upstreams(request).model_registry.unary(
        "ListModelVersions", shape.list_versions_request(model, read_query(request, PageQuery))
    )
    content = {"items": list(map(shape.version_json, page.model_versions)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content)


@router.get("/training/models/{model}/versions/{version}", tags=["models"], response_model=schemas.ModelVersion, responses=NOT_FOUND)
async def get_model_version(request: Request, model: Model, version: Version) -> Response:
    """One version, with an address for its artefact."""
    answer = await upstreams(request).model_registry.unary("GetModelVersion", pb.GetModelVersionRequest(model=model, version=version))
    return json_answer(request, shape.version_json(answer.model_version))


@router.get("/training/models/{model}/live", tags=["models"], response_model=schemas.ModelVersion, responses=NOT_FOUND)
async def get_live_model_version(request: Request, model: Model) -> Response:
    """The version that answers; 404 with reason NO_LIVE_MODEL while the model that comes with SCALE does."""
    answer = await upstreams(request).model_registry.unary("GetLiveModelVersion", pb.GetLiveModelVersionRequest(model=model))
    return json_answer(request, shape.version_json(answer.model_version))


@router.post(
    "/training/models/{model}/versions/{version}/promote",
    tags=["models"],
    response_model=schemas.ModelVersion,
    responses=NOT_FOUND,
)
async def promote_model_version(request: Request, model: Model, version: Version) -> Response:
    """Lets a version answer in place of the one that does: a candidate, or one that has answered before.

    Your own answers within seconds. A global model is for administrators only, and answers when each process has asked for it again, every
    30 seconds unless the operator has set another time. Harmless to repeat.
    """
    asked = pb.PromoteModelVersionRequest(model=model, version=version)
    answer = await upstreams(request).model_registry.unary("PromoteModelVersion", asked)
    return json_answer(request, shape.version_json(answer.model_version))


@router.post("/training/models/{model}/rollback", tags=["models"], response_model=schemas.RolledBack, responses=NOT_FOUND | CONFLICT)
async def roll_back_model(request: Request, model: Model, asked: schemas.RollBack | None = None) -> Response:
    """Lets the version before the live one answer again; where there is none, the model that comes with SCALE.

    Your own answers within seconds; a global model is for administrators only, and answers as after a promotion. Name the version to go
    back from, and a second request changes nothing; 409 with reason NO_LIVE_MODEL where none is named and none is live.
    """
    version = asked.version if asked is not None and asked.version is not None else ""
    answer = await upstreams(request).model_registry.unary("RollBackModel", pb.RollBackModelRequest(model=model, version=version))
    live = shape.version_json(answer.model_version) if answer.HasField("model_version") else None
    return json_answer(request, {"live": live})


@router.get(
    f"{ARTIFACTS_PREFIX.removeprefix(router.prefix)}{{owner_id}}/{{model}}/{{version}}",
    tags=["models"],
    response_class=Response,
    responses=NOT_FOUND | DOCUMENTED,
    openapi_extra=query_parameters(SignedQuery),
)
async def read_artifact(request: Request, owner_id: OwnerId, model: Model, version: Version) -> Response:
    """The artefact behind a `download_url`. Needs no token: whoever has the address may fetch it until it expires."""
    query = read_query(request, SignedQuery)
    asked = pb.ReadArtifactRequest(path=f"{owner_id}/{model}/{version}", expires=query.expires, signature=query.signature)
    parts = upstreams(request).model_registry.unary_stream("ReadArtifact", asked, timeout_s=request.app.state.settings.timeout_s)
    return await file_answer(request, parts, name=f"{model}-{version}")
