/* What pseudonyms look like, and what stays true of them. */
#include <arpa/inet.h>
#include <string.h>
#include <towline/str.h>

#include "../common/tests.h"
#include "identity_sample.h"

#define TEXT_MAX 4096

/* `text` with its identities replaced. Static storage, eight at a time. */
static const char *replaced(struct tl_identities *identities, const char *text)
{
	static char texts[8][TEXT_MAX];
	static unsigned turn;
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(TEXT_MAX - 1);
	char *result = texts[turn++ % TL_ARRAY_LEN(texts)];

	assert_int_equal(tl_identities_text(identities, text, strlen(text), &out), 0);
	strcpy(result, tl_buf_str(&out));
	return result;
}

static uint32_t v4_of(const char *text)
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1)
		fail_msg("%s is no IPv4 address", text);
	return ntohl(address.s_addr);
}

static struct in6_addr v6_of(const char *text)
{
	struct in6_addr address;

	if (inet_pton(AF_INET6, text, &address) != 1)
		fail_msg("%s is no IPv6 address", text);
	return address;
}

static int common_bits(uint32_t a, uint32_t b)
{
	return a == b ? 32 : __builtin_clz(a ^ b);
}

static void private_addresses_stay_in_their_network(void **state TL_UNUSED)
{
	static const struct {
		const char *text, *network;
		int bits;
	} rows[] = {
		{"10.200.3.4", "10.0.0.0", 8},	     {"172.20.1.9", "172.16.0.0", 12},
		{"192.168.77.5", "192.168.0.0", 16}, {"169.254.8.9", "169.254.0.0", 16},
		{"100.100.1.2", "100.64.0.0", 10},
	};
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		const char *out = replaced(identities, rows[i].text);

		assert_string_not_equal(out, rows[i].text);
		assert_true(common_bits(v4_of(out), v4_of(rows[i].network)) >= rows[i].bits);
	}
}

static void public_addresses_become_ones_that_nobody_has(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);
	const char *v6 = replaced(identities, "2a02:8070:1::5");
	struct in6_addr address = v6_of(v6);

	assert_int_equal(v4_of(replaced(identities, "34.120.5.6")) >> 28, 0xf);
	assert_int_equal(v4_of(replaced(identities, "9.9.9.9")) >> 28, 0xf);
	assert_int_equal(address.s6_addr[0], 0x3f);
	assert_int_equal(address.s6_addr[1], 0xff);
	assert_int_equal(address.s6_addr[2] & 0xf0, 0);
}

static void addresses_share_as_many_bits_as_their_originals(void **state TL_UNUSED)
{
	static const char *const texts[] = {"10.1.2.3",	 "10.1.2.9",   "10.1.2.200", "10.1.77.3",
					    "10.90.2.3", "10.1.2.131", "10.1.3.1"};
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);

	for (size_t i = 0; i < TL_ARRAY_LEN(texts); i++) {
		uint32_t a = v4_of(texts[i]), a_out = v4_of(replaced(identities, texts[i]));

		for (size_t k = 0; k < i; k++) {
			uint32_t b = v4_of(texts[k]), b_out = v4_of(replaced(identities, texts[k]));

			assert_int_equal(common_bits(a, b), common_bits(a_out, b_out));
		}
	}
}

static void hosts_are_in_the_network_of_their_pseudonym(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(2);
	uint32_t host = v4_of(replaced(identities, "10.1.2.77"));
	char network[64];

	snprintf(network, sizeof network, "%s", replaced(identities, "10.1.2.0/24"));
	assert_true(tl_str_ends(network, ".0/24"));
	network[strlen(network) - 3] = '\0';
	assert_int_equal(v4_of(network), host & 0xffffff00);
	assert_string_equal(replaced(identities, "10.1.2.0"), network);
	assert_string_equal(replaced(identities, "10.0.0.0/8"), "10.0.0.0/8");
	assert_true(tl_str_ends(replaced(identities, "2a02:8070:1:2::/64"), "::/64"));
}

static void no_two_hosts_of_a_network_become_one(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(3);
	bool seen[256] = {false};

	for (unsigned i = 0; i < 256; i++) {
		char text[32];
		uint32_t out;

		snprintf(text, sizeof text, "10.4.4.%u", i);
		out = v4_of(replaced(identities, text));
		assert_false(seen[out & 0xff]);
		seen[out & 0xff] = true;
		assert_true((i == 0) == ((out & 0xff) == 0));
	}
}

