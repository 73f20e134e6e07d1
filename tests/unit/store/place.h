/* A place for a store under test: an empty database of its own, in a temporary directory for SQLite,
 * in a schema of its own for PostgreSQL. */
#ifndef TOWLINE_TESTS_STORE_PLACE_H
#define TOWLINE_TESTS_STORE_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdbool.h>
#include <cmocka.h>

#include "store/store.h"

struct place {
	bool postgresql;
	char dir[128];
	char schema[64];
	char url[512];
	struct tl_store *store; /* open and migrated */
};

/* Per test: *state is a struct place. */
int place_setup(void **state);
int place_teardown(void **state);
#define PLACE_TEST(function) cmocka_unit_test_setup_teardown(function, place_setup, place_teardown)

/* Another connection to the same database. */
struct tl_store *place_open(const struct place *place);
/* Runs SQL that must succeed. */
void place_sql(struct tl_store *store, const char *sql);
/* The number that a query of one row and one column gives. */
int64_t place_number(struct tl_store *store, const char *sql);

/* Runs the tests on SQLite, or on PostgreSQL when the program's argument is "postgresql": then the
 * status is 77 (skipped) where TOWLINE_TEST_POSTGRESQL names no database. */
int place_main(const char *group, const struct CMUnitTest *tests, size_t count, int argc,
	       char **argv);

#endif
