"""What a coordinator may try that wants to see one device's update; each is refused, and the session is over then."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.federation.secagg import Advert, DeviceSession, EncryptedShare, Reason, Refused, ShareKind
from services.federation.secagg.adverts import sign_advert
from services.federation.secagg.shares import SecretShares, seal
from tests.federation.secagg.small_rounds import Member, SmallRound


def refused(reason: Reason) -> pytest.RaisesExc[Refused]:
    return pytest.raises(Refused, check=lambda error: error.reason == reason)


def is_over(session: DeviceSession, found: SmallRound) -> bool:
    """Whether nothing more can be had of it."""
    steps = (
        session.advertise,
        lambda: session.share(found.adverts, found.threshold),
        lambda: session.mask([], np.zeros(found.parameters.length, np.uint32)),
        lambda: session.confirm(found.contributors),
        lambda: session.unmask({}),
    )
    for step in steps:
        with refused(Reason.OUT_OF_ORDER):
            step()
    return not session._held and not session._seed and not hasattr(session, "_mask_key")


# Adverts


@pytest.mark.parametrize("key", ["cipher_key", "mask_key", "signature", "identity_key"])
def test_substituted_keys(key: str) -> None:
    found = SmallRound(5).advertise()
    victim, other = found.left[:2]
    session = found.sessions[victim]
    own = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    value = own + own if key == "signature" else own
    adverts = [replace(a, **{key: value}) if a.device_id == other else a for a in found.adverts]  # type: ignore[arg-type]
    with refused(Reason.ADVERT_INVALID):
        session.share(adverts, found.threshold)
    assert is_over(session, found)


def substituted(found: SmallRound, other: UUID) -> list[Advert]:
    """The coordinator's own keys for a device, rightly signed by an identity of its own."""
    keys = {name: Ed25519PrivateKey.generate().public_key().public_bytes_raw() for name in ("cipher_key", "mask_key")}
    false = sign_advert(found.parameters.round_id, other, Ed25519PrivateKey.generate(), **keys)
    return [false if advert.device_id == other else advert for advert in found.adverts]


def test_a_substituted_identity_is_refused_by_who_has_met_the_device() -> None:
    found = SmallRound(5)
    found.to_the_end()
    again = SmallRound(5, members=list(found.members.values())).advertise()
    victim, other = again.left[:2]
    with refused(Reason.IDENTITY_CHANGED):
        again.sessions[victim].share(substituted(again, other), again.threshold)
    assert is_over(again.sessions[victim], again)


def test_a_substituted_identity_is_taken_at_first_contact_but_the_others_do_not_confirm_with_it() -> None:
    """What docs/secure-aggregation.md says of Sybil devices. One device's view is another one then, and so is all that it signs."""
    found = SmallRound(5).advertise()
    victim, other = found.left[:2]
    found.sessions[victim].share(substituted(found, other), found.threshold)
    rest = [device for device in found.left if device != victim]
    made = {device: found.sessions[device].share(found.adverts, found.threshold) for device in rest}
    handed = [share for shares in made.values() for share in shares if share.to_device_id == victim]
    with refused(Reason.SHARE_INVALID):  # the keys of what devices hand each other are of the list that both were told
        found.sessions[victim].mask(handed, found.words(victim))


def test_its_own_keys_altered_or_missing() -> None:
    for own in (True, False):
        found = SmallRound(5).advertise()
        victim = found.left[0]
        false = {advert.device_id: advert for advert in substituted(found, victim)}
        adverts = [false[victim] if advert.device_id == victim else advert for advert in found.adverts]
        with refused(Reason.OWN_ADVERT_ALTERED):
            found.sessions[victim].share(adverts if own else [a for a in adverts if a.device_id != victim], found.threshold)
        assert is_over(found.sessions[victim], found)


def test_a_device_twice_and_a_key_twice() -> None:
    found = SmallRound(5).advertise()
    with refused(Reason.DUPLICATE_DEVICE):
        found.sessions[found.left[0]].share([*found.adverts, found.adverts[1]], found.threshold)
    twin = Member(key=found.members[found.left[2]].key)
    false = sign_advert(
        found.parameters.round_id, twin.id, twin.key, cipher_key=found.adverts[0].cipher_key, mask_key=found.adverts[0].mask_key
    )
    with refused(Reason.DUPLICATE_DEVICE):
        found.sessions[found.left[1]].share([*found.adverts, false], found.threshold)


def test_adverts_of_another_round() -> None:
    before = SmallRound(5).advertise()
    found = SmallRound(5, members=list(before.members.values())).advertise()
    victim = found.left[0]
    replayed = [advert if advert.device_id == victim else before.adverts[place] for place, advert in enumerate(found.adverts)]
    with refused(Reason.ADVERT_INVALID):
        found.sessions[victim].share(replayed, found.threshold)


