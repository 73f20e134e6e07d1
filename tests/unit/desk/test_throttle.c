#include "desk/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct tl_clock_fake clock_;

static int setup(void **state)
{
	tl_clock_fake_init(&clock_, 0);
	*state = tl_throttle_new(&clock_.clock);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	tl_throttle_free(*state);
	return 0;
}

static void fail_often(struct tl_throttle *throttle, const char *address)
{
	int i;

	for (i = 0; i < TL_THROTTLE_FAILURES; i++)
		tl_throttle_failed(throttle, address);
}

static void an_address_that_fails_too_often_waits_out_its_window(void **state)
{
	assert_int_equal(tl_throttle_wait_s(*state, "192.0.2.1"), 0);
	fail_often(*state, "192.0.2.1");
	assert_in_range(tl_throttle_wait_s(*state, "192.0.2.1"), 1,
			TL_THROTTLE_WINDOW_MS / 1000 + 1);
	assert_int_equal(tl_throttle_wait_s(*state, "192.0.2.2"), 0);
	tl_clock_fake_advance(&clock_, TL_THROTTLE_WINDOW_MS);
	assert_int_equal(tl_throttle_wait_s(*state, "192.0.2.1"), 0);
}

static void an_ipv6_network_counts_as_one(void **state)
{
	fail_often(*state, "2001:db8:0:1::1");
	assert_int_not_equal(tl_throttle_wait_s(*state, "2001:db8:0:1::2"), 0);
	assert_int_equal(tl_throttle_wait_s(*state, "2001:db8:0:2::1"), 0);
}

static void mapped_ipv4_addresses_count_each(void **state)
{
	fail_often(*state, "::ffff:192.0.2.1");
	assert_int_equal(tl_throttle_wait_s(*state, "::ffff:192.0.2.2"), 0);
}

static void a_flood_of_addresses_takes_no_more_memory(void **state)
{
	char address[32];
	int i;

	for (i = 0; i < 4 * TL_THROTTLE_SLOTS; i++) {
		snprintf(address, sizeof address, "10.%d.%d.%d", i >> 16, (i >> 8) & 255, i & 255);
		tl_throttle_failed(*state, address);
	}
	fail_often(*state, "192.0.2.1");
	assert_int_not_equal(tl_throttle_wait_s(*state, "192.0.2.1"), 0);
}

#define THROTTLE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		THROTTLE_TEST(an_address_that_fails_too_often_waits_out_its_window),
		THROTTLE_TEST(an_ipv6_network_counts_as_one),
		THROTTLE_TEST(mapped_ipv4_addresses_count_each),
		THROTTLE_TEST(a_flood_of_addresses_takes_no_more_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
