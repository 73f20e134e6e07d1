#include "tests.h"
#include <pthread.h>
#include <sys/uio.h>
#include <towline/json.h>
#include <towline/log.h>

static char lines[512][512];
static size_t line_count;

static void keep(void *arg TL_UNUSED, const char *line)
{
	if (line_count < TL_ARRAY_LEN(lines))
		snprintf(lines[line_count], sizeof lines[0], "%s", line);
	line_count++;
}

/* Stands for libsystemd: the fields as lines. */
int __wrap_sd_journal_sendv(const struct iovec *parts, int count);
int __wrap_sd_journal_sendv(const struct iovec *parts, int count)
{
	for (int i = 0; i < count; i++, line_count++)
		snprintf(lines[line_count], sizeof lines[0], "%.*s", (int)parts[i].iov_len,
			 (const char *)parts[i].iov_base);
	return 0;
}

static int set_up(void **state TL_UNUSED)
{
	line_count = 0;
	tl_log_capture(keep, NULL);
	tl_log_open("prog", TL_LOG_TEXT, TL_LOG_INFO);
	return 0;
}

static int tear_down(void **state TL_UNUSED)
{
	tl_log_capture(NULL, NULL);
	return 0;
}

static void a_line_of_text_has_level_message_and_fields(void **state TL_UNUSED)
{
	tl_log_info("bundle stored", TL_S("bundle", "b1"), TL_I("bytes", 512), TL_S("none", NULL),
		    TL_S("text", "a \"b\""));
	assert_int_equal(line_count, 1);
	assert_string_equal(
		lines[0] + 25,
		"info    prog: bundle stored bundle=b1 bytes=512 none=- text=\"a \\\"b\\\"\"");
}

static void quieter_levels_are_left_out(void **state TL_UNUSED)
{
	tl_log_debug("not seen");
	assert_int_equal(line_count, 0);
	assert_false(tl_log_enabled(TL_LOG_DEBUG));
	assert_true(tl_log_enabled(TL_LOG_ERROR));
	tl_log_error("seen");
	tl_log_warning("seen");
	assert_int_equal(line_count, 2);
}

static void no_control_character_is_written(void **state TL_UNUSED)
{
	tl_log_info("a\nfaked line", TL_S("v", "\x1b[2J\n"));
	assert_int_equal(line_count, 1);
	assert_non_null(strstr(lines[0], "a\\x0afaked line v="));
	assert_null(strchr(lines[0], '\x1b'));
	assert_null(strchr(lines[0], '\n'));
}

static void secrets_are_redacted(void **state TL_UNUSED)
{
	static const enum tl_log_format formats[] = {TL_LOG_TEXT, TL_LOG_JSON, TL_LOG_JOURNAL};

	for (size_t i = 0; i < TL_ARRAY_LEN(formats); i++) {
		tl_log_open("prog", formats[i], TL_LOG_INFO);
		tl_log_info("login", TL_S("password", "hunter2"), TL_S("token", "hunter2"),
			    TL_S("secret", "hunter2"), TL_S("key", "hunter2"),
			    TL_S("authorization", "hunter2"), TL_S("cookie", "hunter2"));
	}
	assert_int_equal(line_count, 2 + 9);
	for (size_t i = 0; i < line_count; i++)
		assert_null(strstr(lines[i], "hunter2"));
	assert_non_null(strstr(lines[0], "password=[redacted]"));
}

static void a_json_line_is_an_object(void **state TL_UNUSED)
{
	tl_json *json = NULL;

	tl_log_open("prog", TL_LOG_JSON, TL_LOG_INFO);
	tl_log_info("a \"b\"\n", TL_S("text", "\xff\xc3\xa4\\"), TL_I("number", -7));
	assert_int_equal(tl_json_parse(lines[0], strlen(lines[0]), &json, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(json, "message")), "a \"b\"\n");
	assert_string_equal(json_string_value(json_object_get(json, "level")), "info");
	assert_string_equal(json_string_value(json_object_get(json, "program")), "prog");
	assert_string_equal(json_string_value(json_object_get(json, "text")), "\\xff\xc3\xa4\\");
	assert_int_equal(json_integer_value(json_object_get(json, "number")), -7);
	assert_non_null(json_object_get(json, "time"));
}

static void the_journal_gets_fields(void **state TL_UNUSED)
{
	tl_log_open("prog", TL_LOG_JOURNAL, TL_LOG_INFO);
	tl_log_warning("a\nb", TL_S("bundle_id", "x"), TL_I("n", 3));
	assert_int_equal(line_count, 5);
	assert_string_equal(lines[0], "MESSAGE=a\nb");
	assert_string_equal(lines[1], "PRIORITY=4");
	assert_string_equal(lines[2], "SYSLOG_IDENTIFIER=prog");
	assert_string_equal(lines[3], "TOWLINE_BUNDLE_ID=x");
	assert_string_equal(lines[4], "TOWLINE_N=3");
}

static void a_chatty_site_is_silenced_and_counted(void **state TL_UNUSED)
{
	struct tl_log_site site = {0};

	for (int i = 0; i < TL_LOG_BURST + 50; i++)
		tl_log_write(&site, TL_LOG_INFO, "again", NULL, 0);
	assert_int_equal(line_count, TL_LOG_BURST);
	site.window_start_ms -= TL_LOG_WINDOW_MS;
	tl_log_write(&site, TL_LOG_INFO, "again", NULL, 0);
	assert_int_equal(line_count, TL_LOG_BURST + 2);
	assert_non_null(strstr(lines[TL_LOG_BURST], "suppressed=50 of=again"));
}

static void a_huge_field_is_cut_with_a_mark(void **state TL_UNUSED)
{
	tl_free char *huge = malloc(65536);

	memset(huge, 'x', 65535);
	huge[65535] = '\0';
	tl_log_info("big", TL_S("v", huge));
	assert_int_equal(line_count, 1);
	assert_non_null(strstr(lines[0], "prog: big"));
}

static void *chatter(void *arg TL_UNUSED)
{
	static struct tl_log_site site;

	for (int i = 0; i < 1000; i++)
		tl_log_write(&site, TL_LOG_INFO, "from a thread", NULL, 0);
	return NULL;
}

static void threads_share_a_sites_budget(void **state TL_UNUSED)
{
	pthread_t threads[4];

	for (size_t i = 0; i < TL_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, chatter, NULL), 0);
	for (size_t i = 0; i < TL_ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(line_count, TL_LOG_BURST);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(a_line_of_text_has_level_message_and_fields),
		TEST(quieter_levels_are_left_out),
		TEST(no_control_character_is_written),
		TEST(secrets_are_redacted),
		TEST(a_json_line_is_an_object),
		TEST(the_journal_gets_fields),
		TEST(a_chatty_site_is_silenced_and_counted),
		TEST(a_huge_field_is_cut_with_a_mark),
		TEST(threads_share_a_sites_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