def test_adverts_of_too_few_devices() -> None:
    found = SmallRound(12, least_contributors=10, neighbor_count=14).advertise()
    victim = found.adverts[3].device_id
    with refused(Reason.TOO_FEW_DEVICES):
        found.sessions[victim].share(found.adverts[:9], 7)
    assert is_over(found.sessions[victim], found)


def test_a_list_without_end() -> None:
    found = SmallRound(5).advertise()
    with refused(Reason.PARAMETERS_INVALID):
        found.sessions[found.left[0]].share(found.adverts * 2001, found.threshold)


@pytest.mark.parametrize("off", [-1, 1, -4])
def test_another_threshold(off: int) -> None:
    found = SmallRound(6).advertise()
    with refused(Reason.THRESHOLD_INVALID):
        found.sessions[found.left[0]].share(found.adverts, found.threshold + off)


def test_a_key_that_everybody_could_know() -> None:
    found = SmallRound(5)
    weak = found.left[0]
    session = found.sessions[weak]
    false = sign_advert(found.parameters.round_id, weak, found.members[weak].key, cipher_key=bytes(32), mask_key=bytes([1] + [0] * 31))
    session.advertise = lambda: false  # type: ignore[method-assign]
    found.advertise()
    with refused(Reason.ADVERT_INVALID):
        found.sessions[found.left[1]].share(found.adverts, found.threshold)


# The graph


def test_shares_of_one_who_is_no_neighbour() -> None:
    found = SmallRound(12, complete_graph_limit=3, neighbor_count=4).advertise()
    made = {device: found.sessions[device].share(found.adverts, found.threshold) for device in found.left}
    victim = found.left[0]
    near = {share.to_device_id for share in made[victim]}
    assert len(near) == 4  # its own graph, whatever it was told
    far = next(device for device in found.left if device not in near | {victim})
    good = [share for shares in made.values() for share in shares if share.to_device_id == victim]
    key = found.sessions[far]._share_key(far, victim)  # a device that goes along with the coordinator
    strange = seal(key, found.parameters.round_id, far, victim, SecretShares(bytes(66), bytes(66)))
    with refused(Reason.SHARE_INVALID):
        found.sessions[victim].mask([*good, strange], found.words(victim))


def test_another_graph_than_the_rule_says_gives_shares_that_nobody_can_read() -> None:
    """The coordinator tells one device of more neighbours than the others: what they hand each other cannot be read any more."""
    members = [Member() for _ in range(12)]
    found = SmallRound(0, members=members, complete_graph_limit=3, neighbor_count=4)
    told_otherwise = SmallRound(0, members=members, round_id=found.parameters.round_id, complete_graph_limit=3, neighbor_count=6)
    victim = found.left[0]
    found.sessions[victim] = told_otherwise.sessions[victim]
    found.advertise()
    made = {device: found.sessions[device].share(found.adverts, 5 if device == victim else found.threshold) for device in found.left}
    given = [share for shares in made.values() for share in shares if share.to_device_id == victim]
    with refused(Reason.SHARE_INVALID):
        found.sessions[victim].mask(given, found.words(victim))


def test_other_terms_for_one_device_give_shares_that_nobody_can_read() -> None:
    """A device counts on the noise of the others: one that was told to add less does not get along with them."""
    members = [Member() for _ in range(5)]
    found = SmallRound(0, members=members)
    less_noise = SmallRound(0, members=members, round_id=found.parameters.round_id, terms=b"\x01" * 32)
    victim, other = found.left[:2]
    found.sessions[other] = less_noise.sessions[other]
    found.advertise()
    made = {device: found.sessions[device].share(found.adverts, found.threshold) for device in found.left}
    given = [share for shares in made.values() for share in shares if share.to_device_id == victim]
    with refused(Reason.SHARE_INVALID):
        found.sessions[victim].mask(given, found.words(victim))


# Shares


@pytest.mark.parametrize("place", [0, 11, 12, 80, 143, 159])
def test_a_share_with_one_bit_turned(place: int) -> None:
    found = SmallRound(5).advertise().share()
    victim = found.left[0]
    first, *rest = found.handed[victim]
    turned = bytearray(first.ciphertext)
    turned[place] ^= 1
    with refused(Reason.SHARE_INVALID):
        found.sessions[victim].mask([replace(first, ciphertext=bytes(turned)), *rest], found.words(victim))
    assert is_over(found.sessions[victim], found)


