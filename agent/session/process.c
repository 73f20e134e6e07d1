#include "session/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <towline/str.h>

enum end { END_IN, END_OUT, END_ERR, END_COUNT };

/* One descriptor on the loop. A terminal has one for both directions, in ends[END_OUT]. */
struct port {
	uv_poll_t poll;
	struct tl_process *process;
	int fd; /* -1: closed or never there */
	bool may_read, may_write;
	int watched;
};

struct tl_process {
	struct tl_process_config config;
	struct tl_ssh_server_channel *channel; /* NULL: let go */
	char id[64];			       /* the helper's name for it */
	bool started, is_pty, exited, told;
	bool unrecorded; /* the recording failed: no byte passes any more */
	size_t recorded; /* bytes of the input at hand that are recorded and not written yet */
	int exit_status;
	char exit_signal[32];
	struct port ports[END_COUNT];
	unsigned open_polls;
};

/* ---- recording -------------------------------------------------------------------------------- */

static void check_record(struct tl_process *process, int rc, const struct tl_err *err)
{
	if (rc == 0)
		return;
	process->unrecorded = true;
	process->config.on_record_failed(process->config.arg, err);
}

static void record_open(struct tl_process *process)
{
	const struct tl_ssh_server_channel *channel = process->channel;
	struct tl_err err = TL_ERR_INIT;

	if (process->config.record)
		check_record(process,
			     tl_record_open(process->config.record, channel->number,
					    tl_ssh_program_name(channel->program), channel->command,
					    tl_ssh_recorded_columns(channel),
					    tl_ssh_recorded_rows(channel), &err),
			     &err);
}

/* False when the bytes must not pass. */
static bool record_output(struct tl_process *process, enum end end, const char *bytes, size_t len)
{
	struct tl_record *record = process->config.record;
	unsigned number = process->channel->number;
	struct tl_err err = TL_ERR_INIT;

	if (record)
		check_record(process,
			     end == END_ERR ? tl_record_stderr(record, number, bytes, len, &err)
					    : tl_record_output(record, number, bytes, len, &err),
			     &err);
	return !process->unrecorded;
}

/* What the program may take of the input at hand: nothing that is not recorded. */
static size_t record_input(struct tl_process *process, const char *bytes, size_t len)
{
	struct tl_err err = TL_ERR_INIT;

	if (process->config.record && len > process->recorded)
		check_record(process,
			     tl_record_input(process->config.record, process->channel->number,
					     bytes + process->recorded, len - process->recorded,
					     &err),
			     &err);
	process->recorded = len;
	return process->unrecorded ? 0 : len;
}

static void record_end(struct tl_process *process)
{
	unsigned number = process->channel->number;
	struct tl_err err = TL_ERR_INIT;
	int rc = 0;

	if (!process->config.record || !process->started)
		return;
	if (process->exited)
		rc = tl_record_exit(process->config.record, number, process->exit_status,
				    process->exit_signal[0] ? process->exit_signal : NULL, &err);
	if (rc == 0)
		rc = tl_record_close(process->config.record, number, &err);
	check_record(process, rc, &err);
}

/* ---- descriptors ------------------------------------------------------------------------------ */

static void release(struct tl_process *process)
{
	if (process->open_polls == 0 && !process->channel)
		free(process);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct port *port = handle->data;

	close(port->fd);
	port->fd = -1;
	port->process->open_polls--;
	release(port->process);
}

static bool is_open(const struct port *port)
{
	return port->fd >= 0 && !uv_is_closing((const uv_handle_t *)&port->poll);
}

