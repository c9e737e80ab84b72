"""Settings of versions of the federated model, a part of the federation's."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from services.federation.versions.registry import CALLER
from services.kit.service_tokens import ServiceTokens
from services.kit.settings import service_config
from services.kit.signed_links import LEAST_KEY_CHARS
from services.kit.storage import ObjectStorage

MODELS_DIR = Path(__file__).resolve().parents[3] / "models" / "hypcd"
"""The categorizer that comes with the product."""


class VersionsSettings(BaseSettings):
    """Where versions come from, lie, and go to. SCALE_FEDERATION_<NAME>."""

    model_config = service_config("federation")

    storage_url: str = Field(
        validation_alias=AliasChoices("SCALE_FEDERATION_STORAGE_URL", "SCALE_STORAGE_URL"),
        description="Where encoders lie: file:///folder, s3://bucket/prefix or gs://bucket/prefix. Default: SCALE_STORAGE_URL.",
    )
    models_dir: Path | None = Field(
        None,
        validation_alias=AliasChoices("SCALE_FEDERATION_MODELS_DIR", "MODELS_DIR"),
        description="Folder of the categorizer that the first version is made of while the registry has none, or the one above, with hypcd "
        "in it. Default: the project's.",
    )
    training_address: str = Field(
        "127.0.0.1:8085", validation_alias="SCALE_TRAINING_ADDRESS", description="Where the training service, with the registry, listens."
    )
    registry_key: SecretStr | None = Field(
        None,
        description="Signs what is asked of the registry, and registered there: base64url of an Ed25519 seed, 32 bytes. Without it the "
        "first version is the model that comes with the project, and none reaches categorization.",
    )
    registry_s: float = Field(30, gt=0, description="Seconds between two looks whether the registry lacks a version.")
    link_key: SecretStr | None = Field(
        None,
        description="Signs addresses of the model's parts, at least 32 characters, the same in every replica; new,old while one takes the "
        "other's place. Default: derived from SCALE_AUTH_SECRET.",
    )
    link_lifetime_s: float = Field(900, gt=0, description="Seconds for which such an address works.")
    code_version: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Of the code that makes versions, as the registry tells it. Default: that of the installed package.",
    )

    @field_validator("storage_url")
    @classmethod
    def _usable_storage(cls, url: str) -> str:
        ObjectStorage(url)
        return url

    @field_validator("registry_key")
    @classmethod
    def _registry_key_usable(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            ServiceTokens(CALLER, key.get_secret_value())
        return key

    @field_validator("link_key")
    @classmethod
    def _link_keys_usable(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and any(len(part.strip()) < LEAST_KEY_CHARS for part in key.get_secret_value().split(",")):
            raise ValueError(f"each key needs at least {LEAST_KEY_CHARS} characters")
        return key

    def link_secrets(self, auth_secret: SecretStr | None) -> tuple[str, ...]:
        """The keys for `SignedLinks`. ValueError where there is none to derive one from."""
        if self.link_key is not None:
            return tuple(part.strip() for part in self.link_key.get_secret_value().split(","))
        if auth_secret is None:
            raise ValueError("SCALE_FEDERATION_LINK_KEY is needed where tokens are not signed with SCALE_AUTH_SECRET")
        return (auth_secret.get_secret_value(),)

    @property
    def own_version(self) -> str:
        """Of the code that makes versions."""
        return self.code_version or version("scale-finance")

    @property
    def categorizer_folder(self) -> Path:
        """Where the files of the categorizer lie that comes with the product."""
        if self.models_dir is None:
            return MODELS_DIR
        below = self.models_dir / MODELS_DIR.name
        return below if below.is_dir() else self.models_dir