/* Each bit is flipped by the bits before it, not by its place alone: one known pair gives no other away. */
static void a_network_is_not_shifted_by_a_constant(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(3);
	bool seen[256] = {false};
	unsigned differences = 0;

	for (unsigned i = 1; i < 256; i++) {
		char text[32];
		uint32_t difference;

		snprintf(text, sizeof text, "10.4.4.%u", i);
		difference = (v4_of(replaced(identities, text)) ^ i) & 0xff;
		differences += !seen[difference];
		seen[difference] = true;
	}
	assert_true(differences > 16);
}

static void one_address_is_one_in_every_form(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);
	uint32_t out = v4_of(replaced(identities, "10.1.2.3"));
	char text[128];

	snprintf(text, sizeof text, "ip-%u-%u-%u-%u", out >> 24, out >> 16 & 255, out >> 8 & 255,
		 out & 255);
	assert_string_equal(replaced(identities, "ip-10-1-2-3"), text);
	snprintf(text, sizeof text, "%u.%u.%u.%u.in-addr.arpa", out & 255, out >> 8 & 255,
		 out >> 16 & 255, out >> 24);
	assert_string_equal(replaced(identities, "3.2.1.10.in-addr.arpa"), text);
	snprintf(text, sizeof text, " %08X:0016 ", htonl(out));
	assert_string_equal(replaced(identities, " 0302010A:0016 "), text);
	snprintf(text, sizeof text, "::ffff:%u.%u.%u.%u", out >> 24, out >> 16 & 255,
		 out >> 8 & 255, out & 255);
	assert_string_equal(replaced(identities, "::ffff:10.1.2.3"), text);
}

static void reversed_nibbles_are_the_same_address(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);
	struct in6_addr address = v6_of(replaced(identities, "fd12:3456::1:2"));
	char text[128], *at = text;

	for (int i = 15; i >= 0; i--)
		at += sprintf(at, "%x.%x.", address.s6_addr[i] & 15, address.s6_addr[i] >> 4);
	strcpy(at, "ip6.arpa");
	assert_string_equal(replaced(identities, "2.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
						 "6.5.4.3.2.1.d.f.ip6.arpa"),
			    text);
}

static void a_link_local_address_of_a_mac_follows_the_mac(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);
	const char *mac = replaced(identities, "00:11:22:33:44:55");
	struct in6_addr address = v6_of(replaced(identities, "fe80::211:22ff:fe33:4455"));
	unsigned m[6];

	assert_int_equal(sscanf(mac, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]),
			 6);
	assert_int_equal(m[0] & 3, 0);
	assert_int_equal(address.s6_addr[0], 0xfe);
	assert_int_equal(address.s6_addr[8], m[0] ^ 2);
	assert_int_equal(address.s6_addr[11], 0xff);
	assert_int_equal(address.s6_addr[15], m[5]);
}

static void a_mac_keeps_its_form_and_its_two_bits(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);
	unsigned first;

	assert_int_equal(sscanf(replaced(identities, "02:42:AC:11:00:02"), "%2X:", &first), 1);
	assert_int_equal(first & 3, 2);
	assert_int_equal(strlen(replaced(identities, "0011.2233.44aa")), 14);
	assert_int_equal(strlen(replaced(identities, "enx001122334455")), 15);
	assert_memory_not_equal(replaced(identities, "00:11:22:33:44:55"), "00:11:22", 8);
}

static void equal_keys_make_equal_pseudonyms(void **state TL_UNUSED)
{
	static const char text[] = "alice@acme.com on web01 10.1.2.3 2a02:8070::5 bluebird";
	tl_auto(tl_identities) struct tl_identities *one = identity_sample(1);
	tl_auto(tl_identities) struct tl_identities *two = identity_sample(1);
	tl_auto(tl_identities) struct tl_identities *other = identity_sample(9);

	assert_string_equal(replaced(one, text), replaced(two, text));
	assert_string_equal(replaced(one, text), replaced(one, text));
	assert_string_not_equal(replaced(one, "10.1.2.3"), replaced(other, "10.1.2.3"));
	assert_string_not_equal(replaced(one, "alice"), replaced(other, "alice"));
	assert_string_not_equal(replaced(one, "web01"), replaced(other, "web01"));
}

static void names_are_equal_in_any_case_and_cut_off(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);

	assert_string_equal(replaced(identities, "WEB01"), replaced(identities, "web01"));
	assert_string_equal(replaced(identities, "christop"), replaced(identities, "christopher"));
	assert_string_equal(replaced(identities, "frontend-produ"),
			    replaced(identities, "frontend-production"));
	assert_string_equal(replaced(identities, "db7.corp.acme.c"),
			    replaced(identities, "db7.corp.acme.com"));
	assert_string_equal(replaced(identities, "m\303\274nchen.acme.com"),
			    replaced(identities, "xn--mnchen-3ya.acme.com"));
}

