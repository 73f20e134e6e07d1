/* The numbers are those of RFC 6238, appendix B; oathtool is the oracle for others. */
#include "desk/totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/crypto.h>

#include <cmocka.h>

static const uint8_t rfc_secret[] = "12345678901234567890";

static void the_numbers_of_the_rfc_come_out(void **state)
{
	static const struct {
		int64_t at_s;
		const char *code; /* the last six of its eight digits */
	} rows[] = {{59, "287082"},	    {1111111109, "081804"}, {1111111111, "050471"},
		    {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		char code[TL_TOTP_DIGITS + 1];

		tl_totp_code(rfc_secret, rows[i].at_s / TL_TOTP_STEP_S, code);
		assert_string_equal(code, rows[i].code);
	}
}

static void oathtool_agrees(void **state)
{
	tl_auto(tl_buf) struct tl_buf base32 = TL_BUF_INIT(64);
	uint8_t secret[TL_TOTP_SECRET_LEN];
	char command[256], right[16] = "", code[TL_TOTP_DIGITS + 1];
	FILE *oathtool;

	(void)state;
	tl_random(secret, sizeof secret);
	tl_base32_encode(&base32, secret, sizeof secret);
	snprintf(command, sizeof command, "oathtool --totp -b -N '@1795000000' %s",
		 tl_buf_str(&base32));
	oathtool = popen(command, "r");
	assert_non_null(oathtool);
	assert_non_null(fgets(right, sizeof right, oathtool));
	assert_int_equal(pclose(oathtool), 0);
	tl_totp_code(secret, 1795000000 / TL_TOTP_STEP_S, code);
	assert_memory_equal(right, code, TL_TOTP_DIGITS);
}

static void one_step_of_difference_is_allowed_and_no_more(void **state)
{
	(void)state;
	for (int64_t away = -3; away <= 3; away++) {
		char code[TL_TOTP_DIGITS + 1];
		int64_t now = 1000000, found;

		tl_totp_code(rfc_secret, now + away, code);
		found = tl_totp_find(rfc_secret, code, now * TL_TOTP_STEP_S + 7, 0);
		assert_int_equal(found, away >= -1 && away <= 1 ? now + away : -1);
	}
}

static void a_step_that_was_used_is_not_found_again(void **state)
{
	char code[TL_TOTP_DIGITS + 1];

	(void)state;
	tl_totp_code(rfc_secret, 1000, code);
	assert_int_equal(tl_totp_find(rfc_secret, code, 30000, 999), 1000);
	assert_int_equal(tl_totp_find(rfc_secret, code, 30000, 1000), -1);
	assert_int_equal(tl_totp_find(rfc_secret, code, 30000, 1001), -1);
}

static void what_is_no_code_is_none(void **state)
{
	static const char *const texts[] = {"", "28708", "2870822", "28708a", " 87082"};

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(texts); i++)
		assert_int_equal(tl_totp_find(rfc_secret, texts[i], 59, 0), -1);
}

static void base32_is_that_of_the_rfc(void **state)
{
	static const char *const rows[][2] = {{"f", "MY"},	     {"fo", "MZXQ"},
					      {"foo", "MZXW6"},	     {"foob", "MZXW6YQ"},
					      {"fooba", "MZXW6YTB"}, {"foobar", "MZXW6YTBOI"}};

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(64);

		tl_base32_encode(&out, rows[i][0], strlen(rows[i][0]));
		assert_string_equal(tl_buf_str(&out), rows[i][1]);
	}
}

static void a_name_cannot_add_to_the_uri(void **state)
{
	tl_auto(tl_buf) struct tl_buf uri = TL_BUF_INIT(1024);

	(void)state;
	tl_totp_uri(&uri, rfc_secret, "A & B?", "erin");
	assert_string_equal(tl_buf_str(&uri),
			    "otpauth://totp/A%20%26%20B%3F:erin"
			    "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=A%20%26%20B%3F");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_numbers_of_the_rfc_come_out),
		cmocka_unit_test(oathtool_agrees),
		cmocka_unit_test(one_step_of_difference_is_allowed_and_no_more),
		cmocka_unit_test(a_step_that_was_used_is_not_found_again),
		cmocka_unit_test(what_is_no_code_is_none),
		cmocka_unit_test(base32_is_that_of_the_rfc),
		cmocka_unit_test(a_name_cannot_add_to_the_uri),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
