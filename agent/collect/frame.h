/* What a collecting process says to the main one over its stream: frames of a kind, a length and a
 * payload. The sender reads what is hostile; the receiver believes nothing beyond its bounds. Private to
 * agent/collect. */
#ifndef TOWLINE_COLLECT_FRAME_H
#define TOWLINE_COLLECT_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>

#define FRAME_PAYLOAD_MAX (1024 * 1024)
#define FRAME_DATA_MAX (64 * 1024)

enum frame_kind {
	FRAME_CANARY = 1, /* text that went through this process's redactor, in pieces */
	FRAME_READY,	  /* empty: rows may come */
	FRAME_BEGIN,	  /* struct frame_member, then the redacted path */
	FRAME_DATA,	  /* redacted bytes of the member */
	FRAME_END,	  /* {"status", "redactions"} */
	FRAME_NOTE,	  /* {"source", "kind", "text"} */
	FRAME_COUNTS,	  /* {rule: count} of what is in no member */
	FRAME_FINDINGS,	  /* what the analyzers found */
	FRAME_ROW	  /* {"outcome", "ms", "text"?}: the row is over */
};

struct frame_member {
	int64_t mtime_s;
	uint32_t mode;
	uint32_t reserved; /* 0 */
};

struct frame {
	enum frame_kind kind;
	const char *payload; /* borrowed from the buffer; not terminated */
	size_t len;
};

/* Sends one frame whose payload is `head` and `rest` (either may be empty). Blocks. TL_EUNREACH when the
 * receiver has gone. */
TL_MUST_CHECK int frame_send(int fd, enum frame_kind kind, const struct tl_buf *head,
			     const struct tl_buf *rest, struct tl_err *err);

/* The first whole frame in `in`: 1, or 0 when there is none yet, or TL_EPROTO. After use:
 * frame_consume(). */
TL_MUST_CHECK int frame_next(const struct tl_buf *in, struct frame *ret_frame, struct tl_err *err);
void frame_consume(struct tl_buf *in, const struct frame *frame);

#endif