static void port_close(struct port *port)
{
	if (is_open(port))
		uv_close((uv_handle_t *)&port->poll, on_poll_closed);
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void port_watch(struct port *port, int events)
{
	if (!is_open(port) || events == port->watched)
		return;
	port->watched = events;
	if (events)
		uv_poll_start(&port->poll, events, on_ready);
	else
		uv_poll_stop(&port->poll);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct port *port = poll->data;

	if (status < 0 || (events & (UV_READABLE | UV_DISCONNECT)))
		port->may_read = true;
	if (status < 0 || (events & UV_WRITABLE))
		port->may_write = true;
	/* Quiet until the pump has seen to it: a level-triggered descriptor would spin. */
	port_watch(port, 0);
	tl_ssh_link_kick(tl_ssh_server_link(port->process->channel->server));
}

static int port_open(struct tl_process *process, enum end end, int fd)
{
	struct port *port = &process->ports[end];

	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 ||
	    uv_poll_init(process->config.loop, &port->poll, fd) != 0) {
		close(fd);
		return TL_EIO;
	}
	port->poll.data = port;
	port->process = process;
	port->fd = fd;
	port->may_read = end != END_IN;
	port->may_write = true;
	process->open_polls++;
	return 0;
}

static struct port *input_port(struct tl_process *process)
{
	return &process->ports[process->is_pty ? END_OUT : END_IN];
}

/* ---- moving bytes ----------------------------------------------------------------------------- */

static bool move_in(struct tl_process *process)
{
	struct tl_ssh_stream *stream = &process->channel->stream;
	struct port *port = input_port(process);
	const char *bytes;
	size_t len = tl_ssh_stream_peek(stream, TL_SSH_DATA, &bytes);
	ssize_t done;

	if (!is_open(port)) {
		/* Nobody reads any more: what still comes is dropped, as a closed pipe drops it. */
		tl_ssh_stream_take(stream, TL_SSH_DATA, len);
		return len > 0;
	}
	if (len == 0) {
		if (!process->is_pty && tl_ssh_stream_at_end(stream))
			port_close(port);
		return false;
	}
	if (!port->may_write)
		return false;
	len = record_input(process, bytes, len);
	if (len == 0)
		return false;
	done = write(port->fd, bytes, len);
	if (done > 0) {
		process->recorded -= (size_t)done;
		tl_ssh_stream_take(stream, TL_SSH_DATA, (size_t)done);
		return true;
	}
	port->may_write = false;
	if (done < 0 && errno != EAGAIN && errno != EINTR && !process->is_pty)
		port_close(port);
	return false;
}

static bool move_out(struct tl_process *process, enum end end)
{
	struct tl_ssh_stream *stream = &process->channel->stream;
	enum tl_ssh_stream_kind kind = end == END_ERR ? TL_SSH_STDERR : TL_SSH_DATA;
	struct port *port = &process->ports[end];
	size_t room;
	char *to =
		is_open(port) && port->may_read ? tl_ssh_stream_space(stream, kind, &room) : NULL;
	ssize_t got;

	if (!to)
		return false;
	got = read(port->fd, to, room);
	if (got > 0) {
		if (record_output(process, end, to, (size_t)got))
			tl_ssh_stream_filled(stream, kind, (size_t)got);
		return true;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		port->may_read = errno == EINTR;
		return false;
	}
	/* A terminal whose last user has gone gives EIO; a pipe gives end of file. */
	port_close(port);
	return true;
}

/* At the end of a terminal's shell somebody reads: what was done belongs on the ticket. */
static void ask_for_note(const struct tl_process *process)
{
	char sentence[160];

	if (!process->is_pty || process->channel->program != TL_SSH_SHELL)
		return;
	snprintf(sentence, sizeof(sentence),
		 "for the ticket, what was done: towline session note %s 'TEXT'",
		 process->config.session);
	tl_ssh_channel_say(process->channel, sentence);
}

/* The end is told when the program has gone and all it wrote was read. A terminal that somebody in
 * the background still holds open is at its end when it is empty. */
static void tell_end(struct tl_process *process)
{
	bool drained = true;

	for (int end = END_OUT; end < END_COUNT; end++) {
		const struct port *port = &process->ports[end];

		if (is_open(port) && (!process->is_pty || port->may_read))
			drained = false;
	}
	if (!process->exited || !drained || process->told)
		return;
	process->told = true;
	ask_for_note(process);
	tl_ssh_stream_finish(&process->channel->stream, process->exit_status,
			     process->exit_signal[0] ? process->exit_signal : NULL);
}

