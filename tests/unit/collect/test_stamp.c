#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <towline/attr.h>
#include <towline/clock.h>
#include <cmocka.h>

#include "collect/stamp.h"

#define NEWEST "2026-11-24T00:00:00Z"
#define BOOT "2026-11-20T00:00:00Z"

static int64_t at(const char *text)
{
	int64_t ms = 0;

	if (tl_time_rfc3339_parse(text, &ms) < 0)
		fail_msg("no time: %s", text);
	return ms * 1000;
}

static void use_zone(const char *name)
{
	setenv("TZ", name, 1);
	tzset();
}

static bool read_line(const char *line, struct stamp_reader *reader, struct stamp *ret_stamp)
{
	stamp_reader_init(reader, at(NEWEST), at(BOOT));
	return stamp_detect(reader, line, strlen(line)) &&
	       stamp_read(reader, line, strlen(line), ret_stamp);
}

static void is_read(const char *line, const char *name, const char *expected)
{
	struct stamp_reader reader;
	struct stamp stamp = {0, 0};
	char found[TL_TIME_TEXT];

	if (!read_line(line, &reader, &stamp))
		fail_msg("no stamp: %s", line);
	tl_time_rfc3339(stamp.early_us / 1000, found);
	assert_int_equal(stamp.early_us, stamp.late_us);
	if (strcmp(found, expected) != 0)
		fail_msg("%s: %s instead of %s", line, found, expected);
	if (strcmp(stamp_name(&reader), name) != 0)
		fail_msg("%s: taken for %s", line, stamp_name(&reader));
}

