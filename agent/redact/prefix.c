#include "redact/prefix.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 32
#define REPEAT_MAX 32 /* a higher upper bound is opened */
#define LITERAL_MIN 2 /* so many bytes in a row are worth a search */

/* One walk over the expression. What is not understood ends it: `at` becomes NULL. */
struct walk {
	const char *at;
	struct tl_buf *out;
	unsigned depth;
	bool extended; /* (?x): blanks and comments mean nothing */
};

/* Of a branch, or of all branches of a group. */
struct path {
	bool cut;     /* what follows is left out */
	bool literal; /* something worth a search stands in it */
	bool begun;   /* something that is no class stands in it */
	unsigned run; /* of literal bytes up to here */
};

static void refuse(struct walk *walk)
{
	walk->at = NULL;
}

static bool at_end(const struct walk *walk)
{
	return !walk->at || !*walk->at || *walk->at == '|' || *walk->at == ')';
}

/* Moves to `end` and puts out what lies before it, unless the path is cut. */
static void take(struct walk *walk, const struct path *path, const char *end)
{
	if (end && !path->cut)
		tl_buf_append(walk->out, walk->at, (size_t)(end - walk->at));
	walk->at = end;
}

static void put(struct walk *walk, const struct path *path, const char *text)
{
	if (!path->cut)
		tl_buf_puts(walk->out, text);
}

static void count_literal(struct path *path)
{
	path->run++;
	if (path->run >= LITERAL_MIN)
		path->literal = true;
}

static const char *class_end(const char *at)
{
	at++;
	if (*at == '^')
		at++;
	if (*at == ']')
		at++;
	while (*at && *at != ']') {
		const char *end = at[0] == '[' && at[1] == ':' ? strstr(at, ":]") : NULL;

		if (end)
			at = end + 2;
		else
			at += at[0] == '\\' && at[1] ? 2 : 1;
	}
	return *at ? at + 1 : NULL;
}

/* ---- quantifiers ---------------------------------------------------------------------------- */

struct quantifier {
	unsigned min, max;
	int len; /* 0: there is none */
};

static struct quantifier read_quantifier(const char *at)
{
	struct quantifier q = {1, 1, 0};
	int comma = 0, len = 0;

	if (*at == '*' || *at == '+' || *at == '?')
		return (struct quantifier){*at == '+', *at == '?' ? 1 : REPEAT_MAX, 1};
	if (sscanf(at, "{%9u,%9u}%n", &q.min, &q.max, &len) == 2 && len)
		q.len = len;
	else if (sscanf(at, "{%9u%n,}%n", &q.min, &comma, &len) == 1 && len)
		q = (struct quantifier){q.min, REPEAT_MAX, len};
	else if (sscanf(at, "{%9u}%n", &q.min, &len) == 1 && len)
		q = (struct quantifier){q.min, 1, len}; /* stays as it is */
	return q;
}

/* What stands behind an atom; the number of its repetitions at least. */
static unsigned take_quantifier(struct walk *walk, const struct path *path)
{
	struct quantifier q = {1, 1, 0};

	if (walk->at)
		q = read_quantifier(walk->at);
	if (q.len == 0)
		return 1;
	if (q.max >= REPEAT_MAX && *walk->at == '{') {
		char text[24];

		snprintf(text, sizeof text, "{%u,}", q.min);
		put(walk, path, text);
		walk->at += q.len;
	} else {
		take(walk, path, walk->at + q.len);
	}
	if (*walk->at == '+' || *walk->at == '?') /* possessive, lazy: the same to a gate */
		walk->at++;
	return q.min;
}

/* ---- groups --------------------------------------------------------------------------------- */

static struct path walk_branches(struct walk *walk, struct path before);

/* Behind an opening that was put out already: the branches, the parenthesis, the quantifier. `start`: of
 * the group in the output. */
static void walk_group(struct walk *walk, struct path *path, size_t start)
{
	bool extended = walk->extended;
	struct path inside = *path;
	unsigned min;

	if (walk->depth++ == DEPTH_MAX)
		refuse(walk);
	inside.run = 0;
	inside = walk_branches(walk, inside);
	walk->depth--;
	walk->extended = extended;
	if (!walk->at || *walk->at != ')') {
		refuse(walk);
		return;
	}
	take(walk, path, walk->at + 1);
	/* Of a group that is cut, one repetition's beginning is the beginning of all. */
	min = take_quantifier(walk, inside.cut ? &inside : path);
	path->run = 0;
	if (!path->cut && ((min == 0 && inside.cut) ||
			   (!path->begun && !inside.cut && (min == 0 || !inside.literal)))) {
		walk->out->len = start;
		path->cut = inside.cut;
		return;
	}
	path->begun = true;
	path->cut |= inside.cut;
	path->literal |= min > 0 && inside.literal;
}

static void enter_group(struct walk *walk, struct path *path, const char *as, size_t skip)
{
	size_t start = walk->out->len;

	walk->at += skip;
	put(walk, path, as);
	walk_group(walk, path, start);
}

/* The secret: left out with all that follows, if something worth a search stands before. */
static void enter_capture(struct walk *walk, struct path *path, size_t skip)
{
	struct path whole = *path;

	if (path->literal)
		whole.cut = true;
	enter_group(walk, &whole, "(?:", skip);
	path->cut |= whole.cut;
	path->literal |= whole.literal;
	path->begun |= whole.begun;
	path->run = 0;
}