static void watch_all(struct tl_process *process)
{
	const char *bytes;
	bool input = tl_ssh_stream_peek(&process->channel->stream, TL_SSH_DATA, &bytes) > 0;

	for (int end = 0; end < END_COUNT; end++) {
		struct port *port = &process->ports[end];
		int events = 0;

		if (end != END_IN && !port->may_read)
			events |= UV_READABLE;
		if (port == input_port(process) && input && !port->may_write)
			events |= UV_WRITABLE;
		port_watch(port, events);
	}
}

bool tl_process_pump(struct tl_process *process)
{
	bool moved = false;

	if (!process->started || process->unrecorded)
		return false;
	if (process->channel->unread) /* its next write fails, as in a pipe that nobody reads */
		port_close(&process->ports[END_OUT]);
	moved |= move_in(process);
	moved |= move_out(process, END_OUT);
	moved |= move_out(process, END_ERR);
	tell_end(process);
	watch_all(process);
	return moved;
}

/* ---- the helper's answers --------------------------------------------------------------------- */

/* Names as RFC 4254 §6.10 lists them. */
static const struct {
	int number;
	const char *name;
} signals[] = {
	{SIGABRT, "ABRT"}, {SIGALRM, "ALRM"}, {SIGFPE, "FPE"},	 {SIGHUP, "HUP"},
	{SIGILL, "ILL"},   {SIGINT, "INT"},   {SIGKILL, "KILL"}, {SIGPIPE, "PIPE"},
	{SIGQUIT, "QUIT"}, {SIGSEGV, "SEGV"}, {SIGTERM, "TERM"}, {SIGUSR1, "USR1"},
	{SIGUSR2, "USR2"},
};

static void note_signal(struct tl_process *process, const json_t *value)
{
	const char *name = json_string_value(value);

	snprintf(process->exit_signal, sizeof(process->exit_signal), "%s", "KILL");
	if (name)
		snprintf(process->exit_signal, sizeof(process->exit_signal), "%s",
			 tl_str_starts(name, "SIG") ? name + 3 : name);
	for (size_t i = 0; !name && i < TL_ARRAY_LEN(signals); i++)
		if (signals[i].number == json_integer_value(value))
			snprintf(process->exit_signal, sizeof(process->exit_signal), "%s",
				 signals[i].name);
}

static void on_waited(void *arg, struct tl_ipc_message *result, const struct tl_err *err)
{
	struct tl_process *process = arg;

	(void)err;
	process->exited = true;
	process->exit_status = 255;
	if (result && json_is_integer(json_object_get(result->json, "exit")))
		process->exit_status =
			(int)json_integer_value(json_object_get(result->json, "exit"));
	else
		note_signal(process, result ? json_object_get(result->json, "signal") : NULL);
	/* What it wrote last may have come since the last look. */
	process->ports[END_OUT].may_read = process->ports[END_ERR].may_read = true;
	tl_ssh_link_kick(tl_ssh_server_link(process->channel->server));
}

static int take_fds(struct tl_process *process, struct tl_ipc_message *result)
{
	static const enum end pipes[] = {END_IN, END_OUT, END_ERR};
	size_t want = process->is_pty ? 1 : 3;

	if (result->fd_count != want)
		return TL_EPROTO;
	for (size_t i = 0; i < want; i++) {
		int fd = tl_steal_fd(&result->fds[i]);
		int rc = port_open(process, process->is_pty ? END_OUT : pipes[i], fd);

		if (rc != 0)
			return rc;
	}
	return 0;
}

static void note_id(struct tl_process *process, const json_t *id)
{
	if (json_is_string(id))
		snprintf(process->id, sizeof(process->id), "%s", json_string_value(id));
	else
		snprintf(process->id, sizeof(process->id), "%lld",
			 (long long)json_integer_value(id));
}

static json_t *process_args(const struct tl_process *process)
{
	uint64_t number;

	if (tl_str_u64(process->id, INT64_MAX, &number) == 0)
		return json_pack("{s:s,s:I}", "session", process->config.session, "process",
				 (json_int_t)number);
	return json_pack("{s:s,s:s}", "session", process->config.session, "process", process->id);
}

