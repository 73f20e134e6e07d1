#include "../common/tests.h"

#include <stdarg.h>
#include <syslog.h>

#include "helper/alarm.h"
#include "helper/child.h"

static char logged[2048], shown[2048];
static int log_priority;

void __wrap_syslog(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_tl_child_start(const struct tl_child_spec *spec, pid_t *ret_pid, struct tl_err *err);

void __wrap_syslog(int priority, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(logged, sizeof logged, format, args);
	va_end(args);
	log_priority = priority;
}

int __wrap_tl_child_start(const struct tl_child_spec *spec, pid_t *ret_pid, struct tl_err *err)
{
	(void)err;
	assert_string_equal(spec->path, "/usr/bin/wall");
	snprintf(shown, sizeof shown, "%s", spec->argv[1]);
	*ret_pid = 1;
	return 0;
}

static void an_emergency_is_in_the_authentication_log_and_on_every_terminal(void **state)
{
	static const struct tl_grant grant = {.session = "01aryz6s410000000000000000",
					      .engineer = "erin",
					      .name = "Erin",
					      .ticket = "T-7",
					      .purpose = "100%n of the site is down"};
	static const char *const words[] = {"EMERGENCY", "Erin (erin)", "T-7",
					    "01aryz6s410000000000000000",
					    "100%n of the site is down"};

	(void)state;
	tl_alarm_break_glass(&grant);
	assert_int_equal(log_priority, LOG_AUTHPRIV | LOG_ALERT);
	for (size_t i = 0; i < TL_ARRAY_LEN(words); i++) {
		assert_non_null(strstr(logged, words[i]));
		assert_non_null(strstr(shown, words[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_emergency_is_in_the_authentication_log_and_on_every_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
