#include "redact/redact.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "redact/block.h"
#include "redact/matcher.h"

#define WITHHELD "[withheld: redaction failed]"
#define RUN_MAX (64 * 1024) /* of whole lines that are looked at together */
#define RUN_MIN 2048	    /* behind a block: others may follow, and end the run each */

const struct tl_redact_limits tl_redact_limits_default = {
	.window_bytes = 64 * 1024,
	.overlap_bytes = 4 * 1024,
	.match_limit = 200000,
};

struct tl_redactor {
	const struct tl_redact_rules *rules;
	struct tl_redact_limits limits;
	struct matcher matcher;
	enum tl_redact_level level;
	struct tl_identities *identities;
	char *path;
	bool lost_path; /* no memory for it: nothing can be judged */
	unsigned whole; /* the rule by which all of the text is secret, or RULES_MAX */
	tl_redact_output *output;
	void *arg;
	struct tl_buf held;    /* an unfinished line, or the end of a long one's part */
	struct tl_buf replace; /* a pseudonym */
	uint64_t *counts;      /* by rule */
	uint64_t identity_counts[TL_IDENTITY_CLASSES];
	uint64_t withheld, passed;
	struct block block;
	size_t run_max;
	size_t context; /* in a long line: bytes before what comes next, that are out already */
	bool in_line;	/* in a long line */
	bool drop_line; /* up to the next newline */
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
	redactor->counts = calloc(rules->set.count + 1, sizeof *redactor->counts);
	if (!redactor->counts)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
	redactor->limits = *limits;
	redactor->run_max = RUN_MAX;
	redactor->held =
		(struct tl_buf)TL_BUF_SECRET_INIT(limits->window_bytes + limits->overlap_bytes);
	redactor->replace = (struct tl_buf)TL_BUF_INIT(limits->window_bytes);
	matcher_set_path(&redactor->matcher, NULL, &redactor->whole);
	*ret_redactor = tl_steal(&redactor);
	return 0;
}

void tl_redactor_free(struct tl_redactor *redactor)
{
	if (!redactor)
		return;
	matcher_clear(&redactor->matcher);
	tl_buf_clear(&redactor->held);
	tl_buf_clear(&redactor->replace);
	free(redactor->counts);
	free(redactor->path);
	free(redactor);
}

static void forget_text(struct tl_redactor *redactor)
{
	tl_buf_consume(&redactor->held, redactor->held.len);
	tl_buf_reset(&redactor->held);
	redactor->block = (struct block){.end = NULL};
	redactor->run_max = RUN_MAX;
	redactor->context = 0;
	redactor->in_line = false;
	redactor->drop_line = false;
}

void tl_redactor_begin(struct tl_redactor *redactor, tl_redact_output *output, void *arg)
{
	redactor->output = output;
	redactor->arg = arg;
	forget_text(redactor);
	memset(redactor->counts, 0, redactor->rules->set.count * sizeof *redactor->counts);
	memset(redactor->identity_counts, 0, sizeof redactor->identity_counts);
	redactor->withheld = 0;
	redactor->passed = 0;
}

void tl_redactor_set_level(struct tl_redactor *redactor, enum tl_redact_level level)
{
	redactor->level = level;
	redactor->matcher.identities = level == TL_REDACT_IDENTITIES ? redactor->identities : NULL;
}

void tl_redactor_set_identities(struct tl_redactor *redactor, struct tl_identities *identities)
{
	redactor->identities = identities;
	if (redactor->level != TL_REDACT_OFF)
		tl_redactor_set_level(redactor,
				      identities ? TL_REDACT_IDENTITIES : TL_REDACT_SECRETS);
}

void tl_redactor_set_path(struct tl_redactor *redactor, const char *path)
{
	free(redactor->path);
	redactor->path = path ? strdup(path) : NULL;
	redactor->lost_path = path && !redactor->path;
	matcher_set_path(&redactor->matcher, redactor->path, &redactor->whole);
}

uint64_t tl_redactor_withheld(const struct tl_redactor *redactor)
{
	return redactor->withheld;
}

/* ---- output --------------------------------------------------------------------------------- */

static int put(struct tl_redactor *redactor, const char *bytes, size_t len, struct tl_err *err)
{
	return len ? redactor->output(redactor->arg, bytes, len, err) : 0;
}

static int withhold(struct tl_redactor *redactor, struct tl_err *err)
{
	redactor->withheld++;
	return put(redactor, WITHHELD, strlen(WITHHELD), err);
}