static void every_kind_is_read(void **state TL_UNUSED)
{
	static const struct {
		const char *line, *name, *expected;
	} rows[] = {
		{"Nov 23 06:43:13 host sshd[1]: x", "syslog", "2026-11-23T06:43:13.000Z"},
		{"Nov  3 06:43:13.250 host x", "syslog", "2026-11-03T06:43:13.250Z"},
		{"<34>Nov 23 06:43:13 host su: x", "syslog", "2026-11-23T06:43:13.000Z"},
		{"<165>1 2026-11-23T06:43:13.003Z host app - ID47 - x", "rfc5424",
		 "2026-11-23T06:43:13.003Z"},
		{"2026-11-23T06:43:13.123456+01:00 host x", "iso", "2026-11-23T05:43:13.123Z"},
		{"2026-11-23T06:43:13+0100 host x[1]: y", "iso", "2026-11-23T05:43:13.000Z"},
		{"2026-11-23 06:43:13,123 INFO  [main] a.B - x", "iso", "2026-11-23T06:43:13.123Z"},
		{"2026-11-23 06:43:13.123 UTC [99] LOG:  x", "iso", "2026-11-23T06:43:13.123Z"},
		{"2026-11-23 06:43:13 ERROR x", "iso", "2026-11-23T06:43:13.000Z"},
		{"2026-11-23 06:43:13 -10 things", "iso", "2026-11-23T06:43:13.000Z"},
		{"2026-11-23 06:43:13 -0500 x", "iso", "2026-11-23T11:43:13.000Z"},
		{"2026-11-23  6:43:13 0 [Note] x", "iso", "2026-11-23T06:43:13.000Z"},
		{"2026-11-23 06:43:13 status installed x", "iso", "2026-11-23T06:43:13.000Z"},
		{"[2026-11-23 06:43:13,123] {a.py:1} x", "iso", "2026-11-23T06:43:13.123Z"},
		{"[2026-11-23T06:43:13,123][INFO ][x]", "iso", "2026-11-23T06:43:13.123Z"},
		{"2026/11/23 06:43:13 [error] 1#1: *1 x", "slashes", "2026-11-23T06:43:13.000Z"},
		{"2026/11/23 06:43:13.123456 a.go:1: x", "slashes", "2026-11-23T06:43:13.123Z"},
		{"10.0.0.1 - - [23/Nov/2026:06:43:13 +0100] \"GET / HTTP/1.1\" 200 1", "access",
		 "2026-11-23T05:43:13.000Z"},
		{"::1 - a [b] [23/Nov/2026:06:43:13 +0000] \"-\" 408 -", "access",
		 "2026-11-23T06:43:13.000Z"},
		{"[Mon Nov 23 06:43:13.123456 2026] [core:notice] x", "ctime",
		 "2026-11-23T06:43:13.123Z"},
		{"[Mon Nov 23 06:43:13 2026] usb 1-1: x", "ctime", "2026-11-23T06:43:13.000Z"},
		{"Mon Nov 23 06:43:13 UTC 2026 x", "ctime", "2026-11-23T06:43:13.000Z"},
		{"Mon, 23 Nov 2026 06:43:13 +0000 x", "mail", "2026-11-23T06:43:13.000Z"},
		{"Mon 2026-11-23 06:43:13 UTC host x", "weekday-iso", "2026-11-23T06:43:13.000Z"},
		{"Nov 23, 2026 6:43:13 AM a.B c", "java", "2026-11-23T06:43:13.000Z"},
		{"Nov 23, 2026 12:43:13 AM a.B c", "java", "2026-11-23T00:43:13.000Z"},
		{"Nov 23, 2026, 6:43:13\xe2\x80\xafPM a.B c", "java", "2026-11-23T18:43:13.000Z"},
		{"23-Nov-2026 06:43:13.123 INFO [main] x", "dashes", "2026-11-23T06:43:13.123Z"},
		{"[23-Nov-2026 06:43:13 UTC] PHP Warning: x", "dashes", "2026-11-23T06:43:13.000Z"},
		{"1234:M 23 Nov 2026 06:43:13.123 * x", "redis", "2026-11-23T06:43:13.123Z"},
		{"I1123 06:43:13.123456       1 main.go:1] x", "klog", "2026-11-23T06:43:13.123Z"},
		{"E20261123 06:43:13.123456 1 a.cc:1] x", "glog", "2026-11-23T06:43:13.123Z"},
		{"20261123T064313Z x", "basic", "2026-11-23T06:43:13.000Z"},
		{"[   12.345678] usb 1-1: x", "kernel", "2026-11-20T00:00:12.345Z"},
		{"[12345.678901] x", "kernel", "2026-11-20T03:25:45.678Z"},
		{"1795415993.123    45 10.0.0.1 TCP_MISS/200", "epoch", "2026-11-23T06:39:53.123Z"},
		{"1795415993 x", "epoch", "2026-11-23T06:39:53.000Z"},
		{"1795415993123 x", "epoch", "2026-11-23T06:39:53.123Z"},
		{"1795415993123456 x", "epoch", "2026-11-23T06:39:53.123Z"},
		{"1795415993123456789 x", "epoch", "2026-11-23T06:39:53.123Z"},
		{"[1795415993] SERVICE ALERT: x", "epoch", "2026-11-23T06:39:53.000Z"},
		{"type=SYSCALL msg=audit(1795415993.123:45): arch=c000003e", "audit",
		 "2026-11-23T06:39:53.123Z"},
		{"node=a type=USER msg=audit(1795415993.123:45): x", "audit",
		 "2026-11-23T06:39:53.123Z"},
		{"261123  6:43:13 [Note] x", "mysql-5", "2026-11-23T06:43:13.000Z"},
		{"Start-Date: 2026-11-23  06:43:13", "apt", "2026-11-23T06:43:13.000Z"},
		{"Log started: 2026-11-23  06:43:13", "apt", "2026-11-23T06:43:13.000Z"},
		{"[2026/11/23 06:43:13.123456,  0] ../a.c:1(b)", "samba",
		 "2026-11-23T06:43:13.123Z"},
		{"2026.11.23 06:43:13.123456 [ 1 ] {} <Error> x", "dots",
		 "2026-11-23T06:43:13.123Z"},
		{"update-alternatives 2026-11-23 06:43:13: run with x", "iso-inside",
		 "2026-11-23T06:43:13.000Z"},
		{"time=\"2026-11-23T06:43:13Z\" level=info msg=x", "iso-inside",
		 "2026-11-23T06:43:13.000Z"},
		{"ts=1795415993.123 level=info", "logfmt", "2026-11-23T06:39:53.123Z"},
		{"{\"level\":30,\"time\":1795415993123,\"msg\":\"x\"}", "json",
		 "2026-11-23T06:39:53.123Z"},
		{"{\"level\":\"info\",\"ts\":1795415993.123,\"msg\":\"x\"}", "json",
		 "2026-11-23T06:39:53.123Z"},
		{"{\"@timestamp\": \"2026-11-23T06:43:13.123Z\", \"m\": 1}", "json",
		 "2026-11-23T06:43:13.123Z"},
		{"{\"log\":\"2020-01-01 00:00:00 x\\n\",\"stream\":\"stdout\","
		 "\"time\":\"2026-11-23T06:43:13.123456789Z\"}",
		 "docker", "2026-11-23T06:43:13.123Z"},
		{"__CURSOR=s=0;i=1;b=2;m=3;t=660ebdc7ca040;x=4", "journal-export",
		 "2026-11-23T06:39:53.000Z"},
		{"{\"_PID\":\"1\",\"__REALTIME_TIMESTAMP\":\"1795415993123456\"}", "journal-json",
		 "2026-11-23T06:39:53.123Z"},
		{"Nov 23 06:43:13 host x\r\n", "syslog", "2026-11-23T06:43:13.000Z"},
	};

	use_zone("UTC");
	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++)
		is_read(rows[i].line, rows[i].name, rows[i].expected);
}