/* Behind the group that opens at `at`; NULL when it never closes. */
static const char *group_end(const char *at)
{
	unsigned depth = 0;

	while (at && *at) {
		if (*at == '[') {
			at = class_end(at);
			continue;
		}
		depth += *at == '(';
		depth -= *at == ')';
		at += *at == '\\' && at[1] ? 2 : 1;
		if (depth == 0)
			return at;
	}
	return NULL;
}

/* A lookaround is not part of the match. */
static void skip_around(struct walk *walk, struct path *path)
{
	struct path left_out = {.cut = true};

	take(walk, &left_out, group_end(walk->at));
	take_quantifier(walk, &left_out);
	path->run = 0;
}

/* "(?xi)", "(?-i:": x is carried out here, the others mean the same on both sides. */
static void take_flags(struct walk *walk, struct path *path)
{
	const char *at = walk->at + 2;
	char text[16] = "(?";
	size_t len = 2;
	bool on = true, extended = walk->extended, any = false;

	for (; strchr("imsx-", *at) && *at && len < 10; at++) {
		on = on && *at != '-';
		if (*at == 'x')
			extended = on;
		else
			text[len++] = *at;
		any |= *at != 'x' && *at != '-';
	}
	if (*at == ')') {
		text[len] = ')';
		put(walk, path, any ? text : "");
		walk->at = at + 1;
		walk->extended = extended;
	} else if (*at == ':') {
		bool outside = walk->extended;

		text[len] = ':';
		walk->extended = extended;
		enter_group(walk, path, any ? text : "(?:", (size_t)(at + 1 - walk->at));
		walk->extended = outside;
	} else {
		refuse(walk);
	}
}

static void take_group(struct walk *walk, struct path *path)
{
	static const char *const around[] = {"(?=", "(?!", "(?<=", "(?<!"};
	const char *at = walk->at, *close = strchr(at, '>');

	for (size_t i = 0; i < TL_ARRAY_LEN(around); i++)
		if (strncmp(at, around[i], strlen(around[i])) == 0) {
			skip_around(walk, path);
			return;
		}
	if (at[1] == '*')
		refuse(walk);
	else if (at[1] != '?')
		enter_capture(walk, path, 1);
	else if (at[2] == ':' || at[2] == '>' || at[2] == '|')
		enter_group(walk, path, "(?:", 3);
	else if (((at[2] == 'P' && at[3] == '<') || at[2] == '<') && close)
		enter_capture(walk, path, (size_t)(close + 1 - at));
	else
		take_flags(walk, path);
}

/* ---- the rest ------------------------------------------------------------------------------- */

static const char *escape_end(const char *at, bool *ret_literal)
{
	const char *end;

	*ret_literal = true;
	if (at[1] == 'x' && at[2] == '{') {
		end = strchr(at, '}');
		return end ? end + 1 : NULL;
	}
	if (at[1] == 'x')
		return at + 2 + strspn(at + 2, "0123456789abcdefABCDEF");
	if (ispunct((unsigned char)at[1]) || at[1] == ' ' || (at[1] && strchr("tnrf", at[1])))
		return at + 2;
	*ret_literal = false;
	return at[1] && strchr("dDwWsSbB", at[1]) ? at + 2 : NULL;
}

/* A byte, a class, an escape. */
static void take_atom(struct walk *walk, struct path *path)
{
	bool literal = !strchr(".^$", *walk->at);
	const char *end = walk->at + 1;

	if (*walk->at == '[') {
		literal = false;
		end = class_end(walk->at);
	} else if (*walk->at == '\\') {
		end = escape_end(walk->at, &literal);
	}
	/* A search may begin anywhere: what can be missing, classes and anchors at the beginning only make it
	 * dear. */
	if (!path->begun && (!literal || (end && read_quantifier(end).min == 0))) {
		struct path left_out = {.cut = true};

		take(walk, &left_out, end);
		take_quantifier(walk, &left_out);
		return;
	}
	path->begun = true;
	take(walk, path, end);
	if (take_quantifier(walk, path) == 1 && literal)
		count_literal(path);
	else
		path->run = 0;
}

static bool skip_blank(struct walk *walk)
{
	if (!walk->extended)
		return false;
	if (*walk->at == '#') {
		walk->at += strcspn(walk->at, "\n");
		return true;
	}
	if (!isspace((unsigned char)*walk->at))
		return false;
	walk->at++;
	return true;
}

static struct path walk_branch(struct walk *walk, struct path path)
{
	while (!at_end(walk)) {
		if (skip_blank(walk))
			continue;
		if (*walk->at == '(')
			take_group(walk, &path);
		else
			take_atom(walk, &path);
	}
	return path;
}

static struct path walk_branches(struct walk *walk, struct path before)
{
	struct path all = {.cut = before.cut, .literal = true};

	for (;;) {
		struct path path = walk_branch(walk, before);

		all.cut |= path.cut;
		all.literal &= path.literal;
		if (!walk->at || *walk->at != '|')
			return all;
		take(walk, &before, walk->at + 1);
	}
}

bool prefix_of(const char *regex, struct tl_buf *out, bool *ret_literal)
{
	struct walk walk = {.at = regex, .out = out};
	struct path path = walk_branches(&walk, (struct path){.cut = false});

	tl_buf_puts(out, "");
	if (!walk.at || *walk.at || tl_buf_check(out) < 0 || out->len == 0)
		return false;
	out->data[out->len] = '\0';
	*ret_literal = path.literal;
	return true;
}
