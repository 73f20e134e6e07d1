#include "tests.h"

#include <string.h>
#include <towline/jwt.h>
#include <towline/second.h>

#define SESSION "01jb0000000000000000000001"

static struct {
	struct tl_key *authority;
	struct tl_clock_fake clock;
	struct tl_buf token;
} t;

static int setup(void **state)
{
	struct tl_second_statement statement = {.session = SESSION,
						.engineer = "sue",
						.name = "Sue Super"};

	(void)state;
	tl_clock_fake_init(&t.clock, 1700000000000);
	assert_int_equal(tl_key_generate(&t.authority, NULL), 0);
	t.token = (struct tl_buf)TL_BUF_INIT(TL_JWT_MAX);
	assert_int_equal(tl_second_sign(&statement, t.authority, &t.clock.clock, &t.token, NULL),
			 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tl_key_free(t.authority);
	tl_buf_clear(&t.token);
	return 0;
}

static int verify(const struct tl_key *key, const char *session,
		  struct tl_second_statement *statement)
{
	return tl_second_verify(tl_buf_str(&t.token), key, session, &t.clock.clock, statement,
				NULL);
}

static void a_statement_names_session_and_person(void **state)
{
	struct tl_second_statement read = {.session = ""};

	(void)state;
	assert_int_equal(verify(t.authority, SESSION, &read), 0);
	assert_string_equal(read.engineer, "sue");
	assert_string_equal(read.name, "Sue Super");
	assert_int_equal(read.expires_ms, 1700000000000 + TL_SECOND_LIFE_MS);
}

static void it_counts_for_no_other_session_and_no_other_key(void **state)
{
	struct tl_second_statement read;
	tl_auto(tl_key) struct tl_key *other = NULL;

	(void)state;
	assert_int_equal(verify(t.authority, "01jb0000000000000000000002", &read), TL_EDENIED);
	assert_int_equal(tl_key_generate(&other, NULL), 0);
	assert_int_equal(verify(other, SESSION, &read), TL_ESIG);
}

static void one_that_was_kept_proves_nothing_later(void **state)
{
	struct tl_second_statement read;

	(void)state;
	tl_clock_fake_advance(&t.clock, TL_SECOND_LIFE_MS + TL_JWT_SKEW_MS);
	assert_int_equal(verify(t.authority, SESSION, &read), TL_EEXPIRED);
}

/* A lying relay cannot vouch for a day. */
static void one_that_would_live_long_is_refused(void **state)
{
	tl_json *claims = json_pack("{s:s, s:s, s:s, s:i, s:i}", "session", SESSION, "sub", "sue",
				    "name", "Sue", "iat", 1700000000, "exp", 1700090000);
	struct tl_second_statement read;

	(void)state;
	tl_buf_reset(&t.token);
	assert_int_equal(tl_jwt_sign(t.authority, TL_JWT_SECOND, claims, &t.token, NULL), 0);
	assert_int_equal(verify(t.authority, SESSION, &read), TL_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_statement_names_session_and_person),
		T(it_counts_for_no_other_session_and_no_other_key),
		T(one_that_was_kept_proves_nothing_later),
		T(one_that_would_live_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
