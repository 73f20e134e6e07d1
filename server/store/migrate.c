#include <inttypes.h>
#include <towline/clock.h>

#include "store/backend.h"
#include "store/migrations.h"

/* The table that says which migrations have run. Outside the numbered ones: it must exist before. */
static const char version_table[] =
	"CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, name TEXT NOT NULL,"
	" applied_ms BIGINT NOT NULL)";

static int64_t latest_version(void)
{
	return tl_migrations[tl_migration_count - 1].version;
}

static int read_version(struct tl_store *store, int64_t *ret_version, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	int r = tl_store_row(store, "SELECT COALESCE(MAX(version), 0) FROM schema_version",
			     TL_NO_ARGS, &rows, err);

	if (r == 0)
		*ret_version = tl_rows_int(rows, 0);
	return r;
}

static int refuse_newer(int64_t version, struct tl_err *err)
{
	return tl_err_set(err, TL_ESCHEMA,
			  "the store's schema is version %" PRId64 ", this program knows %" PRId64
			  ": install the newer program",
			  version, latest_version());
}

static int apply(struct tl_store *store, const struct tl_migration *migration, struct tl_err *err)
{
	bool other = migration->sql_postgresql && tl_store_is_postgresql(store);
	int r = tl_store_script(store, other ? migration->sql_postgresql : migration->sql, err);

	if (r == 0)
		r = tl_store_exec(store,
				  "INSERT INTO schema_version (version, name, applied_ms)"
				  " VALUES ($1, $2, $3)",
				  TL_ARGS(TL_ARG_INT(migration->version),
					  TL_ARG_TEXT(migration->name),
					  TL_ARG_INT(tl_clock_wall_ms(tl_clock_system()))),
				  NULL, err);
	if (r < 0)
		tl_err_prefix(err, "schema version %" PRId64, migration->version);
	return r;
}

/* One step. The version is read inside the transaction, which is the lock: of two relays that start
 * together the second finds the work done. */
static int migrate_once(struct tl_store *store, void *arg, struct tl_err *err)
{
	bool *ret_done = arg;
	int64_t version = 0;
	int r = tl_store_script(store, version_table, err);

	if (r == 0)
		r = read_version(store, &version, err);
	if (r < 0)
		return r;
	if (version > latest_version())
		return refuse_newer(version, err);
	*ret_done = version == latest_version();
	for (size_t i = 0; i < tl_migration_count; i++) {
		if (tl_migrations[i].version > version)
			return apply(store, &tl_migrations[i], err);
	}
	return 0;
}

int tl_store_migrate(struct tl_store *store, struct tl_err *err)
{
	bool done = false;
	int r = 0;

	while (r == 0 && !done)
		r = tl_store_transaction(store, migrate_once, &done, err);
	return r;
}

static int has_version_table(struct tl_store *store, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	const char *sql = tl_store_is_postgresql(store)
				  ? "SELECT 1 FROM pg_tables WHERE schemaname = current_schema()"
				    " AND tablename = 'schema_version'"
				  : "SELECT 1 FROM sqlite_schema WHERE type = 'table'"
				    " AND name = 'schema_version'";

	return tl_store_row(store, sql, TL_NO_ARGS, &rows, err);
}

int tl_store_check_schema(struct tl_store *store, struct tl_err *err)
{
	int64_t version = 0;
	int r = has_version_table(store, err);

	if (r == 0)
		r = read_version(store, &version, err);
	if (r < 0 && r != TL_ENOENT)
		return r;
	if (version > latest_version())
		return refuse_newer(version, err);
	if (version < latest_version())
		return tl_err_set(err, TL_ESCHEMA,
				  "the store's schema is version %" PRId64
				  ", this program needs %" PRId64 ": migrate it first",
				  version, latest_version());
	return 0;
}
