#include "tests.h"
#include <towline/grant.h>
#include <towline/jwt.h>

#define NOW_MS INT64_C(1772357400000)
#define HOST "01aryz6s410000000000000002"
#define PLAIN_KEY \
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPxRzY5iGKGjjaR+0AIw8FgIFu0TujMDrF3rkRVIkIAl alice"

struct fixture {
	struct tl_key *authority;
	struct tl_clock_fake clock;
	struct tl_grant grant, read;
	struct tl_buf token;
	struct tl_err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	*state = f;
	tl_clock_fake_init(&f->clock, NOW_MS);
	tl_buf_init(&f->token, TL_JWT_MAX);
	f->grant = (struct tl_grant){
		.session = "01aryz6s410000000000000000",
		.relay = "01aryz6s410000000000000001",
		.host = HOST,
		.engineer = "alice",
		.name = "Alice Ångström",
		.ticket = "T-1042",
		.purpose = "the disk is full",
		.lane = TL_LANE_END_TO_END,
		.scopes = TL_SCOPE_TERMINAL | TL_SCOPE_FILES,
		.issued_ms = NOW_MS,
		.not_before_ms = NOW_MS,
		.expires_ms = NOW_MS + 300000,
		.max_s = 3600,
	};
	return tl_strv_push(&f->grant.keys, PLAIN_KEY) || tl_key_generate(&f->authority, &f->err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	tl_key_free(f->authority);
	tl_buf_clear(&f->token);
	tl_grant_clear(&f->grant);
	tl_grant_clear(&f->read);
	free(f);
	return 0;
}

static int sign(struct fixture *f)
{
	tl_buf_reset(&f->token);
	return tl_grant_sign(&f->grant, f->authority, &f->token, &f->err);
}

static int verify(struct fixture *f)
{
	tl_grant_clear(&f->read);
	return tl_grant_verify(tl_buf_str(&f->token), f->token.len, f->authority, HOST,
			       &f->clock.clock, &f->read, &f->err);
}

/* Signs the grant's claims after one of them was replaced (NULL: removed), past all checks. */
static int verify_with(struct fixture *f, const char *name, const char *value)
{
	tl_json *header = NULL, *claims = NULL;

	assert_int_equal(sign(f), 0);
	assert_int_equal(tl_jwt_peek(f->token.data, f->token.len, &header, &claims, &f->err), 0);
	if (value)
		json_object_set_new(claims, name, json_loads(value, JSON_DECODE_ANY, NULL));
	else
		json_object_del(claims, name);
	tl_buf_reset(&f->token);
	assert_int_equal(tl_jwt_sign(f->authority, TL_JWT_GRANT, claims, &f->token, &f->err), 0);
	return verify(f);
}

static void a_grant_comes_back_whole(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sign(f), 0);
	assert_int_equal(verify(f), 0);
	assert_string_equal(f->read.session, f->grant.session);
	assert_string_equal(f->read.relay, f->grant.relay);
	assert_string_equal(f->read.host, HOST);
	assert_string_equal(f->read.engineer, "alice");
	assert_string_equal(f->read.name, f->grant.name);
	assert_string_equal(f->read.ticket, "T-1042");
	assert_string_equal(f->read.purpose, f->grant.purpose);
	assert_int_equal(f->read.lane, TL_LANE_END_TO_END);
	assert_int_equal(f->read.scopes, f->grant.scopes);
	assert_int_equal(f->read.keys.count, 1);
	assert_string_equal(f->read.keys.items[0], PLAIN_KEY);
	assert_int_equal(f->read.expires_ms, f->grant.expires_ms);
	assert_int_equal(f->read.max_s, 3600);
}

