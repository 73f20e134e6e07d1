/* The data side of one SSH channel: bounded queues both ways, with the peer's window respected.
 *
 * libssh's callbacks only queue here; what does not fit stays with libssh, whose window then closes.
 * The owner takes from `in` (tl_ssh_stream_take), adds to `out` (as far as tl_ssh_stream_room allows),
 * and calls tl_ssh_stream_pump in its link's pump. Embedded in the owner's channel object; must not
 * move in memory while in use. Loop thread only. */
#ifndef TOWLINE_SSH_STREAM_H
#define TOWLINE_SSH_STREAM_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <stdbool.h>
#include <towline/buf.h>

#include "ssh/link.h"

#define TL_SSH_STREAM_QUEUE (128 * 1024) /* bytes, each way and each of the two streams */
/* At most, of a channel that has shown that it needs it: 100 MB/s at 80 ms. */
#define TL_SSH_WINDOW_WIDE (8 * 1024 * 1024)
#define TL_SSH_WINDOW_MAX (10 * 1024 * 1024) /* more waiting in libssh is an attack */

enum tl_ssh_stream_kind { TL_SSH_DATA, TL_SSH_STDERR };

struct tl_ssh_stream {
	ssh_channel channel; /* NULL when not attached or freed */
	struct tl_ssh_link *link;
	struct ssh_channel_callbacks_struct callbacks;
	struct tl_buf in[2], out[2];
	size_t in_head[2];  /* bytes of `in` that were taken */
	size_t withheld[2]; /* bytes that wait inside libssh */
	size_t fresh;	    /* bytes that came since `fresh_since_ns` */
	uint64_t fresh_since_ns;
	size_t window; /* 0: libssh's own; else what it is kept at */
	bool widening;
	uint64_t total_in, total_out;
	bool eof_in, closed_in; /* the peer's, perhaps ahead of bytes still queued */
	bool eof_wanted, eof_sent;
	bool finish_wanted, finished; /* exit status and close */
	bool no_exit;		      /* close only */
	int exit_status;	      /* to be sent, or received */
	char exit_signal[32];
	bool has_exit;
	/* A signal request (server side): name without SIG. May be NULL. */
	void (*on_signal)(void *arg, const char *name);
	/* auth-agent-req@openssh.com (server side); libssh has answered it with success. May be NULL. */
	void (*on_agent_request)(void *arg);
	/* Of a stream without a channel: what is queued has changed. */
	void (*on_change)(void *arg);
	void *arg;
};

/* `channel` is taken over: freed by clear. */
void tl_ssh_stream_attach(struct tl_ssh_stream *stream, struct tl_ssh_link *link,
			  ssh_channel channel);
/* A stream without a channel: `in` is filled by tl_ssh_stream_put, `out` emptied by its owner, who is told by
 * on_change(arg). */
void tl_ssh_stream_attach_owner(struct tl_ssh_stream *stream, void (*on_change)(void *arg),
				void *arg);
/* As if received; at most tl_ssh_stream_put_room. */
size_t tl_ssh_stream_put_room(const struct tl_ssh_stream *stream);
void tl_ssh_stream_put(struct tl_ssh_stream *stream, const void *bytes, size_t len);
/* Says that something has changed: a turn of the link, or the owner's, will follow. */
void tl_ssh_stream_wake(struct tl_ssh_stream *stream);
/* Frees the channel (after closing it) and the queues. */
void tl_ssh_stream_clear(struct tl_ssh_stream *stream);

/* Bytes received and not taken yet; *ret_bytes points to them until the next call. */
size_t tl_ssh_stream_peek(const struct tl_ssh_stream *stream, enum tl_ssh_stream_kind kind,
			  const char **ret_bytes);
void tl_ssh_stream_take(struct tl_ssh_stream *stream, enum tl_ssh_stream_kind kind, size_t len);
/* True when the peer sent EOF and everything before it was taken. */
bool tl_ssh_stream_at_end(const struct tl_ssh_stream *stream);
/* True when the peer closed the channel and everything before that was taken. */
bool tl_ssh_stream_is_closed(const struct tl_ssh_stream *stream);

size_t tl_ssh_stream_room(const struct tl_ssh_stream *stream, enum tl_ssh_stream_kind kind);
void tl_ssh_stream_send(struct tl_ssh_stream *stream, enum tl_ssh_stream_kind kind,
			const void *bytes, size_t len);
/* The same without a copy: where up to *ret_room bytes may be written, and how many were. NULL when there is
 * no room. */
char *tl_ssh_stream_space(struct tl_ssh_stream *stream, enum tl_ssh_stream_kind kind,
			  size_t *ret_room);
void tl_ssh_stream_filled(struct tl_ssh_stream *stream, enum tl_ssh_stream_kind kind, size_t len);
/* After what is queued: EOF. */
void tl_ssh_stream_end(struct tl_ssh_stream *stream);
/* After what is queued: EOF, exit status (or, when given, signal), close. */
void tl_ssh_stream_finish(struct tl_ssh_stream *stream, int exit_status, const char *exit_signal);
/* After what is queued: EOF and close, for a channel without a program. */
void tl_ssh_stream_close(struct tl_ssh_stream *stream);

/* Moves queues to and from libssh; true when anything moved. */
bool tl_ssh_stream_pump(struct tl_ssh_stream *stream);

#endif
