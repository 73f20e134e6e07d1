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

/* `on_lost` when the helper has gone; open calls are answered with TL_EUNREACH first. `on_ended` when
 * the helper ends the session (event "ended"). */
TL_MUST_CHECK int tl_session_helper_connect(uv_loop_t *loop, const char *path,
					    void (*on_lost)(void *arg),
					    void (*on_ended)(void *arg, const char *reason),
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
