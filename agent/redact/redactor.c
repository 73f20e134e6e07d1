#include "redact/redact.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "redact/ruleset.h"

#define WITHHELD "[withheld: redaction failed]"
#define KEY_TAIL_MIN 16 /* a key block's line ends in at least so many base64 digits */

const struct tl_redact_limits tl_redact_limits_default = {
	.window_bytes = 64 * 1024,
	.overlap_bytes = 4 * 1024,
	.match_limit = 200000,
};

struct tl_redactor {
	const struct tl_redact_rules *rules;
	enum tl_redact_level level;
	struct tl_identities *identities;
	char *path;
	bool lost_path; /* no memory for it: nothing can be judged */
	struct tl_redact_limits limits;
	struct matcher matcher;
	tl_redact_output *output;
	void *arg;
	struct tl_buf held; /* an unfinished line, or its last window's rest */
	uint64_t *counts;   /* by rule */
	uint64_t withheld;
	bool drop_line;	       /* up to the next newline */
	const char *block_end; /* inside a block: what ends it */
	unsigned block_lines;  /* that it may still have */
};

int tl_redactor_new(const struct tl_redact_rules *rules, const struct tl_redact_limits *limits,
		    struct tl_redactor **ret_redactor, struct tl_err *err)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = calloc(1, sizeof *redactor);

	if (limits->overlap_bytes >= limits->window_bytes / 2)
		return tl_err_set(err, TL_EINVAL,
				  "the redactor's overlap must be below half its window");
	if (!redactor || matcher_init(&redactor->matcher, rules, limits->match_limit) < 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
	redactor->rules = rules;
	redactor->counts = calloc(tl_redact_rules_count(rules) + 1, sizeof(*redactor->counts));
	if (!redactor->counts)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
	redactor->limits = *limits;
	redactor->held = (struct tl_buf)TL_BUF_SECRET_INIT(limits->window_bytes);
	*ret_redactor = tl_steal(&redactor);
	return 0;
}

void tl_redactor_free(struct tl_redactor *redactor)
{
	if (!redactor)
		return;
	matcher_clear(&redactor->matcher);
	tl_buf_clear(&redactor->held);
	free(redactor->counts);
	free(redactor->path);
	free(redactor);
}

void tl_redactor_begin(struct tl_redactor *redactor, tl_redact_output *output, void *arg)
{
	redactor->output = output;
	redactor->arg = arg;
	tl_buf_consume(&redactor->held, redactor->held.len);
	tl_buf_reset(&redactor->held);
	memset(redactor->counts, 0,
	       tl_redact_rules_count(redactor->rules) * sizeof(*redactor->counts));
	redactor->withheld = 0;
	redactor->drop_line = false;
	redactor->block_end = NULL;
}

void tl_redactor_set_level(struct tl_redactor *redactor, enum tl_redact_level level)
{
	redactor->level = level;
}

void tl_redactor_set_identities(struct tl_redactor *redactor, struct tl_identities *identities)
{
	redactor->identities = identities;
}

void tl_redactor_set_path(struct tl_redactor *redactor, const char *path)
{
	free(redactor->path);
	redactor->path = path ? strdup(path) : NULL;
	redactor->lost_path = path && !redactor->path;
}

uint64_t tl_redactor_withheld(const struct tl_redactor *redactor)
{
	return redactor->withheld;
}

static int put(struct tl_redactor *redactor, const char *bytes, size_t len, struct tl_err *err)
{
	return len ? redactor->output(redactor->arg, bytes, len, err) : 0;
}

static int put_replacement(struct tl_redactor *redactor, const struct span *span,
			   struct tl_err *err)
{
	const struct rule *row = ruleset_rule(redactor->rules, span->rule);
	char text[96];
	int len = snprintf(text, sizeof text, "[redacted:%s]", row->id);

	redactor->counts[span->rule]++;
	if (span->open_block) {
		redactor->block_end = row->block_end;
		redactor->block_lines = TL_REDACT_PEM_LINES_MAX;
	}
	return put(redactor, text, (size_t)len, err);
}

