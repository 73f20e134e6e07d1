#include "redact/wide.h"

#include <string.h>
#include <towline/err.h>

/* Pairs of a byte and NUL at `at`, as far as `most`; *ret_open: the text ends before one more could be told. */
static size_t count_pairs(const char *text, size_t len, size_t at, size_t most, bool *ret_open)
{
	size_t pairs = 0;

	while (pairs < most && at + 1 < len && text[at] && !text[at + 1]) {
		pairs++;
		at += 2;
	}
	*ret_open = pairs < most && (at == len || (at + 1 == len && text[at]));
	return pairs;
}

/* Up to what must wait; returns how much was taken. */
static size_t narrow(struct wide *wide, const char *text, size_t len, bool last, struct tl_buf *out)
{
	size_t at = 0;

	while (at < len) {
		bool open;
		size_t pairs = count_pairs(text, len, at, wide->inside ? 1 : WIDE_RUN, &open);

		if (open && !last)
			break;
		wide->inside = wide->inside ? pairs == 1 : pairs == WIDE_RUN;
		tl_buf_append(out, text + at, 1);
		at += wide->inside ? 2 : 1;
	}
	return at;
}

bool wide_is_idle(const struct wide *wide, const char *bytes, size_t len)
{
	/* A byte at the end could be the first of a run. */
	return wide->held.len == 0 && !wide->inside && !memchr(bytes, '\0', len);
}

int wide_feed(struct wide *wide, const char *bytes, size_t len, bool last, struct tl_buf *out)
{
	size_t taken;

	tl_buf_append(&wide->held, bytes, len);
	if (tl_buf_check(&wide->held) < 0)
		return TL_ENOMEM;
	taken = narrow(wide, tl_buf_str(&wide->held), wide->held.len, last, out);
	tl_buf_consume(&wide->held, taken);
	if (last)
		wide->inside = false;
	return tl_buf_check(out) < 0 ? TL_ENOMEM : 0;
}
