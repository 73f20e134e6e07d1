/* A forwarded channel on the endpoint: the connection behind it, made by towline-forward or come in at one of
 * its listeners, and its part of the recording. Loop thread only. */
#ifndef TOWLINE_SESSION_FORWARD_H
#define TOWLINE_SESSION_FORWARD_H

#include <towline/record.h>

#include "session/errand.h"
#include "ssh/server.h"

struct tl_forward;

struct tl_forward_config {
	struct tl_errand_config errand;
	struct tl_record *record; /* NULL: somebody else records */
	/* The recording broke: the session must end. */
	void (*on_record_failed)(void *arg, const struct tl_err *err);
	void *arg;
};

/* Connects what the client asks for (channel->route, TL_SSH_DIRECT), and answers the channel. */
TL_MUST_CHECK int tl_forward_direct(const struct tl_forward_config *config,
				    struct tl_ssh_server_channel *channel,
				    struct tl_forward **ret_forward, struct tl_err *err);
/* Offers the client a connection that came in; `fd` is taken over, also on failure. The channel's data is
 * the forward. */
TL_MUST_CHECK int tl_forward_incoming(const struct tl_forward_config *config,
				      struct tl_ssh_server *server, int fd,
				      const struct tl_ssh_route *route, struct tl_err *err);
/* The client's answer. */
void tl_forward_opened(struct tl_forward *forward, bool accepted);
bool tl_forward_pump(struct tl_forward *forward);
void tl_forward_free(struct tl_forward *forward);

/* Writes down what was refused, and why; also for what never became a forward. */
void tl_forward_refused(const struct tl_forward_config *config, unsigned channel,
			const struct tl_ssh_route *route, const char *why);

#endif
