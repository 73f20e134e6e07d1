#include "redact/punycode.h"

#include <string.h>

#include "../common/tests.h"

/* The samples of RFC 3492, section 7.1, and labels in use. */
static const struct {
	const char *text, *ascii;
} rows[] = {
	{"m\303\274nchen", "xn--mnchen-3ya"},
	{"b\303\274cher", "xn--bcher-kva"},
	{"\344\273\226\344\273\254\344\270\272\344\273\200\344\271\210\344\270\215\350\257\264\344"
	 "\270"
	 "\255\346\226\207",
	 "xn--ihqwcrb4cv8a8dqg056pqjye"},
	{"\360\237\222\251", "xn--ls8h"},
	{"plain", "plain"},
};

static const char *encoded(const char *text)
{
	static char result[256];
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(sizeof result - 1);

	punycode_encode_name(text, strlen(text), &out);
	strcpy(result, tl_buf_str(&out));
	return result;
}

static const char *decoded(const char *text)
{
	static char result[256];
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(sizeof result - 1);

	punycode_decode_name(text, strlen(text), &out);
	strcpy(result, tl_buf_str(&out));
	return result;
}

static void both_spellings_are_made_of_each_other(void **state TL_UNUSED)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		assert_string_equal(encoded(rows[i].text), rows[i].ascii);
		assert_string_equal(decoded(rows[i].ascii), rows[i].text);
	}
}

static void each_label_of_a_name_is_translated(void **state TL_UNUSED)
{
	assert_string_equal(encoded("www.m\303\274nchen.example."), "www.xn--mnchen-3ya.example.");
	assert_string_equal(decoded("XN--mnchen-3ya..x"), "m\303\274nchen..x");
}

static void what_cannot_be_translated_stays(void **state TL_UNUSED)
{
	static const char *const texts[] = {"xn--99999999999", "xn--\377",
					    "xn--zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"};

	for (size_t i = 0; i < TL_ARRAY_LEN(texts); i++)
		assert_string_equal(decoded(texts[i]), texts[i]);
	assert_string_equal(encoded("\377\376"), "\377\376");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_spellings_are_made_of_each_other),
		cmocka_unit_test(each_label_of_a_name_is_translated),
		cmocka_unit_test(what_cannot_be_translated_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
