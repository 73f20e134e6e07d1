#include "tests.h"
#include <towline/jwt.h>
#include <towline/str.h>

#define TYP TL_JWT_ASSERTION

struct fixture {
	struct tl_key *key, *other;
	struct tl_err err;
	struct tl_buf token;
	json_t *claims;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	*state = f;
	tl_buf_init(&f->token, TL_JWT_MAX);
	return tl_key_generate(&f->key, &f->err) || tl_key_generate(&f->other, &f->err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	json_decref(f->claims);
	tl_buf_clear(&f->token);
	tl_key_free(f->key);
	tl_key_free(f->other);
	free(f);
	return 0;
}

static int verify(struct fixture *f, const char *typ)
{
	json_decref(f->claims);
	f->claims = NULL;
	return tl_jwt_verify(f->key, typ, tl_buf_str(&f->token), f->token.len, &f->claims, &f->err);
}

/* Signs any header and claims text, as an attacker who holds a key could. */
static void sign_raw(struct fixture *f, const char *header, const char *claims)
{
	uint8_t signature[TL_ED25519_SIGNATURE_LEN];

	tl_buf_reset(&f->token);
	tl_base64url_encode(&f->token, header, strlen(header));
	tl_buf_putc(&f->token, '.');
	tl_base64url_encode(&f->token, claims, strlen(claims));
	assert_int_equal(tl_key_sign(f->key, f->token.data, f->token.len, signature), 0);
	tl_buf_putc(&f->token, '.');
	tl_base64url_encode(&f->token, signature, sizeof signature);
}

static void sign_claims(struct fixture *f)
{
	tl_json *claims = json_pack("{s:s, s:i}", "iss", "me", "iat", 5);

	tl_buf_reset(&f->token);
	assert_int_equal(tl_jwt_sign(f->key, TYP, claims, &f->token, &f->err), 0);
}

static void a_signed_token_verifies(void **state)
{
	struct fixture *f = *state;

	sign_claims(f);
	assert_int_equal(verify(f, TYP), 0);
	assert_string_equal(json_string_value(json_object_get(f->claims, "iss")), "me");
}

/* RFC 8037 appendix A.4: header {"alg":"EdDSA"}, payload "Example of Ed25519 signing". */
static void the_signature_agrees_with_rfc_8037(void **state)
{
	static const char signed_part[] =
		"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
	static const char signature_text[] = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4"
					     "ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
	static const char public_text[] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
	tl_auto(tl_buf) struct tl_buf public = TL_BUF_INIT(32), signature = TL_BUF_INIT(64);
	tl_auto(tl_key) struct tl_key *key = NULL;
	struct fixture *f = *state;

	assert_int_equal(tl_base64url_decode(&public, public_text, strlen(public_text)), 0);
	assert_int_equal(tl_base64url_decode(&signature, signature_text, strlen(signature_text)),
			 0);
	assert_int_equal(tl_key_from_public((const uint8_t *)public.data, &key, &f->err), 0);
	assert_int_equal(tl_key_verify(key, signed_part, strlen(signed_part),
				       (const uint8_t *)signature.data),
			 0);
}

static void another_key_does_not_verify(void **state)
{
	struct fixture *f = *state;

	sign_claims(f);
	assert_int_equal(tl_jwt_verify(f->other, TYP, f->token.data, f->token.len, &f->claims,
				       &f->err),
			 TL_ESIG);
	assert_null(f->claims);
}

static void every_changed_character_is_noticed(void **state)
{
	struct fixture *f = *state;

	sign_claims(f);
	for (size_t i = 0; i < f->token.len; i++) {
		char kept = f->token.data[i];

		f->token.data[i] = kept == 'A' ? 'B' : 'A';
		assert_int_not_equal(verify(f, TYP), 0);
		f->token.data[i] = kept;
	}
	assert_int_equal(verify(f, TYP), 0);
}

static void a_token_of_another_kind_is_refused(void **state)
{
	struct fixture *f = *state;

	sign_claims(f);
	assert_int_equal(verify(f, TL_JWT_GRANT), TL_EINVAL);
	assert_says(&f->err, "not a \"towline-grant+jwt\"");
}

static void only_our_header_is_accepted(void **state)
{
	static const char *const bad[] = {
		"{\"alg\":\"none\",\"typ\":\"" TYP "\"}",
		"{\"alg\":\"HS256\",\"typ\":\"" TYP "\"}",
		"{\"alg\":\"eddsa\",\"typ\":\"" TYP "\"}",
		"{\"alg\":\"EdDSA\"}",
		"{\"typ\":\"" TYP "\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"" TYP "\",\"crit\":[\"exp\"]}",
		"{\"alg\":\"EdDSA\",\"typ\":\"" TYP "\",\"jwk\":{}}",
		"{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\",\"typ\":\"" TYP "\"}",
		"{\"alg\":1,\"typ\":\"" TYP "\"}",
		"[]",
		"",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++) {
		sign_raw(f, bad[i], "{}");
		assert_int_equal(verify(f, TYP), TL_EINVAL);
	}
	sign_raw(f, "{\"alg\":\"EdDSA\",\"typ\":\"" TYP "\"}", "{}");
	assert_int_equal(verify(f, TYP), 0);
	sign_raw(f, "{\"alg\":\"EdDSA\",\"kid\":\"x\",\"typ\":\"" TYP "\"}", "{}");
	assert_int_equal(verify(f, TYP), 0);
}

static void duplicate_or_odd_claims_are_refused(void **state)
{
	static const char header[] = "{\"alg\":\"EdDSA\",\"typ\":\"" TYP "\"}";
	static const char *const bad[] = {"{\"a\":1,\"a\":2}", "[]", "1", "", "{}x"};
	struct fixture *f = *state;

	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++) {
		sign_raw(f, header, bad[i]);
		assert_int_equal(verify(f, TYP), TL_EINVAL);
	}
}

