/* A relay that lies: its authority's key is the test's own, so every grant here is signed well. What is
 * refused, is refused for the engineer's statement and the roster alone. */
#include "../common/tests.h"

#include <fcntl.h>
#include <towline/fs.h>
#include <towline/jwt.h>
#include <towline/statement.h>
#include <unistd.h>

#include "../common/scratch.h"
#include "helper/authority.h"

#define NOW_MS INT64_C(1772357400000)
#define HOST "01aryz6s410000000000000002"
#define RELAY "01aryz6s410000000000000001"

struct fixture {
	void *scratch;
	const char *dir;
	int fd;
	struct tl_policy policy;
	struct tl_trust trust;
	struct tl_roster_book book;
	struct tl_clock_fake clock;
	struct tl_statement statement;
	struct tl_grant grant;
	struct tl_authority_use use;
	struct tl_err err;
	char lines[3][1024]; /* public keys: erin's, sam's, the relay's */
	char pin[TL_SSH_FINGERPRINT_MAX];
};

static const char *const key_names[] = {"erin", "sam", "relay"};

static void sh(const struct fixture *f, const char *command)
{
	char line[8192];

	snprintf(line, sizeof line, "cd %s && { %s; } >/dev/null 2>&1", f->dir, command);
	if (system(line) != 0)
		fail_msg("%s", command);
}

static void read_text(const struct fixture *f, const char *name, struct tl_buf *out)
{
	tl_buf_reset(out);
	assert_int_equal(tl_fs_read_file(f->fd, name, out, NULL), 0);
}

static void write_text(const struct fixture *f, const char *name, const char *text)
{
	assert_int_equal(tl_fs_write_file(f->fd, name, 0600, text, strlen(text), NULL), 0);
}

static void fingerprint_of(const char *line, char fingerprint[static TL_SSH_FINGERPRINT_MAX])
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);

	assert_int_equal(tl_sshkey_of_line(line, &blob, NULL), 0);
	tl_sshkey_fingerprint(blob.data, blob.len, fingerprint);
}

/* Signs `text` by the key in file `key`. */
static void sign(const struct fixture *f, const char *text, const char *key, const char *name_space,
		 struct tl_buf *signature)
{
	char command[400];

	write_text(f, "message", text);
	snprintf(command, sizeof command,
		 "rm -f message.sig; ssh-keygen -q -Y sign -f %s -n %s message", key, name_space);
	sh(f, command);
	read_text(f, "message.sig", signature);
}

static int take_roster(struct fixture *f, int version, const char *engineers, const char *key)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(8192), signature = TL_BUF_INIT(8192);

	tl_buf_printf(&text,
		      "{\"version\":%d,\"expires\":\"2026-06-01T00:00:00Z\",\"engineers\":[%s]}",
		      version, engineers);
	sign(f, tl_buf_str(&text), key, TL_SSHSIG_ROSTER, &signature);
	return tl_roster_book_take(&f->book, f->pin, tl_buf_str(&text), tl_buf_str(&signature),
				   &f->err);
}

/* Erin with what else her entry says, and Sam. */
static void write_engineers(const struct fixture *f, const char *more, struct tl_buf *out)
{
	tl_buf_printf(out,
		      "{\"login\":\"erin\",\"name\":\"Erin of the roster\",\"keys\":[\"%s\"]%s},"
		      "{\"login\":\"sam\",\"name\":\"Sam\",\"keys\":[\"%s\"]}",
		      f->lines[0], more, f->lines[1]);
}

static void use_roster(struct fixture *f, int version, const char *more)
{
	tl_auto(tl_buf) struct tl_buf engineers = TL_BUF_INIT(4096);

	write_engineers(f, more, &engineers);
	if (take_roster(f, version, tl_buf_str(&engineers), "offline") != 0)
		fail_msg("%s", tl_err_text(&f->err));
}

