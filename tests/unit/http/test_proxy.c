#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/proxy.h"

static const char *const trusted[] = {"10.0.0.0/8", "192.0.2.7", "2001:db8::/33", NULL};

static int set_up(void **state)
{
	struct tl_trust *trust = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_trust_new(trusted, &trust, &err) < 0)
		fail_msg("%s", tl_err_text(&err));
	*state = trust;
	return 0;
}

static int tear_down(void **state)
{
	tl_trust_free(*state);
	return 0;
}

static struct tl_address address(const char *text)
{
	struct tl_address parsed;

	assert_true(tl_address_parse(text, strlen(text), &parsed));
	return parsed;
}

static bool trusts(const struct tl_trust *trust, const char *text)
{
	struct tl_address parsed = address(text);

	return tl_trust_has(trust, &parsed);
}

static void networks_hold_their_addresses_only(void **state)
{
	assert_true(trusts(*state, "10.255.0.1"));
	assert_false(trusts(*state, "11.0.0.1"));
	assert_true(trusts(*state, "192.0.2.7"));
	assert_false(trusts(*state, "192.0.2.6"));
	assert_true(trusts(*state, "2001:db8:7fff::1"));
	assert_false(trusts(*state, "2001:db8:8000::1"));
	assert_true(trusts(*state, "::ffff:10.1.1.1"));
	assert_false(tl_trust_has(NULL, &(struct tl_address){0}));
}

static void bad_networks_are_named(void **state)
{
	static const char *const bad[][2] = {{"10.0.0.0/33", NULL},
					     {"host", NULL},
					     {"::/129", NULL}};
	struct tl_trust *trust = NULL;
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(tl_trust_new(bad[i], &trust, &err), TL_ECONFIG);
		assert_non_null(strstr(tl_err_text(&err), bad[i][0]));
	}
}

static void expect_client(const struct tl_trust *trust, const char *peer, const char *forwarded,
			  const char *client)
{
	struct tl_address from = address(peer);
	struct tl_address found = tl_proxy_client(trust, &from, forwarded);
	char text[INET6_ADDRSTRLEN];

	tl_address_format(&found, text);
	assert_string_equal(text, client);
}

static void the_last_untrusted_address_is_the_client(void **state)
{
	expect_client(*state, "10.0.0.1", "1.2.3.4, 203.0.113.9, 10.0.0.2", "203.0.113.9");
	expect_client(*state, "10.0.0.1", "[2001:db9::1]:443", "2001:db9::1");
	expect_client(*state, "10.0.0.1", "203.0.113.9:5000", "203.0.113.9");
	expect_client(*state, "10.0.0.1", NULL, "10.0.0.1");
	expect_client(*state, "10.0.0.1", "nonsense", "10.0.0.1");
	expect_client(*state, "10.0.0.1", " , ,", "10.0.0.1");
	expect_client(*state, "203.0.113.1", "1.2.3.4", "203.0.113.1");
}

static void version_1_is_read(void **state)
{
	static const char header[] = "PROXY TCP6 2001:db9::1 ::1 1 2\r\nrest";
	struct tl_address client = {0};

	(void)state;
	for (size_t len = 1; len < 32; len++)
		assert_int_equal(tl_proxy_header(header, len, &client), -1);
	assert_int_equal(tl_proxy_header(header, sizeof header - 1, &client), 32);
	assert_memory_equal(&client, &(struct tl_address){.in6 = address("2001:db9::1").in6},
			    sizeof client);
	assert_int_equal(tl_proxy_header("PROXY UNKNOWN\r\n", 15, &client), 15);
	assert_int_equal(tl_proxy_header("PROXY TCP4 x\r\n", 14, &client), -2);
	assert_int_equal(tl_proxy_header("PROXY TCP4 1.2.3.4\n", 19, &client), -2);
	assert_int_equal(tl_proxy_header("\x16\x03\x01", 3, &client), 0);
}

static void version_2_is_read(void **state)
{
	unsigned char header[28] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x05";
	struct tl_address client = {0};

	(void)state;
	for (size_t len = 1; len < sizeof header; len++)
		assert_int_equal(tl_proxy_header(header, len, &client), -1);
	assert_int_equal(tl_proxy_header(header, sizeof header, &client), 28);
	assert_memory_equal(&client, &(struct tl_address){.in6 = address("203.0.113.5").in6},
			    sizeof client);
	header[14] = 0xff;
	assert_int_equal(tl_proxy_header(header, sizeof header, &client), -2);
	header[14] = 0;
	header[12] = 0x31;
	assert_int_equal(tl_proxy_header(header, sizeof header, &client), -2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(networks_hold_their_addresses_only),
		TEST(bad_networks_are_named),
		TEST(the_last_untrusted_address_is_the_client),
		TEST(version_1_is_read),
		TEST(version_2_is_read),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
