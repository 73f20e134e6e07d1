/* The journal of a stage, made by systemd's own writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/json.h>
#include <towline/str.h>
#include <unistd.h>
#include <cmocka.h>

#include "collect/journal_entry.h"
#include "stage.h"

#define WRITER "/lib/systemd/systemd-journal-remote"
#define S(...) ((const char *const[]){__VA_ARGS__, NULL})
#define FIRST_US INT64_C(1767222000000000) /* an hour before the stage's time */
#define MINUTE_US INT64_C(60000000)
#define BOOT "0123456789abcdef0123456789abcdef"

static int set_up(void **state)
{
	int r = stage_set_up(state);
	struct stage *stage = *state;

	if (r == 0)
		stage_file(stage, "/var/log/journal/x", "");
	return r;
}

/* Begins an entry in the export format; its message and other fields follow, then an empty line. */
static void begin_entry(FILE *out, int64_t at_us)
{
	fprintf(out,
		"__REALTIME_TIMESTAMP=%lld\n__MONOTONIC_TIMESTAMP=%lld\n_BOOT_ID=" BOOT
		"\n_TRANSPORT=syslog\n",
		(long long)at_us, (long long)(at_us - FIRST_US + 1000000));
}

static FILE *writer(struct stage *stage)
{
	char command[600];

	if (access(WRITER, X_OK) < 0)
		skip();
	snprintf(command, sizeof command, WRITER " -o '%s/system.journal' - >/dev/null 2>&1",
		 stage_path(stage, "/var/log/journal"));
	return popen(command, "w");
}

static void write_minutes(struct stage *stage, int count)
{
	FILE *out = writer(stage);

	for (int i = 0; i < count; i++) {
		begin_entry(out, FIRST_US + i * MINUTE_US);
		fprintf(out, "MESSAGE=line %d\nPRIORITY=6\n_SYSTEMD_UNIT=a%d.service\n\n", i,
			i % 2);
	}
	assert_int_equal(pclose(out), 0);
}

static const char *collect(struct stage *stage, const char *name, const char *const *sources,
			   uint64_t max_bytes)
{
	struct collector row = {.name = name,
				.group = "logs",
				.summary = "the journal of a test",
				.kind = COLLECT_JOURNAL,
				.flags = COLLECT_TIMED,
				.sources = sources,
				.max_bytes = max_bytes,
				.timeout_ms = 10000};

	if (stage_collect(stage, &row, 1) < 0)
		fail_msg("%s", tl_err_text(&stage->err));
	return stage_member(stage, "journal/system.jsonl");
}

static json_t *line_of(const char *text, int index)
{
	json_t *json = NULL;
	struct tl_err err = TL_ERR_INIT;

	while (index-- > 0 && text)
		text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL;
	if (!text || tl_json_parse(text, strcspn(text, "\n"), &json, &err) < 0)
		fail_msg("no JSON: %s", text ? text : "no line");
	return json;
}

static int count_lines(const char *text)
{
	int count = 0;

	for (; text && *text; text++)
		count += *text == '\n';
	return count;
}

static void entry_is_a_line_of_json(void **state)
{
	struct stage *stage = *state;
	tl_json *json = NULL;

	write_minutes(stage, 1);
	json = line_of(collect(stage, "journal", NULL, 100000), 0);
	assert_string_equal(json_string_value(json_object_get(json, "time")),
			    "2025-12-31T23:00:00.000Z");
	assert_string_equal(json_string_value(json_object_get(json, "boot")), BOOT);
	assert_int_equal(json_integer_value(json_object_get(json, "mono_us")), 1000000);
	assert_string_equal(json_string_value(json_object_get(json, "message")), "line 0");
	assert_string_equal(json_string_value(json_object_get(json, "unit")), "a0.service");
	assert_string_equal(json_string_value(json_object_get(json, "priority")), "6");
	assert_null(json_object_get(json, "_TRANSPORT"));
}

