"""The whole system on one machine: embedded PostgreSQL and Redis, migrations, and every service as its own process.

`python -m services.local` (that is `make run`) is the command; `LocalSystem` is the same for tests and benchmarks.
"""

from services.local.home import LocalHome, default_home, free_port_base
from services.local.problem import LocalProblem
from services.local.system import LocalSystem

__all__ = ["LocalHome", "LocalProblem", "LocalSystem", "default_home", "free_port_base"]
