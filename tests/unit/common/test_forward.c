#include "tests.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <towline/forward.h>

/* A list of one to three patterns, parted by blanks. */
static void list_of(const char *text, struct tl_strv *list)
{
	char copy[256], *rest = copy, *item;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((item = strsep(&rest, " ")))
		assert_int_equal(tl_strv_push(list, item), 0);
}

static bool lists(const char *patterns, const char *host, unsigned port)
{
	tl_auto(tl_strv) struct tl_strv list = TL_STRV_INIT;

	list_of(patterns, &list);
	return tl_forward_lists(&list, host, port);
}

static bool permits(const char *patterns, const char *host, const char *address, bool own)
{
	tl_auto(tl_strv) struct tl_strv list = TL_STRV_INIT;
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;

	assert_true(is_v4 || inet_pton(AF_INET6, address, &v6.sin6_addr) == 1);
	list_of(patterns, &list);
	return tl_forward_permits(&list, host, 443, is_v4 ? (void *)&v4 : (void *)&v6, own);
}

static bool listens(const char *patterns, const char *address, unsigned port)
{
	tl_auto(tl_strv) struct tl_strv list = TL_STRV_INIT;

	list_of(patterns, &list);
	return tl_forward_may_listen(&list, address, port);
}

static void well_formed_patterns_are_taken(void **state TL_UNUSED)
{
	static const char *const good[] = {
		"db-1.internal:5432", "*.internal:443", "10.1.2.3:22",	   "[fd00::1]:80",
		"10.0.0.0/8:*",	      "[fd00::/8]:22",	"*:443",	   "localhost:1",
		"listen:localhost:*", "listen:*:8080",	"listen:[::1]:80", "listen:10.0.0.1:80",
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(good); i++)
		assert_int_equal(tl_forward_check(good[i], NULL), 0);
}

static void malformed_patterns_are_refused_by_name(void **state TL_UNUSED)
{
	static const char *const bad[] = {
		"",
		":80",
		"db",
		"db:",
		"db:0",
		"db:65536",
		"db:http",
		"d*.internal:1",
		"*.*:1",
		"10.1:22",
		"127.1:22",
		"0x7f.1:22",
		"::1:22",
		"[::1:22",
		"[db]:22",
		"-x:22",
		"10.0.0.0/33:1",
		"a b:1",
		"listen:db:1",
		"listen:*.internal:1",
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++) {
		struct tl_err err = TL_ERR_INIT;

		assert_int_equal(tl_forward_check(bad[i], &err), TL_EINVAL);
		assert_non_null(strstr(tl_err_text(&err), "no place to forward to"));
	}
}

static void names_match_whole_names_whatever_their_case(void **state TL_UNUSED)
{
	assert_true(lists("db.internal:5432", "DB.internal", 5432));
	assert_true(lists("db.internal:5432", "db.internal.", 5432));
	assert_true(lists("*.internal:*", "a.b.internal", 1));
	assert_false(lists("*.internal:443", "internal", 443));
	assert_false(lists("*.internal:443", ".internal", 443));
	assert_false(lists("*.internal:443", "x.internal.evil.example", 443));
	assert_false(lists("db.internal:5432", "db.internal", 5433));
	assert_false(lists("db.internal:5432", "db.internal\n", 5432));
	assert_false(lists("db.internal:*", "db.internal", 0));
	assert_false(lists("db.internal:*", "db.internal", 65536));
}

static void addresses_match_addresses_and_networks(void **state TL_UNUSED)
{
	assert_true(lists("127.0.0.1:5432", "127.0.0.1", 5432));
	assert_true(lists("10.0.0.0/8:22", "10.255.0.1", 22));
	assert_false(lists("10.0.0.0/8:22", "11.0.0.1", 22));
	assert_true(lists("10.16.0.0/12:22", "10.31.0.1", 22));
	assert_false(lists("10.16.0.0/12:22", "10.32.0.1", 22));
	assert_true(lists("[fd00::/8]:22", "fd12::1", 22));
	assert_false(lists("10.0.0.0/8:22", "10.evil.example", 22));
	/* the same address in another spelling */
	assert_true(lists("127.0.0.1:22", "::ffff:127.0.0.1", 22));
	assert_true(lists("[::1]:22", "0:0:0:0:0:0:0:1", 22));
}

