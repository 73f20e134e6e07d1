#include "rig.h"

#include <stdio.h>
#include <string.h>

struct assertion {
	const char *iss, *aud, *jti;
	int64_t at_s, life_s;
	const struct tl_key *key;
};

static void ask_token(struct rig *rig, const struct assertion *a, struct reply *ret_reply)
{
	char jwt[1024], form[2048];

	rig_sign(a->key, TL_JWT_ASSERTION,
		 json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", a->iss, "sub", a->iss, "aud",
			   a->aud, "jti", a->jti, "iat", (json_int_t)a->at_s, "exp",
			   (json_int_t)(a->at_s + a->life_s)),
		 jwt, sizeof jwt);
	snprintf(form, sizeof form,
		 "grant_type=client_credentials&client_assertion_type=urn%%3Aietf%%3Aparams%%"
		 "3Aoauth%%3A"
		 "client-assertion-type%%3Ajwt-bearer&client_assertion=%s",
		 jwt);
	rig_ask(rig, &(struct ask){.method = "POST", .path = "/v1/oauth/token", .form = form},
		ret_reply);
}

/* What a good agent sends. */
static struct assertion good(const struct rig *rig, const struct host *host)
{
	return (struct assertion){.iss = host->id,
				  .aud = rig->desk.relay_id,
				  .jti = "one",
				  .at_s = rig->clock.wall_now_ms / 1000,
				  .life_s = 60,
				  .key = host->key};
}

static void an_assertion_is_accepted_once(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply first, again;
	struct assertion a;

	rig_host(rig, "web", &host);
	a = good(rig, &host);
	ask_token(rig, &a, &first);
	ask_token(rig, &a, &again);
	assert_status(&first, 200);
	assert_string_equal(reply_text(&first, "token_type"), "Bearer");
	assert_problem(&again, 401, "assertion-invalid");
}

static void a_clock_that_is_a_day_off_is_told_the_time(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply behind, ahead;
	struct assertion a;

	rig_host(rig, "web", &host);
	a = good(rig, &host);
	a.at_s -= 86400;
	ask_token(rig, &a, &behind);
	assert_problem(&behind, 401, "clock-skew");
	assert_string_equal(reply_text(&behind, "relay_time"), "2026-11-18T11:06:40.000Z");
	a.at_s += 2 * 86400;
	ask_token(rig, &a, &ahead);
	assert_problem(&ahead, 401, "clock-skew");
}

static void one_hosts_failures_do_not_shut_its_neighbours_out(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host revoked, neighbour;
	tl_auto(reply) struct reply refused, welcome;
	struct assertion a;
	struct tl_err err = TL_ERR_INIT;

	rig_host(rig, "old", &revoked);
	rig_host(rig, "new", &neighbour);
	assert_int_equal(tl_store_exec(rig->store,
				       "UPDATE host SET state = 'revoked' WHERE name = 'old'",
				       TL_NO_ARGS, NULL, &err),
			 0);
	a = good(rig, &revoked);
	for (int i = 0; i < TL_THROTTLE_FAILURES; i++) {
		tl_auto(reply) struct reply reply;

		ask_token(rig, &a, &reply);
		assert_problem(&reply, 401, "host-revoked");
	}
	ask_token(rig, &a, &refused);
	assert_problem(&refused, 429, "too-many-failures");
	a = good(rig, &neighbour);
	a.jti = "mine";
	ask_token(rig, &a, &welcome);
	assert_status(&welcome, 200);
}

static void a_strangers_key_gets_nothing(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host, other;
	tl_auto(reply) struct reply reply;
	struct assertion a;

	rig_host(rig, "web", &host);
	rig_host(rig, "other", &other);
	a = good(rig, &host);
	a.key = other.key;
	ask_token(rig, &a, &reply);
	assert_problem(&reply, 401, "assertion-invalid");
}

static void an_assertion_for_another_relay_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply reply;
	struct assertion a;

	rig_host(rig, "web", &host);
	a = good(rig, &host);
	a.aud = host.id;
	ask_token(rig, &a, &reply);
	assert_problem(&reply, 401, "assertion-invalid");
}

static void an_assertion_that_lives_for_an_hour_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply reply;
	struct assertion a;

	rig_host(rig, "web", &host);
	a = good(rig, &host);
	a.life_s = 3600;
	ask_token(rig, &a, &reply);
	assert_problem(&reply, 401, "assertion-invalid");
}

static void an_unknown_host_is_told_so(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply reply;
	struct assertion a;

	rig_host(rig, "web", &host);
	a = good(rig, &host);
	a.iss = rig->desk.relay_id;
	ask_token(rig, &a, &reply);
	assert_problem(&reply, 401, "host-unknown");
}

static void a_revoked_host_is_out_at_once(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply revoked, ticket, reply;
	struct assertion a;
	char token[TL_TOKEN_TEXT_MAX];

	rig_host(rig, "web", &host);
	rig_person(rig, "ada", "admin", token);
	rig_ask(rig,
		&(struct ask){.method = "POST", .path = "/v1/hosts/web/revoke", .token = token},
		&revoked);
	assert_status(&revoked, 204);
	a = good(rig, &host);
	ask_token(rig, &a, &reply);
	assert_problem(&reply, 401, "host-revoked");
	rig_ask(rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/tickets",
			      .token = host.token,
			      .json = "{\"summary\":\"x\"}"},
		&ticket);
	assert_status(&ticket, 401);
}

static void an_access_token_ends(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply reply;

	rig_host(rig, "web", &host);
	tl_clock_fake_advance(&rig->clock, TL_DESK_TOKEN_LIFE_S * 1000 + TL_JWT_SKEW_MS + 1000);
	rig_ask(rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/agent/heartbeat",
			      .token = host.token,
			      .json = "{\"agent_version\":\"1\",\"uptime_s\":1}"},
		&reply);
	assert_status(&reply, 401);
}

static const struct CMUnitTest tests[] = {
	RIG_TEST(an_assertion_is_accepted_once),
	RIG_TEST(a_clock_that_is_a_day_off_is_told_the_time),
	RIG_TEST(one_hosts_failures_do_not_shut_its_neighbours_out),
	RIG_TEST(a_strangers_key_gets_nothing),
	RIG_TEST(an_assertion_for_another_relay_is_refused),
	RIG_TEST(an_assertion_that_lives_for_an_hour_is_refused),
	RIG_TEST(an_unknown_host_is_told_so),
	RIG_TEST(a_revoked_host_is_out_at_once),
	RIG_TEST(an_access_token_ends),
};

int main(int argc, char **argv)
{
	return place_main("token", tests, TL_ARRAY_LEN(tests), argc, argv);
}
