/* The agent's line to its helper: calls that never block, and the helper's events. Reconnects by itself;
 * a call while nobody listens fails at once. Loop thread only. */
#ifndef TOWLINE_AGENT_LINK_H
#define TOWLINE_AGENT_LINK_H

#include <towline/ipc.h>
#include <uv.h>

struct tl_link;

#define TL_LINK_CALLS_MAX 32

struct tl_link_options {
	uv_loop_t *loop;
	const char *path;	/* helper.sock */
	const json_t *identity; /* shown to the helper by `hello`; borrowed */
	void (*on_event)(void *arg, const char *event, const json_t *args);
	void (*on_lost)(void *arg); /* the helper has gone, and with it every session */
	void *arg;
};

TL_MUST_CHECK int tl_link_new(const struct tl_link_options *options, struct tl_link **ret_link,
			      struct tl_err *err);

/* Exactly one of result and err is set; both are borrowed. */
typedef void tl_link_done(void *arg, const json_t *result, const struct tl_err *err);

/* `args` is stolen, descriptors are borrowed. on_done may be called before this returns. */
void tl_link_call(struct tl_link *link, const char *verb, json_t *args, const int *fds,
		  size_t fd_count, tl_link_done *on_done, void *arg);
/* Forgets the calls made with `arg`. */
void tl_link_cancel(struct tl_link *link, const void *arg);
bool tl_link_is_up(const struct tl_link *link);
/* True when the helper runs under another account than the agent: only then does it keep the agent,
 * should that be compromised, from what policy and consent forbid. */
bool tl_link_is_split(const struct tl_link *link);
/* Calls under way are forgotten. */
void tl_link_close(struct tl_link *link);

#endif
