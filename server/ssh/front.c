#include "ssh/front.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <towline/log.h>

#include "ssh/front_private.h"

#define CONNECTIONS 4096
#define WAITING 256
#define WAITING_PER_NETWORK 32
#define BACKLOG 128
#define ACCEPTS_MAX 16	   /* in a turn */
#define DEAD_PEER_MS 60000 /* unacknowledged bytes: TCP_USER_TIMEOUT, RFC 5482 */

/* ---- accepting -------------------------------------------------------------------------------- */

static void tune(int fd)
{
	int on = 1;
	unsigned timeout_ms = DEAD_PEER_MS;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

static void address_text(const struct sockaddr_storage *from, char text[static TL_ADDRESS_TEXT])
{
	if (getnameinfo((const struct sockaddr *)from, sizeof(*from), text, TL_ADDRESS_TEXT, NULL,
			0, NI_NUMERICHOST) != 0)
		snprintf(text, TL_ADDRESS_TEXT, "unknown");
	if (strncmp(text, "::ffff:", 7) == 0)
		memmove(text, text + 7, strlen(text + 7) + 1);
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
	struct tl_ssh_front *front = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		struct sockaddr_storage from = {0};
		socklen_t len = sizeof(from);
		char address[TL_ADDRESS_TEXT];
		int fd = accept4(front->listen_fd, (struct sockaddr *)&from, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		address_text(&from, address);
		if (!tl_door_admit(front, fd, address)) {
			close(fd);
			continue;
		}
		tune(fd);
		tl_guest_new(front, fd, address);
	}
}

static int split_listen(const char *listen, char host[static 128], char port[static 16])
{
	const char *colon = strrchr(listen, ':');
	size_t len = colon ? (size_t)(colon - listen) : 0;

	if (!colon || len >= 128 || strlen(colon + 1) >= 16)
		return TL_EINVAL;
	if (listen[0] == '[' && len > 2 && listen[len - 1] == ']') {
		listen++;
		len -= 2;
	}
	memcpy(host, listen, len);
	host[len] = '\0';
	strcpy(port, colon + 1);
	return 0;
}

static int bind_to(const struct addrinfo *info)
{
	int on = 1, off = 0;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (info->ai_family == AF_INET6) /* "[::]" serves IPv4 too */
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	close(fd);
	return -1;
}

static int open_listener(const char *listen, int *ret_fd, struct tl_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *list = NULL;
	char host[128], port[16];
	int fd = -1, saved = EINVAL;

	if (!listen || split_listen(listen, host, port) != 0 ||
	    getaddrinfo(host[0] ? host : NULL, port, &hints, &list) != 0)
		return tl_err_set(err, TL_ECONFIG, "ssh_listen \"%s\" is no ADDRESS:PORT",
				  listen ? listen : "");
	for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
		fd = bind_to(at);
		saved = errno;
	}
	freeaddrinfo(list);
	if (fd < 0)
		return tl_err_sys(err, TL_EIO, saved, "SSH cannot listen on %s", listen);
	*ret_fd = fd;
	return 0;
}

static unsigned port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at = {0};
	socklen_t len = sizeof(at);

	if (getsockname(fd, &at.any, &len) != 0)
		return 0;
	return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

/* ---- letters and the end ---------------------------------------------------------------------- */

void tl_front_post(struct tl_ssh_front *front, struct tl_letter *letter)
{
	letter->next = NULL;
	pthread_mutex_lock(&front->lock);
	*front->letters_end = letter;
	front->letters_end = &letter->next;
	pthread_mutex_unlock(&front->lock);
	uv_async_send(&front->wake);
}

void tl_front_settle(struct tl_ssh_front *front)
{
	if (!front->stopping || front->handles_closed || front->guests ||
	    front->terminal_count > 0 || front->jobs > 0 || front->visits > 0)
		return;
	front->handles_closed = true;
	uv_close((uv_handle_t *)&front->wake, NULL);
	uv_close((uv_handle_t *)&front->accept, NULL);
	uv_close((uv_handle_t *)&front->drain, NULL);
}

static void close_guests(struct tl_ssh_front *front)
{
	struct tl_guest *guest, *next;

	for (guest = front->guests; guest; guest = next) {
		next = guest->next;
		tl_ssh_server_close(guest->server, "the relay is stopping");
	}
	tl_terminals_end(front);
}

static void on_drained(uv_timer_t *timer)
{
	close_guests(timer->data);
}

/* Idle connections go at once, running ones get their time. */
static void begin_stop(struct tl_ssh_front *front, int64_t drain_ms)
{
	struct tl_guest *guest;

	if (front->stopping)
		return;
	front->stopping = true;
	uv_poll_stop(&front->accept);
	for (guest = front->guests; guest; guest = guest->next) {
		struct tl_ssh_server_channel *channel = tl_ssh_server_channels(guest->server);

		if (!channel)
			tl_ssh_server_close(guest->server, "the relay is stopping");
		for (; channel; channel = channel->next)
			if (!channel->forward)
				tl_ssh_channel_say(channel, "the relay is stopping: please end");
	}
	uv_timer_start(&front->drain, on_drained, (uint64_t)drain_ms, 0);
	tl_front_settle(front);
}

