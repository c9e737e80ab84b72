"""Accounts, the profile and categories. In memory and in PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.accounts.domain import (
    Account,
    AccountChanges,
    AccountType,
    Category,
    NewAccount,
    ProfileChanges,
)
from services.accounts.service import AccountsService, slug_of
from services.kit.errors import AlreadyExists, InvalidArgument, NotFound


@pytest.mark.requirement("ACC-11")
async def test_create_account_keeps_every_value(service: AccountsService, user_id: UUID) -> None:
    new = NewAccount("Savings", "GBP", "gb33 bukb 2020 1555", AccountType.SAVINGS, Decimal("-12.3456"))
    made = await service.create_account(user_id, new, "one")
    assert made.id.version == 7
    expected = Account(made.id, "Savings", AccountType.SAVINGS, "GBP", "GB33BUKB20201555", Decimal("-12.3456"), True, made.created_at)
    assert made == expected
    assert await service.get_account(user_id, made.id) == made


async def test_create_account_once_per_request(service: AccountsService, user_id: UUID, other_user_id: UUID) -> None:
    new = NewAccount("Everyday", "EUR", "DE1")
    made = await service.create_account(user_id, new, "one")
    assert await service.create_account(user_id, new, "one") == made
    with pytest.raises(AlreadyExists) as caught:
        await service.create_account(user_id, replace(new, name="Other"), "one")
    assert caught.value.reason == "REQUEST_ID_REUSED"
    assert (await service.create_account(other_user_id, new, "one")).id != made.id


async def test_identifiers_and_names_are_unique(service: AccountsService, user_id: UUID) -> None:
    await service.create_account(user_id, NewAccount("Everyday", "EUR", "DE 1"), "one")
    with pytest.raises(AlreadyExists) as caught:
        await service.create_account(user_id, NewAccount("Another", "USD", "de1"), "two")
    assert caught.value.reason == "ACCOUNT_IDENTIFIER_TAKEN"
    await service.create_account(user_id, NewAccount("Everyday", "EUR"), "three")
    with pytest.raises(AlreadyExists) as caught:
        await service.create_account(user_id, NewAccount("Everyday", "EUR"), "four")
    assert caught.value.reason == "ACCOUNT_NAME_TAKEN"
    await service.create_account(user_id, NewAccount("Everyday", "USD"), "five")


async def test_ensure_account_finds_before_it_opens(service: AccountsService, user_id: UUID) -> None:
    opened, created = await service.ensure_account(user_id, NewAccount("Bank 1", "EUR", "DE12 34"))
    assert created
    assert (opened.type, opened.identifier) == (AccountType.CHECKING, "DE1234")
    assert await service.ensure_account(user_id, NewAccount("Other name", "USD", "de1234")) == (opened, False)
    named, created = await service.ensure_account(user_id, NewAccount("Imported"))
    assert (created, named.currency) == (True, "EUR")
    assert await service.ensure_account(user_id, NewAccount("Imported", "EUR")) == (named, False)
    dollars, created = await service.ensure_account(user_id, NewAccount("Imported", "USD"))
    assert created
    assert dollars.id != named.id


async def test_the_profiles_currency_is_the_default(service: AccountsService, user_id: UUID) -> None:
    await service.update_profile(user_id, ProfileChanges(default_currency="CHF"))
    assert (await service.create_account(user_id, NewAccount("One"), "one")).currency == "CHF"
    assert (await service.ensure_account(user_id, NewAccount("Two")))[0].currency == "CHF"


async def test_list_accounts_by_pages(service: AccountsService, user_id: UUID, other_user_id: UUID) -> None:
    made = [(await service.ensure_account(user_id, NewAccount(f"Account {n}", "EUR")))[0] for n in range(5)]
    await service.ensure_account(other_user_id, NewAccount("Theirs", "EUR"))
    hidden = await service.update_account(user_id, made[2].id, AccountChanges(active=False))
    made[2] = hidden

    async def listed(size: int, include_inactive: bool) -> list[Account]:
        found, token = [], ""
        while True:
            page, token = await service.list_accounts(user_id, requested_size=size, token=token, include_inactive=include_inactive)
            found += page
            if not token:
                return found

    assert await listed(2, True) == made
    assert await listed(0, False) == [account for account in made if account.active]
    _, token = await service.list_accounts(user_id, requested_size=1, token="", include_inactive=True)
    with pytest.raises(InvalidArgument):
        await service.list_accounts(user_id, requested_size=1, token=token, include_inactive=False)


@pytest.mark.requirement("ACC-11")
async def test_update_account(service: AccountsService, user_id: UUID, other_user_id: UUID) -> None:
    made, _ = await service.ensure_account(user_id, NewAccount("Everyday", "EUR"))
    other, _ = await service.ensure_account(user_id, NewAccount("Card", "EUR"))
    changes = AccountChanges("Main", AccountType.CASH, False, Decimal("5.5"))
    changed = await service.update_account(user_id, made.id, changes, balance_currency="EUR")
    expected = replace(made, name="Main", type=AccountType.CASH, active=False, opening_balance=Decimal("5.5"))
    assert changed == expected
    assert await service.get_account(user_id, made.id) == expected
    with pytest.raises(InvalidArgument, match="must be in EUR"):
        await service.update_account(user_id, made.id, AccountChanges(opening_balance=Decimal(1)), balance_currency="USD")
    with pytest.raises(AlreadyExists):
        await service.update_account(user_id, other.id, AccountChanges(name="Main"))
    for user, account in ((user_id, uuid7()), (other_user_id, made.id)):
        with pytest.raises(NotFound):
            await service.update_account(user, account, AccountChanges(name="Stolen"))
        with pytest.raises(NotFound):
            await service.get_account(user, account)
    assert await service.get_account(user_id, made.id) == expected


async def test_profile_is_made_on_first_sight_and_changes(service: AccountsService, user_id: UUID, other_user_id: UUID) -> None:
    first = await service.get_profile(user_id)
    assert (first.user_id, first.default_currency, first.locale, first.time_zone) == (user_id, "EUR", "en", "UTC")
    assert await service.get_profile(user_id) == first
    changed = await service.update_profile(user_id, ProfileChanges(display_name="Ada", time_zone="Europe/Berlin"))
    assert changed == replace(first, display_name="Ada", time_zone="Europe/Berlin", updated_at=changed.updated_at)
    assert changed.updated_at > first.updated_at
    assert (await service.get_profile(other_user_id)).display_name == ""


async def test_categories_are_the_taxonomy_and_ones_own(service: AccountsService, user_id: UUID, other_user_id: UUID) -> None:
    taxonomy, token = await service.list_categories(user_id, requested_size=0, token="")
    assert (len(taxonomy), token) == (119, "")
    assert [category.slug for category in taxonomy] == sorted(category.slug for category in taxonomy)
    made = await service.create_category(user_id, "Brunch & Café", "dining", "one")
    assert made == Category("brunch_cafe", "Brunch & Café", "dining", custom=True)
    assert await service.create_category(user_id, "Brunch & Café", "dining", "one") == made
    listed, token = [], ""
    while True:
        page, token = await service.list_categories(user_id, requested_size=50, token=token)
        listed += page
        if not token:
            break
    assert listed == [*taxonomy, made]
    assert (await service.list_categories(other_user_id, requested_size=0, token=""))[0] == taxonomy


async def test_categories_that_cannot_be(service: AccountsService, user_id: UUID) -> None:
    await service.create_category(user_id, "Pets", "other", "one")
    for name, primary, request, reason in (
        ("pets!", "other", "two", "CATEGORY_EXISTS"),
        ("Income salary", "income", "three", "CATEGORY_EXISTS"),
        ("Dogs", "other", "one", "REQUEST_ID_REUSED"),
    ):
        with pytest.raises(AlreadyExists) as taken:
            await service.create_category(user_id, name, primary, request)
        assert taken.value.reason == reason
    for name, primary, field in (
        ("Dogs", "income_salary", "primary_slug"),
        ("Dogs", "pets", "primary_slug"),
        ("Dogs", "no_such", "primary_slug"),
        ("Uncategorized", "other", "name"),
        ("&&", "other", "name"),
    ):
        with pytest.raises(InvalidArgument) as wrong:
            await service.create_category(user_id, name, primary, "four")
        assert wrong.value.fields[0].field == field


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Café & Bar", "cafe_bar"), ("  Haustiere ", "haustiere"), ("Straße", "strasse"), ("食品", "食品"), ("--", "")],
)
def test_slugs(name: str, slug: str) -> None:
    assert slug_of(name) == slug
