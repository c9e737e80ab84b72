"""The services behind the gateway: one channel to each, for as long as the process runs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import cast

from fastapi import Request
from redis.asyncio import Redis

from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from scale.accounts.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from scale.accounts.v1.budgets_service_pb2_grpc import BudgetsServiceStub
from scale.accounts.v1.edits_service_pb2_grpc import EditsServiceStub
from scale.accounts.v1.rules_service_pb2_grpc import RulesServiceStub
from scale.accounts.v1.saved_filters_service_pb2_grpc import SavedFiltersServiceStub
from scale.accounts.v1.user_data_service_pb2_grpc import UserDataServiceStub as AccountsUserDataStub
from scale.categorization.v1.categorization_service_pb2_grpc import CategorizationServiceStub
from scale.categorization.v1.user_data_service_pb2_grpc import UserDataServiceStub as CategorizationUserDataStub
from scale.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from scale.ingestion.v1.user_data_service_pb2_grpc import UserDataServiceStub as IngestionUserDataStub
from scale.training.v1.model_registry_service_pb2_grpc import ModelRegistryServiceStub
from scale.training.v1.notifications_service_pb2_grpc import NotificationsServiceStub
from scale.training.v1.training_service_pb2_grpc import TrainingServiceStub
from scale.training.v1.user_data_service_pb2_grpc import UserDataServiceStub as TrainingUserDataStub
from services.gateway.settings import GatewaySettings
from services.kit.client import ServiceClient
from services.kit.redis import connect_redis

ACCOUNTS = "scale.accounts.v1.AccountsService"
ANALYTICS = "scale.accounts.v1.AnalyticsService"
BUDGETS = "scale.accounts.v1.BudgetsService"
EDITS = "scale.accounts.v1.EditsService"
RULES = "scale.accounts.v1.RulesService"
SAVED_FILTERS = "scale.accounts.v1.SavedFiltersService"
INGESTION = "scale.ingestion.v1.IngestionService"
CATEGORIZATION = "scale.categorization.v1.CategorizationService"
TRAINING = "scale.training.v1.TrainingService"
MODEL_REGISTRY = "scale.training.v1.ModelRegistryService"
NOTIFICATIONS = "scale.training.v1.NotificationsService"
ACCOUNTS_USER_DATA = "scale.accounts.v1.UserDataService"
INGESTION_USER_DATA = "scale.ingestion.v1.UserDataService"
CATEGORIZATION_USER_DATA = "scale.categorization.v1.UserDataService"
TRAINING_USER_DATA = "scale.training.v1.UserDataService"

# Reads, and writes that say what shall be: a second one changes nothing. Creates carry a request id and are safe too.
_ACCOUNTS_REPEATABLE = (
    "ListTransactions",
    "GetTransaction",
    "UpdateTransaction",
    "ListTransfers",
    "GetTransfer",
    "ConfirmTransfer",
    "UndoTransfer",
    "CreateAccount",
    "GetAccount",
    "ListAccounts",
    "ListBalances",
    "UpdateAccount",
    "GetProfile",
    "UpdateProfile",
    "ListCategories",
    "CreateCategory",
)
_ANALYTICS_REPEATABLE = ("ListCategoryStatistics", "ListMonthlySummaries", "ListCashFlow", "ListRecurringPayments")
_BUDGETS_REPEATABLE = ("CreateBudget", "GetBudget", "ListBudgets", "UpdateBudget", "DeleteBudget", "ListBudgetUtilizations")
_EDITS_REPEATABLE = ("EditTransactions", "GetEdit", "ListEdits", "UndoEdit")
_RULES_REPEATABLE = ("CreateRule", "GetRule", "ListRules", "UpdateRule", "DeleteRule", "PreviewRule", "ApplyRule", "UndoRule")
_SAVED_FILTERS_REPEATABLE = ("CreateSavedFilter", "GetSavedFilter", "ListSavedFilters", "UpdateSavedFilter", "DeleteSavedFilter")
_INGESTION_REPEATABLE = (
    "CreateTransaction",
    "GetImport",
    "WatchImport",
    "ListCsvProfiles",
    "ListImports",
    "ListImportRows",
    "FinishRestore",
)
_CATEGORIZATION_REPEATABLE = (
    "Classify",
    "ClassifyBatch",
    "RecordCorrection",
    "StartClassification",
    "StartRecategorization",
    "StartDiscovery",
    "GetJob",
    "ListJobResults",
    "ListSuggestions",
    "AcceptSuggestion",
    "DismissSuggestion",
    "GetModelInfo",
)
_TRAINING_REPEATABLE = ("StartTrainingJob", "GetTrainingJob", "ListTrainingJobs", "CancelTrainingJob", "WatchTrainingJob")
# Not RollBackModel: where no version is named, a second one goes back twice.
_MODEL_REGISTRY_REPEATABLE = ("ListModelVersions", "GetModelVersion", "GetLiveModelVersion", "PromoteModelVersion", "ReadArtifact")
_NOTIFICATIONS_REPEATABLE = ("ListNotifications", "MarkNotificationsRead")


@dataclass(frozen=True)
class Upstreams:
    """Everything that the gateway calls."""

    accounts: ServiceClient
    analytics: ServiceClient
    budgets: ServiceClient
    edits: ServiceClient
    rules: ServiceClient
    saved_filters: ServiceClient
    ingestion: ServiceClient
    categorization: ServiceClient
    training: ServiceClient
    model_registry: ServiceClient
    notifications: ServiceClient
    accounts_user_data: ServiceClient
    ingestion_user_data: ServiceClient
    categorization_user_data: ServiceClient
    training_user_data: ServiceClient
    redis: Redis | None

    def user_data(self) -> dict[str, ServiceClient]:
        """Of every service that stores users' data, in the order in which it is brought back; it is erased in the opposite one."""
        return {
            "accounts": self.accounts_user_data,
            "ingestion": self.ingestion_user_data,
            "categorization": self.categorization_user_data,
            "training": self.training_user_data,
        }

    async def close(self) -> None:
        """Closes every connection."""
        for field in fields(self):
            client = getattr(self, field.name)
            if isinstance(client, ServiceClient):
                await client.close()
        if self.redis is not None:
            await self.redis.aclose()


