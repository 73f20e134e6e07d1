/* A connection of framed messages (include/towline/ipc.h) on the event loop.
 *
 * What the peer does not take at once waits in a queue of at most TL_CHANNEL_QUEUE_MAX packets; a peer
 * that lets it run over is cut off. Loop thread only. */
#ifndef TOWLINE_AGENT_CHANNEL_H
#define TOWLINE_AGENT_CHANNEL_H

#include <towline/ipc.h>
#include <uv.h>

#define TL_CHANNEL_QUEUE_MAX 64

struct tl_channel;

struct tl_channel_events {
	/* A packet; what the callee does not take from it is released afterwards. */
	void (*on_message)(void *arg, struct tl_channel *channel, struct tl_ipc_message *message);
	/* The peer has gone, or broke the framing. Not called after tl_channel_close. Called once;
	 * the channel closes itself afterwards. */
	void (*on_gone)(void *arg, struct tl_channel *channel);
};

/* Takes `fd` over, also on failure. */
TL_MUST_CHECK int tl_channel_new(uv_loop_t *loop, int fd, const struct tl_channel_events *events,
				 void *arg, struct tl_channel **ret_channel, struct tl_err *err);

/* Sends or queues; `json` and `fds` are borrowed (descriptors are duplicated when queued). TL_EBUSY
 * when the queue is full or the channel closes. */
TL_MUST_CHECK int tl_channel_send(struct tl_channel *channel, const json_t *json, const int *fds,
				  size_t fd_count, struct tl_err *err);

/* Sends what the peer takes at once of what is queued, and closes; no callback comes any more. */
void tl_channel_close(struct tl_channel *channel);

#endif
