#include "../common/tests.h"
#include "collect/parameter.h"
#include "collect/probe.h"
#include "collect/probe_link.h"

static struct tl_err err;

static void addresses_are_taken_apart(void **state TL_UNUSED)
{
	struct probe_target target;

	assert_int_equal(probe_url_read("https://example.org/a?b=c", &target, &err), 0);
	assert_true(target.tls);
	assert_string_equal(target.host, "example.org");
	assert_string_equal(target.port, "443");
	assert_string_equal(target.path, "/a?b=c");
	assert_int_equal(probe_url_read("http://[::1]:8080", &target, &err), 0);
	assert_string_equal(target.host, "::1");
	assert_string_equal(target.port, "8080");
	assert_string_equal(target.path, "/");
	assert_int_equal(probe_address_read("127.0.0.1:443", &target, &err), 0);
	assert_string_equal(target.host, "127.0.0.1");
}

static void what_is_no_address_is_refused(void **state TL_UNUSED)
{
	static const char *const urls[] = {
		"",
		"ftp://x/",
		"http://",
		"http://user:word@x/",
		"http://x:0/",
		"http://x:99999/",
		"http://x/a b",
		"http://x/\r\nHost: y",
		"http://[::1/",
		"http://x#part",
		"http://[::1]8/",
		"file:///etc/passwd",
	};
	static const char *const addresses[] = {"", "x", ":443", "x:", "x:y", "x:70000", "a/b:1"};

	for (size_t i = 0; i < TL_ARRAY_LEN(urls); i++)
		if (probe_url_check(urls[i], &err) != TL_EINVAL)
			fail_msg("%s is taken", urls[i]);
	for (size_t i = 0; i < TL_ARRAY_LEN(addresses); i++)
		if (probe_address_check(addresses[i], &err) != TL_EINVAL)
			fail_msg("%s is taken", addresses[i]);
}

static void parameters_hold_no_option_and_no_way_out(void **state TL_UNUSED)
{
	static const struct {
		const char *name, *value;
		int code;
	} rows[] = {
		{"unit", "nginx.service", 0},	  {"unit", "getty@tty1.service", 0},
		{"unit", "--now", TL_EINVAL},	  {"unit", "a/b", TL_EINVAL},
		{"unit", "a;b", TL_EINVAL},	  {"unit", "a\nb", TL_EINVAL},
		{"unit", "", TL_EINVAL},	  {"interface", "eth0.5", 0},
		{"interface", "..", TL_EINVAL},	  {"container", "web_1", 0},
		{"container", "$(x)", TL_EINVAL},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++)
		if (parameter_check(rows[i].name, rows[i].value, &err) != rows[i].code)
			fail_msg("%s", rows[i].value);
}

static void braces_of_templates_are_no_parameters(void **state TL_UNUSED)
{
	const char *name = "";

	assert_int_equal(parameter_find("{{json .}} {{x}} {ID} {}", &name, &err), 0);
	assert_null(name);
	assert_int_equal(parameter_find("a-{unit}-b", &name, &err), 0);
	assert_string_equal(name, "unit");
	assert_int_equal(parameter_find("{planet}", &name, &err), TL_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_taken_apart),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(parameters_hold_no_option_and_no_way_out),
		cmocka_unit_test(braces_of_templates_are_no_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
