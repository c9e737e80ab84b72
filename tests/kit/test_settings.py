"""Settings from the environment: aliases, defaults, and one clear line per mistake."""

from __future__ import annotations

import pytest

from services.kit.settings import ServiceSettings, load_settings, service_config, split_commas

SECRET = "s" * 32
ENOUGH = {"SCALE_PROBE_PORT": "5000", "SCALE_PROBE_DATABASE_URL": "postgresql://x", "SCALE_AUTH_SECRET": SECRET, "SCALE_AUTH_ISSUER": "i"}


class Settings(ServiceSettings):
    """Of some service."""

    model_config = service_config("probe")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in ENOUGH.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_own_and_shared_names(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SCALE_PROBE_HOST", "0.0.0.0")
    environment.setenv("SCALE_LOG_LEVEL", "DEBUG")
    environment.setenv("DB_POOL_SIZE", "7")
    environment.setenv("DB_STATEMENT_TIMEOUT", "2.5")
    environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    settings = load_settings(Settings)
    assert (settings.port, settings.log_level, settings.pool_size, settings.statement_timeout_s) == (5000, "DEBUG", 7, 2.5)
    assert settings.otlp_endpoint == "http://collector:4317"
    assert settings.environment == "production"
    assert SECRET not in repr(settings)


@pytest.mark.requirement("DB-42", "DB-43")
def test_pool_defaults_by_environment(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(Settings)
    assert (settings.min_connections, settings.max_connections) == (20, 30)
    environment.setenv("SCALE_ENVIRONMENT", "development")
    settings = load_settings(Settings)
    assert (settings.min_connections, settings.max_connections) == (5, 10)
    environment.setenv("DB_MAX_OVERFLOW", "0")
    assert load_settings(Settings).max_connections == 5
    environment.setenv("DB_POOL_SIZE", "20")
    environment.setenv("DB_MAX_OVERFLOW", "30")
    assert (load_settings(Settings).min_connections, load_settings(Settings).max_connections) == (20, 50)


def test_page_token_key(environment: pytest.MonkeyPatch) -> None:
    assert load_settings(Settings).page_token_secret == b"page-token:" + SECRET.encode()
    environment.setenv("SCALE_PAGE_TOKEN_KEY", "k" * 40)
    assert load_settings(Settings).page_token_secret == b"page-token:" + b"k" * 40
    environment.setenv("SCALE_AUTH_ALGORITHM", "RS256")
    environment.setenv("SCALE_AUTH_JWKS_URL", "https://x/jwks")
    environment.delenv("SCALE_AUTH_SECRET")
    assert load_settings(Settings).page_token_secret.endswith(b"k" * 40)
    environment.delenv("SCALE_PAGE_TOKEN_KEY")
    with pytest.raises(SystemExit):
        load_settings(Settings)


@pytest.mark.requirement("ARC-11")
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"SCALE_PROBE_PORT": "none"}, "SCALE_PROBE_PORT: Input should be a valid integer"),
        ({"SCALE_PROBE_PORT": "70000"}, "SCALE_PROBE_PORT: Input should be less than or equal to 65535"),
        ({"SCALE_PROBE_DATABASE_URL": None}, "SCALE_PROBE_DATABASE_URL: Field required"),
        ({"DB_POOL_SIZE": "0"}, "DB_POOL_SIZE: Input should be greater than or equal to 1"),
        ({"SCALE_ENVIRONMENT": "staging"}, "SCALE_ENVIRONMENT: Input should be 'development' or 'production'"),
        ({"SCALE_AUTH_SECRET": "short"}, "SCALE_AUTH_SECRET must hold at least 32 characters"),
        ({"SCALE_AUTH_ISSUER": None}, "SCALE_AUTH_ISSUER must be set in production"),
    ],
)
def test_mistakes_stop_the_process_with_one_line_each(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], changes: dict[str, str | None], line: str
) -> None:
    for name, value in changes.items():
        if value is None:
            environment.delenv(name)
        else:
            environment.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        load_settings(Settings)
    assert caught.value.code == 2
    written = capsys.readouterr().err
    assert line in written
    assert SECRET not in written
    assert len(written.splitlines()) == 1


def test_split_commas() -> None:

    assert split_commas("a, b,,c ") == ("a", "b", "c")
    assert split_commas("") == ()
    assert split_commas(("a",)) == ("a",)
