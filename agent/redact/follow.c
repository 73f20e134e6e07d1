#include "redact/follow.h"

#include <string.h>

#define WAIT_LINES 400 /* between a Secret's kind and its data */
#define ELEMENT_LINES 16
#define BASE64_MIN 8 /* digits of a value that can be told from a word */

/* A line, as far as its form goes. */
struct shape {
	const char *text;
	size_t len;    /* without the blanks at its end */
	size_t indent; /* blanks before it */
	size_t column; /* where its key begins, behind the dashes of lists */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct shape measure(const char *line, size_t len)
{
	struct shape shape = {.text = line, .len = len};

	while (shape.len > 0 && is_blank(line[shape.len - 1]))
		shape.len--;
	while (shape.indent < shape.len && is_blank(line[shape.indent]))
		shape.indent++;
	shape.column = shape.indent;
	while (shape.column + 1 < shape.len && line[shape.column] == '-' &&
	       is_blank(line[shape.column + 1])) {
		shape.column++;
		while (is_blank(line[shape.column]))
			shape.column++;
	}
	return shape;
}

static bool begins(const struct shape *shape, size_t at, const char *word)
{
	size_t len = strlen(word);

	return shape->len - at >= len && memcmp(shape->text + at, word, len) == 0;
}

/* Where the value begins behind the key, in quotes or not; 0: there is no key. */
static size_t behind_key(const struct shape *shape)
{
	size_t at = shape->column;
	const char *colon;

	if (at < shape->len && (shape->text[at] == '"' || shape->text[at] == '\'')) {
		const char *quote =
			memchr(shape->text + at + 1, shape->text[at], shape->len - at - 1);

		if (!quote)
			return 0;
		at = (size_t)(quote - shape->text) + 1;
	}
	colon = memchr(shape->text + at, ':', shape->len - at);
	if (!colon)
		return 0;
	at = (size_t)(colon - shape->text) + 1;
	if (at < shape->len && !is_blank(shape->text[at]) && !strchr("\"'{", shape->text[at]))
		return 0;
	while (at < shape->len && is_blank(shape->text[at]))
		at++;
	return at;
}

static bool has_key(const struct shape *shape, const char *name)
{
	size_t at = shape->column;

	if (at < shape->len && (shape->text[at] == '"' || shape->text[at] == '\''))
		at++;
	return begins(shape, at, name) && at + strlen(name) < shape->len &&
	       strchr("\"': ", shape->text[at + strlen(name)]) && behind_key(shape) > 0;
}

/* The value, without quotes and commas around it. */
static struct follow_part value_of(const struct shape *shape, size_t from)
{
	struct follow_part part = {from, shape->len, true, false};

	if (part.end > from && shape->text[part.end - 1] == ',')
		part.end--;
	if (part.end > from && (shape->text[from] == '"' || shape->text[from] == '\'')) {
		part.start++;
		if (part.end > part.start && shape->text[part.end - 1] == shape->text[from])
			part.end--;
	}
	return part;
}

bool follow_is_head(const char *text, size_t len)
{
	if (len == 0 || len > 3 || (text[0] != '|' && text[0] != '>'))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!strchr("+-123456789", text[i]))
			return false;
	return true;
}

static struct follow_part nothing(void)
{
	return (struct follow_part){.start = 0};
}

/* A whole line of a value: one mark stands for all of them. */
static struct follow_part whole(struct follow *follow, const struct shape *shape)
{
	struct follow_part part = {shape->indent, shape->len, !follow->marked, false};

	if (part.end > part.start)
		follow->marked = true;
	return part;
}

static struct follow_part over(struct follow *follow)
{
	follow->kind = FOLLOW_NONE;
	return nothing();
}

/* ---- the kinds ------------------------------------------------------------------------------ */

static struct follow_part value_line(struct follow *follow, const struct shape *shape)
{
	if (shape->len == 0)
		return nothing();
	if (follow->lines_left-- == 0 || shape->column > shape->indent ||
	    strchr("}]", shape->text[shape->indent]))
		return over(follow);
	return (struct follow_part){.ask = true};
}

static struct follow_part block_line(struct follow *follow, const struct shape *shape)
{
	if (shape->len > 0 && shape->indent <= follow->indent)
		return over(follow);
	return whole(follow, shape);
}

