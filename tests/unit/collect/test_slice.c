#include <archive.h>
#include <archive_entry.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <towline/buf.h>
#include <towline/clock.h>
#include <towline/fs.h>
#include <cmocka.h>

#include "collect/slice.h"

#define MIB (1 << 20)
#define OUT_MAX (64 * MIB)

static int64_t at(const char *text)
{
	int64_t ms = 0;

	if (!text)
		return 0;
	if (tl_time_rfc3339_parse(text, &ms) < 0)
		fail_msg("no time: %s", text);
	return ms * 1000;
}

static struct slice_range range_of(const char *since, const char *until)
{
	return (struct slice_range){since ? at(since) : INT64_MIN, until ? at(until) : INT64_MAX};
}

static void set_age(int fd, const char *mtime)
{
	struct timespec times[2];

	times[0] = times[1] = (struct timespec){.tv_sec = at(mtime) / 1000000};
	assert_int_equal(futimens(fd, times), 0);
}

static int file_of(const void *bytes, size_t len, const char *mtime)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_int_equal(tl_fs_write_all(fd, bytes, len, NULL), 0);
	set_age(fd, mtime);
	return fd;
}

/* A slice that was read to its end. */
struct cut {
	struct slice_facts facts;
	struct tl_buf text;
};

static void cut_clear(struct cut *cut)
{
	tl_buf_clear(&cut->text);
}
TL_DEFINE_AUTO(cut, cut_clear);

static void cut_file(struct cut *cut, int fd, struct slice_range range, uint64_t max)
{
	tl_auto(slice) struct slice *slice = NULL;
	struct slice_options options = {.range = range, .max_bytes = max};
	struct tl_err err = TL_ERR_INIT;
	char piece[1000]; /* odd, so that lines are cut by it */
	ssize_t n;

	tl_buf_init(&cut->text, OUT_MAX);
	if (slice_open(fd, &options, &slice, &err) < 0)
		fail_msg("%s", tl_err_text(&err));
	while ((n = slice_read(slice, piece, sizeof piece, &err)) > 0)
		tl_buf_append(&cut->text, piece, (size_t)n);
	assert_int_equal(n, 0);
	cut->facts = *slice_facts(slice);
}

static void gives(const char *log, const char *mtime, struct slice_range range,
		  const char *expected)
{
	tl_auto(cut) struct cut cut = {.facts = {.reads = 0}};
	tl_fd int fd = file_of(log, strlen(log), mtime);

	cut_file(&cut, fd, range, MIB);
	assert_string_equal(tl_buf_str(&cut.text), expected);
	assert_int_equal(cut.facts.empty, !*expected);
}

