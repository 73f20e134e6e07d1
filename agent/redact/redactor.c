#include "redact/redactor.h"

#include <string.h>

#define WIDE_PIECE (32 * 1024)

const struct tl_redact_limits tl_redact_limits_default = {
	.window_bytes = 64 * 1024,
	.overlap_bytes = 4 * 1024,
	.match_limit = 200000,
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
	redactor->wide.held = (struct tl_buf)TL_BUF_SECRET_INIT(2 * WIDE_PIECE);
	redactor->plain = (struct tl_buf)TL_BUF_SECRET_INIT(2 * WIDE_PIECE);
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
	tl_buf_clear(&redactor->wide.held);
	tl_buf_clear(&redactor->plain);
	free(redactor->counts);
	free(redactor->path);
	free(redactor);
}

static void forget_text(struct tl_redactor *redactor)
{
	tl_buf_consume(&redactor->held, redactor->held.len);
	tl_buf_reset(&redactor->held);
	tl_buf_consume(&redactor->wide.held, redactor->wide.held.len);
	redactor->wide.inside = false;
	redactor->block = (struct block){.end = NULL};
	redactor->follow = (struct follow){.kind = FOLLOW_NONE};
	redactor->outer = redactor->follow;
	redactor->last = false;
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

/* ---- pieces --------------------------------------------------------------------------------- */

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
		r = scan_step(redactor, text + at, len - at, &consumed, err);
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

static int feed_plain(struct tl_redactor *redactor, const char *bytes, size_t len, bool last,
		      struct tl_err *err)
{
	tl_buf_reset(&redactor->plain);
	if (wide_feed(&redactor->wide, bytes, len, last, &redactor->plain) < 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
	return feed(redactor, tl_buf_str(&redactor->plain), redactor->plain.len, err);
}

static int feed_any(struct tl_redactor *redactor, const char *at, size_t len, struct tl_err *err)
{
	int r = 0;

	while (r == 0 && len > 0) {
		size_t part = len < WIDE_PIECE ? len : WIDE_PIECE;

		if (wide_is_idle(&redactor->wide, at, len))
			return feed(redactor, at, len, err);
		r = feed_plain(redactor, at, part, false, err);
		at += part;
		len -= part;
	}
	return r;
}

int tl_redactor_feed(struct tl_redactor *redactor, const void *bytes, size_t len,
		     struct tl_err *err)
{
	bool first = redactor->passed == 0;

	if (redactor->lost_path)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
	redactor->passed += len;
	if (redactor->level == TL_REDACT_OFF)
		return emit(redactor, bytes, len, err);
	if (redactor->level == TL_REDACT_IDENTITIES && !redactor->identities)
		return tl_err_set(err, TL_EINVAL,
				  "the level identities needs the organisation's key");
	if (redactor->whole < RULES_MAX)
		return first && len ? emit_mark(redactor, redactor->whole, err) : 0;
	return feed_any(redactor, bytes, len, err);
}

int tl_redactor_flush(struct tl_redactor *redactor, struct tl_err *err)
{
	struct tl_buf *held = &redactor->held;
	size_t walked = 0;
	int r = redactor->wide.held.len > 0 ? feed_plain(redactor, "", 0, true, err) : 0;

	redactor->last = true;
	if (r == 0)
		r = walk(redactor, tl_buf_str(held), held->len, &walked, err);
	if (r == 0 && (held->len - walked > redactor->context || redactor->drop_line))
		r = scan_end(redactor, tl_buf_str(held) + walked, held->len - walked, err);
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
