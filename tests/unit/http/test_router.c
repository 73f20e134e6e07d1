#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "http/router.h"

static void handler(struct tl_http_call *call)
{
	(void)call;
}

#define ROW(method, pattern) \
	{ \
		method, pattern, TL_ROLE_NOBODY, TL_BODY_NONE, 0, handler, NULL, "" \
	}

static const struct tl_http_route routes[] = {
	ROW("GET", "/"),
	ROW("GET", "/files/*path"),
	ROW("DELETE", "/tickets/:id"),
	ROW("GET", "/tickets/:id"),
	ROW("GET", "/tickets/:id/log"),
	ROW("GET", "/tickets/search"),
	ROW("HEAD", "/uploads/:id"),
	ROW("PATCH", "/uploads/:id"),
};

static struct tl_route_match match(const char *method, const char *path)
{
	struct tl_route_match found;

	tl_router_match(routes, TL_ARRAY_LEN(routes), method, path, &found);
	return found;
}

static void expect_row(const char *method, const char *path, const char *pattern)
{
	struct tl_route_match found = match(method, path);

	assert_non_null(found.route);
	assert_string_equal(found.route->pattern, pattern);
}

static void the_table_is_in_order(void **state)
{
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	if (tl_router_check(routes, TL_ARRAY_LEN(routes), &err) < 0)
		fail_msg("%s", tl_err_text(&err));
}

static void a_table_out_of_order_is_refused_by_name(void **state)
{
	static const struct tl_http_route wrong[] = {ROW("GET", "/b"), ROW("GET", "/a")};
	static const struct tl_http_route twice[] = {ROW("GET", "/b"), ROW("GET", "/b")};
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(tl_router_check(wrong, 2, &err), TL_EINVAL);
	assert_non_null(strstr(tl_err_text(&err), "GET /a"));
	assert_int_equal(tl_router_check(twice, 2, &err), TL_EINVAL);
}

static void a_row_that_contradicts_itself_is_refused(void **state)
{
	struct tl_http_route row = ROW("GET", "/a");
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	row.body = TL_BODY_JSON;
	assert_int_equal(tl_router_check(&row, 1, &err), TL_EINVAL);
	row.body = TL_BODY_STREAM;
	assert_int_equal(tl_router_check(&row, 1, &err), TL_EINVAL);
	row = (struct tl_http_route)ROW("GET", "/a");
	row.roles = 0;
	assert_int_equal(tl_router_check(&row, 1, &err), TL_EINVAL);
}

static void the_more_literal_row_wins(void **state)
{
	(void)state;
	expect_row("GET", "/", "/");
	expect_row("GET", "/tickets/T-1", "/tickets/:id");
	expect_row("GET", "/tickets/search", "/tickets/search");
	expect_row("DELETE", "/tickets/search", "/tickets/:id");
	expect_row("GET", "/tickets/T-1/log", "/tickets/:id/log");
	expect_row("GET", "/files/a/b/c", "/files/*path");
}

static void parameters_are_cut_out(void **state)
{
	struct tl_route_match found = match("GET", "/tickets/T-1/log");

	(void)state;
	assert_int_equal(found.param_count, 1);
	assert_int_equal(found.params[0].name_len, 2);
	assert_memory_equal(found.params[0].name, "id", 2);
	assert_int_equal(found.params[0].value_len, 3);
	assert_memory_equal(found.params[0].value, "T-1", 3);
	found = match("GET", "/files/a/b");
	assert_int_equal(found.params[0].value_len, 3);
}

static void what_is_not_there_has_its_status(void **state)
{
	(void)state;
	assert_int_equal(match("GET", "/ticket").status, 404);
	assert_int_equal(match("GET", "/tickets").status, 404);
	assert_int_equal(match("GET", "/tickets/").status, 404);
	assert_int_equal(match("GET", "/tickets/a/").status, 404);
	assert_int_equal(match("GET", "//").status, 404);
	assert_int_equal(match("POST", "/tickets/T-1").status, 405);
	assert_int_equal(match("PROPFIND", "/tickets/T-1").status, 501);
}

static void head_falls_back_to_get(void **state)
{
	(void)state;
	expect_row("HEAD", "/tickets/T-1", "/tickets/:id");
	expect_row("HEAD", "/uploads/1", "/uploads/:id");
}

static void allow_lists_each_method_once(void **state)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(100);

	(void)state;
	tl_router_allow(routes, TL_ARRAY_LEN(routes), "/tickets/search", &out);
	assert_string_equal(tl_buf_str(&out), "DELETE, GET, HEAD");
}

static void escapes_are_decoded_or_refused(void **state)
{
	char out[32];

	(void)state;
	assert_int_equal(tl_percent_decode("a%2Fb+c", 7, false, out), 0);
	assert_string_equal(out, "a/b+c");
	assert_int_equal(tl_percent_decode("a+%C3%bC", 8, true, out), 0);
	assert_string_equal(out, "a \xc3\xbc");
	assert_int_equal(tl_percent_decode("%", 1, false, out), TL_EINVAL);
	assert_int_equal(tl_percent_decode("%4", 2, false, out), TL_EINVAL);
	assert_int_equal(tl_percent_decode("%zz", 3, false, out), TL_EINVAL);
	assert_int_equal(tl_percent_decode("%00", 3, true, out), TL_EINVAL);
	assert_int_equal(tl_percent_decode("%0a", 3, false, out), TL_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_in_order),
		cmocka_unit_test(a_table_out_of_order_is_refused_by_name),
		cmocka_unit_test(a_row_that_contradicts_itself_is_refused),
		cmocka_unit_test(the_more_literal_row_wins),
		cmocka_unit_test(parameters_are_cut_out),
		cmocka_unit_test(what_is_not_there_has_its_status),
		cmocka_unit_test(head_falls_back_to_get),
		cmocka_unit_test(allow_lists_each_method_once),
		cmocka_unit_test(escapes_are_decoded_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