/* Puts out text[0, cut) with its spans replaced; no span crosses the cut. */
static int put_replaced(struct tl_redactor *redactor, const char *text, size_t cut,
			struct tl_err *err)
{
	size_t from = 0;

	for (size_t i = 0; i < redactor->matcher.count; i++) {
		const struct span *span = &redactor->matcher.spans[i];
		int r;

		if (span->start >= cut)
			break;
		r = put(redactor, text + from, span->start - from, err);
		if (r == 0)
			r = put_replacement(redactor, span, err);
		if (r < 0)
			return r;
		from = span->end;
	}
	return put(redactor, text + from, cut - from, err);
}

/* Where a window may be cut: before its overlap and before any match that reaches beyond; behind the
 * matches that begin with it; at its end when there is no such place. */
static size_t find_cut(const struct matcher *matcher, size_t len, size_t overlap)
{
	size_t cut = len - overlap;
	bool moved = true;

	while (moved) {
		moved = false;
		for (size_t i = matcher->count; i-- > 0;) {
			const struct span *span = &matcher->spans[i];

			if (span->anchor < cut && span->end > cut) {
				cut = span->anchor;
				moved = true;
			}
		}
	}
	for (size_t i = 0; cut == 0 && i < matcher->count; i++)
		if (matcher->spans[i].end > len - overlap)
			cut = matcher->spans[i].end;
	for (size_t i = 0; cut >= len - overlap && i < matcher->count; i++)
		if (matcher->spans[i].anchor < cut && matcher->spans[i].end > cut)
			cut = matcher->spans[i].end;
	return cut;
}

static int withhold(struct tl_redactor *redactor, struct tl_err *err)
{
	redactor->withheld++;
	return put(redactor, WITHHELD, strlen(WITHHELD), err);
}

/* One window that is not the end of its line. */
static int scan_window(struct tl_redactor *redactor, const char *text, size_t len,
		       size_t *ret_consumed, struct tl_err *err)
{
	size_t cut;

	*ret_consumed = len;
	if (redactor->drop_line)
		return 0;
	if (redactor->block_end || matcher_find(&redactor->matcher, text, len) < 0) {
		redactor->drop_line = true;
		return withhold(redactor, err);
	}
	cut = find_cut(&redactor->matcher, len, redactor->limits.overlap_bytes);
	redactor->drop_line =
		cut == len; /* a secret longer than the window: its rest goes with it */
	*ret_consumed = cut;
	return put_replaced(redactor, text, cut, err);
}

/* A line without its newline. */
static int scan_line(struct tl_redactor *redactor, const char *text, size_t len, struct tl_err *err)
{
	if (matcher_find(&redactor->matcher, text, len) < 0)
		return withhold(redactor, err);
	return put_replaced(redactor, text, len, err);
}

static bool is_key_byte(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/' || c == '=';
}

/* Does a line belong to a key block: blank, an encapsulated header, or base64 at its end? (A log puts
 * its own words before each line of a key.) */
static bool is_block_line(const char *text, size_t len)
{
	size_t tail = 0;

	while (len > 0 && strchr(" \t\r\"',;\\n", text[len - 1]))
		len--;
	if (len == 0)
		return true;
	while (tail < len && is_key_byte(text[len - tail - 1]))
		tail++;
	return tail == len || tail >= KEY_TAIL_MIN || memmem(text, len, "Proc-Type:", 10) ||
	       memmem(text, len, "DEK-Info:", 9) || memmem(text, len, "Version:", 8) ||
	       memmem(text, len, "Comment:", 8);
}

/* A line inside a block. *ret_rest is where ordinary text begins again, `len` when nowhere. */
static size_t end_block(struct tl_redactor *redactor, const char *text, size_t len)
{
	const char *marker = memmem(text, len, redactor->block_end, strlen(redactor->block_end));
	size_t at;

	if (!marker) {
		if (redactor->block_lines-- > 1 && is_block_line(text, len))
			return len;
		redactor->block_end = NULL;
		return 0;
	}
	at = (size_t)(marker - text) + strlen(redactor->block_end);
	redactor->block_end = NULL;
	while (at < len && text[at] != '-')
		at++;
	while (at < len && text[at] == '-')
		at++;
	return at;
}