def connect(settings: GatewaySettings, redis: Redis | None) -> Upstreams:
    """Channels that connect at the first call and again whenever a service is back. Needs a running event loop.

    No circuit breaker on top: a channel without a connection fails its calls at once and tries again every second, which is back within the
    five seconds that a restart takes; a breaker with the 30 s of REL-10 would answer 503 for longer than the outage lasts.
    """
    return Upstreams(
        accounts=ServiceClient(
            AccountsServiceStub,
            settings.accounts_address,
            service=ACCOUNTS,
            idempotent=_ACCOUNTS_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        analytics=ServiceClient(
            AnalyticsServiceStub,
            settings.accounts_address,
            service=ANALYTICS,
            idempotent=_ANALYTICS_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        budgets=ServiceClient(
            BudgetsServiceStub,
            settings.accounts_address,
            service=BUDGETS,
            idempotent=_BUDGETS_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        edits=ServiceClient(
            EditsServiceStub,
            settings.accounts_address,
            service=EDITS,
            idempotent=_EDITS_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        rules=ServiceClient(
            RulesServiceStub,
            settings.accounts_address,
            service=RULES,
            idempotent=_RULES_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        saved_filters=ServiceClient(
            SavedFiltersServiceStub,
            settings.accounts_address,
            service=SAVED_FILTERS,
            idempotent=_SAVED_FILTERS_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        ingestion=ServiceClient(
            IngestionServiceStub,
            settings.ingestion_address,
            service=INGESTION,
            idempotent=_INGESTION_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        categorization=ServiceClient(
            CategorizationServiceStub,
            settings.categorization_address,
            service=CATEGORIZATION,
            idempotent=_CATEGORIZATION_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        training=ServiceClient(
            TrainingServiceStub,
            settings.training_address,
            service=TRAINING,
            idempotent=_TRAINING_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        model_registry=ServiceClient(
            ModelRegistryServiceStub,
            settings.training_address,
            service=MODEL_REGISTRY,
            idempotent=_MODEL_REGISTRY_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        notifications=ServiceClient(
            NotificationsServiceStub,
            settings.training_address,
            service=NOTIFICATIONS,
            idempotent=_NOTIFICATIONS_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        accounts_user_data=ServiceClient(
            AccountsUserDataStub,
            settings.accounts_address,
            service=ACCOUNTS_USER_DATA,
            timeout_s=settings.timeout_s,
        ),
        ingestion_user_data=ServiceClient(
            IngestionUserDataStub,
            settings.ingestion_address,
            service=INGESTION_USER_DATA,
            timeout_s=settings.timeout_s,
        ),
        categorization_user_data=ServiceClient(
            CategorizationUserDataStub,
            settings.categorization_address,
            service=CATEGORIZATION_USER_DATA,
            timeout_s=settings.timeout_s,
        ),
        training_user_data=ServiceClient(
            TrainingUserDataStub,
            settings.training_address,
            service=TRAINING_USER_DATA,
            timeout_s=settings.timeout_s,
        ),
        redis=redis,
    )


def redis_from(settings: GatewaySettings) -> Redis | None:
    """The client of the configured Redis, or None."""
    if settings.redis_url is None:
        return None
    return connect_redis(settings.redis_url.get_secret_value(), connect_timeout_s=settings.redis_timeout_s)


def upstreams(request: Request) -> Upstreams:
    """Those of the running app."""
    return cast(Upstreams, request.app.state.upstreams)
