"""The services behind the gateway: one channel to each, for as long as the process runs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, cast

from fastapi import Request
from redis.asyncio import Redis

from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from scale.accounts.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from scale.accounts.v1.budgets_service_pb2_grpc import BudgetsServiceStub
from scale.accounts.v1.edits_service_pb2_grpc import EditsServiceStub
from scale.accounts.v1.rules_service_pb2_grpc import RulesServiceStub
from scale.accounts.v1.saved_filters_service_pb2_grpc import SavedFiltersServiceStub
from scale.accounts.v1.user_data_service_pb2_grpc import UserDataServiceStub as AccountsUserDataStub
from scale.anomaly.v1.anomaly_service_pb2_grpc import AnomalyServiceStub
from scale.categorization.v1.categorization_service_pb2_grpc import CategorizationServiceStub
from scale.categorization.v1.user_data_service_pb2_grpc import UserDataServiceStub as CategorizationUserDataStub
from scale.federation.v1.devices_service_pb2_grpc import DevicesServiceStub
from scale.federation.v1.federated_model_service_pb2_grpc import FederatedModelServiceStub
from scale.federation.v1.rounds_service_pb2_grpc import RoundsServiceStub
from scale.federation.v1.user_data_service_pb2_grpc import UserDataServiceStub as FederationUserDataStub
from scale.forecasting.v1.forecasting_service_pb2_grpc import ForecastingServiceStub
from scale.forecasting.v1.user_data_service_pb2_grpc import UserDataServiceStub as ForecastingUserDataStub
from scale.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from scale.ingestion.v1.user_data_service_pb2_grpc import UserDataServiceStub as IngestionUserDataStub
from scale.training.v1.model_registry_service_pb2_grpc import ModelRegistryServiceStub
from scale.training.v1.notifications_service_pb2_grpc import NotificationsServiceStub
from scale.training.v1.training_service_pb2_grpc import TrainingServiceStub
from scale.training.v1.user_data_service_pb2_grpc import UserDataServiceStub as TrainingUserDataStub
from services.gateway.preferred import PreferredClient
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
ANOMALIES = "scale.anomaly.v1.AnomalyService"
FORECASTING = "scale.forecasting.v1.ForecastingService"
TRAINING = "scale.training.v1.TrainingService"
MODEL_REGISTRY = "scale.training.v1.ModelRegistryService"
NOTIFICATIONS = "scale.training.v1.NotificationsService"
ROUNDS = "scale.federation.v1.RoundsService"
FEDERATED_MODEL = "scale.federation.v1.FederatedModelService"
DEVICES = "scale.federation.v1.DevicesService"
ACCOUNTS_USER_DATA = "scale.accounts.v1.UserDataService"
INGESTION_USER_DATA = "scale.ingestion.v1.UserDataService"
CATEGORIZATION_USER_DATA = "scale.categorization.v1.UserDataService"
FORECASTING_USER_DATA = "scale.forecasting.v1.UserDataService"
TRAINING_USER_DATA = "scale.training.v1.UserDataService"
FEDERATION_USER_DATA = "scale.federation.v1.UserDataService"

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
_ANOMALIES_REPEATABLE = ("StartScan", "GetScan", "ListAnomalies", "GetAnomaly", "DismissAnomaly", "ReopenAnomaly")
_FORECASTING_REPEATABLE = ("CreateForecast", "GetForecast", "ListForecasts", "GetModelInfo")
_TRAINING_REPEATABLE = ("StartTrainingJob", "GetTrainingJob", "ListTrainingJobs", "CancelTrainingJob", "WatchTrainingJob")
# Not RollBackModel: where no version is named, a second one goes back twice.
_MODEL_REGISTRY_REPEATABLE = ("ListModelVersions", "GetModelVersion", "GetLiveModelVersion", "PromoteModelVersion", "ReadArtifact")
_NOTIFICATIONS_REPEATABLE = ("ListNotifications", "MarkNotificationsRead")
_ROUNDS_REPEATABLE = ("StartRound", "AbortRound", "GetRound", "ListRounds", "GetFederationStatus")
# Not RollBackFederatedModel: each adds a version.
_FEDERATED_MODEL_REPEATABLE = ("GetFederatedModel", "ListFederatedModelVersions", "PromoteFederatedModel", "ReadModelPart")
_DEVICES_REPEATABLE = ("ListDevices", "RevokeDevice")


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
    classifying_batches: PreferredClient
    forecasting: ServiceClient
    creating_forecasts: PreferredClient
    anomalies: ServiceClient
    training: ServiceClient
    model_registry: ServiceClient
    notifications: ServiceClient
    rounds: ServiceClient
    federated_model: ServiceClient
    devices: ServiceClient
    accounts_user_data: ServiceClient
    ingestion_user_data: ServiceClient
    categorization_user_data: ServiceClient
    forecasting_user_data: ServiceClient
    training_user_data: ServiceClient
    federation_user_data: ServiceClient
    redis: Redis | None
    """Where queue and events are."""
    cache: Redis | None
    """Where the rate limiter counts; the same client where one server has it all."""

    def user_data(self) -> dict[str, ServiceClient]:
        """Of every service that stores users' data, in the order in which it is brought back; it is erased in the opposite one."""
        return {
            "accounts": self.accounts_user_data,
            "ingestion": self.ingestion_user_data,
            "categorization": self.categorization_user_data,
            "forecasting": self.forecasting_user_data,
            "training": self.training_user_data,
            "federation": self.federation_user_data,
        }

    async def close(self) -> None:
        """Closes every connection."""
        for field in fields(self):
            client = getattr(self, field.name)
            if isinstance(client, ServiceClient | PreferredClient):
                await client.close()
        for redis in {one for one in (self.redis, self.cache) if one is not None}:
            await redis.aclose()


