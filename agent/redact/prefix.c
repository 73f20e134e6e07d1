#include "redact/prefix.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 64
#define REPEAT_MAX 32 /* a higher upper bound is opened */
#define LITERAL_MIN 3 /* so many bytes in a row are worth a search */

struct walk {
	const char *at;
	struct tl_buf *out;
	bool whole;
	unsigned depth;
	size_t top;	  /* of `out`, where the group at depth 1 began */
	unsigned literal; /* bytes in a row, up to here */
	unsigned longest, longest_at_top;
};

enum verdict { GO_ON, CUT, REFUSE };

static const char *skip_class(const char *at)
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

/* Behind the group that opens at `at`; NULL when it never closes. */
static const char *skip_group(const char *at)
{
	unsigned depth = 0;

	while (at && *at) {
		if (*at == '\\' && at[1]) {
			at += 2;
			continue;
		}
		if (*at == '[') {
			at = skip_class(at);
			continue;
		}
		depth += *at == '(';
		depth -= *at == ')';
		at++;
		if (depth == 0)
			return at;
	}
	return NULL;
}

static enum verdict copy(struct walk *walk, const char *end)
{
	if (!end)
		return REFUSE;
	tl_buf_append(walk->out, walk->at, (size_t)(end - walk->at));
	walk->at = end;
	return GO_ON;
}

static void no_literal(struct walk *walk)
{
	walk->literal = 0;
}

static void literal(struct walk *walk)
{
	walk->literal++;
	if (walk->literal > walk->longest)
		walk->longest = walk->literal;
}

static enum verdict open_group(struct walk *walk, const char *as, size_t skip)
{
	if (walk->depth == DEPTH_MAX)
		return REFUSE;
	if (walk->depth++ == 0) {
		walk->top = walk->out->len;
		walk->longest_at_top = walk->longest;
	}
	tl_buf_puts(walk->out, as);
	walk->at += skip;
	no_literal(walk);
	return GO_ON;
}

static enum verdict capture(struct walk *walk, size_t skip)
{
	if (walk->whole)
		return open_group(walk, "(?:", skip);
	if (walk->depth > 0) {
		walk->out->len = walk->top;
		walk->out->data[walk->top] = '\0';
		walk->longest = walk->longest_at_top;
	}
	return CUT;
}

/* "(?i)", "(?-i:": flags that mean the same on both sides. */
static enum verdict take_flags(struct walk *walk)
{
	const char *end = walk->at + 2 + strspn(walk->at + 2, "ims-");
	char text[16];

	if (end - walk->at > 10)
		return REFUSE;
	if (*end == ')')
		return copy(walk, end + 1);
	if (*end != ':')
		return REFUSE;
	snprintf(text, sizeof text, "%.*s", (int)(end + 1 - walk->at), walk->at);
	return open_group(walk, text, strlen(text));
}

static enum verdict take_group(struct walk *walk)
{
	static const char *const around[] = {"(?=", "(?!", "(?<=", "(?<!"};
	const char *at = walk->at, *close;

	if (at[1] == '*')
		return REFUSE;
	if (at[1] != '?')
		return capture(walk, 1);
	for (size_t i = 0; i < TL_ARRAY_LEN(around); i++)
		if (strncmp(at, around[i], strlen(around[i])) == 0) {
			walk->at = skip_group(at);
			no_literal(walk);
			return walk->at ? GO_ON : REFUSE;
		}
	if (at[2] == ':' || at[2] == '>')
		return open_group(walk, "(?:", 3);
	if (at[2] == '|') /* its branches hold the groups */
		return capture(walk, 3);
	close = strchr(at, '>');
	if (((at[2] == 'P' && at[3] == '<') || at[2] == '<') && close)
		return capture(walk, (size_t)(close + 1 - at));
	return take_flags(walk);
}

static enum verdict take_escape(struct walk *walk)
{
	char what = walk->at[1];

	if (what == 'x') {
		literal(walk);
		if (walk->at[2] == '{')
			return copy(walk, strchr(walk->at, '}') ? strchr(walk->at, '}') + 1 : NULL);
		return copy(walk, walk->at + 2 + strspn(walk->at + 2, "0123456789abcdefABCDEF"));
	}
	if (ispunct((unsigned char)what) || strchr("tnrf", what)) {
		literal(walk);
		return what ? copy(walk, walk->at + 2) : REFUSE;
	}
	no_literal(walk);
	return strchr("dDwWsSbB", what) ? copy(walk, walk->at + 2) : REFUSE;
}

/* A quantifier; what it repeats may be missing, so it is no literal. */
static void take_quantifier(struct walk *walk)
{
	unsigned from = 1, to = 1;
	int len = 1;

	if (*walk->at == '{' &&
	    (sscanf(walk->at, "{%u,%u}%n", &from, &to, &len) < 2 || to < REPEAT_MAX))
		copy(walk, strchr(walk->at, '}') + 1);
	else if (*walk->at == '{') {
		tl_buf_printf(walk->out, "{%u,}", from);
		walk->at += len;
	} else
		copy(walk, walk->at + 1);
	if (*walk->at == '+' || *walk->at == '?') /* possessive, lazy: the same to a gate */
		walk->at++;
	no_literal(walk);
}

static bool is_quantifier(const char *at)
{
	unsigned from;
	int len = 0;

	if (*at == '*' || *at == '+' || *at == '?')
		return true;
	return *at == '{' && sscanf(at, "{%u%n", &from, &len) == 1 &&
	       (at[len] == '}' || at[len] == ',') && strchr(at, '}');
}

static enum verdict take_one(struct walk *walk)
{
	if (*walk->at == '\\')
		return take_escape(walk);
	if (*walk->at == '(')
		return take_group(walk);
	if (*walk->at == '[') {
		no_literal(walk);
		return copy(walk, skip_class(walk->at));
	}
	if (is_quantifier(walk->at)) {
		take_quantifier(walk);
		return GO_ON;
	}
	if (*walk->at == ')') {
		if (walk->depth == 0)
			return REFUSE;
		walk->depth--;
	}
	if (strchr(")|.^$", *walk->at))
		no_literal(walk);
	else
		literal(walk);
	return copy(walk, walk->at + 1);
}

/* An alternation outside of all groups, anywhere: then what stands first is not the beginning of all. */
static bool has_branches(const char *at)
{
	while (at && *at) {
		if (*at == '|')
			return true;
		if (*at == '(')
			at = skip_group(at);
		else if (*at == '[')
			at = skip_class(at);
		else
			at += *at == '\\' && at[1] ? 2 : 1;
	}
	return !at;
}

bool prefix_of(const char *regex, bool whole, struct tl_buf *out)
{
	struct walk walk = {.at = regex, .out = out, .whole = whole};
	enum verdict verdict = GO_ON;

	if (!whole && has_branches(regex))
		return false;
	while (verdict == GO_ON && *walk.at)
		verdict = take_one(&walk);
	if (tl_buf_check(out) < 0 || verdict == REFUSE)
		return false;
	return whole || (verdict == CUT && walk.longest >= LITERAL_MIN);
}
