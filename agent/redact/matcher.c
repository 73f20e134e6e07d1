#include "redact/matcher.h"

#include <stdint.h>
#include <string.h>

#include "redact/judge.h"

#define JIT_STACK_MIN (32 * 1024)
#define JIT_STACK_MAX (1024 * 1024)
#define PEM_DASHES "-----"
#define LOOK_BACK 256
#define LOOK_AHEAD 256 /* that an expression may do behind its match */

int matcher_init(struct matcher *matcher, const struct tl_redact_rules *rules, uint32_t match_limit)
{
	size_t count = rules->set.count + 1;

	*matcher = (struct matcher){.rules = rules};
	matcher->data = pcre2_match_data_create(rules->groups + 1, NULL);
	matcher->other = pcre2_match_data_create(1, NULL);
	matcher->context = pcre2_match_context_create(NULL);
	matcher->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	matcher->by_rule = calloc(count, sizeof *matcher->by_rule);
	matcher->spent = calloc(rules->gate.mark_count + 1, sizeof *matcher->spent);
	matcher->places = malloc(PLACES_MAX * sizeof *matcher->places);
	if (!matcher->data || !matcher->other || !matcher->context || !matcher->stack ||
	    !matcher->by_rule || !matcher->places || !matcher->spent)
		return TL_ENOMEM;
	allowlists_ready(&rules->set.allow);
	pcre2_set_match_limit(matcher->context, match_limit);
	pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
	return 0;
}

void matcher_clear(struct matcher *matcher)
{
	pcre2_match_data_free(matcher->data);
	pcre2_match_data_free(matcher->other);
	pcre2_match_context_free(matcher->context);
	pcre2_jit_stack_free(matcher->stack);
	free(matcher->by_rule);
	free(matcher->places);
	free(matcher->spent);
	free(matcher->spans);
}

void matcher_set_path(struct matcher *matcher, const char *path, unsigned *ret_whole)
{
	matcher->path = path;
	*ret_whole = RULES_MAX;
	for (size_t i = 0; i < matcher->rules->set.count; i++) {
		const struct rule *rule = &matcher->rules->set.rules[i];
		bool fits = !rule->path || judge_path(rule->path, path, matcher->other);

		matcher->by_rule[i].idle = !fits;
		if (fits && !rule->code && *ret_whole == RULES_MAX)
			*ret_whole = (unsigned)i;
	}
}

/* ---- spans ---------------------------------------------------------------------------------- */

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

static int compare_spans(const void *a, const void *b)
{
	const struct span *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	if (left->end != right->end)
		return left->end > right->end ? -1 : 1;
	return left->rule < right->rule ? -1 : left->rule > right->rule;
}

/* What overlaps becomes one: a secret's before an identity's, then the first's, and a block's before all. */
static void join(struct span *out, const struct span *next)
{
	if (next->end > out->end)
		out->end = next->end;
	if (next->anchor < out->anchor)
		out->anchor = next->anchor;
	if (next->open_block || (out->rule >= MATCHER_IDENTITY && next->rule < MATCHER_IDENTITY)) {
		out->open_block = next->open_block;
		out->rule = next->rule;
	}
}

static void merge_spans(struct matcher *matcher)
{
	struct span *out = matcher->spans;

	if (matcher->count < 2)
		return;
	qsort(matcher->spans, matcher->count, sizeof *matcher->spans, compare_spans);
	for (size_t i = 1; i < matcher->count; i++) {
		if (matcher->spans[i].start >= out->end)
			*++out = matcher->spans[i];
		else
			join(out, &matcher->spans[i]);
	}
	matcher->count = (size_t)(out - matcher->spans) + 1;
}

/* ---- one expression where it is worth a try --------------------------------------------------- */

/* A block reaches to the dashes that end its last line, or beyond the text. */
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

/* The next match may begin inside of a secret that holds another assignment: an open quote can make one
 * secret look like the middle of another. Looking back no further than that keeps the work linear. */
static size_t next_offset(const struct span *span, const char *text)
{
	size_t back = span->end > LOOK_BACK ? span->end - LOOK_BACK : 0;

	if (back < span->start)
		back = span->start;
	while (back < span->end && !strchr("=:\"'", text[back]))
		back++;
	if (back < span->end) {
		back = span->end > LOOK_BACK ? span->end - LOOK_BACK : 0;
		if (back < span->start)
			back = span->start;
	}
	return back > span->anchor ? back : span->anchor + 1;
}

