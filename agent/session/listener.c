#include "session/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <towline/str.h>

#define ACCEPTS_MAX 16 /* at a time, before others get their turn */

struct listener {
	struct listener *next;
	struct tl_listeners *owner;
	bool agent;
	struct tl_ssh_place at;	       /* as the client says it; the port is the true one */
	struct tl_ssh_listen *request; /* until it is answered */
	struct tl_errand *errand;      /* an agent's: as long as its socket shall be there */
	uv_poll_t poll;
	int fd; /* -1: not yet */
};

struct waiter {
	tl_listeners_agent *ready;
	void *arg;
};

struct tl_listeners {
	struct tl_forward_config config;
	struct tl_ssh_server *server;
	struct listener *list;
	unsigned count;
	bool held;
	char agent_path[128];
	struct waiter waiters[TL_SSH_CHANNELS_MAX];
	size_t waiter_count;
};

/* ---- recording -------------------------------------------------------------------------------- */

static void write_down(struct tl_listeners *listeners, const struct tl_ssh_place *at,
		       const char *why)
{
	char to[TL_SSH_PLACE_TEXT];
	struct tl_record_forward facts = {.what = "listen", .to = to, .why = why};
	struct tl_err err = TL_ERR_INIT;

	if (!tl_ssh_place_text(at, to)) /* every address */
		snprintf(to, sizeof(to), "*:%u", at->port);
	if (listeners->config.record &&
	    tl_record_forward(listeners->config.record, 0, &facts, &err) != 0)
		listeners->config.on_record_failed(listeners->config.arg, &err);
}

/* ---- who comes in ----------------------------------------------------------------------------- */

static void name_peer(int fd, struct tl_ssh_place *from)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	char port[8];

	if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
	    getnameinfo((struct sockaddr *)&peer, len, from->host, sizeof(from->host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		from->port = (unsigned)strtoul(port, NULL, 10);
}

static void offer(const struct listener *listener, int fd)
{
	const struct tl_listeners *owner = listener->owner;
	struct tl_ssh_route route = {.kind = listener->agent ? TL_SSH_AGENT : TL_SSH_FORWARDED,
				     .to = listener->at};
	struct tl_err err = TL_ERR_INIT;

	if (!listener->agent)
		name_peer(fd, &route.from);
	if (tl_forward_incoming(&owner->config, owner->server, fd, &route, &err) != 0)
		tl_forward_refused(&owner->config, 0, &route, tl_err_text(&err));
}

static void on_incoming(uv_poll_t *poll, int status, int events)
{
	const struct listener *listener = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			offer(listener, fd);
			continue;
		}
		/* Out of descriptors it would wake at once for ever: it waits until a channel has gone. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			uv_poll_stop(poll);
		return;
	}
}

void tl_listeners_resume(struct tl_listeners *listeners)
{
	for (struct listener *listener = listeners->list; listener && !listeners->held;
	     listener = listener->next)
		if (listener->fd >= 0 && !uv_is_active((uv_handle_t *)&listener->poll))
			uv_poll_start(&listener->poll, UV_READABLE, on_incoming);
}

void tl_listeners_hold(struct tl_listeners *listeners, bool held)
{
	listeners->held = held;
	for (struct listener *listener = listeners->list; held && listener;
	     listener = listener->next)
		if (listener->fd >= 0)
			uv_poll_stop(&listener->poll);
	tl_listeners_resume(listeners);
}

/* ---- one listener ----------------------------------------------------------------------------- */

static struct listener *listener_new(struct tl_listeners *listeners)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener)
		return NULL;
	listener->owner = listeners;
	listener->fd = -1;
	listener->next = listeners->list;
	listeners->list = listener;
	listeners->count++;
	return listener;
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct listener *listener = handle->data;

	close(listener->fd);
	free(listener);
}

static void listener_free(struct listener *listener)
{
	struct listener **at = &listener->owner->list;

	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	listener->owner->count--;
	tl_errand_free(listener->errand);
	if (listener->fd >= 0)
		uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
	else
		free(listener);
}

static int open_gate(struct listener *listener, struct tl_ipc_message *result, struct tl_err *err)
{
	int fd = tl_steal_fd(&result->fds[0]);

	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 ||
	    uv_poll_init(listener->owner->config.errand.loop, &listener->poll, fd) != 0) {
		close(fd);
		return tl_err_set(err, TL_EIO, "the listening socket cannot be used");
	}
	listener->fd = fd;
	listener->poll.data = listener;
	if (!listener->owner->held)
		uv_poll_start(&listener->poll, UV_READABLE, on_incoming);
	return 0;
}

/* ---- remote forwardings ----------------------------------------------------------------------- */

static void refuse(struct tl_listeners *listeners, struct tl_ssh_listen *request, const char *why)
{
	write_down(listeners, &request->at, why);
	tl_ssh_listen_answer(request, false, 0);
}

static void on_listening(void *arg, struct tl_ipc_message *result, const struct tl_err *err)
{
	struct listener *listener = arg;
	struct tl_ssh_listen *request = tl_steal(&listener->request);
	struct tl_err problem = TL_ERR_INIT;

	if (!result || open_gate(listener, result, &problem) != 0) {
		refuse(listener->owner, request, tl_err_text(result ? &problem : err));
		listener_free(listener);
		return;
	}
	listener->at.port =
		(unsigned)json_integer_value(json_object_get(result->json, "port")) & 0xffff;
	write_down(listener->owner, &listener->at, NULL);
	tl_ssh_listen_answer(request, true, listener->at.port);
}

