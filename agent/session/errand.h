/* Something that towline-forward does for us (connect, listen, an ssh-agent's socket): asked of the helper,
 * which checks and starts it; the answer comes from towline-forward itself. Loop thread only. */
#ifndef TOWLINE_SESSION_ERRAND_H
#define TOWLINE_SESSION_ERRAND_H

#include "session/helper.h"

#define TL_ERRAND_MS 60000 /* then it has failed */

struct tl_errand;

struct tl_errand_config {
	uv_loop_t *loop;
	struct tl_session_helper *helper;
	const char *session;
};

/* `result` with a descriptor that may be taken, or NULL and `err`. Once, unless freed before. */
typedef void tl_errand_done(void *arg, struct tl_ipc_message *result, const struct tl_err *err);

/* `kind` as session.spawn has it; `host` NULL: none. The answer comes later, never from inside. */
TL_MUST_CHECK int tl_errand_start(const struct tl_errand_config *config, const char *kind,
				  const char *host, unsigned port, tl_errand_done *done, void *arg,
				  struct tl_errand **ret_errand, struct tl_err *err);
/* Ends it: an ssh-agent's socket is removed. NULL is fine. */
void tl_errand_free(struct tl_errand *errand);

#endif
