#include "tests.h"
#include <towline/program.h>

static void a_sibling_is_found_beside_the_program(void **state TL_UNUSED)
{
	char path[PATH_MAX], own[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", own, sizeof own - 1);
	struct tl_err err = TL_ERR_INIT;

	assert_true(len > 0);
	own[len] = '\0';
	assert_int_equal(tl_program_path(strrchr(own, '/') + 1, path, &err), 0);
	assert_string_equal(path, own);
}

static void a_missing_program_is_named_with_its_places(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;
	char path[PATH_MAX];

	assert_int_equal(tl_program_path("towline-none", path, &err), TL_ENOENT);
	assert_says(&err, "towline-none");
}

static void the_search_path_does_not_count(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;
	char path[PATH_MAX];

	assert_int_equal(tl_program_path("sh", path, &err), TL_ENOENT);
	assert_int_equal(tl_program_path("../sh", path, &err), TL_EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sibling_is_found_beside_the_program),
		cmocka_unit_test(a_missing_program_is_named_with_its_places),
		cmocka_unit_test(the_search_path_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
