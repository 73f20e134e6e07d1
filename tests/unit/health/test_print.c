#include "../common/tests.h"

#include "health/print.h"

#define SNAPSHOT(verdict, facts) \
	"{\"schema\":1,\"taken\":\"2026-01-02T03:04:05.000Z\",\"verdict\":\"" verdict \
	"\",\"facts\":[" facts "]}"
#define DISK \
	"{\"name\":\"disk_used_percent\",\"unit\":\"%\",\"value\":96.5,\"subject\":\"/" \
	"a=b|'c\\\"d\"," \
	"\"verdict\":\"critical\",\"text\":\"full | really\"}"
#define UPTIME "{\"name\":\"uptime\",\"unit\":\"s\",\"value\":86400}"
#define STATE "{\"name\":\"system_state\",\"unit\":\"1\",\"value\":\"degraded\"}"
#define LINK \
	"{\"name\":\"link_up\",\"unit\":\"1\",\"value\":true,\"subject\":\"eth0\",\"verdict\":" \
	"\"ok\"}"
#define KILLS "{\"name\":\"oom_kills\",\"unit\":\"1\",\"value\":3}"
#define LOST \
	"{\"name\":\"failed_units\",\"unit\":\"1\",\"value\":null,\"verdict\":\"unknown\"," \
	"\"text\":\"no " \
	"answer\"}"

enum format { TABLE, PROMETHEUS, NAGIOS };

static char printed[8192];

static int print(enum format format, const char *text)
{
	tl_json *snapshot = NULL;
	FILE *out = fmemopen(printed, sizeof printed, "w");
	int status = 0;

	assert_int_equal(tl_json_parse(text, strlen(text), &snapshot, NULL), 0);
	if (format == TABLE)
		health_print_table(out, snapshot);
	else if (format == PROMETHEUS)
		health_print_prometheus(out, snapshot);
	else
		status = health_print_nagios(out, snapshot);
	fclose(out);
	return status;
}

static void assert_printed(const char *words)
{
	if (!strstr(printed, words))
		fail_msg("\"%s\" is not in:\n%s", words, printed);
}

static void the_table_is_for_people(void **state TL_UNUSED)
{
	print(TABLE, SNAPSHOT("critical", UPTIME "," LINK "," LOST "," DISK));
	assert_printed("This machine is critical at 2026-01-02T03:04:05.000Z.\n");
	assert_printed("96.5 % (full | really)");
	assert_printed("1 d");
	assert_printed("unknown (no answer)");
	assert_true(strstr(printed, "Disk space used") < strstr(printed, "Failed units"));
	assert_true(strstr(printed, "Failed units") < strstr(printed, "Link is up"));
	assert_true(strstr(printed, "Link is up") < strstr(printed, "Up for"));
}

static void prometheus_gets_base_units_and_escaped_labels(void **state TL_UNUSED)
{
	print(PROMETHEUS, SNAPSHOT("critical", UPTIME "," LINK "," DISK));
	assert_printed("# HELP towline_uptime_seconds Up for\n"
		       "# TYPE towline_uptime_seconds gauge\ntowline_uptime_seconds 86400\n");
	assert_printed("towline_disk_used_percent{subject=\"/a=b|'c\\\"d\"} 96.5\n");
	assert_printed("towline_link_up{subject=\"eth0\"} 1\n");
	assert_printed("towline_health_verdict 2\n");
	assert_printed("towline_fact_verdict{fact=\"link_up\",subject=\"eth0\"} 0\n");
}

static void prometheus_gets_counters_words_and_no_unknown_values(void **state TL_UNUSED)
{
	print(PROMETHEUS, SNAPSHOT("unknown", KILLS "," STATE "," LOST));
	assert_printed("# TYPE towline_oom_kills_total counter\ntowline_oom_kills_total 3\n");
	assert_printed("towline_system_state{value=\"degraded\"} 1\n");
	assert_null(strstr(printed, "\ntowline_failed_units "));
	assert_printed("towline_fact_verdict{fact=\"failed_units\"} 3\n");
}

static void nagios_gets_the_worst_and_data_without_its_separator(void **state TL_UNUSED)
{
	assert_int_equal(print(NAGIOS, SNAPSHOT("critical", LOST "," DISK "," UPTIME)), 2);
	assert_printed("TOWLINE CRITICAL - disk_used_percent /a=b/'c\"d critical (full / really); "
		       "failed_units unknown (no answer) |");
	assert_printed("'disk_used_percent /a_b_''c\"d'=96.5%");
	assert_printed("'uptime'=86400s\n");
	assert_ptr_equal(strchr(printed, '|'), strrchr(printed, '|'));
	assert_ptr_equal(strchr(printed, '\n'), strrchr(printed, '\n'));
}

static void each_verdict_has_its_status(void **state TL_UNUSED)
{
	assert_int_equal(print(NAGIOS, SNAPSHOT("ok", UPTIME)), 0);
	assert_printed("TOWLINE OK - 1 fact |");
	assert_int_equal(print(NAGIOS, SNAPSHOT("warning", UPTIME)), 1);
	assert_int_equal(print(NAGIOS, SNAPSHOT("unknown", LOST)), 3);
}

static void a_check_of_nothing_is_unknown(void **state TL_UNUSED)
{
	assert_int_equal(print(NAGIOS, SNAPSHOT("ok", "")), 3);
	assert_printed("TOWLINE UNKNOWN - 0 facts |\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_for_people),
		cmocka_unit_test(prometheus_gets_base_units_and_escaped_labels),
		cmocka_unit_test(prometheus_gets_counters_words_and_no_unknown_values),
		cmocka_unit_test(nagios_gets_the_worst_and_data_without_its_separator),
		cmocka_unit_test(each_verdict_has_its_status),
		cmocka_unit_test(a_check_of_nothing_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