static int put_mark(struct tl_redactor *redactor, unsigned rule, struct tl_err *err)
{
	char text[96];
	int len = snprintf(text, sizeof text, "[redacted:%s]", redactor->rules->set.rules[rule].id);

	redactor->counts[rule]++;
	return put(redactor, text, (size_t)len, err);
}

static int put_pseudonym(struct tl_redactor *redactor, const struct span *span, const char *text,
			 struct tl_err *err)
{
	enum tl_identity_class class = span->rule - MATCHER_IDENTITY;

	tl_buf_reset(&redactor->replace);
	if (tl_identities_replace(redactor->identities, class, text + span->start,
				  span->end - span->start, &redactor->replace) < 0)
		return withhold(redactor, err);
	redactor->identity_counts[class]++;
	return put(redactor, redactor->replace.data, redactor->replace.len, err);
}

static int put_span(struct tl_redactor *redactor, const struct span *span, const char *text,
		    struct tl_err *err)
{
	if (span->rule >= MATCHER_IDENTITY)
		return put_pseudonym(redactor, span, text, err);
	if (span->open_block)
		redactor->block = (struct block){redactor->rules->set.rules[span->rule].block_end,
						 TL_REDACT_PEM_LINES_MAX};
	return put_mark(redactor, span->rule, err);
}

/* Puts out text[from, cut) with the spans that begin in it replaced; no span goes on behind the cut. */
static int put_replaced(struct tl_redactor *redactor, const char *text, size_t from, size_t cut,
			struct tl_err *err)
{
	for (size_t i = 0; i < redactor->matcher.count; i++) {
		const struct span *span = &redactor->matcher.spans[i];
		int r;

		if (span->end <= from)
			continue;
		if (span->start >= cut)
			break;
		r = span->start > from ? put(redactor, text + from, span->start - from, err) : 0;
		if (r == 0)
			r = put_span(redactor, span, text, err);
		if (r < 0)
			return r;
		from = span->end;
	}
	return from < cut ? put(redactor, text + from, cut - from, err) : 0;
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

