# Run once by the image of PostgreSQL, as the primary's database is made (compose.yaml).
# Commits wait for the replica from the next start on: what is acknowledged is on two machines.
set -e
echo "host replication replicator samenet trust" >> "$PGDATA/pg_hba.conf"
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE replicator LOGIN REPLICATION;
CREATE ROLE sxhost LOGIN;
CREATE SCHEMA sxhost AUTHORIZATION sxhost;
SELECT pg_create_physical_replication_slot('standby');
ALTER SYSTEM SET synchronous_standby_names = 'standby';
SQL
