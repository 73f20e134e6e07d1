#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <towline/clock.h>

#include "place.h"
#include "store/audit.h"

#define THREADS 4
#define ROUNDS 25

/* ---- several connections --------------------------------------------------------------------- */

/* Reads, then writes what it read plus one: a lost update would show. */
static int increment(struct tl_store *store, void *arg, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	int r = tl_store_row(store, "SELECT value FROM counter WHERE name = 'ticket'", TL_NO_ARGS,
			     &rows, err);

	(void)arg;
	if (r < 0)
		return r;
	return tl_store_exec(store, "UPDATE counter SET value = $1 WHERE name = 'ticket'",
			     TL_ARGS(TL_ARG_INT(tl_rows_int(rows, 0) + 1)), NULL, err);
}

static void *increment_often(void *arg)
{
	struct tl_err err = TL_ERR_INIT;
	tl_auto(tl_store) struct tl_store *store = NULL;

	if (tl_store_open(((struct place *)arg)->url, &store, &err))
		return arg;
	for (int i = 0; i < ROUNDS; i++) {
		if (tl_store_transaction(store, increment, NULL, &err))
			return arg;
	}
	return NULL;
}

static void writers_on_several_connections_lose_no_update(void **state)
{
	struct place *place = *state;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, increment_often, place), 0);
	for (int i = 0; i < THREADS; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_true(place_number(place->store, "SELECT value FROM counter WHERE name = 'ticket'") ==
		    1000 + THREADS * ROUNDS);
}

struct rival {
	PGconn *connection;
	int conflicts; /* left to cause */
	int calls;
};

static int increment_with_rival(struct tl_store *store, void *arg, struct tl_err *err)
{
	struct rival *rival = arg;
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	int r = tl_store_row(store, "SELECT value FROM counter WHERE name = 'ticket'", TL_NO_ARGS,
			     &rows, err);

	if (r < 0)
		return r;
	rival->calls++;
	if (rival->conflicts-- > 0)
		PQclear(PQexec(rival->connection,
			       "UPDATE counter SET value = value + 1 WHERE name = 'ticket'"));
	return tl_store_exec(store, "UPDATE counter SET value = $1 WHERE name = 'ticket'",
			     TL_ARGS(TL_ARG_INT(tl_rows_int(rows, 0) + 1)), NULL, err);
}

/* A program that does not take the writers' lock, as psql does not. */
static void run_with_rival(void **state, int conflicts, int result, int calls)
{
	struct place *place = *state;
	struct rival rival = {.conflicts = conflicts};
	struct tl_err err = TL_ERR_INIT;

	if (!place->postgresql)
		skip(); /* SQLite lets no second writer begin */
	rival.connection = PQconnectdb(place->url);
	assert_int_equal(tl_store_transaction(place->store, increment_with_rival, &rival, &err),
			 result);
	assert_int_equal(rival.calls, calls);
	PQfinish(rival.connection);
}

static void a_transaction_that_lost_a_race_is_called_anew(void **state)
{
	struct place *place = *state;

	run_with_rival(state, 2, 0, 3);
	if (place->postgresql)
		assert_true(place_number(place->store,
					 "SELECT value FROM counter WHERE name = 'ticket'") ==
			    1003);
}

static void a_transaction_that_always_loses_ends_with_econflict(void **state)
{
	run_with_rival(state, 1000, TL_ECONFLICT, TL_STORE_RETRIES + 1);
}

static int change_meanwhile(struct tl_store *store, void *arg, struct tl_err *err)
{
	(void)store;
	++*(int *)arg;
	return tl_err_set(err, TL_ECONFLICT, "somebody else's version");
}

static void a_conflict_that_the_body_itself_reports_is_not_retried(void **state)
{
	struct place *place = *state;
	struct tl_err err = TL_ERR_INIT;
	int calls = 0;

	assert_int_equal(tl_store_transaction(place->store, change_meanwhile, &calls, &err),
			 TL_ECONFLICT);
	assert_int_equal(calls, 1);
}

static void a_reader_sees_only_what_was_committed(void **state)
{
	struct place *place = *state;
	tl_auto(tl_store) struct tl_store *other = place_open(place);

	place_sql(place->store, "BEGIN");
	place_sql(place->store, "UPDATE counter SET value = 5 WHERE name = 'ticket'");
	assert_true(place_number(other, "SELECT value FROM counter WHERE name = 'ticket'") == 1000);
	place_sql(place->store, "COMMIT");
	assert_true(place_number(other, "SELECT value FROM counter WHERE name = 'ticket'") == 5);
}