	if (matcher_part(&redactor->matcher, text, len, overlap) < 0) {
		r = withhold(redactor, err);
		cut = len;
	} else {
		cut = find_cut(redactor, len);
		r = put_replaced(redactor, text, redactor->context, cut, err);
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

	if (matcher_part(&redactor->matcher, text, len, redactor->limits.overlap_bytes) < 0)
		r = withhold(redactor, err);
	else
		r = put_replaced(redactor, text, redactor->context, len, err);
	redactor->in_line = false;
	redactor->context = 0;
	return r < 0 ? r : put(redactor, "\n", newline, err);
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* A block that goes on ends the run with its line: what follows is its, not text. */
static size_t end_run_at_block(struct matcher *matcher, const char *text, size_t len)
{
	for (size_t i = 0; i < matcher->count; i++) {
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
	size_t line = newline ? (size_t)(newline - text) : len, looked;
	int r;

	*ret_consumed = line + (newline != NULL);
	if (matcher_lines(&redactor->matcher, text, line, &looked) < 0)
		r = withhold(redactor, err);
	else
		r = put_replaced(redactor, text, 0, line, err);
	return r < 0 ? r : put(redactor, "\n", newline != NULL, err);
}

/* Whole lines, none of them long; *ret_consumed may be less than all. */
static int scan_lines(struct tl_redactor *redactor, const char *text, size_t len,
		      size_t *ret_consumed, struct tl_err *err)
{
	size_t end;

	if (matcher_lines(&redactor->matcher, text, len, &end) < 0)
		return lines_one_by_one(redactor, text, len, ret_consumed, err);
	end = end_run_at_block(&redactor->matcher, text, end);
	*ret_consumed = end;
	return put_replaced(redactor, text, 0, end, err);
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
	size_t from = block_line(&redactor->block, text, len), looked;
	int r = 0;

	redactor->run_max = RUN_MIN;
	if (from < len && len - from > redactor->limits.overlap_bytes)
		return finish_line(redactor, text + from, len - from, newline, err);
	if (from < len && matcher_lines(&redactor->matcher, text + from, len - from, &looked) < 0)
		r = withhold(redactor, err);
	else if (from < len)
		r = put_replaced(redactor, text + from, 0, len - from, err);
	return r < 0 ? r : put(redactor, "\n", newline, err);
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
		return put(redactor, "\n", newline, err);
	}
	if (!redactor->in_line && redactor->block.end)
		return scan_block_line(redactor, text, len, newline, err);
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
	if (redactor->in_line || !redactor->block.end)
		return scan_window(redactor, text, len, ret_consumed, err);
	redactor->drop_line = true;
	return withhold(redactor, err);
}

/* Handles what `text` begins with: lines, a line, a window. *ret_consumed is 0 when more is needed. */
static int step(struct tl_redactor *redactor, const char *text, size_t len, size_t *ret_consumed,
		struct tl_err *err)
{
	size_t window = redactor->limits.window_bytes + redactor->context;
	const char *newline;
	size_t run;

	*ret_consumed = 0;
	if (!redactor->in_line && !redactor->drop_line && !redactor->block.end) {
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

/* Completes the held text from the input; returns how much of the input it took. */
static size_t hold(struct tl_redactor *redactor, const char *bytes, size_t len)
{
	size_t room = redactor->limits.window_bytes + redactor->context - redactor->held.len;
	size_t take = len < room ? len : room;
	const char *newline = memchr(bytes, '\n', take);

	if (newline)
		take = (size_t)(newline - bytes) + 1;
	tl_buf_append(&redactor->held, bytes, take);
	return take;
}

/* Steps through `text` as far as it goes. */
static int walk(struct tl_redactor *redactor, const char *text, size_t len, size_t *ret_consumed,
		struct tl_err *err)
{
	size_t at = 0, consumed = 1;
	int r = 0;

	while (r == 0 && at < len && consumed > 0) {
		r = step(redactor, text + at, len - at, &consumed, err);
		at += consumed;
	}
	*ret_consumed = at;
	return r;
}

static int feed(struct tl_redactor *redactor, const char *at, size_t len, struct tl_err *err)
{
	while (len > 0) {
		bool direct = redactor->held.len == 0;
		size_t taken = direct ? 0 : hold(redactor, at, len), consumed;
		int r;

		if (tl_buf_check(&redactor->held) < 0)
			return tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
		at += taken;
		len -= taken;
		r = walk(redactor, direct ? at : redactor->held.data,
			 direct ? len : redactor->held.len, &consumed, err);
		if (r < 0)
			return r;
		if (!direct) {
			tl_buf_consume(&redactor->held, consumed);
			continue;
		}
		at += consumed;
		len -= consumed;
		tl_buf_append(&redactor->held, at, len); /* less than a window */
		len = 0;
	}
	return tl_buf_check(&redactor->held) < 0
		       ? tl_err_set(err, TL_ENOMEM, "out of memory for redaction")
		       : 0;
}

int tl_redactor_feed(struct tl_redactor *redactor, const void *bytes, size_t len,
		     struct tl_err *err)
{
	bool first = redactor->passed == 0;

	if (redactor->lost_path)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
	redactor->passed += len;
	if (redactor->level == TL_REDACT_OFF)
		return put(redactor, bytes, len, err);
	if (redactor->level == TL_REDACT_IDENTITIES && !redactor->identities)
		return tl_err_set(err, TL_EINVAL,
				  "the level identities needs the organisation's key");
	if (redactor->whole < RULES_MAX)
		return first && len ? put_mark(redactor, redactor->whole, err) : 0;
	return feed(redactor, bytes, len, err);
}

int tl_redactor_flush(struct tl_redactor *redactor, struct tl_err *err)
{
	int r = 0;

	if (redactor->held.len > redactor->context || redactor->drop_line)
		r = end_line(redactor, tl_buf_str(&redactor->held), redactor->held.len, false, err);
	forget_text(redactor);
	return r;
}

/* ---- report --------------------------------------------------------------------------------- */

static void report(json_t *counts, const char *name, uint64_t count)
{
	json_int_t before = json_integer_value(json_object_get(counts, name));

	if (count > 0)
		json_object_set_new(counts, name, json_integer(before + (json_int_t)count));
}

void tl_redactor_report(const struct tl_redactor *redactor, json_t *counts)
{
	for (size_t i = 0; i < redactor->rules->set.count; i++)
		report(counts, redactor->rules->set.rules[i].id, redactor->counts[i]);
	for (unsigned i = 0; i < TL_IDENTITY_CLASSES; i++)
		report(counts, tl_identity_class_name(i), redactor->identity_counts[i]);
	report(counts, "withheld", redactor->withheld);
	report(counts, "off", redactor->level == TL_REDACT_OFF && redactor->passed > 0);
}
