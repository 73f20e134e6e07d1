/* One collection: towline-collect as a child, with a time limit; its result answers collect.run. */
#ifndef TOWLINE_HELPER_COLLECT_H
#define TOWLINE_HELPER_COLLECT_H

#include "core/service.h"

struct tl_helper;
struct tl_collection;

/* Starts; answers `ask` when the collector has ended. TL_EBUSY while another one runs. */
TL_MUST_CHECK int tl_collection_start(struct tl_helper *helper, struct tl_ask *ask,
				      struct tl_err *err);
/* The collector's process. */
pid_t tl_collection_pid(const struct tl_collection *collection);
/* After SIGCHLD. */
void tl_collection_reap(struct tl_collection *collection);
/* Ends the collector; the request is answered with `reason`. NULL is allowed. */
void tl_collection_stop(struct tl_collection *collection, const char *reason);
/* The connection has gone: nobody waits for the result. */
void tl_collection_conn_gone(struct tl_collection *collection, const struct tl_conn *conn);

#endif
