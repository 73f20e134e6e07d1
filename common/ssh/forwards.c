/* Forwarded channels of the SSH server, and requests to listen: messages, which wait for their answer as long
 * as it takes. */
#include <libssh/server.h>
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "ssh/server_private.h"

const char *tl_ssh_route_name(enum tl_ssh_route_kind kind)
{
	static const char *const names[] = {"direct-tcpip", "forwarded-tcpip", "agent"};

	return names[kind];
}

const char *tl_ssh_place_text(const struct tl_ssh_place *place, char text[static TL_SSH_PLACE_TEXT])
{
	bool v6 = strchr(place->host, ':') != NULL;

	if (!place->host[0])
		return NULL;
	snprintf(text, TL_SSH_PLACE_TEXT, "%s%s%s:%u", v6 ? "[" : "", place->host, v6 ? "]" : "",
		 place->port);
	return text;
}

/* False for what is no text or too long. */
static bool take_place(struct tl_ssh_place *place, const char *host, int port)
{
	if (!host || strlen(host) > TL_SSH_HOST_MAX || !tl_str_is_utf8(host, strlen(host)))
		return false;
	snprintf(place->host, sizeof(place->host), "%s", host);
	place->port = (unsigned)port;
	return port >= 0;
}

/* ---- from the client -------------------------------------------------------------------------- */

enum tl_ssh_answer tl_ssh_forward_ask(struct tl_ssh_server *server,
				      struct tl_ssh_server_channel *channel, ssh_message message)
{
	channel->forward = true;
	channel->route.kind = TL_SSH_DIRECT;
	if (!take_place(&channel->route.to, ssh_message_channel_request_open_destination(message),
			ssh_message_channel_request_open_destination_port(message)) ||
	    !take_place(&channel->route.from, ssh_message_channel_request_open_originator(message),
			ssh_message_channel_request_open_originator_port(message)))
		return TL_SSH_REFUSE;
	if (!server->handlers->forward) {
		tl_ssh_server_refuse(server, channel, "forwarding is not offered here");
		return TL_SSH_REFUSE;
	}
	return server->handlers->forward(server->arg, channel);
}

bool tl_ssh_channel_accept(struct tl_ssh_server_channel *channel)
{
	ssh_message message = tl_steal(&channel->open);
	ssh_channel handle = ssh_message_channel_request_open_reply_accept(message);

	ssh_message_free(message);
	channel->over = !handle;
	if (handle)
		tl_ssh_stream_attach(&channel->stream, channel->server->link, handle);
	tl_ssh_link_kick(channel->server->link);
	return handle != NULL;
}

void tl_ssh_server_explain(struct tl_ssh_server *server, const char *sentence)
{
	struct tl_ssh_server_channel *channel = server->channels;

	(void)ssh_send_debug(tl_ssh_link_session(server->link), sentence, 1);
	while (channel && (channel->forward || channel->program == TL_SSH_NONE || channel->start))
		channel = channel->next;
	if (channel)
		tl_ssh_channel_say(channel, sentence);
}

void tl_ssh_channel_refuse(struct tl_ssh_server_channel *channel, const char *sentence)
{
	ssh_message message = tl_steal(&channel->open);

	if (!message)
		return;
	tl_ssh_server_explain(channel->server, sentence);
	(void)ssh_message_reply_default(message);
	ssh_message_free(message);
	channel->over = true;
	tl_ssh_link_kick(channel->server->link);
}

/* ---- to the client ---------------------------------------------------------------------------- */

int tl_ssh_server_open(struct tl_ssh_server *server, const struct tl_ssh_route *route, void *data,
		       struct tl_ssh_server_channel **ret_channel, struct tl_err *err)
{
	struct tl_ssh_server_channel *channel;
	ssh_channel handle;

