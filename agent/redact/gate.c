#include "redact/gate.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <towline/buf.h>

#include "redact/prefix.h"

#define EXPRESSION_MAX (2 * RULE_REGEX_MAX + 65536)
#define DEAR 250 /* bytes of an expression that costs more than asking the second gate */
#define ANYWHERE "[^\\n]"

void gate_keywords(const struct tl_strv *keywords, struct tl_buf *out)
{
	for (size_t i = 0; i < keywords->count; i++) {
		tl_buf_puts(out, i ? "|" : "(?i)(?:");
		for (const char *at = keywords->items[i]; *at; at++)
			tl_buf_printf(out, isalnum((unsigned char)*at) ? "%c" : "\\x%02x",
				      (unsigned char)*at);
	}
	tl_buf_puts(out, keywords->count ? ")" : "");
}

int gate_expressions(const struct rule *rule, struct tl_buf *first, struct tl_buf *second,
		     struct tl_buf *instead)
{
	bool literal = false;
	bool known = prefix_of(rule->regex, second, &literal);
	bool keyed = rule->keywords.count > 0;

	gate_keywords(&rule->keywords, instead);
	if (!keyed)
		tl_buf_puts(instead, ANYWHERE);
	tl_buf_puts(first, keyed || !known ? tl_buf_str(instead) : tl_buf_str(second));
	if (!known || !literal || !keyed || strlen(rule->regex) < DEAR)
		tl_buf_reset(second);
	if (tl_buf_check(first) < 0 || tl_buf_check(second) < 0 || tl_buf_check(instead) < 0)
		return TL_ENOMEM;
	return 0;
}

struct patterns {
	struct tl_match_pattern *items;
	size_t count;
};

static void patterns_clear(struct patterns *patterns)
{
	for (size_t i = 0; i < patterns->count; i++) {
		free((char *)(uintptr_t)patterns->items[i].expression);
		free((char *)(uintptr_t)patterns->items[i].instead);
	}
	free(patterns->items);
}
TL_DEFINE_AUTO(patterns, patterns_clear);

static int add_pattern(struct patterns *patterns, unsigned id, const struct tl_buf *expression,
		       const struct tl_buf *instead)
{
	struct tl_match_pattern *pattern = &patterns->items[patterns->count++];

	*pattern = (struct tl_match_pattern){
		.id = id,
		.flags = TL_MATCH_MULTILINE | TL_MATCH_PREFILTER,
		.expression = strdup(tl_buf_str(expression)),
		.instead = strdup(tl_buf_str(instead)),
	};
	return pattern->expression && pattern->instead ? 0 : TL_ENOMEM;
}

static int add_rule(struct rule *rule, unsigned id, struct patterns *first, struct patterns *second)
{
	tl_auto(tl_buf) struct tl_buf one = TL_BUF_INIT(EXPRESSION_MAX);
	tl_auto(tl_buf) struct tl_buf two = TL_BUF_INIT(EXPRESSION_MAX);
	tl_auto(tl_buf) struct tl_buf instead = TL_BUF_INIT(EXPRESSION_MAX);
	int r = gate_expressions(rule, &one, &two, &instead);

	if (r == 0)
		r = add_pattern(first, id, &one, &instead);
	/* An expression that holds a whole line costs less than to ask. */
	rule->confirmed = two.len > 0 && rule->follow == FOLLOW_NONE;
	return r == 0 && rule->confirmed ? add_pattern(second, id, &two, &instead) : r;
}

void gates_clear(struct gates *gates)
{
	tl_match_free(gates->first);
	tl_match_free(gates->second);
	*gates = (struct gates){.first = NULL};
}

/* Without a gate the rules are as good, and slow: no reason to fail. */
void gates_open(struct rule *rules, size_t count, const char *cache_dir, struct gates *ret_gates)
{
	tl_auto(patterns) struct patterns first = {calloc(count + 1, sizeof *first.items), 0};
	tl_auto(patterns) struct patterns second = {calloc(count + 1, sizeof *second.items), 0};
	struct gates gates = {.first = NULL};
	int r = first.items && second.items ? 0 : TL_ENOMEM;

	for (size_t i = 0; r == 0 && i < count; i++)
		if (rules[i].regex)
			r = add_rule(&rules[i], (unsigned)i, &first, &second);
	if (r == 0)
		r = tl_match_open(first.items, first.count, cache_dir, &gates.first, NULL);
	if (r == 0)
		r = tl_match_open(second.items, second.count, cache_dir, &gates.second, NULL);
	if (r < 0)
		gates_clear(&gates);
	*ret_gates = gates;
}
