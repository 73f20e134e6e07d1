#include "session/redial.h"

#include <stdlib.h>
#include <string.h>
#include <towline/crypto.h>

struct tl_redial {
	uv_work_t work;
	const struct tl_session_request *request;
	struct tl_dial_ask ask;
	char *access_token;
	atomic_bool cancelled;
	struct tl_dialled dialled;
	int rc;
	struct tl_err err;
	tl_redial_done *on_done;
	void *arg;
};

static void redial_free(struct tl_redial *redial)
{
	tl_dialled_clear(&redial->dialled);
	if (redial->access_token)
		tl_wipe(redial->access_token, strlen(redial->access_token));
	tl_wipe(&redial->ask.hello, sizeof(redial->ask.hello));
	free(redial->access_token);
	free(redial);
}

static void work(uv_work_t *handle)
{
	struct tl_redial *redial = tl_container_of(handle, struct tl_redial, work);

	redial->rc = tl_dial(redial->request, &redial->ask, &redial->dialled, &redial->err);
}

static void on_worked(uv_work_t *handle, int status)
{
	struct tl_redial *redial = tl_container_of(handle, struct tl_redial, work);

	if (!atomic_load(&redial->cancelled) && status == 0)
		redial->on_done(redial->arg, redial->rc, redial->rc == 0 ? &redial->dialled : NULL,
				&redial->err);
	redial_free(redial);
}

struct tl_redial *tl_redial_start(uv_loop_t *loop, const struct tl_session_request *request,
				  const struct tl_dial_ask *ask, tl_redial_done *on_done, void *arg)
{
	struct tl_redial *redial = calloc(1, sizeof(*redial));

	if (!redial || !(redial->access_token = strdup(ask->access_token))) {
		free(redial);
		return NULL;
	}
	redial->request = request;
	redial->ask = *ask;
	redial->ask.access_token = redial->access_token;
	redial->ask.cancelled = &redial->cancelled;
	redial->on_done = on_done;
	redial->arg = arg;
	if (uv_queue_work(loop, &redial->work, work, on_worked) != 0) {
		redial_free(redial);
		return NULL;
	}
	return redial;
}

void tl_redial_cancel(struct tl_redial *redial)
{
	if (redial)
		atomic_store(&redial->cancelled, true);
}