static void labels_of_a_full_name_are_those_of_the_short_one(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);
	const char *whole = replaced(identities, "web01.corp.acme.com");
	const char *label = replaced(identities, "web01");

	assert_int_equal(strlen(label), strlen("host-xxxxxxxx"));
	assert_true(tl_str_starts(whole, label));
	assert_true(tl_str_ends(whole, ".invalid"));
	assert_true(tl_str_ends(whole, replaced(identities, "acme.com")));
	assert_null(strstr(whole, "acme"));
	assert_true(tl_str_starts(replaced(identities, "_ldap._tcp.corp.acme.com"),
				  "_ldap._tcp.host-"));
}

static void a_mail_address_is_its_user_and_its_domain(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);
	char text[128];

	snprintf(text, sizeof text, "%s@%s", replaced(identities, "alice"),
		 replaced(identities, "acme.com"));
	assert_string_equal(replaced(identities, "alice@acme.com"), text);
	assert_string_equal(replaced(identities, "Alice@ACME.com"), text);
	assert_true(tl_str_ends(replaced(identities, "x.y@unknown.museum"), ".invalid"));
}

static void columns_stay_where_they_are(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);
	const char *out = replaced(identities, "10.0.0.1              up");

	assert_int_equal(strlen(out), strlen("10.0.0.1              up"));
	assert_true(tl_str_ends(out, " up"));
	out = replaced(identities, "alice         pts/0");
	assert_int_equal(strlen(out), strlen("alice         pts/0"));
	/* No room: one blank stays. */
	out = replaced(identities, "alice  1");
	assert_int_equal(strlen(out), strlen("user-xxxxxx 1"));
}

static void a_pseudonym_is_not_replaced_again(void **state TL_UNUSED)
{
	static const char *const texts[] = {"34.120.5.6",     "2a02:8070:1::5",
					    "alice@acme.com", "web01.corp.acme.com",
					    "alice",	      "bluebird",
					    "Alice Example",  "/home/zoe"};
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);

	for (size_t i = 0; i < TL_ARRAY_LEN(texts); i++) {
		const char *once = replaced(identities, texts[i]);

		assert_string_not_equal(once, texts[i]);
		assert_string_equal(replaced(identities, once), once);
	}
}

static void any_bytes_are_taken(void **state TL_UNUSED)
{
	static const char bytes[] = "\0:\0.\0-\0@\xff\xfe::1.2.3.\0:::::::::.-.-@@@@/home/\0";
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);

	for (size_t from = 0; from < sizeof bytes; from++) {
		for (size_t len = 0; len <= sizeof bytes - from; len++) {
			tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(TEXT_MAX);
			tl_free char *copy = malloc(len ? len : 1);

			memcpy(copy, bytes + from, len);
			assert_int_equal(tl_identities_text(identities, copy, len, &out), 0);
		}
	}
}

static void too_small_a_buffer_is_refused(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(8);

	assert_int_equal(tl_identities_text(identities, "to web01", 8, &out), TL_ETOOBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_addresses_stay_in_their_network),
		cmocka_unit_test(public_addresses_become_ones_that_nobody_has),
		cmocka_unit_test(addresses_share_as_many_bits_as_their_originals),
		cmocka_unit_test(hosts_are_in_the_network_of_their_pseudonym),
		cmocka_unit_test(no_two_hosts_of_a_network_become_one),
		cmocka_unit_test(a_network_is_not_shifted_by_a_constant),
		cmocka_unit_test(one_address_is_one_in_every_form),
		cmocka_unit_test(reversed_nibbles_are_the_same_address),
		cmocka_unit_test(a_link_local_address_of_a_mac_follows_the_mac),
		cmocka_unit_test(a_mac_keeps_its_form_and_its_two_bits),
		cmocka_unit_test(equal_keys_make_equal_pseudonyms),
		cmocka_unit_test(names_are_equal_in_any_case_and_cut_off),
		cmocka_unit_test(labels_of_a_full_name_are_those_of_the_short_one),
		cmocka_unit_test(a_mail_address_is_its_user_and_its_domain),
		cmocka_unit_test(columns_stay_where_they_are),
		cmocka_unit_test(a_pseudonym_is_not_replaced_again),
		cmocka_unit_test(any_bytes_are_taken),
		cmocka_unit_test(too_small_a_buffer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