/* The secret is the group that the rule names, or the first that took part, or the whole match. */
static void place_span(const struct rule *rule, const PCRE2_SIZE *at, int groups, struct span *span)
{
	int group = (int)rule->group;

	span->anchor = at[0];
	for (int i = 1; group == 0 && i < groups; i++)
		if (at[2 * i] != PCRE2_UNSET && at[2 * i + 1] > at[2 * i])
			group = i;
	if (group >= groups || at[2 * group] == PCRE2_UNSET)
		group = 0;
	span->start = at[2 * group];
	span->end = at[2 * group + 1];
}

static void make_ready(struct matcher *matcher, unsigned rule)
{
	const struct rule *row = &matcher->rules->set.rules[rule];
	struct by_rule *state = &matcher->by_rule[rule];

	if (state->ready)
		return;
	/* Without JIT (a kernel that forbids it) the same expression is interpreted. */
	state->native = pcre2_jit_compile(row->code, PCRE2_JIT_COMPLETE) == 0;
	if (row->near)
		pcre2_jit_compile(row->near, PCRE2_JIT_COMPLETE);
	allowlists_ready(&row->allow);
	state->ready = true;
}

/* The lines are looked at up to the first one that opens; of a line its last match counts. */
static void note_opener(struct matcher *matcher, const struct place *where, size_t at)
{
	struct opener *opener = &matcher->opener;
	struct opener next = {where->rule, where->subject_from, where->subject_to,
			      where->subject_from + at};

	if (opener->rule == RULES_MAX || next.line < opener->line ||
	    (next.line == opener->line && next.at > opener->at))
		*opener = next;
}

static int take_match(struct matcher *matcher, const struct place *where, const char *text,
		      struct span *span)
{
	const struct rule *rule = &matcher->rules->set.rules[where->rule];
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(matcher->data);
	const char *line = text + where->subject_from;
	size_t len = where->line_to - where->subject_from;
	struct find find = {
		.line = line,
		.line_len = len,
		.match_start = at[0],
		.match_end = at[1],
		.start = span->start,
		.end = span->end,
		.path = matcher->path,
		.keyed = matcher->rules->gate.match && (rule->within >= 0 || len <= JUDGE_NEAR),
	};
	struct span found = *span;

	if (rule->follow != FOLLOW_NONE) {
		note_opener(matcher, where, span->anchor);
		return 0;
	}
	/* \K and lookbehinds can turn offsets around. */
	if (at[0] > at[1] || span->start >= span->end ||
	    !judge_is_secret(rule, &matcher->rules->set.allow, &find, matcher->other))
		return 0;
	if (rule->block_end)
		extend_block(span, rule->block_end, line, len);
	found = *span;
	found.anchor += where->subject_from;
	found.start += where->subject_from;
	found.end += where->subject_from;
	return add_span(matcher, found);
}

static int match(struct matcher *matcher, unsigned rule, const char *subject, size_t len,
		 size_t offset)
{
	const pcre2_code *code = matcher->rules->set.rules[rule].code;
	PCRE2_SPTR bytes = (PCRE2_SPTR)subject;

	/* The same without looking at its arguments, which costs as much as a short attempt. */
	return matcher->by_rule[rule].native
		       ? pcre2_jit_match(code, bytes, len, offset, 0, matcher->data,
					 matcher->context)
		       : pcre2_match(code, bytes, len, offset, 0, matcher->data, matcher->context);
}

static int try_place(struct matcher *matcher, const struct place *where, const char *text)
{
	const struct rule *rule = &matcher->rules->set.rules[where->rule];
	const char *line = text + where->subject_from;
	size_t len = where->subject_to - where->subject_from;
	size_t whole = where->line_to - where->subject_from;
	size_t offset = where->from - where->subject_from;
	size_t last = where->to - where->subject_from;

	pcre2_set_offset_limit(matcher->context, last);
	while (offset <= last && offset < len) {
		struct span span = {.rule = where->rule};
		int r = match(matcher, where->rule, line, len, offset);

		if (r == PCRE2_ERROR_NOMATCH)
			return 0;
		if (r < 0)
			return TL_EINTERNAL;
		place_span(rule, pcre2_get_ovector_pointer(matcher->data), r, &span);
		if (pcre2_get_ovector_pointer(matcher->data)[1] + LOOK_AHEAD > len && len < whole) {
			len = whole; /* it may go on */
			continue;
		}
		r = take_match(matcher, where, text, &span);
		if (r < 0)
			return r;
		offset = next_offset(&span, line);
		matcher->by_rule[where->rule].resume = where->subject_from + offset;
	}
	return 0;
}

