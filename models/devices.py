"""Where networks compute: the processor, or a GPU by CUDA."""

from __future__ import annotations

import subprocess  # nosec B404  # this interpreter, with a fixed program
import sys
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

DeviceName = Literal["auto", "cpu", "cuda"]

_ASK = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0, torch.version.cuda or '')"


class DeviceMissing(ValueError):
    """A device was asked for that this machine, or this build of torch, does not have. The text says what to do."""


def device_of(name: DeviceName) -> torch.device:
    """What torch calls it; `auto` is a GPU where there is one. Raises DeviceMissing."""
    import torch

    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise DeviceMissing(_missing(torch.version.cuda or ""))
    return torch.device("cuda")


def there(name: DeviceName) -> DeviceName:
    """The same name. Raises DeviceMissing where it is cuda and there is none. For a process at its start: asked in another one, because
    children of a process that has looked at a GPU cannot use it."""
    if name != "cuda":
        return name
    asked = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=False)  # nosec B603  # a constant
    count, _, build = asked.stdout.strip().partition(" ")
    if not count.isdigit():
        reason = (asked.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise DeviceMissing(f"torch cannot be asked for GPUs: {reason}")
    if int(count) == 0:
        raise DeviceMissing(_missing(build))
    return name


def _missing(build: str) -> str:
    if not build:
        return "this build of torch knows no CUDA; install one that does, or set cpu or auto"
    return f"torch, built for CUDA {build}, finds no GPU; give the process one (nvidia.com/gpu), or set cpu or auto"