static void on_wake(uv_async_t *wake)
{
	struct tl_ssh_front *front = wake->data;
	struct tl_letter *letter, *next;
	int64_t drain_ms;

	pthread_mutex_lock(&front->lock);
	drain_ms = front->drain_ms;
	pthread_mutex_unlock(&front->lock);
	/* Before the letters are taken: none about a terminal comes later. */
	if (drain_ms > 0 && !front->stopping)
		tl_terminals_stop_taking(front);
	pthread_mutex_lock(&front->lock);
	letter = front->letters;
	front->letters = NULL;
	front->letters_end = &front->letters;
	pthread_mutex_unlock(&front->lock);
	for (; letter; letter = next) {
		next = letter->next;
		letter->read(letter);
	}
	if (drain_ms > 0)
		begin_stop(front, drain_ms);
}

static void run_loop(void *arg)
{
	struct tl_ssh_front *front = arg;

	uv_run(&front->loop, UV_RUN_DEFAULT);
}

/* ---- life ------------------------------------------------------------------------------------- */

static void front_free(struct tl_ssh_front *front)
{
	tl_front_close_workers(front);
	if (front->listen_fd >= 0)
		close(front->listen_fd);
	tl_key_free(front->own_host_key);
	tl_throttle_free(front->failures);
	pthread_mutex_destroy(&front->lock);
	free(front);
}

static unsigned or_default(unsigned value, unsigned otherwise)
{
	return value ? value : otherwise;
}

static int prepare(struct tl_ssh_front *front, struct tl_desk *desk,
		   const struct tl_ssh_front_config *config, struct tl_err *err)
{
	int rc = 0;

	if (config->office)
		front->office = *config->office;
	else
		tl_office_of_desk(desk, &front->office);
	front->limits = (struct tl_door_limits){
		.connections = or_default(config->limits.connections, CONNECTIONS),
		.waiting = or_default(config->limits.waiting, WAITING),
		.waiting_per_network =
			or_default(config->limits.waiting_per_network, WAITING_PER_NETWORK),
		.grace_ms =
			config->limits.grace_ms ? config->limits.grace_ms : TL_SSH_LOGIN_GRACE_MS,
	};
	front->failures = tl_throttle_new(front->office.clock);
	if (!front->failures)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	front->host_key = config->host_key;
	if (!front->host_key) {
		rc = tl_key_load(AT_FDCWD, config->host_key_file, &front->own_host_key, err);
		front->host_key = front->own_host_key;
	}
	if (rc == 0 && config->listen_fd >= 0)
		front->listen_fd = config->listen_fd;
	else if (rc == 0)
		rc = open_listener(config->listen, &front->listen_fd, err);
	if (rc == 0 &&
	    fcntl(front->listen_fd, F_SETFL, fcntl(front->listen_fd, F_GETFL) | O_NONBLOCK) != 0)
		rc = tl_err_sys(err, TL_EIO, errno, "the SSH listener");
	front->port = rc == 0 ? port_of(front->listen_fd) : 0;
	return rc;
}

static int start_loop(struct tl_ssh_front *front, struct tl_err *err)
{
	if (uv_loop_init(&front->loop) != 0)
		return tl_err_set(err, TL_EIO, "no event loop for SSH");
	uv_async_init(&front->loop, &front->wake, on_wake);
	uv_timer_init(&front->loop, &front->drain);
	uv_poll_init(&front->loop, &front->accept, front->listen_fd);
	front->wake.data = front->drain.data = front->accept.data = front;
	uv_poll_start(&front->accept, UV_READABLE, on_accept);
	if (uv_thread_create(&front->thread, run_loop, front) == 0) {
		tl_terminals_open(front);
		return 0;
	}
	front->stopping = true;
	tl_front_settle(front);
	uv_run(&front->loop, UV_RUN_DEFAULT);
	uv_loop_close(&front->loop);
	return tl_err_set(err, TL_EIO, "no thread for SSH");
}

int tl_ssh_front_start(struct tl_desk *desk, const struct tl_ssh_front_config *config,
		       struct tl_ssh_front **ret_front, struct tl_err *err)
{
	struct tl_ssh_front *front = calloc(1, sizeof(*front));
	int rc;

	if (!front)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	front->listen_fd = -1;
	front->letters_end = &front->letters;
	pthread_mutex_init(&front->lock, NULL);
	(void)ssh_init();
	rc = prepare(front, desk, config, err);
	if (rc == 0)
		rc = start_loop(front, err);
	if (rc != 0) {
		front_free(front);
		return rc;
	}
	*ret_front = front;
	return 0;
}

unsigned tl_ssh_front_port(const struct tl_ssh_front *front)
{
	return front->port;
}

void tl_ssh_front_stop(struct tl_ssh_front *front, int64_t drain_ms)
{
	if (!front)
		return;
	pthread_mutex_lock(&front->lock);
	front->drain_ms = drain_ms > 0 ? drain_ms : 1;
	pthread_mutex_unlock(&front->lock);
	uv_async_send(&front->wake);
	uv_thread_join(&front->thread);
	uv_loop_close(&front->loop);
	front_free(front);
}
