/* Calling home again while the session goes on: tl_dial on a worker thread. Loop thread only. */
#ifndef TOWLINE_SESSION_REDIAL_H
#define TOWLINE_SESSION_REDIAL_H

#include <uv.h>

#include "session/dial.h"

struct tl_redial;

/* 0: `dialled` is the receiver's; otherwise it is NULL and `err` says why. */
typedef void tl_redial_done(void *arg, int rc, struct tl_dialled *dialled,
			    const struct tl_err *err);

/* Reads `ask` now; `request` is borrowed until the loop has ended. NULL when memory ran out. */
struct tl_redial *tl_redial_start(uv_loop_t *loop, const struct tl_session_request *request,
				  const struct tl_dial_ask *ask, tl_redial_done *on_done,
				  void *arg);
/* on_done is not called any more. NULL is fine. */
void tl_redial_cancel(struct tl_redial *redial);

#endif
