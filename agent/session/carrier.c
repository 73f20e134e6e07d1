#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "session/dial.h"

#define QUEUE_MAX (256 * 1024)
#define CHUNK_MAX (64 * 1024)
#define ROUNDS_MAX 16

struct tl_carrier {
	CURL *curl;
	int fd;
	uv_poll_t relay, local;
	uv_timer_t again; /* bytes may wait inside TLS, where poll does not see them */
	int handles;
	struct tl_buf to_relay, to_local;
	bool ended, freed;
	void (*on_end)(void *arg);
	void *arg;
};

static void pump(struct tl_carrier *carrier);
static bool to_local(struct tl_carrier *carrier);

static void end(struct tl_carrier *carrier)
{
	if (carrier->ended)
		return;
	carrier->ended = true;
	uv_poll_stop(&carrier->relay);
	uv_poll_stop(&carrier->local);
	(void)to_local(carrier);
	/* The SSH side reads what it has, then the end. */
	(void)shutdown(carrier->fd, SHUT_RDWR);
	if (!carrier->freed)
		carrier->on_end(carrier->arg);
}

/* Each of the four moves returns true when it moved something. */

static bool from_relay(struct tl_carrier *carrier)
{
	size_t room = QUEUE_MAX - carrier->to_local.len;
	char *to = room > 0
			   ? tl_buf_reserve(&carrier->to_local, room < CHUNK_MAX ? room : CHUNK_MAX)
			   : NULL;
	size_t got = 0;
	CURLcode code;

	if (!to)
		return false;
	code = curl_easy_recv(carrier->curl, to, room < CHUNK_MAX ? room : CHUNK_MAX, &got);
	if (code == CURLE_AGAIN)
		return false;
	if (code != CURLE_OK || got == 0) {
		end(carrier);
		return false;
	}
	tl_buf_commit(&carrier->to_local, got);
	return true;
}

static bool to_relay(struct tl_carrier *carrier)
{
	size_t sent = 0;
	CURLcode code;

	if (carrier->to_relay.len == 0)
		return false;
	code = curl_easy_send(carrier->curl, carrier->to_relay.data, carrier->to_relay.len, &sent);
	if (code != CURLE_OK && code != CURLE_AGAIN)
		end(carrier);
	tl_buf_consume(&carrier->to_relay, sent);
	return sent > 0;
}

static bool from_local(struct tl_carrier *carrier)
{
	size_t room = QUEUE_MAX - carrier->to_relay.len;
	size_t want = room < CHUNK_MAX ? room : CHUNK_MAX;
	char *to = room > 0 ? tl_buf_reserve(&carrier->to_relay, want) : NULL;
	ssize_t got;

	if (!to)
		return false;
	got = read(carrier->fd, to, want);
	if (got > 0) {
		tl_buf_commit(&carrier->to_relay, (size_t)got);
		return true;
	}
	if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		while (to_relay(carrier)) /* the goodbye */
			;
		end(carrier);
	}
	return false;
}

static bool to_local(struct tl_carrier *carrier)
{
	ssize_t done;

	if (carrier->to_local.len == 0)
		return false;
	done = write(carrier->fd, carrier->to_local.data, carrier->to_local.len);
	if (done > 0) {
		tl_buf_consume(&carrier->to_local, (size_t)done);
		return true;
	}
	if (done < 0 && errno != EAGAIN && errno != EINTR)
		end(carrier);
	return false;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	pump(poll->data);
}

static void on_again(uv_timer_t *timer)
{
	pump(timer->data);
}

static void watch(uv_poll_t *poll, bool read, bool write)
{
	int events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);

	if (events)
		uv_poll_start(poll, events, on_event);
	else
		uv_poll_stop(poll);
}

static void pump(struct tl_carrier *carrier)
{
	bool moved = true;

	for (int i = 0; i < ROUNDS_MAX && moved && !carrier->ended; i++) {
		moved = from_relay(carrier);
		moved |= !carrier->ended && to_local(carrier);
		moved |= !carrier->ended && from_local(carrier);
		moved |= !carrier->ended && to_relay(carrier);
	}
	if (carrier->ended)
		return;
	watch(&carrier->relay, carrier->to_local.len<QUEUE_MAX, carrier->to_relay.len> 0);
	watch(&carrier->local, carrier->to_relay.len<QUEUE_MAX, carrier->to_local.len> 0);
	if (moved)
		uv_timer_start(&carrier->again, on_again, 0, 0);
}

static void on_closed(uv_handle_t *handle)
{
	struct tl_carrier *carrier = handle->data;

	if (--carrier->handles > 0)
		return;
	curl_easy_cleanup(carrier->curl);
	close(carrier->fd);
	tl_buf_clear(&carrier->to_relay);
	tl_buf_clear(&carrier->to_local);
	free(carrier);
}

void tl_carrier_free(struct tl_carrier *carrier)
{
	if (!carrier || carrier->freed)
		return;
	carrier->freed = true;
	if (!carrier->ended)
		pump(carrier);
	end(carrier);
	uv_close((uv_handle_t *)&carrier->relay, on_closed);
	uv_close((uv_handle_t *)&carrier->local, on_closed);
	uv_close((uv_handle_t *)&carrier->again, on_closed);
}

int tl_carrier_start(uv_loop_t *loop, CURL *curl, int fd, const struct tl_buf *rest,
		     void (*on_end)(void *arg), void *arg, struct tl_carrier **ret_carrier,
		     struct tl_err *err)
{
	struct tl_carrier *carrier = calloc(1, sizeof(*carrier));
	curl_socket_t relay_fd = CURL_SOCKET_BAD;

	curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &relay_fd);
	if (!carrier || relay_fd < 0 || uv_poll_init(loop, &carrier->relay, relay_fd) != 0) {
		close(fd);
		curl_easy_cleanup(curl);
		free(carrier);
		return tl_err_set(err, TL_EUNREACH, "the call to the relay broke");
	}
	/* A fresh descriptor of ours cannot be watched already. */
	uv_poll_init(loop, &carrier->local, fd);
	uv_timer_init(loop, &carrier->again);
	carrier->relay.data = carrier->local.data = carrier->again.data = carrier;
	carrier->handles = 3;
	carrier->curl = curl;
	carrier->fd = fd;
	carrier->on_end = on_end;
	carrier->arg = arg;
	tl_buf_init(&carrier->to_relay, QUEUE_MAX);
	tl_buf_init(&carrier->to_local, QUEUE_MAX);
	tl_buf_append(&carrier->to_local, rest->data, rest->len);
	uv_timer_start(&carrier->again, on_again, 0, 0);
	*ret_carrier = carrier;
	return 0;
}
