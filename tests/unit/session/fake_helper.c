#include "fake_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <towline/ipc.h>
#include <towline/str.h>

#define JOBS_MAX 64

struct job {
	pid_t pid; /* 0: free */
	int pidfd;
	json_int_t waiter; /* id of the session.wait that asks; 0: nobody yet */
	int status;
	bool done;
};

struct state {
	int conn;
	struct job jobs[JOBS_MAX];
};

static void reply(struct state *state, json_int_t id, json_t *result, const int *fds, size_t count)
{
	tl_json *message = json_pack("{s:I,s:o}", "id", id, "result", result);

	if (tl_ipc_send(state->conn, message, fds, count, NULL) != 0)
		_exit(3);
}

static void run(const json_t *args)
{
	const char *command = json_string_value(json_object_get(args, "command"));
	const json_t *env = json_object_get(args, "env");
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)env, name, value)
		setenv(name, json_string_value(value), 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (command)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	else
		execl("/bin/sh", "-sh", (char *)NULL);
	_exit(127);
}

static pid_t spawn_pty(const json_t *args, int fds[3])
{
	struct winsize size = {
		.ws_col = (unsigned short)json_integer_value(json_object_get(args, "columns")),
		.ws_row = (unsigned short)json_integer_value(json_object_get(args, "rows")),
	};
	pid_t pid = forkpty(&fds[0], NULL, NULL, &size);

	if (pid == 0) {
		setenv("TERM", json_string_value(json_object_get(args, "term")), 1);
		setenv("PS1", "prompt> ", 1);
		run(args);
	}
	return pid;
}

static pid_t spawn_pipes(const json_t *args, int fds[3])
{
	int pipes[3][2];
	pid_t pid;

	for (int i = 0; i < 3; i++)
		if (pipe2(pipes[i], O_CLOEXEC) != 0)
			_exit(4);
	pid = fork();
	if (pid == 0) {
		setsid();
		dup2(pipes[0][0], 0);
		dup2(pipes[1][1], 1);
		dup2(pipes[2][1], 2);
		run(args);
	}
	for (int i = 0; i < 3; i++) {
		close(pipes[i][i == 0 ? 0 : 1]);
		fds[i] = pipes[i][i == 0 ? 1 : 0];
	}
	return pid;
}

static void on_spawn(struct state *state, json_int_t id, const json_t *args)
{
	bool pty = json_object_get(args, "term") != NULL;
	size_t count = pty ? 1 : 3;
	int fds[3];
	pid_t pid = pty ? spawn_pty(args, fds) : spawn_pipes(args, fds);

	for (size_t i = 0; i < JOBS_MAX; i++) {
		if (state->jobs[i].pid != 0)
			continue;
		state->jobs[i] =
			(struct job){.pid = pid, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0)};
		break;
	}
	reply(state, id, json_pack("{s:I}", "process", (json_int_t)pid), fds, count);
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

static void answer_wait(struct state *state, struct job *job)
{
	json_t *result = WIFSIGNALED(job->status)
				 ? json_pack("{s:i}", "signal", WTERMSIG(job->status))
				 : json_pack("{s:i}", "exit", WEXITSTATUS(job->status));

	reply(state, job->waiter, result, NULL, 0);
	job->pid = 0;
}

static struct job *job_of(struct state *state, const json_t *args)
{
	json_int_t pid = json_integer_value(json_object_get(args, "process"));

	for (size_t i = 0; i < JOBS_MAX; i++)
		if (state->jobs[i].pid == pid && pid > 0)
			return &state->jobs[i];
	return NULL;
}

static void on_wait(struct state *state, json_int_t id, const json_t *args)
{
	struct job *job = job_of(state, args);

	if (!job)
		_exit(5);
	job->waiter = id;
	if (job->done)
		answer_wait(state, job);
}

static void on_signal(struct state *state, json_int_t id, const json_t *args)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {{"TERM", SIGTERM}, {"INT", SIGINT}, {"HUP", SIGHUP}, {"KILL", SIGKILL}};
	const char *name = json_string_value(json_object_get(args, "signal"));
	struct job *job = job_of(state, args);

	for (size_t i = 0; job && i < TL_ARRAY_LEN(names); i++)
		if (tl_streq(names[i].name, name))
			kill(-job->pid, names[i].number);
	reply(state, id, json_object(), NULL, 0);
}

static bool handle_request(struct state *state)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;
	const json_t *args;
	const char *verb;
	json_int_t id;

	if (tl_ipc_receive(state->conn, &message, NULL) != 0)
		return false;
	id = json_integer_value(json_object_get(message.json, "id"));
	verb = json_string_value(json_object_get(message.json, "verb"));
	args = json_object_get(message.json, "args");
	if (tl_streq(verb, "session.spawn"))
		on_spawn(state, id, args);
	else if (tl_streq(verb, "session.wait"))
		on_wait(state, id, args);
	else if (tl_streq(verb, "session.signal"))
		on_signal(state, id, args);
	else
		reply(state, id, json_object(), NULL, 0);
	return true;
}

static void reap(struct state *state)
{
	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct job *job = &state->jobs[i];

		if (job->pid == 0 || job->done || waitpid(job->pid, &job->status, WNOHANG) <= 0)
			continue;
		job->done = true;
		close(job->pidfd);
		job->pidfd = -1;
		if (job->waiter)
			answer_wait(state, job);
	}
}

static void serve(int conn)
{
	struct state state = {.conn = conn};

	for (;;) {
		struct pollfd items[JOBS_MAX + 1] = {{.fd = conn, .events = POLLIN}};

		for (size_t i = 0; i < JOBS_MAX; i++)
			items[i + 1] =
				(struct pollfd){.fd = state.jobs[i].pid && !state.jobs[i].done
							      ? state.jobs[i].pidfd
							      : -1,
						.events = POLLIN};
		if (poll(items, TL_ARRAY_LEN(items), -1) < 0)
			_exit(6);
		reap(&state);
		if (items[0].revents && !handle_request(&state))
			break;
	}
	for (size_t i = 0; i < JOBS_MAX; i++)
		if (state.jobs[i].pid > 0)
			kill(-state.jobs[i].pid, SIGKILL);
	_exit(0);
}

pid_t fake_helper_start(const char *path)
{
	int listen_fd = -1;
	pid_t pid;

	if (tl_ipc_listen(path, 0600, &listen_fd, NULL) != 0)
		return -1;
	pid = fork();
	if (pid != 0) {
		close(listen_fd);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_DFL);
	for (;;) {
		struct pollfd item = {.fd = listen_fd, .events = POLLIN};
		struct tl_ipc_peer peer;
		int conn = -1;

		(void)poll(&item, 1, -1);
		if (tl_ipc_accept(listen_fd, &conn, &peer, NULL) != 0)
			continue;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (fork() == 0) {
			close(listen_fd);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(conn);
		}
		close(conn);
	}
}

void fake_helper_stop(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}