static void cancel(struct tl_listeners *listeners, struct tl_ssh_listen *request)
{
	struct listener *listener = listeners->list;

	while (listener &&
	       (listener->agent || listener->fd < 0 || listener->at.port != request->at.port ||
		!tl_streq(listener->at.host, request->at.host)))
		listener = listener->next;
	if (listener)
		listener_free(listener);
	tl_ssh_listen_answer(request, listener != NULL, 0);
}

void tl_listeners_ask(struct tl_listeners *listeners, struct tl_ssh_listen *request, bool allowed)
{
	struct listener *listener;
	struct tl_err err = TL_ERR_INIT;

	if (request->cancel) {
		cancel(listeners, request);
		return;
	}
	if (!allowed) {
		refuse(listeners, request, "consent does not cover forwarding");
		return;
	}
	listener = listeners->count < TL_LISTENERS_MAX ? listener_new(listeners) : NULL;
	if (!listener) {
		refuse(listeners, request, "the session listens at too many places");
		return;
	}
	listener->at = request->at;
	listener->request = request;
	if (tl_errand_start(&listeners->config.errand, "listen", request->at.host, request->at.port,
			    on_listening, listener, &listener->errand, &err) != 0) {
		refuse(listeners, request, tl_err_text(&err));
		listener_free(listener);
	}
}

/* ---- the ssh-agent ---------------------------------------------------------------------------- */

static void tell_waiters(struct tl_listeners *listeners, const struct tl_err *err)
{
	const char *path = listeners->agent_path[0] ? listeners->agent_path : NULL;
	size_t count = listeners->waiter_count;
	struct waiter waiters[TL_SSH_CHANNELS_MAX];

	memcpy(waiters, listeners->waiters, sizeof(waiters));
	listeners->waiter_count = 0;
	for (size_t i = 0; i < count; i++)
		if (waiters[i].ready)
			waiters[i].ready(waiters[i].arg, path, err);
}

static void on_agent(void *arg, struct tl_ipc_message *result, const struct tl_err *err)
{
	struct listener *listener = arg;
	struct tl_listeners *listeners = listener->owner;
	const char *path = result ? json_string_value(json_object_get(result->json, "path")) : NULL;
	struct tl_err problem = TL_ERR_INIT;

	if (path && path[0] == '/' && open_gate(listener, result, &problem) == 0) {
		snprintf(listeners->agent_path, sizeof(listeners->agent_path), "%s", path);
		tell_waiters(listeners, NULL);
		return;
	}
	if (result && problem.code == 0)
		tl_err_set(&problem, TL_EPROTO, "towline-forward's answer makes no sense");
	listener_free(listener);
	tell_waiters(listeners, result ? &problem : err);
}

void tl_listeners_need_agent(struct tl_listeners *listeners, tl_listeners_agent *ready, void *arg)
{
	struct listener *listener;
	struct tl_err err = TL_ERR_INIT;

	if (listeners->agent_path[0]) {
		ready(arg, listeners->agent_path, NULL);
		return;
	}
	for (size_t i = 0; i < listeners->waiter_count; i++)
		if (listeners->waiters[i].arg == arg)
			return;
	if (listeners->waiter_count == TL_SSH_CHANNELS_MAX) {
		tl_err_set(&err, TL_EBUSY, "too many programs wait for the ssh-agent");
		ready(arg, NULL, &err);
		return;
	}
	listeners->waiters[listeners->waiter_count++] = (struct waiter){.ready = ready, .arg = arg};
	if (listeners->waiter_count > 1)
		return;
	listener = listener_new(listeners);
	if (!listener)
		tl_err_set(&err, TL_ENOMEM, "out of memory");
	else
		listener->agent = true;
	if (!listener || tl_errand_start(&listeners->config.errand, "agent", NULL, 0, on_agent,
					 listener, &listener->errand, &err) != 0) {
		if (listener)
			listener_free(listener);
		tell_waiters(listeners, &err);
	}
}

void tl_listeners_forget(struct tl_listeners *listeners, const void *arg)
{
	for (size_t i = 0; i < listeners->waiter_count; i++)
		if (listeners->waiters[i].arg == arg)
			listeners->waiters[i].ready = NULL;
}

/* ---- life ------------------------------------------------------------------------------------- */

int tl_listeners_new(const struct tl_forward_config *config, struct tl_listeners **ret_listeners,
		     struct tl_err *err)
{
	struct tl_listeners *listeners = calloc(1, sizeof(*listeners));

	if (!listeners)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	listeners->config = *config;
	*ret_listeners = listeners;
	return 0;
}

void tl_listeners_serve(struct tl_listeners *listeners, struct tl_ssh_server *server)
{
	listeners->server = server;
}

void tl_listeners_free(struct tl_listeners *listeners)
{
	if (!listeners)
		return;
	while (listeners->list)
		listener_free(listeners->list);
	free(listeners);
}
