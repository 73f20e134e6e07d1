#include "rescan/rescan.h"

#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "rescan/canary.h"
#include "rescan/rules.h"

#define OVERLAP 2048  /* of a long line's pieces: longer than what a rule looks at */
#define KEY_REACH 400 /* bytes behind a key's first line in which the key begins */
#define NAME_HIDDEN "[member]"

/* What a byte is to the scan. */
enum { WORD = 1, SIGN = 2, AT = 4, DOLLAR = 8, DASH = 16 };

static const uint8_t marks[256] = {
	['0' ... '9'] = WORD, ['A' ... 'Z'] = WORD, ['a' ... 'z'] = WORD,
	['_'] = WORD,	      ['='] = SIGN,	    [':'] = SIGN,
	['@'] = AT,	      ['$'] = DOLLAR,	    ['-'] = DASH,
};

struct tl_rescan {
	struct tl_rescan_hit hits[TL_RESCAN_HITS_MAX];
	uint64_t count, count_before; /* in all, and before this member */
	char path[TL_RESCAN_PATH_MAX];
	uint64_t line;	    /* that the next text begins in */
	size_t key_reach;   /* bytes in which a key may still begin */
	struct tl_buf held; /* an unfinished line, or the end of what was looked at of a long one */
	bool overlap;	    /* held has been looked at */
	bool canary_found;  /* in this member */
	uint64_t canary_line;
	struct canary_search canaries;
	uint8_t token_starts[RESCAN_STARTS];
};

int tl_rescan_new(struct tl_rescan **ret_rescan, struct tl_err *err)
{
	struct tl_rescan *rescan = calloc(1, sizeof *rescan);

	if (!rescan)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the second look");
	rescan->held = (struct tl_buf)TL_BUF_SECRET_INIT(TL_RESCAN_LINE_MAX + OVERLAP);
	rescan_token_starts(rescan->token_starts);
	*ret_rescan = rescan;
	return 0;
}

int tl_rescan_add_canary(struct tl_rescan *rescan, const struct tl_canary *canary,
			 struct tl_err *err)
{
	for (size_t i = 0; i < tl_canary_count(canary); i++)
		if (canary_search_add(&rescan->canaries, tl_canary_value(canary, i)) < 0)
			return tl_err_set(err, TL_ETOOBIG, "there are too many canaries");
	return 0;
}

void tl_rescan_free(struct tl_rescan *rescan)
{
	if (!rescan)
		return;
	tl_buf_clear(&rescan->held);
	free(rescan);
}

/* The same kind in the same line is one hit: long lines are looked at in pieces that overlap. */
static void add_hit(struct tl_rescan *rescan, uint64_t line, const char *kind)
{
	struct tl_rescan_hit *hit;

	if (rescan->count > rescan->count_before && rescan->count <= TL_RESCAN_HITS_MAX) {
		hit = &rescan->hits[rescan->count - 1];
		if (hit->line == line && hit->kind == kind)
			return;
	}
	if (rescan->count < TL_RESCAN_HITS_MAX) {
		hit = &rescan->hits[rescan->count];
		strcpy(hit->path, rescan->path);
		hit->line = line;
		hit->kind = kind;
	}
	rescan->count++;
}

static uint64_t count_lines(const char *bytes, size_t len)
{
	uint64_t lines = 0;
	const char *newline;

	while (len > 0 && (newline = memchr(bytes, '\n', len))) {
		lines++;
		len -= (size_t)(newline + 1 - bytes);
		bytes = newline + 1;
	}
	return lines;
}

static const char *look_at_word(const struct tl_rescan *rescan, const struct rescan_text *text,
				size_t at, size_t *ret_end)
{
	unsigned char first = rescan_at(text, at);
	unsigned start = rescan_start(first, rescan_at(text, at + 1), rescan_at(text, at + 2));
	const char *kind = NULL;

	if (rescan->token_starts[start / 8] >> (start % 8) & 1)
		kind = rescan_token(text, at, ret_end);
	if (!kind && (first | 0x20) == 'b')
		kind = rescan_bearer(text, at, ret_end);
	return kind;
}