/* ---- lost connections ------------------------------------------------------------------------ */

static void cut_connections(const struct place *place)
{
	PGconn *connection = PQconnectdb(place->url);

	PQclear(PQexec(connection, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
				   " WHERE application_name = 'towline' AND pid <> pg_backend_pid()"
				   " AND query LIKE '%cut me%'"));
	PQfinish(connection);
}

static int cut_in_the_middle(struct tl_store *store, void *arg, struct tl_err *err)
{
	int r = increment(store, NULL, err);

	if (r == 0)
		assert_true(place_number(store, "SELECT 1 /* cut me */") == 1);
	cut_connections(arg);
	return r ? r : increment(store, NULL, err);
}

static void a_cut_connection_fails_its_transaction_and_is_made_anew(void **state)
{
	struct place *place = *state;
	struct tl_err err = TL_ERR_INIT;

	if (!place->postgresql)
		skip();
	assert_int_equal(tl_store_transaction(place->store, cut_in_the_middle, place, &err),
			 TL_EUNREACH);
	assert_int_equal(tl_store_transaction(place->store, increment, NULL, &err), 0);
	assert_true(place_number(place->store, "SELECT value FROM counter WHERE name = 'ticket'") ==
		    1001);
}

/* ---- kill -9 --------------------------------------------------------------------------------- */

static int write_one(struct tl_store *store, void *arg, struct tl_err *err)
{
	const struct tl_audit_entry entry = {.actor_kind = "system",
					     .actor = "test",
					     .action = "row.write",
					     .object_kind = "row",
					     .object = "x"};
	int r = tl_store_exec(store, "INSERT INTO kept (n) VALUES ($1)",
			      TL_ARGS(TL_ARG_INT(*(int *)arg)), NULL, err);

	return r ? r : tl_audit_append(store, tl_clock_system(), &entry, err);
}

/* Writes numbers for ever and acknowledges each on `fd` once it is committed. */
static void write_for_ever(const char *url, int fd)
{
	struct tl_store *store = NULL;

	if (tl_store_open(url, &store, NULL))
		_exit(1);
	for (int n = 0;; n++) {
		if (tl_store_transaction(store, write_one, &n, NULL) ||
		    write(fd, &n, sizeof(n)) != sizeof(n))
			_exit(1);
	}
}

/* Kills a writer after some acknowledgements; returns how many there were. */
static int kill_a_writer(const struct place *place, int after)
{
	int fds[2], last = -1, n;

	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		write_for_ever(place->url, fds[1]);
	close(fds[1]);
	while (read(fds[0], &n, sizeof(n)) == sizeof(n)) {
		last = n;
		if (n == after)
			kill(child, SIGKILL);
	}
	waitpid(child, NULL, 0);
	close(fds[0]);
	return last + 1;
}

static void a_killed_writer_leaves_each_acknowledged_row_once(void **state)
{
	struct place *place = *state;
	int64_t entries = 0;

	for (int round = 0; round < 5; round++) {
		place_sql(place->store,
			  round ? "DELETE FROM kept" : "CREATE TABLE kept (n BIGINT NOT NULL)");
		int acknowledged = kill_a_writer(place, 10 + 7 * round);
		int64_t rows = place_number(place->store, "SELECT COUNT(*) FROM kept");

		assert_true(acknowledged > 10);
		/* The one that was being written may have been committed, unheard. */
		assert_in_range(rows, acknowledged, acknowledged + 1);
		assert_true(place_number(place->store, "SELECT COUNT(DISTINCT n) FROM kept") ==
			    rows);
		assert_true(place_number(place->store, "SELECT MAX(n) FROM kept") == rows - 1);
		assert_int_equal(tl_audit_verify(place->store, &entries, NULL), 0);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		PLACE_TEST(writers_on_several_connections_lose_no_update),
		PLACE_TEST(a_transaction_that_lost_a_race_is_called_anew),
		PLACE_TEST(a_transaction_that_always_loses_ends_with_econflict),
		PLACE_TEST(a_conflict_that_the_body_itself_reports_is_not_retried),
		PLACE_TEST(a_reader_sees_only_what_was_committed),
		PLACE_TEST(a_cut_connection_fails_its_transaction_and_is_made_anew),
		PLACE_TEST(a_killed_writer_leaves_each_acknowledged_row_once),
	};

	return place_main("transactions", tests, TL_ARRAY_LEN(tests), argc, argv);
}