static void what_is_no_stamp_is_refused(void **state TL_UNUSED)
{
	static const char *const lines[] = {
		"",
		"x",
		"11/23/2026 06:43:13 two readings",
		"23/11/2026 06:43:13 two readings",
		"03/04/26 06:43 two readings",
		"06:43:13 no date",
		"2026-11-23 no time",
		"2026-13-23 06:43:13 no such month",
		"2026-02-29 06:43:13 no such day",
		"2026-11-23 24:43:13 no such hour",
		"2026-11-23 06:43:130 more digits",
		"Nvo 23 06:43:13 no such name",
		"Nov 31 06:43:13 no such day",
		"\tat a.b.C(D.java:2026)",
		"Caused by: java.lang.Exception: 1795415993",
		"DETAIL:  Key (id)=(1) exists.",
		"12345678901 one digit more",
		"[12345.6] too short",
		"Nov 23, 2026 13:43:13 PM",
		"I1323 06:43:13.123456 1 x] no such month",
	};
	struct stamp_reader reader;
	struct stamp stamp;

	use_zone("UTC");
	for (size_t i = 0; i < TL_ARRAY_LEN(lines); i++)
		if (read_line(lines[i], &reader, &stamp))
			fail_msg("taken for %s: %s", stamp_name(&reader), lines[i]);
}

static void local_time_follows_the_zone_of_the_host(void **state TL_UNUSED)
{
	use_zone("Europe/Berlin");
	is_read("2026-07-01 12:00:00 x", "iso", "2026-07-01T10:00:00.000Z");
	is_read("2026-01-01 12:00:00 x", "iso", "2026-01-01T11:00:00.000Z");
	is_read("2026-07-01T12:00:00Z x", "iso", "2026-07-01T12:00:00.000Z");
	use_zone("America/New_York");
	is_read("Jul  1 12:00:00 host x", "syslog", "2026-07-01T16:00:00.000Z");
}

static void hour_that_comes_twice_has_two_readings(void **state TL_UNUSED)
{
	struct stamp_reader reader;
	struct stamp stamp;

	use_zone("Europe/Berlin");
	assert_true(read_line("2026-10-25 02:30:00 x", &reader, &stamp));
	assert_int_equal(stamp.early_us, at("2026-10-25T00:30:00Z"));
	assert_int_equal(stamp.late_us, at("2026-10-25T01:30:00Z"));
	is_read("2026-10-25 01:59:59 x", "iso", "2026-10-24T23:59:59.000Z");
	is_read("2026-10-25 03:00:00 x", "iso", "2026-10-25T02:00:00.000Z");
}

static void zone_name_settles_the_hour_that_comes_twice(void **state TL_UNUSED)
{
	use_zone("Europe/Berlin");
	is_read("2026-10-25 02:30:00.000 CEST [1] LOG: x", "iso", "2026-10-25T00:30:00.000Z");
	is_read("2026-10-25 02:30:00.000 CET [1] LOG: x", "iso", "2026-10-25T01:30:00.000Z");
}

static void hour_that_the_clock_leaps_over_is_read_as_before(void **state TL_UNUSED)
{
	use_zone("Europe/Berlin");
	is_read("2026-03-29 02:30:00 x", "iso", "2026-03-29T01:30:00.000Z");
}

