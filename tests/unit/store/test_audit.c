#include "store/audit.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <towline/crypto.h>
#include <towline/str.h>

#include "place.h"

#define ENTRIES 6
#define THREADS 4
#define ROUNDS 20

static int append(struct tl_store *store, void *arg, struct tl_err *err)
{
	const char *object = arg;
	tl_json *detail = json_pack("{s:s,s:i}", "summary", "Drucker brennt ü", "n", 1);
	const struct tl_audit_entry entry = {
		.actor_kind = "user",
		.actor = "vera",
		.action = "ticket.create",
		.object_kind = "ticket",
		.object = object,
		.address = object[0] == '1' ? "192.0.2.1" : NULL,
		.detail = object[0] == '2' ? NULL : detail,
	};

	return tl_audit_append(store, tl_clock_system(), &entry, err);
}

static void append_entries(struct tl_store *store)
{
	for (int i = 1; i <= ENTRIES; i++) {
		char object[16];

		snprintf(object, sizeof(object), "%d", i);
		assert_int_equal(tl_store_transaction(store, append, object, NULL), 0);
	}
}

static void assert_intact(struct tl_store *store, int64_t expected)
{
	int64_t entries = -1;
	struct tl_err err = TL_ERR_INIT;

	if (tl_audit_verify(store, &entries, &err))
		fail_msg("%s", tl_err_text(&err));
	assert_true(entries == expected);
}

/* The sentence must name what does not fit. */
static void assert_broken(struct tl_store *store, const char *words)
{
	int64_t entries = -1;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_audit_verify(store, &entries, &err), TL_ESIG);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" lacks \"%s\"", err.text, words);
	assert_true(entries == -1);
}

static void a_chain_as_written_verifies(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;

	assert_intact(store, 0);
	append_entries(store);
	assert_intact(store, ENTRIES);
}

static void a_rolled_back_entry_leaves_no_gap(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	struct tl_err err = TL_ERR_INIT;

	append_entries(store);
	assert_int_equal(tl_store_transaction(store, append, (char[]){"\xff"}, &err), TL_EINVAL);
	append_entries(store);
	assert_intact(store, 2 * ENTRIES);
}

static void an_entry_outside_a_transaction_is_refused(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(append(store, (char[]){"1"}, &err), TL_EINTERNAL);
	assert_int_equal(tl_outbox_append(store, tl_clock_system(), "t", "x", NULL, &err),
			 TL_EINTERNAL);
}

/* ---- tampering ------------------------------------------------------------------------------- */

static void any_changed_column_is_found(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	static const struct {
		const char *change, *back;
	} cases[] = {
		{"at_ms = at_ms + 1", "at_ms = at_ms - 1"},
		{"actor_kind = 'host'", "actor_kind = 'user'"},
		{"actor = 'mallory'", "actor = 'vera'"},
		{"action = 'ticket.read'", "action = 'ticket.create'"},
		{"object_kind = 'host'", "object_kind = 'ticket'"},
		{"object = '9'", "object = '3'"},
		{"address = '192.0.2.2'", "address = NULL"},
		{"detail = replace(detail, '1', '2')", "detail = replace(detail, '2', '1')"},
		{"detail = replace(detail, ':', ': ')", "detail = replace(detail, ': ', ':')"},
		{"detail = detail || '}'", "detail = substr(detail, 1, length(detail) - 1)"},
		{"hash = replace(hash, substr(hash, 1, 1), 'x')", NULL},
	};

	append_entries(store);
	for (size_t i = 0; i < TL_ARRAY_LEN(cases); i++) {
		char sql[128];

		assert_intact(store, ENTRIES);
		snprintf(sql, sizeof(sql), "UPDATE audit SET %s WHERE seq = 3", cases[i].change);
		place_sql(store, sql);
		assert_broken(store, "audit entry 3 is not what was written");
		if (cases[i].back) {
			snprintf(sql, sizeof(sql), "UPDATE audit SET %s WHERE seq = 3",
				 cases[i].back);
			place_sql(store, sql);
		}
	}
}

static void a_missing_detail_is_not_an_empty_one(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;

	append_entries(store);
	place_sql(store, "UPDATE audit SET detail = '{}' WHERE seq = 2");
	assert_broken(store, "audit entry 2 is not");
}

static void a_deleted_entry_is_found(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;

	append_entries(store);
	place_sql(store, "DELETE FROM audit WHERE seq = 4");
	assert_broken(store, "audit entry 4 is missing");
	place_sql(store, "UPDATE audit SET seq = seq - 1 WHERE seq = 5");
	place_sql(store, "UPDATE audit SET seq = seq - 1 WHERE seq = 6");
	assert_broken(store, "audit entry 4 is not what was written");
}

static void a_cut_off_end_is_found(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;

	append_entries(store);
	place_sql(store, "DELETE FROM audit WHERE seq = 6");
	assert_broken(store, "ends at entry 5, it should end at 6");
}

static void an_emptied_trail_is_found(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;

	append_entries(store);
	place_sql(store, "DELETE FROM audit");
	assert_broken(store, "ends at entry 0");
}

static void an_inserted_entry_is_found(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;

	append_entries(store);
	place_sql(store, "UPDATE audit SET seq = 7 WHERE seq = 6");
	place_sql(store, "UPDATE audit SET seq = 6 WHERE seq = 5");
	place_sql(store,
		  "INSERT INTO audit SELECT 5, at_ms, actor_kind, actor, action, object_kind,"
		  " object, address, detail, hash FROM audit WHERE seq = 4");
	assert_broken(store, "audit entry 5 is not what was written");
}

