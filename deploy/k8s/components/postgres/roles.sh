# Once, in the empty database: who owns the tables (no superuser, as in a managed server), and who makes backups, which no line of the image's
# lets in: `all` is every database, not replication.
set -eu
printf 'host replication scale_backup all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
psql -v ON_ERROR_STOP=1 -U postgres -d postgres <<'SQL'
\getenv migrator MIGRATOR_PASSWORD
\getenv backup BACKUP_PASSWORD
CREATE ROLE scale_migrator LOGIN NOSUPERUSER NOCREATEDB CREATEROLE BYPASSRLS NOREPLICATION PASSWORD :'migrator';
CREATE ROLE scale_backup LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS REPLICATION PASSWORD :'backup';
GRANT pg_monitor TO scale_backup;
GRANT EXECUTE ON FUNCTION pg_switch_wal() TO scale_backup;
CREATE DATABASE scale OWNER scale_migrator;
\connect scale
SELECT format('CREATE EXTENSION IF NOT EXISTS %I', name) FROM pg_available_extensions
 WHERE name IN ('pg_trgm', 'pg_stat_statements') \gexec
SQL
