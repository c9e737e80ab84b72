"""What a local system that was killed outright may have left running, found by its command line and this very home."""

from __future__ import annotations

import psutil

from services.local.home import LocalHome

_SERVICE_WORD = "services."


def end_leftovers(home: LocalHome, patience_s: float = 20.0) -> list[str]:
    """Ends the supervisor, servers and services of a killed run of this home; returns what was ended, for the report.

    Call it only while holding the home's lock: then none of them can belong to a live run.
    """
    supervisors = [process for process in psutil.process_iter() if _is_supervisor(process, home)]
    # The supervisor first, and with time to stop its programs in order: it would restart what is ended under it.
    ended = _end(supervisors, patience_s)
    return ended + _end([process for process in psutil.process_iter() if _is_program(process, home)], patience_s)


def _end(processes: list[psutil.Process], patience_s: float) -> list[str]:
    described = []
    for process in processes:
        try:
            described.append(f"{process.name()} ({process.pid})")
            process.terminate()
            process.resume()  # one that was stopped would not hear it
        except psutil.NoSuchProcess:
            continue
    _, stubborn = psutil.wait_procs(processes, timeout=patience_s)
    for process in stubborn:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(stubborn, timeout=5)
    return described


def _is_supervisor(process: psutil.Process, home: LocalHome) -> bool:
    words = _words(process)
    return "supervisor.supervisord" in words and str(home.run / "supervisord.conf") in words


def _is_program(process: psutil.Process, home: LocalHome) -> bool:
    words = _words(process)
    if str(home.run / "redis.conf") in words:
        return True
    # The server itself; its own processes rename themselves and leave with it.
    if str(home.postgres) in words and "-D" in words:
        return True
    if not any(word.startswith(_SERVICE_WORD) for word in words):
        return False
    try:
        environment = process.environ()
    except (psutil.Error, OSError):
        return False
    return environment.get("SCALE_SUPERVISED") == "1" and environment.get("SCALE_HOME") == str(home.path)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.Error, OSError):
        return []
