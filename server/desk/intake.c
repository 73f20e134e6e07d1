#include "desk/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <towline/clock.h>
#include <towline/program.h>
#include <towline/str.h>

/* AddressSanitizer reserves terabytes of address space. */
#ifdef __SANITIZE_ADDRESS__
#define CHILD_ADDRESS_SPACE RLIM_INFINITY
#else
#define CHILD_ADDRESS_SPACE ((rlim_t)512 << 20)
#endif

static const struct {
	int resource;
	rlim_t limit;
} child_limits[] = {
	{RLIMIT_AS, CHILD_ADDRESS_SPACE},
	{RLIMIT_CPU, 300},
	{RLIMIT_FSIZE, 0},
	{RLIMIT_NOFILE, 16},
	{RLIMIT_CORE, 0},
};

static void limit_child(pid_t child)
{
	size_t i;

	for (i = 0; i < TL_ARRAY_LEN(child_limits); i++) {
		struct rlimit limit = {child_limits[i].limit, child_limits[i].limit};

		prlimit(child, child_limits[i].resource, &limit, NULL);
	}
}

static int start_child(const char *program, int fd, int out_fd, pid_t *ret_child,
		       struct tl_err *err)
{
	static const char *const argv[] = {"towline-intake", NULL}, *const no_environment[] = {
									    NULL};
	int r = tl_program_start(
		&(struct tl_program_start){
			.path = program,
			.argv = argv,
			.env = no_environment,
			.fds = (const int[]){fd, out_fd},
			.fd_count = 2,
		},
		ret_child, err);

	if (r == 0)
		limit_child(*ret_child);
	return r;
}

/* Everything that the child prints, up to the limits of size and time. */
static int read_output(int fd, struct tl_buf *out, struct tl_err *err)
{
	const struct tl_clock *clock = tl_clock_system();
	int64_t deadline = tl_clock_mono_ms(clock) + TL_INTAKE_TIMEOUT_MS;

	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - tl_clock_mono_ms(clock);
		char *room = tl_buf_reserve(out, 16384);
		ssize_t n;

		if (!room)
			return tl_err_set(err, TL_EINVAL,
					  "the bundle's facts are longer than %d bytes",
					  TL_INTAKE_OUTPUT_MAX);
		if (left <= 0 || poll(&ready, 1, (int)left) == 0)
			return tl_err_set(err, TL_EINVAL,
					  "checking the bundle took longer than %d s",
					  TL_INTAKE_TIMEOUT_MS / 1000);
		n = read(fd, room, 16384);
		if (n == 0)
			return 0;
		if (n > 0)
			tl_buf_commit(out, (size_t)n);
		else if (errno != EINTR)
			return tl_err_sys(err, TL_EIO, errno, "cannot read from towline-intake");
	}
}

static int read_verdict(const struct tl_buf *out, int status, json_t **ret_facts,
			struct tl_err *err)
{
	tl_json *facts = NULL;
	const char *text;

	if (tl_json_parse(tl_buf_str(out), out->len, &facts, NULL)) {
		if (WIFSIGNALED(status))
			return tl_err_set(err, TL_EINVAL,
					  "checking the bundle exceeded its limits (%s)",
					  strsignal(WTERMSIG(status)));
		return tl_err_set(err, TL_EIO, "towline-intake ended with status %d and no verdict",
				  WEXITSTATUS(status));
	}
	if (json_is_true(json_object_get(facts, "ok"))) {
		*ret_facts = tl_steal(&facts);
		return 0;
	}
	text = json_string_value(json_object_get(facts, "text"));
	return tl_err_set(err, TL_EINVAL, "%s", text ? text : "the bundle was refused");
}

int tl_intake_run(const char *program, int fd, json_t **ret_facts, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(TL_INTAKE_OUTPUT_MAX);
	int ends[2], status = 0, r;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		return tl_err_sys(err, TL_EIO, errno, "cannot make a pipe");

	tl_fd int read_end = ends[0];
	{
		tl_fd int write_end = ends[1];

		if ((r = start_child(program, fd, write_end, &child, err)))
			return r;
	}
	r = read_output(read_end, &out, err);
	if (r)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return r ? r : read_verdict(&out, status, ret_facts, err);
}
