#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "place.h"
#include "store/migrations.h"

static void versions_ascend_without_gaps(void **state)
{
	(void)state;
	for (size_t i = 0; i < tl_migration_count; i++)
		assert_true(tl_migrations[i].version == (int64_t)i + 1);
}

static void each_migration_is_recorded_once(void **state)
{
	struct place *place = *state;

	for (int i = 0; i < 3; i++)
		assert_int_equal(tl_store_migrate(place->store, NULL), 0);
	assert_int_equal(tl_store_check_schema(place->store, NULL), 0);
	assert_true(place_number(place->store, "SELECT COUNT(*) FROM schema_version") ==
		    (int64_t)tl_migration_count);
}

static void a_newer_schema_is_refused(void **state)
{
	struct place *place = *state;
	struct tl_err err = TL_ERR_INIT;

	place_sql(place->store, "INSERT INTO schema_version VALUES (999, 'future', 0)");
	assert_int_equal(tl_store_migrate(place->store, &err), TL_ESCHEMA);
	assert_non_null(strstr(err.text, "999"));
	assert_int_equal(tl_store_check_schema(place->store, &err), TL_ESCHEMA);
}

static void an_older_schema_is_said_to_need_migration(void **state)
{
	struct place *place = *state;
	struct tl_err err = TL_ERR_INIT;

	place_sql(place->store, "DELETE FROM schema_version WHERE version > 1");
	assert_int_equal(tl_store_check_schema(place->store, &err), TL_ESCHEMA);
	assert_non_null(strstr(err.text, "migrate"));
}

static void a_database_without_schema_is_said_to_need_migration(void **state)
{
	struct place *place = *state;
	struct tl_err err = TL_ERR_INIT;

	place_sql(place->store, "DROP TABLE schema_version");
	assert_int_equal(tl_store_check_schema(place->store, &err), TL_ESCHEMA);
	assert_non_null(strstr(err.text, "version 0"));
}

static void a_migration_that_fails_leaves_the_schema_as_it_was(void **state)
{
	struct place *place = *state;
	struct tl_err err = TL_ERR_INIT;

	/* The last one meets its own tables. */
	place_sql(place->store, "DELETE FROM schema_version WHERE version > 2");
	place_sql(place->store, "DROP TABLE audit");
	assert_true(tl_store_migrate(place->store, &err) < 0);
	assert_non_null(strstr(err.text, "schema version 3"));
	assert_true(place_number(place->store, "SELECT MAX(version) FROM schema_version") == 2);
	place_sql(place->store, "CREATE TABLE audit (gone BIGINT)");
}

static void *open_and_migrate(void *arg)
{
	struct tl_err err = TL_ERR_INIT;
	tl_auto(tl_store) struct tl_store *store = NULL;

	if (tl_store_open(arg, &store, &err) || tl_store_migrate(store, &err)) {
		fprintf(stderr, "%s\n", tl_err_text(&err));
		return arg;
	}
	return NULL;
}

static const char *const tables[] = {
	"forward_wish",	 "ssh_revocation", "ssh_certificate", "roster",	       "recovery_code",
	"second_factor", "host_health",	   "bundle",	      "upload",	       "session",
	"idempotency",	 "timeline",	   "ticket",	      "assertion_jti", "enrolment_token",
	"host",		 "ssh_key",	   "api_token",	      "app_user",      "counter",
	"organisation",	 "audit",	   "audit_head",      "outbox",	       "schema_version",
};

static void empty_database(const struct place *place)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(tables); i++) {
		char sql[64];

		snprintf(sql, sizeof(sql), "DROP TABLE %s", tables[i]);
		place_sql(place->store, sql);
	}
}

static void relays_that_start_together_migrate_once(void **state)
{
	struct place *place = *state;
	pthread_t threads[6];

	empty_database(place);
	for (size_t i = 0; i < TL_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_migrate, place->url),
				 0);
	for (size_t i = 0; i < TL_ARRAY_LEN(threads); i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(tl_store_check_schema(place->store, NULL), 0);
	assert_true(place_number(place->store, "SELECT COUNT(*) FROM schema_version") ==
		    (int64_t)tl_migration_count);
}

static void programs_that_make_one_new_file_together_all_succeed(void **state)
{
	struct place *place = *state;
	pthread_t threads[6];
	char url[256];

	if (place->postgresql)
		skip();
	snprintf(url, sizeof(url), "sqlite:%s/fresh.db", place->dir);
	for (size_t i = 0; i < TL_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_migrate, url), 0);
	for (size_t i = 0; i < TL_ARRAY_LEN(threads); i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_ascend_without_gaps),
		PLACE_TEST(each_migration_is_recorded_once),
		PLACE_TEST(a_newer_schema_is_refused),
		PLACE_TEST(an_older_schema_is_said_to_need_migration),
		PLACE_TEST(a_database_without_schema_is_said_to_need_migration),
		PLACE_TEST(a_migration_that_fails_leaves_the_schema_as_it_was),
		PLACE_TEST(relays_that_start_together_migrate_once),
		PLACE_TEST(programs_that_make_one_new_file_together_all_succeed),
	};

	return place_main("migrations", tests, TL_ARRAY_LEN(tests), argc, argv);
}
