/* One program or forwarded connection in the bastion lane: the engineer's channel on one side, the endpoint's on the other,
 * the recording between them. Loop thread only. */
#ifndef TOWLINE_SERVER_SSH_PROXY_H
#define TOWLINE_SERVER_SSH_PROXY_H

#include <towline/record.h>

#include "ssh/server.h"

struct tl_proxy;

/* `channel` NULL: tl_proxy_take names it. */
struct tl_proxy *tl_proxy_new(struct tl_ssh_server_channel *channel);
/* The endpoint is there: opens its side. */
void tl_proxy_connect(struct tl_proxy *proxy, struct tl_ssh_link *upstream,
		      struct tl_record *record);
/* A channel that the endpoint asks for by `message` (taken over), once the engineer's client, which was asked for
 * `channel`, has answered. */
void tl_proxy_take(struct tl_proxy *proxy, struct tl_ssh_server_channel *channel,
		   struct tl_ssh_link *upstream, struct tl_record *record, ssh_message message);
void tl_proxy_opened(struct tl_proxy *proxy, bool accepted);
/* Either returns true when something moved, or a negative TL_E* when the recording failed. */
int tl_proxy_pump_upstream(struct tl_proxy *proxy, struct tl_err *err);
int tl_proxy_pump_engineer(struct tl_proxy *proxy, struct tl_err *err);
void tl_proxy_resize(struct tl_proxy *proxy);
void tl_proxy_signal(struct tl_proxy *proxy, const char *name);
/* `who` types instead of the engineer, whose input is dropped; NULL: the engineer again. Both ends are told,
 * and the recording. A negative TL_E* when that failed. */
TL_MUST_CHECK int tl_proxy_typist(struct tl_proxy *proxy, const char *who, struct tl_err *err);
/* What that one types: dropped when nobody has taken over, or more waits than fits. */
void tl_proxy_type(struct tl_proxy *proxy, const void *bytes, size_t len);
/* The endpoint's side is gone. */
void tl_proxy_lose(struct tl_proxy *proxy, const char *sentence);
/* Ends its part of the recording. */
int tl_proxy_record_end(struct tl_proxy *proxy, struct tl_err *err);
void tl_proxy_free(struct tl_proxy *proxy);

#endif
