#include "redact/gate.h"

#include <ctype.h>
#include <towline/buf.h>

#include "redact/prefix.h"

#define EXPRESSION_MAX (2 * RULE_REGEX_MAX + 65536)
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

/* The beginning of the expression is rarer than its keywords; the whole of one that is nothing but a
 * secret reports each byte of it and is dear: keywords come before. */
int gate_expression(const struct rule *rule, struct tl_buf *expression, struct tl_buf *instead)
{
	gate_keywords(&rule->keywords, instead);
	if (instead->len == 0)
		tl_buf_puts(instead, ANYWHERE);
	if (!prefix_of(rule->regex, false, expression)) {
		tl_buf_reset(expression);
		if (rule->keywords.count == 0 && prefix_of(rule->regex, true, expression))
			return tl_buf_check(instead);
		tl_buf_reset(expression);
		tl_buf_puts(expression, tl_buf_str(instead));
	}
	return tl_buf_check(expression) < 0 ? TL_ENOMEM : tl_buf_check(instead);
}

static int add_pattern(const struct rule *rule, unsigned id, struct tl_match_pattern *pattern)
{
	tl_auto(tl_buf) struct tl_buf expression = TL_BUF_INIT(EXPRESSION_MAX);
	tl_auto(tl_buf) struct tl_buf instead = TL_BUF_INIT(EXPRESSION_MAX);
	int r = gate_expression(rule, &expression, &instead);

	*pattern = (struct tl_match_pattern){
		.id = id,
		.flags = TL_MATCH_MULTILINE | TL_MATCH_PREFILTER,
		.expression = tl_buf_take(&expression),
		.instead = tl_buf_take(&instead),
	};
	return r < 0 || !pattern->expression || !pattern->instead ? TL_ENOMEM : 0;
}

void gate_open(const struct rule *rules, size_t count, const char *cache_dir,
	       struct tl_match **ret_match)
{
	tl_free struct tl_match_pattern *patterns = calloc(count + 1, sizeof *patterns);
	size_t used = 0;
	int r = patterns ? 0 : TL_ENOMEM;

	*ret_match = NULL;
	for (size_t i = 0; r == 0 && i < count; i++)
		if (rules[i].regex)
			r = add_pattern(&rules[i], (unsigned)i, &patterns[used++]);
	/* Without a gate the rules are as good, and slow: no reason to fail. */
	if (r == 0 && tl_match_open(patterns, used, cache_dir, ret_match, NULL) < 0)
		*ret_match = NULL;
	for (size_t i = 0; i < used; i++) {
		free((char *)(uintptr_t)patterns[i].expression);
		free((char *)(uintptr_t)patterns[i].instead);
	}
}
