"""Turns itself into one supervised process: `python launch.py specification.json`.

Standard library only, and run with `python -I -S`, because every start of every process passes through here. The
specification is a private JSON file: argv, environment, directory, the signal to get when the supervisor dies, and for
PostgreSQL the user to become and the data directory that orphans of a killed server may still hold.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 8, 28, 47, 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _CAP_SETPCAP = 1, 2, 8
# What root needs to hand PostgreSQL to another user, and to stop it again.
_CAPS_TO_BECOME = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": _CAP_DAC_OVERRIDE, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7}
_CAPABILITY_VERSION_3 = 0x20080522


def main() -> None:
    specification: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    parent = specification["parent"] or os.getppid()
    if data_directory := specification.get("clear_orphans_of"):
        end_orphans(data_directory)
    if (user := specification.get("user")) is not None:
        become(user)
    # After the change of user, which clears it.
    die_with_parent(parent, signal.Signals[specification["death_signal"]])
    os.umask(0o077)
    try:
        os.chdir(specification["directory"])
        os.execve(specification["argv"][0], specification["argv"], specification["environment"])  # nosec B606  # no shell
    except PermissionError as error:
        sys.exit(
            f"{error.filename} cannot be reached as user {os.getuid()}: a folder on the way is closed to others, and "
            "root's right to pass (CAP_DAC_OVERRIDE) is withheld here. Start as an ordinary user, or in an open folder."
        )


def die_with_parent(parent: int, number: signal.Signals) -> None:
    """Asks the kernel to send `number` when the parent dies, so that nothing outlives a supervisor that was killed."""
    if sys.platform != "linux":
        return
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        sys.exit("the supervisor died during the start")


def become(uid: int) -> None:
    """Drops root for `uid`, keeping only the right to pass through folders that are closed to others.

    PostgreSQL refuses to run as root, but a clone that root made may lie where no other user can look.
    """
    held = _permitted()
    # Looking is enough; some containers grant only the wider right.
    capability = _CAP_DAC_READ_SEARCH if held & (1 << _CAP_DAC_READ_SEARCH) else _CAP_DAC_OVERRIDE
    if held & (1 << _CAP_SETPCAP):
        # Without this, access(2) goes by the user alone, and initdb believes that it cannot run its own programs.
        _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    else:
        _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    mask = 1 << capability
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    sets = struct.pack("IIIIII", mask, mask, mask, 0, 0, 0)
    if _libc().capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset failed")
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def missing_rights() -> list[str]:
    """Which of root's rights that `become` needs are withheld here, as a container may."""
    if sys.platform != "linux":
        return list(_CAPS_TO_BECOME)
    held = _permitted()
    return [name for name, number in _CAPS_TO_BECOME.items() if not held & (1 << number)]


def end_orphans(data_directory: str, patience_s: float = 2.0) -> None:
    """Ends PostgreSQL processes of this data directory whose server was killed: they hold its shared memory.

    Idle ones leave by themselves at once; one in the middle of a query does not. A live server's own start check is
    left to PostgreSQL: this runs only from the one supervisor of this data directory.
    """
    if sys.platform != "linux":
        return
    deadline = time.monotonic() + patience_s
    while orphans := _processes_in(data_directory):
        number = signal.SIGQUIT if time.monotonic() < deadline else signal.SIGKILL
        for pid in orphans:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def _processes_in(directory: str) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdecimal() or int(entry) == os.getpid():
            continue
        try:
            name = Path(f"/proc/{entry}/comm").read_text(encoding="utf-8", errors="replace").strip()
            if name == "postgres" and os.readlink(f"/proc/{entry}/cwd") == directory:
                found.append(int(entry))
        except OSError:
            continue
    return found


def _permitted() -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, first: int, second: int = 0) -> None:
    if _libc().prctl(option, first, second, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")


if __name__ == "__main__":
    main()
