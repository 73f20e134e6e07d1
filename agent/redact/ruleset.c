#include "redact/ruleset.h"

#include <stdio.h>

#define KEYWORDS_MAX 131072 /* as an expression */

static int compile_keywords(struct rule *rule, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(KEYWORDS_MAX);
	int r = 0;

	if (gate_keywords(&rule->keywords, &text) < 0)
		r = tl_err_set(err, TL_ETOOBIG, "its keywords are too long together");
	else if (text.len > 0)
		r = expression_compile(tl_buf_str(&text), &rule->near, err);
	return r < 0 ? tl_err_prefix(err, "%s:%zu: rule %s", rule->file, rule->line, rule->id) : 0;
}

int ruleset_new(struct rule_set *set, const char *name, const char *cache_dir,
		struct tl_redact_rules **ret_rules, struct tl_err *err)
{
	tl_auto(tl_redact_rules) struct tl_redact_rules *rules = calloc(1, sizeof *rules);

	if (!rules)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction rules");
	rules->set = *set;
	*set = (struct rule_set){.rules = NULL};
	snprintf(rules->name, sizeof rules->name, "%s", name);
	for (size_t i = 0; i < rules->set.count; i++) {
		struct rule *rule = &rules->set.rules[i];
		uint32_t groups = 0;
		int r = compile_keywords(rule, err);

		if (r < 0)
			return r;
		if (rule->code)
			pcre2_pattern_info(rule->code, PCRE2_INFO_CAPTURECOUNT, &groups);
		if (groups > rules->groups)
			rules->groups = groups;
		if (rule->next)
			pcre2_pattern_info(rule->next, PCRE2_INFO_CAPTURECOUNT, &groups);
		if (groups > rules->groups)
			rules->groups = groups;
	}
	gate_open(rules->set.rules, rules->set.count, cache_dir, &rules->gate);
	*ret_rules = tl_steal(&rules);
	return 0;
}

void tl_redact_rules_free(struct tl_redact_rules *rules)
{
	if (!rules)
		return;
	rule_set_clear(&rules->set);
	gate_clear(&rules->gate);
	free(rules);
}

const char *tl_redact_rules_name(const struct tl_redact_rules *rules)
{
	return rules->name;
}

size_t tl_redact_rules_count(const struct tl_redact_rules *rules)
{
	return rules->set.count;
}

struct tl_redact_rule_facts tl_redact_rules_facts(const struct tl_redact_rules *rules, size_t index)
{
	const struct rule *rule = &rules->set.rules[index];

	return (struct tl_redact_rule_facts){rule->id, rule->description, rule->file, rule->line};
}
