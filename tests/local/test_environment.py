"""What each process may see of the user's environment and of the other processes' secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.kit.service_tokens import ServiceTokens
from services.kit.tls import ClientTls
from services.local.environment import DATABASE_SERVICES, client_tls, outside_database_urls, service_environment, service_key
from services.local.home import LocalHome, Ports
from services.local.problem import LocalProblem
from services.local.system import SERVICES, LocalSystem


@pytest.fixture
def system(tmp_path: Path) -> LocalSystem:
    system = LocalSystem(tmp_path, 9000, environment={})
    system.home.create()
    return system


def environment_of(system: LocalSystem, service: str, outer: dict[str, str]) -> dict[str, str]:
    return service_environment(
        service,
        home=system.home,
        ports=Ports(9000),
        database_url=f"postgresql://scale_{service}@x/scale",
        redis_url="redis://x",
        outer=outer,
    )


@pytest.mark.parametrize("service", SERVICES)
def test_no_process_holds_another_roles_password(system: LocalSystem, service: str) -> None:
    passwords = {role: system.home.secret(f"postgres:{role}") for role in ("postgres", "scale_migrator")}
    passwords |= {other: system.service_url(other).split(":")[2].split("@")[0] for other in DATABASE_SERVICES}
    own = passwords.pop(service.removesuffix("-worker"), None)
    content = str(system._program(service))
    assert not [owner for owner, password in passwords.items() if password in content]
    # That of federation asks the coordinator, and has no database.
    assert own is None or (own in content) is (service != "federation-worker")


def test_the_gateway_gets_no_database(system: LocalSystem) -> None:
    assert not [name for name in system._program("gateway").environment if "DATABASE" in name]


def test_only_the_worker_holds_the_key_that_signs_and_only_whom_it_calls_the_other(system: LocalSystem) -> None:
    believing = {
        "ingestion": ["accounts", "categorization", "forecasting"],
        "categorization": ["accounts"],
        "forecasting": ["accounts"],
        "training": ["accounts", "categorization"],
        "federation": ["federation"],
    }
    for service, called in believing.items():
        private = service_key(system.home, service)
        public = ServiceTokens(service, private).public_key
        assert [name for name in SERVICES if private in str(system._program(name))] == [f"{service}-worker"]
        assert [name for name in SERVICES if public in str(system._program(name))] == called
        assert system._program(f"{service}-worker").environment[f"SCALE_{service.upper()}_SERVICE_KEY"] == private
        # A second start signs with the same key: what waits in the queue is still believed.
        assert service_key(LocalHome(system.home.path), service) == private


@pytest.mark.parametrize(("service", "kept"), [("categorization", "models"), ("forecasting", "models/forecasting")])
def test_who_answers_asks_for_the_live_model_with_a_key_that_opens_nothing_else(system: LocalSystem, service: str, kept: str) -> None:
    private = service_key(system.home, f"{service}_models")
    public = ServiceTokens(f"{service}_models", private).public_key
    asking = [name for name in SERVICES if private in str(system._program(name))]
    assert asking == [service, f"{service}-worker"]
    assert [name for name in SERVICES if public in str(system._program(name))] == ["training"]
    for name in asking:
        found = system._program(name).environment
        assert found[f"SCALE_{service.upper()}_REGISTRY_KEY"] == private
        assert found[f"SCALE_{service.upper()}_MODELS_CACHE_DIR"] == str(system.home.path / kept)


def test_the_coordinator_registers_versions_with_a_key_that_opens_nothing_else(system: LocalSystem) -> None:
    private = service_key(system.home, "federation_models")
    public = ServiceTokens("federation_models", private).public_key
    assert [name for name in SERVICES if private in str(system._program(name))] == ["federation"]
    assert [name for name in SERVICES if public in str(system._program(name))] == ["training"]
    assert system._program("federation").environment["SCALE_FEDERATION_REGISTRY_KEY"] == private


def test_the_worker_of_federation_knows_the_queue_and_the_coordinator_and_nothing_else(system: LocalSystem) -> None:
    found = system._program("federation-worker").environment
    assert found["SCALE_FEDERATION_ADDRESS"] == "127.0.0.1:9006"
    assert "SCALE_REDIS_URL" in found
    assert not [name for name in found if "DATABASE" in name or "STORAGE" in name or "REGISTRY" in name or "AUTH" in name]


@pytest.mark.parametrize("process", [*(name for name in SERVICES if name.endswith("-worker")), "beat"])
def test_nobody_calls_a_worker_so_it_checks_no_token_and_listens_for_nothing_but_metrics(system: LocalSystem, process: str) -> None:
    mine = f"SCALE_{process.partition('-')[0].upper()}_"
    outer = {f"{mine}DATABASE_URL": "postgresql://x", f"{mine}SERVICE_KEY": "x", "SCALE_HEARTBEAT_FILE": "/x", "SCALE_CACHE_KEY": "x"}
    found = environment_of(system, process, outer)
    assert not [name for name in found if "AUTH" in name or name == f"{mine}PORT"]
    assert found["SCALE_HEARTBEAT_FILE"] == str(system.home.run / f"{process}.alive")
    assert found["SCALE_REDIS_URL"] == "redis://x"
    assert found["SCALE_CACHE_KEY"] == environment_of(system, "gateway", {})["SCALE_CACHE_KEY"] != "x"
    is_worker = process != "beat"
    assert f"{mine}METRICS_PORT" in found
    assert (f"{mine}DATABASE_URL" in found) is (is_worker and process != "federation-worker")
    assert ("SCALE_STORAGE_URL" in found) is (process in ("ingestion-worker", "training-worker"))


def test_uploads_lie_in_the_home_unless_told_otherwise(system: LocalSystem) -> None:
    outer = {"SCALE_STORAGE_URL": "s3://bucket", "AWS_SECRET_ACCESS_KEY": "x"}
    for process in ("ingestion", "ingestion-worker", "training", "training-worker", "federation"):
        assert environment_of(system, process, {})["SCALE_STORAGE_URL"] == (system.home.path / "objects").as_uri()
        assert outer.items() <= environment_of(system, process, outer).items()
    for process in ("gateway", "accounts", "accounts-worker", "beat"):
        assert not outer.keys() & environment_of(system, process, outer).keys()
    assert system.home.objects.stat().st_mode & 0o077 == 0


def test_addresses_of_the_federated_model_are_signed_with_a_key_that_the_coordinator_alone_has(system: LocalSystem) -> None:
    key = system.home.secret("federated-models")
    assert [name for name in SERVICES if key in str(system._program(name))] == ["federation"]
    assert environment_of(system, "federation", {"SCALE_FEDERATION_LINK_KEY": "mine"})["SCALE_FEDERATION_LINK_KEY"] == "mine"


def test_addresses_of_artefacts_are_signed_with_a_key_of_the_home_that_training_alone_has(system: LocalSystem) -> None:
    key = system.home.secret("artifacts")
    assert [name for name in SERVICES if key in str(system._program(name))] == ["training"]
    assert environment_of(system, "training", {"SCALE_TRAINING_ARTIFACT_KEY": "mine"})["SCALE_TRAINING_ARTIFACT_KEY"] == "mine"
    assert "SCALE_TRAINING_ARTIFACT_KEY" not in environment_of(system, "gateway", {"SCALE_TRAINING_ARTIFACT_KEY": "mine"})


def test_a_service_finds_its_ports_and_the_others(system: LocalSystem) -> None:
    found = environment_of(system, "ingestion", {})
    assert found["SCALE_INGESTION_PORT"] == "9002"
    assert found["SCALE_INGESTION_METRICS_PORT"] == "9022"
    assert found["SCALE_ACCOUNTS_ADDRESS"] == "127.0.0.1:9001"
    assert found["SCALE_ENVIRONMENT"] == "development"


def test_the_users_settings_reach_the_services_and_secrets_only_their_own(system: LocalSystem) -> None:
    outer = {
        "SCALE_GATEWAY_RATE_LIMIT": "7",
        "SCALE_INGESTION_MAX_FILE_BYTES": "1",
        "SCALE_ACCOUNTS_ADDRESS": "ledger:1",
        "SCALE_LOG_LEVEL": "DEBUG",
        "DB_POOL_SIZE": "3",
        "ALLOWED_ORIGINS": "https://app.example",
        "SECRET_OF_SOMETHING_ELSE": "x",
        "SCALE_AUTH_SECRET": "not this one",
        "SCALE_DATABASE_URL": "postgresql://migrator@x/scale",
        "SCALE_ACCOUNTS_DATABASE_URL": "postgresql://scale_accounts@x/scale",
        "SCALE_ACCOUNTS_STORE_SECRET": "x",
    }
    gateway = environment_of(system, "gateway", outer)
    ingestion = environment_of(system, "ingestion", outer)
    assert gateway["SCALE_GATEWAY_RATE_LIMIT"] == "7"
    assert gateway["SCALE_ACCOUNTS_ADDRESS"] == ingestion["SCALE_ACCOUNTS_ADDRESS"] == "ledger:1"
    assert gateway["ALLOWED_ORIGINS"] == "https://app.example"
    assert gateway["SCALE_AUTH_SECRET"] == system.home.secret("jwt")
    assert ingestion["SCALE_INGESTION_MAX_FILE_BYTES"] == "1"
    assert ingestion["SCALE_LOG_LEVEL"] == "DEBUG"
    assert ingestion["DB_POOL_SIZE"] == "3"
    assert "DB_POOL_SIZE" not in gateway
    # The gateway refuses a file that is too long by the same setting.
    assert gateway["SCALE_INGESTION_MAX_FILE_BYTES"] == "1"
    secret = {"SECRET_OF_SOMETHING_ELSE", "SCALE_DATABASE_URL", "SCALE_ACCOUNTS_DATABASE_URL", "SCALE_ACCOUNTS_STORE_SECRET"}
    assert not secret & (gateway.keys() | ingestion.keys())
    assert environment_of(system, "accounts", outer)["SCALE_ACCOUNTS_STORE_SECRET"] == "x"


def test_make_run_raises_the_limit(system: LocalSystem) -> None:
    assert environment_of(system, "gateway", {})["SCALE_GATEWAY_RATE_LIMIT"] == "100000"


def test_a_server_of_ones_own_needs_every_services_url() -> None:
    with pytest.raises(LocalProblem, match="SCALE_INGESTION_DATABASE_URL and SCALE_CATEGORIZATION_DATABASE_URL"):
        outside_database_urls({"SCALE_DATABASE_URL": "x", "SCALE_ACCOUNTS_DATABASE_URL": "y"})


def test_nothing_embedded_starts_beside_servers_of_ones_own(tmp_path: Path) -> None:
    outer = {
        "SCALE_DATABASE_URL": "postgresql://m@db/scale",
        "SCALE_ACCOUNTS_DATABASE_URL": "postgresql://a@db/scale",
        "SCALE_INGESTION_DATABASE_URL": "postgresql://i@db/scale",
        "SCALE_CATEGORIZATION_DATABASE_URL": "postgresql://c@db/scale",
        "SCALE_FORECASTING_DATABASE_URL": "postgresql://f@db/scale",
        "SCALE_TRAINING_DATABASE_URL": "postgresql://t@db/scale",
        "SCALE_FEDERATION_DATABASE_URL": "postgresql://fl@db/scale",
        "SCALE_REDIS_URL": "redis://cache:6379/0",
    }
    system = LocalSystem(LocalHome(tmp_path), 9000, environment=outer)
    assert system.postgres is None
    assert system.redis is None
    assert system.service_url("ingestion") == "postgresql://i@db/scale"
    assert system.redis_url == "redis://cache:6379/0"
    with pytest.raises(LocalProblem):
        _ = system.superuser_url


def test_a_service_with_a_certificate_is_asked_over_tls_and_shows_its_key_to_nobody(system: LocalSystem) -> None:
    outer = {
        "SCALE_FEDERATION_TLS_CERT_FILE": "/tls/server.pem",
        "SCALE_FEDERATION_TLS_KEY_FILE": "/tls/server.key",
        "SCALE_TLS_CA_FILE": "/tls/ca.pem",
    }
    for process in ("gateway", "federation-worker"):
        environment = environment_of(system, process, outer)
        assert environment["SCALE_FEDERATION_ADDRESS"] == "grpcs://127.0.0.1:9006"
        assert environment["SCALE_ACCOUNTS_ADDRESS"] == "127.0.0.1:9001"
        assert environment["SCALE_TLS_CA_FILE"] == "/tls/ca.pem"
    assert "SCALE_FEDERATION_TLS_KEY_FILE" not in environment_of(system, "gateway", outer)
    assert environment_of(system, "federation", outer)["SCALE_FEDERATION_TLS_KEY_FILE"] == "/tls/server.key"
    assert client_tls(outer) == ClientTls(Path("/tls/ca.pem"))


@pytest.mark.requirement("DB-41", "C-44")
def test_behind_pgbouncer_nobody_keeps_statements_and_only_who_leads_goes_past_it(system: LocalSystem) -> None:
    for process in SERVICES:
        behind, direct = (
            service_environment(
                process,
                home=system.home,
                ports=Ports(9000),
                database_url="postgresql://pgbouncer/scale",
                session_url=session_url,
                redis_url="redis://x",
                outer={"DB_STATEMENT_CACHE_SIZE": "50"},
            )
            for session_url in ("postgresql://past/scale", None)
        )
        has_database = any(value == "postgresql://pgbouncer/scale" for value in behind.values())
        assert direct.get("DB_STATEMENT_CACHE_SIZE") == ("50" if has_database else None)
        assert behind.get("DB_STATEMENT_CACHE_SIZE") == ("0" if has_database else None)
        past = [name for name, value in behind.items() if value == "postgresql://past/scale"]
        assert past == (["SCALE_FEDERATION_LEADER_DATABASE_URL"] if process == "federation" else [])


def test_pgbouncer_that_is_not_there_or_goes_before_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalProblem, match="no such program is there"):
        LocalSystem(tmp_path, 9000, environment={"SCALE_LOCAL_PGBOUNCER": "/nowhere/pgbouncer"})
    outside = {f"SCALE_{service.upper()}_DATABASE_URL": "postgresql://x" for service in DATABASE_SERVICES}
    with pytest.raises(LocalProblem, match="a server of your own is in use"):
        LocalSystem(tmp_path, 9000, environment={"SCALE_LOCAL_PGBOUNCER": "pgbouncer", "SCALE_DATABASE_URL": "postgresql://x", **outside})
