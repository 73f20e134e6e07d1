/* Where a session listens on the endpoint: for the engineer's remote forwardings (ssh -R) and for programs that
 * use the engineer's ssh-agent (ssh -A). Loop thread only. */
#ifndef TOWLINE_SESSION_LISTENER_H
#define TOWLINE_SESSION_LISTENER_H

#include "session/forward.h"

#define TL_LISTENERS_MAX 32

struct tl_listeners;

TL_MUST_CHECK int tl_listeners_new(const struct tl_forward_config *config,
				   struct tl_listeners **ret_listeners, struct tl_err *err);
/* The server that connections are offered to; after it was made, before anything else. */
void tl_listeners_serve(struct tl_listeners *listeners, struct tl_ssh_server *server);
/* The client wants to listen, or no more: answers it. `allowed`: consent covers it. */
void tl_listeners_ask(struct tl_listeners *listeners, struct tl_ssh_listen *request, bool allowed);
/* A path for SSH_AUTH_SOCK, made at the first call: `ready` comes later, with NULL when there is none. */
typedef void tl_listeners_agent(void *arg, const char *path, const struct tl_err *err);
void tl_listeners_need_agent(struct tl_listeners *listeners, tl_listeners_agent *ready, void *arg);
/* `ready` for `arg` will not be called any more. */
void tl_listeners_forget(struct tl_listeners *listeners, const void *arg);
/* While a session is held nobody comes in. */
void tl_listeners_hold(struct tl_listeners *listeners, bool held);
/* A channel has gone: who waits outside may come in. */
void tl_listeners_resume(struct tl_listeners *listeners);
void tl_listeners_free(struct tl_listeners *listeners);

#endif
