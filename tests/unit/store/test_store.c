#include "store/store.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <towline/fs.h>

#include "place.h"

static void make_table(struct tl_store *store)
{
	place_sql(
		store,
		"CREATE TABLE thing (id TEXT PRIMARY KEY, n BIGINT CHECK (n < 100),"
		" note TEXT NOT NULL DEFAULT '', organisation TEXT REFERENCES organisation (id))");
}

static int add(struct tl_store *store, const char *id, int64_t n, struct tl_err *err)
{
	return tl_store_exec(store, "INSERT INTO thing (id, n) VALUES ($1, $2)",
			     TL_ARGS(TL_ARG_TEXT(id), TL_ARG_INT(n)), NULL, err);
}

/* ---- arguments and rows ---------------------------------------------------------------------- */

static void values_come_back_as_they_went_in(void **state)
{
	static const char unicode[] = "Zürich 数据 🚢 \n\t'\"\\ $1 %s";
	struct tl_store *store = ((struct place *)*state)->store;
	tl_auto(tl_rows) struct tl_rows *rows = NULL;

	place_sql(store, "CREATE TABLE pair (a BIGINT, b TEXT, c BIGINT, d TEXT)");
	assert_int_equal(tl_store_exec(store, "INSERT INTO pair VALUES ($1, $2, $3, $4)",
				       TL_ARGS(TL_ARG_INT(INT64_MIN), TL_ARG_TEXT(unicode),
					       TL_ARG_INT(INT64_MAX), TL_ARG_TEXT("")),
				       NULL, NULL),
			 0);
	assert_int_equal(tl_store_row(store, "SELECT a, b, c, d FROM pair", TL_NO_ARGS, &rows,
				      NULL),
			 0);
	assert_true(tl_rows_int(rows, 0) == INT64_MIN);
	assert_string_equal(tl_rows_text(rows, 1), unicode);
	assert_true(tl_rows_int(rows, 2) == INT64_MAX);
	assert_string_equal(tl_rows_text(rows, 3), "");
	assert_false(tl_rows_is_null(rows, 3));
}

static void null_is_neither_zero_nor_empty(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	tl_auto(tl_rows) struct tl_rows *rows = NULL;

	make_table(store);
	assert_int_equal(tl_store_exec(store, "INSERT INTO thing (id, n) VALUES ($1, $2)",
				       TL_ARGS(TL_ARG_TEXT("a"), TL_ARG_TEXT(NULL)), NULL, NULL),
			 0);
	assert_int_equal(tl_store_row(store, "SELECT n, note FROM thing", TL_NO_ARGS, &rows, NULL),
			 0);
	assert_true(tl_rows_is_null(rows, 0));
	assert_true(tl_rows_int(rows, 0) == 0);
	assert_string_equal(tl_rows_text(rows, 0), "");
	assert_false(tl_rows_is_null(rows, 1));
}

static void a_placeholder_may_stand_more_than_once_and_in_any_order(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	tl_auto(tl_rows) struct tl_rows *rows = NULL;

	make_table(store);
	assert_int_equal(tl_store_exec(store, "INSERT INTO thing (n, id, note) VALUES ($2, $1, $1)",
				       TL_ARGS(TL_ARG_TEXT("twice"), TL_ARG_INT(7)), NULL, NULL),
			 0);
	assert_int_equal(tl_store_row(store, "SELECT n FROM thing WHERE id = $1 AND note = $1",
				      TL_ARGS(TL_ARG_TEXT("twice")), &rows, NULL),
			 0);
	assert_true(tl_rows_int(rows, 0) == 7);
}

static void a_statement_is_used_again_with_other_argument_types(void **state)
{
	static const char sql[] = "SELECT COUNT(*) FROM thing WHERE ($1 IS NULL OR n = $1)";
	struct tl_store *store = ((struct place *)*state)->store;
	const struct tl_store_arg args[] = {TL_ARG_INT(1), TL_ARG_TEXT(NULL), TL_ARG_INT(2)};
	const int64_t counts[] = {1, 2, 1};

	make_table(store);
	assert_int_equal(add(store, "a", 1, NULL), 0);
	assert_int_equal(add(store, "b", 2, NULL), 0);
	for (size_t i = 0; i < TL_ARRAY_LEN(args); i++) {
		tl_auto(tl_rows) struct tl_rows *rows = NULL;

		assert_int_equal(tl_store_row(store, sql, &args[i], 1, &rows, NULL), 0);
		assert_true(tl_rows_int(rows, 0) == counts[i]);
	}
}

static void more_statements_than_are_kept_prepared_still_run(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 250; i++) {
			char sql[64];

			snprintf(sql, sizeof(sql), "SELECT %d + 0", i);
			assert_true(place_number(store, sql) == i);
		}
	}
}

