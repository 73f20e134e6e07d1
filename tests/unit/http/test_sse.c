#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/http.h"

static void expect(const char *id, const char *event, const char *data, const char *text)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(1000);

	tl_http_sse_format(&out, id, event, data);
	assert_string_equal(tl_buf_str(&out), text);
}

static void an_event_has_its_fields_and_an_empty_line(void **state)
{
	(void)state;
	expect("1", "grant", "{}", "id: 1\nevent: grant\ndata: {}\n\n");
	expect(NULL, NULL, "x", "data: x\n\n");
	expect(NULL, "ping", NULL, "event: ping\ndata: \n\n");
}

static void every_kind_of_line_end_splits_data(void **state)
{
	(void)state;
	expect(NULL, NULL, "a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n\n");
	expect(NULL, NULL, "a\n", "data: a\ndata: \n\n");
}

static void a_field_cannot_smuggle_another(void **state)
{
	(void)state;
	expect("1\ndata: x", "e\r\nid: 2", "d", "id: 1 data: x\nevent: e  id: 2\ndata: d\n\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_has_its_fields_and_an_empty_line),
		cmocka_unit_test(every_kind_of_line_end_splits_data),
		cmocka_unit_test(a_field_cannot_smuggle_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
