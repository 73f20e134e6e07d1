/* libssh marks the getters of a pty request as deprecated in favour of callbacks that must answer at
 * once; whether a program may run is known only after the endpoint was asked. */
#define SSH_SUPPRESS_DEPRECATED
#include <libssh/server.h>
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "ssh/server_private.h"

#define ENV_NAME_MAX 64
#define ENV_VALUE_MAX 256
#define COLUMNS_MAX 4096

/* ---- opening ---------------------------------------------------------------------------------- */

static void on_signal(void *arg, const char *name)
{
	struct tl_ssh_server_channel *channel = arg;

	if (channel->signal_count < TL_ARRAY_LEN(channel->signals) &&
	    tl_str_is_name(name, sizeof(channel->signals[0]) - 1))
		snprintf(channel->signals[channel->signal_count++], sizeof(channel->signals[0]),
			 "%s", name);
}

static void on_agent_request(void *arg)
{
	struct tl_ssh_server_channel *channel = arg;

	channel->wants_agent = true;
}

struct tl_ssh_server_channel *tl_ssh_channel_new(struct tl_ssh_server *server)
{
	struct tl_ssh_server_channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	channel->env = json_object();
	if (!channel->env) {
		free(channel);
		return NULL;
	}
	channel->server = server;
	channel->number = ++server->last_number;
	channel->stream.on_signal = on_signal;
	channel->stream.on_agent_request = on_agent_request;
	channel->stream.arg = channel;
	return channel;
}

void tl_ssh_channel_discard(struct tl_ssh_server_channel *channel)
{
	json_decref(channel->env);
	free(channel);
}

void tl_ssh_channel_adopt(struct tl_ssh_server_channel *channel, ssh_channel handle)
{
	struct tl_ssh_server *server = channel->server;

	if (handle)
		tl_ssh_stream_attach(&channel->stream, server->link, handle);
	channel->next = server->channels;
	server->channels = channel;
	server->channel_count++;
}

static enum tl_ssh_answer may_open(struct tl_ssh_server *server,
				   struct tl_ssh_server_channel *channel, ssh_message message)
{
	switch (ssh_message_subtype(message)) {
	case SSH_CHANNEL_SESSION:
		return TL_SSH_ACCEPT;
	case SSH_CHANNEL_DIRECT_TCPIP:
		return tl_ssh_forward_ask(server, channel, message);
	default:
		tl_ssh_server_refuse(server, NULL,
				     "a channel that is not offered was refused (Unix sockets and "
				     "tunnels are not forwarded)");
		return TL_SSH_REFUSE;
	}
}

bool tl_ssh_request_open(struct tl_ssh_server *server, ssh_message message)
{
	struct tl_ssh_server_channel *channel = NULL;
	enum tl_ssh_answer answer = TL_SSH_REFUSE;
	ssh_channel accepted = NULL;

	if (!server->authenticated || server->channel_count >= TL_SSH_CHANNELS_MAX)
		tl_ssh_server_refuse(server, NULL, "a channel was refused: too many are open");
	else
		channel = tl_ssh_channel_new(server);
	if (channel)
		answer = may_open(server, channel, message);
	if (answer == TL_SSH_LATER) {
		channel->open = message;
		tl_ssh_channel_adopt(channel, NULL);
		return true;
	}
	if (answer == TL_SSH_ACCEPT)
		accepted = ssh_message_channel_request_open_reply_accept(message);
	if (accepted) {
		tl_ssh_channel_adopt(channel, accepted);
		return false;
	}
	if (channel && channel->data)
		server->handlers->gone(server->arg, channel);
	if (channel)
		tl_ssh_channel_discard(channel);
	(void)ssh_message_reply_default(message);
	return false;
}

/* ---- requests in a channel -------------------------------------------------------------------- */

/* Zero: the client does not know (RFC 4254 §6.2 has it ignored). A terminal of one column, made of it,
 * would hide the shell's prompt. */
static unsigned bounded(int value)
{
	if (value < 1)
		return 0;
	return value > COLUMNS_MAX ? COLUMNS_MAX : (unsigned)value;
}

static bool take_pty(struct tl_ssh_server_channel *channel, ssh_message message)
{
	const char *term = ssh_message_channel_request_pty_term(message);

	if (channel->program != TL_SSH_NONE || channel->forward)
		return false;
	channel->has_pty = true;
	snprintf(channel->term, sizeof(channel->term), "%s",
		 term && tl_str_is_name(term, sizeof(channel->term) - 1) ? term : "dumb");
	channel->columns = bounded(ssh_message_channel_request_pty_width(message));
	channel->rows = bounded(ssh_message_channel_request_pty_height(message));
	return true;
}

static bool take_resize(struct tl_ssh_server_channel *channel, ssh_message message)
{
	unsigned columns = bounded(ssh_message_channel_request_pty_width(message));
	unsigned rows = bounded(ssh_message_channel_request_pty_height(message));

	if (!channel->has_pty)
		return false;
	channel->columns = columns ? columns : channel->columns;
	channel->rows = rows ? rows : channel->rows;
	channel->resized = true;
	return true;
}

/* A name and a text; which of them a program may see is the endpoint's policy. The rest is dropped without
 * a word, as sshd(8) does. */
