#include "collect/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect/frame.h"
#include "collect/limits.h"
#include "collect/probe.h"
#include "collect/rights.h"
#include "core/offspring.h"
#include "redact/identity.h"

#define STREAM_FD 3
#define ROOT_FD 4
#define SAFE_FD 16 /* above the numbers that descriptors are mapped to */
#define READ_MAX (64 * 1024)
#define WAIT_MS 50    /* for a killed process to be gone */
#define SWEEPS_MAX 20 /* of orphans whose children become orphans */

/* ---- in the collecting process ---------------------------------------------------------------- */

static int run_kind(struct collect_context *context, struct tl_err *err)
{
	const struct collector *row = context->row;

	if (row->run)
		return row->run(context, err);
	switch (row->kind) {
	case COLLECT_FILES:
	case COLLECT_KERNEL:
		return collect_files(context, err);
	case COLLECT_COMMAND:
		return collect_command(context, err);
	case COLLECT_JOURNAL:
		return collect_journal(context, err);
	case COLLECT_HTTP:
		return collect_http(context, err);
	case COLLECT_TLS:
		return collect_tls(context, err);
	case COLLECT_BUILTIN:
		break;
	}
	return tl_err_set(err, TL_EINTERNAL, "there is no way to run it");
}

static void end_orphan(void *arg, const struct tl_offspring *offspring)
{
	(void)arg;
	kill(offspring->pid, SIGKILL);
}

/* Nothing that a row started outlives it. */
static void end_orphans(void)
{
	for (int i = 0; i < SWEEPS_MAX; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		if (waitpid(-1, NULL, WNOHANG) < 0)
			return;
		tl_offspring_walk(end_orphan, NULL);
		poll(NULL, 0, 1);
	}
}

static int run_row(const struct worker_setup *setup, struct member_stream *stream, uint32_t index,
		   struct tl_err *err)
{
	const struct collector *row = &setup->rows[index];
	int64_t now = tl_clock_mono_ms(setup->clock);
	struct collect_context context = {
		.stream = stream,
		.clock = setup->clock,
		.root = setup->root,
		.root_fd = ROOT_FD,
		.started_s = setup->started_s,
		.deadline_ms = now + row->timeout_ms,
		.row = row,
		.range = setup->range,
		.range_is_usual = setup->range_is_usual,
		.outcome = "ok",
	};
	struct tl_err fault = TL_ERR_INIT;
	int r, told;

	member_stream_row(stream, row);
	r = run_kind(&context, &fault);
	end_orphans();
	if (r == 0 && setup->members.identities)
		r = tl_identities_save(setup->members.identities, &fault);
	told = member_stream_end(stream, &context, tl_clock_mono_ms(setup->clock) - now,
				 r < 0 ? &fault : NULL, err);
	return told < 0 ? told : r; /* after a fault nobody knows what the redactor holds */
}

static int serve(const struct worker_setup *setup, struct tl_err *err)
{
	tl_auto(member_stream) struct member_stream *stream = NULL;
	struct member_options options = setup->members;
	uint32_t index;
	int r;

	options.fd = STREAM_FD;
	r = member_stream_new(&options, &stream, err);
	if (r == 0 && setup->canary)
		r = member_stream_canary(stream, setup->canary, err);
	if (r == 0)
		r = frame_send(STREAM_FD, FRAME_READY, NULL, NULL, err);
	while (r == 0) {
		ssize_t n = read(STREAM_FD, &index, sizeof index);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof index)
			return 0;
		r = run_row(setup, stream, index, err);
	}
	return r;
}

