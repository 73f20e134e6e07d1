#include "place.h"

#include <ftw.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include <towline/crypto.h>
#include <towline/str.h>

#define SKIPPED 77

static bool use_postgresql;

static void on_server(const char *verb, const char *schema, const char *how)
{
	PGconn *connection = PQconnectdb(getenv("TOWLINE_TEST_POSTGRESQL"));
	char sql[160];

	snprintf(sql, sizeof(sql), "SET client_min_messages = warning; %s SCHEMA %s %s", verb,
		 schema, how);
	PGresult *result = PQexec(connection, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail_msg("%s", PQerrorMessage(connection));
	PQclear(result);
	PQfinish(connection);
}

static void make_schema(struct place *place)
{
	const char *base = getenv("TOWLINE_TEST_POSTGRESQL");
	uint8_t random[6];
	char hex[2 * sizeof(random) + 1];

	tl_random(random, sizeof(random));
	tl_hex_encode(random, sizeof(random), hex);
	snprintf(place->schema, sizeof(place->schema), "t_%s", hex);
	on_server("CREATE", place->schema, "");
	snprintf(place->url, sizeof(place->url), "%s%coptions=-csearch_path%%3D%s", base,
		 strchr(base, '?') ? '&' : '?', place->schema);
}

int place_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct place *place = calloc(1, sizeof(*place));
	struct tl_err err = TL_ERR_INIT;

	assert_non_null(place);
	place->postgresql = use_postgresql;
	snprintf(place->dir, sizeof(place->dir), "%s/towline-store.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(place->dir));
	if (use_postgresql)
		make_schema(place);
	else
		snprintf(place->url, sizeof(place->url), "sqlite:%s/store.db", place->dir);
	place->store = place_open(place);
	if (tl_store_migrate(place->store, &err))
		fail_msg("%s", tl_err_text(&err));
	*state = place;
	return 0;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void)info;
	(void)type;
	(void)ftw;
	return remove(path);
}

int place_teardown(void **state)
{
	struct place *place = *state;

	tl_store_close(place->store);
	if (place->postgresql)
		on_server("DROP", place->schema, "CASCADE");
	nftw(place->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(place);
	return 0;
}

struct tl_store *place_open(const struct place *place)
{
	struct tl_store *store = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_store_open(place->url, &store, &err))
		fail_msg("%s", tl_err_text(&err));
	return store;
}

void place_sql(struct tl_store *store, const char *sql)
{
	struct tl_err err = TL_ERR_INIT;

	if (tl_store_exec(store, sql, TL_NO_ARGS, NULL, &err))
		fail_msg("%s: %s", sql, tl_err_text(&err));
}

int64_t place_number(struct tl_store *store, const char *sql)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_store_row(store, sql, TL_NO_ARGS, &rows, &err))
		fail_msg("%s: %s", sql, tl_err_text(&err));
	return tl_rows_int(rows, 0);
}

int place_main(const char *group, const struct CMUnitTest *tests, size_t count, int argc,
	       char **argv)
{
	char name[64];

	use_postgresql = argc > 1 && strcmp(argv[1], "postgresql") == 0;
	if (use_postgresql && !getenv("TOWLINE_TEST_POSTGRESQL")) {
		printf("NOT RUN on PostgreSQL: TOWLINE_TEST_POSTGRESQL names no database\n");
		return SKIPPED;
	}
	snprintf(name, sizeof(name), "%s on %s", group, use_postgresql ? "PostgreSQL" : "SQLite");
	return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}
