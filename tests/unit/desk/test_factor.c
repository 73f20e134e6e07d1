#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "desk/factor.h"
#include "desk/totp.h"

#define SECRET_TEXT 32 /* base32 of 20 bytes */

/* Undoes base32: what a phone does with the URI. */
static void read_secret(const char *uri, uint8_t secret[static TL_TOTP_SECRET_LEN])
{
	const char *at = strstr(uri, "secret=");
	uint64_t bits = 0;
	size_t len = 0;
	int have = 0;

	assert_non_null(at);
	at += 7;
	for (int i = 0; i < SECRET_TEXT; i++, at++) {
		bits = bits << 5 | (uint64_t)(*at >= 'A' ? *at - 'A' : *at - '2' + 26);
		have += 5;
		if (have >= 8) {
			have -= 8;
			secret[len++] = (uint8_t)(bits >> have);
		}
	}
	assert_int_equal(len, TL_TOTP_SECRET_LEN);
}

struct erin {
	struct rig *rig;
	char token[TL_TOKEN_TEXT_MAX], id[TL_ID_LEN + 1];
	uint8_t secret[TL_TOTP_SECRET_LEN];
	char recovery[32];
};

/* The code of `steps` from now. */
static const char *code_of(const struct erin *erin, int64_t steps, char code[static 8])
{
	int64_t now_s = erin->rig->clock.wall_now_ms / 1000;

	tl_totp_code(erin->secret, now_s / TL_TOTP_STEP_S + steps, code);
	return code;
}

static void begin(struct erin *erin, const char *body, struct reply *reply)
{
	rig_ask(erin->rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/me/second-factor",
			      .token = erin->token,
			      .json = body},
		reply);
}

static void confirm(struct erin *erin, const char *code, struct reply *reply)
{
	char body[64];

	snprintf(body, sizeof body, "{\"code\":\"%s\"}", code);
	rig_ask(erin->rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/me/second-factor/confirm",
			      .token = erin->token,
			      .json = body},
		reply);
}

static void make_erin(struct rig *rig, struct erin *erin)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;

	erin->rig = rig;
	rig_person(rig, "erin", "engineer", erin->token);
	assert_int_equal(tl_store_row(rig->store, "SELECT id FROM app_user WHERE login = 'erin'",
				      TL_NO_ARGS, &row, NULL),
			 0);
	snprintf(erin->id, sizeof erin->id, "%s", tl_rows_text(row, 0));
}

static void enrol(struct rig *rig, struct erin *erin)
{
	tl_auto(reply) struct reply drawn = {0}, confirmed = {0};
	char code[8];

	make_erin(rig, erin);
	begin(erin, "{}", &drawn);
	assert_status(&drawn, 201);
	read_secret(reply_text(&drawn, "uri"), erin->secret);
	confirm(erin, code_of(erin, 0, code), &confirmed);
	assert_status(&confirmed, 200);
	snprintf(erin->recovery, sizeof erin->recovery, "%s",
		 json_string_value(
			 json_array_get(json_object_get(confirmed.json, "recovery_codes"), 0)));
	assert_int_equal(json_array_size(json_object_get(confirmed.json, "recovery_codes")),
			 TL_FACTOR_RECOVERY_CODES);
}

static int check(const struct erin *erin, const char *code, struct tl_err *err)
{
	const struct tl_factor_try asked = {erin->id, "erin", code, "192.0.2.1"};

	return tl_factor_check(erin->rig->store, &erin->rig->clock.clock, &erin->rig->desk.vault,
			       &asked, err);
}

static void a_code_counts_once(void **state)
{
	struct erin erin = {0};
	struct tl_err err = TL_ERR_INIT;
	char code[8];

	enrol(*state, &erin);
	/* The one that confirmed is spent, and so is every older one. */
	assert_int_equal(check(&erin, code_of(&erin, 0, code), &err), TL_EAUTH);
	assert_int_equal(check(&erin, code_of(&erin, -1, code), &err), TL_EAUTH);
	tl_clock_fake_advance(&erin.rig->clock, 30000);
	assert_int_equal(check(&erin, code_of(&erin, 0, code), &err), 0);
	assert_int_equal(check(&erin, code_of(&erin, 0, code), &err), TL_EAUTH);
}

