"""Puts versions of the federated model together, for the federation's own composition root."""

from __future__ import annotations

from pydantic import SecretStr

from services.federation.versions.categorizer import HypcdCategorizers
from services.federation.versions.domain import LINKS_PURPOSE
from services.federation.versions.events import RedisVersionEvents
from services.federation.versions.handover import Handovers
from services.federation.versions.parts import ModelParts
from services.federation.versions.registry import GrpcModelRegistry
from services.federation.versions.repository import PostgresFederatedVersions
from services.federation.versions.service import FederatedVersions
from services.federation.versions.servicer import FederatedModelServicer
from services.federation.versions.settings import VersionsSettings
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.signed_links import SignedLinks
from services.kit.storage import ObjectStorage


class VersionsApp:
    """`service` for the rounds, `parts` for what devices download, `servicer` for the server. `start` it, and `close` it."""

    def __init__(
        self,
        settings: VersionsSettings,
        database: Database,
        page_tokens: PageTokens,
        *,
        auth_secret: SecretStr | None,
        redis_url: SecretStr | None,
        promote: bool,
    ) -> None:
        """`promote`: whether versions answer in categorization of whose rounds nobody has said."""
        repository = PostgresFederatedVersions(database)
        links = SignedLinks(settings.link_secrets(auth_secret), purpose=LINKS_PURPOSE, lifetime_s=settings.link_lifetime_s)
        categorizers = HypcdCategorizers(settings.categorizer_folder)
        key = settings.registry_key
        self._registry = (
            GrpcModelRegistry(settings.training_address, key.get_secret_value(), code_version=settings.own_version) if key else None
        )
        self._events = RedisVersionEvents(redis_url.get_secret_value()) if redis_url else None
        self.parts = ModelParts(repository, ObjectStorage(settings.storage_url), links, spare=categorizers.shipped_encoder)
        self._handovers = Handovers(
            repository,
            self.parts,
            categorizers,
            self._registry,
            self._events,
            promote=promote,
            every_s=settings.registry_s,
        )
        self.service = FederatedVersions(repository, self.parts, categorizers, self._handovers, self._registry)
        self.servicer = FederatedModelServicer(self.service, self.parts, page_tokens)

    def start(self) -> None:
        """Hands over what the registry lacks, now and again."""
        self._handovers.start()

    async def close(self) -> None:
        """Lets go of Redis and the registry."""
        await self._handovers.close()
        if self._registry is not None:
            await self._registry.close()
        if self._events is not None:
            await self._events.close()
