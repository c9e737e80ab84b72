"""Puts the accounts service together and runs it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import grpc.aio

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1 import analytics_service_pb2 as analytics_pb
from scale.accounts.v1 import budgets_service_pb2 as budgets_pb
from scale.accounts.v1 import edits_service_pb2 as edits_pb
from scale.accounts.v1 import history_service_pb2 as history_pb
from scale.accounts.v1 import rules_service_pb2 as rules_pb
from scale.accounts.v1 import saved_filters_service_pb2 as saved_filters_pb
from scale.accounts.v1 import user_data_service_pb2 as user_data_pb
from scale.accounts.v1.accounts_service_pb2_grpc import add_AccountsServiceServicer_to_server
from scale.accounts.v1.analytics_service_pb2_grpc import add_AnalyticsServiceServicer_to_server
from scale.accounts.v1.budgets_service_pb2_grpc import add_BudgetsServiceServicer_to_server
from scale.accounts.v1.edits_service_pb2_grpc import add_EditsServiceServicer_to_server
from scale.accounts.v1.history_service_pb2_grpc import add_HistoryServiceServicer_to_server
from scale.accounts.v1.rules_service_pb2_grpc import add_RulesServiceServicer_to_server
from scale.accounts.v1.saved_filters_service_pb2_grpc import add_SavedFiltersServiceServicer_to_server
from scale.accounts.v1.user_data_service_pb2_grpc import add_UserDataServiceServicer_to_server
from services.accounts.analytics.repository import PostgresAnalyticsRepository
from services.accounts.analytics.service import AnalyticsService
from services.accounts.analytics.servicer import AnalyticsServicer
from services.accounts.balances.repository import PostgresBalancesRepository
from services.accounts.balances.service import BalancesService
from services.accounts.budgets.repository import PostgresBudgetsRepository
from services.accounts.budgets.service import BudgetsService
from services.accounts.budgets.servicer import BudgetsServicer
from services.accounts.categorizing.repository import PostgresCategorizingRepository
from services.accounts.categorizing.service import CategorizingService
from services.accounts.edits.repository.edits import PostgresEditsRepository
from services.accounts.edits.service import EditsService
from services.accounts.edits.servicer import EditsServicer
from services.accounts.history.repository import PostgresHistoryRepository
from services.accounts.history.service import HistoryService
from services.accounts.history.servicer import HistoryServicer
from services.accounts.repository import PostgresAccountsRepository
from services.accounts.rules.repository.rules import PostgresRulesRepository
from services.accounts.rules.service import RulesService
from services.accounts.rules.servicer import RulesServicer
from services.accounts.saved_filters.repository import PostgresSavedFiltersRepository
from services.accounts.saved_filters.service import SavedFiltersService
from services.accounts.saved_filters.servicer import SavedFiltersServicer
from services.accounts.service import AccountsService
from services.accounts.servicer import AccountsServicer
from services.accounts.settings import AccountsSettings
from services.accounts.upkeep import CATEGORY_LISTS, open_cache
from services.accounts.user_data.repository import PostgresAccountsUserData
from services.accounts.user_data.service import AccountsUserDataService
from services.accounts.user_data.servicer import AccountsUserDataServicer
from services.kit.cache import Cache
from services.kit.database_metrics import export_database
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.replica import database_at
from services.kit.server import Server, set_up_process

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["AccountsService"].full_name
_ANALYTICS = analytics_pb.DESCRIPTOR.services_by_name["AnalyticsService"].full_name
_HISTORY = history_pb.DESCRIPTOR.services_by_name["HistoryService"].full_name
_RULES = rules_pb.DESCRIPTOR.services_by_name["RulesService"].full_name
_FOR_IMPORTS = ("GetAccount", "EnsureAccount", "GetProfile", "AppendTransactions")
_FOR_CATEGORIES = ("ListTransactions", "ListCategories", "SetCategories", "BatchGetUserCategories")
_FOR_FORECASTS = ("ListBalances",)
BACKGROUND_METHODS = frozenset(
    {
        *(f"/{SERVICE_NAME}/{method}" for method in _FOR_IMPORTS + _FOR_CATEGORIES + _FOR_FORECASTS),
        f"/{_HISTORY}/StreamDailySums",
        f"/{_HISTORY}/StreamTransactions",
        f"/{_HISTORY}/ListLongHistories",
        f"/{_ANALYTICS}/ListRecurringPayments",
        f"/{_RULES}/EvaluateRules",
    }
)
"""What a worker may ask for a user who is not there: what an import needs, what categorizing the past does, what forecasts are made of,
and what they are learned from, no more."""
SERVICE_NAMES = (
    SERVICE_NAME,
    _ANALYTICS,
    budgets_pb.DESCRIPTOR.services_by_name["BudgetsService"].full_name,
    saved_filters_pb.DESCRIPTOR.services_by_name["SavedFiltersService"].full_name,
    edits_pb.DESCRIPTOR.services_by_name["EditsService"].full_name,
    _HISTORY,
    _RULES,
    user_data_pb.DESCRIPTOR.services_by_name["UserDataService"].full_name,
)
"""One gRPC service for each subject (docs/adr/0016-services-by-subject.md)."""


def build(settings: AccountsSettings, database: Database, category_lists: Cache | None = None) -> AccountsServicer:
    """The servicer with everything behind it. `category_lists` are kept by others, and dropped here."""
    repository = PostgresAccountsRepository(
        database,
        bulk_statement_timeout_s=settings.bulk_statement_timeout_s,
        lock_timeout_s=settings.import_lock_timeout_s,
        edit_lifetime=timedelta(days=settings.edit_lifetime_days),
    )
    page_tokens = PageTokens(settings.page_token_secret)
    service = AccountsService(repository, page_tokens, forget_categories=category_lists.drop if category_lists else None)
    balances = BalancesService(PostgresBalancesRepository(database), page_tokens)
    categorizing = CategorizingService(PostgresCategorizingRepository(database))
    return AccountsServicer(service, balances, categorizing, import_idle_timeout_s=settings.import_idle_timeout_s)


def build_user_data(settings: AccountsSettings, database: Database, category_lists: Cache) -> AccountsUserDataServicer:
    """A user's right over the own data."""
    repository = PostgresAccountsUserData(
        database, statement_timeout_s=settings.export_timeout_s, lock_timeout_s=settings.import_lock_timeout_s
    )
    service = AccountsUserDataService(repository, max_exports=settings.max_exports, forget_categories=category_lists.drop)
    return AccountsUserDataServicer(service, idle_timeout_s=settings.import_idle_timeout_s)


