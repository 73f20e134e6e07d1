#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#define DAY_MS 86400000

static void enrol(struct rig *rig, const char *body, struct reply *ret_reply)
{
	rig_ask(rig, &(struct ask){.method = "POST", .path = "/v1/enroll", .json = body},
		ret_reply);
}

/* A fresh pair of keys with a request body. */
struct candidate {
	struct host host;
	char secret[64], body[4096];
};

static void candidate_clear(struct candidate *candidate)
{
	host_clear(&candidate->host);
}
TL_DEFINE_AUTO(candidate, candidate_clear);

static void make_candidate(struct rig *rig, struct candidate *candidate)
{
	memset(candidate, 0, sizeof *candidate);
	host_make_keys(&candidate->host);
	rig_secret(rig, candidate->secret);
	rig_enrolment(rig, &candidate->host, "web", candidate->secret, rig->clock.wall_now_ms,
		      candidate->body);
}

static void an_unknown_token_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(candidate) struct candidate c;
	tl_auto(reply) struct reply reply;

	make_candidate(rig, &c);
	rig_enrolment(rig, &c.host, "web", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		      rig->clock.wall_now_ms, c.body);
	enrol(rig, c.body, &reply);
	assert_problem(&reply, 403, "enrolment-token-unknown");
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM host"), 0);
}

static void an_expired_token_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(candidate) struct candidate c;
	tl_auto(reply) struct reply reply;

	make_candidate(rig, &c);
	tl_clock_fake_advance(&rig->clock, TL_ENROL_LIFE_MS + 1000);
	rig_enrolment(rig, &c.host, "web", c.secret, rig->clock.wall_now_ms, c.body);
	enrol(rig, c.body, &reply);
	assert_problem(&reply, 403, "enrolment-token-expired");
}

static void a_repeated_request_gets_the_same_host(void **state)
{
	struct rig *rig = *state;
	tl_auto(candidate) struct candidate c;
	tl_auto(reply) struct reply first, again;

	make_candidate(rig, &c);
	enrol(rig, c.body, &first);
	enrol(rig, c.body, &again);
	assert_status(&first, 201);
	assert_status(&again, 201);
	assert_string_equal(reply_text(&first, "host_id"), reply_text(&again, "host_id"));
	assert_string_equal(reply_text(&first, "name"), "web");
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM host"), 1);
}

static void a_used_token_is_refused_for_another_key(void **state)
{
	struct rig *rig = *state;
	tl_auto(candidate) struct candidate c;
	tl_auto(host) struct host other = {.id = ""};
	tl_auto(reply) struct reply first, second;
	char body[4096];

	make_candidate(rig, &c);
	host_make_keys(&other);
	rig_enrolment(rig, &other, "thief", c.secret, rig->clock.wall_now_ms, body);
	enrol(rig, c.body, &first);
	assert_status(&first, 201);
	enrol(rig, body, &second);
	assert_problem(&second, 403, "enrolment-token-used");
}

static void no_host_takes_the_name_of_an_id_or_a_ticket(void **state)
{
	struct rig *rig = *state;
	tl_auto(candidate) struct candidate c;
	const char *const names[] = {"01m83drdrekkpyhrmtj18wt49n", "T-1001", "t-7"};

	make_candidate(rig, &c);
	for (size_t i = 0; i < TL_ARRAY_LEN(names); i++) {
		tl_auto(reply) struct reply reply;

		rig_enrolment(rig, &c.host, names[i], c.secret, rig->clock.wall_now_ms, c.body);
		enrol(rig, c.body, &reply);
		assert_status(&reply, 422);
	}
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM host"), 0);
}

static void a_key_enrols_once(void **state)
{
	struct rig *rig = *state;
	tl_auto(candidate) struct candidate c;
	tl_auto(reply) struct reply first, second;
	char secret[64], body[4096];

	make_candidate(rig, &c);
	enrol(rig, c.body, &first);
	assert_status(&first, 201);
	rig_secret(rig, secret);
	rig_enrolment(rig, &c.host, "web", secret, rig->clock.wall_now_ms, body);
	enrol(rig, body, &second);
	assert_problem(&second, 409, "key-in-use");
}

