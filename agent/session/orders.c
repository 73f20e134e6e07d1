#include "session/orders.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int tl_orders_request(int fd, struct tl_session_request *ret_request, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_SECRET_INIT(TL_SESSION_REQUEST_MAX);

	for (;;) {
		char byte;
		ssize_t got = read(fd, &byte, 1); /* what follows the line is an order */

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return tl_err_set(err, TL_EUSAGE,
					  "no request on standard input; this program is started "
					  "by towline-agent");
		if (byte == '\n')
			break;
		tl_buf_putc(&line, byte);
		if (tl_buf_check(&line) != 0)
			return tl_err_set(err, TL_ETOOBIG, "the request is too long");
	}
	return tl_session_request_parse(tl_buf_str(&line), line.len, ret_request, err);
}

struct tl_orders {
	uv_poll_t poll;
	int fd;
	struct tl_buf line;
	const struct tl_orders_events *events;
	void *arg;
};

static void obey(struct tl_orders *orders, const char *text, size_t len)
{
	tl_json *order = NULL;
	const char *token, *stop;

	if (tl_json_parse(text, len, &order, NULL) != 0)
		return;
	token = json_string_value(json_object_get(order, "access_token"));
	stop = json_string_value(json_object_get(order, "stop"));
	if (token)
		orders->events->token(orders->arg, token);
	if (stop)
		orders->events->stop(orders->arg, stop);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct tl_orders *orders = poll->data;
	char bytes[4096];
	ssize_t got = read(orders->fd, bytes, sizeof(bytes));
	char *end;

	(void)status;
	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0)
		tl_buf_append(&orders->line, bytes, (size_t)got);
	if (got <= 0 || tl_buf_check(&orders->line) != 0) {
		uv_poll_stop(poll);
		orders->events->stop(orders->arg, "the agent stopped");
		return;
	}
	while (orders->line.len > 0 && (end = memchr(orders->line.data, '\n', orders->line.len))) {
		obey(orders, orders->line.data, (size_t)(end - orders->line.data));
		tl_buf_consume(&orders->line, (size_t)(end - orders->line.data) + 1);
	}
}

int tl_orders_watch(uv_loop_t *loop, int fd, const struct tl_orders_events *events, void *arg,
		    struct tl_orders **ret_orders, struct tl_err *err)
{
	struct tl_orders *orders = calloc(1, sizeof(*orders));

	if (!orders)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 ||
	    uv_poll_init(loop, &orders->poll, fd) != 0) {
		free(orders);
		return tl_err_set(err, TL_EUSAGE, "standard input must be a pipe");
	}
	orders->poll.data = orders;
	orders->fd = fd;
	orders->line = (struct tl_buf)TL_BUF_SECRET_INIT(TL_SESSION_REQUEST_MAX);
	orders->events = events;
	orders->arg = arg;
	uv_poll_start(&orders->poll, UV_READABLE, on_readable);
	*ret_orders = orders;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct tl_orders *orders = handle->data;

	tl_buf_clear(&orders->line);
	free(orders);
}

void tl_orders_free(struct tl_orders *orders)
{
	if (orders)
		uv_close((uv_handle_t *)&orders->poll, on_closed);
}