def register(settings: AccountsSettings, database: Database, cache: Cache, category_lists: Cache, server: grpc.aio.Server) -> None:
    """Adds the servicer of every subject."""
    page_tokens = PageTokens(settings.page_token_secret)
    add_AccountsServiceServicer_to_server(build(settings, database, category_lists), server)
    analytics = AnalyticsService(PostgresAnalyticsRepository(database, cache), page_tokens, cached=cache.cached())
    add_AnalyticsServiceServicer_to_server(AnalyticsServicer(analytics), server)
    budgets = BudgetsService(PostgresBudgetsRepository(database), page_tokens)
    add_BudgetsServiceServicer_to_server(BudgetsServicer(budgets), server)
    saved_filters = SavedFiltersService(PostgresSavedFiltersRepository(database), page_tokens)
    add_SavedFiltersServiceServicer_to_server(SavedFiltersServicer(saved_filters), server)
    lifetime, timeout_s = timedelta(days=settings.edit_lifetime_days), settings.bulk_statement_timeout_s
    edits = EditsService(PostgresEditsRepository(database, bulk_statement_timeout_s=timeout_s, lifetime=lifetime), page_tokens)
    add_EditsServiceServicer_to_server(EditsServicer(edits), server)
    history = HistoryService(PostgresHistoryRepository(database, statement_timeout_s=timeout_s))
    add_HistoryServiceServicer_to_server(HistoryServicer(history, page_tokens), server)
    rules = RulesService(PostgresRulesRepository(database, bulk_statement_timeout_s=timeout_s, edit_lifetime=lifetime), page_tokens)
    add_RulesServiceServicer_to_server(RulesServicer(rules), server)
    add_UserDataServiceServicer_to_server(build_user_data(settings, database, category_lists), server)


async def run(settings: AccountsSettings) -> None:
    """Serves until SIGTERM or SIGINT."""
    set_up_process("accounts", settings)
    replica_url = settings.replica_url.get_secret_value() if settings.replica_url else None
    cache, category_lists = open_cache(settings), open_cache(settings, name=CATEGORY_LISTS)
    database = database_at(settings.database_url.get_secret_value(), replica_url, settings, after_write=cache.drop)
    await database.open()
    export_database(database)

    async def database_answers() -> bool:
        return bool((await database.health())["ok"])

    server = Server(
        settings,
        name="accounts",
        services=SERVICE_NAMES,
        register=partial(register, settings, database, cache, category_lists),
        service_methods=BACKGROUND_METHODS,
        check=database_answers,
        figures=database.figures,
    )
    try:
        await server.run_until_signal()
    finally:
        await database.close()
        await cache.close()
        await category_lists.close()
