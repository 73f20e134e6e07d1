#include "collect/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <towline/buf.h>
#include <towline/str.h>

#include "collect/collector.h"
#include "collect/interrupt.h"
#include "collect/spawn.h"

#define GRACE_MS 500 /* for output that a finished program's children still hold open */

static const char *const search_dirs[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};
struct running {
	const struct command *command;
	struct command_result *result;
	const struct tl_clock *clock;
	pid_t pid;
	int pid_fd, out, errors;
	uint64_t bytes;
	size_t errors_len;
	int64_t deadline_ms;
};

static bool find_program(const char *name, char path[static 256])
{
	if (strchr(name, '/')) {
		snprintf(path, 256, "%s", name);
		return access(path, X_OK) == 0;
	}
	for (size_t i = 0; i < TL_ARRAY_LEN(search_dirs); i++) {
		snprintf(path, 256, "%s/%s", search_dirs[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static int start(struct running *running, const char *path, struct tl_err *err)
{
	struct spawn program = {
		.path = path,
		.argv = running->command->argv,
		.timeout_ms = running->command->timeout_ms,
	};
	int out[2] = {-1, -1}, errors[2] = {-1, -1};
	int r = pipe2(out, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0 ? errno : 0;

	program.out = out[1];
	program.errors = errors[1];
	if (r == 0)
		r = spawn_program(&program, &running->pid);
	running->out = out[0];
	running->errors = errors[0];
	if (out[1] >= 0)
		close(out[1]);
	if (errors[1] >= 0)
		close(errors[1]);
	if (r != 0)
		return tl_err_sys(err, TL_EIO, r, "%s cannot be started", path);
	fcntl(running->out, F_SETFL, O_NONBLOCK);
	fcntl(running->errors, F_SETFL, O_NONBLOCK);
	running->pid_fd = (int)syscall(SYS_pidfd_open, running->pid, 0);
	return 0;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(tl_steal_fd(fd));
}

/* Reads one piece of standard output; closes it at its end or its limit. */
static int read_output(struct running *running, struct tl_err *err)
{
	char piece[32 * 1024];
	ssize_t n = read(running->out, piece, sizeof piece);
	uint64_t room = running->command->max_bytes - running->bytes;
	size_t len = n > 0 ? (size_t)n : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		close_end(&running->out);
		return 0;
	}
	if (len > room) {
		len = (size_t)room;
		running->result->truncated = true;
		close_end(&running->out);
	}
	running->bytes += len;
	return len ? running->command->output(running->command->arg, piece, len, err) : 0;
}

static void read_errors(struct running *running)
{
	char piece[4096];
	size_t room = COMMAND_STDERR_MAX - running->errors_len;
	ssize_t n = read(running->errors, piece, sizeof piece);
	size_t len = n > 0 ? (size_t)n : 0;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_end(&running->errors);
	if (len > room)
		len = room;
	memcpy(running->result->errors + running->errors_len, piece, len);
	running->errors_len += len;
}

/* Waits for one fact: output, the end, the deadline. Returns 1 when there is nothing left to wait for. */
static int wait_once(struct running *running, struct tl_err *err)
{
	struct pollfd polled[] = {
		{.fd = running->out, .events = POLLIN},
		{.fd = running->errors, .events = POLLIN},
		{.fd = running->pid_fd, .events = POLLIN},
	};
	int64_t left = running->deadline_ms - tl_clock_mono_ms(running->clock);
	int r = interrupt_check(err);

	if (r < 0)
		return r;
	if (running->result->truncated)
		return 1;
	if (running->out < 0 && running->errors < 0 && running->pid_fd < 0)
		return 1;
	if (left <= 0) {
		running->result->timed_out = running->pid_fd >= 0;
		return 1;
	}
	if (poll(polled, TL_ARRAY_LEN(polled), (int)left) <= 0)
		return 0;
	if (polled[0].revents)
		r = read_output(running, err);
	if (polled[1].revents)
		read_errors(running);
	if (polled[2].revents) {
		int64_t grace = tl_clock_mono_ms(running->clock) + GRACE_MS;

		close_end(&running->pid_fd);
		if (grace < running->deadline_ms)
			running->deadline_ms = grace;
	}
	return r;
}

static void finish(struct running *running)
{
	int status = 0;

	/* The group's leader is not reaped yet: its number cannot have become another's. */
	kill(-running->pid, SIGKILL);
	while (waitpid(running->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	running->result->exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	running->result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	close_end(&running->out);
	close_end(&running->errors);
	close_end(&running->pid_fd);
}

int command_run(const struct command *command, const struct tl_clock *clock,
		struct command_result *ret_result, struct tl_err *err)
{
	int64_t started_ms = tl_clock_mono_ms(clock);
	struct running running = {
		.command = command,
		.result = ret_result,
		.clock = clock,
		.pid_fd = -1,
		.deadline_ms = started_ms + command->timeout_ms,
	};
	char path[256];
	int r;

	*ret_result = (struct command_result){.exit = -1};
	if (!find_program(command->argv[0], path)) {
		ret_result->missing = true;
		return 0;
	}
	r = start(&running, path, err);
	if (r < 0) {
		close_end(&running.out);
		close_end(&running.errors);
		return r;
	}
	while (r == 0)
		r = wait_once(&running, err);
	finish(&running);
	ret_result->ms = tl_clock_mono_ms(clock) - started_ms;
	return r < 0 ? r : 0;
}

static int to_member(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	return collect_member_write(arg, bytes, len, err);
}

/* What stands beside the output: how it was made. */
static int write_meta(struct collect_context *context, const char *path,
		      const struct command_result *result, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf errors = TL_BUF_INIT(COMMAND_STDERR_MAX * 5);
	tl_json *argv = json_array();
	tl_json *meta = NULL;
	char meta_path[288];

	for (const char *const *at = context->row->sources; *at; at++)
		json_array_append_new(argv, json_string(*at));
	tl_str_printable(&errors, result->errors, strlen(result->errors));
	meta = json_pack("{s:O, s:i, s:i, s:I, s:b, s:b, s:s}", "argv", argv, "exit", result->exit,
			 "signal", result->signal, "ms", (json_int_t)result->ms, "timed_out",
			 result->timed_out, "truncated", result->truncated, "stderr",
			 tl_buf_str(&errors));
	if (!meta)
		return tl_err_set(err, TL_ENOMEM, "out of memory for %s", path);
	snprintf(meta_path, sizeof meta_path, "%s.meta.json", path);
	return collect_member_json(context, meta_path, meta, err);
}

static const char *note_outcome(struct collect_context *context,
				const struct command_result *result)
{
	const struct collector *row = context->row;
	char text[96];

	if (result->timed_out) {
		snprintf(text, sizeof text, "ended after its %d ms", row->timeout_ms);
		collect_note(context, row->sources[0], "timeout", text);
		return "timeout";
	}
	if (result->truncated) {
		snprintf(text, sizeof text, "cut at its %llu bytes",
			 (unsigned long long)row->max_bytes);
		collect_note(context, row->sources[0], "truncated", text);
		return "truncated";
	}
	if (result->exit != 0) {
		if (result->signal)
			snprintf(text, sizeof text, "was ended by signal %d", result->signal);
		else
			snprintf(text, sizeof text, "ended with status %d", result->exit);
		collect_note(context, row->sources[0], "failed", text);
	}
	return "ok";
}

int collect_command(struct collect_context *context, struct tl_err *err)
{
	const struct collector *row = context->row;
	struct command_result result = {0};
	struct bundle_member member = {.mode = 0644};
	struct command command = {
		.argv = row->sources,
		.max_bytes = row->max_bytes,
		.timeout_ms = row->timeout_ms,
		.output = to_member,
		.arg = context,
	};
	char path[256];
	int r;

	if (!find_program(row->sources[0], path)) {
		context->outcome = "absent";
		return 0;
	}
	snprintf(path, sizeof path, "cmd/%s/%s", row->group, row->name);
	member.path = path;
	r = collect_member_begin(context, &member, err);
	if (r == 0)
		r = command_run(&command, context->clock, &result, err);
	if (r == 0)
		r = collect_member_end(context, note_outcome(context, &result), err);
	return r < 0 ? r : write_meta(context, path, &result, err);
}