static void a_second_host_of_a_name_gets_a_number(void **state)
{
	struct rig *rig = *state;
	tl_auto(candidate) struct candidate one, two;
	tl_auto(reply) struct reply first, second;

	make_candidate(rig, &one);
	make_candidate(rig, &two);
	enrol(rig, one.body, &first);
	enrol(rig, two.body, &second);
	assert_string_equal(reply_text(&first, "name"), "web");
	assert_string_equal(reply_text(&second, "name"), "web-2");
}

static void a_proof_by_another_key_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(candidate) struct candidate c, other;
	tl_auto(reply) struct reply reply;
	tl_json *mine = NULL, *theirs = NULL;
	tl_free char *body = NULL;

	make_candidate(rig, &c);
	make_candidate(rig, &other);
	assert_int_equal(tl_json_parse(c.body, strlen(c.body), &mine, NULL), 0);
	assert_int_equal(tl_json_parse(other.body, strlen(other.body), &theirs, NULL), 0);
	json_object_set(mine, "proof", json_object_get(theirs, "proof"));
	body = json_dumps(mine, 0);
	enrol(rig, body, &reply);
	assert_problem(&reply, 403, "enrolment-proof-invalid");
}

static void a_clock_that_is_a_day_off_is_told_the_time(void **state)
{
	struct rig *rig = *state;
	tl_auto(candidate) struct candidate c;
	tl_auto(reply) struct reply reply;

	make_candidate(rig, &c);
	rig_enrolment(rig, &c.host, "web", c.secret, rig->clock.wall_now_ms - DAY_MS, c.body);
	enrol(rig, c.body, &reply);
	assert_problem(&reply, 401, "clock-skew");
	assert_true(tl_str_starts(reply_text(&reply, "relay_time"), "2026-11-18T"));
}

static void an_unknown_member_is_named(void **state)
{
	struct rig *rig = *state;
	tl_auto(reply) struct reply reply;

	enrol(rig, "{\"secret\":\"x\",\"colour\":\"blue\"}", &reply);
	assert_status(&reply, 422);
	assert_non_null(strstr(reply_text(&reply, "detail"), "colour"));
}

static void failed_attempts_are_slowed_down(void **state)
{
	struct rig *rig = *state;
	tl_auto(candidate) struct candidate c;
	char wait[256];
	int i;

	make_candidate(rig, &c);
	rig_enrolment(rig, &c.host, "web", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		      rig->clock.wall_now_ms, c.body);
	for (i = 0; i <= TL_THROTTLE_FAILURES; i++) {
		tl_auto(reply) struct reply reply;

		enrol(rig, c.body, &reply);
		assert_status(&reply, i < TL_THROTTLE_FAILURES ? 403 : 429);
		reply_header(&reply, "Retry-After", wait);
	}
	assert_true(atoi(wait) > 0);
	tl_clock_fake_advance(&rig->clock, TL_THROTTLE_WINDOW_MS);
	rig_enrolment(rig, &c.host, "web", c.secret, rig->clock.wall_now_ms, c.body);
	{
		tl_auto(reply) struct reply reply;

		enrol(rig, c.body, &reply);
		assert_status(&reply, 201);
	}
}

static const struct CMUnitTest tests[] = {
	RIG_TEST(an_unknown_token_is_refused),
	RIG_TEST(an_expired_token_is_refused),
	RIG_TEST(a_repeated_request_gets_the_same_host),
	RIG_TEST(a_used_token_is_refused_for_another_key),
	RIG_TEST(no_host_takes_the_name_of_an_id_or_a_ticket),
	RIG_TEST(a_key_enrols_once),
	RIG_TEST(a_second_host_of_a_name_gets_a_number),
	RIG_TEST(a_proof_by_another_key_is_refused),
	RIG_TEST(a_clock_that_is_a_day_off_is_told_the_time),
	RIG_TEST(an_unknown_member_is_named),
	RIG_TEST(failed_attempts_are_slowed_down),
};

int main(int argc, char **argv)
{
	return place_main("enrol", tests, TL_ARRAY_LEN(tests), argc, argv);
}
