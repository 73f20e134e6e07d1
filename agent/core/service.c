#include "core/service.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <towline/str.h>

#include "core/channel.h"

struct tl_service {
	struct tl_service_options options;
	char path[108];
	uv_poll_t listener;
	int listen_fd;
	struct tl_conn *connections;
	unsigned connection_count;
	struct tl_ask *asks; /* unanswered, of connections that are still there */
	bool closing;
};

int tl_verb_find(const struct tl_verb *verbs, size_t count, const char *name, unsigned door,
		 unsigned state, size_t bytes, size_t fds, const struct tl_verb **ret_verb,
		 struct tl_err *err)
{
	const struct tl_verb *verb = NULL;

	for (size_t i = 0; i < count && !verb; i++) {
		if (tl_streq(verbs[i].name, name))
			verb = &verbs[i];
	}
	if (!verb)
		return tl_err_set(err, TL_EUNSUPPORTED, "the verb \"%s\" is not known here", name);
	if (!(verb->doors & door))
		return tl_err_set(err, TL_EACCES, "\"%s\" is not answered on this socket", name);
	if (!(verb->states & state))
		return tl_err_set(err, TL_EBUSY, "\"%s\" cannot be answered at present", name);
	if (bytes > verb->max_bytes)
		return tl_err_set(err, TL_ETOOBIG, "\"%s\" takes at most %zu bytes", name,
				  verb->max_bytes);
	if (fds < verb->fds_min || fds > verb->fds_max)
		return tl_err_set(err, TL_EINVAL, "\"%s\" takes %zu to %zu descriptors, not %zu",
				  name, verb->fds_min, verb->fds_max, fds);
	*ret_verb = verb;
	return 0;
}

static void ask_unlink(struct tl_ask *ask)
{
	struct tl_ask **link;

	if (!ask->conn)
		return;
	link = &ask->conn->service->asks;
	while (*link && *link != ask)
		link = &(*link)->next;
	if (*link)
		*link = ask->next;
	ask->conn->asks--;
	ask->conn = NULL;
}

static void ask_free(struct tl_ask *ask)
{
	ask_unlink(ask);
	tl_ipc_message_clear(&ask->message);
	free(ask);
}

static void conn_send(struct tl_conn *conn, const json_t *json, const int *fds, size_t fd_count)
{
	/* A peer that does not take its answers is cut off by the channel's own cap. */
	if (tl_channel_send(conn->channel, json, fds, fd_count, NULL) != 0)
		return;
}

void tl_ask_reply(struct tl_ask *ask, json_t *result, const int *fds, size_t fd_count)
{
	tl_json *reply =
		json_pack("{s:I, s:o}", "id", ask->id, "result", result ? result : json_object());

	if (ask->conn && reply)
		conn_send(ask->conn, reply, fds, fd_count);
	ask_free(ask);
}

void tl_ask_fail(struct tl_ask *ask, int code, const char *text)
{
	tl_json *reply = json_pack("{s:I, s:{s:s, s:s}}", "id", ask->id, "error", "code",
				   tl_err_name(code), "text", text);

	if (ask->conn && reply)
		conn_send(ask->conn, reply, NULL, 0);
	ask_free(ask);
}

void tl_conn_tell(struct tl_conn *conn, const char *event, const json_t *args)
{
	tl_json *json = json_pack("{s:s, s:O}", "event", event, "args", args);

	if (json)
		conn_send(conn, json, NULL, 0);
}

void tl_service_tell(struct tl_service *service, const char *event, const json_t *args,
		     bool (*wants)(const struct tl_conn *conn))
{
	for (struct tl_conn *conn = service->connections; conn; conn = conn->next) {
		if (!wants || wants(conn))
			tl_conn_tell(conn, event, args);
	}
}

static void conn_drop(struct tl_conn *conn)
{
	struct tl_service *service = conn->service;
	struct tl_conn **link = &service->connections;

	while (*link != conn)
		link = &(*link)->next;
	*link = conn->next;
	service->connection_count--;
	for (struct tl_ask *ask = service->asks, *next; ask; ask = next) {
		next = ask->next;
		if (ask->conn == conn)
			ask_unlink(ask);
	}
	if (service->options.on_gone)
		service->options.on_gone(service->options.app, conn);
	tl_channel_close(conn->channel);
	free(conn);
}

static void on_conn_gone(void *arg, struct tl_channel *channel)
{
	(void)channel;
	conn_drop(arg);
}

struct request {
	int64_t id;
	const char *verb;
	json_t *args;
};

static int read_request(const struct tl_ipc_message *message, struct request *ret_request,
			struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"args", TL_JSON_OBJECT, false, offsetof(struct request, args)},
		{"id", TL_JSON_INT, true, offsetof(struct request, id), 0, INT64_MAX},
		{"verb", TL_JSON_TEXT, true, offsetof(struct request, verb), 0, 64},
	};

	return tl_json_read(message->json, members, TL_ARRAY_LEN(members), ret_request, err);
}

