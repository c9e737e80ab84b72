"""What a locale says."""

from __future__ import annotations


def country_of(locale: str) -> str:
    """The region of a BCP 47 locale: "GB" for "en-GB" and "sr-Latn-RS" is "RS"; empty where there is none."""
    for part in locale.replace("_", "-").split("-")[1:]:
        if len(part) == 1:
            break  # extensions follow, in which two letters are no country
        if len(part) == 2 and part.isalpha():
            return part.upper()
    return ""
