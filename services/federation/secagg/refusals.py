"""Why one side of the protocol does not go on."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Stable names; programs decide by them."""

    PARAMETERS_INVALID = "PARAMETERS_INVALID"
    OUT_OF_ORDER = "OUT_OF_ORDER"
    ALREADY_SENT = "ALREADY_SENT"
    UNKNOWN_DEVICE = "UNKNOWN_DEVICE"
    DUPLICATE_DEVICE = "DUPLICATE_DEVICE"
    ADVERT_INVALID = "ADVERT_INVALID"
    IDENTITY_CHANGED = "IDENTITY_CHANGED"
    OWN_ADVERT_ALTERED = "OWN_ADVERT_ALTERED"
    TOO_FEW_DEVICES = "TOO_FEW_DEVICES"
    THRESHOLD_INVALID = "THRESHOLD_INVALID"
    SHARE_INVALID = "SHARE_INVALID"
    TOO_FEW_SHARES = "TOO_FEW_SHARES"
    WORDS_INVALID = "WORDS_INVALID"
    CONTRIBUTORS_INVALID = "CONTRIBUTORS_INVALID"
    TOO_FEW_CONTRIBUTORS = "TOO_FEW_CONTRIBUTORS"
    CONFIRMATION_INVALID = "CONFIRMATION_INVALID"
    TOO_FEW_CONFIRMATIONS = "TOO_FEW_CONFIRMATIONS"
    UNMASKING_INVALID = "UNMASKING_INVALID"


class Stage(StrEnum):
    """The stages, in this order; the names are those of rounds."""

    ADVERTISING = "advertising"
    SHARING = "sharing"
    UPLOADING = "uploading"
    CONFIRMING = "confirming"
    UNMASKING = "unmasking"


class Refused(Exception):
    """What somebody sent, or asked for, is against the protocol. A device that has refused something takes no further part in the round.
    `reason`: a `Reason`, or what the caller's own pins say."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TooFew(Exception):
    """So few devices are left that the sum would show too much, or cannot be had."""

    def __init__(self, stage: Stage, left: int, needed: int, *, near: bool = False) -> None:
        where = " near one of them" if near else ""
        super().__init__(f"{left} devices were left{where} in the end of stage {stage.value}; {needed} are needed.")
        self.stage = stage
        self.left = left
        self.needed = needed