def connect(settings: GatewaySettings, redis: Redis | None, cache: Redis | None = None) -> Upstreams:
    """Channels that connect at the first call and again whenever a service is back. Needs a running event loop.

    No circuit breaker on top: a channel without a connection fails its calls at once and tries again every second, which is back within the
    five seconds that a restart takes; a breaker with the 30 s of REL-10 would answer 503 for longer than the outage lasts.
    """
    categorization = ServiceClient(
        CategorizationServiceStub,
        settings.categorization_address,
        service=CATEGORIZATION,
        idempotent=_CATEGORIZATION_REPEATABLE,
        timeout_s=settings.timeout_s,
    )
    forecasting = ServiceClient(
        ForecastingServiceStub,
        settings.forecasting_address,
        service=FORECASTING,
        idempotent=_FORECASTING_REPEATABLE,
        timeout_s=settings.timeout_s,
    )
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
        categorization=categorization,
        classifying_batches=PreferredClient(
            categorization, _on_gpus(CategorizationServiceStub, settings.categorization_batch_address, CATEGORIZATION)
        ),
        forecasting=forecasting,
        creating_forecasts=PreferredClient(forecasting, _on_gpus(ForecastingServiceStub, settings.forecasting_batch_address, FORECASTING)),
        anomalies=ServiceClient(
            AnomalyServiceStub,
            settings.forecasting_address,
            service=ANOMALIES,
            idempotent=_ANOMALIES_REPEATABLE,
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
        rounds=ServiceClient(
            RoundsServiceStub,
            settings.federation_address,
            service=ROUNDS,
            idempotent=_ROUNDS_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        federated_model=ServiceClient(
            FederatedModelServiceStub,
            settings.federation_address,
            service=FEDERATED_MODEL,
            idempotent=_FEDERATED_MODEL_REPEATABLE,
            timeout_s=settings.timeout_s,
        ),
        devices=ServiceClient(
            DevicesServiceStub,
            settings.federation_address,
            service=DEVICES,
            idempotent=_DEVICES_REPEATABLE,
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
        forecasting_user_data=ServiceClient(
            ForecastingUserDataStub,
            settings.forecasting_address,
            service=FORECASTING_USER_DATA,
            timeout_s=settings.timeout_s,
        ),
        training_user_data=ServiceClient(
            TrainingUserDataStub,
            settings.training_address,
            service=TRAINING_USER_DATA,
            timeout_s=settings.timeout_s,
        ),
        federation_user_data=ServiceClient(
            FederationUserDataStub,
            settings.federation_address,
            service=FEDERATION_USER_DATA,
            timeout_s=settings.timeout_s,
        ),
        redis=redis,
        cache=cache,
    )


def _on_gpus(stub_class: Any, address: str | None, service: str) -> ServiceClient | None:
    return ServiceClient(stub_class, address, service=service) if address else None


def redis_from(settings: GatewaySettings) -> tuple[Redis | None, Redis | None]:
    """The clients of queue and cache; the same one twice where both are one server."""
    urls = (settings.redis_url.get_secret_value() if settings.redis_url else None, settings.cache_address)
    clients = {url: connect_redis(url, connect_timeout_s=settings.redis_timeout_s) for url in urls if url}
    return clients.get(urls[0] or ""), clients.get(urls[1] or "")


def upstreams(request: Request) -> Upstreams:
    """Those of the running app."""
    return cast(Upstreams, request.app.state.upstreams)