static void everything_does_not_mean_this_machine(void **state TL_UNUSED)
{
	static const char *const special[] = {"127.0.0.1",
					      "0.0.0.0",
					      "169.254.169.254",
					      "::1",
					      "::",
					      "fe80::1",
					      "::ffff:127.0.0.1",
					      "64:ff9b::a9fe:a9fe",
					      "2002:7f00:1::",
					      "::127.0.0.1",
					      "fd00:ec2::254",
					      "100.100.100.200",
					      "255.255.255.255"};

	for (size_t i = 0; i < TL_ARRAY_LEN(special); i++) {
		assert_false(lists("*:443", special[i], 443));
		assert_false(permits("*:443", special[i], special[i], false));
		assert_false(permits("0.0.0.0/0:443 [::/0]:443", special[i], special[i], false));
	}
	assert_true(lists("*:443", "192.0.2.1", 443));
	assert_true(permits("*:443", "192.0.2.1", "192.0.2.1", false));
	assert_false(permits("*:443", "192.0.2.1", "192.0.2.1", true));
	assert_true(permits("192.0.2.0/24:443", "192.0.2.1", "192.0.2.1", true));
	assert_true(permits("169.254.169.254:443", "169.254.169.254", "169.254.169.254", false));
}

static void a_name_cannot_be_bent_to_this_machine(void **state TL_UNUSED)
{
	assert_true(permits("db.internal:443", "db.internal", "10.0.0.1", false));
	assert_false(permits("db.internal:443", "db.internal", "127.0.0.1", false));
	assert_false(permits("db.internal:443", "db.internal", "169.254.169.254", false));
	assert_false(permits("db.internal:443", "db.internal", "10.0.0.1", true));
	assert_true(permits("db.internal:443 127.0.0.1:443", "db.internal", "127.0.0.1", false));
	assert_false(permits("db.internal:443 127.0.0.1:22", "db.internal", "127.0.0.1", false));
	/* numbers that resolvers take for addresses */
	assert_false(permits("*:443", "2130706433", "127.0.0.1", false));
	assert_false(permits("*:443", "127.1", "127.0.0.1", false));
	/* the one name that means it */
	assert_true(permits("localhost:443", "localhost", "127.0.0.1", false));
	assert_true(permits("localhost:443", "localhost", "::1", false));
	assert_false(permits("localhost:443", "localhost", "169.254.169.254", false));
	assert_false(permits("*:443", "localhost", "127.0.0.1", false));
}

static void an_address_alone_permits_no_name(void **state TL_UNUSED)
{
	assert_false(lists("10.0.0.0/8:443", "db.internal", 443));
	assert_false(permits("10.0.0.0/8:443", "db.internal", "10.0.0.1", false));
}

static void listening_needs_a_pattern_of_its_own(void **state TL_UNUSED)
{
	assert_true(listens("listen:localhost:8080", "localhost", 8080));
	assert_true(listens("listen:127.0.0.1:8080", "localhost", 8080));
	assert_true(listens("listen:localhost:*", "localhost", 0));
	assert_false(listens("listen:localhost:8080", "localhost", 0));
	assert_false(listens("localhost:8080", "localhost", 8080));
	assert_false(lists("listen:localhost:8080", "localhost", 8080));
	assert_false(listens("listen:localhost:8080", "", 8080));
	assert_false(listens("listen:localhost:8080", "0.0.0.0", 8080));
	assert_false(listens("listen:localhost:8080", "10.0.0.1", 8080));
	assert_false(listens("listen:0.0.0.0/0:8080", "::", 8080));
	assert_true(listens("listen:*:8080", "", 8080));
	assert_true(listens("listen:*:8080", "10.0.0.1", 8080));
	assert_false(listens("listen:*:*", "localhost", 70000));
}

static void a_list_is_bounded(void **state TL_UNUSED)
{
	tl_auto(tl_strv) struct tl_strv list = TL_STRV_INIT;

	for (size_t i = 0; i < TL_FORWARDS_MAX; i++)
		assert_int_equal(tl_strv_push(&list, "db:1"), 0);
	assert_int_equal(tl_forward_check_all(&list, NULL), 0);
	assert_int_equal(tl_strv_push(&list, "db:1"), 0);
	assert_int_equal(tl_forward_check_all(&list, NULL), TL_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_patterns_are_taken),
		cmocka_unit_test(malformed_patterns_are_refused_by_name),
		cmocka_unit_test(names_match_whole_names_whatever_their_case),
		cmocka_unit_test(addresses_match_addresses_and_networks),
		cmocka_unit_test(everything_does_not_mean_this_machine),
		cmocka_unit_test(a_name_cannot_be_bent_to_this_machine),
		cmocka_unit_test(an_address_alone_permits_no_name),
		cmocka_unit_test(listening_needs_a_pattern_of_its_own),
		cmocka_unit_test(a_list_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
