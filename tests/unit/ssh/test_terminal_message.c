#include "ssh/terminal_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <towline/str.h>
#include <cmocka.h>

static int parse(const char *text, struct tl_terminal_message *message)
{
	struct tl_err err = TL_ERR_INIT;
	int rc = tl_terminal_message_parse(text, strlen(text), message, &err);

	if (rc != 0)
		assert_true(strlen(tl_err_text(&err)) > 10);
	return rc;
}

static void an_attachment_says_its_size_and_perhaps_more(void **state)
{
	struct tl_terminal_message message;

	(void)state;
	assert_int_equal(parse("{\"type\":\"attach\",\"columns\":80,\"rows\":24}", &message), 0);
	assert_int_equal(message.verb, TL_TERMINAL_ATTACH);
	assert_int_equal(message.columns, 80);
	assert_int_equal(message.rows, 24);
	assert_int_equal(message.output, -1);
	assert_string_equal(message.term, "xterm-256color");
	assert_int_equal(parse("{\"rows\":4096,\"columns\":1,\"type\":\"attach\",\"output\":0,"
			       "\"term\":\"vt100\"}",
			       &message),
			 0);
	assert_int_equal(message.output, 0);
	assert_string_equal(message.term, "vt100");
}

static void a_resize_and_a_ping_are_short(void **state)
{
	struct tl_terminal_message message;

	(void)state;
	assert_int_equal(parse("{\"type\":\"resize\",\"columns\":132,\"rows\":50}", &message), 0);
	assert_int_equal(message.verb, TL_TERMINAL_RESIZE);
	assert_int_equal(message.columns, 132);
	assert_int_equal(parse("{\"type\":\"ping\"}", &message), 0);
	assert_int_equal(message.verb, TL_TERMINAL_PING);
}

static void anything_else_is_refused_with_a_sentence(void **state)
{
	static const char *const texts[] = {
		"",
		"1",
		"null",
		"[]",
		"{}",
		"{\"type\":null}",
		"{\"type\":\"\"}",
		"{\"type\":\"quit\"}",
		"{\"type\":\"ping\",\"type\":\"ping\"}",
		"{\"type\":\"ping\"} x",
		"{\"type\":\"ping\",\"columns\":80}",
		"{\"type\":\"resize\",\"columns\":80}",
		"{\"type\":\"resize\",\"columns\":0,\"rows\":24}",
		"{\"type\":\"resize\",\"columns\":80,\"rows\":4097}",
		"{\"type\":\"resize\",\"columns\":80.5,\"rows\":24}",
		"{\"type\":\"resize\",\"columns\":80,\"rows\":24,\"output\":1}",
		"{\"type\":\"attach\",\"columns\":80,\"rows\":24,\"output\":-1}",
		"{\"type\":\"attach\",\"columns\":80,\"rows\":24,\"term\":\"-x\"}",
		"{\"type\":\"attach\",\"columns\":80,\"rows\":24,\"term\":\"a b\"}",
	};
	struct tl_terminal_message message;

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(texts); i++)
		assert_int_equal(parse(texts[i], &message), TL_EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attachment_says_its_size_and_perhaps_more),
		cmocka_unit_test(a_resize_and_a_ping_are_short),
		cmocka_unit_test(anything_else_is_refused_with_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
