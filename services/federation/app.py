"""Puts the federation service together: the coordinator of rounds, devices, versions of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc.aio

from scale.federation.v1.devices_service_pb2_grpc import add_DevicesServiceServicer_to_server
from scale.federation.v1.federated_model_service_pb2_grpc import add_FederatedModelServiceServicer_to_server
from scale.federation.v1.participation_service_pb2_grpc import add_ParticipationServiceServicer_to_server
from scale.federation.v1.rounds_service_pb2_grpc import add_RoundsServiceServicer_to_server
from scale.federation.v1.user_data_service_pb2_grpc import add_UserDataServiceServicer_to_server
from services.federation.devices.budgets import DeviceBudget
from services.federation.devices.credentials import Credentials
from services.federation.devices.known import KnownDevices
from services.federation.devices.ledger import DeviceLedger
from services.federation.devices.repository import PostgresDevicesRepository, PostgresLedgerRepository
from services.federation.devices.service import DevicesService
from services.federation.devices.servicer import DevicesServicer
from services.federation.devices.signatures import SIGNED_METHODS, DeviceSignatures, device
from services.federation.domain import MAX_UPDATE_BYTES
from services.federation.ending import Judge
from services.federation.heads import SafetensorsHeads
from services.federation.leadership import Leadership
from services.federation.participation.servicer import SERVICE as PARTICIPATION_SERVICE
from services.federation.participation.servicer import ParticipationServicer
from services.federation.plans import Plans
from services.federation.predictor import HoldOutGate
from services.federation.protocols import Gate
from services.federation.repository import PostgresRoundsRepository
from services.federation.rounds import RoundEngine
from services.federation.running import Runner
from services.federation.service import RoundsService
from services.federation.servicer import BACKGROUND_METHODS, RoundsServicer
from services.federation.servicer import SERVICE as ROUNDS_SERVICE
from services.federation.settings import FederationSettings
from services.federation.user_data.repository import PostgresFederationUserData
from services.federation.user_data.service import FederationUserDataService
from services.federation.user_data.servicer import FederationUserDataServicer
from services.federation.versions.app import VersionsApp
from services.federation.versions.gate import VersionsGate
from services.federation.versions.servicer import OPEN_METHODS
from services.federation.versions.servicer import SERVICE as MODEL_SERVICE
from services.kit.database_metrics import export_database
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.server import Server, set_up_process

if TYPE_CHECKING:
    from services.federation.silos import Silos

NAME = "federation"
DEVICES_SERVICE = "scale.federation.v1.DevicesService"
USER_DATA_SERVICE = "scale.federation.v1.UserDataService"
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""More than other services take (C-36): an update of 5 MiB, though it comes in pieces, fits into one."""
assert MAX_MESSAGE_BYTES > MAX_UPDATE_BYTES  # nosec B101


class FederationApp:
    """The running parts of the service, from settings to server."""

    def __init__(self, settings: FederationSettings, *, gate: Gate | None = None) -> None:
        """`gate` in place of the product's own."""
        self.database = Database(settings.database_url.get_secret_value(), settings)
        page_tokens = PageTokens(settings.page_token_secret)
        self._versions = VersionsApp(
            settings,
            self.database,
            page_tokens,
            auth_secret=settings.auth_secret,
            redis_url=settings.redis_url,
            promote=settings.promote,
        )
        rounds, codec = PostgresRoundsRepository(self.database), SafetensorsHeads()
        budget = DeviceBudget(settings.budget_epsilon)
        devices = PostgresDevicesRepository(self.database)
        self._known = KnownDevices(devices)
        self.silos = _silos(settings) if settings.silos else None
        self._hold_out = VersionsGate(self._versions.service, HoldOutGate)
        judge = Judge(gate or self._hold_out, codec, tolerance=settings.accuracy_tolerance)
        self.engine = RoundEngine(
            rounds,
            DeviceLedger(PostgresLedgerRepository(self.database), budget),
            Runner(rounds, self._versions.service, judge, codec, self.silos),
            settings,
            usual_noise=settings.noise_multiplier,
        )
        service = RoundsService(
            rounds,
            self._versions.service,
            self.engine,
            Plans(settings, development=settings.environment == "development"),
            codec,
            budget_epsilon=settings.budget_epsilon,
            interval_hours=settings.interval_hours,
        )
        self._rounds_servicer = RoundsServicer(service, page_tokens)
        self._participation_servicer = ParticipationServicer(self.engine, self._versions.parts, device)
        devices_service = DevicesService(devices, listeners=[self._known, self.engine], most_devices=settings.most_devices)
        credentials = Credentials(settings.device_secrets)
        self._devices_servicer = DevicesServicer(devices_service, credentials, budget, page_tokens)
        user_data = FederationUserDataService(
            PostgresFederationUserData(self.database, statement_timeout_s=settings.export_timeout_s),
            self._known,
            max_exports=settings.max_exports,
        )
        self._user_data_servicer = FederationUserDataServicer(user_data, idle_timeout_s=settings.restore_idle_timeout_s)
        self._leadership = Leadership(
            settings.leader_url,
            gained=self.engine.activate,
            lost=self.engine.deactivate,
            every_s=settings.leader_s,
        )
        self.server = Server(
            settings,
            name=NAME,
            services=[ROUNDS_SERVICE, PARTICIPATION_SERVICE, DEVICES_SERVICE, MODEL_SERVICE, USER_DATA_SERVICE],
            register=self._register,
            service_methods=BACKGROUND_METHODS,
            open_methods=OPEN_METHODS | SIGNED_METHODS,
            check=self._ready,
            figures=self.database.figures,
            interceptors=[DeviceSignatures(self._known, credentials)],
            max_message_bytes=MAX_MESSAGE_BYTES,
            max_calls=settings.max_calls,
            before_stop=self.engine.close,
        )

    def _register(self, server: grpc.aio.Server) -> None:
        add_RoundsServiceServicer_to_server(self._rounds_servicer, server)
        add_ParticipationServiceServicer_to_server(self._participation_servicer, server)
        add_DevicesServiceServicer_to_server(self._devices_servicer, server)
        add_FederatedModelServiceServicer_to_server(self._versions.servicer, server)
        add_UserDataServiceServicer_to_server(self._user_data_servicer, server)

    async def _ready(self) -> bool:
        return bool((await self.database.health())["ok"])

    async def open(self) -> None:
        """Connects, and tries to become the active coordinator."""
        await self.database.open()
        if self.silos is not None:
            await self.silos.open()
        self._versions.start()
        self._leadership.start()

    async def close(self) -> None:
        """Ends the open round on record, and lets go of all."""
        await self.engine.close()
        await self._leadership.close()
        if self.silos is not None:
            await self.silos.close()
        await self._versions.close()
        await self._hold_out.close()
        await self.database.close()


def _silos(settings: FederationSettings) -> Silos:
    # Here, for they bring Flower's whole server along: half of what a start takes.
    from services.federation.silos import Silos

    return Silos(settings)


async def run(settings: FederationSettings) -> None:
    """Serves until SIGTERM or SIGINT."""
    set_up_process(NAME, settings)
    app = FederationApp(settings)
    export_database(app.database)
    await app.open()
    try:
        await app.server.run_until_signal()
    finally:
        await app.close()
