#include <string.h>

#include "redact/places.h"
#include "redact/redactor.h"

/* ---- pieces of lines ------------------------------------------------------------------------- */

static int find(struct tl_redactor *redactor, const char *text, size_t len)
{
	size_t longest = redactor->limits.overlap_bytes;

	return len > longest ? find_in_part(&redactor->matcher, text, len, longest)
			     : find_in_lines(&redactor->matcher, text, len);
}

/* What its line opens, when it opens something, comes next. */
static void open_follow(struct tl_redactor *redactor, const char *text)
{
	const struct opener *opener = &redactor->matcher.opener;
	const struct rule *rule = &redactor->rules->set.rules[opener->rule];

	if (opener->rule == RULES_MAX || redactor->block.end)
		return;
	if (redactor->follow.kind == FOLLOW_SECRET) {
		if (rule->follow == FOLLOW_DATA)
			return;
		redactor->outer = redactor->follow;
	}
	redactor->run_max = RUN_MIN;
	follow_begin(&redactor->follow, (enum follow_kind)rule->follow, opener->rule,
		     (unsigned)rule->next_lines, text + opener->line, opener->end - opener->line);
}

/* A line, or what is left of one. */
static int scan_piece(struct tl_redactor *redactor, const char *text, size_t len,
		      struct tl_err *err)
{
	int r;

	if (len == 0)
		return 0;
	if (find(redactor, text, len) < 0)
		return emit_withheld(redactor, err);
	r = emit_replaced(redactor, text, 0, len, err);
	open_follow(redactor, text);
	return r;
}

/* ---- long lines ----------------------------------------------------------------------------- */

/* Where a part of a long line may be cut: its last bytes are looked at again with what follows, and no
 * span is parted. What is found again next time begins no further than the overlap before the cut. */
static size_t find_cut(const struct tl_redactor *redactor, size_t len)
{
	const struct matcher *matcher = &redactor->matcher;
	size_t overlap = redactor->limits.overlap_bytes;
	size_t least = redactor->context + redactor->limits.window_bytes / 2;
	size_t cut = len - overlap;

	for (size_t i = 0; i < matcher->count; i++)
		if (matcher->spans[i].start < cut && matcher->spans[i].end > cut &&
		    matcher->spans[i].start >= least)
			cut = matcher->spans[i].start;
	for (size_t i = 0; i < matcher->count; i++) {
		const struct span *span = &matcher->spans[i];

		if (span->end > cut && (span->start < cut || span->anchor + overlap < cut))
			cut = span->end;
	}
	return cut;
}

/* One full window that is not the end of its line. */
static int scan_window(struct tl_redactor *redactor, const char *text, size_t len,
		       size_t *ret_consumed, struct tl_err *err)
{
	size_t overlap = redactor->limits.overlap_bytes;
	size_t cut;
	int r;

	if (find_in_part(&redactor->matcher, text, len, overlap) < 0) {
		r = emit_withheld(redactor, err);
		cut = len;
	} else {
		cut = find_cut(redactor, len);
		r = emit_replaced(redactor, text, redactor->context, cut, err);
	}
	/* A secret longer than the window: its rest goes with it. */
	redactor->drop_line = cut == len;
	redactor->in_line = !redactor->drop_line;
	redactor->context = redactor->drop_line ? 0 : overlap;
	*ret_consumed = cut - redactor->context;
	return r;
}

/* The end of a long line, with its newline if it has one. */
static int finish_line(struct tl_redactor *redactor, const char *text, size_t len, bool newline,
		       struct tl_err *err)
{
	int r;