	if (server->channel_count >= TL_SSH_CHANNELS_MAX)
		return tl_err_set(err, TL_EBUSY, "too many channels are open");
	channel = tl_ssh_channel_new(server);
	handle = channel ? ssh_channel_new(tl_ssh_link_session(server->link)) : NULL;
	if (!handle) {
		if (channel)
			tl_ssh_channel_discard(channel);
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	channel->forward = true;
	channel->route = *route;
	channel->opening = true;
	channel->data = data;
	tl_ssh_channel_adopt(channel, handle);
	tl_ssh_link_kick(server->link);
	*ret_channel = channel;
	return 0;
}

/* A call that returned AGAIN is carried on by making it again. */
static int ask_client(const struct tl_ssh_server_channel *channel)
{
	const struct tl_ssh_route *route = &channel->route;

	if (route->kind == TL_SSH_AGENT)
		return ssh_channel_open_auth_agent(channel->stream.channel);
	return ssh_channel_open_reverse_forward(channel->stream.channel, route->to.host,
						(int)route->to.port, route->from.host,
						(int)route->from.port);
}

bool tl_ssh_forward_step(struct tl_ssh_server_channel *channel)
{
	struct tl_ssh_server *server = channel->server;
	int rc;

	if (!channel->opening)
		return false;
	rc = ask_client(channel);
	if (rc == SSH_AGAIN)
		return false;
	channel->opening = false;
	channel->over = rc != SSH_OK;
	server->handlers->opened(server->arg, channel, rc == SSH_OK);
	return true;
}

/* ---- listening -------------------------------------------------------------------------------- */

static struct tl_ssh_listen *listen_of(ssh_message message)
{
	struct tl_ssh_listen *listen = calloc(1, sizeof(*listen));

	if (!listen)
		return NULL;
	listen->request = message;
	listen->cancel = ssh_message_subtype(message) == SSH_GLOBAL_REQUEST_CANCEL_TCPIP_FORWARD;
	if (!take_place(&listen->at, ssh_message_global_request_address(message),
			ssh_message_global_request_port(message)))
		listen->at.port = UINT16_MAX + 1u; /* none that is allowed anywhere */
	return listen;
}

static void listen_free(struct tl_ssh_listen *listen)
{
	ssh_message_free(listen->request);
	free(listen);
}

/* Keeps the message: answers come in the order of the requests (RFC 4254 §4). */
bool tl_ssh_listen_take(struct tl_ssh_server *server, ssh_message message)
{
	struct tl_ssh_listen *listen = NULL;
	struct tl_ssh_listen **end = &server->listens;

	if (server->authenticated && server->listen_count < TL_SSH_LISTENS_MAX)
		listen = listen_of(message);
	if (!listen) {
		tl_ssh_server_close(server, "too many requests to listen");
		return false;
	}
	listen->server = server;
	while (*end)
		end = &(*end)->next;
	*end = listen;
	server->listen_count++;
	return true;
}

void tl_ssh_listen_answer(struct tl_ssh_listen *listen, bool granted, unsigned port)
{
	struct tl_ssh_server *server = listen->server;

	if (granted)
		(void)ssh_message_global_request_reply_success(listen->request, (uint16_t)port);
	else
		(void)ssh_message_reply_default(listen->request);
	server->listens = listen->next; /* only the first is asked */
	server->listen_count--;
	listen_free(listen);
	tl_ssh_link_kick(server->link);
}

bool tl_ssh_listen_step(struct tl_ssh_server *server)
{
	struct tl_ssh_listen *listen = server->listens;

	if (!listen || listen->asked)
		return false;
	listen->asked = true;
	if (server->handlers->listen) {
		server->handlers->listen(server->arg, listen);
	} else {
		tl_ssh_server_refuse(server, NULL, "listening for connections is not offered here");
		tl_ssh_listen_answer(listen, false, 0);
	}
	return true;
}

void tl_ssh_listen_forget(struct tl_ssh_server *server)
{
	while (server->listens) {
		struct tl_ssh_listen *listen = server->listens;

		server->listens = listen->next;
		listen_free(listen);
	}
	server->listen_count = 0;
}
