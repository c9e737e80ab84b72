"""A device's ledger outlives its process, never says less than was given away, and says nothing at all when it was tampered with."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from models.federated.ledger import AlreadyCharged, BudgetSpent, Charge, LedgerDamaged, PrivacyLedgerFile
from models.federated.privacy import Spending, noise_for

STEPS = ((0.5, 0.25, 12),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "privacy.json"


@pytest.fixture
def ledger(path: Path) -> PrivacyLedgerFile:
    return PrivacyLedgerFile.create(path)


def test_a_new_device_has_spent_nothing(ledger: PrivacyLedgerFile) -> None:
    assert (ledger.epsilon, ledger.example_epsilon, ledger.charges) == (0, 0, ())
    assert not ledger.would_exceed(1.0)
    assert ledger.would_exceed(0.1)
    assert ledger.would_exceed(0.0)


def test_what_was_charged_is_there_for_whoever_reads_it_next(ledger: PrivacyLedgerFile, path: Path) -> None:
    first, second = uuid4(), uuid4()
    ledger.charge(first, 1.5, STEPS)
    before = ledger.example_epsilon
    ledger.charge(second, 2.0, STEPS)
    again = PrivacyLedgerFile(path)
    assert again.charges == (Charge(first, 1.5, STEPS), Charge(second, 2.0, STEPS))
    assert again.epsilon == ledger.epsilon == Spending((1.5, 2.0)).epsilon()
    assert again.example_epsilon == ledger.example_epsilon > before > 0


@pytest.mark.requirement("FED-07")
def test_the_budget_is_a_hard_stop(path: Path) -> None:
    noise = noise_for(8, 3)
    ledger = PrivacyLedgerFile.create(path)
    for _ in range(3):
        assert not ledger.would_exceed(noise)
        ledger.charge(uuid4(), noise)
    content = path.read_bytes()
    assert ledger.would_exceed(noise)
    with pytest.raises(BudgetSpent, match=r"8\.00"):
        ledger.charge(uuid4(), noise)
    assert path.read_bytes() == content
    assert ledger.epsilon <= 8


def test_a_round_is_paid_for_once_and_not_again_after_a_restart(ledger: PrivacyLedgerFile, path: Path) -> None:
    round_id = uuid4()
    ledger.charge(round_id, 1.5)
    for one in (ledger, PrivacyLedgerFile(path)):
        with pytest.raises(AlreadyCharged, match=str(round_id)):
            one.charge(round_id, 1.5)
        assert len(one.charges) == 1


def test_nobody_begins_anew(ledger: PrivacyLedgerFile, path: Path) -> None:
    ledger.charge(uuid4(), 1.5)
    with pytest.raises(FileExistsError):
        PrivacyLedgerFile.create(path)
    assert len(PrivacyLedgerFile(path).charges) == 1


def less(content: bytes) -> bytes:
    """With a smaller figure in it."""
    return content.replace(b"1.5", b"9.5")


def without_rounds(content: bytes) -> bytes:
    return json.dumps({**json.loads(content), "rounds": []}).encode()


@pytest.mark.parametrize(
    "damage",
    [less, without_rounds, lambda content: content[:-20], lambda content: b"", lambda content: b"\xff\xfe", lambda content: b"[]"],
    ids=["changed", "emptied", "cut", "empty", "bytes", "other"],
)
def test_a_damaged_ledger_takes_part_no_more(ledger: PrivacyLedgerFile, path: Path, damage) -> None:
    ledger.charge(uuid4(), 1.5)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(LedgerDamaged, match=f"{path.name} is damaged.*enrol it as a new device"):
        PrivacyLedgerFile(path)
    with pytest.raises(LedgerDamaged):
        ledger.charge(uuid4(), 1.5)


def test_a_ledger_that_is_gone_is_not_an_empty_one(ledger: PrivacyLedgerFile, path: Path) -> None:
    path.unlink()
    with pytest.raises(LedgerDamaged, match="is gone"):
        PrivacyLedgerFile(path)
    with pytest.raises(LedgerDamaged, match="is gone"):
        ledger.charge(uuid4(), 1.5)


def test_an_older_ledger_put_in_its_place_is_noticed_by_who_knew_more(ledger: PrivacyLedgerFile, path: Path) -> None:
    older = path.read_bytes()
    ledger.charge(uuid4(), 1.5)
    path.write_bytes(older)
    with pytest.raises(LedgerDamaged, match="lost"):
        ledger.charge(uuid4(), 1.5)


def test_where_it_cannot_be_written_nothing_is_charged(ledger: PrivacyLedgerFile, path: Path) -> None:
    ledger.charge(uuid4(), 1.5)
    (path.parent / (path.name + ".part")).mkdir()  # as good as a full disk, for root as well
    with pytest.raises(OSError):
        ledger.charge(uuid4(), 1.5)
    (path.parent / (path.name + ".part")).rmdir()
    assert len(PrivacyLedgerFile(path).charges) == 1
    ledger.charge(uuid4(), 1.5)


CHARGE_AND_SAY = """
import sys
from pathlib import Path
from uuid import uuid4
from models.federated.ledger import PrivacyLedgerFile
ledger = PrivacyLedgerFile(Path(sys.argv[1]), budget_epsilon=1e6)
while True:
    round_id = uuid4()
    ledger.charge(round_id, 5.0)
    print(round_id, flush=True)
"""


def test_a_killed_device_has_paid_for_all_that_it_could_have_uploaded(ledger: PrivacyLedgerFile, path: Path) -> None:
    """What follows a charge, here a line on standard output, never comes before the charge is on the disk."""
    device = subprocess.Popen([sys.executable, "-c", CHARGE_AND_SAY, str(path)], stdout=subprocess.PIPE, text=True)
    assert device.stdout is not None
    given = [UUID(device.stdout.readline().strip()) for _ in range(15)]
    device.send_signal(signal.SIGKILL)
    given += [UUID(line.strip()) for line in device.stdout.read().splitlines() if len(line.strip()) == 36]
    device.wait()
    device.stdout.close()
    paid = {charge.round_id for charge in PrivacyLedgerFile(path).charges}
    assert set(given) <= paid
    assert len(paid) <= len(given) + 1


def charge_some(path: Path, count: int) -> None:
    ledger = PrivacyLedgerFile(path, budget_epsilon=1e6)
    for _ in range(count):
        ledger.charge(uuid4(), 5.0)
    os._exit(0)


def test_two_processes_of_one_device_lose_no_charge(ledger: PrivacyLedgerFile, path: Path) -> None:
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=charge_some, args=(path, 20)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(30)
    assert len(PrivacyLedgerFile(path).charges) == 40