def test_shares_of_another_round_for_another_from_another_and_twice() -> None:
    before = SmallRound(4).advertise().share()
    members = list(before.members.values())

    def wrong(found: SmallRound, victim: UUID) -> list[list[EncryptedShare]]:
        first, second, *rest = found.handed[victim]
        elsewhere = found.handed[found.left[1]][0]
        return [
            before.handed[victim],
            [replace(first, from_device_id=second.from_device_id), replace(second, from_device_id=first.from_device_id), *rest],
            [elsewhere, second, *rest],
            [replace(elsewhere, to_device_id=victim), *rest],
            [first, first, second, *rest],
            [replace(first, ciphertext=first.ciphertext + b"\0"), second, *rest],
            [replace(first, from_device_id=victim), second, *rest],
        ]

    for case in range(7):
        found = SmallRound(0, members=members).advertise().share()
        victim = found.left[0]
        with refused(Reason.SHARE_INVALID):
            found.sessions[victim].mask(wrong(found, victim)[case], found.words(victim))


def test_shares_of_too_few() -> None:
    found = SmallRound(6).advertise().share()
    victim = found.left[0]
    with refused(Reason.TOO_FEW_SHARES):
        found.sessions[victim].mask(found.handed[victim][:3], found.words(victim))
    assert is_over(found.sessions[victim], found)


@pytest.mark.parametrize(
    "words", [np.zeros(39, np.uint32), np.zeros((40, 1), np.uint32), np.zeros(40, np.int64), np.full(40, 1 << 16, np.uint32)]
)
def test_words_of_another_shape(words: np.ndarray) -> None:
    found = SmallRound(4).advertise().share()
    with refused(Reason.WORDS_INVALID):
        found.sessions[found.left[0]].mask(found.handed[found.left[0]], words)


# Contributors


def uploaded(count: int = 6, **parameters: int) -> tuple[SmallRound, UUID, DeviceSession]:
    found = SmallRound(count, members=(), **parameters).advertise().share().upload()
    return found, found.left[0], found.sessions[found.left[0]]


def test_a_shrunken_set() -> None:
    # Nine of twelve are two thirds, but no ten.
    found, victim, session = uploaded(12, least_contributors=10, neighbor_count=14)
    assert found.threshold == 9
    others = [device for device in found.contributors if device != victim]
    with refused(Reason.TOO_FEW_CONTRIBUTORS):
        session.confirm([victim, *others[:8]])
    assert is_over(session, found)


def test_a_set_of_ten_that_is_no_two_thirds_of_those_that_began() -> None:
    found, victim, session = uploaded(20, least_contributors=10, neighbor_count=14)
    others = [device for device in found.contributors if device != victim]
    with refused(Reason.TOO_FEW_CONTRIBUTORS):
        session.confirm([victim, *others[:12]])


def test_contributors_without_it_with_strangers_or_twice() -> None:
    for wrong in range(3):
        found, victim, session = uploaded()
        others = [device for device in found.contributors if device != victim]
        lists = (others, [*found.contributors, uuid4()], [victim, victim, *others])
        with refused(Reason.CONTRIBUTORS_INVALID):
            session.confirm(lists[wrong])


def test_a_contributor_whose_shares_were_kept_back() -> None:
    found = SmallRound(7).advertise().share()
    victim = found.left[0]
    session = found.sessions[victim]
    session.mask(found.handed[victim][:-1], found.words(victim))
    with refused(Reason.CONTRIBUTORS_INVALID):
        session.confirm(list(found.members))


def test_contributors_that_fall_apart() -> None:
    """All around each of two arcs of the ring are said to be lost: each arc's sum could be opened for itself."""
    found = SmallRound(18, complete_graph_limit=3, neighbor_count=2).advertise().share().upload()
    near = found.group._group.near
    ring = [found.contributors[0]]
    while len(ring) < 18:
        ring.append(next(device for device in near[ring[-1]] if device not in ring))
    middle = ring[4]
    with refused(Reason.CONTRIBUTORS_INVALID):
        found.sessions[middle].confirm(ring[:8] + ring[9:17])


def test_too_few_contributors_near_it() -> None:
    found = SmallRound(18, complete_graph_limit=3, neighbor_count=4).advertise().share().upload()
    victim = found.left[0]
    near = list(found.group._group.near[victim] - {victim})
    with refused(Reason.TOO_FEW_CONTRIBUTORS):
        found.sessions[victim].confirm([device for device in found.contributors if device not in near[:2]])


# Unmasking


def confirmed(count: int = 6) -> tuple[SmallRound, UUID, DeviceSession]:
    found = SmallRound(count).advertise().share().upload().confirm()
    return found, found.left[0], found.sessions[found.left[0]]