static bool is_well_formed(const char *name, const char *value)
{
	return tl_str_is_name(name, ENV_NAME_MAX) && strlen(value) <= ENV_VALUE_MAX &&
	       tl_str_is_utf8(value, strlen(value));
}

static bool take_env(struct tl_ssh_server_channel *channel, ssh_message message)
{
	const char *name = ssh_message_channel_request_env_name(message);
	const char *value = ssh_message_channel_request_env_value(message);

	if (!name || !value || !is_well_formed(name, value) ||
	    json_object_size(channel->env) >= TL_SSH_ENV_MAX)
		return false;
	return json_object_set_new(channel->env, name, json_string(value)) == 0;
}

static bool refuse_x11(struct tl_ssh_server_channel *channel, ssh_message message)
{
	(void)message;
	channel->wants_x11 = true; /* said and recorded with its program */
	return false;
}

/* Whether a request that libssh does not know by name says that the client reads no more output
 * (eow@openssh.com, openssh/PROTOCOL §2.1): without a terminal OpenSSH sends no other such request to a
 * running program, and the relay passes it on to the endpoint as "break", for want of another call. */
static bool is_end_of_reading(const struct tl_ssh_server_channel *channel)
{
	const char *client = ssh_get_clientbanner(tl_ssh_link_session(channel->server->link));

	return channel->program != TL_SSH_NONE && !channel->has_pty && client &&
	       (tl_str_starts(client, "SSH-2.0-OpenSSH") ||
		tl_str_starts(client, "SSH-2.0-libssh"));
}

static bool take_unknown(struct tl_ssh_server_channel *channel, ssh_message message)
{
	(void)message;
	if (is_end_of_reading(channel))
		channel->unread = true;
	return false;
}

static const struct request {
	int type;
	bool (*take)(struct tl_ssh_server_channel *channel, ssh_message message);
} requests[] = {
	{SSH_CHANNEL_REQUEST_PTY, take_pty},
	{SSH_CHANNEL_REQUEST_WINDOW_CHANGE, take_resize},
	{SSH_CHANNEL_REQUEST_ENV, take_env},
	{SSH_CHANNEL_REQUEST_X11, refuse_x11},
	{SSH_CHANNEL_REQUEST_UNKNOWN, take_unknown},
};

static enum tl_ssh_program program_of(ssh_message message, const char **ret_command)
{
	*ret_command = NULL;
	switch (ssh_message_subtype(message)) {
	case SSH_CHANNEL_REQUEST_SHELL:
		return TL_SSH_SHELL;
	case SSH_CHANNEL_REQUEST_EXEC:
		*ret_command = ssh_message_channel_request_command(message);
		return TL_SSH_EXEC;
	case SSH_CHANNEL_REQUEST_SUBSYSTEM:
		*ret_command = ssh_message_channel_request_subsystem(message);
		return TL_SSH_SUBSYSTEM;
	default:
		return TL_SSH_NONE;
	}
}

const char *tl_ssh_program_name(enum tl_ssh_program program)
{
	static const char *const names[] = {"none", "shell", "exec", "subsystem"};

	return names[program];
}

/* Why a command cannot be passed on and recorded; NULL when it can. */
static const char *objection(const char *command)
{
	if (command && strlen(command) > TL_SSH_COMMAND_MAX)
		return "the command is longer than " TL_SSH_COMMAND_MAX_TEXT
		       " bytes: send a script on standard input";
	if (command && !tl_str_is_utf8(command, strlen(command)))
		return "the command is not UTF-8: send a script on standard input";
	return NULL;
}

/* Keeps the message until the owner has answered; a channel runs one program. */
static bool take_program(struct tl_ssh_server_channel *channel, ssh_message message)
{
	const char *command, *why;
	enum tl_ssh_program program = program_of(message, &command);

	if (channel->program != TL_SSH_NONE || channel->forward)
		return false;
	why = objection(command);
	if (why) {
		channel->program = program;
		channel->start = message;
		tl_ssh_channel_answer(channel, false, why);
		return true;
	}
	if (command) {
		channel->command = strdup(command);
		if (!channel->command)
			return false;
	}
	channel->program = program;
	channel->start = message;
	channel->server->handlers->start(channel->server->arg, channel);
	return true;
}

static struct tl_ssh_server_channel *find(struct tl_ssh_server *server, ssh_channel handle)
{
	struct tl_ssh_server_channel *channel = server->channels;

	while (channel && channel->stream.channel != handle)
		channel = channel->next;
	return channel;
}

bool tl_ssh_request_channel(struct tl_ssh_server *server, ssh_message message)
{
	struct tl_ssh_server_channel *channel =
		find(server, ssh_message_channel_request_channel(message));
	const char *command;

	/* A late request for a channel that is freed: libssh's reply would touch it. */
	if (!channel)
		return false;
	if (program_of(message, &command) != TL_SSH_NONE) {
		if (take_program(channel, message))
			return true;
		(void)ssh_message_reply_default(message);
		return false;
	}
	for (size_t i = 0; i < TL_ARRAY_LEN(requests); i++) {
		if (requests[i].type != ssh_message_subtype(message))
			continue;
		if (requests[i].take(channel, message))
			(void)ssh_message_channel_request_reply_success(message);
		else
			(void)ssh_message_reply_default(message);
		return false;
	}
	(void)ssh_message_reply_default(message);
	return false;
}
