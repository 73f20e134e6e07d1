#include "../common/tests.h"

#include <towline/grant.h>

#include "helper/consent.h"

#define BOTH (TL_SCOPE_TERMINAL | TL_SCOPE_EXEC)

static int answer(struct tl_consent *consent, bool yes, unsigned scopes, struct tl_err *err)
{
	struct tl_consent_answer reply = {.yes = yes, .scopes = scopes, .uid = 1000};

	return tl_consent_step(consent, TL_CONSENT_EV_ANSWER, &reply, err);
}

static void a_yes_gives_the_scopes_that_were_agreed_to(void **state)
{
	struct tl_consent consent;

	(void)state;
	tl_consent_init(&consent, BOTH);
	assert_int_equal(answer(&consent, true, TL_SCOPE_EXEC, NULL), 0);
	assert_int_equal(consent.state, TL_CONSENT_YES);
	assert_int_equal(consent.given_scopes, TL_SCOPE_EXEC);
	assert_int_equal(consent.uid, 1000);
	assert_string_equal(tl_consent_decision(&consent), "yes");
}

static void a_no_gives_nothing(void **state)
{
	struct tl_consent consent;

	(void)state;
	tl_consent_init(&consent, BOTH);
	assert_int_equal(answer(&consent, false, BOTH, NULL), 0);
	assert_int_equal(consent.state, TL_CONSENT_NO);
	assert_int_equal(consent.given_scopes, 0);
}

static void a_yes_to_no_scope_is_a_no(void **state)
{
	struct tl_consent consent;

	(void)state;
	tl_consent_init(&consent, BOTH);
	assert_int_equal(answer(&consent, true, 0, NULL), 0);
	assert_int_equal(consent.state, TL_CONSENT_NO);
}

static void silence_is_a_no(void **state)
{
	struct tl_consent consent;

	(void)state;
	tl_consent_init(&consent, BOTH);
	assert_int_equal(tl_consent_step(&consent, TL_CONSENT_EV_DEADLINE, NULL, NULL), 0);
	assert_int_equal(consent.state, TL_CONSENT_TIMEOUT);
	assert_int_equal(consent.given_scopes, 0);
	assert_string_equal(tl_consent_decision(&consent), "timeout");
}

static void more_than_was_asked_cannot_be_agreed_to(void **state)
{
	struct tl_consent consent;
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	tl_consent_init(&consent, TL_SCOPE_EXEC);
	assert_int_equal(answer(&consent, true, BOTH, &err), TL_EINVAL);
	assert_int_equal(consent.state, TL_CONSENT_ASKING);
	assert_says(&err, "more than was asked");
}

static void only_the_first_event_counts(void **state)
{
	static const enum tl_consent_event events[] = {TL_CONSENT_EV_ANSWER, TL_CONSENT_EV_DEADLINE,
						       TL_CONSENT_EV_WITHDRAW};
	struct tl_consent_answer yes = {.yes = true, .scopes = BOTH};

	(void)state;
	for (size_t first = 0; first < TL_ARRAY_LEN(events); first++) {
		for (size_t second = 0; second < TL_ARRAY_LEN(events); second++) {
			struct tl_consent consent;
			enum tl_consent_state decided;

			tl_consent_init(&consent, BOTH);
			assert_int_equal(tl_consent_step(&consent, events[first], &yes, NULL), 0);
			decided = consent.state;
			assert_int_equal(tl_consent_step(&consent, events[second], &yes, NULL),
					 TL_ECONFLICT);
			assert_int_equal(consent.state, decided);
		}
	}
}

static void a_withdrawn_request_is_never_a_yes(void **state)
{
	struct tl_consent consent;

	(void)state;
	tl_consent_init(&consent, BOTH);
	assert_int_equal(tl_consent_step(&consent, TL_CONSENT_EV_WITHDRAW, NULL, NULL), 0);
	assert_int_equal(answer(&consent, true, BOTH, NULL), TL_ECONFLICT);
	assert_string_equal(tl_consent_decision(&consent), "no");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_yes_gives_the_scopes_that_were_agreed_to),
		cmocka_unit_test(a_no_gives_nothing),
		cmocka_unit_test(a_yes_to_no_scope_is_a_no),
		cmocka_unit_test(silence_is_a_no),
		cmocka_unit_test(more_than_was_asked_cannot_be_agreed_to),
		cmocka_unit_test(only_the_first_event_counts),
		cmocka_unit_test(a_withdrawn_request_is_never_a_yes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
