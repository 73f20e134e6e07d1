/* libcurl's multi interface on a libuv loop: sockets by uv_poll, its timer by uv_timer. Loop thread. */
#ifndef TOWLINE_AGENT_MULTI_H
#define TOWLINE_AGENT_MULTI_H

#include <curl/curl.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <uv.h>

struct tl_multi;

/* A transfer has ended; it was removed from the multi handle already. */
typedef void tl_multi_done(void *arg, CURL *easy, CURLcode code);

TL_MUST_CHECK int tl_multi_new(uv_loop_t *loop, tl_multi_done *on_done, void *arg,
			       struct tl_multi **ret_multi, struct tl_err *err);
TL_MUST_CHECK int tl_multi_add(struct tl_multi *multi, CURL *easy);
/* Ends a transfer; on_done is not called for it. */
void tl_multi_remove(struct tl_multi *multi, CURL *easy);
/* Closes idle connections too. All transfers must be removed. Frees once its handles are closed. */
void tl_multi_close(struct tl_multi *multi);

#endif
