/* Taking connections: only as many as can be served. The rest waits in the kernel's queue, where it costs
 * nothing and no deadline runs. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <towline/log.h>
#include <unistd.h>

#include "http/conn.h"
#include "http/server.h"

#define ACCEPTS_A_TURN 16
#define PAUSE_MS 10
#define LONG_PAUSE_MS 200 /* when something must end first: a file, a connection */

/* Handshakes that a loop has begun and not finished. One that takes longer than the window is its peer's
 * fault and counts no more, so that nobody stops others from being accepted. */
#define SHAKING_MAX 128
#define SHAKING_WINDOW_MS 1000
/* Requests that wait for a worker, beyond which nobody new is let in. */
#define WAITING_MAX 512

static void on_listener(uv_poll_t *handle, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
	struct tl_loop *loop = timer->data;

	if (!loop->draining)
		uv_poll_start(&loop->listener, UV_READABLE, on_listener);
}

/* A level-triggered listener that is not emptied would spin. */
static void pause_for(struct tl_loop *loop, uint64_t wait_ms)
{
	uv_poll_stop(&loop->listener);
	uv_timer_start(&loop->deadline, on_pause_over, wait_ms, 0);
}

static bool too_many_handshakes(struct tl_loop *loop)
{
	int64_t now_ms = tl_loop_now(loop);

	if (now_ms - loop->shaking_since_ms >= SHAKING_WINDOW_MS) {
		loop->shaking_since_ms = now_ms;
		loop->shaking_window++;
		loop->shaking = 0;
	}
	return loop->shaking >= SHAKING_MAX;
}

/* True when nobody is to be let in now: the listener rests for a while. */
static bool is_full(struct tl_loop *loop)
{
	struct tl_http *http = loop->http;

	if (atomic_load_explicit(&http->connections, memory_order_relaxed) >=
	    http->config.max_connections) {
		if (!loop->full)
			tl_log_warning("new connections wait: there are as many as configured",
				       TL_I("connections", http->config.max_connections));
		loop->full = true;
		pause_for(loop, LONG_PAUSE_MS);
		return true;
	}
	loop->full = false;
	if (!too_many_handshakes(loop) && tl_pool_waiting(http->pool) < WAITING_MAX)
		return false;
	pause_for(loop, PAUSE_MS);
	return true;
}

static bool accept_one(struct tl_loop *loop)
{
	struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof from;
	const int on = 1;
	int fd = accept4(loop->listen_fd, (struct sockaddr *)&from, &len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		struct tl_address peer = tl_address_of((struct sockaddr *)&from);

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		atomic_fetch_add_explicit(&loop->http->accepted, 1, memory_order_relaxed);
		tl_conn_open(loop, fd, &peer);
		return true;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		tl_log_warning("connections are not accepted for a moment", TL_I("errno", errno));
		pause_for(loop, LONG_PAUSE_MS);
		return false;
	}
	return errno == ECONNABORTED || errno == EINTR;
}

static void on_listener(uv_poll_t *handle, int status, int events)
{
	struct tl_loop *loop = handle->data;

	(void)events;
	for (int i = 0; status == 0 && i < ACCEPTS_A_TURN; i++)
		if (is_full(loop) || !accept_one(loop))
			return;
}

int tl_accept_start(struct tl_loop *loop)
{
	int rc = uv_poll_init(&loop->uv, &loop->listener, loop->listen_fd);

	loop->listener.data = loop;
	loop->shaking_since_ms = tl_loop_now(loop);
	return rc ? rc : uv_poll_start(&loop->listener, UV_READABLE, on_listener);
}

void tl_accept_shaking(struct tl_conn *conn)
{
	struct tl_loop *loop = conn->loop;

	if (conn->shaking)
		return;
	conn->shaking = true;
	conn->shaking_window = loop->shaking_window;
	loop->shaking++;
}

void tl_accept_shaken(struct tl_conn *conn)
{
	struct tl_loop *loop = conn->loop;

	if (conn->shaking && conn->shaking_window == loop->shaking_window)
		loop->shaking--;
	conn->shaking = false;
}
