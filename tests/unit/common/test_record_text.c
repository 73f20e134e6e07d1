#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <towline/buf.h>
#include <towline/record.h>
#include <cmocka.h>

#include "../../../common/record_text.h"

static int gather(void *arg, double at, const char *text)
{
	struct tl_buf *out = arg;

	tl_buf_printf(out, "%g:%s\n", at, text);
	return tl_buf_check(out);
}

/* What the pieces, a second apart, read as. */
static void reads(const char *const *pieces, const char *expected)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(64 * 1024);
	struct tl_record_text text;

	tl_record_text_init(&text, gather, &out);
	for (unsigned i = 0; pieces[i]; i++)
		assert_int_equal(tl_record_text_feed(&text, i, pieces[i], strlen(pieces[i])), 0);
	assert_int_equal(tl_record_text_end(&text), 0);
	assert_string_equal(tl_buf_str(&out), expected);
}

#define READS(expected, ...) reads((const char *const[]){__VA_ARGS__, NULL}, expected)

static void a_line_has_the_time_of_its_first_character(void **state)
{
	(void)state;
	READS("0:one\n1:two\n", "one\r\n", "tw", "o\r\n");
}

static void colours_and_titles_are_left_out(void **state)
{
	(void)state;
	READS("0:red plain\n", "\x1b]0;title\a\x1b[1;31mred\x1b[0m \x1b(Bplain\n");
	READS("0:ab\n", "a\x1b]2;x\x1b\\b\n");
	READS("0:ab\n", "a\x1b[3", "1mb\n"); /* a sequence split between reads */
}

static void what_was_overwritten_is_gone(void **state)
{
	(void)state;
	READS("0:100%\n", " 50%\r100%\n");
	READS("0:ls\n", "lx\bs\n");
	READS("0:new\n", "older\r\x1b[Knew\n");
	READS("0:ade\n", "abcde\x1b[2G\x1b[2Pde\n");
}

static void another_line_of_the_screen_is_another_line(void **state)
{
	(void)state;
	READS("0:top\n0:middle\n", "\x1b[2J\x1b[Htop\x1b[5;1Hmiddle");
}

static void characters_of_several_bytes_count_as_one(void **state)
{
	(void)state;
	READS("0:gr\xc3\xbc\xc3\x9f"
	      "e\n",
	      "gr\xc3",
	      "\xbc\xc3\x9f"
	      "e\n");
	READS("0:\xe2\x82\xac"
	      "2\n",
	      "\xe2\x82\xac"
	      "1\b2\n");
	READS("0:\xf0\x9f\x98\x80\n", "\xf0\x9f\x98\x80\n");
}

static void a_line_without_end_goes_on_in_the_next(void **state)
{
	static char lot[5000];
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(64 * 1024);
	struct tl_record_text text;

	(void)state;
	memset(lot, 'x', sizeof(lot));
	tl_record_text_init(&text, gather, &out);
	assert_int_equal(tl_record_text_feed(&text, 0, lot, sizeof(lot)), 0);
	assert_int_equal(tl_record_text_feed(&text, 0, "\x1b[9999C\x1b[99999999Gy", 19), 0);
	assert_int_equal(tl_record_text_end(&text), 0);
	assert_true(out.len > sizeof(lot));
}

static int stop(void *arg, double at, const char *text)
{
	(void)arg;
	(void)at;
	(void)text;
	return TL_ECANCELED;
}

static void who_reads_may_stop_it(void **state)
{
	struct tl_record_text text;

	(void)state;
	tl_record_text_init(&text, stop, NULL);
	assert_int_equal(tl_record_text_feed(&text, 0, "a\nb\n", 4), TL_ECANCELED);
}

/* ---- a whole recording ------------------------------------------------------------------------ */

static int gather_words(void *arg, const struct tl_record_words *words)
{
	struct tl_buf *out = arg;

	tl_buf_printf(out, "%g %u %s %s\n", words->at, words->channel, words->kind, words->text);
	return tl_buf_check(out);
}

static void a_recording_reads_as_text_of_all_its_channels(void **state)
{
	struct tl_record_header header = {"01session", "T-1", "web-01", "eva", "bastion", "relay"};
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(64 * 1024);
	char path[] = "/tmp/recordXXXXXX";
	struct tl_record *record = NULL;
	struct tl_clock_fake clock;
	FILE *in;

	(void)state;
	tl_clock_fake_init(&clock, 1700000000000);
	assert_int_equal(tl_record_new(mkstemp(path), &header, 0, &clock.clock, &record, NULL), 0);
	assert_int_equal(tl_record_open(record, 1, "shell", NULL, 80, 24, NULL), 0);
	assert_int_equal(tl_record_open(record, 2, "exec", "rm -r\n/tmp/x", 0, 0, NULL), 0);
	tl_clock_fake_advance(&clock, 1500);
	assert_int_equal(tl_record_output(record, 1, "$ \x1b[1mpass", 10, NULL), 0);
	assert_int_equal(tl_record_output(record, 2, "gone\n", 5, NULL), 0);
	assert_int_equal(tl_record_output(record, 1, "wd\r\n", 4, NULL), 0);
	assert_int_equal(tl_record_note(record, 0, "Eva watches", NULL), 0);
	tl_record_free(record);
	in = fopen(path, "r");
	assert_int_equal(tl_record_read_text(in, 0, gather_words, &out, NULL), 0);
	assert_string_equal(tl_buf_str(&out), "0 2 command rm -r /tmp/x\n1.5 2 output gone\n"
					      "1.5 1 output $ passwd\n1.5 0 note Eva watches\n");
	rewind(in);
	tl_buf_reset(&out);
	assert_int_equal(tl_record_read_text(in, 1, gather_words, &out, NULL), 0);
	assert_string_equal(tl_buf_str(&out), "1.5 1 output $ passwd\n");
	fclose(in);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_the_time_of_its_first_character),
		cmocka_unit_test(colours_and_titles_are_left_out),
		cmocka_unit_test(what_was_overwritten_is_gone),
		cmocka_unit_test(another_line_of_the_screen_is_another_line),
		cmocka_unit_test(characters_of_several_bytes_count_as_one),
		cmocka_unit_test(a_line_without_end_goes_on_in_the_next),
		cmocka_unit_test(who_reads_may_stop_it),
		cmocka_unit_test(a_recording_reads_as_text_of_all_its_channels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
