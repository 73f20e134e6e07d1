#include "desk/upload_meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* kind=recording, session=01m7q5cqg0tyd2ca7vfpbv3qfd */
#define RECORDING "kind cmVjb3JkaW5n, session MDFtN3E1Y3FnMHR5ZDJjYTd2ZnBidjNxZmQ="

static void refused(const char *header, const char *why)
{
	struct tl_upload_meta meta;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_upload_meta_parse(header, &meta, &err), TL_EINVAL);
	if (!strstr(tl_err_text(&err), why))
		fail_msg("\"%s\" lacks \"%s\"", tl_err_text(&err), why);
}

static void a_recording_names_its_session(void **state)
{
	struct tl_upload_meta meta;

	(void)state;
	assert_int_equal(tl_upload_meta_parse(RECORDING, &meta, NULL), 0);
	assert_string_equal(meta.kind, "recording");
	assert_string_equal(meta.session, "01m7q5cqg0tyd2ca7vfpbv3qfd");
}

static void an_unknown_key_is_named(void **state)
{
	(void)state;
	refused(RECORDING ",colour Ymx1ZQ==", "colour");
}

static void a_repeated_key_is_refused(void **state)
{
	(void)state;
	refused("kind cmVjb3JkaW5n," RECORDING, "twice");
}

static void a_value_that_is_not_base64_is_refused(void **state)
{
	(void)state;
	refused("kind !!!!", "base64");
	refused("kind", "base64");
}

static void a_value_beyond_its_room_is_refused(void **state)
{
	(void)state;
	refused("kind cmVjb3JkaW5ncmVjb3JkaW5ncmVjb3JkaW5n", "base64 of at most");
}

static void a_value_of_another_form_is_refused(void **state)
{
	(void)state;
	refused("session Li4vLi4vZXRj", "form"); /* ../../etc */
	refused("ticket AHg=", "form");		 /* NUL, x */
	refused("sha256 QUJD", "form");		 /* ABC */
}

static void a_kind_needs_its_keys(void **state)
{
	(void)state;
	refused("kind cmVjb3JkaW5n", "session");
	refused("kind YnVuZGxl", "bundle"); /* bundle */
	refused("kind b3RoZXI=", "kind must be");
	refused("", "not known");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recording_names_its_session),
		cmocka_unit_test(an_unknown_key_is_named),
		cmocka_unit_test(a_repeated_key_is_refused),
		cmocka_unit_test(a_value_that_is_not_base64_is_refused),
		cmocka_unit_test(a_value_beyond_its_room_is_refused),
		cmocka_unit_test(a_value_of_another_form_is_refused),
		cmocka_unit_test(a_kind_needs_its_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