/* Tries the rule where a match may begin, as far as that was not done. */
static int try_rest(struct matcher *matcher, struct place place, const char *text)
{
	struct by_rule *state = &matcher->by_rule[place.rule];
	size_t from = place.from;
	int r = 0;

	if (from < state->tried_from && state->tried_to > from) {
		struct place before = place;

		before.to = state->tried_from - 1 < place.to ? state->tried_from - 1 : place.to;
		r = try_place(matcher, &before, text);
	}
	place.from = state->tried_to > from ? state->tried_to : from;
	if (place.from < state->resume)
		place.from = state->resume;
	if (r == 0 && place.from <= place.to)
		r = try_place(matcher, &place, text);
	if (from > state->tried_to || from < state->tried_from)
		state->tried_from = from;
	if (place.to >= state->tried_to)
		state->tried_to = place.to + 1;
	return r;
}

static int try_waiting(struct matcher *matcher, const char *text)
{
	int r = 0;

	for (unsigned i = 0; matcher->place_count && i < matcher->rules->set.count; i++) {
		struct by_rule *state = &matcher->by_rule[i];

		if (state->first != NO_PLACE)
			make_ready(matcher, i);
		for (size_t at = state->first; r == 0 && at != NO_PLACE;
		     at = matcher->places[at].next)
			r = try_rest(matcher, matcher->places[at], text);
		state->first = NO_PLACE;
	}
	matcher->place_count = 0;
	return r;
}

int matcher_add(struct matcher *matcher, const struct place *where, const char *text)
{
	struct by_rule *state = &matcher->by_rule[where->rule];
	size_t at = matcher->place_count;

	if (at == PLACES_MAX) {
		int r = try_waiting(matcher, text);

		if (r < 0)
			return r;
		at = 0;
	}
	matcher->places[at] = *where;
	matcher->places[at].next = NO_PLACE;
	if (state->first == NO_PLACE)
		state->first = at;
	else
		matcher->places[state->last].next = at;
	state->last = at;
	matcher->place_count = at + 1;
	return 0;
}

bool matcher_next(struct matcher *matcher, unsigned rule, const char *line, size_t len,
		  struct follow_part *ret_part)
{
	const struct rule *row = &matcher->rules->set.rules[rule];
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(matcher->data);
	struct span span = {.rule = rule};
	struct find find = {.line = line, .line_len = len, .path = matcher->path};
	int r = pcre2_match(row->next, (PCRE2_SPTR)line, len, 0, 0, matcher->data, NULL);

	if (r < 0)
		return false;
	place_span(&(struct rule){.group = 0}, at, r, &span);
	find.match_start = at[0];
	find.match_end = at[1];
	find.start = span.start;
	find.end = span.end;
	*ret_part = (struct follow_part){.start = span.start, .end = span.end};
	return span.start < span.end &&
	       (follow_is_head(line + span.start, span.end - span.start) ||
		!judge_is_allowed(row, &matcher->rules->set.allow, &find, matcher->other));
}

/* ---- identities ----------------------------------------------------------------------------- */

static int on_identity(void *arg, enum tl_identity_class class, size_t start, size_t end)
{
	struct span span = {start, start, end, MATCHER_IDENTITY + class, false};

	return end > start ? add_span(arg, span) : 0;
}

void matcher_begin(struct matcher *matcher)
{
	matcher->opener = (struct opener){.rule = RULES_MAX};
	matcher->count = matcher->place_count = 0;
	for (size_t i = 0; i < matcher->rules->set.count; i++) {
		struct by_rule *state = &matcher->by_rule[i];
		bool out = state->idle || !matcher->rules->set.rules[i].code;

		state->covered = out ? SIZE_MAX : 0;
		state->first = NO_PLACE;
		state->tried_from = state->tried_to = state->resume = 0;
	}
}

int matcher_finish(struct matcher *matcher, const char *text, size_t len)
{
	int r = try_waiting(matcher, text);

	if (r == 0 && matcher->identities)
		r = tl_identities_find(matcher->identities, text, len, on_identity, matcher);
	if (r == 0)
		merge_spans(matcher);
	return r;
}
