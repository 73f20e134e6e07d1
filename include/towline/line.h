/* One side of a byte stream that outlives its connection. The bytes to the peer travel in frames and are
 * kept until the peer has acknowledged them; after a break both sides say how much they have received,
 * on another connection, and go on from there. Without frames ("plain", for a peer that does not know
 * them) the same object is a queue, and a break is the end.
 *
 * Pure: no descriptor, no clock, no lock. The owner moves the bytes and tells the time. The frames are
 * written down in docs/protocol.md. One thread at a time. */
#ifndef TOWLINE_LINE_H
#define TOWLINE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <towline/attr.h>
#include <towline/err.h>

#define TL_LINE_WINDOW ((size_t)4 * 1024 * 1024) /* kept for the peer, at most: 50 MB/s at 80 ms */
#define TL_LINE_AHEAD ((size_t)256 * 1024)	 /* of it not sent yet, or a keystroke waits long */
#define TL_LINE_FRAME_MAX ((size_t)64 * 1024)	 /* bytes of the stream in a frame */
#define TL_LINE_ACK_EVERY ((size_t)64 * 1024)
#define TL_LINE_KEEPALIVE_MS 5000 /* of silence of ours */
#define TL_LINE_DEAD_MS 15000	  /* of the peer's: the connection is given up */
#define TL_LINE_GAP_MS 60000	  /* how long a break may last, where nobody says otherwise */
#define TL_LINE_GAP_MAX_MS 300000

struct tl_line;

/* NULL when memory ran out. Free with tl_line_free. */
struct tl_line *tl_line_new(bool framed, int64_t now_ms);

/* ---- to the peer -------------------------------------------------------------------------- */

/* How many bytes may be put now. 0: the peer, or the connection, is behind. */
size_t tl_line_room(const struct tl_line *line);
/* Queues up to tl_line_room bytes, copied. TL_ENOMEM: nothing was queued. */
TL_MUST_CHECK int tl_line_put(struct tl_line *line, const void *bytes, size_t len);
/* No byte follows those that are queued. TL_ENOMEM. */
TL_MUST_CHECK int tl_line_end(struct tl_line *line);
/* What the connection should take next; false when there is nothing. The same bytes come again until
 * they are counted in with tl_line_sent, as TLS demands of a write that is tried again. */
bool tl_line_next(struct tl_line *line, const char **ret_bytes, size_t *ret_len);
void tl_line_sent(struct tl_line *line, size_t len, int64_t now_ms);
/* Our end has been sent, and all before it. */
bool tl_line_end_sent(const struct tl_line *line);

/* ---- from the peer ------------------------------------------------------------------------ */

/* Reads some of `len` bytes that came over the connection. Returns how many were used (1 at least, of
 * 1 at least); *ret_bytes of the stream, *ret_len of them (or 0), lie within them. TL_EPROTO. */
ssize_t tl_line_read(struct tl_line *line, const char *bytes, size_t len, int64_t now_ms,
		     const char **ret_bytes, size_t *ret_len);
/* The peer has ended its half, and all before it has been read. */
bool tl_line_ended(const struct tl_line *line);

/* ---- time --------------------------------------------------------------------------------- */

/* Tells the time, every few seconds: a silent line gets its keepalive. False: the peer was silent for so
 * long, while we were `listening`, that the connection is dead. */
bool tl_line_tick(struct tl_line *line, bool listening, int64_t now_ms);

/* ---- another connection ------------------------------------------------------------------- */

/* What the peer is told: how much of its stream is here. */
uint64_t tl_line_received(const struct tl_line *line);
/* Begins anew on another connection: what the peer has not received will come again. TL_EINVAL when the
 * peer cannot have received that much, or has acknowledged more. */
TL_MUST_CHECK int tl_line_resume(struct tl_line *line, uint64_t peer_received, int64_t now_ms);

void tl_line_free(struct tl_line *line);
TL_DEFINE_AUTO_PTR(tl_line, tl_line_free);

/* ---- the header field Towline-Line -------------------------------------------------------- */

#define TL_LINE_FIELD "Towline-Line"
#define TL_LINE_TOKEN_LEN 43 /* base64url of 32 bytes */
#define TL_LINE_HELLO_MAX 96

/* "VERSION TOKEN RECEIVED GAP_MS", both ways. */
struct tl_line_hello {
	char token[TL_LINE_TOKEN_LEN + 1]; /* "" is written "-": a new stream */
	uint64_t received;
	int64_t gap_ms;
};

void tl_line_token(char token[static TL_LINE_TOKEN_LEN + 1]);
void tl_line_hello_write(const struct tl_line_hello *hello, char text[static TL_LINE_HELLO_MAX]);
/* TL_EUNSUPPORTED for another version, TL_EINVAL for anything else that is not one. */
TL_MUST_CHECK int tl_line_hello_parse(const char *text, struct tl_line_hello *ret_hello);

#endif
