#include "redact/ruleset.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define JIT_STACK_MIN (32 * 1024)
#define JIT_STACK_MAX (1024 * 1024)
#define PEM_DASHES "-----"
#define LOOK_BACK 256

struct tl_redact_rules {
	struct rule_set set;
	char name[RULESET_NAME_MAX];
};

int ruleset_new(struct rule_set *set, const char *name, const char *cache_dir TL_UNUSED,
		struct tl_redact_rules **ret_rules, struct tl_err *err)
{
	tl_auto(tl_redact_rules) struct tl_redact_rules *rules = calloc(1, sizeof *rules);

	if (!rules)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction rules");
	rules->set = *set;
	*set = (struct rule_set){.rules = NULL};
	snprintf(rules->name, sizeof rules->name, "%s", name);
	for (size_t i = 0; i < rules->set.count; i++)
		if (rules->set.rules[i].code)
			pcre2_jit_compile(rules->set.rules[i].code, PCRE2_JIT_COMPLETE);
	*ret_rules = tl_steal(&rules);
	return 0;
}

void tl_redact_rules_free(struct tl_redact_rules *rules)
{
	if (!rules)
		return;
	rule_set_clear(&rules->set);
	free(rules);
}

const char *tl_redact_rules_name(const struct tl_redact_rules *rules)
{
	return rules->name;
}

const struct rule *ruleset_rule(const struct tl_redact_rules *rules, size_t rule)
{
	return &rules->set.rules[rule];
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

int matcher_init(struct matcher *matcher, const struct tl_redact_rules *rules, uint32_t match_limit)
{
	*matcher = (struct matcher){.rules = rules};
	matcher->data = pcre2_match_data_create(2, NULL);
	matcher->context = pcre2_match_context_create(NULL);
	matcher->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	if (!matcher->data || !matcher->context || !matcher->stack)
		return TL_ENOMEM;
	pcre2_set_match_limit(matcher->context, match_limit);
	pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
	return 0;
}

void matcher_clear(struct matcher *matcher)
{
	pcre2_match_data_free(matcher->data);
	pcre2_match_context_free(matcher->context);
	pcre2_jit_stack_free(matcher->stack);
	free(matcher->spans);
}

static int add_span(struct matcher *matcher, struct span span)
{
	if (matcher->count == SPANS_MAX)
		return TL_ETOOBIG;
	if (matcher->count == matcher->capacity) {
		size_t capacity = matcher->capacity ? matcher->capacity * 2 : 64;
		struct span *spans = reallocarray(matcher->spans, capacity, sizeof *spans);

		if (!spans)
			return TL_ENOMEM;
		matcher->spans = spans;
		matcher->capacity = capacity;
	}
	matcher->spans[matcher->count++] = span;
	return 0;
}

/* A block reaches to the dashes that end its last line, or beyond the window. */
static void extend_block(struct span *span, const char *marker, const char *text, size_t len)
{
	const char *last = memmem(text + span->end, len - span->end, marker, strlen(marker));
	const char *dashes = NULL;

	if (last) {
		last += strlen(marker);
		dashes = memmem(last, (size_t)(text + len - last), PEM_DASHES, strlen(PEM_DASHES));
	}
	span->open_block = !dashes;
	span->end = dashes ? (size_t)(dashes - text) + strlen(PEM_DASHES) : len;
}

/* The next match may begin inside this one's end: an open quote can make one secret look like the
 * middle of another. Looking back no further than that keeps the work linear. */
static size_t next_offset(const struct span *span)
{
	size_t back = span->end > LOOK_BACK ? span->end - LOOK_BACK : 0;

	if (back < span->start)
		back = span->start;
	return back > span->anchor ? back : span->anchor + 1;
}

static int find_rule(struct matcher *matcher, unsigned rule, const char *text, size_t len)
{
	const char *block_end = matcher->rules->set.rules[rule].block_end;
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(matcher->data);
	size_t offset = 0;

	while (offset < len) {
		int r = pcre2_match(matcher->rules->set.rules[rule].code, (PCRE2_SPTR)text, len,
				    offset, 0, matcher->data, matcher->context);
		struct span span = {.rule = rule};

		if (r == PCRE2_ERROR_NOMATCH)
			return 0;
		if (r < 0)
			return TL_EINTERNAL;
		span.anchor = at[0];
		span.start = r > 1 ? at[2] : at[0];
		span.end = r > 1 ? at[3] : at[1];
		if (block_end)
			extend_block(&span, block_end, text, len);
		if (span.end > span.start && add_span(matcher, span) < 0)
			return TL_ETOOBIG;
		offset = next_offset(&span);
	}
	return 0;
}

static int compare_spans(const void *a, const void *b)
{
	const struct span *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	if (left->end != right->end)
		return left->end > right->end ? -1 : 1;
	return left->rule < right->rule ? -1 : left->rule > right->rule;
}

/* Overlapping finds become one, under the name of the first. */
static void merge_spans(struct matcher *matcher)
{
	struct span *out = matcher->spans;

	if (matcher->count == 0)
		return;
	for (size_t i = 1; i < matcher->count; i++) {
		const struct span *next = &matcher->spans[i];

		if (next->start >= out->end) {
			*++out = *next;
			continue;
		}
		if (next->end > out->end)
			out->end = next->end;
		if (next->anchor < out->anchor)
			out->anchor = next->anchor;
		if (next->open_block) {
			out->open_block = true;
			out->rule = next->rule;
		}
	}
	matcher->count = (size_t)(out - matcher->spans) + 1;
}

static bool has_keyword(const struct rule *rule, const char *text, size_t len)
{
	if (!rule->code)
		return false;
	for (size_t i = 0; i < rule->keywords.count; i++) {
		const char *keyword = rule->keywords.items[i];
		size_t keyword_len = strlen(keyword);

		for (size_t at = 0; at + keyword_len <= len; at++)
			if (strncasecmp(text + at, keyword, keyword_len) == 0)
				return true;
	}
	return rule->keywords.count == 0;
}

int matcher_find(struct matcher *matcher, const char *text, size_t len)
{
	matcher->count = 0;
	for (unsigned rule = 0; rule < matcher->rules->set.count; rule++) {
		int r = has_keyword(&matcher->rules->set.rules[rule], text, len)
				? find_rule(matcher, rule, text, len)
				: 0;

		if (r < 0)
			return r;
	}
	if (matcher->count > 1)
		qsort(matcher->spans, matcher->count, sizeof *matcher->spans, compare_spans);
	merge_spans(matcher);
	return 0;
}
