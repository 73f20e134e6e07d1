#include "core/multi.h"

#include <assert.h>
#include <stdbool.h>

struct tl_multi {
	uv_loop_t *loop;
	CURLM *curl;
	uv_timer_t timer;
	tl_multi_done *on_done;
	void *arg;
	unsigned open_handles; /* the timer and each socket's poll */
	bool closing;
};

struct socket_watch {
	uv_poll_t poll;
	curl_socket_t fd;
	struct tl_multi *multi;
};

static void handle_closed(struct tl_multi *multi)
{
	if (--multi->open_handles == 0)
		free(multi);
}

static void on_watch_closed(uv_handle_t *handle)
{
	struct socket_watch *watch = handle->data;
	struct tl_multi *multi = watch->multi;

	free(watch);
	handle_closed(multi);
}

static void on_timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

static void report_finished(struct tl_multi *multi)
{
	CURLMsg *message;
	int left;

	while (!multi->closing && (message = curl_multi_info_read(multi->curl, &left))) {
		CURL *easy = message->easy_handle;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_multi_remove_handle(multi->curl, easy);
		multi->on_done(multi->arg, easy, code);
	}
}

static void on_socket_ready(uv_poll_t *poll, int status, int events)
{
	struct socket_watch *watch = poll->data;
	struct tl_multi *multi = watch->multi;
	int flags = 0;
	int running;

	if (status < 0)
		flags = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(multi->curl, watch->fd, flags, &running);
	report_finished(multi);
}

static void on_timer(uv_timer_t *timer)
{
	struct tl_multi *multi = timer->data;
	int running;

	curl_multi_socket_action(multi->curl, CURL_SOCKET_TIMEOUT, 0, &running);
	report_finished(multi);
}

static int set_timer(CURLM *curl, long timeout_ms, void *arg)
{
	struct tl_multi *multi = arg;

	(void)curl;
	if (multi->closing)
		return 0;
	if (timeout_ms < 0)
		uv_timer_stop(&multi->timer);
	else
		uv_timer_start(&multi->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static struct socket_watch *watch_new(struct tl_multi *multi, curl_socket_t fd)
{
	struct socket_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->multi = multi;
	watch->fd = fd;
	watch->poll.data = watch;
	if (uv_poll_init_socket(multi->loop, &watch->poll, fd) != 0) {
		free(watch);
		return NULL;
	}
	multi->open_handles++;
	return watch;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct tl_multi *multi = arg;
	struct socket_watch *watch = socket_arg;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watch)
			uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
		curl_multi_assign(multi->curl, fd, NULL);
		return 0;
	}
	if (!watch)
		watch = watch_new(multi, fd);
	if (!watch)
		return -1;
	curl_multi_assign(multi->curl, fd, watch);
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	uv_poll_start(&watch->poll, events, on_socket_ready);
	return 0;
}

int tl_multi_new(uv_loop_t *loop, tl_multi_done *on_done, void *arg, struct tl_multi **ret_multi,
		 struct tl_err *err)
{
	tl_free struct tl_multi *multi = calloc(1, sizeof(*multi));

	if (!multi)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	multi->curl = curl_multi_init();
	if (!multi->curl || uv_timer_init(loop, &multi->timer) != 0) {
		curl_multi_cleanup(multi->curl);
		return tl_err_set(err, TL_ENOMEM, "the HTTP client cannot be set up");
	}
	multi->loop = loop;
	multi->on_done = on_done;
	multi->arg = arg;
	multi->timer.data = multi;
	multi->open_handles = 1;
	curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi);
	curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi);
	/* The push stream and one connection for everything else. */
	curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS, 2L);
	*ret_multi = tl_steal(&multi);
	return 0;
}

int tl_multi_add(struct tl_multi *multi, CURL *easy)
{
	return curl_multi_add_handle(multi->curl, easy) == CURLM_OK ? 0 : TL_ENOMEM;
}

void tl_multi_remove(struct tl_multi *multi, CURL *easy)
{
	curl_multi_remove_handle(multi->curl, easy);
}

void tl_multi_close(struct tl_multi *multi)
{
	if (!multi)
		return;
	assert(!multi->closing);
	multi->closing = true;
	curl_multi_cleanup(multi->curl);
	uv_close((uv_handle_t *)&multi->timer, on_timer_closed);
}