/* A key's first line is no secret; the key behind it is. It may begin in the next text only. */
static const char *look_at_key(struct tl_rescan *rescan, const struct rescan_text *text, size_t at,
			       size_t *ret_end)
{
	const char *kind = rescan_pem(text, at, ret_end);
	size_t from = *ret_end, end;
	struct rescan_text near = {text->bytes, text->len};

	if (!kind)
		return NULL;
	if (text->len - from > KEY_REACH)
		near.len = from + KEY_REACH;
	else
		rescan->key_reach = KEY_REACH - (text->len - from);
	if (!rescan_has_key_material(&near, from, &end))
		return NULL;
	rescan->key_reach = 0;
	*ret_end = end;
	return kind;
}

static const char *look_at_mark(struct tl_rescan *rescan, const struct rescan_text *text, size_t at,
				unsigned mark, size_t *ret_end)
{
	unsigned char before = rescan_at(text, at - 1);

	switch (mark) {
	case SIGN:
		/* Names of secrets end in a letter, perhaps quoted. */
		if (!rescan_is(before, BYTE_UPPER | BYTE_LOWER) &&
		    !rescan_is_one_of(before, "\"' \t"))
			return NULL;
		return rescan_assignment(text, at, ret_end);
	case AT:
		return rescan_url(text, at, ret_end);
	case DOLLAR:
		return rescan_hash(text, at, ret_end);
	case DASH:
		return before == '-' ? NULL : look_at_key(rescan, text, at, ret_end);
	default:
		return NULL;
	}
}

static size_t word_end(const struct rescan_text *text, size_t at)
{
	const char *bytes = text->bytes;
	size_t len = text->len;

	while (at < len && marks[(unsigned char)bytes[at]] == WORD)
		at++;
	return at;
}

/* Looks at text[from, …); the byte before `from` is context. `whole`: nothing follows it in its line. */
static void look(struct tl_rescan *rescan, const struct rescan_text *text, size_t from, bool whole)
{
	size_t at = from, end = 0;

	while (at < text->len) {
		unsigned mark = marks[(unsigned char)text->bytes[at]];
		const char *kind = NULL;

		if (mark == WORD) {
			kind = look_at_word(rescan, text, at, &end);
			if (!kind)
				at = word_end(text, at);
		} else {
			if (mark)
				kind = look_at_mark(rescan, text, at, mark, &end);
			at += !kind;
		}
		if (!kind)
			continue;
		/* What ends with an unfinished text could go on: it is seen again with what follows. */
		if (whole || end < text->len)
			add_hit(rescan, rescan->line + count_lines(text->bytes, at), kind);
		at = end > at ? end : at + 1;
	}
}

/* The key behind a first line that the text before ended with. */
static void look_for_key(struct tl_rescan *rescan, const struct rescan_text *text)
{
	size_t end, reach = rescan->key_reach;
	struct rescan_text near = {text->bytes, text->len < reach ? text->len : reach};

	if (reach == 0)
		return;
	rescan->key_reach -= near.len;
	if (!rescan_has_key_material(&near, 0, &end))
		return;
	rescan->key_reach = 0;
	add_hit(rescan, rescan->line + count_lines(text->bytes, end), "private-key");
}

/* A piece that is looked at as a whole: lines, or a part of a long line. */
static void look_at_piece(struct tl_rescan *rescan, const char *bytes, size_t len, bool seen_before,
			  bool whole)
{
	const struct rescan_text text = {bytes, len};

	look_for_key(rescan, &text);
	look(rescan, &text, seen_before && len > 0 ? 1 : 0, whole);
	if (whole)
		rescan->line += count_lines(bytes, len);
}

static void look_at_held(struct tl_rescan *rescan, bool whole)
{
	size_t keep = whole || rescan->held.len < OVERLAP ? 0 : OVERLAP;

	look_at_piece(rescan, tl_buf_str(&rescan->held), rescan->held.len, rescan->overlap, whole);
	tl_buf_consume(&rescan->held, rescan->held.len - keep);
	rescan->overlap = keep > 0;
}

/* Takes the rest of a held line from the input; how much it took. */
static size_t complete_held(struct tl_rescan *rescan, const char *bytes, size_t len)
{
	size_t room = rescan->held.max - rescan->held.len, take = len < room ? len : room;
	const char *newline = memchr(bytes, '\n', take);

	if (newline)
		take = (size_t)(newline - bytes) + 1;
	tl_buf_append(&rescan->held, bytes, take);
	if (newline || rescan->held.len == rescan->held.max)
		look_at_held(rescan, newline != NULL);
	return take;
}