static void the_same_query_can_be_read_twice_at_once(void **state)
{
	static const char sql[] = "SELECT id FROM thing ORDER BY id";
	struct tl_store *store = ((struct place *)*state)->store;
	tl_auto(tl_rows) struct tl_rows *outer = NULL;
	int seen = 0;

	make_table(store);
	assert_int_equal(add(store, "a", 1, NULL), 0);
	assert_int_equal(add(store, "b", 2, NULL), 0);
	assert_int_equal(tl_store_query(store, sql, TL_NO_ARGS, &outer, NULL), 0);
	while (tl_rows_next(outer, NULL) == 1) {
		tl_auto(tl_rows) struct tl_rows *inner = NULL;

		assert_int_equal(tl_store_query(store, sql, TL_NO_ARGS, &inner, NULL), 0);
		while (tl_rows_next(inner, NULL) == 1)
			seen++;
		assert_int_equal(tl_rows_next(inner, NULL), 0);
	}
	assert_int_equal(seen, 4);
	assert_int_equal(tl_rows_next(outer, NULL), 0);
}

static void changed_counts_the_rows_touched(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	int64_t changed = -1;

	make_table(store);
	assert_int_equal(add(store, "a", 1, NULL), 0);
	assert_int_equal(add(store, "b", 2, NULL), 0);
	assert_int_equal(tl_store_exec(store, "UPDATE thing SET n = 3", TL_NO_ARGS, &changed, NULL),
			 0);
	assert_true(changed == 2);
	assert_int_equal(tl_store_exec(store, "UPDATE thing SET n = 3 WHERE id = 'c'", TL_NO_ARGS,
				       &changed, NULL),
			 0);
	assert_true(changed == 0);
	assert_int_equal(tl_store_exec(store,
				       "INSERT INTO thing (id) VALUES ('a') ON CONFLICT DO NOTHING",
				       TL_NO_ARGS, &changed, NULL),
			 0);
	assert_true(changed == 0);
}

static void a_row_that_is_not_there_is_enoent(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	struct tl_rows *rows = NULL;

	assert_int_equal(tl_store_row(store, "SELECT 1 FROM host", TL_NO_ARGS, &rows, NULL),
			 TL_ENOENT);
	assert_null(rows);
}

static int count_by_text(struct tl_store *store, void *arg, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	int r = tl_store_row(store,
			     "SELECT COUNT(*) FROM thing WHERE ($1 IS NULL OR id = $1)"
			     " AND ($2 IS NULL OR n > $2)",
			     TL_ARGS(TL_ARG_TEXT(NULL), TL_ARG_INT(1)), &rows, err);

	if (r == 0)
		*(int64_t *)arg = tl_rows_int(rows, 0);
	return r ? r : add(store, "c", 3, err);
}

static void a_null_of_any_type_can_be_tested_inside_a_transaction(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	int64_t count = -1;

	make_table(store);
	assert_int_equal(add(store, "a", 1, NULL), 0);
	assert_int_equal(add(store, "b", 2, NULL), 0);
	assert_int_equal(tl_store_transaction(store, count_by_text, &count, NULL), 0);
	assert_true(count == 1);
	assert_true(place_number(store, "SELECT COUNT(*) FROM thing") == 3);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void violated_constraints_have_their_codes(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	static const struct {
		const char *sql;
		int code;
	} cases[] = {
		{"INSERT INTO thing (id) VALUES ('a')", TL_EEXIST},
		{"INSERT INTO thing (id, n) VALUES ('b', 100)", TL_EINVAL},
		{"INSERT INTO thing (id, note) VALUES ('c', NULL)", TL_EINVAL},
		{"INSERT INTO thing (id, organisation) VALUES ('d', 'nobody')", TL_EINVAL},
		{"INSERT INTO nothing (id) VALUES ('d')", TL_EINTERNAL},
		{"UPDATE thing SET id = 'b' WHERE id = 'a'", TL_EEXIST},
	};

	make_table(store);
	assert_int_equal(add(store, "a", 1, NULL), 0);
	assert_int_equal(add(store, "b", 1, NULL), 0);
	for (size_t i = 0; i < TL_ARRAY_LEN(cases); i++) {
		struct tl_err err = TL_ERR_INIT;
		int r = tl_store_exec(store, cases[i].sql, TL_NO_ARGS, NULL, &err);

		if (r != cases[i].code)
			fail_msg("%s: %s, %s", cases[i].sql, tl_err_name(r), tl_err_text(&err));
		assert_int_equal(err.code, r);
	}
}

static void text_that_is_not_utf8_is_refused(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;

	make_table(store);
	assert_int_equal(add(store, "\xc3(", 1, NULL), TL_EINVAL);
	assert_true(place_number(store, "SELECT COUNT(*) FROM thing") == 0);
}

static void an_unknown_scheme_is_unsupported(void **state)
{
	struct tl_store *store = NULL;
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(tl_store_open("mysql://x", &store, &err), TL_EUNSUPPORTED);
	assert_null(store);
	assert_non_null(strstr(err.text, "sqlite:"));
}

static void a_place_that_is_not_there_is_said_so(void **state)
{
	const struct place *place = *state;
	const char *url = place->postgresql ? "postgresql://127.0.0.1:1/none"
					    : "sqlite:/nonexistent/dir/store.db";
	struct tl_store *store = NULL;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_store_open(url, &store, &err),
			 place->postgresql ? TL_EUNREACH : TL_ENOENT);
	assert_null(store);
	assert_true(err.text[0] != '\0');
}