/* A whole line, or what is left of a long one; `newline`: its terminator is there. */
static int finish_line(struct tl_redactor *redactor, const char *text, size_t len, bool newline,
		       struct tl_err *err)
{
	size_t from = 0;
	int r;

	if (redactor->drop_line) {
		redactor->drop_line = false;
		return put(redactor, "\n", newline, err);
	}
	if (redactor->block_end) {
		from = end_block(redactor, text, len);
		if (from == len)
			return 0;
	}
	r = scan_line(redactor, text + from, len - from, err);
	return r < 0 ? r : put(redactor, "\n", newline, err);
}

/* Handles one whole line or one full window at `text`; *ret_consumed is 0 when more is needed. */
static int step(struct tl_redactor *redactor, const char *text, size_t len, size_t *ret_consumed,
		struct tl_err *err)
{
	size_t window = redactor->limits.window_bytes;
	const char *newline = memchr(text, '\n', len < window ? len : window);

	*ret_consumed = 0;
	if (newline) {
		*ret_consumed = (size_t)(newline - text) + 1;
		return finish_line(redactor, text, *ret_consumed - 1, true, err);
	}
	return len >= window ? scan_window(redactor, text, window, ret_consumed, err) : 0;
}

/* Completes the held text from the input; returns how much of the input it took. */
static size_t hold(struct tl_redactor *redactor, const char *bytes, size_t len)
{
	size_t room = redactor->limits.window_bytes - redactor->held.len;
	size_t take = len < room ? len : room;
	const char *newline = memchr(bytes, '\n', take);

	if (newline)
		take = (size_t)(newline - bytes) + 1;
	tl_buf_append(&redactor->held, bytes, take);
	return take;
}

int tl_redactor_feed(struct tl_redactor *redactor, const void *bytes, size_t len,
		     struct tl_err *err)
{
	const char *at = bytes;

	if (redactor->lost_path)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
	if (redactor->level == TL_REDACT_OFF)
		return put(redactor, bytes, len, err);
	while (len > 0) {
		bool direct = redactor->held.len == 0;
		size_t consumed, taken = 0;
		int r;

		if (!direct)
			taken = hold(redactor, at, len);
		if (tl_buf_check(&redactor->held) < 0)
			return tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
		at += taken;
		len -= taken;
		r = direct ? step(redactor, at, len, &consumed, err)
			   : step(redactor, redactor->held.data, redactor->held.len, &consumed,
				  err);
		if (r < 0)
			return r;
		if (!direct) {
			tl_buf_consume(&redactor->held, consumed);
			continue;
		}
		at += consumed;
		len -= consumed;
		if (consumed == 0) {
			taken = hold(redactor, at, len);
			at += taken;
			len -= taken;
		}
	}
	return tl_buf_check(&redactor->held) < 0
		       ? tl_err_set(err, TL_ENOMEM, "out of memory for redaction")
		       : 0;
}

int tl_redactor_flush(struct tl_redactor *redactor, struct tl_err *err)
{
	int r = 0;

	if (redactor->held.len > 0)
		r = finish_line(redactor, redactor->held.data, redactor->held.len, false, err);
	tl_buf_consume(&redactor->held, redactor->held.len);
	redactor->drop_line = false;
	redactor->block_end = NULL;
	return r;
}

void tl_redactor_report(const struct tl_redactor *redactor, json_t *counts)
{
	for (size_t i = 0; i <= tl_redact_rules_count(redactor->rules); i++) {
		bool last = i == tl_redact_rules_count(redactor->rules);
		uint64_t count = last ? redactor->withheld : redactor->counts[i];
		const char *name = last ? "withheld" : ruleset_rule(redactor->rules, i)->id;
		json_int_t before = json_integer_value(json_object_get(counts, name));

		if (count > 0)
			json_object_set_new(counts, name, json_integer(before + (json_int_t)count));
	}
}
