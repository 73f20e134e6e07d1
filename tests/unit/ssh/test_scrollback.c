#include "ssh/scrollback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Byte n of what is said is n modulo 251. */
static void say(struct tl_scrollback *scrollback, size_t len)
{
	char *bytes = malloc(len);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)((scrollback->end + i) % 251);
	assert_int_equal(tl_scrollback_add(scrollback, bytes, len), 0);
	free(bytes);
}

static void expect_from(const struct tl_scrollback *scrollback, uint64_t position)
{
	const char *bytes;
	size_t len;

	while ((len = tl_scrollback_peek(scrollback, position, &bytes)) > 0)
		for (size_t i = 0; i < len; i++, position++)
			assert_int_equal(bytes[i], (char)(position % 251));
	assert_int_equal(position, scrollback->end);
}

static void without_a_word_nothing_is_there(void **state)
{
	struct tl_scrollback scrollback = {.end = 0};

	(void)state;
	expect_from(&scrollback, 0);
	assert_int_equal(tl_scrollback_add(&scrollback, "", 0), 0);
	assert_null(scrollback.ring);
	tl_scrollback_clear(&scrollback);
}

static void what_fits_is_there_from_its_beginning(void **state)
{
	struct tl_scrollback scrollback = {.end = 0};

	(void)state;
	say(&scrollback, 1000);
	say(&scrollback, TL_SCROLLBACK_BYTES - 1000);
	assert_int_equal(tl_scrollback_begin(&scrollback), 0);
	expect_from(&scrollback, 0);
	expect_from(&scrollback, 999);
	tl_scrollback_clear(&scrollback);
}

static void the_oldest_gives_way(void **state)
{
	struct tl_scrollback scrollback = {.end = 0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		say(&scrollback, 77777);
		expect_from(&scrollback, tl_scrollback_begin(&scrollback));
	}
	assert_int_equal(tl_scrollback_begin(&scrollback), 7777700 - TL_SCROLLBACK_BYTES);
	say(&scrollback, TL_SCROLLBACK_BYTES);
	expect_from(&scrollback, tl_scrollback_begin(&scrollback));
	tl_scrollback_clear(&scrollback);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_word_nothing_is_there),
		cmocka_unit_test(what_fits_is_there_from_its_beginning),
		cmocka_unit_test(the_oldest_gives_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