static void a_file_that_is_no_database_is_refused(void **state)
{
	const struct place *place = *state;
	struct tl_store *store = NULL;
	char path[256], url[300], junk[4096];

	if (place->postgresql)
		skip();
	memset(junk, 'x', sizeof(junk));
	snprintf(path, sizeof(path), "%s/junk", place->dir);
	snprintf(url, sizeof(url), "sqlite:%s", path);
	assert_int_equal(tl_fs_write_file(AT_FDCWD, path, 0600, junk, sizeof(junk), NULL), 0);
	assert_int_equal(tl_store_open(url, &store, NULL), TL_EIO);
	assert_null(store);
}

static void only_the_owner_can_read_the_database_file(void **state)
{
	const struct place *place = *state;
	struct stat info;

	if (place->postgresql)
		skip();
	assert_int_equal(stat(place->url + strlen("sqlite:"), &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
}

/* ---- transactions ---------------------------------------------------------------------------- */

static int add_two(struct tl_store *store, void *arg, struct tl_err *err)
{
	const int *result = arg;

	if (add(store, "a", 1, err) || add(store, "b", 2, err))
		return err->code;
	return *result;
}

static void a_transaction_that_fails_leaves_nothing(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	struct tl_err err = TL_ERR_INIT;
	int result = TL_EDENIED;

	make_table(store);
	assert_int_equal(tl_store_transaction(store, add_two, &result, &err), TL_EDENIED);
	assert_true(place_number(store, "SELECT COUNT(*) FROM thing") == 0);
	result = 0;
	assert_int_equal(tl_store_transaction(store, add_two, &result, &err), 0);
	assert_true(place_number(store, "SELECT COUNT(*) FROM thing") == 2);
}

static int hide_a_failure(struct tl_store *store, void *arg, struct tl_err *err)
{
	int *second = arg;

	if (add(store, "a", 1, err))
		return err->code;
	assert_int_equal(add(store, "a", 1, err), TL_EEXIST);
	*second = add(store, "b", 1, err);
	return 0;
}

static void a_failed_statement_dooms_its_transaction(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	struct tl_err err = TL_ERR_INIT;
	int second = 0;

	make_table(store);
	assert_int_equal(tl_store_transaction(store, hide_a_failure, &second, &err), TL_EINTERNAL);
	assert_int_equal(second, TL_EINTERNAL);
	assert_true(place_number(store, "SELECT COUNT(*) FROM thing") == 0);
}

static int nest(struct tl_store *store, void *arg, struct tl_err *err)
{
	return tl_store_transaction(store, add_two, arg, err);
}

static void a_transaction_inside_a_transaction_is_refused(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	struct tl_err err = TL_ERR_INIT;
	int result = 0;

	assert_int_equal(tl_store_transaction(store, nest, &result, &err), TL_EINTERNAL);
}

static int take_number(struct tl_store *store, void *arg, struct tl_err *err)
{
	return tl_store_next_number(store, "ticket", arg, err);
}

static int waste_number(struct tl_store *store, void *arg, struct tl_err *err)
{
	int r = tl_store_next_number(store, "ticket", arg, err);

	return r ? r : TL_ECANCELED;
}

static void numbers_ascend_and_a_rollback_leaves_no_gap(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	int64_t number = 0;

	assert_int_equal(tl_store_transaction(store, take_number, &number, NULL), 0);
	assert_true(number == 1001);
	assert_int_equal(tl_store_transaction(store, waste_number, &number, NULL), TL_ECANCELED);
	assert_int_equal(tl_store_transaction(store, take_number, &number, NULL), 0);
	assert_true(number == 1002);
}

/* ---- disk ------------------------------------------------------------------------------------ */

static int add_big(struct tl_store *store, void *arg, struct tl_err *err)
{
	static char big[20001];
	char id[32];

	memset(big, 'x', sizeof(big) - 1);
	snprintf(id, sizeof(id), "big-%d", *(int *)arg);
	return tl_store_exec(store, "INSERT INTO thing (id, note) VALUES ($1, $2)",
			     TL_ARGS(TL_ARG_TEXT(id), TL_ARG_TEXT(big)), NULL, err);
}

/* Adds rows until it fails; returns how many were acknowledged. */
static int fill(struct tl_store *store, struct tl_err *err)
{
	int count = 0;

	while (count < 1000 && tl_store_transaction(store, add_big, &count, err) == 0)
		count++;
	return count;
}

static void a_full_database_is_enospc_and_keeps_what_it_acknowledged(void **state)
{
	const struct place *place = *state;
	struct tl_err err = TL_ERR_INIT;

	if (place->postgresql)
		skip();
	make_table(place->store);
	place_sql(place->store, "PRAGMA max_page_count = 150");
	int count = fill(place->store, &err);

	assert_int_equal(err.code, TL_ENOSPC);
	assert_true(count > 0);
	assert_true(place_number(place->store, "SELECT COUNT(*) FROM thing") == count);
	place_sql(place->store, "PRAGMA max_page_count = 10000");
	assert_int_equal(tl_store_transaction(place->store, add_big, &count, &err), 0);
}

static void a_file_at_its_limit_is_enospc_and_keeps_what_it_acknowledged(void **state)
{
	const struct place *place = *state;
	struct rlimit old;
	struct tl_err err = TL_ERR_INIT;

	if (place->postgresql)
		skip();
	make_table(place->store);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	struct rlimit tight = {.rlim_cur = 1000000, .rlim_max = old.rlim_max};

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	int count = fill(place->store, &err);

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(err.code, TL_ENOSPC);
	assert_true(count > 0);
	assert_int_equal(tl_store_transaction(place->store, add_big, &count, &err), 0);
	tl_auto(tl_store) struct tl_store *again = place_open(place);

	assert_true(place_number(again, "SELECT COUNT(*) FROM thing") == count + 1);
}

static void a_backup_is_the_same_database(void **state)
{
	const struct place *place = *state;
	tl_auto(tl_store) struct tl_store *copy = NULL;
	char path[256], url[300];
	struct tl_err err = TL_ERR_INIT;

	snprintf(path, sizeof(path), "%s/copy.db", place->dir);
	snprintf(url, sizeof(url), "sqlite:%s", path);
	if (place->postgresql) {
		assert_int_equal(tl_store_backup(place->store, path, &err), TL_EUNSUPPORTED);
		return;
	}
	make_table(place->store);
	assert_int_equal(add(place->store, "a", 42, &err), 0);
	assert_int_equal(tl_store_backup(place->store, path, &err), 0);
	assert_int_equal(tl_store_backup(place->store, path, &err), TL_EEXIST);
	assert_int_equal(tl_store_open(url, &copy, &err), 0);
	assert_int_equal(tl_store_check_schema(copy, &err), 0);
	assert_true(place_number(copy, "SELECT n FROM thing") == 42);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		PLACE_TEST(values_come_back_as_they_went_in),
		PLACE_TEST(null_is_neither_zero_nor_empty),
		PLACE_TEST(a_placeholder_may_stand_more_than_once_and_in_any_order),
		PLACE_TEST(a_statement_is_used_again_with_other_argument_types),
		PLACE_TEST(a_null_of_any_type_can_be_tested_inside_a_transaction),
		PLACE_TEST(more_statements_than_are_kept_prepared_still_run),
		PLACE_TEST(the_same_query_can_be_read_twice_at_once),
		PLACE_TEST(changed_counts_the_rows_touched),
		PLACE_TEST(a_row_that_is_not_there_is_enoent),
		PLACE_TEST(violated_constraints_have_their_codes),
		PLACE_TEST(text_that_is_not_utf8_is_refused),
		PLACE_TEST(an_unknown_scheme_is_unsupported),
		PLACE_TEST(a_place_that_is_not_there_is_said_so),
		PLACE_TEST(a_file_that_is_no_database_is_refused),
		PLACE_TEST(only_the_owner_can_read_the_database_file),
		PLACE_TEST(a_transaction_that_fails_leaves_nothing),
		PLACE_TEST(a_failed_statement_dooms_its_transaction),
		PLACE_TEST(a_transaction_inside_a_transaction_is_refused),
		PLACE_TEST(numbers_ascend_and_a_rollback_leaves_no_gap),
		PLACE_TEST(a_full_database_is_enospc_and_keeps_what_it_acknowledged),
		PLACE_TEST(a_file_at_its_limit_is_enospc_and_keeps_what_it_acknowledged),
		PLACE_TEST(a_backup_is_the_same_database),
	};

	return place_main("store", tests, TL_ARRAY_LEN(tests), argc, argv);
}