/* Only its stream, its root, stderr and the map of pseudonyms are left of what the main process has open. */
static int keep_descriptors(int stream_fd, int root_fd, int map_fd)
{
	int stream = fcntl(stream_fd, F_DUPFD_CLOEXEC, SAFE_FD);
	int root = fcntl(root_fd, F_DUPFD_CLOEXEC, SAFE_FD);
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (stream < 0 || root < 0 || null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
	    dup2(null_fd, STDOUT_FILENO) < 0 || dup3(stream, STREAM_FD, O_CLOEXEC) < 0 ||
	    dup3(root, ROOT_FD, O_CLOEXEC) < 0)
		return -1;
	if (map_fd <= ROOT_FD)
		return close_range(ROOT_FD + 1, ~0u, 0);
	if (map_fd > ROOT_FD + 1 && close_range(ROOT_FD + 1, (unsigned)map_fd - 1, 0) < 0)
		return -1;
	return close_range((unsigned)map_fd + 1, ~0u, 0);
}

static void be_worker(const struct worker_setup *setup, bool privileged, int stream_fd,
		      pid_t parent)
{
	struct tl_identities *identities = setup->members.identities;
	int map_fd = identities ? tl_identities_fd(identities) : -1;
	struct tl_err err = TL_ERR_INIT;

	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	setpgid(0, 0);
	if (getppid() != parent || keep_descriptors(stream_fd, setup->root_fd, map_fd) < 0)
		_exit(1);
	limits_for_worker();
	rights_keep(privileged);
	_exit(serve(setup, &err) < 0 ? 1 : 0);
}

/* ---- in the main process ---------------------------------------------------------------------- */

int worker_start(const struct worker_setup *setup, bool privileged, struct worker *ret_worker,
		 struct tl_err *err)
{
	pid_t parent = getpid(), pid;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return tl_err_sys(err, TL_EIO, errno, "no collecting process can be started");
	pid = fork();
	if (pid == 0)
		be_worker(setup, privileged, ends[1], parent);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return tl_err_sys(err, TL_EIO, errno, "no collecting process can be started");
	}
	*ret_worker = (struct worker){
		.pid = pid,
		.fd = ends[0],
		.privileged = privileged,
		.in = TL_BUF_INIT(FRAME_PAYLOAD_MAX + READ_MAX * 2),
	};
	return 0;
}

int worker_give(const struct worker *worker, uint32_t row)
{
	/* a few bytes into an empty stream: this never blocks */
	return send(worker->fd, &row, sizeof row, MSG_NOSIGNAL) == (ssize_t)sizeof row
		       ? 0
		       : TL_EUNREACH;
}

int worker_read(struct worker *worker, struct tl_err *err)
{
	char *to = tl_buf_reserve(&worker->in, READ_MAX);
	ssize_t n;

	if (!to)
		return tl_err_set(err, TL_EPROTO, "a collecting process sent too much at once");
	n = recv(worker->fd, to, READ_MAX, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (n <= 0)
		return 0;
	tl_buf_commit(&worker->in, (size_t)n);
	return 1;
}

static void end_below(void *arg, const struct tl_offspring *offspring)
{
	const pid_t *top = arg;

	if (offspring->top == *top)
		kill(offspring->pid, SIGKILL);
}

void worker_end(struct worker *worker)
{
	if (worker->pid <= 0)
		return;
	/* one that waits for its next row has nothing below it, and ends by itself */
	close(worker->fd);
	tl_offspring_walk(end_below, &worker->pid);
	kill(worker->pid, SIGKILL);
	for (int i = 0; waitpid(worker->pid, NULL, WNOHANG) == 0 && i < WAIT_MS; i++)
		poll(NULL, 0, 1);
	tl_buf_clear(&worker->in);
	*worker = (struct worker){.pid = 0};
}

struct living {
	const struct worker *workers;
	size_t count;
};

static void end_stray(void *arg, const struct tl_offspring *offspring)
{
	const struct living *living = arg;

	for (size_t i = 0; i < living->count; i++)
		if (living->workers[i].pid == offspring->top)
			return;
	kill(offspring->pid, SIGKILL);
}

void worker_sweep(const struct worker *workers, size_t count)
{
	struct living living = {workers, count};

	tl_offspring_walk(end_stray, &living);
}
