#include "redact/ruleset.h"

#include <string.h>

#include "redact/gate.h"

#define JIT_STACK_MIN (32 * 1024)
#define JIT_STACK_MAX (1024 * 1024)
#define PEM_DASHES "-----"
#define LOOK_BACK 256

struct tl_redact_rules {
	const struct tl_redact_rule *rows;
	pcre2_code *codes[TL_REDACT_RULES_MAX];
	size_t count;
	struct gate *gate;
};

static int add_keywords(struct gate *gate, const char *keywords, unsigned rule)
{
	while (*keywords) {
		size_t len = strcspn(keywords, " ");
		int r = len ? gate_add(gate, keywords, len, rule) : 0;

		if (r < 0)
			return r;
		keywords += len + (keywords[len] == ' ');
	}
	return 0;
}

static int compile_row(struct tl_redact_rules *rules, const struct tl_redact_rule *row,
		       struct tl_err *err)
{
	PCRE2_UCHAR text[128];
	PCRE2_SIZE offset;
	int code;
	pcre2_code *compiled =
		pcre2_compile((PCRE2_SPTR)row->expression, PCRE2_ZERO_TERMINATED,
			      PCRE2_CASELESS | PCRE2_NEVER_UTF, &code, &offset, NULL);

	if (!compiled) {
		pcre2_get_error_message(code, text, sizeof text);
		return tl_err_set(err, TL_EINVAL, "redaction rule %s: %s at position %zu", row->id,
				  (char *)text, offset);
	}
	/* Without JIT (a kernel that forbids it) the same expression is interpreted. */
	pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
	rules->codes[rules->count] = compiled;
	return add_keywords(rules->gate, row->keywords, (unsigned)rules->count++);
}

int tl_redact_rules_new(const struct tl_redact_rule *rows, size_t count,
			struct tl_redact_rules **ret_rules, struct tl_err *err)
{
	tl_auto(tl_redact_rules) struct tl_redact_rules *rules = calloc(1, sizeof *rules);

	if (count > TL_REDACT_RULES_MAX)
		return tl_err_set(err, TL_ETOOBIG, "more than %d redaction rules",
				  TL_REDACT_RULES_MAX);
	if (!rules || !(rules->gate = gate_new()))
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction rules");
	rules->rows = rows;
	for (size_t i = 0; i < count; i++) {
		int r = compile_row(rules, &rows[i], err);

		if (r == TL_ENOMEM)
			tl_err_set(err, r, "out of memory for redaction rule %s", rows[i].id);
		if (r < 0)
			return r;
	}
	if (gate_build(rules->gate) < 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction rules");
	*ret_rules = tl_steal(&rules);
	return 0;
}

void tl_redact_rules_free(struct tl_redact_rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->count; i++)
		pcre2_code_free(rules->codes[i]);
	gate_free(rules->gate);
	free(rules);
}

const struct tl_redact_rule *ruleset_row(const struct tl_redact_rules *rules, size_t rule)
{
	return &rules->rows[rule];
}

size_t ruleset_count(const struct tl_redact_rules *rules)
{
	return rules->count;
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
	const char *block_end = matcher->rules->rows[rule].block_end;
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(matcher->data);
	size_t offset = 0;

	while (offset < len) {
		int r = pcre2_match(matcher->rules->codes[rule], (PCRE2_SPTR)text, len, offset, 0,
				    matcher->data, matcher->context);
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

int matcher_find(struct matcher *matcher, const char *text, size_t len)
{
	uint64_t candidates = gate_scan(matcher->rules->gate, text, len);

	matcher->count = 0;
	while (candidates) {
		unsigned rule = (unsigned)__builtin_ctzll(candidates);
		int r = find_rule(matcher, rule, text, len);

		if (r < 0)
			return r;
		candidates &= candidates - 1;
	}
	if (matcher->count > 1)
		qsort(matcher->spans, matcher->count, sizeof *matcher->spans, compare_spans);
	merge_spans(matcher);
	return 0;
}
