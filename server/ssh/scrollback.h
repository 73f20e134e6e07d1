/* The last bytes that a terminal has said, by their position since its beginning. */
#ifndef TOWLINE_SERVER_SSH_SCROLLBACK_H
#define TOWLINE_SERVER_SSH_SCROLLBACK_H

#include <stddef.h>
#include <stdint.h>

#define TL_SCROLLBACK_BYTES ((size_t)256 * 1024)

struct tl_scrollback {
	char *ring;   /* TL_SCROLLBACK_BYTES; NULL until the first byte */
	uint64_t end; /* bytes said so far */
};

/* TL_ENOMEM: nothing was added. `len` at most TL_SCROLLBACK_BYTES. */
int tl_scrollback_add(struct tl_scrollback *scrollback, const void *bytes, size_t len);
/* The first position that is still there. */
uint64_t tl_scrollback_begin(const struct tl_scrollback *scrollback);
/* What is there from `position` (begin ≤ position ≤ end) in one piece; perhaps not all. */
size_t tl_scrollback_peek(const struct tl_scrollback *scrollback, uint64_t position,
			  const char **ret_bytes);
void tl_scrollback_clear(struct tl_scrollback *scrollback);

#endif
