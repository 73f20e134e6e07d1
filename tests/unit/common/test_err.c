#include "tests.h"
#include <errno.h>

static void a_report_carries_code_and_sentence(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_err_set(&err, TL_EINVAL, "a %s", "sentence"), TL_EINVAL);
	assert_int_equal(err.code, TL_EINVAL);
	assert_string_equal(tl_err_text(&err), "a sentence");
	assert_int_equal(tl_err_set(NULL, TL_EINVAL, "nobody reads"), TL_EINVAL);
}

static void control_characters_do_not_get_through(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;

	tl_err_set(&err, TL_EINVAL, "%s", "a\x1b[2J\nb\x7f");
	assert_string_equal(tl_err_text(&err), "a?[2J?b?");
}

static void a_long_sentence_is_cut(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;

	tl_err_sys(&err, TL_EIO, EIO, "%0400d", 0);
	assert_int_equal(strlen(tl_err_text(&err)), TL_ERR_TEXT_MAX - 1);
	tl_err_prefix(&err, "%0400d", 1);
	assert_int_equal(strlen(tl_err_text(&err)), TL_ERR_TEXT_MAX - 1);
}

static void errno_refines_the_code(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_err_sys(&err, TL_EIO, ENOSPC, "x"), TL_ENOSPC);
	assert_string_equal(tl_err_text(&err), "x: No space left on device");
	assert_int_equal(tl_err_sys(&err, TL_EIO, EACCES, "x"), TL_EACCES);
	assert_int_equal(tl_err_sys(&err, TL_EIO, ENOENT, "x"), TL_ENOENT);
	assert_int_equal(tl_err_sys(&err, TL_EBUSY, ENOENT, "x"), TL_EBUSY);
	assert_int_equal(err.sys_errno, ENOENT);
}

static void context_goes_before_the_sentence(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;

	tl_err_set(&err, TL_EINVAL, "inner");
	assert_int_equal(tl_err_prefix(&err, "outer %d", 1), TL_EINVAL);
	assert_string_equal(tl_err_text(&err), "outer 1: inner");
}

static void every_code_has_name_text_and_exit_status(void **state TL_UNUSED)
{
#define CHECK(name, code, status, text) \
	assert_string_equal(tl_err_name(TL_##name), #name); \
	assert_int_equal(tl_err_by_name(#name), TL_##name); \
	assert_string_equal(tl_err_str(TL_##name), text); \
	assert_int_equal(tl_err_exit_status(TL_##name), status);
	TL_ERRORS(CHECK)
#undef CHECK
}

static void strange_codes_are_survived(void **state TL_UNUSED)
{
	assert_string_equal(tl_err_name(-999), "unknown");
	assert_string_equal(tl_err_name(1), "unknown");
	assert_int_equal(tl_err_by_name("EWHAT"), 0);
	assert_int_equal(tl_err_exit_status(0), 0);
	assert_int_equal(tl_err_exit_status(-999), 70);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_carries_code_and_sentence),
		cmocka_unit_test(control_characters_do_not_get_through),
		cmocka_unit_test(a_long_sentence_is_cut),
		cmocka_unit_test(errno_refines_the_code),
		cmocka_unit_test(context_goes_before_the_sentence),
		cmocka_unit_test(every_code_has_name_text_and_exit_status),
		cmocka_unit_test(strange_codes_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
