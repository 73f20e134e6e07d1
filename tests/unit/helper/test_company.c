#include "../common/tests.h"

#include "helper/company.h"

static struct tl_second_statement statement_of(const char *login, int64_t expires_ms)
{
	struct tl_second_statement statement = {.expires_ms = expires_ms};

	snprintf(statement.engineer, sizeof(statement.engineer), "%s", login);
	snprintf(statement.name, sizeof(statement.name), "%s", login);
	return statement;
}

static struct tl_company company_of(enum tl_second need)
{
	struct tl_company company;

	tl_company_init(&company, need, 300000, "eva");
	return company;
}

static void without_need_and_pause_bytes_pass(void **state)
{
	struct tl_company company = company_of(TL_SECOND_NONE);

	(void)state;
	assert_null(tl_company_hold(&company));
	assert_false(tl_company_is_waiting(&company));
	assert_int_equal(tl_company_wait_ms(&company, 1000), -1);
}

static void under_four_eyes_nothing_passes_before_the_second_is_there(void **state)
{
	struct tl_company company = company_of(TL_SECOND_PAUSE);
	struct tl_second_statement sue = statement_of("sue", 9000);
	tl_auto(tl_buf) struct tl_buf said = TL_BUF_INIT(4096);

	(void)state;
	assert_non_null(tl_company_hold(&company));
	assert_true(tl_company_is_waiting(&company));
	assert_int_equal(tl_company_wait_ms(&company, 1000), 300000);
	assert_int_equal(tl_company_joined(&company, &sue, &said, NULL), 0);
	assert_null(tl_company_hold(&company));
	assert_string_equal(tl_buf_str(&said), "sue has joined as the second engineer.");
	assert_int_equal(tl_company_wait_ms(&company, 1000), 8000);
}

static void nobody_is_the_second_of_an_own_session(void **state)
{
	struct tl_company company = company_of(TL_SECOND_PAUSE);
	struct tl_second_statement eva = statement_of("eva", 9000);
	tl_auto(tl_buf) struct tl_buf said = TL_BUF_INIT(4096);
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(tl_company_joined(&company, &eva, &said, &err), TL_EDENIED);
	assert_true(tl_company_is_waiting(&company));
	assert_non_null(tl_company_hold(&company));
}

static void leaving_holds_or_ends_as_it_was_wanted(void **state)
{
	static const struct {
		enum tl_second need;
		int64_t wait_ms;
	} rows[] = {{TL_SECOND_PAUSE, 300000}, {TL_SECOND_END, 0}};

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		struct tl_company company = company_of(rows[i].need);
		struct tl_second_statement sue = statement_of("sue", 9000);
		tl_auto(tl_buf) struct tl_buf said = TL_BUF_INIT(4096);

		assert_int_equal(tl_company_joined(&company, &sue, &said, NULL), 0);
		tl_buf_reset(&said);
		assert_int_equal(tl_company_joined(&company, NULL, &said, NULL), 0);
		assert_string_equal(tl_buf_str(&said), "sue has left as the second engineer.");
		assert_non_null(tl_company_hold(&company));
		assert_false(tl_company_is_waiting(&company));
		assert_int_equal(tl_company_wait_ms(&company, 1000), rows[i].wait_ms);
	}
}

static void a_renewed_statement_is_no_news(void **state)
{
	struct tl_company company = company_of(TL_SECOND_PAUSE);
	struct tl_second_statement sue = statement_of("sue", 9000);
	tl_auto(tl_buf) struct tl_buf said = TL_BUF_INIT(4096);

	(void)state;
	assert_int_equal(tl_company_joined(&company, &sue, &said, NULL), 0);
	tl_buf_reset(&said);
	sue.expires_ms = 69000;
	assert_int_equal(tl_company_joined(&company, &sue, &said, NULL), 0);
	assert_int_equal(said.len, 0);
	assert_int_equal(tl_company_wait_ms(&company, 9000), 60000);
}

static void each_pause_is_lifted_by_who_made_it(void **state)
{
	struct tl_company company = company_of(TL_SECOND_NONE);
	tl_auto(tl_buf) struct tl_buf said = TL_BUF_INIT(4096);

	(void)state;
	tl_company_paused(&company, TL_PAUSE_RELAY, "sue", &said);
	tl_company_paused(&company, TL_PAUSE_PERSON, "anna", &said);
	assert_non_null(strstr(tl_buf_str(&said), "anna has paused"));
	tl_company_paused(&company, TL_PAUSE_RELAY, NULL, &said);
	assert_string_equal(tl_company_hold(&company), "paused by anna");
	tl_company_paused(&company, TL_PAUSE_PERSON, NULL, &said);
	assert_null(tl_company_hold(&company));
	tl_buf_reset(&said);
	tl_company_paused(&company, TL_PAUSE_PERSON, NULL, &said);
	assert_int_equal(said.len, 0);
}

static void watchers_are_told_apart_by_their_login(void **state)
{
	struct tl_company company = company_of(TL_SECOND_NONE);
	struct tl_watcher watchers[] = {{"sue", "Sue"}, {"tom", "Tom"}};
	tl_auto(tl_buf) struct tl_buf said = TL_BUF_INIT(4096);

	(void)state;
	tl_company_watched(&company, watchers, 2, &said);
	assert_string_equal(tl_buf_str(&said),
			    "Sue watches this session. Tom watches this session.");
	tl_buf_reset(&said);
	tl_company_watched(&company, &watchers[1], 1, &said);
	assert_string_equal(tl_buf_str(&said), "Sue no longer watches.");
	tl_buf_reset(&said);
	tl_company_watched(&company, &watchers[1], 1, &said);
	assert_int_equal(said.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_need_and_pause_bytes_pass),
		cmocka_unit_test(under_four_eyes_nothing_passes_before_the_second_is_there),
		cmocka_unit_test(nobody_is_the_second_of_an_own_session),
		cmocka_unit_test(leaving_holds_or_ends_as_it_was_wanted),
		cmocka_unit_test(a_renewed_statement_is_no_news),
		cmocka_unit_test(each_pause_is_lifted_by_who_made_it),
		cmocka_unit_test(watchers_are_told_apart_by_their_login),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
