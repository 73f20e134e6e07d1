/* A growing byte buffer with a hard maximum.
 *
 * Appends chain without checks: one that does not fit leaves the contents as they were and marks the
 * buffer failed; tl_buf_check ends the chain. `data` is always NUL-terminated beyond `len` (the
 * terminator is not counted), so text can be passed on as it is. One thread at a time. */
#ifndef TOWLINE_BUF_H
#define TOWLINE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

struct tl_buf {
	char *data; /* NULL until the first append */
	size_t len;
	size_t capacity;
	size_t max;	    /* bytes of contents allowed */
	bool failed;	    /* an append did not fit, or memory ran out */
	bool out_of_memory; /* with failed: memory was the reason */
	bool secret;	    /* wiped before memory is released or moved */
};

#define TL_BUF_INIT(max_bytes) \
	{ \
		.max = (max_bytes) \
	}
#define TL_BUF_SECRET_INIT(max_bytes) \
	{ \
		.max = (max_bytes), .secret = true \
	}

void tl_buf_init(struct tl_buf *buf, size_t max_bytes);

void tl_buf_append(struct tl_buf *buf, const void *bytes, size_t len);
void tl_buf_puts(struct tl_buf *buf, const char *text);
void tl_buf_putc(struct tl_buf *buf, char c);
void tl_buf_printf(struct tl_buf *buf, const char *format, ...) TL_PRINTF(2, 3);

/* Makes room for `len` more bytes and returns where they go; count them in with tl_buf_commit.
 * NULL (and failed) when they do not fit. */
char *tl_buf_reserve(struct tl_buf *buf, size_t len);
void tl_buf_commit(struct tl_buf *buf, size_t len);

/* Drops the first `len` bytes. */
void tl_buf_consume(struct tl_buf *buf, size_t len);

/* Empties the buffer and its failure mark; keeps the memory. */
void tl_buf_reset(struct tl_buf *buf);

/* 0, or TL_ETOOBIG / TL_ENOMEM when any append since the last reset failed. */
TL_MUST_CHECK int tl_buf_check(const struct tl_buf *buf);

/* The contents as text, "" when empty. Lives until the next change. */
const char *tl_buf_str(const struct tl_buf *buf);

/* Hands the heap memory (NUL-terminated, never NULL unless memory ran out) to the caller, who
 * free()s it, and empties the buffer. */
char *tl_buf_take(struct tl_buf *buf);

void tl_buf_clear(struct tl_buf *buf);
TL_DEFINE_AUTO(tl_buf, tl_buf_clear);

#endif
