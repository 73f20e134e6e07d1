#include "helper/indicator.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <towline/log.h>
#include <unistd.h>
#include <utmpx.h>

#include "helper/helper.h"

#define TERMINALS_MAX 256 /* a broken utmp keeps nobody busy */

void tl_indicator_update(struct tl_helper *helper)
{
	tl_json *file = json_object();
	json_t *list = json_array();
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(256 * 1024);
	tl_fd int dir_fd = open(helper->options.socket_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tl_err err = TL_ERR_INIT;

	for (struct tl_session *session = helper->sessions; session; session = session->next)
		if (session->state == TL_SESSION_ACTIVE)
			json_array_append_new(list, tl_session_json(session));
	json_object_set_new(file, "sessions", list);
	tl_json_write(&text, file);
	tl_buf_putc(&text, '\n');
	if (dir_fd < 0 || tl_buf_check(&text) != 0 ||
	    tl_fs_write_file(dir_fd, TL_INDICATOR_FILE, 0644, text.data, text.len, &err) != 0)
		tl_log_warning("the indicator of sessions could not be written", TL_ERR(&err));
}

/* utmp's name of a terminal, which stays below /dev. */
static int open_terminal(const char *name)
{
	char path[64];
	struct stat stat;
	int fd;

	if (strstr(name, "..") || name[0] == '/' || !name[0])
		return -1;
	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && (fstat(fd, &stat) != 0 || !S_ISCHR(stat.st_mode) || !isatty(fd))) {
		close(fd);
		return -1;
	}
	return fd;
}

unsigned tl_indicator_wall(const char *utmp, const char *line)
{
	const struct utmpx *entry;
	unsigned reached = 0, seen = 0;

	if (utmp)
		utmpxname(utmp);
	setutxent();
	while (seen++ < TERMINALS_MAX && (entry = getutxent())) {
		char name[sizeof(entry->ut_line) + 1];
		tl_fd int fd = -1;

		if (entry->ut_type != USER_PROCESS)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)sizeof(entry->ut_line), entry->ut_line);
		fd = open_terminal(name);
		reached += fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);
	}
	endutxent();
	return reached;
}

void tl_indicator_announce(struct tl_session *session, const char *what)
{
	const struct tl_grant *grant = &session->grant;
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(1024);

	tl_indicator_update(session->helper);
	if (!session->helper->policy.sessions_announce)
		return;
	tl_buf_printf(&line, "\r\n\a*** Towline: %s: ", what);
	tl_str_printable(&line, grant->name, strlen(grant->name));
	tl_buf_printf(&line, ", ticket %s. ***\r\n", grant->ticket);
	(void)tl_indicator_wall(NULL, tl_buf_str(&line));
}
