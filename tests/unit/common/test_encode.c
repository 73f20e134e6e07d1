#include "tests.h"
#include <towline/str.h>

static void hexadecimal_goes_both_ways(void **state TL_UNUSED)
{
	static const uint8_t bytes[] = {0x00, 0x9f, 0xff};
	uint8_t back[3];
	char hex[7];

	tl_hex_encode(bytes, 3, hex);
	assert_string_equal(hex, "009fff");
	assert_int_equal(tl_hex_decode("009FfF", back, 3), 0);
	assert_memory_equal(back, bytes, 3);
}

static void hexadecimal_of_another_length_is_refused(void **state TL_UNUSED)
{
	uint8_t back[2] = {1, 2};

	assert_int_equal(tl_hex_decode("00", back, 2), TL_EINVAL);
	assert_int_equal(tl_hex_decode("000000", back, 2), TL_EINVAL);
	assert_int_equal(tl_hex_decode("00g0", back, 2), TL_EINVAL);
	assert_int_equal(back[0], 1);
}

/* RFC 4648 §10. */
static const struct {
	const char *plain, *padded;
} vectors[] = {{"", ""},
	       {"f", "Zg=="},
	       {"fo", "Zm8="},
	       {"foo", "Zm9v"},
	       {"foob", "Zm9vYg=="},
	       {"fooba", "Zm9vYmE="},
	       {"foobar", "Zm9vYmFy"}};

static void base64_agrees_with_rfc_4648(void **state TL_UNUSED)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(vectors); i++) {
		tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(8), back = TL_BUF_INIT(6);

		tl_base64_encode(&out, vectors[i].plain, strlen(vectors[i].plain));
		assert_int_equal(tl_buf_check(&out), 0);
		assert_string_equal(tl_buf_str(&out), vectors[i].padded);
		assert_int_equal(tl_base64_decode(&back, out.data, out.len), 0);
		assert_string_equal(tl_buf_str(&back), vectors[i].plain);
	}
}

static void base64url_has_no_padding(void **state TL_UNUSED)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(vectors); i++) {
		tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(8), back = TL_BUF_INIT(6);

		tl_base64url_encode(&out, vectors[i].plain, strlen(vectors[i].plain));
		assert_int_equal(out.len, strcspn(vectors[i].padded, "="));
		assert_memory_equal(tl_buf_str(&out), vectors[i].padded, out.len);
		assert_int_equal(tl_base64url_decode(&back, tl_buf_str(&out), out.len), 0);
		assert_string_equal(tl_buf_str(&back), vectors[i].plain);
	}
}

static void the_alphabets_differ(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf url = TL_BUF_INIT(10), plain = TL_BUF_INIT(10);

	tl_base64url_encode(&url, "\xfb\xff\xbf", 3);
	tl_base64_encode(&plain, "\xfb\xff\xbf", 3);
	assert_string_equal(tl_buf_str(&url), "-_-_");
	assert_string_equal(tl_buf_str(&plain), "+/+/");
	assert_int_equal(tl_base64url_decode(&url, "+/+/", 4), TL_EINVAL);
	assert_int_equal(tl_base64_decode(&plain, "-_-_", 4), TL_EINVAL);
}

static void one_text_has_one_encoding(void **state TL_UNUSED)
{
	static const char *const bad_url[] = {"Zg==",  "Z",   "Zh",   "Zm9",
					      "Zm9vY", " Zg", "Zg\n", "Zm 9"};
	static const char *const bad_plain[] = {"Zg",	"Zg=",	"Zh==",	   "Zm9=",
						"====", "Z===", "Zg==Zg=="};
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(20);

	tl_buf_puts(&out, "kept");
	for (size_t i = 0; i < TL_ARRAY_LEN(bad_url); i++)
		assert_int_equal(tl_base64url_decode(&out, bad_url[i], strlen(bad_url[i])),
				 TL_EINVAL);
	for (size_t i = 0; i < TL_ARRAY_LEN(bad_plain); i++)
		assert_int_equal(tl_base64_decode(&out, bad_plain[i], strlen(bad_plain[i])),
				 TL_EINVAL);
	assert_string_equal(tl_buf_str(&out), "kept");
}

static void decoding_respects_the_buffers_maximum(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(2);

	assert_int_equal(tl_base64url_decode(&out, "Zm9v", 4), TL_ETOOBIG);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hexadecimal_goes_both_ways),
		cmocka_unit_test(hexadecimal_of_another_length_is_refused),
		cmocka_unit_test(base64_agrees_with_rfc_4648),
		cmocka_unit_test(base64url_has_no_padding),
		cmocka_unit_test(the_alphabets_differ),
		cmocka_unit_test(one_text_has_one_encoding),
		cmocka_unit_test(decoding_respects_the_buffers_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
