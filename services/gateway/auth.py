"""What a route may ask of its caller beyond a valid token."""

from __future__ import annotations

from collections.abc import Callable

from services.kit import context
from services.kit.errors import PermissionDenied


def require_role(*roles: str) -> Callable[[], None]:
    """A FastAPI dependency, `Depends(require_role("admin"))`, that refuses callers whose verified role is another: 403 ROLE_NOT_ALLOWED."""

    def check() -> None:
        if context.identity().role not in roles:
            raise PermissionDenied(f"This call is for the role {' or '.join(roles)}.", reason="ROLE_NOT_ALLOWED")

    return check
