#include "tests.h"

#include <towline/statement.h>

#define NOW_MS INT64_C(1772357400000)
#define PLAIN_KEY \
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPxRzY5iGKGjjaR+0AIw8FgIFu0TujMDrF3rkRVIkIAl alice"
#define OTHER_KEY \
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPxRzY5iGKGjjaR+0AIw8FgIFu0TujMDrF3rkRVIkIAm alice"

struct fixture {
	struct tl_statement statement;
	struct tl_grant grant;
	struct tl_err err;
};

static void add_fingerprint(const char *line, struct tl_strv *keys)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	char fingerprint[TL_SSH_FINGERPRINT_MAX];

	assert_int_equal(tl_sshkey_of_line(line, &blob, NULL), 0);
	tl_sshkey_fingerprint(blob.data, blob.len, fingerprint);
	assert_int_equal(tl_strv_push(keys, fingerprint), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	*state = f;
	f->statement = (struct tl_statement){
		.relay = "01aryz6s410000000000000001",
		.host = "01aryz6s410000000000000002",
		.host_name = "web-01",
		.engineer = "alice",
		.ticket = "T-1042",
		.purpose = "the disk is full, Ångström",
		.user = "deploy",
		.nonce = "01aryz6s410000000000000009",
		.lane = TL_LANE_END_TO_END,
		.scopes = TL_SCOPE_TERMINAL | TL_SCOPE_FILES,
		.purpose_stated = true,
		.not_before_ms = NOW_MS,
		.not_after_ms = NOW_MS + 300000,
		.max_s = 3600,
	};
	f->grant = (struct tl_grant){
		.session = "01aryz6s410000000000000000",
		.relay = "01aryz6s410000000000000001",
		.host = "01aryz6s410000000000000002",
		.engineer = "alice",
		.name = "Alice",
		.ticket = "T-1042",
		.purpose = "the disk is full, Ångström",
		.purpose_stated = true,
		.user = "deploy",
		.lane = TL_LANE_END_TO_END,
		.scopes = TL_SCOPE_TERMINAL | TL_SCOPE_FILES,
		.issued_ms = NOW_MS,
		.not_before_ms = NOW_MS,
		.expires_ms = NOW_MS + 300000,
		.max_s = 3600,
	};
	add_fingerprint(PLAIN_KEY, &f->statement.keys);
	return tl_strv_push(&f->grant.keys, PLAIN_KEY);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	tl_statement_clear(&f->statement);
	tl_grant_clear(&f->grant);
	free(f);
	return 0;
}

static void a_statement_comes_back_whole_and_the_same_bytes(void **state)
{
	struct fixture *f = *state;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096), again = TL_BUF_INIT(4096);
	tl_auto(tl_statement) struct tl_statement back = {.relay = ""};

	assert_int_equal(tl_statement_write(&f->statement, &text, &f->err), 0);
	assert_int_equal(tl_statement_read(text.data, text.len, &back, &f->err), 0);
	assert_string_equal(back.host_name, "web-01");
	assert_string_equal(back.purpose, f->statement.purpose);
	assert_int_equal(back.scopes, f->statement.scopes);
	assert_int_equal(back.not_after_ms, f->statement.not_after_ms);
	assert_true(back.purpose_stated);
	assert_int_equal(tl_statement_write(&back, &again, &f->err), 0);
	assert_string_equal(tl_buf_str(&text), tl_buf_str(&again));
	assert_null(strchr(tl_buf_str(&text), '\n'));
}

static void the_same_and_less_are_covered(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(tl_statement_covers(&f->statement, &f->grant, &f->err), 0);
	f->grant.scopes = TL_SCOPE_FILES;
	f->grant.max_s = 60;
	f->grant.not_before_ms += 1000;
	f->grant.expires_ms -= 1000;
	assert_int_equal(tl_statement_covers(&f->statement, &f->grant, &f->err), 0);
}

/* One thing is changed, the sentence names it, and it is changed back. */
#define REFUSES(change, back, words) \
	do { \
		change; \
		assert_int_equal(tl_statement_covers(&f->statement, &f->grant, &f->err), \
				 TL_EDENIED); \
		assert_says(&f->err, words); \
		back; \
		assert_int_equal(tl_statement_covers(&f->statement, &f->grant, &f->err), 0); \
	} while (0)

#define REFUSES_TEXT(member, value, words) \
	do { \
		struct tl_grant kept = f->grant; \
		REFUSES(strcpy(f->grant.member, value), f->grant = kept, words); \
	} while (0)

