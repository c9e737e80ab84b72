"""Which account a person means."""

from __future__ import annotations

from typing import Any

from clients.cli.client import ScaleClient, ScaleError

_ACCOUNTS_LOOKED_AT = 1000


def meant_account(client: ScaleClient, wanted: str | None) -> dict[str, Any]:
    """The account that is meant. Raises ScaleError, which names those that there are."""
    known = list(client.items("accounts", {}, _ACCOUNTS_LOOKED_AT))
    found = known
    if wanted is not None:
        plain = "".join(wanted.split()).casefold()
        found = [one for one in known if plain in {_plain(one[key]) for key in ("id", "name", "identifier")}]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{one['name']} ({one['currency']}, {one['id']})" for one in known) or "none"
    if wanted is None:
        raise ScaleError(f"Say which account with --account; you have: {names}.")
    raise ScaleError(f"{'No account' if not found else 'More than one account'} is called {wanted!r}; you have: {names}.")


def _plain(text: str | None) -> str:
    return "".join((text or "").split()).casefold()
