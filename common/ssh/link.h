/* One libssh session on a libuv loop.
 *
 * Each session has its own ssh_event; its descriptor (a duplicate: libssh closes its own when it
 * likes) is watched by a uv_poll. A *turn* runs when there is something to do: packets are handled
 * until libssh has none, then queued messages are delivered, then the owner's pump moves bytes, and
 * again while anything moved. All callbacks happen inside a turn, none inside libssh's own callbacks,
 * so that an owner may call any function from any of them. Loop thread only. */
#ifndef TOWLINE_SSH_LINK_H
#define TOWLINE_SSH_LINK_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stdint.h>
#include <towline/crypto.h>
#include <towline/err.h>
#include <uv.h>

#include "ssh/presence.h"

#define TL_SSH_KEEPALIVE_MS 30000      /* a quiet peer is asked */
#define TL_SSH_DEAD_MS 90000	       /* and given up after this long without a byte */
#define TL_SSH_UNSENT_MAX (256 * 1024) /* bytes that may wait in libssh's own buffer */
#define TL_SSH_WIDE_MAX 4	       /* channels */
#define TL_SSH_LINGER_MS 3000	       /* how long a closing link may take to flush */

struct tl_ssh_link;

struct tl_ssh_link_handlers {
	/* Keys are exchanged: a server awaits authentication, a client may begin it. */
	void (*ready)(void *arg);
	/* A message to answer. True: taken over, to be freed with ssh_message_free. */
	bool (*message)(void *arg, ssh_message message);
	/* Moves what can be moved; true when anything did (there will be another round). */
	bool (*pump)(void *arg);
	/* The link is dead, for a reason in one sentence; free it. Called once, unless freed before. */
	void (*closed)(void *arg, const char *reason);
};

/* `session` was made by ssh/algorithms.h upon `fd`; both are taken over, also on failure. */
TL_MUST_CHECK int tl_ssh_link_new(uv_loop_t *loop, ssh_session session, int fd, bool server,
				  const struct tl_ssh_link_handlers *handlers, void *arg,
				  struct tl_ssh_link **ret_link, struct tl_err *err);
/* What was seen of security keys on it. */
const struct tl_ssh_presence *tl_ssh_link_presence(const struct tl_ssh_link *link);
ssh_session tl_ssh_link_session(const struct tl_ssh_link *link);

/* Something outside changed (bytes to send, a verdict): a turn will run soon. */
void tl_ssh_link_kick(struct tl_ssh_link *link);
/* While held, nothing is read from the peer. */
void tl_ssh_link_hold(struct tl_ssh_link *link, bool held);
/* The link dies with `reason` unless this is called again (0: no deadline) within `ms`. */
void tl_ssh_link_deadline(struct tl_ssh_link *link, int64_t ms, const char *reason);
/* How many bytes may be given to libssh now without growing its buffer beyond TL_SSH_UNSENT_MAX. */
size_t tl_ssh_link_room(const struct tl_ssh_link *link);
void tl_ssh_link_sent(struct tl_ssh_link *link, size_t len);
/* Notes that something happened inside a libssh callback, so that the turn goes round again. */
void tl_ssh_link_touch(struct tl_ssh_link *link);
/* The shortest time from bytes of ours to the next ones of the peer's during the login, which is questions
 * and answers. 0: unknown. */
uint64_t tl_ssh_link_round_trip_us(const struct tl_ssh_link *link);
void tl_ssh_link_login_over(struct tl_ssh_link *link);
/* A channel's window may become wide (ssh/stream.h), for TL_SSH_WIDE_MAX at the same time, or a peer that is
 * not taken from could fill the memory. */
bool tl_ssh_link_take_wide(struct tl_ssh_link *link);
void tl_ssh_link_give_wide(struct tl_ssh_link *link);
/* Bytes on the wire. */
uint64_t tl_ssh_link_bytes_in(const struct tl_ssh_link *link);
uint64_t tl_ssh_link_bytes_out(const struct tl_ssh_link *link);

/* Flushes, says goodbye with `reason`, then calls `closed`. */
void tl_ssh_link_close(struct tl_ssh_link *link, const char *reason);
/* At once and silently; no callback follows. NULL is fine. */
void tl_ssh_link_free(struct tl_ssh_link *link);

#endif
