#include "ssh/server.h"

#include <libssh/server.h>
#include <stdio.h>
#include <string.h>

#include "ssh/algorithms.h"
#include "ssh/server_private.h"

void tl_ssh_server_refuse(struct tl_ssh_server *server, struct tl_ssh_server_channel *channel,
			  const char *sentence)
{
	if (server->handlers->refused)
		server->handlers->refused(server->arg, channel, sentence);
}

/* ---- channels --------------------------------------------------------------------------------- */

static void entry_free(struct tl_ssh_server_channel *channel)
{
	struct tl_ssh_server *server = channel->server;
	struct tl_ssh_server_channel **at = &server->channels;

	while (*at && *at != channel)
		at = &(*at)->next;
	if (*at)
		*at = channel->next;
	server->channel_count--;
	server->handlers->gone(server->arg, channel);
	if (channel->start)
		ssh_message_free(channel->start);
	if (channel->open)
		ssh_message_free(channel->open);
	tl_ssh_stream_clear(&channel->stream);
	json_decref(channel->env);
	free(channel->command);
	free(channel);
}

void tl_ssh_channel_say(struct tl_ssh_server_channel *channel, const char *sentence)
{
	enum tl_ssh_stream_kind kind = TL_SSH_STDERR;
	char line[512];
	int len;

	if (channel->forward)
		return;
	len = snprintf(line, sizeof(line), "towline: %.480s%s", sentence,
		       channel->has_pty ? "\r\n" : "\n");

	if (len > 0 && tl_ssh_stream_room(&channel->stream, kind) >= (size_t)len)
		tl_ssh_stream_send(&channel->stream, kind, line, (size_t)len);
}

/* Refusing the request itself would leave the client with "request failed" and drop our sentence:
 * so it is granted, and what runs is the refusal. */
void tl_ssh_channel_answer(struct tl_ssh_server_channel *channel, bool granted,
			   const char *sentence)
{
	if (channel->start) {
		(void)ssh_message_channel_request_reply_success(channel->start);
		ssh_message_free(channel->start);
		channel->start = NULL;
	}
	channel->granted |= granted;
	tl_ssh_stream_wake(&channel->stream);
	if (granted)
		return;
	if (sentence)
		tl_ssh_channel_say(channel, sentence);
	tl_ssh_stream_finish(&channel->stream, 255, NULL);
}

static bool pump_channel(struct tl_ssh_server *server, struct tl_ssh_server_channel *channel)
{
	bool moved = tl_ssh_forward_step(channel);

	if (channel->opening || channel->open || channel->over)
		return moved;
	if (channel->resized) {
		channel->resized = false;
		server->handlers->resize(server->arg, channel);
	}
	for (size_t i = 0; i < channel->signal_count; i++)
		server->handlers->signal(server->arg, channel, channel->signals[i]);
	channel->signal_count = 0;
	moved |= tl_ssh_stream_pump(&channel->stream);
	moved |= server->handlers->pump(server->arg, channel);
	moved |= tl_ssh_stream_pump(&channel->stream);
	return moved;
}

/* ---- the link's events ------------------------------------------------------------------------ */

static void on_ready(void *arg)
{
	(void)arg;
}

static bool on_message(void *arg, ssh_message message)
{
	struct tl_ssh_server *server = arg;

	switch (ssh_message_type(message)) {
	case SSH_REQUEST_SERVICE:
		return tl_ssh_login_service(server, message);
	case SSH_REQUEST_AUTH:
		return tl_ssh_login_auth(server, message);
	case SSH_REQUEST_CHANNEL_OPEN:
		return tl_ssh_request_open(server, message);
	case SSH_REQUEST_CHANNEL:
		return tl_ssh_request_channel(server, message);
	case SSH_REQUEST_GLOBAL:
		return tl_ssh_listen_take(server, message);
	default:
		(void)ssh_message_reply_default(message);
		return false;
	}
}

static bool is_over(const struct tl_ssh_server_channel *channel)
{
	return channel->over || (channel->stream.closed_in && !channel->drains);
}

static bool on_pump(void *arg)
{
	struct tl_ssh_server *server = arg;
	struct tl_ssh_server_channel *channel, *next;
	bool moved = tl_ssh_listen_step(server);

	for (channel = server->channels; channel; channel = next) {
		next = channel->next;
		moved |= pump_channel(server, channel);
		if (is_over(channel)) {
			entry_free(channel);
			moved = true;
		}
	}
	return moved;
}

static void on_closed(void *arg, const char *reason)
{
	struct tl_ssh_server *server = arg;

	while (server->channels)
		entry_free(server->channels);
	tl_ssh_listen_forget(server);
	server->handlers->closed(server->arg, reason);
}

static const struct tl_ssh_link_handlers link_handlers = {
	.ready = on_ready,
	.message = on_message,
	.pump = on_pump,
	.closed = on_closed,
};

/* ---- life ------------------------------------------------------------------------------------- */

int tl_ssh_server_new(uv_loop_t *loop, int fd, const struct tl_key *host_key,
		      const struct tl_ssh_server_handlers *handlers, void *arg,
		      struct tl_ssh_server **ret_server, struct tl_err *err)
{
	struct tl_ssh_server *server = calloc(1, sizeof(*server));
	ssh_session session = NULL;
	int rc = server ? tl_ssh_server_session(host_key, fd, &session, err)
			: tl_err_set(err, TL_ENOMEM, "no memory for an SSH session");

	if (rc != 0) {
		close(fd);
		free(server);
		return rc;
	}
	server->handlers = handlers;
	server->arg = arg;
	rc = tl_ssh_link_new(loop, session, fd, true, &link_handlers, server, &server->link, err);
	if (rc != 0) {
		free(server);
		return rc;
	}
	tl_ssh_server_grace(server, TL_SSH_LOGIN_GRACE_MS);
	*ret_server = server;
	return 0;
}

void tl_ssh_server_grace(struct tl_ssh_server *server, int64_t ms)
{
	char reason[64];

	snprintf(reason, sizeof(reason), "no login within %lld seconds", (long long)(ms / 1000));
	tl_ssh_link_deadline(server->link, ms, reason);
}

bool tl_ssh_server_is_known(const struct tl_ssh_server *server)
{
	return server->halfway || server->authenticated;
}

void *tl_ssh_server_arg(const struct tl_ssh_server *server)
{
	return server->arg;
}

struct tl_ssh_link *tl_ssh_server_link(const struct tl_ssh_server *server)
{
	return server->link;
}

struct tl_ssh_server_channel *tl_ssh_server_channels(const struct tl_ssh_server *server)
{
	return server->channels;
}

void tl_ssh_server_close(struct tl_ssh_server *server, const char *reason)
{
	tl_ssh_link_close(server->link, reason);
}

void tl_ssh_server_free(struct tl_ssh_server *server)
{
	if (!server)
		return;
	while (server->channels)
		entry_free(server->channels);
	tl_ssh_listen_forget(server);
	if (server->asked)
		ssh_message_free(server->asked);
	tl_ssh_link_free(server->link);
	free(server);
}