static void no_field_can_be_changed_or_widened(void **state)
{
	struct fixture *f = *state;

	REFUSES_TEXT(relay, "01aryz6s410000000000000003", "relay");
	REFUSES_TEXT(host, "01aryz6s410000000000000003", "host");
	REFUSES_TEXT(engineer, "mallory", "engineer");
	REFUSES_TEXT(ticket, "T-1", "ticket");
	REFUSES_TEXT(purpose, "anything", "purpose");
	REFUSES_TEXT(user, "root", "user");
	REFUSES_TEXT(user, "", "user");
	REFUSES(f->grant.lane = TL_LANE_BASTION, f->grant.lane = TL_LANE_END_TO_END, "lane");
	REFUSES(f->grant.scopes |= TL_SCOPE_EXEC, f->grant.scopes &= ~TL_SCOPE_EXEC, "scopes");
	REFUSES(f->grant.break_glass = true, f->grant.break_glass = false, "emergency");
	REFUSES(f->grant.purpose_stated = false, f->grant.purpose_stated = true, "purpose");
	REFUSES(f->grant.max_s++, f->grant.max_s--, "duration");
	REFUSES(f->grant.expires_ms += 1000, f->grant.expires_ms -= 1000, "time");
	REFUSES(f->grant.not_before_ms -= 1000, f->grant.not_before_ms += 1000, "time");
}

static void a_key_that_was_not_named_cannot_log_in(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(tl_strv_push(&f->grant.keys, OTHER_KEY), 0);
	assert_int_equal(tl_statement_covers(&f->statement, &f->grant, &f->err), TL_EDENIED);
	assert_says(&f->err, "keys");
}

static void in_the_bastion_lane_the_relay_brings_the_key(void **state)
{
	struct fixture *f = *state;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096);

	f->statement.lane = f->grant.lane = TL_LANE_BASTION;
	assert_int_equal(tl_statement_write(&f->statement, &text, &f->err), TL_EINVAL);
	tl_strv_clear(&f->statement.keys);
	assert_int_equal(tl_statement_write(&f->statement, &text, &f->err), 0);
	assert_int_equal(tl_statement_covers(&f->statement, &f->grant, &f->err), 0);
}

#define UNREADABLE(change) \
	do { \
		struct tl_statement kept = f->statement; \
		change; \
		assert_int_equal(tl_statement_write(&f->statement, &text, &f->err), TL_EINVAL); \
		f->statement = kept; \
		tl_buf_reset(&text); \
	} while (0)

static void statements_beyond_the_limits_are_refused(void **state)
{
	struct fixture *f = *state;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096);

	UNREADABLE(strcpy(f->statement.nonce, "once"));
	UNREADABLE(strcpy(f->statement.purpose, ""));
	UNREADABLE(strcpy(f->statement.purpose, "two\nlines"));
	UNREADABLE(strcpy(f->statement.user, "a b"));
	UNREADABLE(f->statement.scopes = 0);
	UNREADABLE(f->statement.max_s = 0);
	UNREADABLE(f->statement.max_s = TL_GRANT_SESSION_MAX_S + 1);
	UNREADABLE(f->statement.not_after_ms = f->statement.not_before_ms);
	UNREADABLE(f->statement.not_after_ms += TL_STATEMENT_LIFE_MAX_MS);
	UNREADABLE(f->statement.keys = (struct tl_strv)TL_STRV_INIT);
	assert_int_equal(tl_statement_write(&f->statement, &text, &f->err), 0);
}

static void every_member_is_needed_and_no_other_known(void **state)
{
	struct fixture *f = *state;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096);
	tl_json *whole = NULL;
	const char *name;
	json_t *value;

	assert_int_equal(tl_statement_write(&f->statement, &text, &f->err), 0);
	assert_int_equal(tl_json_parse(text.data, text.len, &whole, &f->err), 0);
	json_object_foreach(whole, name, value)
	{
		tl_auto(tl_statement) struct tl_statement back = {.relay = ""};
		tl_auto(tl_buf) struct tl_buf cut = TL_BUF_INIT(4096);
		tl_json *less = json_copy(whole);

		json_object_del(less, name);
		tl_json_write(&cut, less);
		assert_int_equal(tl_statement_read(cut.data, cut.len, &back, &f->err), TL_EINVAL);
		assert_says(&f->err, name);
	}
	json_object_set_new(whole, "more", json_true());
	tl_buf_reset(&text);
	tl_json_write(&text, whole);
	tl_auto(tl_statement) struct tl_statement back = {.relay = ""};
	assert_int_equal(tl_statement_read(text.data, text.len, &back, &f->err), TL_EINVAL);
	assert_says(&f->err, "more");
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(a_statement_comes_back_whole_and_the_same_bytes),
		WITH_FIXTURE(the_same_and_less_are_covered),
		WITH_FIXTURE(no_field_can_be_changed_or_widened),
		WITH_FIXTURE(a_key_that_was_not_named_cannot_log_in),
		WITH_FIXTURE(in_the_bastion_lane_the_relay_brings_the_key),
		WITH_FIXTURE(statements_beyond_the_limits_are_refused),
		WITH_FIXTURE(every_member_is_needed_and_no_other_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