static void an_entry_appended_by_hand_is_found(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;

	append_entries(store);
	place_sql(store,
		  "INSERT INTO audit SELECT 7, at_ms, actor_kind, actor, action, object_kind,"
		  " object, address, detail, hash FROM audit WHERE seq = 6");
	assert_broken(store, "audit entry 7 is not what was written");
}

static void reordered_entries_are_found(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;

	append_entries(store);
	place_sql(store, "UPDATE audit SET seq = 100 WHERE seq = 3");
	place_sql(store, "UPDATE audit SET seq = 3 WHERE seq = 4");
	place_sql(store, "UPDATE audit SET seq = 4 WHERE seq = 100");
	assert_broken(store, "audit entry 3 is not what was written");
}

static void a_changed_head_is_found(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;

	append_entries(store);
	place_sql(store, "UPDATE audit_head SET seq = 5, hash ="
			 " (SELECT hash FROM audit WHERE seq = 5)");
	assert_broken(store, "ends at entry 6, it should end at 5");
}

/* ---- concurrency ----------------------------------------------------------------------------- */

static void *append_often(void *arg)
{
	tl_auto(tl_store) struct tl_store *store = NULL;

	if (tl_store_open(arg, &store, NULL))
		return arg;
	for (int i = 0; i < ROUNDS; i++) {
		if (tl_store_transaction(store, append, (char[]){"3"}, NULL))
			return arg;
	}
	return NULL;
}

static void concurrent_appends_make_one_line(void **state)
{
	struct place *place = *state;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, append_often, place->url), 0);
	for (int i = 0; i < THREADS; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_intact(place->store, THREADS * ROUNDS);
}

/* ---- export and outbox ----------------------------------------------------------------------- */

static void the_export_can_be_verified_without_the_database(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	char hash[TL_SHA256_HEX], *line = NULL;
	size_t size = 0;
	ssize_t len;
	int lines = 0;
	FILE *file = tmpfile();

	append_entries(store);
	assert_int_equal(tl_audit_export(store, file, NULL), 0);
	rewind(file);
	memset(hash, '0', sizeof(hash) - 1);
	hash[sizeof(hash) - 1] = '\0';
	for (; (len = getline(&line, &size, file)) > 0; lines++) {
		char *tail = strstr(line, ",\"hash\":\"");
		uint8_t message[TL_SHA256_LEN + 1024];

		assert_non_null(tail);
		assert_int_equal(tl_hex_decode(hash, message, TL_SHA256_LEN), 0);
		size_t body = (size_t)(tail - line);

		memcpy(message + TL_SHA256_LEN, line, body);
		message[TL_SHA256_LEN + body] = '}';
		tl_sha256_hex_of(message, TL_SHA256_LEN + body + 1, hash);
		assert_memory_equal(tail + strlen(",\"hash\":\""), hash, TL_SHA256_HEX - 1);
		tl_json *json = NULL;

		assert_int_equal(tl_json_parse(line, (size_t)len, &json, NULL), 0);
	}
	assert_int_equal(lines, ENTRIES);
	free(line);
	fclose(file);
}

static int send_event(struct tl_store *store, void *arg, struct tl_err *err)
{
	tl_json *data = json_pack("{s:s}", "number", "T-1001");
	int r = tl_outbox_append(store, tl_clock_system(), "tickets", "ticket.created", data, err);

	return r ? r : *(int *)arg;
}

static void events_are_numbered_in_the_order_of_their_commits(void **state)
{
	struct tl_store *store = ((struct place *)*state)->store;
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	int ok = 0, no = TL_EDENIED;

	assert_int_equal(tl_store_transaction(store, send_event, &ok, NULL), 0);
	assert_int_equal(tl_store_transaction(store, send_event, &no, NULL), TL_EDENIED);
	assert_int_equal(tl_store_transaction(store, send_event, &ok, NULL), 0);
	assert_int_equal(tl_store_query(store,
					"SELECT seq, topic, type, data FROM outbox"
					" WHERE delivered_ms IS NULL ORDER BY seq",
					TL_NO_ARGS, &rows, NULL),
			 0);
	for (int seq = 1; seq <= 2; seq++) {
		assert_int_equal(tl_rows_next(rows, NULL), 1);
		assert_true(tl_rows_int(rows, 0) == seq);
		assert_string_equal(tl_rows_text(rows, 1), "tickets");
		assert_string_equal(tl_rows_text(rows, 2), "ticket.created");
		assert_string_equal(tl_rows_text(rows, 3), "{\"number\":\"T-1001\"}");
	}
	assert_int_equal(tl_rows_next(rows, NULL), 0);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		PLACE_TEST(a_chain_as_written_verifies),
		PLACE_TEST(a_rolled_back_entry_leaves_no_gap),
		PLACE_TEST(an_entry_outside_a_transaction_is_refused),
		PLACE_TEST(any_changed_column_is_found),
		PLACE_TEST(a_missing_detail_is_not_an_empty_one),
		PLACE_TEST(a_deleted_entry_is_found),
		PLACE_TEST(a_cut_off_end_is_found),
		PLACE_TEST(an_emptied_trail_is_found),
		PLACE_TEST(an_inserted_entry_is_found),
		PLACE_TEST(an_entry_appended_by_hand_is_found),
		PLACE_TEST(reordered_entries_are_found),
		PLACE_TEST(a_changed_head_is_found),
		PLACE_TEST(concurrent_appends_make_one_line),
		PLACE_TEST(the_export_can_be_verified_without_the_database),
		PLACE_TEST(events_are_numbered_in_the_order_of_their_commits),
	};

	return place_main("audit", tests, TL_ARRAY_LEN(tests), argc, argv);
}
