"""Whether objects are what Kubernetes takes: each against the schema of its kind, where nothing may stand that the schema does not know."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from kubernetes_validate.utils import SchemaNotFoundError, schema_contents
from referencing import Registry, Resource

from tests.deploy.rendered import Object

VERSIONS = ("1.30.0", "1.37.0")
"""The oldest and the newest Kubernetes that the overlays are for."""
OPERATORS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("schemas.yaml").read_text(encoding="utf-8"))


def problems(objects: Iterable[Object]) -> Iterator[str]:
    """One line for each thing that is wrong, in one of VERSIONS at least. The same object twice is looked at once."""
    for item in {json.dumps(item, sort_keys=True): item for item in objects}.values():
        for version in VERSIONS:
            place = f"{item['kind']} {item['metadata']['name']} (Kubernetes {version})"
            validator = _validator(version, item["apiVersion"], item["kind"])
            if validator is None:
                yield f"{place}: no schema of {item['apiVersion']}: add it to tests/deploy/schemas.yaml"
                continue
            for error in validator.iter_errors(item):
                yield f"{place}: {error.json_path}: {error.message[:300]}"


@cache
def _validator(version: str, api_version: str, kind: str) -> Draft202012Validator | None:
    own = OPERATORS.get(f"{api_version}/{kind}")
    if own is not None:
        return Draft202012Validator(own)
    try:
        # As kubernetes-validate --strict does for each object anew, which takes 30 ms of reading definitions.
        group, _, rest = api_version.rpartition("/")
        name = f"{kind.lower()}-{group.partition('.')[0]}-{rest}" if group else f"{kind.lower()}-{rest}"
        schema = schema_contents(f"kubernetes-json-schema/v{version}-local-strict/{name}.json", version)
    except (FileNotFoundError, SchemaNotFoundError):
        return None
    return Draft202012Validator(schema, registry=_definitions(version))


@cache
def _definitions(version: str) -> Registry[Any]:
    found = schema_contents(f"kubernetes-json-schema/v{version}-local-strict/_definitions.json", version)
    registry: Registry[Any] = Resource.from_contents(found) @ Registry()
    return registry