static void places_to_forward_to_come_back_with_their_scope(void **state)
{
	struct fixture *f = *state;

	f->grant.scopes |= TL_SCOPE_FORWARDING;
	assert_int_equal(sign(f), TL_EINVAL); /* where to? */
	assert_int_equal(tl_strv_push(&f->grant.forwards, "db.internal:5432"), 0);
	assert_int_equal(sign(f), 0);
	assert_int_equal(verify(f), 0);
	assert_int_equal(f->read.forwards.count, 1);
	assert_string_equal(f->read.forwards.items[0], "db.internal:5432");
	assert_int_equal(verify_with(f, "forwards", "[\"nowhere\"]"), TL_EINVAL);
	assert_int_equal(verify_with(f, "forwards", "[7]"), TL_EINVAL);
	assert_int_equal(verify_with(f, "forwards", NULL), TL_EINVAL);
	assert_int_equal(verify_with(f, "scopes", "[\"exec\"]"), TL_EINVAL);
}

static void a_grant_for_another_host_is_denied(void **state)
{
	struct fixture *f = *state;

	strcpy(f->grant.host, "01aryz6s410000000000000003");
	assert_int_equal(sign(f), 0);
	assert_int_equal(verify(f), TL_EDENIED);
}

static void a_grant_of_another_authority_is_refused(void **state)
{
	tl_auto(tl_key) struct tl_key *other = NULL;
	struct fixture *f = *state;

	assert_int_equal(tl_key_generate(&other, &f->err), 0);
	assert_int_equal(tl_grant_sign(&f->grant, other, &f->token, &f->err), 0);
	assert_int_equal(verify(f), TL_ESIG);
}

static void another_token_of_the_authority_is_no_grant(void **state)
{
	struct fixture *f = *state;
	tl_json *header = NULL, *claims = NULL;

	assert_int_equal(sign(f), 0);
	assert_int_equal(tl_jwt_peek(f->token.data, f->token.len, &header, &claims, &f->err), 0);
	tl_buf_reset(&f->token);
	assert_int_equal(tl_jwt_sign(f->authority, TL_JWT_ACCESS, claims, &f->token, &f->err), 0);
	assert_int_equal(verify(f), TL_EINVAL);
}

static void an_expired_grant_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sign(f), 0);
	tl_clock_fake_advance(&f->clock, 300000 + TL_JWT_SKEW_MS - 1);
	assert_int_equal(verify(f), 0);
	tl_clock_fake_advance(&f->clock, 1);
	assert_int_equal(verify(f), TL_EEXPIRED);
	tl_clock_fake_advance(&f->clock, -86400000);
	assert_int_equal(verify(f), TL_EEXPIRED);
}

static void a_grant_with_too_long_a_life_is_refused(void **state)
{
	struct fixture *f = *state;

	f->grant.expires_ms = NOW_MS + TL_GRANT_LIFE_MAX_MS;
	assert_int_equal(sign(f), 0);
	assert_int_equal(verify(f), 0);
	f->grant.expires_ms += 1000;
	assert_int_equal(sign(f), TL_EINVAL);
	f->grant.expires_ms = NOW_MS + 300000;
	assert_int_equal(verify_with(f, "exp", "1772360000"), TL_EINVAL);
	assert_says(&f->err, "15 minutes");
	assert_int_equal(verify_with(f, "exp", "1772357400"), TL_EINVAL);
}

static void each_claim_is_required(void **state)
{
	static const char *const names[] = {"iss",    "aud",	 "jti",	 "sub",	   "name",
					    "ticket", "purpose", "lane", "scopes", "keys",
					    "iat",    "nbf",	 "exp",	 "max_s"};

	for (size_t i = 0; i < TL_ARRAY_LEN(names); i++)
		assert_int_equal(verify_with(*state, names[i], NULL), TL_EINVAL);
}

static void each_claim_out_of_its_limits_is_refused(void **state)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{"jti", "\"../x\""},
		{"sub", "\"a b\""},
		{"ticket", "\"\""},
		{"name", "\"\""},
		{"name", "\"a\\nb\""},
		{"purpose", "\"\""},
		{"purpose", "\"a\\u001bb\""},
		{"lane", "\"fast\""},
		{"scopes", "[]"},
		{"scopes", "[\"root\"]"},
		{"scopes", "[\"exec\",\"exec\"]"},
		{"scopes", "[1]"},
		{"keys", "[]"},
		{"keys", "[1]"},
		{"max_s", "0"},
		{"max_s", "43201"},
		{"max_s", "\"60\""},
		{"admin", "true"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++)
		assert_int_equal(verify_with(*state, rows[i].name, rows[i].value), TL_EINVAL);
}