	if (find_in_part(&redactor->matcher, text, len, redactor->limits.overlap_bytes) < 0)
		r = emit_withheld(redactor, err);
	else
		r = emit_replaced(redactor, text, redactor->context, len, err);
	redactor->in_line = false;
	redactor->context = 0;
	return r < 0 ? r : emit(redactor, "\n", newline, err);
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* A line that opens something ends the run: what follows is no ordinary text. */
static size_t end_run(struct matcher *matcher, const char *text, size_t len)
{
	size_t opener = matcher->opener.rule == RULES_MAX ? len : matcher->opener.end + 1;

	if (opener < len)
		len = opener;
	for (size_t i = 0; i < matcher->count && matcher->spans[i].start < len; i++) {
		const struct span *span = &matcher->spans[i];
		const char *newline;

		if (!span->open_block)
			continue;
		newline = memchr(text + span->start, '\n', len - span->start);
		return newline ? (size_t)(newline - text) + 1 : len;
	}
	return len;
}

static int lines_one_by_one(struct tl_redactor *redactor, const char *text, size_t len,
			    size_t *ret_consumed, struct tl_err *err)
{
	const char *newline = memchr(text, '\n', len);
	size_t line = newline ? (size_t)(newline - text) : len;
	int r = scan_piece(redactor, text, line, err);

	*ret_consumed = line + (newline != NULL);
	return r < 0 ? r : emit(redactor, "\n", newline != NULL, err);
}

/* Whole lines, none of them long; *ret_consumed may be less than all. */
static int scan_lines(struct tl_redactor *redactor, const char *text, size_t len,
		      size_t *ret_consumed, struct tl_err *err)
{
	size_t end;
	int r;

	if (find_in_lines(&redactor->matcher, text, len) < 0)
		return lines_one_by_one(redactor, text, len, ret_consumed, err);
	end = end_run(&redactor->matcher, text, len);
	*ret_consumed = end;
	r = emit_replaced(redactor, text, 0, end, err);
	if (redactor->matcher.opener.rule != RULES_MAX && redactor->matcher.opener.line < end)
		open_follow(redactor, text);
	return r;
}

/* How much of the text is whole lines, none of them long. */
static size_t measure_run(const struct tl_redactor *redactor, const char *text, size_t len)
{
	size_t longest = redactor->limits.overlap_bytes, at = 0;

	while (at < len && at < redactor->run_max) {
		size_t span = len - at < longest + 1 ? len - at : longest + 1;
		const char *newline = memrchr(text + at, '\n', span);

		if (!newline)
			break;
		at = (size_t)(newline - text) + 1;
	}
	return at;
}

/* A line inside of a block: it leaves its newline behind, so that those below keep their numbers. */
static int scan_block_line(struct tl_redactor *redactor, const char *text, size_t len, bool newline,
			   struct tl_err *err)
{
	size_t from = block_line(&redactor->block, text, len);
	int r = scan_piece(redactor, text + from, len - from, err);

	redactor->run_max = RUN_MIN;
	return r < 0 ? r : emit(redactor, "\n", newline, err);
}

/* ---- lines below one that opened something ---------------------------------------------------- */

/* A key on many lines goes its own way. */
static bool opens_block(struct tl_redactor *redactor, const char *text, size_t len)
{
	if (find(redactor, text, len) < 0)
		return false;
	for (size_t i = 0; i < redactor->matcher.count; i++)
		if (redactor->matcher.spans[i].open_block)
			return true;
	return false;
}

static struct follow_part ask_rule(struct tl_redactor *redactor, const char *text, size_t len)
{
	const struct follow_part nothing = {.start = 0};
	struct follow_part part = nothing;

	if (!matcher_next(&redactor->matcher, redactor->follow.rule, text, len, &part))
		return nothing;
	follow_found(&redactor->follow, text, len, &part);
	if (opens_block(redactor, text + part.start, part.end - part.start))
		return nothing;
	return part;
}

static void resume_outer(struct tl_redactor *redactor)
{
	redactor->follow = redactor->outer;
	redactor->outer = (struct follow){.kind = FOLLOW_NONE};
}

/* What is to be hidden of a line, by the first that has a say in it. */
static struct follow_part judge_line(struct tl_redactor *redactor, const char *text, size_t len,
				     unsigned *ret_rule)
{
	struct follow_part part = {.start = 0};

	while (redactor->follow.kind != FOLLOW_NONE && part.start == part.end) {
		*ret_rule = redactor->follow.rule;
		part = follow_line(&redactor->follow, text, len);
		if (part.ask)
			part = ask_rule(redactor, text, len);
		if (redactor->follow.kind != FOLLOW_NONE)
			return part;
		resume_outer(redactor);
	}
	return part;
}

/* The line up to the end of its secret. *ret_rest: where it goes on. */
static int scan_head(struct tl_redactor *redactor, const char *text, size_t len, size_t *ret_rest,
		     struct tl_err *err)
{
	unsigned rule = RULES_MAX;
	struct follow_part part = judge_line(redactor, text, len, &rule);
	int r = 0;

