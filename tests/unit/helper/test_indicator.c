#include "../common/tests.h"

#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>
#include <utmpx.h>

#include "helper/indicator.h"

/* A login at `line`, as login(1) writes it. */
static void log_in(int fd, short type, const char *line)
{
	struct utmpx entry = {.ut_type = type, .ut_pid = getpid()};
	size_t len = strlen(line);

	assert_true(len <= sizeof(entry.ut_line));
	memcpy(entry.ut_line, line, len);
	assert_int_equal(write(fd, &entry, sizeof(entry)), sizeof(entry));
}

static void a_line_reaches_the_terminals_that_somebody_is_logged_in_at(void **state)
{
	char path[] = "/tmp/utmpXXXXXX", name[64], got[128] = "";
	int master, slave, utmp = mkstemp(path);

	(void)state;
	assert_true(utmp >= 0);
	assert_int_equal(openpty(&master, &slave, name, NULL, NULL), 0);
	log_in(utmp, USER_PROCESS, name + strlen("/dev/"));
	log_in(utmp, DEAD_PROCESS, name + strlen("/dev/"));
	log_in(utmp, USER_PROCESS, "null");	     /* no terminal */
	log_in(utmp, USER_PROCESS, "../etc/passwd"); /* not below /dev */
	log_in(utmp, USER_PROCESS, "");
	assert_int_equal(tl_indicator_wall(path, "somebody is in\n"), 1);
	assert_true(read(master, got, sizeof(got) - 1) > 0);
	assert_string_equal(got, "somebody is in\r\n");
	close(master);
	close(slave);
	close(utmp);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_reaches_the_terminals_that_somebody_is_logged_in_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
