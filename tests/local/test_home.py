"""SCALE_HOME: modes, secrets, the lock, and ports."""

from __future__ import annotations

import socket
import stat
import tempfile
from pathlib import Path

import pytest

from services.local.home import PORT_FAMILY, LocalHome, Ports, default_home, free_port_base, is_free, port_base
from services.local.problem import LocalProblem
from services.local.system import LocalSystem


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_in_the_home_is_private(tmp_path: Path) -> None:
    home = LocalHome(tmp_path / "home")
    home.create()
    home.secret("jwt")
    assert mode_of(home.path) == 0o700
    assert mode_of(home.path / "secrets.json") == 0o600
    assert {mode_of(folder) for folder in (home.run, home.logs, home.temporary, home.redis)} == {0o700}


def test_a_home_that_is_too_open_is_tightened(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    LocalHome(tmp_path / "home").create()
    assert mode_of(tmp_path / "home") == 0o700


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    home = LocalHome(tmp_path)
    home.create()
    first = home.secret("jwt")
    assert len(first) == 64
    assert home.secret("redis") != first
    assert LocalHome(tmp_path).secret("jwt") == first


def test_a_broken_secrets_file_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(LocalProblem, match=r"secrets\.json"):
        LocalHome(tmp_path).secret("jwt")
    assert (tmp_path / "secrets.json").read_text() == "{"


def test_a_home_that_cannot_be_made_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalProblem, match="SCALE_HOME"):
        LocalHome(tmp_path / "file" / "home").create()


def test_a_second_run_of_the_same_home_is_told_who_holds_it(tmp_path: Path) -> None:
    first, second = LocalHome(tmp_path), LocalHome(tmp_path)
    first.create()
    first.lock("pid 1, http://127.0.0.1:8080")
    with pytest.raises(LocalProblem, match=r"already runs .*pid 1, http://127\.0\.0\.1:8080"):
        second.lock("pid 2")
    first.unlock()
    second.lock("pid 2")
    second.unlock()


def test_ports_follow_from_the_gateways() -> None:
    ports = Ports(9000)
    assert [ports.service(name) for name in ("gateway", "accounts", "ingestion")] == [9000, 9001, 9002]
    assert (ports.postgres, ports.redis, ports.metrics("gateway"), ports.metrics("accounts")) == (9010, 9011, 9020, 9021)


@pytest.mark.parametrize("given", ["x", "80", "70000", "-1"])
def test_a_port_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(LocalProblem, match="SCALE_GATEWAY_PORT"):
        port_base({"SCALE_GATEWAY_PORT": given})


def test_defaults() -> None:
    assert port_base({}) == 8080
    assert default_home({}).name == ".scale"
    assert default_home({"SCALE_HOME": "/tmp/elsewhere"}) == Path("/tmp/elsewhere").resolve()


def test_nobody_is_given_the_same_ports_twice() -> None:
    families = [free_port_base() for _ in range(20)]
    assert len(set(families)) == 20
    for base in families:
        assert all(is_free(base + offset) for offset in range(PORT_FAMILY - 1))
        assert not is_free(base + PORT_FAMILY - 1)  # held until this process ends, which tells all others


def test_a_taken_port_is_named_with_what_to_set(tmp_path: Path) -> None:
    base = free_port_base()
    with socket.socket() as other:
        other.bind(("127.0.0.1", base + 10))
        other.listen()
        assert not is_free(base + 10)
        with pytest.raises(LocalProblem, match=rf"port {base + 10} \(PostgreSQL.*SCALE_GATEWAY_PORT"):
            LocalSystem(tmp_path, base, environment={}).start(services=())


def test_a_long_path_gets_its_control_socket_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 120)
    elsewhere = LocalHome(deep).control_socket()
    assert len(str(elsewhere)) < 100
    elsewhere.parent.rmdir()
    with monkeypatch.context() as patched:
        deep.mkdir()
        patched.setattr(tempfile, "tempdir", str(deep))
        elsewhere = LocalHome(deep / "home").control_socket()
    assert len(str(elsewhere)) < 100
    assert list(deep.iterdir()) == []
    elsewhere.parent.rmdir()
    assert LocalHome(Path("/tmp/h")).control_socket() == Path("/tmp/h/run/supervisor.sock")