	redactor->run_max = RUN_MIN;
	*ret_rest = part.end;
	if (part.start == part.end) {
		*ret_rest = 0;
		return 0;
	}
	r = scan_piece(redactor, text, part.start, err);
	return r == 0 && part.mark ? emit_mark(redactor, rule, err) : r;
}

static int scan_followed_line(struct tl_redactor *redactor, const char *text, size_t len,
			      bool newline, struct tl_err *err)
{
	size_t rest;
	int r = scan_head(redactor, text, len, &rest, err);

	if (r == 0)
		r = scan_piece(redactor, text + rest, len - rest, err);
	return r < 0 ? r : emit(redactor, "\n", newline, err);
}

/* Its line has not ended: what of a secret is in it takes the rest along. */
static int scan_followed_window(struct tl_redactor *redactor, const char *text, size_t len,
				size_t *ret_consumed, struct tl_err *err)
{
	size_t rest;
	int r = scan_head(redactor, text, len, &rest, err);

	if (r < 0 || rest == 0)
		return r < 0 ? r : scan_window(redactor, text, len, ret_consumed, err);
	redactor->drop_line = true;
	return 0;
}

/* ---- pieces --------------------------------------------------------------------------------- */

/* A line that is not looked at in a run: what is left of a long one, one inside a block, one without its
 * newline. */
static int end_line(struct tl_redactor *redactor, const char *text, size_t len, bool newline,
		    struct tl_err *err)
{
	size_t consumed;

	if (redactor->drop_line) {
		redactor->drop_line = false;
		return emit(redactor, "\n", newline, err);
	}
	if (!redactor->in_line && redactor->block.end)
		return scan_block_line(redactor, text, len, newline, err);
	if (!redactor->in_line && redactor->follow.kind != FOLLOW_NONE)
		return scan_followed_line(redactor, text, len, newline, err);
	if (redactor->in_line || len > redactor->limits.overlap_bytes)
		return finish_line(redactor, text, len, newline, err);
	return lines_one_by_one(redactor, text, len + newline, &consumed, err);
}

/* A window's worth of a line that has not ended. */
static int full_window(struct tl_redactor *redactor, const char *text, size_t len,
		       size_t *ret_consumed, struct tl_err *err)
{
	*ret_consumed = len;
	if (redactor->drop_line)
		return 0;
	if (redactor->in_line || (!redactor->block.end && redactor->follow.kind == FOLLOW_NONE))
		return scan_window(redactor, text, len, ret_consumed, err);
	if (!redactor->block.end)
		return scan_followed_window(redactor, text, len, ret_consumed, err);
	redactor->drop_line = true;
	return emit_withheld(redactor, err);
}

int scan_end(struct tl_redactor *redactor, const char *text, size_t len, struct tl_err *err)
{
	return end_line(redactor, text, len, false, err);
}

/* Is it known what the next lines are? */
static bool is_decided(struct tl_redactor *redactor, const char *text, size_t len, size_t window)
{
	if (!redactor->follow.undecided)
		return true;
	if (!follow_decide(&redactor->follow, text, len, window, redactor->last))
		return false;
	if (redactor->follow.kind == FOLLOW_NONE)
		resume_outer(redactor);
	return true;
}

int scan_step(struct tl_redactor *redactor, const char *text, size_t len, size_t *ret_consumed,
	      struct tl_err *err)
{
	size_t window = redactor->limits.window_bytes + redactor->context;
	const char *newline;
	size_t run;

	*ret_consumed = 0;
	if (!is_decided(redactor, text, len, window))
		return 0;
	if (!redactor->in_line && !redactor->drop_line && !redactor->block.end &&
	    redactor->follow.kind == FOLLOW_NONE) {
		run = measure_run(redactor, text, len);
		if (redactor->run_max < RUN_MAX)
			redactor->run_max *= 2;
		if (run > 0)
			return scan_lines(redactor, text, run, ret_consumed, err);
	}
	if (len <= redactor->context)
		return 0;
	newline = memchr(text + redactor->context, '\n',
			 (len < window ? len : window) - redactor->context);
	if (newline) {
		*ret_consumed = (size_t)(newline - text) + 1;
		return end_line(redactor, text, *ret_consumed - 1, true, err);
	}
	return len >= window ? full_window(redactor, text, window, ret_consumed, err) : 0;
}
