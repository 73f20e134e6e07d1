#include "daemon/dialler.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <towline/fs.h>
#include <towline/program.h>
#include <towline/str.h>
#include <unistd.h>

extern char **environ;

struct tl_dialler_watch {
	uv_poll_t poll;
	int fd;
	struct tl_buf line;
	struct tl_dialler *dialler; /* NULL once it is closed */
};

void tl_dialler_init(struct tl_dialler *dialler, void (*on_line)(void *arg, const json_t *line),
		     void (*on_exit)(void *arg), void *arg)
{
	*dialler = (struct tl_dialler){.on_line = on_line,
				       .on_exit = on_exit,
				       .arg = arg,
				       .input_fd = -1};
}

static void on_closed(uv_handle_t *handle)
{
	struct tl_dialler_watch *watch = handle->data;

	close(watch->fd);
	tl_buf_clear(&watch->line);
	free(watch);
}

static void close_watch(struct tl_dialler *dialler)
{
	struct tl_dialler_watch *watch = tl_steal(&dialler->watch);

	if (!watch)
		return;
	watch->dialler = NULL;
	uv_close((uv_handle_t *)&watch->poll, on_closed);
}

static void take_line(struct tl_dialler *dialler, const char *text, size_t len)
{
	tl_json *line = NULL;

	if (tl_json_parse(text, len, &line, NULL) == 0 && json_is_object(line))
		dialler->on_line(dialler->arg, line);
}

static void take_lines(struct tl_dialler_watch *watch)
{
	const char *end;

	while (watch->dialler && watch->line.len > 0 &&
	       (end = memchr(watch->line.data, '\n', watch->line.len))) {
		take_line(watch->dialler, watch->line.data, (size_t)(end - watch->line.data));
		tl_buf_consume(&watch->line, (size_t)(end - watch->line.data) + 1);
	}
}

static void exit_when_over(struct tl_dialler *dialler)
{
	if (dialler->exited && !dialler->watch)
		dialler->on_exit(dialler->arg);
}

static void on_output(uv_poll_t *poll, int status, int events)
{
	struct tl_dialler_watch *watch = poll->data;
	struct tl_dialler *dialler = watch->dialler;
	char bytes[4096];
	ssize_t got = read(watch->fd, bytes, sizeof(bytes));

	(void)status;
	(void)events;
	if (!dialler || (got < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	if (got > 0) {
		tl_buf_append(&watch->line, bytes, (size_t)got);
		take_lines(watch);
		if (tl_buf_check(&watch->line) == 0)
			return;
	}
	close_watch(dialler);
	exit_when_over(dialler);
}

static int start_watch(struct tl_dialler *dialler, uv_loop_t *loop, int fd)
{
	struct tl_dialler_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return TL_ENOMEM;
	watch->fd = fd;
	watch->dialler = dialler;
	watch->poll.data = watch;
	tl_buf_init(&watch->line, TL_DIALLER_LINE_MAX);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	uv_poll_init(loop, &watch->poll, fd);
	uv_poll_start(&watch->poll, UV_READABLE, on_output);
	dialler->watch = watch;
	return 0;
}

int tl_dialler_start(struct tl_dialler *dialler, uv_loop_t *loop, const json_t *request,
		     struct tl_err *err)
{
	static const char *const argv[] = {"towline-session", NULL};
	char path[PATH_MAX];
	int input[2] = {-1, -1}, output[2] = {-1, -1};
	int rc = tl_program_path("towline-session", path, err);

	if (rc != 0)
		return rc;
	if (pipe2(input, O_CLOEXEC) != 0)
		return tl_err_sys(err, TL_EIO, errno, "towline-session cannot be started");
	if (pipe2(output, O_CLOEXEC) != 0) {
		close(input[0]);
		close(input[1]);
		return tl_err_sys(err, TL_EIO, errno, "towline-session cannot be started");
	}
	rc = tl_program_start(
		&(struct tl_program_start){
			.path = path,
			.argv = argv,
			.fds = (const int[]){input[0], output[1]},
			.fd_count = 2,
		},
		&dialler->pid, err);
	close(input[0]);
	close(output[1]);
	if (rc == 0 && start_watch(dialler, loop, output[0]) != 0) {
		kill(dialler->pid, SIGKILL);
		waitpid(dialler->pid, NULL, 0);
		dialler->pid = 0;
		rc = tl_err_set(err, TL_ENOMEM, "out of memory for a session");
	}
	if (rc != 0) {
		close(input[1]);
		close(output[0]);
		return rc;
	}
	fcntl(input[1], F_SETFL, O_NONBLOCK); /* a request fits a pipe; the agent never waits */
	dialler->input_fd = input[1];
	tl_dialler_tell(dialler, request);
	return 0;
}

void tl_dialler_tell(struct tl_dialler *dialler, const json_t *line)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(TL_DIALLER_LINE_MAX);

	if (dialler->input_fd < 0 || !line)
		return;
	tl_json_write(&text, line);
	tl_buf_putc(&text, '\n');
	if (tl_buf_check(&text) != 0 ||
	    tl_fs_write_all(dialler->input_fd, text.data, text.len, NULL) != 0)
		close(tl_steal_fd(&dialler->input_fd)); /* it takes a closed input as the end */
}

void tl_dialler_kill(struct tl_dialler *dialler)
{
	if (dialler->pid > 0 && !dialler->exited)
		kill(dialler->pid, SIGKILL);
}

void tl_dialler_reap(struct tl_dialler *dialler)
{
	if (dialler->pid <= 0 || dialler->exited ||
	    waitpid(dialler->pid, NULL, WNOHANG) != dialler->pid)
		return;
	dialler->exited = true;
	exit_when_over(dialler);
}

void tl_dialler_close(struct tl_dialler *dialler)
{
	close_watch(dialler);
	if (dialler->input_fd >= 0)
		close(tl_steal_fd(&dialler->input_fd));
	if (dialler->pid > 0 && !dialler->exited) {
		/* The agent ends now; init reaps. */
		dialler->exited = true;
		waitpid(dialler->pid, NULL, WNOHANG);
	}
}