static void on_spawned(void *arg, struct tl_ipc_message *result, const struct tl_err *err)
{
	struct tl_process *process = arg;
	struct tl_err problem = TL_ERR_INIT;
	int rc = 0;

	if (!result) {
		tl_ssh_channel_answer(process->channel, false, tl_err_text(err));
		return;
	}
	note_id(process, json_object_get(result->json, "process"));
	process->started = true;
	rc = take_fds(process, result);
	if (rc == 0)
		rc = tl_session_helper_call(process->config.helper, "session.wait",
					    process_args(process), on_waited, process, &problem);
	record_open(process);
	tl_ssh_channel_answer(process->channel, rc == 0,
			      rc == 0 ? NULL : "the helper's answer makes no sense");
	if (rc == 0 && process->is_pty)
		tl_process_resize(process);
}

/* ---- life ------------------------------------------------------------------------------------- */

static json_t *spawn_args(const struct tl_process *process, const char *agent_socket)
{
	const struct tl_ssh_server_channel *channel = process->channel;
	json_t *args = json_pack("{s:s,s:I,s:s,s:I,s:I,s:O}", "session", process->config.session,
				 "channel", (json_int_t)channel->number, "kind",
				 tl_ssh_program_name(channel->program), "columns",
				 (json_int_t)channel->columns, "rows", (json_int_t)channel->rows,
				 "env", channel->env);

	if (args && channel->command)
		json_object_set_new(args, "command", json_string(channel->command));
	if (args && agent_socket)
		json_object_set_new(args, "agent_socket", json_string(agent_socket));
	if (args && process->is_pty)
		json_object_set_new(args, "term", json_string(channel->term));
	return args;
}

int tl_process_start(const struct tl_process_config *config, struct tl_ssh_server_channel *channel,
		     struct tl_process **ret_process, struct tl_err *err)
{
	tl_free struct tl_process *process = calloc(1, sizeof(*process));
	int rc;

	if (!process)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	process->config = *config;
	process->channel = channel;
	process->is_pty = channel->has_pty && channel->program != TL_SSH_SUBSYSTEM;
	for (int end = 0; end < END_COUNT; end++)
		process->ports[end].fd = -1;
	rc = tl_session_helper_call(config->helper, "session.spawn",
				    spawn_args(process, config->agent_socket), on_spawned, process,
				    err);
	if (rc == 0)
		*ret_process = tl_steal(&process);
	return rc;
}

void tl_process_resize(struct tl_process *process)
{
	const struct tl_ssh_server_channel *channel = process->channel;
	struct winsize size = {.ws_row = (unsigned short)channel->rows,
			       .ws_col = (unsigned short)channel->columns};
	struct tl_err err = TL_ERR_INIT;

	if (!process->is_pty || !is_open(&process->ports[END_OUT]))
		return;
	(void)ioctl(process->ports[END_OUT].fd, TIOCSWINSZ, &size);
	if (process->config.record)
		check_record(process,
			     tl_record_resize(process->config.record, channel->number,
					      tl_ssh_recorded_columns(channel),
					      tl_ssh_recorded_rows(channel), &err),
			     &err);
}

static void on_ignored(void *arg, struct tl_ipc_message *result, const struct tl_err *err)
{
	(void)arg;
	(void)result;
	(void)err;
}

void tl_process_signal(struct tl_process *process, const char *name)
{
	json_t *args = process->started && !process->exited ? process_args(process) : NULL;

	if (!args || json_object_set_new(args, "signal", json_string(name)) != 0) {
		json_decref(args);
		return;
	}
	if (tl_session_helper_call(process->config.helper, "session.signal", args, on_ignored, NULL,
				   NULL) != 0)
		return; /* a helper that has gone took its processes along */
}

void tl_process_free(struct tl_process *process)
{
	if (!process)
		return;
	tl_process_signal(process, "HUP");
	record_end(process);
	tl_session_helper_forget(process->config.helper, process);
	process->channel = NULL;
	for (int end = 0; end < END_COUNT; end++)
		port_close(&process->ports[end]);
	release(process);
}