static void year_is_that_of_the_file_or_the_one_before(void **state TL_UNUSED)
{
	struct stamp_reader reader;
	struct stamp stamp;
	const char *december = "Dec 31 23:59:59 host x\n", *january = "Jan  1 00:00:01 host x\n";

	use_zone("UTC");
	stamp_reader_init(&reader, at("2026-01-01T00:10:00Z"), 0);
	assert_true(stamp_detect(&reader, december, strlen(december)));
	assert_true(stamp_lacks_year(&reader));
	assert_true(stamp_read(&reader, december, strlen(december), &stamp));
	assert_int_equal(stamp.early_us, at("2025-12-31T23:59:59Z"));
	assert_true(stamp_read(&reader, january, strlen(january), &stamp));
	assert_int_equal(stamp.early_us, at("2026-01-01T00:00:01Z"));
}

static void leap_day_without_year_is_of_the_last_leap_year(void **state TL_UNUSED)
{
	use_zone("UTC");
	is_read("Feb 29 06:43:13 host x", "syslog", "2024-02-29T06:43:13.000Z");
}

static void kernel_time_without_a_boot_time_is_no_stamp(void **state TL_UNUSED)
{
	struct stamp_reader reader;

	stamp_reader_init(&reader, at(NEWEST), 0);
	assert_false(stamp_detect(&reader, "[   12.345678] x\n", 17));
}

static void kind_of_most_lines_is_kept_to(void **state TL_UNUSED)
{
	static const char text[] = "2020-01-01 00:00:00 a header of another kind\n"
				   "Nov 23 06:43:13 host a: 2021-01-01 00:00:00\n"
				   "\tat b.c.D\n"
				   "Nov 23 06:43:14 host a: x\n";
	struct stamp_reader reader;
	struct stamp stamp;

	use_zone("UTC");
	stamp_reader_init(&reader, at(NEWEST), 0);
	assert_true(stamp_detect(&reader, text, sizeof text - 1));
	assert_string_equal(stamp_name(&reader), "syslog");
	assert_false(stamp_read(&reader, text, sizeof text - 1, &stamp));
}

static void log_that_changed_its_kind_is_read_in_both(void **state TL_UNUSED)
{
	const char *before = "Nov 23 06:43:13 host x\n", *after = "2026-11-23T06:43:14Z host x\n";
	struct stamp_reader reader;
	struct stamp stamp;

	use_zone("UTC");
	stamp_reader_init(&reader, at(NEWEST), 0);
	assert_true(stamp_detect(&reader, before, strlen(before)));
	assert_true(stamp_detect(&reader, after, strlen(after)));
	assert_true(stamp_read(&reader, before, strlen(before), &stamp));
	assert_int_equal(stamp.early_us, at("2026-11-23T06:43:13Z"));
	assert_true(stamp_read(&reader, after, strlen(after), &stamp));
	assert_int_equal(stamp.early_us, at("2026-11-23T06:43:14Z"));
}

static void one_date_within_many_lines_makes_no_log(void **state TL_UNUSED)
{
	char text[4096] = "generated on 2026-11-23 06:43:13 by x\n";
	struct stamp_reader reader;

	for (int i = 0; i < 30; i++)
		strcat(text, "key = value\n");
	stamp_reader_init(&reader, at(NEWEST), 0);
	assert_false(stamp_detect(&reader, text, strlen(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_read),
		cmocka_unit_test(what_is_no_stamp_is_refused),
		cmocka_unit_test(local_time_follows_the_zone_of_the_host),
		cmocka_unit_test(hour_that_comes_twice_has_two_readings),
		cmocka_unit_test(zone_name_settles_the_hour_that_comes_twice),
		cmocka_unit_test(hour_that_the_clock_leaps_over_is_read_as_before),
		cmocka_unit_test(year_is_that_of_the_file_or_the_one_before),
		cmocka_unit_test(leap_day_without_year_is_of_the_last_leap_year),
		cmocka_unit_test(kernel_time_without_a_boot_time_is_no_stamp),
		cmocka_unit_test(kind_of_most_lines_is_kept_to),
		cmocka_unit_test(log_that_changed_its_kind_is_read_in_both),
		cmocka_unit_test(one_date_within_many_lines_makes_no_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