static struct follow_part continued_line(struct follow *follow, const struct shape *shape)
{
	struct follow_part part = whole(follow, shape);

	if (follow->lines_left-- == 0 || shape->len == 0 || shape->text[shape->len - 1] != '\\')
		follow->kind = FOLLOW_NONE;
	else
		part.end--;
	return part;
}

static struct follow_part quoted_line(struct follow *follow, const struct shape *shape)
{
	struct follow_part part = whole(follow, shape);
	const char *quote = memchr(shape->text, follow->quote, shape->len);

	if (quote) {
		part.end = (size_t)(quote - shape->text);
		part.start = part.start < part.end ? part.start : part.end;
		follow->kind = FOLLOW_NONE;
	}
	return part;
}

static struct follow_part element_line(struct follow *follow, const struct shape *shape)
{
	struct follow_part part = whole(follow, shape);
	const char *tag = memmem(shape->text, shape->len, "</", 2);

	if (tag) {
		part.end = (size_t)(tag - shape->text);
		follow->kind = FOLLOW_NONE;
	}
	return part;
}

static struct follow_part data_line(struct follow *follow, const struct shape *shape)
{
	size_t value = shape->indent == follow->child ? behind_key(shape) : 0;
	struct follow_part part;

	if (value == 0)
		return whole(follow, shape);
	part = value_of(shape, value);
	follow->marked = part.end > part.start &&
			 !follow_is_head(shape->text + part.start, part.end - part.start);
	return follow->marked ? part : nothing();
}

/* "{" or "{}": what is in it stands below, or there is nothing. */
static bool is_bracket(const struct shape *shape, const struct follow_part *part)
{
	return part->end > part->start && part->end - part->start <= 2 &&
	       shape->text[part->start] == '{';
}

static struct follow_part secret_line(struct follow *follow, const struct shape *shape)
{
	if (shape->len == 0)
		return nothing();
	if (follow->inside && shape->indent > follow->indent) {
		if (follow->child == 0)
			follow->child = shape->indent;
		return data_line(follow, shape);
	}
	follow->inside = false;
	if (shape->indent < follow->indent || begins(shape, 0, "---") || begins(shape, 0, "...") ||
	    (shape->indent == follow->indent && has_key(shape, "kind")) ||
	    follow->lines_left-- == 0)
		return over(follow);
	if (shape->indent == follow->indent &&
	    (has_key(shape, "data") || has_key(shape, "stringData"))) {
		struct follow_part part = value_of(shape, behind_key(shape));

		follow->inside = true;
		follow->child = 0;
		return is_bracket(shape, &part) ? nothing() : part;
	}
	return nothing();
}

/* ---- what can be told from what comes only ---------------------------------------------------- */

enum verdict { UNKNOWN, YES, NO };

/* A closing quote ends its line, but for what parts values. */
static enum verdict judge_quoted(struct follow *follow, const struct shape *shape)
{
	const char *quote = memchr(shape->text, follow->quote, shape->len);
	size_t at = quote ? (size_t)(quote - shape->text) + 1 : 0;

	if (!quote)
		return follow->lines_left-- == 0 ? NO : UNKNOWN;
	while (at < shape->len && strchr(",;)}] ", shape->text[at]))
		at++;
	return at == shape->len ? YES : NO;
}

static enum verdict judge_element(struct follow *follow, const struct shape *shape)
{
	bool tag = begins(shape, shape->indent, "<") && !begins(shape, shape->indent, "<!");

	if (memmem(shape->text, shape->len, "</", 2))
		return !tag || begins(shape, shape->indent, "</") ? YES : NO;
	return tag || follow->lines_left-- == 0 ? NO : UNKNOWN;
}

static enum verdict judge_data(struct follow *follow, const struct shape *shape)
{
	struct follow_part value;

	if (shape->len == 0 || shape->indent > follow->indent)
		return UNKNOWN;
	if (shape->indent < follow->indent || begins(shape, 0, "---"))
		return NO;
	if (!has_key(shape, "kind"))
		return UNKNOWN;
	value = value_of(shape, behind_key(shape));
	return value.end - value.start == 6 && begins(shape, value.start, "Secret") ? YES : NO;
}

