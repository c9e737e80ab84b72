"""What a locale says."""

from __future__ import annotations

import pytest

from services.kit.locales import country_of


@pytest.mark.parametrize(
    ("locale", "country"),
    [
        ("en-GB", "GB"),
        ("de_DE", "DE"),
        ("sr-Latn-RS", "RS"),
        ("pt-br", "BR"),
        ("en", ""),
        ("", ""),
        ("es-419", ""),
        ("en-u-ca-gregory", ""),
    ],
)
def test_a_locale_tells_the_country_whose_holidays_count(locale, country) -> None:
    assert country_of(locale) == country