/* Bytes that no newline ends. */
static void hold(struct tl_rescan *rescan, const char *bytes, size_t len)
{
	if (len > TL_RESCAN_LINE_MAX) {
		look_at_piece(rescan, bytes, len, false, false);
		bytes += len - OVERLAP;
		len = OVERLAP;
		rescan->overlap = true;
	}
	tl_buf_append(&rescan->held, bytes, len);
}

static void look_for_canary(struct tl_rescan *rescan, const char *bytes, size_t len)
{
	size_t end;

	if (rescan->canary_found)
		return;
	rescan->canary_found = canary_search_feed(&rescan->canaries, bytes, len, &end);
	if (rescan->canary_found)
		add_hit(rescan, rescan->canary_line + count_lines(bytes, end), "canary");
	else
		rescan->canary_line += count_lines(bytes, len);
}

void tl_rescan_feed(struct tl_rescan *rescan, const void *bytes, size_t len)
{
	const char *at = bytes, *newline;

	look_for_canary(rescan, bytes, len);
	while (len > 0 && rescan->held.len > 0) {
		size_t taken = complete_held(rescan, at, len);

		at += taken;
		len -= taken;
	}
	newline = len > 0 ? memrchr(at, '\n', len) : NULL;
	if (newline) {
		size_t lines = (size_t)(newline - at) + 1;

		look_at_piece(rescan, at, lines, false, true);
		at += lines;
		len -= lines;
	}
	if (len > 0)
		hold(rescan, at, len);
}

static void begin_text(struct tl_rescan *rescan, uint64_t line)
{
	tl_buf_consume(&rescan->held, rescan->held.len);
	tl_buf_reset(&rescan->held);
	rescan->overlap = rescan->canary_found = false;
	rescan->key_reach = 0;
	rescan->count_before = rescan->count;
	rescan->line = rescan->canary_line = line;
	canary_search_begin(&rescan->canaries);
}

void tl_rescan_begin(struct tl_rescan *rescan, const char *path)
{
	tl_auto(tl_buf) struct tl_buf name = TL_BUF_INIT(4 * TL_RESCAN_PATH_MAX);
	size_t len = strlen(path);

	begin_text(rescan, 0);
	strcpy(rescan->path, NAME_HIDDEN);
	tl_rescan_feed(rescan, path, len);
	tl_rescan_end(rescan);
	if (rescan->count == rescan->count_before) {
		tl_str_printable(&name, path, len < TL_RESCAN_PATH_MAX ? len : TL_RESCAN_PATH_MAX);
		snprintf(rescan->path, sizeof rescan->path, "%s", tl_buf_str(&name));
	}
	begin_text(rescan, 1);
}

void tl_rescan_end(struct tl_rescan *rescan)
{
	if (rescan->held.len > 0)
		look_at_held(rescan, true);
}

uint64_t tl_rescan_count(const struct tl_rescan *rescan)
{
	return rescan->count;
}

const struct tl_rescan_hit *tl_rescan_hits(const struct tl_rescan *rescan, size_t *ret_count)
{
	*ret_count =
		rescan->count < TL_RESCAN_HITS_MAX ? (size_t)rescan->count : TL_RESCAN_HITS_MAX;
	return rescan->hits;
}

json_t *tl_rescan_report(const struct tl_rescan *rescan)
{
	json_t *report = json_array();
	size_t count;
	const struct tl_rescan_hit *hits = tl_rescan_hits(rescan, &count);

	for (size_t i = 0; report && i < count; i++)
		json_array_append_new(report,
				      json_pack("{s:s, s:I, s:s}", "path", hits[i].path, "line",
						(json_int_t)hits[i].line, "kind", hits[i].kind));
	return report;
}

int tl_rescan_verdict(const struct tl_rescan *rescan, struct tl_err *err)
{
	const struct tl_rescan_hit *first = &rescan->hits[0];

	if (rescan->count == 0)
		return 0;
	return tl_err_set(err, TL_EDENIED,
			  "the bundle is withheld: its second look found %s in %.120s, line %llu "
			  "(%llu in all); "
			  "add a rule to /etc/towline/redact.d or exclude the file",
			  first->kind, first->path, (unsigned long long)first->line,
			  (unsigned long long)rescan->count);
}
