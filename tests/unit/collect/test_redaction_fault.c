/* What happens when the redactor itself fails, in the middle of a member. */
#include "../common/tests.h"
#include "redact/redact.h"
#include "stage.h"

int __real_tl_redactor_feed(struct tl_redactor *redactor, const void *bytes, size_t len,
			    struct tl_err *err);
int __wrap_tl_redactor_feed(struct tl_redactor *redactor, const void *bytes, size_t len,
			    struct tl_err *err);

/* In the collecting process, where the bytes are. */
int __wrap_tl_redactor_feed(struct tl_redactor *redactor, const void *bytes, size_t len,
			    struct tl_err *err)
{
	if (memmem(bytes, len, "BREAK", 5))
		return tl_err_set(err, TL_EINTERNAL, "the redactor broke");
	return __real_tl_redactor_feed(redactor, bytes, len, err);
}

#define S(...) ((const char *const[]){__VA_ARGS__, NULL})

static void what_cannot_be_redacted_is_left_out_and_named(void **state)
{
	struct stage *stage = *state;
	struct collector rows[] = {
		{"one", "g", "s", COLLECT_FILES, COLLECT_LOW, 0, S("/a", "/b", "/c"), NULL, 10000,
		 5000},
		{"two", "g", "s", COLLECT_FILES, COLLECT_LOW, 0, S("/d"), NULL, 10000, 5000},
	};

	stage_file(stage, "/a", "whole\n");
	stage_file(stage, "/b", "password=hunter2\nBREAK\n");
	stage_file(stage, "/c", "never read\n");
	stage_file(stage, "/d", "after\n");
	if (stage_collect(stage, rows, TL_ARRAY_LEN(rows)) < 0)
		fail_msg("%s", tl_err_text(&stage->err));
	assert_string_equal(stage_member(stage, "root/a"), "whole\n");
	assert_null(stage_member(stage, "root/b"));
	assert_string_equal(stage_member(stage, "root/d"), "after\n");
	assert_true(stage_noted(stage, "root/b", "failed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_cannot_be_redacted_is_left_out_and_named,
						stage_set_up, stage_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
