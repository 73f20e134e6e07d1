/* The helper, asked without waiting: a request, and a callback with its answer. Loop thread only. */
#ifndef TOWLINE_SESSION_HELPER_H
#define TOWLINE_SESSION_HELPER_H

#include <towline/ipc.h>
#include <uv.h>

#define TL_SESSION_CALLS_MAX 64

struct tl_session_helper;

/* `result` on success (its descriptors may be taken), else NULL and `err`. Once per call, unless the
 * call was forgotten. */
typedef void tl_session_answer(void *arg, struct tl_ipc_message *result, const struct tl_err *err);

struct tl_session_helper_events {
	void (*lost)(
		void *arg); /* the helper has gone; open calls were answered with TL_EUNREACH */
	void (*ended)(void *arg, const char *reason); /* the helper ends the session */
	/* Others at the session did what `said` says; `held`: why no byte may pass now, or NULL. */
	void (*company)(void *arg, const char *said, const char *held);
};
TL_MUST_CHECK int tl_session_helper_connect(uv_loop_t *loop, const char *path,
					    const struct tl_session_helper_events *events,
					    void *arg, struct tl_session_helper **ret_helper,
					    struct tl_err *err);
/* Takes `args`. An answer always comes later, never from inside. */
TL_MUST_CHECK int tl_session_helper_call(struct tl_session_helper *helper, const char *verb,
					 json_t *args, tl_session_answer *answer, void *arg,
					 struct tl_err *err);
/* Answers for `arg` are dropped from now on (their descriptors closed). */
void tl_session_helper_forget(struct tl_session_helper *helper, const void *arg);
void tl_session_helper_free(struct tl_session_helper *helper);

#endif
