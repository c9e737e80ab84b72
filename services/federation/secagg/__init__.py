"""Secure aggregation: the sum of vectors that nobody shows. Pure: no wire, no database; devices and coordinator use it both.

The protocol, byte for byte, and what it protects against: docs/secure-aggregation.md.
"""

from services.federation.secagg.adverts import Advert
from services.federation.secagg.aggregation import GroupAggregation
from services.federation.secagg.parameters import Parameters, terms_hash, threshold_of
from services.federation.secagg.quantize import centred, pack, quantize, to_words, unpack
from services.federation.secagg.refusals import Reason, Refused, Stage, TooFew
from services.federation.secagg.session import DeviceSession, Pins
from services.federation.secagg.shares import EncryptedShare, ShareKind, UnmaskShare

__all__ = [
    "Advert",
    "DeviceSession",
    "EncryptedShare",
    "GroupAggregation",
    "Parameters",
    "Pins",
    "Reason",
    "Refused",
    "ShareKind",
    "Stage",
    "TooFew",
    "UnmaskShare",
    "centred",
    "pack",
    "quantize",
    "terms_hash",
    "threshold_of",
    "to_words",
    "unpack",
]