static int utc(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

static void lines_in_the_range_are_given_with_both_ends(void **state)
{
	static const char log[] = "Nov 23 06:00:00 h a\n"
				  "Nov 23 06:00:01 h b\n"
				  "Nov 23 06:00:02 h c\n"
				  "Nov 23 06:00:03 h d\n";

	(void)state;
	gives(log, "2026-11-23T07:00:00Z", range_of("2026-11-23T06:00:01Z", "2026-11-23T06:00:02Z"),
	      "Nov 23 06:00:01 h b\nNov 23 06:00:02 h c\n");
	gives(log, "2026-11-23T07:00:00Z", range_of(NULL, "2026-11-23T06:00:00Z"),
	      "Nov 23 06:00:00 h a\n");
	gives(log, "2026-11-23T07:00:00Z", range_of("2026-11-23T06:00:03Z", NULL),
	      "Nov 23 06:00:03 h d\n");
	gives(log, "2026-11-23T07:00:00Z", range_of(NULL, NULL), log);
}

static void range_without_lines_is_empty(void **state)
{
	static const char log[] = "Nov 23 06:00:00 h a\nNov 23 06:10:00 h b\n";

	(void)state;
	gives(log, "2026-11-23T07:00:00Z", range_of("2026-11-23T06:01:00Z", "2026-11-23T06:02:00Z"),
	      "");
	gives(log, "2026-11-23T07:00:00Z", range_of(NULL, "2026-11-23T05:00:00Z"), "");
	gives(log, "2026-11-23T07:00:00Z", range_of("2026-11-23T06:30:00Z", NULL), "");
}

static void file_that_ended_before_the_range_is_not_read(void **state)
{
	static const char log[] = "no time stamps\n";
	tl_auto(cut) struct cut cut = {.facts = {.reads = 0}};
	tl_fd int fd = file_of(log, strlen(log), "2026-11-23T05:00:00Z");

	(void)state;
	cut_file(&cut, fd, range_of("2026-11-23T06:00:00Z", NULL), MIB);
	assert_true(cut.facts.empty);
	assert_true(cut.facts.reaches_back);
	assert_int_equal(cut.facts.reads, 0);
}

static void records_of_several_lines_stay_whole_at_both_ends(void **state)
{
	static const char log[] = "2026-11-23 06:00:00,000 ERROR a\n"
				  "java.lang.IllegalStateException: x\n"
				  "\tat a.b.C(D.java:1)\n"
				  "2026-11-23 06:00:01,000 ERROR b\n"
				  "java.lang.IllegalStateException: y\n"
				  "\tat a.b.C(D.java:1)\n"
				  "Caused by: java.io.IOException: z\n"
				  "\t... 2 more\n"
				  "2026-11-23 06:00:02,000 ERROR c\n"
				  "Traceback (most recent call last):\n"
				  "  File \"a.py\", line 1, in <module>\n"
				  "ValueError: w\n"
				  "2026-11-23 06:00:03,000 LOG:  d\n"
				  "DETAIL:  e\n";

	(void)state;
	gives(log, "2026-11-23T07:00:00Z", range_of("2026-11-23T06:00:01Z", "2026-11-23T06:00:02Z"),
	      "2026-11-23 06:00:01,000 ERROR b\n"
	      "java.lang.IllegalStateException: y\n"
	      "\tat a.b.C(D.java:1)\n"
	      "Caused by: java.io.IOException: z\n"
	      "\t... 2 more\n"
	      "2026-11-23 06:00:02,000 ERROR c\n"
	      "Traceback (most recent call last):\n"
	      "  File \"a.py\", line 1, in <module>\n"
	      "ValueError: w\n");
}

static void lines_out_of_order_are_all_found(void **state)
{
	static const char log[] = "Nov 23 06:00:05 h a\n"
				  "Nov 23 06:00:01 h b\n"
				  "Nov 23 06:00:06 h c\n"
				  "Nov 23 06:00:02 h d\n";

	(void)state;
	gives(log, "2026-11-23T07:00:00Z", range_of("2026-11-23T06:00:01Z", "2026-11-23T06:00:02Z"),
	      "Nov 23 06:00:01 h b\nNov 23 06:00:02 h d\n");
}

static void lines_that_end_with_a_carriage_return_are_kept_so(void **state)
{
	static const char log[] = "Nov 23 06:00:00 h a\r\nNov 23 06:00:01 h b\r\n";

	(void)state;
	gives(log, "2026-11-23T07:00:00Z", range_of("2026-11-23T06:00:01Z", NULL),
	      "Nov 23 06:00:01 h b\r\n");
}

static void both_readings_of_the_hour_that_comes_twice_are_given(void **state)
{
	static const char log[] = "2026-10-25 01:59:00 a\n"
				  "2026-10-25 02:30:00 first\n"
				  "2026-10-25 02:31:00 first\n"
				  "2026-10-25 02:30:00 second\n"
				  "2026-10-25 03:00:00 b\n";

	(void)state;
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	gives(log, "2026-10-25T07:00:00Z", range_of("2026-10-25T01:30:00Z", "2026-10-25T01:30:00Z"),
	      "2026-10-25 02:30:00 first\n2026-10-25 02:30:00 second\n");
	gives(log, "2026-10-25T07:00:00Z", range_of("2026-10-25T01:45:00Z", "2026-10-25T02:00:00Z"),
	      "2026-10-25 03:00:00 b\n");
}

static void year_rolls_over(void **state)
{
	static const char log[] = "Dec 31 23:59:58 h a\n"
				  "Dec 31 23:59:59 h b\n"
				  "Jan  1 00:00:00 h c\n"
				  "Jan  1 00:00:01 h d\n";

	(void)state;
	gives(log, "2026-01-01T00:00:01Z", range_of("2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"),
	      "Dec 31 23:59:59 h b\nJan  1 00:00:00 h c\n");
}

/* One line each hour, from `first_s` on. */
static void write_hours(struct tl_buf *log, int64_t first_s, int hours)
{
	for (int i = 0; i < hours; i++) {
		time_t now = first_s + i * 3600LL;
		struct tm tm;
		char stamp[32];

		gmtime_r(&now, &tm);
		strftime(stamp, sizeof stamp, "%b %e %H:%M:%S", &tm);
		tl_buf_printf(log, "%s host daemon[1]: %d\n", stamp, tm.tm_year + 1900);
	}
}

static void lines_of_many_years_without_a_year_are_told_apart(void **state)
{
	tl_auto(tl_buf) struct tl_buf log = TL_BUF_INIT(OUT_MAX);
	tl_auto(cut) struct cut cut = {.facts = {.reads = 0}};
	tl_fd int fd = -1;

	(void)state;
	write_hours(&log, at("2024-03-01T00:00:00Z") / 1000000, 24 * 990);
	assert_int_equal(tl_buf_check(&log), 0);
	fd = file_of(log.data, log.len, "2026-11-15T23:00:00Z");
	cut_file(&cut, fd, range_of("2025-05-01T00:00:00Z", "2025-05-01T01:00:00Z"), MIB);
	assert_string_equal(tl_buf_str(&cut.text), "May  1 00:00:00 host daemon[1]: 2025\n"
						   "May  1 01:00:00 host daemon[1]: 2025\n");
}

static void write_minutes(struct tl_buf *log, int count)
{
	int64_t first_ms = at("2026-11-01T00:00:00Z") / 1000;

	for (int i = 0; i < count; i++) {
		char stamp[TL_TIME_TEXT];

		tl_time_rfc3339(first_ms + i * 60000LL, stamp);
		tl_buf_printf(log, "%s host daemon[1]: line %d\n\twith more\n", stamp, i);
	}
}

static const char ten_minutes_on[] = "2026-11-01T00:10:00.000Z host daemon[1]: line 10\n"
				     "\twith more\n"
				     "2026-11-01T00:11:00.000Z host daemon[1]: line 11\n"
				     "\twith more\n";

typedef int add_filter(struct archive *archive);

static int packed_minutes(int count, add_filter *filter)
{
	tl_auto(tl_buf) struct tl_buf log = TL_BUF_INIT(OUT_MAX);
	static char packed[8 * MIB];
	struct archive *archive = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	size_t used = 0;

	write_minutes(&log, count);
	filter(archive);
	archive_write_set_format_raw(archive);
	archive_write_open_memory(archive, packed, sizeof packed, &used);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_write_header(archive, entry);
	archive_write_data(archive, log.data, log.len);
	archive_entry_free(entry);
	archive_write_free(archive);
	return file_of(packed, used, "2026-12-31T00:00:00Z");
}

static void compressed_files_are_cut_too(void **state)
{
	static add_filter *const filters[] = {archive_write_add_filter_gzip,
					      archive_write_add_filter_xz,
					      archive_write_add_filter_zstd,
					      archive_write_add_filter_bzip2,
					      archive_write_add_filter_lz4};

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(filters); i++) {
		tl_auto(cut) struct cut cut = {.facts = {.reads = 0}};
		tl_fd int fd = packed_minutes(10000, filters[i]);

		cut_file(&cut, fd, range_of("2026-11-01T00:10:00Z", "2026-11-01T00:11:00Z"), MIB);
		assert_string_equal(tl_buf_str(&cut.text), ten_minutes_on);
		assert_true(cut.facts.unpacked);
		assert_true(cut.facts.reaches_back);
	}
}