static void make_keys(struct fixture *f)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(1000);

	sh(f,
	   "for k in erin sam relay offline; do ssh-keygen -q -t ed25519 -N '' -C $k -f $k; done");
	for (size_t i = 0; i < TL_ARRAY_LEN(key_names); i++) {
		char name[32];

		snprintf(name, sizeof name, "%s.pub", key_names[i]);
		read_text(f, name, &line);
		snprintf(f->lines[i], sizeof f->lines[i], "%.*s",
			 (int)strcspn(tl_buf_str(&line), "\n"), tl_buf_str(&line));
	}
	read_text(f, "offline.pub", &line);
	fingerprint_of(tl_buf_str(&line), f->pin);
}

static void fill_both(struct fixture *f)
{
	char fingerprint[TL_SSH_FINGERPRINT_MAX];

	f->statement = (struct tl_statement){
		.relay = RELAY,
		.host = HOST,
		.host_name = "Web-1",
		.engineer = "erin",
		.ticket = "T-1042",
		.purpose = "the disk is full",
		.nonce = "01aryz6s410000000000000009",
		.lane = TL_LANE_END_TO_END,
		.scopes = TL_SCOPE_TERMINAL | TL_SCOPE_EXEC,
		.purpose_stated = true,
		.not_before_ms = NOW_MS - 60000,
		.not_after_ms = NOW_MS + 300000,
		.max_s = 3600,
	};
	f->grant = (struct tl_grant){
		.session = "01aryz6s410000000000000000",
		.relay = RELAY,
		.host = HOST,
		.engineer = "erin",
		.name = "whatever the relay says",
		.ticket = "T-1042",
		.purpose = "the disk is full",
		.purpose_stated = true,
		.lane = TL_LANE_END_TO_END,
		.scopes = TL_SCOPE_TERMINAL | TL_SCOPE_EXEC,
		.issued_ms = NOW_MS,
		.not_before_ms = NOW_MS,
		.expires_ms = NOW_MS + 300000,
		.max_s = 3600,
	};
	fingerprint_of(f->lines[0], fingerprint);
	assert_int_equal(tl_strv_push(&f->statement.keys, fingerprint), 0);
	assert_int_equal(tl_strv_push(&f->grant.keys, f->lines[0]), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	static const char text[] = "sessions:\n  engineer_signed: true\n";

	*state = f;
	if (scratch_set_up(&f->scratch) != 0)
		return -1;
	f->dir = f->scratch;
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tl_clock_fake_init(&f->clock, NOW_MS);
	assert_int_equal(tl_policy_parse(text, strlen(text), &f->policy, NULL), 0);
	assert_int_equal(tl_roster_book_open(f->fd, &f->book, NULL), 0);
	make_keys(f);
	snprintf(f->trust.identity.name, sizeof f->trust.identity.name, "web-1");
	snprintf(f->trust.identity.roster_key, sizeof f->trust.identity.roster_key, "%s", f->pin);
	fill_both(f);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	tl_roster_book_clear(&f->book);
	tl_policy_clear(&f->policy);
	tl_statement_clear(&f->statement);
	tl_grant_clear(&f->grant);
	close(f->fd);
	scratch_tear_down(&f->scratch);
	free(f);
	return 0;
}

static int check(struct fixture *f)
{
	const struct tl_authority authority = {.policy = &f->policy,
					       .trust = &f->trust,
					       .book = &f->book,
					       .clock = &f->clock.clock};

	return tl_authority_check(&authority, &f->grant, &f->use, &f->err);
}

/* Puts the statement, signed by the key in file `key`, into the grant. */
static void state_by(struct fixture *f, const char *key)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096), signature = TL_BUF_INIT(8192);

	assert_int_equal(tl_statement_write(&f->statement, &text, &f->err), 0);
	sign(f, tl_buf_str(&text), key, TL_SSHSIG_SESSION, &signature);
	free(f->grant.statement);
	free(f->grant.signature);
	f->grant.statement = tl_buf_take(&text);
	f->grant.signature = tl_buf_take(&signature);
}

static void assert_denied(struct fixture *f, const char *words)
{
	assert_int_equal(check(f), TL_EDENIED);
	assert_says(&f->err, words);
}

static void what_the_engineer_signed_is_allowed(void **state)
{
	struct fixture *f = *state;

	use_roster(f, 1, "");
	state_by(f, "erin");
	if (check(f) != 0)
		fail_msg("%s", tl_err_text(&f->err));
	assert_string_equal(f->use.nonce, f->statement.nonce);
	assert_int_equal(f->use.expires_ms, f->statement.not_after_ms);
	/* People are shown the name that the roster has. */
	assert_string_equal(f->grant.name, "Erin of the roster");
}

