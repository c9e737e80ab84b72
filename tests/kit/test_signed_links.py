"""Addresses that cannot be made up."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.kit.errors import PermissionDenied
from services.kit.signed_links import SignedLinks

KEY, NEW_KEY = "k" * 32, "n" * 32
PATH = f"{UUID(int=1)}/categorizer/3-1a2b3c4d"
PURPOSE = "artifact"


class Clock:
    now = 1_770_000_000.5

    def __call__(self) -> float:
        return self.now


@pytest.mark.requirement("FED-02")
def test_an_address_is_good_for_its_path_until_it_expires() -> None:
    clock = Clock()
    links = SignedLinks([KEY], purpose=PURPOSE, lifetime_s=900, clock=clock)
    expires, signature = links.sign(PATH)
    assert expires == 1_770_000_900
    links.check(PATH, expires, signature)
    clock.now += 899
    links.check(PATH, expires, signature)
    clock.now += 1
    with pytest.raises(PermissionDenied) as caught:
        links.check(PATH, expires, signature)
    assert caught.value.reason == "SIGNATURE_EXPIRED"


@pytest.mark.requirement("FED-02")
def test_whatever_is_changed_is_refused() -> None:
    clock = Clock()
    links = SignedLinks([KEY], purpose=PURPOSE, lifetime_s=900, clock=clock)
    expires, signature = links.sign(PATH)
    changed = [
        (PATH, expires, signature[:at] + ("A" if signature[at] != "A" else "B") + signature[at + 1 :]) for at in range(len(signature))
    ]
    key_id, _, mac = signature.partition(".")
    changed += [
        (PATH, expires + 1, signature),
        (PATH.replace("3-", "2-"), expires, signature),
        (PATH.replace(str(UUID(int=1)), str(UUID(int=2))), expires, signature),
        (PATH + "/", expires, signature),
        (PATH, expires, ""),
        (PATH, expires, "."),
        (PATH, expires, mac),
        (PATH, expires, f"{key_id}."),
        (PATH, expires, f"{key_id}.ü"),
        (PATH, expires, signature + "="),
        # Expired and forged: nothing is said of what is not ours.
        (PATH, 1, signature),
    ]
    for path, until, forged in changed:
        with pytest.raises(PermissionDenied) as caught:
            links.check(path, until, forged)
        assert caught.value.reason == "SIGNATURE_INVALID", forged


def test_keys_are_changed_one_after_the_other() -> None:
    before, both = SignedLinks([KEY], purpose=PURPOSE, lifetime_s=900), SignedLinks([NEW_KEY, KEY], purpose=PURPOSE, lifetime_s=900)
    after = SignedLinks([NEW_KEY], purpose=PURPOSE, lifetime_s=900)
    old, new = before.sign(PATH), both.sign(PATH)
    both.check(PATH, *old)
    both.check(PATH, *new)
    after.check(PATH, *new)
    for stranger, signed in ((before, new), (after, old)):
        with pytest.raises(PermissionDenied):
            stranger.check(PATH, *signed)


@pytest.mark.parametrize("secrets", [[], ["short"], [KEY, "short"]])
def test_weak_keys_are_refused(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="32 characters"):
        SignedLinks(secrets, purpose=PURPOSE, lifetime_s=900)


def test_what_was_signed_for_one_purpose_opens_nothing_else() -> None:
    signed = SignedLinks([KEY], purpose=PURPOSE, lifetime_s=900).sign(PATH)
    with pytest.raises(PermissionDenied):
        SignedLinks([KEY], purpose="another", lifetime_s=900).check(PATH, *signed)
