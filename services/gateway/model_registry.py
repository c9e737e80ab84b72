"""REST routes of the registry of models: versions, which one answers, back to the one before, and their artefacts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response, StreamingResponse

from scale.training.v1 import model_registry_service_pb2 as pb
from services.gateway import model_registry_json as shape
from services.gateway.answers import Cache, json_answer, matches
from services.gateway.exchange import SIGNED_PREFIX, exchange_of
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import model_registry as schemas
from services.gateway.schemas.fields import Identifier, PageQuery
from services.gateway.schemas.training import MODEL_PATTERN
from services.gateway.upstreams import upstreams
from services.kit.errors import ScaleError, Unavailable

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

Model = Annotated[str, Path(pattern=MODEL_PATTERN, description="`categorizer`, your own; or `categorizer-global`, everybody's.")]
Version = Annotated[str, Path(pattern=schemas.VERSION_PATTERN, description="The version.")]
OwnerId = Annotated[Identifier, Path(description="Whose it is; zero throughout for a global model.")]

_MEDIA_TYPE = "application/octet-stream"
_documented: dict[int | str, dict[str, Any]] = {
    200: {"description": "The artefact.", "content": {_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
}


class ArtifactCutShort(Exception):
    """Breaks the connection, and is logged: the service could not go on."""


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
    """Lets a version answer, within seconds, in place of the one that does: a candidate, or one that has answered before.

    Of a global model for administrators only. Harmless to repeat.
    """
    asked = pb.PromoteModelVersionRequest(model=model, version=version)
    answer = await upstreams(request).model_registry.unary("PromoteModelVersion", asked)
    return json_answer(request, shape.version_json(answer.model_version))


@router.post("/training/models/{model}/rollback", tags=["models"], response_model=schemas.RolledBack, responses=NOT_FOUND | CONFLICT)
async def roll_back_model(request: Request, model: Model, asked: schemas.RollBack | None = None) -> Response:
    """Lets the version before the live one answer again, within seconds; where there is none, the model that comes with SCALE.

    Of a global model for administrators only. Name the version to go back from, and a second request changes nothing; 409 with reason
    NO_LIVE_MODEL where none is named and none is live.
    """
    version = asked.version if asked is not None and asked.version is not None else ""
    answer = await upstreams(request).model_registry.unary("RollBackModel", pb.RollBackModelRequest(model=model, version=version))
    live = shape.version_json(answer.model_version) if answer.HasField("model_version") else None
    return json_answer(request, {"live": live})


@router.get(
    f"{SIGNED_PREFIX.removeprefix(router.prefix)}{{owner_id}}/{{model}}/{{version}}",
    tags=["models"],
    response_class=Response,
    responses=NOT_FOUND | _documented,
    openapi_extra=query_parameters(schemas.ArtifactQuery),
)
async def read_artifact(request: Request, owner_id: OwnerId, model: Model, version: Version) -> Response:
    """The artefact behind a `download_url`. Needs no token: whoever has the address may fetch it until it expires."""
    query = read_query(request, schemas.ArtifactQuery)
    asked = pb.ReadArtifactRequest(path=f"{owner_id}/{model}/{version}", expires=query.expires, signature=query.signature)
    parts = upstreams(request).model_registry.unary_stream("ReadArtifact", asked, timeout_s=request.app.state.settings.timeout_s)
    # The first part before the answer begins: a stream that has begun can no longer become a 404.
    first = await anext(parts, None)
    if first is None:
        raise Unavailable("The artefact could not be read; try again.", reason="ARTIFACT_INCOMPLETE", retry_after_s=1)
    headers = {
        "Cache-Control": Cache.FIXED.value,
        "Vary": "Origin",
        "ETag": f'"{first.content_hash}"',
        "Content-Disposition": f'attachment; filename="{model}-{version}"',
    }
    exchange = exchange_of(request.scope)
    known = request.headers.get("if-none-match")
    if known is not None and matches(known, headers["ETag"]):
        await parts.aclose()
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(first.size_bytes)
    if exchange.head_only:
        await parts.aclose()
        return Response(media_type=_MEDIA_TYPE, headers=headers)
    exchange.streaming = True
    return StreamingResponse(_chunks(first.chunk, parts), media_type=_MEDIA_TYPE, headers=headers)


async def _chunks(first: bytes, parts: AsyncGenerator[Any, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(parts):
        yield first
        try:
            async for part in parts:
                yield part.chunk
        except ScaleError as error:
            raise ArtifactCutShort(error.reason) from None