static void of_a_long_compressed_file_the_newest_records_are_given(void **state)
{
	tl_auto(cut) struct cut cut = {.facts = {.reads = 0}};
	tl_fd int fd = packed_minutes(40000, archive_write_add_filter_gzip);

	(void)state;
	cut_file(&cut, fd, range_of(NULL, NULL), 150);
	assert_true(cut.facts.truncated);
	assert_string_equal(tl_buf_str(&cut.text),
			    "2026-11-28T18:38:00.000Z host daemon[1]: line 39998\n\twith more\n"
			    "2026-11-28T18:39:00.000Z host daemon[1]: line 39999\n\twith more\n");
}

static void of_a_long_compressed_range_the_newest_records_are_given(void **state)
{
	tl_auto(cut) struct cut cut = {.facts = {.reads = 0}};
	tl_fd int fd = packed_minutes(40000, archive_write_add_filter_gzip);

	(void)state;
	cut_file(&cut, fd, range_of(NULL, "2026-11-01T00:11:00Z"), 130);
	assert_true(cut.facts.truncated);
	assert_string_equal(tl_buf_str(&cut.text), ten_minutes_on);
}

static void damaged_compressed_file_is_a_fault(void **state)
{
	tl_auto(slice) struct slice *slice = NULL;
	struct slice_options options = {.range = range_of(NULL, NULL), .max_bytes = MIB};
	struct tl_err err = TL_ERR_INIT;
	tl_fd int fd = file_of("\x1f\x8b\x08\0\0\0\0\0\0\3garbage", 17, "2026-11-20T00:00:00Z");

	(void)state;
	assert_int_equal(slice_open(fd, &options, &slice, &err), TL_EIO);
	assert_null(slice);
}