static struct tl_ask *ask_new(struct tl_conn *conn, struct tl_ipc_message *message)
{
	struct tl_ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		return NULL;
	ask->conn = conn;
	ask->peer = conn->peer;
	ask->door = conn->service->options.door;
	ask->message = *message;
	*message = (struct tl_ipc_message)TL_IPC_MESSAGE_INIT;
	ask->next = conn->service->asks;
	conn->service->asks = ask;
	conn->asks++;
	return ask;
}

static int dispatch(struct tl_ask *ask, struct tl_err *err)
{
	const struct tl_service_options *options = &ask->conn->service->options;
	const struct tl_verb *verb = NULL;
	struct request request = {.id = 0};
	int rc = read_request(&ask->message, &request, err);

	if (rc != 0)
		return rc;
	ask->id = request.id;
	if (!request.args) {
		request.args = json_object();
		json_object_set_new(ask->message.json, "args", request.args);
	}
	ask->args = request.args;
	if (ask->conn->asks > TL_SERVICE_ASKS_MAX)
		return tl_err_set(err, TL_EBUSY, "too many requests wait for an answer already");
	rc = tl_verb_find(options->verbs, options->verb_count, request.verb, options->door,
			  options->state ? options->state(options->app) : 1,
			  json_dumpb(ask->message.json, NULL, 0, JSON_COMPACT),
			  ask->message.fd_count, &verb, err);
	return rc == 0 ? verb->run(options->app, ask, err) : rc;
}

static void on_conn_message(void *arg, struct tl_channel *channel, struct tl_ipc_message *message)
{
	struct tl_err err = TL_ERR_INIT;
	struct tl_ask *ask = ask_new(arg, message);
	int rc;

	(void)channel;
	if (!ask)
		return;
	rc = dispatch(ask, &err);
	if (rc != 0)
		tl_ask_fail(ask, rc, tl_err_text(&err));
}

static const struct tl_channel_events conn_events = {on_conn_message, on_conn_gone};

static bool has_room(const struct tl_service *service, uid_t uid)
{
	unsigned count = 0;

	for (const struct tl_conn *conn = service->connections; conn; conn = conn->next)
		count += conn->peer.uid == uid;
	return count < TL_SERVICE_CONNECTIONS_OF_USER_MAX &&
	       service->connection_count < TL_SERVICE_CONNECTIONS_MAX;
}

static void accept_one(struct tl_service *service, int fd, const struct tl_ipc_peer *peer)
{
	const struct tl_service_options *options = &service->options;
	tl_fd int owned = fd;
	struct tl_conn *conn;

	if (!has_room(service, peer->uid) ||
	    (options->admit && !options->admit(options->app, peer)))
		return;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return;
	conn->service = service;
	conn->peer = *peer;
	if (tl_channel_new(options->loop, tl_steal_fd(&owned), &conn_events, conn, &conn->channel,
			   NULL) != 0) {
		free(conn);
		return;
	}
	conn->next = service->connections;
	service->connections = conn;
	service->connection_count++;
	if (options->on_new)
		options->on_new(options->app, conn);
}

static void on_connectable(uv_poll_t *poll, int status, int events)
{
	struct tl_service *service = poll->data;
	struct tl_ipc_peer peer;
	int fd;

	(void)events;
	if (status == 0 && tl_ipc_accept(service->listen_fd, &fd, &peer, NULL) == 0)
		accept_one(service, fd, &peer);
}

int tl_service_new(const struct tl_service_options *options, struct tl_service **ret_service,
		   struct tl_err *err)
{
	tl_free struct tl_service *service = calloc(1, sizeof(*service));
	int rc;

	if (!service)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	service->options = *options;
	snprintf(service->path, sizeof(service->path), "%s", options->path);
	rc = tl_ipc_listen(options->path, options->mode, &service->listen_fd, err);
	if (rc != 0)
		return rc;
	rc = uv_poll_init(options->loop, &service->listener, service->listen_fd);
	if (rc != 0) {
		close(service->listen_fd);
		return tl_err_sys(err, TL_EIO, -rc, "%s cannot be watched", options->path);
	}
	service->listener.data = service;
	uv_poll_start(&service->listener, UV_READABLE, on_connectable);
	*ret_service = tl_steal(&service);
	return 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct tl_service *service = handle->data;

	close(service->listen_fd);
	free(service);
}

void tl_service_close(struct tl_service *service)
{
	if (!service)
		return;
	assert(!service->closing);
	service->closing = true;
	unlink(service->path);
	while (service->connections)
		conn_drop(service->connections);
	uv_close((uv_handle_t *)&service->listener, on_listener_closed);
}
