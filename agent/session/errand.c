#include "session/errand.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct tl_errand {
	struct tl_errand_config config;
	tl_errand_done *done; /* NULL: told, or nobody wants to know */
	void *arg;
	uv_poll_t poll;
	uv_timer_t limit;
	int fd; /* to towline-forward; -1: not yet */
	unsigned handles;
};

static void tell(struct tl_errand *errand, struct tl_ipc_message *result, const struct tl_err *err)
{
	tl_errand_done *done = errand->done;

	errand->done = NULL;
	uv_timer_stop(&errand->limit);
	if (done)
		done(errand->arg, result, err);
}

static void on_limit(uv_timer_t *timer)
{
	struct tl_err err = TL_ERR_INIT;

	tl_err_set(&err, TL_ETIMEOUT, "the endpoint took too long to forward");
	tell(timer->data, NULL, &err);
}

static void on_answer(uv_poll_t *poll, int status, int events)
{
	struct tl_errand *errand = poll->data;
	tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;
	const char *problem;
	int rc = tl_ipc_receive(errand->fd, &message, &err);

	(void)status;
	(void)events;
	if (rc == TL_EBUSY)
		return;
	uv_poll_stop(poll); /* it speaks once */
	problem = rc == 0 ? json_string_value(json_object_get(message.json, "error")) : NULL;
	if (problem)
		rc = tl_err_set(&err, TL_EDENIED, "%s", problem);
	else if (rc == 0 && message.fd_count != 1)
		rc = tl_err_set(&err, TL_EPROTO, "towline-forward's answer makes no sense");
	else if (rc != 0)
		rc = tl_err_set(&err, TL_EUNREACH, "towline-forward ended without an answer");
	tell(errand, rc == 0 ? &message : NULL, rc == 0 ? NULL : &err);
}

static int listen_to(struct tl_errand *errand, struct tl_ipc_message *result, struct tl_err *err)
{
	if (result->fd_count != 1)
		return tl_err_set(err, TL_EPROTO, "the helper's answer makes no sense");
	errand->fd = tl_steal_fd(&result->fds[0]);
	if (fcntl(errand->fd, F_SETFL, fcntl(errand->fd, F_GETFL) | O_NONBLOCK) != 0 ||
	    uv_poll_init(errand->config.loop, &errand->poll, errand->fd) != 0) {
		close(tl_steal_fd(&errand->fd));
		return tl_err_set(err, TL_EIO, "the helper's answer cannot be used");
	}
	errand->poll.data = errand;
	errand->handles++;
	uv_poll_start(&errand->poll, UV_READABLE, on_answer);
	return 0;
}

static void on_ignored(void *arg, struct tl_ipc_message *result, const struct tl_err *err)
{
	(void)arg;
	(void)result;
	(void)err;
}

/* So that the helper need not remember it when it has ended. */
static void ask_for_end(const struct tl_errand *errand, const json_t *process)
{
	json_t *args = json_pack("{s:s,s:O}", "session", errand->config.session, "process",
				 (json_t *)(uintptr_t)process);

	if (tl_session_helper_call(errand->config.helper, "session.wait", args, on_ignored, NULL,
				   NULL) != 0)
		return; /* the helper remembers it until the session's end */
}

static void on_started(void *arg, struct tl_ipc_message *result, const struct tl_err *err)
{
	struct tl_errand *errand = arg;
	struct tl_err problem = TL_ERR_INIT;
	int rc = result ? listen_to(errand, result, &problem) : 0;

	if (!result || rc != 0)
		tell(errand, NULL, result ? &problem : err);
	else
		ask_for_end(errand, json_object_get(result->json, "process"));
}

int tl_errand_start(const struct tl_errand_config *config, const char *kind, const char *host,
		    unsigned port, tl_errand_done *done, void *arg, struct tl_errand **ret_errand,
		    struct tl_err *err)
{
	struct tl_errand *errand = calloc(1, sizeof(*errand));
	json_t *args = json_pack("{s:s,s:s}", "session", config->session, "kind", kind);
	int rc;

	if (!errand || !args ||
	    (host && (json_object_set_new(args, "host", json_string(host)) != 0 ||
		      json_object_set_new(args, "port", json_integer(port)) != 0))) {
		json_decref(args);
		free(errand);
		return tl_err_set(err, TL_EINVAL, "a host's name is no text");
	}
	errand->config = *config;
	errand->done = done;
	errand->arg = arg;
	errand->fd = -1;
	rc = tl_session_helper_call(config->helper, "session.spawn", args, on_started, errand, err);
	if (rc != 0) {
		free(errand);
		return rc;
	}
	uv_timer_init(config->loop, &errand->limit);
	errand->limit.data = errand;
	errand->handles = 1;
	uv_timer_start(&errand->limit, on_limit, TL_ERRAND_MS, 0);
	*ret_errand = errand;
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct tl_errand *errand = handle->data;

	if (--errand->handles > 0)
		return;
	if (errand->fd >= 0)
		close(errand->fd);
	free(errand);
}

void tl_errand_free(struct tl_errand *errand)
{
	if (!errand)
		return;
	errand->done = NULL;
	tl_session_helper_forget(errand->config.helper, errand);
	uv_close((uv_handle_t *)&errand->limit, on_handle_closed);
	if (errand->fd >= 0)
		uv_close((uv_handle_t *)&errand->poll, on_handle_closed);
}