static void only_plain_keys_are_accepted(void **state)
{
	static const char *const bad[] = {
		"[\"ssh-ed25519-cert-v01@openssh.com AAAA\"]",
		"[\"ssh-rsa-cert-v01@openssh.com AAAA\"]",
		"[\"cert-authority ssh-ed25519 AAAA\"]",
		"[\"command=\\\"x\\\" ssh-ed25519 AAAA\"]",
		"[\" ssh-ed25519 AAAA\"]",
		"[\"ssh-ed25519\"]",
		"[\"ssh-ed25519 \"]",
		"[\"ssh-dss AAAA\"]",
		"[\"ssh-ed25519 AAAA\\nssh-ed25519 BBBB\"]",
		"[\"\"]",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++)
		assert_int_equal(verify_with(f, "keys", bad[i]), TL_EINVAL);
	assert_int_equal(verify_with(f, "keys",
				     "[\"sk-ssh-ed25519@openssh.com AAAA\",\"ssh-rsa AAAA b\","
				     "\"ecdsa-sha2-nistp256 AAAA\"]"),
			 0);
}

static void too_many_keys_are_refused(void **state)
{
	struct fixture *f = *state;

	while (f->grant.keys.count < TL_GRANT_KEYS_MAX)
		assert_int_equal(tl_strv_push(&f->grant.keys, PLAIN_KEY), 0);
	assert_int_equal(sign(f), 0);
	assert_int_equal(verify(f), 0);
	assert_int_equal(tl_strv_push(&f->grant.keys, PLAIN_KEY), 0);
	assert_int_equal(sign(f), TL_EINVAL);
}

static void scopes_have_names(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(100);
	struct tl_err err = TL_ERR_INIT;
	unsigned scopes = 0;

	tl_scopes_write(TL_SCOPE_ALL, &text);
	assert_string_equal(tl_buf_str(&text), "terminal,exec,files,forwarding,agent");
	assert_int_equal(tl_scopes_parse(tl_buf_str(&text), &scopes, &err), 0);
	assert_int_equal(scopes, TL_SCOPE_ALL);
	assert_int_equal(tl_scopes_parse("files", &scopes, &err), 0);
	assert_int_equal(scopes, TL_SCOPE_FILES);
	assert_int_equal(tl_scopes_parse("", &scopes, &err), TL_EINVAL);
	assert_int_equal(tl_scopes_parse("exec,", &scopes, &err), TL_EINVAL);
	assert_int_equal(tl_scopes_parse("exec,root", &scopes, &err), TL_EINVAL);
	assert_says(&err, "\"root\"");
}

static void lanes_have_names(void **state TL_UNUSED)
{
	enum tl_lane lane = TL_LANE_BASTION;

	assert_string_equal(tl_lane_name(TL_LANE_BASTION), "bastion");
	assert_int_equal(tl_lane_parse("end-to-end", &lane), 0);
	assert_int_equal(lane, TL_LANE_END_TO_END);
	assert_int_equal(tl_lane_parse("", &lane), TL_EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(a_grant_comes_back_whole),
		TEST(a_grant_for_another_host_is_denied),
		TEST(a_grant_of_another_authority_is_refused),
		TEST(another_token_of_the_authority_is_no_grant),
		TEST(an_expired_grant_is_refused),
		TEST(a_grant_with_too_long_a_life_is_refused),
		TEST(each_claim_is_required),
		TEST(each_claim_out_of_its_limits_is_refused),
		TEST(only_plain_keys_are_accepted),
		TEST(too_many_keys_are_refused),
		TEST(places_to_forward_to_come_back_with_their_scope),
		cmocka_unit_test(scopes_have_names),
		cmocka_unit_test(lanes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
