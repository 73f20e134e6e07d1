/* A forwarded channel's bytes to and from a connected stream socket: bounded by the channel's queues and the
 * socket's own, half-closed as either side does, and seen by the owner before they pass. Loop thread only. */
#ifndef TOWLINE_SSH_SPLICE_H
#define TOWLINE_SSH_SPLICE_H

#include <uv.h>

#include "ssh/stream.h"

struct tl_ssh_splice;

/* `inwards`: to the socket. False: the bytes must not pass, and none after them. */
typedef bool tl_ssh_splice_seen(void *arg, bool inwards, const char *bytes, size_t len);

/* `fd` is taken over, also on failure; `stream` is attached and outlives the splice. */
TL_MUST_CHECK int tl_ssh_splice_new(uv_loop_t *loop, int fd, struct tl_ssh_stream *stream,
				    tl_ssh_splice_seen *seen, void *arg,
				    struct tl_ssh_splice **ret_splice, struct tl_err *err);
/* In the link's pump; true when anything moved. Closes the channel when both directions have ended. */
bool tl_ssh_splice_pump(struct tl_ssh_splice *splice);
/* NULL is fine. */
void tl_ssh_splice_free(struct tl_ssh_splice *splice);

#endif
