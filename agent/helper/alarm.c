#include "helper/alarm.h"

#include <fcntl.h>
#include <stdio.h>
#include <syslog.h>
#include <towline/log.h>
#include <towline/str.h>

#include "helper/child.h"

#define WALL "/usr/bin/wall"

/* wall(1) knows the terminals; it is reaped as an orphan. */
static void tell_terminals(const char *text)
{
	const char *const argv[] = {"wall", text, NULL};
	static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
	tl_fd int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct tl_err err = TL_ERR_INIT;
	pid_t pid;

	if (access(WALL, X_OK) != 0 ||
	    tl_child_start(&(struct tl_child_spec){.path = WALL,
						   .argv = argv,
						   .env = env,
						   .fds = (int[]){nothing, nothing, nothing},
						   .fd_count = 3,
						   .umask = 022},
			   &pid, &err) != 0)
		tl_log_warning("nobody on the terminals could be told", TL_ERR(&err));
}

void tl_alarm_break_glass(const struct tl_grant *grant)
{
	tl_auto(tl_buf) struct tl_buf shown = TL_BUF_INIT(4096);
	char text[1024];

	snprintf(text, sizeof(text),
		 "EMERGENCY ACCESS to this machine by %s (%s), ticket %s, session %s, without "
		 "consent: %s",
		 grant->name, grant->engineer, grant->ticket, grant->session, grant->purpose);
	tl_str_printable(&shown, text, strlen(text));
	tl_log_warning("emergency access", TL_S("session", grant->session),
		       TL_S("engineer", grant->engineer), TL_S("ticket", grant->ticket),
		       TL_S("reason", grant->purpose));
	syslog(LOG_AUTHPRIV | LOG_ALERT, "%s", tl_buf_str(&shown));
	tell_terminals(tl_buf_str(&shown));
}
