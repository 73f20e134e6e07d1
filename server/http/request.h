/* One request as it came: the header block, parsed strictly (RFC 9112), and the decoding of its body.
 *
 * What smuggles requests is refused: Content-Length beside Transfer-Encoding, a repeated
 * Content-Length, an encoding other than chunked, folded headers, bare CR or LF, NUL, a missing or
 * repeated Host. One thread at a time. */
#ifndef TOWLINE_SERVER_HTTP_REQUEST_H
#define TOWLINE_SERVER_HTTP_REQUEST_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <towline/buf.h>

#define TL_REQUEST_FIELDS_MAX 100
/* Bytes of chunk sizes, extensions and trailers between two pieces of data. */
#define TL_REQUEST_OVERHEAD_MAX 8192

struct tl_field {
	const char *name; /* lower case */
	const char *value;
};

struct tl_request {
	char *memory;	    /* everything below points into it */
	const char *method; /* "GET"; static */
	const char *path;   /* raw, starting with '/' (or "*") */
	const char *query;  /* raw, without '?'; NULL when absent */
	struct tl_field *fields;
	size_t field_count;
	uint64_t content_length; /* 0 without a body, UINT64_MAX when chunked */
	uint64_t body_left;	 /* of content_length */
	uint64_t received;	 /* decoded bytes of the body so far */
	bool chunked, keep_alive, expect_continue, upgrade;
	size_t overhead;      /* bytes since the last that were data */
	const char *data_end; /* where those ended in the piece being decoded */
	llhttp_t parser;      /* of the chunked body */
	struct tl_buf *body_out;
	bool body_done;
};

/* The length of the header block that starts at `bytes`, its empty line included; 0 when it isn't
 * there yet. `scanned` bytes were looked at before. */
size_t tl_request_find_end(const char *bytes, size_t len, size_t scanned);

/* Parses a whole header block. Returns 0, or the status to refuse with (400, 414, 417, 431, 500, 501,
 * 505) and *ret_reason, a static sentence. `request` must be cleared afterwards in both cases. */
int tl_request_parse(struct tl_request *request, const char *block, size_t len,
		     const char **ret_reason);

/* The first value of header `name` (lower case); NULL when absent. */
const char *tl_request_field(const struct tl_request *request, const char *name);
/* True when the comma-separated header `name` has `token` (letter case aside). */
bool tl_request_has_token(const struct tl_request *request, const char *name, const char *token);

bool tl_request_has_body(const struct tl_request *request);

/* Takes body bytes from `in`, appends what they decode to `out`, and sets request->body_done at the
 * end of the body. Returns how many were taken (fewer than `len` only at the end), or -1 when they break
 * the chunked coding. Overflow of `out` shows in tl_buf_check(out). */
ptrdiff_t tl_request_take_body(struct tl_request *request, const char *in, size_t len,
			       struct tl_buf *out);

/* As tl_request_take_body for bytes that were read straight into their place: not for chunked. */
void tl_request_count_body(struct tl_request *request, size_t len);

void tl_request_clear(struct tl_request *request);

#endif
