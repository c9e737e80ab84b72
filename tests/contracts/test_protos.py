"""The contracts compile, their stubs are current, and the conventions that buf has no rule for hold."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
CONTRACTS = sorted((PROTOS / "scale").rglob("*.proto"))
FLOATS = (descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT, descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE)
UNSIGNED = (descriptor_pb2.FieldDescriptorProto.TYPE_UINT32, descriptor_pb2.FieldDescriptorProto.TYPE_UINT64)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """Every contract, compiled by grpcio-tools alone: no buf, no network."""
    target = tmp_path_factory.mktemp("protos") / "contracts.binpb"
    names = [path.relative_to(PROTOS).as_posix() for path in CONTRACTS]
    arguments = ["protoc", f"--proto_path={PROTOS}", f"--proto_path={files('grpc_tools') / '_proto'}"]
    assert protoc.main([*arguments, f"--descriptor_set_out={target}", "--include_source_info", *names]) == 0
    described = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())
    return {file.name: file for file in described.file}


def test_there_are_contracts() -> None:
    assert {path.relative_to(PROTOS).as_posix() for path in CONTRACTS} >= {
        "scale/accounts/v1/accounts_service.proto",
        "scale/ingestion/v1/ingestion_service.proto",
    }


@pytest.mark.requirement("ARC-08", "CI-03", "DOC-18")
def test_stubs_are_current() -> None:
    done = subprocess.run([sys.executable, PROTOS / "generate.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_generate_names_a_stale_stub(tmp_path: Path) -> None:
    for path in [
        PROTOS / "generate.py",
        *CONTRACTS,
        *(PROTOS / "google").rglob("*.proto"),
        *(PROTOS / "gen").rglob("*.py*"),
    ]:
        if "__pycache__" not in path.parts:
            copy = tmp_path / path.relative_to(PROTOS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    contract = tmp_path / "scale/accounts/v1/accounts_service.proto"
    contract.write_text(contract.read_text(encoding="utf-8") + "\nmessage Added { string text = 1; }\n", encoding="utf-8")
    (tmp_path / "gen/scale/left_over_pb2.py").write_text("", encoding="utf-8")
    done = subprocess.run([sys.executable, tmp_path / "generate.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "scale/accounts/v1/accounts_service_pb2.py\n" in done.stderr
    assert "scale/left_over_pb2.py" in done.stderr
    assert "ingestion" not in done.stderr


def test_package_equals_folder_and_imports_stay_in_the_domain(
    compiled: dict[str, descriptor_pb2.FileDescriptorProto],
) -> None:
    for name, file in compiled.items():
        folder = name.rsplit("/", 1)[0]
        assert file.package == folder.replace("/", "."), name
        for dependency in file.dependency:
            assert dependency.startswith(("google/", f"{folder}/")), f"{name} imports {dependency} of another domain"


def _fields(file: descriptor_pb2.FileDescriptorProto) -> list[tuple[str, descriptor_pb2.FieldDescriptorProto]]:
    found: list[tuple[str, descriptor_pb2.FieldDescriptorProto]] = []

    def walk(message: descriptor_pb2.DescriptorProto, prefix: str) -> None:
        found.extend((f"{prefix}.{message.name}.{field.name}", field) for field in message.field)
        for nested in message.nested_type:
            walk(nested, f"{prefix}.{message.name}")

    for message in file.message_type:
        walk(message, file.package)
    return found


# What a double may be: anything but money.
_NO_MONEY = r"(confidence|score|ratio|probability|fraction|loss|epsilon|delta|norm|multiplier|scale|learning_rate|proximal_mu)$"


def test_money_is_never_a_float_and_counts_are_signed(compiled: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    for file in compiled.values():
        for name, field in _fields(file):
            assert field.type not in UNSIGNED, f"{name}: signed integers only"
            if field.type in FLOATS:
                assert re.search(_NO_MONEY, field.name), f"{name}: money is google.type.Money"


def test_field_names_say_what_they_hold(compiled: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    for file in compiled.values():
        for name, field in _fields(file):
            if field.type_name == ".google.protobuf.Timestamp":
                assert field.name.endswith("_time"), f"{name}: an instant ends in _time"
            if field.type_name == ".google.type.Date":
                assert field.name.endswith("_date") or field.name.endswith(("_from", "_to", "_start", "_end")), (
                    f"{name}: a day ends in _date, a period in _start and _end"
                )


def test_every_list_pages_and_every_create_is_idempotent(
    compiled: dict[str, descriptor_pb2.FileDescriptorProto],
) -> None:
    for file in compiled.values():
        messages = {message.name: {field.name for field in message.field} for message in file.message_type}
        for service in file.service:
            for method in service.method:
                request, response = messages[f"{method.name}Request"], messages[f"{method.name}Response"]
                if method.name.startswith("List") and "after_line" not in request:  # pages by its own key, service to service
                    assert {"page_size", "page_token"} <= request, f"{method.name} does not page"
                    assert "next_page_token" in response, f"{method.name} does not page"
                if method.name.startswith("Create"):
                    assert "request_id" in request, f"{method.name} takes no request_id"