/* Too much to see the end of: the first value tells, as those of a Secret are base64. */
static bool is_base64(const char *text, size_t len)
{
	const char *newline = memchr(text, '\n', len);
	struct shape shape = measure(text, newline ? (size_t)(newline - text) : len);
	struct follow_part value = value_of(&shape, behind_key(&shape));

	for (size_t i = value.start; i < value.end; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=",
			    shape.text[i]))
			return false;
	return value.start > 0 && value.end - value.start >= BASE64_MIN;
}

static bool decide(struct follow *follow, bool yes)
{
	follow->undecided = false;
	if (!yes) {
		follow->kind = FOLLOW_NONE;
	} else if (follow->kind == FOLLOW_DATA) {
		follow->kind = FOLLOW_SECRET;
		follow->lines_left = WAIT_LINES;
		follow->inside = true;
	}
	return true;
}

static const struct {
	enum verdict (*judge)(struct follow *follow, const struct shape *shape);
	struct follow_part (*line)(struct follow *follow, const struct shape *shape);
	unsigned lines; /* 0: as the rule says */
} kinds[FOLLOW_KINDS] = {
	[FOLLOW_VALUE] = {NULL, value_line, 0},
	[FOLLOW_BLOCK] = {NULL, block_line, 0},
	[FOLLOW_CONTINUED] = {NULL, continued_line, FOLLOW_LINES_MAX},
	[FOLLOW_QUOTED] = {judge_quoted, quoted_line, FOLLOW_LINES_MAX},
	[FOLLOW_ELEMENT] = {judge_element, element_line, ELEMENT_LINES},
	[FOLLOW_SECRET] = {NULL, secret_line, WAIT_LINES},
	[FOLLOW_DATA] = {judge_data, secret_line, 0},
};

bool follow_decide(struct follow *follow, const char *text, size_t len, size_t window, bool last)
{
	bool full = len >= window, ends = last && !full;

	len = full ? window : len;
	while (follow->seen < len || full || last) {
		const char *from = text + follow->seen;
		const char *newline = memchr(from, '\n', len - follow->seen);
		size_t end = newline ? (size_t)(newline - text) : len;
		struct shape shape = measure(from, end - follow->seen);
		enum verdict verdict;

		if (!newline && !full && !last)
			return false;
		verdict = kinds[follow->kind].judge(follow, &shape);
		if (verdict != UNKNOWN)
			return decide(follow, verdict == YES);
		if (!newline)
			return decide(follow,
				      !ends && follow->kind == FOLLOW_DATA && is_base64(text, len));
		follow->seen = end + 1;
	}
	return false;
}

/* The first one behind the separator. */
static char opening_quote(const struct shape *shape)
{
	size_t at = shape->column;

	while (at < shape->len && shape->text[at] != ':' && shape->text[at] != '=')
		at++;
	while (at < shape->len && shape->text[at] != '"' && shape->text[at] != '\'')
		at++;
	return at < shape->len ? shape->text[at] : '"';
}

void follow_begin(struct follow *follow, enum follow_kind kind, unsigned rule, unsigned lines,
		  const char *line, size_t len)
{
	struct shape shape = measure(line, len);

	*follow = (struct follow){
		.kind = kind,
		.rule = rule,
		.lines_left = kinds[kind].lines ? kinds[kind].lines : lines,
		.indent = shape.column,
		.quote = opening_quote(&shape),
		.undecided = kinds[kind].judge != NULL,
	};
}

struct follow_part follow_line(struct follow *follow, const char *line, size_t len)
{
	struct shape shape = measure(line, len);

	/* cppcheck-suppress returnDanglingLifetime ; a part is offsets, it holds no pointer */
	return kinds[follow->kind].line(follow, &shape);
}

static size_t behind_brackets(const struct shape *shape, size_t at)
{
	while (at < shape->len && strchr("\"',;)}] ", shape->text[at]))
		at++;
	return at;
}

void follow_found(struct follow *follow, const char *line, size_t len, struct follow_part *part)
{
	struct shape shape = measure(line, len);
	bool head = follow_is_head(line + part->start, part->end - part->start);

	follow->kind = head ? FOLLOW_BLOCK : FOLLOW_NONE;
	follow->indent = shape.column;
	part->mark = true;
	/* More behind a closing quote than its line's end can be a part of the value. */
	if (part->end < shape.len && !begins(&shape, part->end, "</") &&
	    behind_brackets(&shape, part->end) < shape.len)
		part->end = len;
	if (head)
		part->end = part->start;
}