static void entries_of_the_range_are_given_in_their_order(void **state)
{
	struct stage *stage = *state;
	const char *text;
	tl_json *json = NULL;

	write_minutes(stage, 30);
	stage->since = "2025-12-31T23:10:00Z";
	stage->until = "2025-12-31T23:12:00Z";
	text = collect(stage, "journal", NULL, 100000);
	assert_int_equal(count_lines(text), 3);
	json = line_of(text, 0);
	assert_string_equal(json_string_value(json_object_get(json, "message")), "line 10");
}

static void range_without_entries_is_absent(void **state)
{
	struct stage *stage = *state;

	write_minutes(stage, 3);
	stage->since = "2025-12-30T23:10:00Z";
	stage->until = "2025-12-30T23:12:00Z";
	assert_null(collect(stage, "journal", NULL, 100000));
}

static void of_many_entries_the_newest_are_given(void **state)
{
	struct stage *stage = *state;
	const char *text;
	tl_json *json = NULL;
	int lines;

	write_minutes(stage, 1000);
	text = collect(stage, "journal", NULL, 40000);
	lines = count_lines(text);
	assert_in_range(lines, 100, 300);
	assert_string_equal(stage_status(stage, "journal/system.jsonl"), "truncated");
	json = line_of(text, lines - 1);
	assert_string_equal(json_string_value(json_object_get(json, "message")), "line 999");
}

static void matches_of_the_row_choose_entries(void **state)
{
	struct stage *stage = *state;

	write_minutes(stage, 10);
	assert_null(collect(stage, "journal-a", S("UNIT=a1.service"), 100000));
	assert_int_equal(count_lines(stage_member(stage, "journal/a.jsonl")), 5);
}

static void secret_behind_a_newline_or_quotes_is_hidden(void **state)
{
	struct stage *stage = *state;
	static const char message[] = "first\npassword=\"hunter2\" x\n";
	uint64_t len = sizeof message - 1;
	FILE *out = writer(stage);
	const char *text;

	begin_entry(out, FIRST_US);
	fputs("MESSAGE\n", out);
	fwrite(&len, sizeof len, 1, out);
	fwrite(message, 1, len, out);
	fputs("\n\n", out);
	begin_entry(out, FIRST_US + 1);
	fputs("MESSAGE=password=hunter3\n\n", out);
	assert_int_equal(pclose(out), 0);
	text = collect(stage, "journal", NULL, 100000);
	assert_int_equal(count_lines(text), 2);
	assert_null(strstr(text, "hunter"));
	json_decref(line_of(text, 0));
	json_decref(line_of(text, 1));
}

static void bytes_that_are_no_text_are_escaped(void **state)
{
	struct stage *stage = *state;
	static const char message[] = "a\xff\0\1z";
	uint64_t len = sizeof message - 1;
	FILE *out = writer(stage);
	tl_json *json = NULL;

	begin_entry(out, FIRST_US);
	fputs("MESSAGE\n", out);
	fwrite(&len, sizeof len, 1, out);
	fwrite(message, 1, len, out);
	fputs("\n\n", out);
	assert_int_equal(pclose(out), 0);
	json = line_of(collect(stage, "journal", NULL, 100000), 0);
	assert_string_equal(json_string_value(json_object_get(json, "message")),
			    "a\\xff\\x00\\x01z");
}

static void long_field_is_cut(void **state)
{
	struct stage *stage = *state;
	FILE *out = writer(stage);
	tl_json *json = NULL;

	begin_entry(out, FIRST_US);
	fputs("MESSAGE=", out);
	for (int i = 0; i < 100000; i++)
		fputc('0' + i % 10, out);
	fputs("\n\n", out);
	assert_int_equal(pclose(out), 0);
	json = line_of(collect(stage, "journal", NULL, 1000000), 0);
	assert_in_range(strlen(json_string_value(json_object_get(json, "message"))), 1000,
			JOURNAL_FIELD_MAX);
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		STAGED(entry_is_a_line_of_json),
		STAGED(entries_of_the_range_are_given_in_their_order),
		STAGED(range_without_entries_is_absent),
		STAGED(of_many_entries_the_newest_are_given),
		STAGED(matches_of_the_row_choose_entries),
		STAGED(secret_behind_a_newline_or_quotes_is_hidden),
		STAGED(bytes_that_are_no_text_are_escaped),
		STAGED(long_field_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
