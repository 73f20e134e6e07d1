#include "tests.h"
#include <towline/buf.h>

static void appends_chain_and_stay_terminated(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf buf = TL_BUF_INIT(100);

	tl_buf_puts(&buf, "a");
	tl_buf_putc(&buf, 'b');
	tl_buf_printf(&buf, "%d", 12);
	tl_buf_append(&buf, "\0c", 2);
	assert_int_equal(tl_buf_check(&buf), 0);
	assert_int_equal(buf.len, 6);
	assert_memory_equal(buf.data, "ab12\0c", 7);
}

static void an_empty_buffer_is_an_empty_text(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf buf = TL_BUF_INIT(0);

	assert_string_equal(tl_buf_str(&buf), "");
	tl_buf_puts(&buf, "");
	assert_int_equal(tl_buf_check(&buf), 0);
}

static void the_maximum_fits_exactly(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf buf = TL_BUF_INIT(200);

	for (int i = 0; i < 200; i++)
		tl_buf_putc(&buf, 'x');
	assert_int_equal(tl_buf_check(&buf), 0);
	tl_buf_putc(&buf, 'x');
	assert_int_equal(tl_buf_check(&buf), TL_ETOOBIG);
	assert_int_equal(buf.len, 200);
}

static void an_overflow_keeps_the_contents_and_sticks(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf buf = TL_BUF_INIT(4);

	tl_buf_puts(&buf, "abc");
	tl_buf_printf(&buf, "%s", "too long");
	tl_buf_putc(&buf, 'd');
	assert_int_equal(tl_buf_check(&buf), TL_ETOOBIG);
	assert_string_equal(tl_buf_str(&buf), "abc");
	tl_buf_reset(&buf);
	assert_int_equal(tl_buf_check(&buf), 0);
	assert_string_equal(tl_buf_str(&buf), "");
}

static void an_absurd_length_is_refused(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf buf = TL_BUF_INIT(SIZE_MAX);

	tl_buf_putc(&buf, 'a');
	assert_null(tl_buf_reserve(&buf, SIZE_MAX - 1));
	assert_int_equal(tl_buf_check(&buf), TL_ETOOBIG);
}

static void consume_drops_from_the_front(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf buf = TL_BUF_INIT(10);

	tl_buf_puts(&buf, "abcdef");
	tl_buf_consume(&buf, 4);
	assert_string_equal(tl_buf_str(&buf), "ef");
	tl_buf_consume(&buf, 2);
	assert_string_equal(tl_buf_str(&buf), "");
}

static void reserve_and_commit_count_what_was_written(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf buf = TL_BUF_INIT(10);
	char *at = tl_buf_reserve(&buf, 10);

	memset(at, 'a', 3);
	tl_buf_commit(&buf, 3);
	assert_string_equal(tl_buf_str(&buf), "aaa");
}

static void take_hands_over_even_an_empty_text(void **state TL_UNUSED)
{
	struct tl_buf buf = TL_BUF_INIT(10);
	tl_free char *empty = tl_buf_take(&buf);
	tl_free char *text = NULL;

	assert_string_equal(empty, "");
	tl_buf_puts(&buf, "abc");
	text = tl_buf_take(&buf);
	assert_string_equal(text, "abc");
	assert_null(buf.data);
}

static void a_secret_is_wiped_when_it_is_reset(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf buf = TL_BUF_SECRET_INIT(100);
	static const char zeros[6];

	tl_buf_puts(&buf, "secret");
	tl_buf_reset(&buf);
	assert_memory_equal(buf.data, zeros, 6);
	tl_buf_puts(&buf, "abcsecret");
	tl_buf_consume(&buf, 9);
	assert_memory_equal(buf.data, zeros, 6);
}

static void a_secret_survives_growth(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf buf = TL_BUF_SECRET_INIT(1000);

	for (int i = 0; i < 100; i++)
		tl_buf_puts(&buf, "0123456789");
	assert_int_equal(tl_buf_check(&buf), 0);
	assert_memory_equal(buf.data + 990, "0123456789", 11);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_chain_and_stay_terminated),
		cmocka_unit_test(an_empty_buffer_is_an_empty_text),
		cmocka_unit_test(the_maximum_fits_exactly),
		cmocka_unit_test(an_overflow_keeps_the_contents_and_sticks),
		cmocka_unit_test(an_absurd_length_is_refused),
		cmocka_unit_test(consume_drops_from_the_front),
		cmocka_unit_test(reserve_and_commit_count_what_was_written),
		cmocka_unit_test(take_hands_over_even_an_empty_text),
		cmocka_unit_test(a_secret_is_wiped_when_it_is_reset),
		cmocka_unit_test(a_secret_survives_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