def test_it_gives_one_share_of_each_and_never_again() -> None:
    found = SmallRound(7).advertise().share()
    late = found.left.pop()
    found.upload().confirm()
    victim = found.left[0]
    session = found.sessions[victim]
    kinds = {share.device_id: share.kind for share in session.unmask(found.confirmations)}
    assert kinds == {**dict.fromkeys(found.contributors, ShareKind.SELF_MASK_SEED), late: ShareKind.MASK_KEY}
    with refused(Reason.OUT_OF_ORDER):
        session.unmask(found.confirmations)
    with refused(Reason.OUT_OF_ORDER):
        session.unmask({device: sign for device, sign in found.confirmations.items() if device != found.left[1]})
    assert is_over(session, found)


def test_both_shares_of_a_device_by_two_lists_of_contributors() -> None:
    """The coordinator tells half the devices that the victim has contributed and the other half that it was lost, to have its own mask from
    the ones and its mask key from the others. Whatever signatures it mixes, nobody opens anything."""
    found = SmallRound(9).advertise().share().upload()
    victim, *others = found.contributors
    without = others
    signed = {device: found.sessions[device].confirm(found.contributors) for device in [victim, *others[:4]]}
    signed_without = {device: found.sessions[device].confirm(without) for device in others[4:]}
    for device in others[:4]:
        with refused(Reason.CONFIRMATION_INVALID):
            found.sessions[device].unmask({**signed, **signed_without})
    for device in others[4:]:
        with refused(Reason.TOO_FEW_CONFIRMATIONS):
            found.sessions[device].unmask(signed_without)
    with refused(Reason.TOO_FEW_CONFIRMATIONS):
        found.sessions[victim].unmask(signed)


def test_a_second_list_of_contributors() -> None:
    found = SmallRound(9).advertise().share().upload()
    session = found.sessions[found.left[0]]
    session.confirm(found.contributors)
    with refused(Reason.OUT_OF_ORDER):
        session.confirm(found.contributors[:-1])


def test_forged_confirmations() -> None:
    found, _, _ = confirmed()
    for forge in (
        lambda signature: bytes(64),
        lambda signature: signature[:-1],
        lambda signature: Ed25519PrivateKey.generate().sign(b"any"),
    ):
        member = found.left.pop()
        session = found.sessions[member]
        other = next(device for device in found.confirmations if device != member)
        with refused(Reason.CONFIRMATION_INVALID):
            session.unmask({**found.confirmations, other: forge(found.confirmations[other])})
        assert is_over(session, found)


def test_confirmations_of_another_one_of_a_stranger_and_of_another_round() -> None:
    found, _, _ = confirmed()
    before = SmallRound(0, members=list(found.members.values())).advertise().share().upload().confirm()
    one, two = list(found.confirmations)[:2]
    for wrong in (
        {**found.confirmations, one: found.confirmations[two]},
        {**found.confirmations, uuid4(): found.confirmations[two]},
        before.confirmations,
    ):
        with refused(Reason.CONFIRMATION_INVALID):
            found.sessions[found.left.pop()].unmask(wrong)


def test_too_few_confirmations() -> None:
    found, victim, session = confirmed()
    kept = [device for device in found.confirmations if device != victim][: found.threshold - 2]
    with refused(Reason.TOO_FEW_CONFIRMATIONS):
        session.unmask({device: found.confirmations[device] for device in kept})
    assert is_over(session, found)


def test_nine_confirmations_of_twelve() -> None:
    found = SmallRound(12, least_contributors=10, neighbor_count=14).advertise().share().upload().confirm()
    victim = found.left[0]
    kept = [device for device in found.confirmations if device != victim][:8]
    with refused(Reason.TOO_FEW_CONFIRMATIONS):
        found.sessions[victim].unmask({device: found.confirmations[device] for device in kept})


def test_confirmations_from_far_away_alone() -> None:
    found = SmallRound(18, complete_graph_limit=3, neighbor_count=4).advertise().share().upload().confirm()
    victim = found.left[0]
    near = list(found.group._group.near[victim] - {victim})[:2]
    with refused(Reason.TOO_FEW_CONFIRMATIONS):
        found.sessions[victim].unmask({d: signature for d, signature in found.confirmations.items() if d not in near})


def test_its_own_word_counts_without_being_sent_back() -> None:
    found, victim, session = confirmed(3)
    del found.confirmations[victim]
    assert len(session.unmask(found.confirmations)) == 3


# Order


def test_steps_out_of_order_are_refused_and_do_no_harm() -> None:
    found = SmallRound(4)
    session = found.sessions[found.left[0]]
    for step in (
        lambda: session.share([], 3),
        lambda: session.mask([], found.words(found.left[0])),
        lambda: session.confirm([]),
        lambda: session.unmask({}),
    ):
        with refused(Reason.OUT_OF_ORDER):
            step()
    total = found.to_the_end()
    assert np.array_equal(total, found.expected())
    with refused(Reason.OUT_OF_ORDER):
        session.advertise()