static void without_the_policy_nothing_is_asked_for(void **state)
{
	struct fixture *f = *state;

	f->policy.sessions_engineer_signed = false;
	assert_int_equal(check(f), 0);
	assert_string_equal(f->use.nonce, "");
	assert_int_equal(f->use.expires_ms, f->grant.expires_ms);
}

static void a_grant_without_a_statement_is_refused(void **state)
{
	struct fixture *f = *state;

	use_roster(f, 1, "");
	assert_denied(f, "sessions.engineer_signed");
}

static void the_relay_s_own_key_signs_nothing(void **state)
{
	struct fixture *f = *state;

	use_roster(f, 1, "");
	state_by(f, "relay");
	assert_denied(f, "not on the roster");
}

static void another_engineer_s_statement_is_refused(void **state)
{
	struct fixture *f = *state;

	use_roster(f, 1, "");
	state_by(f, "sam");
	assert_denied(f, "signed by \"sam\"");
}

static void a_changed_statement_is_refused(void **state)
{
	struct fixture *f = *state;
	char *at;

	use_roster(f, 1, "");
	state_by(f, "erin");
	at = strstr(f->grant.statement, "disk");
	assert_non_null(at);
	*at = 'D';
	assert_int_equal(check(f), TL_ESIG);
}

static void a_substituted_key_is_refused(void **state)
{
	struct fixture *f = *state;

	use_roster(f, 1, "");
	state_by(f, "erin");
	assert_int_equal(tl_strv_push(&f->grant.keys, f->lines[2]), 0);
	assert_denied(f, "keys");
}

static void a_widened_grant_is_refused(void **state)
{
	struct fixture *f = *state;

	use_roster(f, 1, "");
	state_by(f, "erin");
	f->grant.scopes |= TL_SCOPE_FILES;
	assert_denied(f, "scopes");
}

static void a_statement_for_another_host_s_name_is_refused(void **state)
{
	struct fixture *f = *state;

	use_roster(f, 1, "");
	strcpy(f->statement.host_name, "db-1");
	state_by(f, "erin");
	assert_denied(f, "\"db-1\"");
}

static void an_old_or_early_statement_is_refused(void **state)
{
	struct fixture *f = *state;

	use_roster(f, 1, "");
	state_by(f, "erin");
	tl_clock_fake_advance(&f->clock, 300000 + TL_JWT_SKEW_MS);
	assert_int_equal(check(f), TL_EEXPIRED);
	tl_clock_fake_init(&f->clock, NOW_MS - 60000 - TL_JWT_SKEW_MS - 1);
	assert_int_equal(check(f), TL_EEXPIRED);
}

static void the_roster_limits_its_engineers(void **state)
{
	struct fixture *f = *state;

	state_by(f, "erin");
	use_roster(f, 1, ",\"scopes\":[\"terminal\"]");
	assert_denied(f, "these scopes");
	use_roster(f, 2, ",\"expires\":\"2026-01-01T00:00:00Z\"");
	assert_denied(f, "has expired");
	use_roster(f, 3, "");
	f->statement.break_glass = f->grant.break_glass = true;
	state_by(f, "erin");
	assert_denied(f, "emergencies");
	use_roster(f, 4, ",\"break_glass\":true");
	assert_int_equal(check(f), 0);
}

static void without_a_pin_or_a_roster_nobody_comes_in(void **state)
{
	struct fixture *f = *state;

	state_by(f, "erin");
	assert_denied(f, "no roster");
	f->trust.identity.roster_key[0] = '\0';
	assert_denied(f, "sessions.roster_key");
}

static void an_expired_roster_lets_nobody_in(void **state)
{
	struct fixture *f = *state;

	use_roster(f, 1, "");
	f->statement.not_before_ms += INT64_C(100) * 86400000;
	f->statement.not_after_ms += INT64_C(100) * 86400000;
	f->grant.not_before_ms += INT64_C(100) * 86400000;
	f->grant.expires_ms += INT64_C(100) * 86400000;
	state_by(f, "erin");
	tl_clock_fake_advance(&f->clock, INT64_C(100) * 86400000);
	assert_int_equal(check(f), TL_EEXPIRED);
	assert_says(&f->err, "roster");
}

