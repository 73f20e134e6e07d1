#include "tests.h"

#include <towline/https.h>

static CURLcode fetch(const char *url)
{
	CURL *curl = curl_easy_init();
	struct tl_err err = TL_ERR_INIT;
	CURLcode code;

	assert_int_equal(tl_https_prepare(curl, NULL, NULL, &err), 0);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	code = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	return code;
}

static void nothing_but_https_is_spoken(void **state TL_UNUSED)
{
	assert_int_equal(fetch("http://127.0.0.1:9/"), CURLE_UNSUPPORTED_PROTOCOL);
	assert_int_equal(fetch("file:///etc/hostname"), CURLE_UNSUPPORTED_PROTOCOL);
}

static void no_handle_is_out_of_memory(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_https_prepare(NULL, NULL, NULL, &err), TL_ENOMEM);
	assert_says(&err, "out of memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_but_https_is_spoken),
		cmocka_unit_test(no_handle_is_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