static void too_many_wrong_codes_make_wait_even_for_the_right_one(void **state)
{
	struct erin erin = {0};
	struct tl_err err = TL_ERR_INIT;
	char code[8];

	enrol(*state, &erin);
	tl_clock_fake_advance(&erin.rig->clock, 60000);
	for (int i = 0; i < TL_FACTOR_WRONG_MAX; i++)
		assert_int_equal(check(&erin, code_of(&erin, 50 + i, code), &err), TL_EAUTH);
	assert_int_equal(check(&erin, code_of(&erin, 0, code), &err), TL_EAUTH);
	assert_non_null(strstr(tl_err_text(&err), "too many wrong codes"));
	tl_clock_fake_advance(&erin.rig->clock, TL_FACTOR_WRONG_MS);
	assert_int_equal(check(&erin, code_of(&erin, 0, code), &err), 0);
}

static void a_recovery_code_counts_once(void **state)
{
	struct erin erin = {0};
	struct tl_err err = TL_ERR_INIT;

	enrol(*state, &erin);
	assert_int_equal(check(&erin, erin.recovery, &err), 0);
	assert_int_equal(check(&erin, erin.recovery, &err), TL_EAUTH);
}

static void a_stolen_token_does_not_replace_the_second_factor(void **state)
{
	tl_auto(reply) struct reply none = {0}, wrong = {0}, right = {0};
	struct erin erin = {0};
	char code[8], body[64];

	enrol(*state, &erin);
	begin(&erin, "{}", &none);
	assert_problem(&none, 403, "second-factor-required");
	begin(&erin, "{\"code\":\"000000\"}", &wrong);
	assert_problem(&wrong, 403, "second-factor-wrong");
	tl_clock_fake_advance(&erin.rig->clock, 30000);
	snprintf(body, sizeof body, "{\"code\":\"%s\"}", code_of(&erin, 0, code));
	begin(&erin, body, &right);
	assert_status(&right, 201);
}

static void what_was_drawn_counts_only_once_it_was_shown(void **state)
{
	tl_auto(reply) struct reply drawn = {0}, wrong = {0};
	struct erin erin = {0};
	struct tl_err err = TL_ERR_INIT;
	bool needed = true;
	char code[8];

	make_erin(*state, &erin);
	begin(&erin, "{}", &drawn);
	read_secret(reply_text(&drawn, "uri"), erin.secret);
	confirm(&erin, code_of(&erin, 5, code), &wrong);
	assert_problem(&wrong, 403, "second-factor-wrong");
	assert_int_equal(check(&erin, code_of(&erin, 0, code), &err), TL_EAUTH);
	assert_int_equal(tl_factor_needed(erin.rig->store, TL_FACTOR_ENROLLED, erin.id, &needed,
					  &err),
			 0);
	assert_false(needed);
}

static void the_rule_says_who_needs_one(void **state)
{
	struct erin erin = {0};
	struct tl_err err = TL_ERR_INIT;
	bool needed = true;

	make_erin(*state, &erin);
	assert_int_equal(tl_factor_needed(erin.rig->store, TL_FACTOR_OFF, erin.id, &needed, &err),
			 0);
	assert_false(needed);
	assert_int_equal(tl_factor_needed(erin.rig->store, TL_FACTOR_REQUIRED, erin.id, &needed,
					  &err),
			 TL_EAUTH);
	assert_non_null(strstr(tl_err_text(&err), "towline totp enrol"));
}

static void neither_secret_nor_codes_are_readable_in_the_store(void **state)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL, *audit = NULL;
	tl_auto(tl_buf) struct tl_buf base32 = TL_BUF_INIT(64);
	struct erin erin = {0};

	enrol(*state, &erin);
	tl_base32_encode(&base32, erin.secret, sizeof erin.secret);
	assert_int_equal(tl_store_row(erin.rig->store, "SELECT secret FROM second_factor",
				      TL_NO_ARGS, &row, NULL),
			 0);
	assert_null(strstr(tl_rows_text(row, 0), tl_buf_str(&base32)));
	assert_int_equal(tl_store_query(erin.rig->store, "SELECT detail FROM audit", TL_NO_ARGS,
					&audit, NULL),
			 0);
	while (tl_rows_next(audit, NULL) > 0)
		assert_null(strstr(tl_rows_text(audit, 0), tl_buf_str(&base32)));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_code_counts_once),
		RIG_TEST(too_many_wrong_codes_make_wait_even_for_the_right_one),
		RIG_TEST(a_recovery_code_counts_once),
		RIG_TEST(a_stolen_token_does_not_replace_the_second_factor),
		RIG_TEST(what_was_drawn_counts_only_once_it_was_shown),
		RIG_TEST(the_rule_says_who_needs_one),
		RIG_TEST(neither_secret_nor_codes_are_readable_in_the_store),
	};

	return place_main("factor", tests, TL_ARRAY_LEN(tests), argc, argv);
}