/* ---- the book ----------------------------------------------------------------------------------- */

static void an_older_roster_is_never_believed_again(void **state)
{
	struct fixture *f = *state;
	tl_auto(tl_buf) struct tl_buf engineers = TL_BUF_INIT(4096);

	write_engineers(f, "", &engineers);
	use_roster(f, 5, "");
	assert_int_equal(take_roster(f, 4, tl_buf_str(&engineers), "offline"), TL_EDENIED);
	assert_says(&f->err, "rolls it back");
	assert_int_equal(take_roster(f, 5, tl_buf_str(&engineers), "offline"), 0);
	assert_int_equal(take_roster(f, 5, "", "offline"), TL_ECONFLICT);
	/* A restart forgets nothing. */
	tl_roster_book_clear(&f->book);
	assert_int_equal(tl_roster_book_open(f->fd, &f->book, NULL), 0);
	assert_int_equal(take_roster(f, 4, tl_buf_str(&engineers), "offline"), TL_EDENIED);
	state_by(f, "erin");
	assert_int_equal(check(f), 0);
}

static void a_roster_of_the_relay_s_making_is_refused(void **state)
{
	struct fixture *f = *state;
	tl_auto(tl_buf) struct tl_buf engineers = TL_BUF_INIT(4096);

	use_roster(f, 1, "");
	write_engineers(f, "", &engineers);
	assert_int_equal(take_roster(f, 2, tl_buf_str(&engineers), "relay"), TL_EDENIED);
	assert_says(&f->err, "is pinned");
	assert_int_equal(f->book.roster.version, 1);
}

static void a_removed_engineer_is_out(void **state)
{
	struct fixture *f = *state;

	use_roster(f, 1, "");
	state_by(f, "erin");
	assert_int_equal(check(f), 0);
	assert_int_equal(take_roster(f, 2, "", "offline"), 0);
	assert_denied(f, "not on the roster");
}

static void the_policy_s_pin_wins_over_the_enrolment_s(void **state)
{
	struct fixture *f = *state;
	char other[TL_SSH_FINGERPRINT_MAX];

	use_roster(f, 1, "");
	state_by(f, "erin");
	fingerprint_of(f->lines[2], other);
	free(f->policy.sessions_roster_key);
	f->policy.sessions_roster_key = strdup(other);
	assert_denied(f, "is pinned");
}

static void a_damaged_file_fails_closed(void **state)
{
	struct fixture *f = *state;

	write_text(f, "roster.json", "{}");
	tl_roster_book_clear(&f->book);
	assert_int_equal(tl_roster_book_open(f->fd, &f->book, &f->err), TL_EINVAL);
	assert_says(&f->err, "roster.json");
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(what_the_engineer_signed_is_allowed),
		WITH_FIXTURE(without_the_policy_nothing_is_asked_for),
		WITH_FIXTURE(a_grant_without_a_statement_is_refused),
		WITH_FIXTURE(the_relay_s_own_key_signs_nothing),
		WITH_FIXTURE(another_engineer_s_statement_is_refused),
		WITH_FIXTURE(a_changed_statement_is_refused),
		WITH_FIXTURE(a_substituted_key_is_refused),
		WITH_FIXTURE(a_widened_grant_is_refused),
		WITH_FIXTURE(a_statement_for_another_host_s_name_is_refused),
		WITH_FIXTURE(an_old_or_early_statement_is_refused),
		WITH_FIXTURE(the_roster_limits_its_engineers),
		WITH_FIXTURE(without_a_pin_or_a_roster_nobody_comes_in),
		WITH_FIXTURE(an_expired_roster_lets_nobody_in),
		WITH_FIXTURE(an_older_roster_is_never_believed_again),
		WITH_FIXTURE(a_roster_of_the_relay_s_making_is_refused),
		WITH_FIXTURE(a_removed_engineer_is_out),
		WITH_FIXTURE(the_policy_s_pin_wins_over_the_enrolment_s),
		WITH_FIXTURE(a_damaged_file_fails_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
