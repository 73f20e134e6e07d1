#include "cli/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>
#include <cmocka.h>

static int read_profile(const char *text, struct tl_profile *profile, struct tl_err *err)
{
	return tl_conf_parse(&tl_profile_schema, "config.yaml", "/home/erin", text, strlen(text),
			     profile, err);
}

static void relative_paths_are_relative_to_the_file(void **state)
{
	tl_auto(tl_profile) struct tl_profile profile = {0};
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(read_profile("relay: https://r:1\ntoken_file: token\n", &profile, &err),
			 0);
	assert_string_equal(profile.token_file, "/home/erin/token");
	assert_string_equal(profile.relay, "https://r:1");
}

static void an_absent_ca_stays_empty(void **state)
{
	tl_auto(tl_profile) struct tl_profile profile = {0};

	(void)state;
	assert_int_equal(read_profile("relay: https://r:1\ntoken_file: t\n", &profile, NULL), 0);
	assert_string_equal(profile.ca, "");
}

static void a_profile_without_a_relay_is_refused(void **state)
{
	tl_auto(tl_profile) struct tl_profile profile = {0};
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(read_profile("token_file: t\n", &profile, &err), TL_ECONFIG);
	assert_non_null(strstr(err.text, "relay"));
}

static void an_unknown_key_is_named_with_its_line(void **state)
{
	tl_auto(tl_profile) struct tl_profile profile = {0};
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(read_profile("relay: https://r:1\ntoken: x\n", &profile, &err),
			 TL_ECONFIG);
	assert_non_null(strstr(err.text, "config.yaml:2"));
	assert_non_null(strstr(err.text, "token"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relative_paths_are_relative_to_the_file),
		cmocka_unit_test(an_absent_ca_stays_empty),
		cmocka_unit_test(a_profile_without_a_relay_is_refused),
		cmocka_unit_test(an_unknown_key_is_named_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
