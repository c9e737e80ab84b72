"""What the backups read from the environment: SCALE_BACKUP_<NAME>."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from operations.backup.problem import BackupProblem


class BackupSettings(BaseSettings):
    """Where backups go, how they are sealed, and how long they are kept."""

    model_config = SettingsConfigDict(env_prefix="SCALE_BACKUP_", extra="ignore", populate_by_name=True)

    url: str | None = Field(
        None,
        description="Where backups go: file:///folder, s3://bucket/prefix, gs://… or az://…; no backups when absent.",
    )
    key_file: Path | None = Field(
        None,
        description="File with the keys of backups, 64 hex digits a line, the first for new ones; not encrypted when absent.",
    )
    database_url: SecretStr | None = Field(
        None, description="The database as the role scale_backup, which has REPLICATION; default: the embedded one of SCALE_HOME."
    )
    retention_days: int = Field(
        30, ge=1, le=3650, description="Days back to which a restore is possible: 30 in production, 7 in staging, 1 elsewhere."
    )
    max_waiting_bytes: int = Field(
        4 * 1024**3,
        ge=0,
        description="Log that may wait for its archive; above it, segments are given up, lest PostgreSQL's disk fills up; 0: never.",
    )
    log_here: bool = Field(
        True, description="Whether the log goes there, too; false where a managed server keeps its own: then no figure tells its age."
    )
    metrics_file: Path | None = Field(
        None, description="File for node_exporter's textfile collector, written after each command; none when absent."
    )

    def target(self) -> str:
        """Where backups go. Raises BackupProblem where nobody has said so."""
        if not self.url:
            raise BackupProblem(
                "SCALE_BACKUP_URL is not set: it says where backups go, such as file:///var/backups/scale or s3://bucket/prefix."
            )
        return self.url

    def database(self) -> str:
        """The URL of the database to back up. Raises BackupProblem where there is none."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        # Only here: archive_command, which has a URL, starts for every segment.
        from services.local.home import LocalHome, Ports, default_home, port_base
        from services.local.postgres import BACKUP_ROLE, EmbeddedPostgres
        from services.local.problem import LocalProblem

        home = LocalHome(default_home())
        if home.known_secret(f"postgres:{BACKUP_ROLE}") is None:
            raise BackupProblem(
                f"SCALE_BACKUP_DATABASE_URL is not set, and {home.path} holds no database of its own with a role for backups: "
                "start it once with SCALE_BACKUP_URL set, or set SCALE_HOME."
            )
        try:
            return EmbeddedPostgres(home, Ports(port_base()).postgres).url(BACKUP_ROLE)
        except LocalProblem as problem:
            raise BackupProblem(str(problem)) from problem


def load_settings() -> BackupSettings:
    """The settings; raises BackupProblem with a line for each variable that is wrong."""
    try:
        return BackupSettings()
    except ValidationError as error:
        lines = [f"SCALE_BACKUP_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
        raise BackupProblem("\n".join(lines)) from None
