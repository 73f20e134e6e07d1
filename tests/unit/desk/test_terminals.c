#include "desk/terminals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <towline/str.h>
#include <cmocka.h>

#define USER "01m8qr6e99729gdyhg3r1jeryw"
#define OTHER "01m8qr6e99729gdyhg3r1jeryx"
#define SESSION "01m83drdrekkpyhrmtj18wt49n"

static unsigned attached;

static void carrier(void *arg, const struct tl_terminal_ask *ask, int fd)
{
	(void)arg;
	assert_string_equal(ask->session, SESSION);
	attached++;
	close(fd);
}

static int setup(void **state)
{
	attached = 0;
	*state = tl_terminals_new();
	tl_terminals_carry(*state, carrier, NULL);
	return 0;
}

static int teardown(void **state)
{
	tl_terminals_free(*state);
	return 0;
}

static int reserve(struct tl_terminals *terminals, const char *session, const char *user)
{
	struct tl_err err = TL_ERR_INIT;
	bool fresh = false;
	int rc = tl_terminals_reserve(terminals, session, user, &fresh, &err);

	if (rc != 0)
		assert_true(strlen(tl_err_text(&err)) > 20);
	return rc == 0 ? fresh : rc;
}

static void a_terminal_has_one_place_until_it_has_ended(void **state)
{
	assert_false(tl_terminals_has(*state, SESSION));
	assert_int_equal(reserve(*state, SESSION, USER), true);
	assert_int_equal(reserve(*state, SESSION, USER), false);
	assert_true(tl_terminals_has(*state, SESSION));
	tl_terminals_ended(*state, SESSION);
	assert_false(tl_terminals_has(*state, SESSION));
	assert_false(tl_terminals_has(*state, ""));
}

static int reserve_number(struct tl_terminals *terminals, unsigned number, const char *user)
{
	char session[27];

	snprintf(session, sizeof session, "session-%u", number);
	return reserve(terminals, session, user);
}

static void one_engineer_does_not_take_all_places(void **state)
{
	for (unsigned i = 0; i < TL_TERMINALS_OF_ONE_MAX; i++)
		assert_int_equal(reserve_number(*state, i, USER), true);
	assert_int_equal(reserve(*state, SESSION, USER), TL_EBUSY);
	assert_int_equal(reserve(*state, SESSION, OTHER), true);
	assert_int_equal(reserve_number(*state, 3, USER), false);
	tl_terminals_ended(*state, "session-3");
	assert_int_equal(reserve_number(*state, 3, USER), true);
}

static void the_places_of_all_are_bounded(void **state)
{
	char user[27];

	for (unsigned i = 0; i < TL_TERMINALS_MAX; i++) {
		snprintf(user, sizeof user, "user-%u", i / 8);
		assert_int_equal(reserve_number(*state, i, user), true);
	}
	assert_int_equal(reserve(*state, SESSION, USER), TL_EBUSY);
}

static void without_a_carrier_there_is_no_place(void **state)
{
	tl_terminals_carry(*state, NULL, NULL);
	assert_int_equal(reserve(*state, SESSION, USER), TL_EBUSY);
	assert_false(tl_terminals_has(*state, SESSION));
}

static void a_socket_finds_its_carrier_or_is_closed(void **state)
{
	const struct tl_terminal_ask ask = {.session = SESSION};
	int pair[2];
	char byte;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		tl_terminals_attach(*state, &ask, pair[0]);
		assert_int_equal(recv(pair[1], &byte, 1, 0), 0);
		close(pair[1]);
		tl_terminals_carry(*state, NULL, NULL);
	}
	assert_int_equal(attached, 1);
}

static int redeem(struct tl_terminals *terminals, const char *ticket, const char *session,
		  int64_t now_ms)
{
	char user[27] = "";
	int rc = tl_terminals_redeem(terminals, ticket, session, now_ms, user, NULL);

	assert_string_equal(user, rc == 0 ? USER : "");
	return rc;
}

static void a_ticket_is_good_once_for_its_session_and_in_time(void **state)
{
	char ticket[TL_TERMINAL_TICKET_TEXT];

	for (int i = 0; i < 3; i++) {
		assert_int_equal(tl_terminals_ticket(*state, SESSION, USER, 1000, ticket, NULL), 0);
		assert_int_equal(strlen(ticket), TL_TERMINAL_TICKET_TEXT - 1);
		assert_int_equal(redeem(*state, "", SESSION, 1000), TL_EAUTH);
		if (i == 0) /* in time, and again */
			assert_int_equal(redeem(*state, ticket, SESSION, 30999), 0);
		if (i == 1) /* too late */
			assert_int_equal(redeem(*state, ticket, SESSION, 31000), TL_EAUTH);
		if (i == 2) /* for another session, or for none */
			assert_int_equal(redeem(*state, ticket, OTHER, 1000), TL_EAUTH);
		assert_int_equal(redeem(*state, ticket, SESSION, 1000), TL_EAUTH);
	}
}

static void a_newer_ticket_voids_the_older_one(void **state)
{
	char first[TL_TERMINAL_TICKET_TEXT], second[TL_TERMINAL_TICKET_TEXT];

	assert_int_equal(tl_terminals_ticket(*state, SESSION, USER, 1000, first, NULL), 0);
	assert_int_equal(tl_terminals_ticket(*state, SESSION, USER, 1000, second, NULL), 0);
	assert_string_not_equal(first, second);
	assert_int_equal(redeem(*state, first, SESSION, 1000), TL_EAUTH);
	assert_int_equal(redeem(*state, second, SESSION, 1000), 0);
}

static void tickets_are_bounded_until_their_time_has_passed(void **state)
{
	char ticket[TL_TERMINAL_TICKET_TEXT], session[27];

	for (unsigned i = 0; i < TL_TERMINALS_OF_ONE_MAX; i++) {
		snprintf(session, sizeof session, "session-%u", i);
		assert_int_equal(tl_terminals_ticket(*state, session, USER, 1000, ticket, NULL), 0);
	}
	assert_int_equal(tl_terminals_ticket(*state, SESSION, USER, 1000, ticket, NULL), TL_EBUSY);
	assert_int_equal(tl_terminals_ticket(*state, SESSION, OTHER, 1000, ticket, NULL), 0);
	assert_int_equal(tl_terminals_ticket(*state, SESSION, USER, 31000, ticket, NULL), 0);
	assert_int_equal(redeem(*state, ticket, SESSION, 31000), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_terminal_has_one_place_until_it_has_ended),
		TEST(one_engineer_does_not_take_all_places),
		TEST(the_places_of_all_are_bounded),
		TEST(without_a_carrier_there_is_no_place),
		TEST(a_socket_finds_its_carrier_or_is_closed),
		TEST(a_ticket_is_good_once_for_its_session_and_in_time),
		TEST(a_newer_ticket_voids_the_older_one),
		TEST(tickets_are_bounded_until_their_time_has_passed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
