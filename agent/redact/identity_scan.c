#include <string.h>

#include "redact/identity_private.h"

#define BLANKS_MAX 64 /* of a column, that a find takes along */
#define ROW_MIN 60    /* no address is longer: a fingerprint, a key's modulus */
#define ROW_MAX 256

/* What a byte can be part of. */
enum { WORD = 1, DOT = 2, COLON = 4, DASH = 8, AT = 16 };

static const uint8_t kinds[256] = {
	['0' ... '9'] = WORD, ['A' ... 'Z'] = WORD, ['a' ... 'z'] = WORD, [0x80 ... 0xff] = WORD,
	['.'] = DOT,	      [':'] = COLON,	    ['-'] = DASH,	  ['@'] = AT,
};

/* Paths whose next component is a user's name, known or not. */
static const char *const user_paths[] = {"/home/", "/users/", "/crontabs/", "/mail/", "/linger/"};

/* Colons up to here are parts of a row that is no address: a row costs one look. */
struct scan {
	struct tl_identities *identities;
	struct identity_text text;
	size_t colons_done;
};

static int grow(struct identity_spans *spans)
{
	size_t capacity = spans->capacity ? spans->capacity * 2 : 64;
	struct identity_span *items;

	if (spans->count < spans->capacity)
		return 0;
	items = reallocarray(spans->items, capacity, sizeof *items);
	if (!items)
		return TL_ENOMEM;
	spans->items = items;
	spans->capacity = capacity;
	return 0;
}

static size_t size_of(const struct identity_span *span)
{
	return span->end - span->start;
}

/* Of overlapping finds the longest stays: a host's whole name, not the label that is known. */
static int push(struct scan *scan, struct identity_span span)
{
	struct identity_spans *spans = &scan->identities->spans;
	size_t blanks = 0, keep = spans->count;

	while (keep > 0 && spans->items[keep - 1].end > span.start) {
		if (size_of(&spans->items[keep - 1]) >= size_of(&span))
			return 0;
		keep--;
	}
	spans->count = keep;
	while (blanks < BLANKS_MAX && text_at(&scan->text, span.end + blanks) == ' ')
		blanks++;
	if (blanks > 1)
		span.end += blanks;
	if (grow(spans) < 0)
		return TL_ENOMEM;
	spans->items[spans->count++] = span;
	return 0;
}

static bool find_home(const struct scan *scan, size_t at, struct identity_span *ret_span)
{
	const struct identity_text *text = &scan->text;
	size_t end = at;
	bool found = false;

	/* Behind the last letters of those paths. */
	if (!is_one_of(text_at(text, at - 2), "eslrd"))
		return false;
	for (size_t i = 0; !found && i < TL_ARRAY_LEN(user_paths); i++) {
		size_t len = strlen(user_paths[i]);

		found = at >= len && text_has(text, at - len, user_paths[i]);
	}
	if (!found)
		return false;
	while (end - at < IDENTITY_NAME_MAX &&
	       (is_word(text_at(text, end)) || is_one_of(text_at(text, end), "._-")))
		end++;
	while (end > at && !is_word(text_at(text, end - 1)))
		end--;
	*ret_span = (struct identity_span){TL_IDENTITY_USER, at, end};
	return !identity_is_generic(text->bytes + at, end - at) &&
	       !identity_pseudonym_len(text, at) &&
	       !identity_index_keeps(&scan->identities->index, text->bytes + at, end - at);
}

static bool find_at_colon(struct scan *scan, size_t at, struct identity_span *ret_span)
{
	const struct identity_text *text = &scan->text;
	size_t end = at;

	if (identity_kernel_at_colon(text, at, ret_span))
		return true;
	if (at < scan->colons_done ||
	    (text_at(text, at + 1) != ':' && !is_hex(text_at(text, at + 1))))
		return false;
	if (identity_mac_at_colon(text, at, ret_span) || identity_v6_at_colon(text, at, ret_span))
		return true;
	while (end - at < ROW_MAX && text_at(text, end) == ':')
		end += 1 + text_hex_run(text, end + 1, 4);
	if (end - at > ROW_MIN)
		scan->colons_done = end;
	return false;
}

