#include "redact/gate.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <towline/buf.h>

#define ANYWHERE "[^\\n]" /* in place of an expression that Vectorscan refuses */

int gate_keywords(const struct tl_strv *keywords, struct tl_buf *out)
{
	for (size_t i = 0; i < keywords->count; i++) {
		tl_buf_puts(out, i ? "|" : "(?i)(?:");
		for (const char *at = keywords->items[i]; *at; at++)
			tl_buf_printf(out, isalnum((unsigned char)*at) ? "%c" : "\\x%02x",
				      (unsigned char)*at);
	}
	tl_buf_puts(out, keywords->count ? ")" : "");
	return tl_buf_check(out) < 0 ? TL_ENOMEM : 0;
}

/* A rule and one of its keywords; NULL: the rule has none, and its expression is searched for. */
struct wish {
	const char *keyword, *regex;
	unsigned rule;
};

static int compare_wishes(const void *a, const void *b)
{
	const struct wish *left = a, *right = b;
	int r;

	if (!left->keyword || !right->keyword)
		r = (left->keyword != NULL) - (right->keyword != NULL);
	else
		r = strcasecmp(left->keyword, right->keyword);
	return r ? r : (left->rule > right->rule) - (left->rule < right->rule);
}

static bool is_same(const struct wish *a, const struct wish *b)
{
	return a->keyword && b->keyword && strcasecmp(a->keyword, b->keyword) == 0;
}

/* Where a shorter keyword of the rule is in a longer one, the shorter one is found there too. Where a match
 * is bound to the places of keywords, each has a place of its own. */
static bool is_covered(const struct rule *rule, size_t which)
{
	const char *keyword = rule->keywords.items[which];

	for (size_t i = 0; rule->within < 0 && i < rule->keywords.count; i++) {
		const char *other = rule->keywords.items[i];

		if (i != which && strcasestr(keyword, other) &&
		    (strlen(other) < strlen(keyword) || i < which))
			return true;
	}
	return false;
}

static size_t count_wishes(const struct rule *rules, size_t count)
{
	size_t wishes = 0;

	for (size_t i = 0; i < count; i++)
		wishes += rules[i].keywords.count ? rules[i].keywords.count : 1;
	return wishes;
}

static size_t collect_wishes(const struct rule *rules, size_t count, struct wish *wishes)
{
	size_t wish_count = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct rule *rule = &rules[i];

		if (rule->regex && rule->keywords.count == 0)
			wishes[wish_count++] = (struct wish){NULL, rule->regex, i};
		for (size_t k = 0; rule->regex && k < rule->keywords.count; k++)
			if (!is_covered(rule, k))
				wishes[wish_count++] =
					(struct wish){rule->keywords.items[k], NULL, i};
	}
	qsort(wishes, wish_count, sizeof *wishes, compare_wishes);
	return wish_count;
}

static void add_pattern(struct gate *gate, const struct wish *wish,
			struct tl_match_pattern *patterns)
{
	struct tl_match_pattern *pattern = &patterns[gate->mark_count];

	*pattern = (struct tl_match_pattern){.id = (unsigned)gate->mark_count};
	if (wish->keyword) {
		pattern->expression = wish->keyword;
		pattern->flags = TL_MATCH_LITERAL | TL_MATCH_CASELESS;
	} else {
		pattern->expression = wish->regex;
		pattern->instead = ANYWHERE;
		pattern->flags = TL_MATCH_MULTILINE | TL_MATCH_PREFILTER;
	}
	gate->marks[gate->mark_count++] = (struct gate_mark){
		.len = wish->keyword ? strlen(wish->keyword) : 0,
		.first = gate->owner_count,
		.beyond = gate->owner_count,
	};
}

static void add_wishes(struct gate *gate, const struct wish *wishes, size_t count,
		       struct tl_match_pattern *patterns)
{
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || !is_same(&wishes[i - 1], &wishes[i]))
			add_pattern(gate, &wishes[i], patterns);
		gate->owners[gate->owner_count++] = wishes[i].rule;
		gate->marks[gate->mark_count - 1].beyond++;
	}
}

void gate_clear(struct gate *gate)
{
	tl_match_free(gate->match);
	free(gate->marks);
	free(gate->owners);
	*gate = (struct gate){.match = NULL};
}

/* Without a gate the rules are as good, and slow: no reason to fail. */
void gate_open(const struct rule *rules, size_t count, const char *cache_dir, struct gate *ret_gate)
{
	size_t most = count_wishes(rules, count);
	tl_free struct wish *wishes = calloc(most + 1, sizeof *wishes);
	tl_free struct tl_match_pattern *patterns = calloc(most + 1, sizeof *patterns);
	struct gate gate = {
		.marks = calloc(most + 1, sizeof *gate.marks),
		.owners = calloc(most + 1, sizeof *gate.owners),
	};
	int r = wishes && patterns && gate.marks && gate.owners ? 0 : TL_ENOMEM;

	if (r == 0) {
		add_wishes(&gate, wishes, collect_wishes(rules, count, wishes), patterns);
		r = tl_match_open(patterns, gate.mark_count, cache_dir, &gate.match, NULL);
	}
	if (r < 0)
		gate_clear(&gate);
	*ret_gate = gate;
}
