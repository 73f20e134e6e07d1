/* Strings: comparisons, checked numbers, encodings, lists. Any thread; no locale. */
#ifndef TOWLINE_STR_H
#define TOWLINE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <towline/attr.h>
#include <towline/buf.h>

static inline bool tl_streq(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

bool tl_str_starts(const char *text, const char *prefix);
bool tl_str_ends(const char *text, const char *suffix);

/* Decimal only, no sign for _u64, no blanks, no rest. 0 or TL_EINVAL; *ret untouched on failure. */
TL_MUST_CHECK int tl_str_u64(const char *text, uint64_t max, uint64_t *ret_value);
TL_MUST_CHECK int tl_str_i64(const char *text, int64_t min, int64_t max, int64_t *ret_value);

/* "90s", "15m", "8h", "2d", "250ms" → milliseconds. A number without unit is refused. */
TL_MUST_CHECK int tl_str_duration_ms(const char *text, int64_t *ret_ms);

/* "512", "64K", "20M", "1G" (powers of 1024) → bytes. */
TL_MUST_CHECK int tl_str_size(const char *text, uint64_t *ret_bytes);

/* True when every byte is [A-Za-z0-9._-], the text is 1 to max bytes long and does not start with
 * '.' or '-': fit for a file name, a URL path segment and a log line. */
bool tl_str_is_name(const char *text, size_t max);

/* True for well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms) without NUL. */
bool tl_str_is_utf8(const char *bytes, size_t len);

/* Appends `text` with C0/C1 control characters, DEL, bidirectional marks and malformed UTF-8
 * written as \xHH: what is printed to a terminal from outside goes through here. */
void tl_str_printable(struct tl_buf *out, const char *text, size_t len);

/* Lower-case hexadecimal; `hex` has room for 2 * len + 1. */
void tl_hex_encode(const void *bytes, size_t len, char *hex);
/* Exactly `len` bytes from 2 * len digits, or TL_EINVAL. */
/* A SHA-256 as text: 64 lower-case hexadecimal digits. NULL is none. */
bool tl_str_is_sha256(const char *text);
TL_MUST_CHECK int tl_hex_decode(const char *hex, void *ret_bytes, size_t len);

/* RFC 4648 §5 without padding. */
void tl_base64url_encode(struct tl_buf *out, const void *bytes, size_t len);
/* Strict: no padding, no blanks, no non-canonical trailing bits; TL_EINVAL otherwise. Appends. */
TL_MUST_CHECK int tl_base64url_decode(struct tl_buf *out, const char *text, size_t len);
/* RFC 4648 §4 with padding. */
void tl_base64_encode(struct tl_buf *out, const void *bytes, size_t len);
TL_MUST_CHECK int tl_base64_decode(struct tl_buf *out, const char *text, size_t len);

/* A growing list of owned strings, NULL-terminated so that it can serve as argv. */
struct tl_strv {
	char **items; /* NULL until the first push */
	size_t count;
};
#define TL_STRV_INIT \
	{ \
		.items = NULL \
	}
/* Copies `text`. 0 or TL_ENOMEM. */
TL_MUST_CHECK int tl_strv_push(struct tl_strv *list, const char *text);
bool tl_strv_has(const struct tl_strv *list, const char *text);
void tl_strv_clear(struct tl_strv *list);
TL_DEFINE_AUTO(tl_strv, tl_strv_clear);

#endif
