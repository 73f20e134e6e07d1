/* What may hang: a child process each, all at once, with one deadline. A child that cannot even be killed
 * (a dead server's file system) is left to the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <towline/fs.h>

#include "health/run.h"

#define TASK_BYTES_MAX (512 * 1024)
#define TASKS_MAX 48

struct health_task {
	struct health_task *next;
	health_body *late;
	char *arg;
	pid_t pid;
	int fd;
	bool done;
	struct tl_buf answer;
};

static void task_free(struct health_task *task)
{
	if (!task)
		return;
	if (task->fd >= 0)
		close(task->fd);
	tl_buf_clear(&task->answer);
	free(task->arg);
	free(task);
}

TL_DEFINE_AUTO_PTR(health_task, task_free);

static void run_child(struct health_run *run, health_body *body, const char *arg, int fd)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TASK_BYTES_MAX);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, SIG_DFL);
	run->facts = json_array();
	body(run, arg);
	tl_json_write(&text, run->facts);
	if (tl_buf_check(&text) == 0 && tl_fs_write_all(fd, text.data, text.len, NULL) == 0)
		_exit(0);
	_exit(1);
}

void health_task_start(struct health_run *run, health_body *body, health_body *late,
		       const char *arg)
{
	tl_auto(health_task) struct health_task *task = calloc(1, sizeof *task);
	struct health_task **end = &run->tasks;
	size_t count = 0;
	int ends[2];

	for (; *end; end = &(*end)->next)
		count++;
	if (task)
		task->arg = strdup(arg);
	if (!task || !task->arg || count >= TASKS_MAX || pipe2(ends, O_CLOEXEC) != 0) {
		late(run, arg);
		return;
	}
	task->late = late;
	task->fd = ends[0];
	tl_buf_init(&task->answer, TASK_BYTES_MAX);
	task->pid = fork();
	if (task->pid == 0)
		run_child(run, body, arg, ends[1]);
	close(ends[1]);
	if (task->pid < 0)
		late(run, arg);
	else
		*end = tl_steal(&task);
}

/* Takes what is there; the end of the pipe is the end of the child. */
static void take(struct health_task *task)
{
	char *room = tl_buf_reserve(&task->answer, 16384);
	ssize_t n = room ? read(task->fd, room, 16384) : 0;

	if (n > 0)
		tl_buf_commit(&task->answer, (size_t)n);
	else if (n == 0 || errno != EINTR)
		task->done = true;
}

static bool poll_once(struct health_task *tasks, int64_t deadline_ms)
{
	struct pollfd fds[TASKS_MAX];
	struct health_task *polled[TASKS_MAX];
	nfds_t count = 0;
	int64_t left_ms = deadline_ms - health_now_ms();

	for (struct health_task *task = tasks; task; task = task->next)
		if (!task->done) {
			polled[count] = task;
			fds[count++] = (struct pollfd){.fd = task->fd, .events = POLLIN};
		}
	if (count == 0 || left_ms <= 0)
		return false;
	if (poll(fds, count, (int)left_ms) < 0 && errno != EINTR)
		return false;
	for (nfds_t i = 0; i < count; i++)
		if (fds[i].revents)
			take(polled[i]);
	return true;
}

static void merge(struct health_run *run, const struct health_task *task)
{
	tl_json *facts = NULL;

	if (task->done && !task->answer.failed &&
	    tl_json_parse(tl_buf_str(&task->answer), task->answer.len, &facts, NULL) == 0 &&
	    json_is_array(facts))
		json_array_extend(run->facts, facts);
	else
		task->late(run, task->arg);
}

void health_tasks_finish(struct health_run *run)
{
	int64_t wait_ms = run->options->deadline_ms ? run->options->deadline_ms : 2000;
	int64_t deadline_ms = health_now_ms() + wait_ms;

	while (poll_once(run->tasks, deadline_ms))
		;
	while (run->tasks) {
		tl_auto(health_task) struct health_task *task = run->tasks;

		run->tasks = task->next;
		if (!task->done)
			kill(task->pid, SIGKILL);
		waitpid(task->pid, NULL, task->done ? 0 : WNOHANG);
		merge(run, task);
	}
}