static void archive_of_several_files_is_refused(void **state)
{
	tl_auto(slice) struct slice *slice = NULL;
	struct slice_options options = {.range = range_of(NULL, NULL), .max_bytes = MIB};
	struct tl_err err = TL_ERR_INIT;
	tl_fd int fd = file_of("PK\3\4 zip", 8, "2026-11-20T00:00:00Z");

	(void)state;
	assert_int_equal(slice_open(fd, &options, &slice, &err), TL_EUNSUPPORTED);
}

static void of_a_long_log_the_newest_whole_records_are_given(void **state)
{
	static const char log[] = "Nov 23 06:00:00 h a\n more of a\n"
				  "Nov 23 06:00:01 h b\n more of b\n"
				  "Nov 23 06:00:02 h c\n more of c\n";
	tl_auto(cut) struct cut cut = {.facts = {.reads = 0}};
	tl_fd int fd = file_of(log, strlen(log), "2026-11-23T07:00:00Z");

	(void)state;
	cut_file(&cut, fd, range_of(NULL, NULL), 45);
	assert_string_equal(tl_buf_str(&cut.text), "Nov 23 06:00:02 h c\n more of c\n");
	assert_true(cut.facts.truncated);
}

static void of_a_file_without_stamps_the_end_is_given(void **state)
{
	static const char log[] = "first line\nsecond line\nthird\n";
	tl_auto(cut) struct cut cut = {.facts = {.reads = 0}};
	tl_fd int fd = file_of(log, strlen(log), "2026-11-23T07:00:00Z");

	(void)state;
	cut_file(&cut, fd, range_of("2026-11-23T06:00:00Z", NULL), 15);
	assert_string_equal(tl_buf_str(&cut.text), "third\n");
	assert_null(cut.facts.stamps);
	assert_true(cut.facts.truncated);
}

static void rest_of_a_key_at_the_cut_is_left_out(void **state)
{
	static const char log[] = "-----BEGIN PRIVATE KEY-----\n"
				  "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n"
				  "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n"
				  "after\n";
	tl_auto(cut) struct cut cut = {.facts = {.reads = 0}};
	tl_fd int fd = file_of(log, strlen(log), "2026-11-23T07:00:00Z");

	(void)state;
	cut_file(&cut, fd, range_of(NULL, NULL), 100);
	assert_string_equal(tl_buf_str(&cut.text), "after\n");
}