static bool find_at_dot(const struct scan *scan, size_t at, struct identity_span *ret_span)
{
	const struct identity_text *text = &scan->text;
	unsigned char before = text_at(text, at - 1), next = text_at(text, at + 1);

	if (!is_hex(before))
		return false;
	if (is_digit(before) && (is_digit(next) || (next | 0x20) == 'i') &&
	    identity_v4_at_dot(text, at, ret_span))
		return true;
	return (is_hex(next) || (next | 0x20) == 'i') &&
	       (identity_mac_at_dot(text, at, ret_span) || identity_v6_at_dot(text, at, ret_span));
}

static bool find_at_mark(struct scan *scan, size_t at, unsigned kind,
			 struct identity_span *ret_span)
{
	const struct identity_text *text = &scan->text;

	switch (kind) {
	case DOT:
		return find_at_dot(scan, at, ret_span);
	case COLON:
		return find_at_colon(scan, at, ret_span);
	case DASH:
		return identity_v4_at_dash(text, at, ret_span) ||
		       (is_hex(text_at(text, at - 1)) && identity_mac_at_dash(text, at, ret_span));
	case AT:
		return identity_mail_at_sign(&scan->identities->index, text, at, ret_span);
	default:
		return false;
	}
}

/* A word, text[at, end). */
static bool find_at_word(struct scan *scan, size_t at, size_t end, struct identity_span *ret_span)
{
	const struct identity_text *text = &scan->text;
	size_t len = end - at;

	if (at > 0 && text->bytes[at - 1] == '/' && find_home(scan, at, ret_span))
		return true;
	if ((len == 8 || len == 15 || len == 32) && identity_kernel_at_word(text, at, ret_span))
		return true;
	return identity_index_word(&scan->identities->index, text, at, end, ret_span);
}

static int scan_keywords(struct scan *scan, size_t from, size_t to)
{
	const struct identity_index *index = &scan->identities->index;
	struct identity_span span;

	for (size_t at = from; at < to; at++) {
		unsigned char second = text_at(&scan->text, at + 1);

		if (!identity_index_pair(index, (unsigned char)scan->text.bytes[at], second) ||
		    !identity_index_keyword(index, &scan->text, at, &span))
			continue;
		if (push(scan, span) < 0)
			return TL_ENOMEM;
		at = span.end - 1;
	}
	return 0;
}

/* The word at `at`; returns where to go on. */
static int scan_word(struct scan *scan, size_t *at)
{
	const struct identity_text *text = &scan->text;
	size_t end = *at, shape;
	struct identity_span span;
	int r = 0;

	while (end < text->len && kinds[(unsigned char)text->bytes[end]] == WORD)
		end++;
	shape = text_at(text, end) == '-' ? identity_pseudonym_len(text, *at) : 0;
	if (shape > 0) {
		*at += shape;
		return 0;
	}
	if (find_at_word(scan, *at, end, &span))
		r = push(scan, span);
	if (r == 0 && scan->identities->index.has_keywords)
		r = scan_keywords(scan, *at, end);
	*at = end;
	return r;
}

int identity_scan(struct tl_identities *identities, const char *bytes, size_t len)
{
	struct scan scan = {.identities = identities, .text = {bytes, len}};
	struct identity_span span;
	size_t at = 0;

	identities->spans.count = 0;
	while (at < len) {
		unsigned kind = kinds[(unsigned char)bytes[at]];
		int r = 0;

		if (kind == WORD) {
			r = scan_word(&scan, &at);
		} else if (kind && find_at_mark(&scan, at, kind, &span)) {
			r = push(&scan, span);
			at = span.end > at ? span.end : at + 1;
		} else {
			at++;
		}
		if (r < 0)
			return r;
	}
	return 0;
}