static void a_misshapen_token_is_refused(void **state)
{
	static const char *const bad[] = {"",	     ".",	 "..",		 "a.b",
					  "a.b.c.d", "e30.e30.", "e30=.e30.AAAA"};
	struct fixture *f = *state;

	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++) {
		tl_buf_reset(&f->token);
		tl_buf_puts(&f->token, bad[i]);
		assert_int_equal(verify(f, TYP), TL_EINVAL);
	}
}

static void a_huge_token_is_refused(void **state)
{
	struct fixture *f = *state;
	tl_free char *huge = calloc(1, TL_JWT_MAX + 1);

	assert_int_equal(tl_jwt_verify(f->key, TYP, huge, TL_JWT_MAX + 1, &f->claims, &f->err),
			 TL_ETOOBIG);
}

static void peeking_shows_header_and_claims(void **state)
{
	struct fixture *f = *state;
	tl_json *header = NULL;
	char id[TL_KEY_ID_LEN + 1];

	sign_claims(f);
	assert_int_equal(tl_jwt_peek(f->token.data, f->token.len, &header, &f->claims, &f->err), 0);
	tl_key_id(f->key, id);
	assert_string_equal(json_string_value(json_object_get(header, "kid")), id);
	assert_string_equal(json_string_value(json_object_get(f->claims, "iss")), "me");
}

#define NOW_S 1772357400

static int check(struct fixture *f, const char *text)
{
	tl_json *claims = json_loads(text, 0, NULL);
	struct tl_clock_fake clock;

	tl_clock_fake_init(&clock, INT64_C(1000) * NOW_S);
	assert_non_null(claims);
	return tl_jwt_check_times(claims, &clock.clock, &f->err);
}

static void times_are_checked_with_some_skew(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, "{\"iat\":1772357400,\"nbf\":1772357400,\"exp\":1772357401}"), 0);
	assert_int_equal(check(f, "{\"exp\":1772357341}"), 0);
	assert_int_equal(check(f, "{\"exp\":1772357340}"), TL_EEXPIRED);
	assert_says(&f->err, "2026-03-01T09:29:00");
	assert_says(&f->err, "2026-03-01T09:30:00");
	assert_int_equal(check(f, "{\"nbf\":1772357460,\"exp\":1772357500}"), 0);
	assert_int_equal(check(f, "{\"nbf\":1772357461,\"exp\":1772357500}"), TL_EEXPIRED);
	assert_int_equal(check(f, "{\"iat\":1772357461,\"exp\":1772357500}"), TL_EEXPIRED);
}

static void odd_times_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, "{}"), TL_EINVAL);
	assert_int_equal(check(f, "{\"exp\":\"1772357500\"}"), TL_EINVAL);
	assert_int_equal(check(f, "{\"exp\":1772357500.5}"), TL_EINVAL);
	assert_int_equal(check(f, "{\"exp\":-1}"), TL_EINVAL);
	assert_int_equal(check(f, "{\"exp\":9223372036854775807}"), TL_EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(a_signed_token_verifies),
		TEST(the_signature_agrees_with_rfc_8037),
		TEST(another_key_does_not_verify),
		TEST(every_changed_character_is_noticed),
		TEST(a_token_of_another_kind_is_refused),
		TEST(only_our_header_is_accepted),
		TEST(duplicate_or_odd_claims_are_refused),
		TEST(a_misshapen_token_is_refused),
		TEST(a_huge_token_is_refused),
		TEST(peeking_shows_header_and_claims),
		TEST(times_are_checked_with_some_skew),
		TEST(odd_times_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