/* A GiB with a record at each MiB and holes between. */
static int huge_file(void)
{
	int fd = memfd_create("huge", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	for (int i = 0; i < 1024; i++) {
		char line[128];
		int n = snprintf(line, sizeof line, "\n2026-11-%02dT%02d:%02d:00Z record %d\n",
				 1 + i / 60 / 24, i / 60 % 24, i % 60, i);

		assert_int_equal(pwrite(fd, line, (size_t)n, (off_t)i * MIB), n);
	}
	set_age(fd, "2026-11-02T00:00:00Z");
	return fd;
}

static void large_file_is_searched_and_not_read(void **state)
{
	tl_auto(cut) struct cut cut = {.facts = {.reads = 0}};
	tl_fd int fd = huge_file();

	(void)state;
	cut_file(&cut, fd, range_of("2026-11-01T10:00:00Z", "2026-11-01T10:00:00Z"), 2 * MIB);
	assert_non_null(strstr(tl_buf_str(&cut.text), "record 600\n"));
	assert_null(strstr(tl_buf_str(&cut.text), "record 599\n"));
	assert_in_range(cut.facts.reads, 1, 200);
}

static void line_without_end_is_no_fault(void **state)
{
	tl_auto(tl_buf) struct tl_buf log = TL_BUF_INIT(OUT_MAX);
	tl_auto(cut) struct cut cut = {.facts = {.reads = 0}};
	tl_fd int fd = -1;

	(void)state;
	tl_buf_puts(&log, "Nov 23 06:00:00 h a\nNov 23 06:00:01 h ");
	for (int i = 0; i < 300000; i++)
		tl_buf_puts(&log, "0123456789");
	tl_buf_puts(&log, "\nNov 23 06:00:02 h c\n");
	fd = file_of(log.data, log.len, "2026-11-23T07:00:00Z");
	cut_file(&cut, fd, range_of("2026-11-23T06:00:01Z", "2026-11-23T06:00:01Z"), 8 * MIB);
	assert_int_equal(cut.text.len, 3000000 + strlen("Nov 23 06:00:01 h \n"));
}

static bool is_over(void *arg)
{
	return --*(int *)arg < 0;
}

static void search_ends_when_time_is_over(void **state)
{
	tl_auto(slice) struct slice *slice = NULL;
	tl_fd int fd = huge_file();
	struct tl_err err = TL_ERR_INIT;
	int rounds = 5;
	struct slice_options options = {.range = range_of("2026-11-01T10:00:00Z", NULL),
					.max_bytes = MIB,
					.stop = is_over,
					.arg = &rounds};

	(void)state;
	assert_int_equal(slice_open(fd, &options, &slice, &err), TL_ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lines_in_the_range_are_given_with_both_ends, utc),
		cmocka_unit_test_setup(range_without_lines_is_empty, utc),
		cmocka_unit_test_setup(file_that_ended_before_the_range_is_not_read, utc),
		cmocka_unit_test_setup(records_of_several_lines_stay_whole_at_both_ends, utc),
		cmocka_unit_test_setup(lines_out_of_order_are_all_found, utc),
		cmocka_unit_test_setup(lines_that_end_with_a_carriage_return_are_kept_so, utc),
		cmocka_unit_test_setup(both_readings_of_the_hour_that_comes_twice_are_given, utc),
		cmocka_unit_test_setup(year_rolls_over, utc),
		cmocka_unit_test_setup(lines_of_many_years_without_a_year_are_told_apart, utc),
		cmocka_unit_test_setup(compressed_files_are_cut_too, utc),
		cmocka_unit_test_setup(of_a_long_compressed_file_the_newest_records_are_given, utc),
		cmocka_unit_test_setup(of_a_long_compressed_range_the_newest_records_are_given,
				       utc),
		cmocka_unit_test_setup(damaged_compressed_file_is_a_fault, utc),
		cmocka_unit_test_setup(archive_of_several_files_is_refused, utc),
		cmocka_unit_test_setup(of_a_long_log_the_newest_whole_records_are_given, utc),
		cmocka_unit_test_setup(of_a_file_without_stamps_the_end_is_given, utc),
		cmocka_unit_test_setup(rest_of_a_key_at_the_cut_is_left_out, utc),
		cmocka_unit_test_setup(large_file_is_searched_and_not_read, utc),
		cmocka_unit_test_setup(line_without_end_is_no_fault, utc),
		cmocka_unit_test_setup(search_ends_when_time_is_over, utc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
