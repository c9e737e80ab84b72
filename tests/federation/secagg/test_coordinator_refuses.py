"""What devices may send that is against the protocol is refused, changes nothing, and names the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from services.federation.secagg import GroupAggregation, Parameters, Reason, Refused, ShareKind, aggregation, terms_hash
from services.federation.secagg.adverts import sign_advert
from services.federation.secagg.shamir import PRIME
from tests.federation.secagg.small_rounds import Member, SmallRound, numbers


def refused(reason: Reason) -> pytest.RaisesExc[Refused]:
    return pytest.raises(Refused, check=lambda error: error.reason == reason)


def test_what_is_said_twice_is_harmless_and_what_is_changed_is_refused() -> None:
    found = SmallRound(4)
    group = found.group
    adverts = {device: found.sessions[device].advertise() for device in found.left}
    for _ in range(2):
        for advert in adverts.values():
            group.add_advert(advert)
    first = found.left[0]
    other = found.members[first].session(found.parameters).advertise()
    with refused(Reason.ALREADY_SENT):
        group.add_advert(other)
    found.adverts, found.threshold = group.close_adverts()
    made = {device: found.sessions[device].share(found.adverts, found.threshold) for device in found.left}
    for _ in range(2):
        for device, shares in made.items():
            group.add_shares(device, shares)
    with refused(Reason.ALREADY_SENT):
        group.add_shares(first, made[first][::-1][:-1])
    found.handed = group.close_shares()
    payloads = {device: found.sessions[device].mask(found.handed[device], found.words(device)) for device in found.left}
    for _ in range(2):
        for device, payload in payloads.items():
            group.add_masked(device, payload)
    with refused(Reason.ALREADY_SENT):
        group.add_masked(first, payloads[found.left[1]])
    found.contributors = group.close_masked()
    signed = {device: found.sessions[device].confirm(found.contributors) for device in found.left}
    for _ in range(2):
        for device, signature in signed.items():
            group.add_confirmation(device, signature)
    with refused(Reason.ALREADY_SENT):
        group.add_confirmation(first, signed[found.left[1]])
    confirmations = group.close_confirmations()
    opened = {device: found.sessions[device].unmask(confirmations) for device in found.left}
    for _ in range(2):
        for device, given in opened.items():
            group.add_unmask(device, given)
    with refused(Reason.ALREADY_SENT):
        group.add_unmask(first, opened[found.left[1]])
    assert np.array_equal(group.sum(), found.expected())


def test_stages_out_of_order() -> None:
    found = SmallRound(4)
    group = found.group
    device = found.left[0]
    steps: dict[str, list[Callable[[], object]]] = {
        "advertising": [lambda: group.add_advert(found.adverts[0]), group.close_adverts],
        "sharing": [lambda: group.add_shares(device, []), group.close_shares],
        "uploading": [lambda: group.add_masked(device, b""), group.close_masked],
        "confirming": [lambda: group.add_confirmation(device, b""), group.close_confirmations],
        "unmasking": [lambda: group.add_unmask(device, []), group.sum],
    }
    do = {"advertising": found.advertise, "sharing": found.share, "uploading": found.upload, "confirming": found.confirm}
    for now in (*do, "unmasking", "over"):
        for stage, calls in steps.items():
            if stage != now:
                for call in calls:
                    with refused(Reason.OUT_OF_ORDER):
                        call()
                assert not group.enough_to_unmask()
        if now == "unmasking":
            found.unmask()
            assert np.array_equal(group.sum(), found.expected())
        elif now in do:
            do[now]()


def test_adverts_that_are_none() -> None:
    group = GroupAggregation(numbers())
    good = Member().session(group._parameters).advertise()
    for wrong in (
        Member().session(numbers()).advertise(),  # of another round
        sign_advert(group._parameters.round_id, uuid4(), Ed25519PrivateKey.generate(), cipher_key=bytes(32), mask_key=bytes(31)),
        sign_advert(group._parameters.round_id, uuid4(), Ed25519PrivateKey.generate(), cipher_key=bytes(33), mask_key=bytes(32)),
        replace(good, signature=bytes(63)),
        replace(good, device_id=uuid4()),
        replace(good, identity_key=b"\xff" * 32),
    ):
        with refused(Reason.ADVERT_INVALID):
            group.add_advert(wrong)
    assert not group._adverts


def test_a_group_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "MAX_DEVICES", 4)
    found = SmallRound(5)
    with refused(Reason.PARAMETERS_INVALID):
        found.advertise()
    found.left.clear()
    assert len(found.advertise().adverts) == 4


def test_the_same_key_of_two_devices() -> None:
    found = SmallRound(4)
    twin = sign_advert(
        found.parameters.round_id, uuid4(), Ed25519PrivateKey.generate(), cipher_key=bytes(range(32)), mask_key=bytes(range(32))
    )
    found.group.add_advert(twin)
    with refused(Reason.DUPLICATE_DEVICE):
        found.advertise()


def test_shares_that_do_not_fit_the_graph() -> None:
    found = SmallRound(4).advertise()
    first, second = found.left[:2]
    good = found.sessions[first].share(found.adverts, found.threshold)
    for wrong in (
        good[:-1],
        [*good, good[0]],
        [*good[:-1], good[0]],
        [replace(good[0], to_device_id=uuid4()), *good[1:]],
        [replace(good[0], to_device_id=first), *good[1:]],
        [replace(good[0], from_device_id=second), *good[1:]],
        [replace(good[0], ciphertext=good[0].ciphertext[:-1]), *good[1:]],
    ):
        with refused(Reason.SHARE_INVALID):
            found.group.add_shares(first, wrong)
    with refused(Reason.UNKNOWN_DEVICE):
        found.group.add_shares(uuid4(), good)
    found.group.add_shares(first, good)


def test_vectors_of_another_size_or_of_one_who_is_out() -> None:
    found = SmallRound(6).advertise()
    out = found.left.pop()
    found.share()
    with refused(Reason.UNKNOWN_DEVICE):
        found.group.add_masked(out, bytes(found.parameters.payload_bytes))
    for size in (0, found.parameters.payload_bytes - 1, found.parameters.payload_bytes + 2):
        with refused(Reason.WORDS_INVALID):
            found.group.add_masked(found.left[0], bytes(size))
    found.upload().confirm().unmask()
    assert np.array_equal(found.group.sum(), found.expected())


def test_confirmations_that_are_none() -> None:
    found = SmallRound(5).advertise().share()
    late = found.left.pop()
    found.upload()
    signature = found.sessions[found.left[0]].confirm(found.contributors)
    with refused(Reason.UNKNOWN_DEVICE):
        found.group.add_confirmation(late, signature)
    with refused(Reason.CONFIRMATION_INVALID):
        found.group.add_confirmation(found.left[1], signature)


def test_shares_of_the_wrong_secret_are_not_even_taken() -> None:
    """A coordinator that runs this code never holds shares of both secrets of a device."""
    found = SmallRound(6).advertise().share()
    late = found.left.pop()
    found.upload().confirm()
    first = found.left[0]
    good = found.sessions[first].unmask(found.confirmations)
    flipped = {ShareKind.MASK_KEY: ShareKind.SELF_MASK_SEED, ShareKind.SELF_MASK_SEED: ShareKind.MASK_KEY}
    both = [*good, replace(good[0], kind=flipped[good[0].kind])]
    for wrong in (
        both,
        [*good, good[0]],
        good[:-1],
        [replace(share, kind=flipped[share.kind]) if share.device_id == late else share for share in good],
        [replace(good[0], value=good[0].value[1:]), *good[1:]],
        [replace(good[0], value=PRIME.to_bytes(66)), *good[1:]],
        [replace(good[0], device_id=uuid4()), *good[1:]],
    ):
        with refused(Reason.UNMASKING_INVALID):
            found.group.add_unmask(first, wrong)
    with refused(Reason.UNKNOWN_DEVICE):
        found.group.add_unmask(late, good)


@pytest.mark.parametrize("of_late", [True, False])
def test_a_share_that_is_made_up_shows_when_the_secret_is_opened(of_late: bool) -> None:
    found = SmallRound(6).advertise().share()
    late = found.left.pop()
    found.upload().confirm()
    whose = late if of_late else found.contributors[0]
    for device in found.left:
        shares = found.sessions[device].unmask(found.confirmations)
        if device == found.contributors[0]:
            shares = [replace(s, value=(int.from_bytes(s.value) ^ 1).to_bytes(66)) if s.device_id == whose else s for s in shares]
        found.group.add_unmask(device, shares)
    with refused(Reason.UNMASKING_INVALID) as caught:
        found.group.sum()
    assert str(whose) in str(caught.value)


def test_one_that_gives_wrong_shares_ends_no_round_and_is_known() -> None:
    """Of whoever is left, of all that it gives: what it says is left out, and the sum is right."""
    found = SmallRound(12).advertise().share()
    late = found.left.pop()
    found.upload().confirm()
    liar = found.contributors[0]
    for device in found.left:
        shares = found.sessions[device].unmask(found.confirmations)
        if device == liar:
            shares = [replace(one, value=bytes(66)) for one in shares]
        found.group.add_unmask(device, shares)
    assert np.array_equal(found.group.sum(), found.expected())
    assert found.group.misfits == {liar: {late, *found.contributors}}


def test_one_that_made_a_wrong_share_for_one_other_ends_no_round() -> None:
    found = SmallRound(10).advertise().share().upload().confirm()
    liar, other = found.contributors[4], found.contributors[0]
    for device in found.left:
        shares = found.sessions[device].unmask(found.confirmations)
        if device == other:
            shares = [replace(one, value=bytes(66)) if one.device_id == liar else one for one in shares]
        found.group.add_unmask(device, shares)
    assert np.array_equal(found.group.sum(), found.expected())
    assert found.group.misfits == {other: {liar}}


def test_shares_of_another_key_than_was_advertised_show() -> None:
    found = SmallRound(4)
    late = found.left[0]
    honest = found.sessions[late]
    honest.advertise, said = (lambda: said), honest.advertise()  # type: ignore[method-assign]
    honest._mask_key = X25519PrivateKey.generate()
    found.advertise().share()
    found.left.remove(late)
    found.upload().confirm().unmask()
    with refused(Reason.UNMASKING_INVALID) as caught:
        found.group.sum()
    assert "not the mask key" in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"word_bits": 8},
        {"length": 0},
        {"length": 3_000_000},
        {"least_contributors": 1},
        {"neighbor_count": 5},
        {"neighbor_count": 0},
        {"complete_graph_limit": 0},
        {"least_contributors": 10, "neighbor_count": 12},
        {"terms": b"short"},
    ],
)
def test_numbers_that_make_no_round(wrong: dict[str, object]) -> None:
    with refused(Reason.PARAMETERS_INVALID):
        numbers(**wrong)


def test_every_word_of_the_terms_counts() -> None:
    usual = {
        "model_version": 3,
        "encoder_hash": "a" * 64,
        "head_hash": "b" * 64,
        "epochs": 1,
        "learning_rate": 0.5,
        "batch_size": 32,
        "proximal_mu": 0.01,
        "weight_cap": 0,
        "quantization_scale": 0.01,
        "clip_norm": 1.0,
        "noise_multiplier": 2.0,
        "noise_contributor_count": 10,
        "example_noise_multiplier": 0.5,
        "example_clip_norm": 1.0,
    }
    others = {name: "c" * 64 if isinstance(value, str) else value + 1 for name, value in usual.items()}  # type: ignore[operator]
    hashes = {terms_hash(**{**usual, name: other}) for name, other in others.items()}  # type: ignore[arg-type]
    assert len(hashes | {terms_hash(**usual)}) == 15  # type: ignore[arg-type]
    assert Parameters(uuid4(), 16, 10, 32, 14, 10, terms=terms_hash(**usual)).payload_bytes == 20  # type: ignore[arg-type]
