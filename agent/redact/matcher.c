#include "redact/matcher.h"

#include <string.h>

#include "redact/judge.h"

#define JIT_STACK_MIN (32 * 1024)
#define JIT_STACK_MAX (1024 * 1024)
#define CANDIDATES_MAX 16384
#define BLOCK 1024 /* of a long line: what a hit of the gate makes worth looking at */
#define PEM_DASHES "-----"
#define LOOK_BACK 256

int matcher_init(struct matcher *matcher, const struct tl_redact_rules *rules, uint32_t match_limit)
{
	size_t count = rules->set.count + 1;

	*matcher = (struct matcher){.rules = rules};
	matcher->data = pcre2_match_data_create(rules->groups + 1, NULL);
	matcher->other = pcre2_match_data_create(1, NULL);
	matcher->context = pcre2_match_context_create(NULL);
	matcher->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	matcher->by_rule = calloc(count, sizeof *matcher->by_rule);
	matcher->candidates = malloc(CANDIDATES_MAX * sizeof *matcher->candidates);
	if (!matcher->data || !matcher->other || !matcher->context || !matcher->stack ||
	    !matcher->by_rule || !matcher->candidates)
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
	free(matcher->candidates);
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

static const pcre2_code *ready_code(struct matcher *matcher, unsigned rule)
{
	const struct rule *row = &matcher->rules->set.rules[rule];

	if (!matcher->by_rule[rule].ready) {
		/* Without JIT (a kernel that forbids it) the same expression is interpreted. */
		pcre2_jit_compile(row->code, PCRE2_JIT_COMPLETE);
		if (row->near)
			pcre2_jit_compile(row->near, PCRE2_JIT_COMPLETE);
		allowlists_ready(&row->allow);
		matcher->by_rule[rule].ready = true;
	}
	return row->code;
}

/* The lines are looked at up to the first one that opens; of a line its last match counts. */
static void note_opener(struct matcher *matcher, const struct candidate *where, size_t at)
{
	struct opener *opener = &matcher->opener;
	struct opener next = {where->rule, where->subject_from, where->subject_to,
			      where->subject_from + at};

	if (opener->rule == RULES_MAX || next.line < opener->line ||
	    (next.line == opener->line && next.at > opener->at))
		*opener = next;
}

static int take_match(struct matcher *matcher, const struct candidate *where, const char *line,
		      size_t len, struct span *span)
{
	const struct rule *rule = &matcher->rules->set.rules[where->rule];
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(matcher->data);
	struct find find = {
		.line = line,
		.line_len = len,
		.match_start = at[0],
		.match_end = at[1],
		.start = span->start,
		.end = span->end,
		.path = matcher->path,
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

static int try_rule(struct matcher *matcher, const struct candidate *where, const char *text)
{
	const pcre2_code *code = ready_code(matcher, where->rule);
	const struct rule *rule = &matcher->rules->set.rules[where->rule];
	const char *line = text + where->subject_from;
	size_t len = where->subject_to - where->subject_from;
	size_t offset = where->from - where->subject_from;
	size_t last = where->to - where->subject_from;

	pcre2_set_offset_limit(matcher->context, last);
	while (offset <= last && offset < len) {
		struct span span = {.rule = where->rule};
		int r = pcre2_match(code, (PCRE2_SPTR)line, len, offset, 0, matcher->data,
				    matcher->context);

		if (r == PCRE2_ERROR_NOMATCH)
			return 0;
		if (r < 0)
			return TL_EINTERNAL;
		place_span(rule, pcre2_get_ovector_pointer(matcher->data), r, &span);
		r = take_match(matcher, where, line, len, &span);
		if (r < 0)
			return r;
		offset = next_offset(&span, line);
	}
	return 0;
}

static int try_candidates(struct matcher *matcher, const char *text)
{
	for (size_t i = 0; i < matcher->candidate_count; i++) {
		int r = try_rule(matcher, &matcher->candidates[i], text);

		if (r < 0)
			return r;
	}
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

static int finish_find(struct matcher *matcher, const char *text, size_t len)
{
	int r = try_candidates(matcher, text);

	if (r == 0 && matcher->identities)
		r = tl_identities_find(matcher->identities, text, len, on_identity, matcher);
	if (r == 0)
		merge_spans(matcher);
	return r;
}

/* ---- lines ---------------------------------------------------------------------------------- */

struct lines {
	struct matcher *matcher;
	const char *text;
	size_t len;
	size_t from, to; /* of the line that had the last hit; `to`: its newline */
	bool full;
};

static void enter_line(struct lines *lines, size_t at)
{
	const char *before = at ? memrchr(lines->text, '\n', at) : NULL;
	const char *behind = memchr(lines->text + at, '\n', lines->len - at);

	lines->from = before ? (size_t)(before - lines->text) + 1 : 0;
	lines->to = behind ? (size_t)(behind - lines->text) : lines->len;
}

static bool add_line(struct lines *lines, unsigned rule)
{
	struct matcher *matcher = lines->matcher;

	if (matcher->by_rule[rule].idle || !matcher->rules->set.rules[rule].code)
		return true;
	if (matcher->candidate_count == CANDIDATES_MAX)
		return false;
	matcher->candidates[matcher->candidate_count++] =
		(struct candidate){rule, lines->from, lines->to, lines->from, lines->to};
	return true;
}

static int on_line_hit(void *arg, unsigned rule, size_t end)
{
	struct lines *lines = arg;
	struct matcher *matcher = lines->matcher;
	size_t at = end ? end - 1 : 0;

	if (end <= matcher->by_rule[rule].covered)
		return 0;
	if (at > lines->to || lines->to == 0)
		enter_line(lines, at);
	matcher->by_rule[rule].covered = lines->to + 1;
	lines->full = !add_line(lines, rule);
	return lines->full;
}

/* Without a gate every rule is worth a try on every line. */
static int every_line(struct lines *lines)
{
	for (size_t at = 0; at < lines->len; at = lines->to + 1) {
		enter_line(lines, at);
		for (size_t i = 0; i < lines->matcher->rules->set.count; i++)
			if (!add_line(lines, (unsigned)i)) {
				lines->full = true;
				return 1;
			}
	}
	return 0;
}

static void begin_find(struct matcher *matcher)
{
	matcher->opener = (struct opener){.rule = RULES_MAX};
	matcher->count = 0;
	matcher->candidate_count = 0;
	for (size_t i = 0; i < matcher->rules->set.count; i++)
		matcher->by_rule[i].covered = 0;
}

static int on_confirmed(void *arg, unsigned rule, size_t end TL_UNUSED)
{
	struct matcher *matcher = arg;

	matcher->by_rule[rule].confirmed = matcher->round;
	return 0;
}

/* The candidates of one line: those that the second gate knows must pass it. Returns how many there are. */
static size_t confirm_line(struct matcher *matcher, const char *text, size_t first, size_t *kept)
{
	const struct rule *rules = matcher->rules->set.rules;
	const struct candidate *line = &matcher->candidates[first];
	bool ask = false, sure = false;
	size_t count = 0;

	for (; first + count < matcher->candidate_count && line[count].from == line->from; count++)
		ask |= rules[line[count].rule].confirmed;
	if (ask) {
		matcher->round++;
		sure = tl_match_scan(matcher->rules->gates.second, text + line->from,
				     line->to - line->from, on_confirmed, matcher) == 0;
	}
	for (size_t i = 0; i < count; i++)
		if (!sure || !rules[line[i].rule].confirmed ||
		    matcher->by_rule[line[i].rule].confirmed == matcher->round)
			matcher->candidates[(*kept)++] = line[i];
	return count;
}

static void confirm_lines(struct matcher *matcher, const char *text)
{
	size_t kept = 0;

	for (size_t i = 0; i < matcher->candidate_count;)
		i += confirm_line(matcher, text, i, &kept);
	matcher->candidate_count = kept;
}

int matcher_lines(struct matcher *matcher, const char *text, size_t len, size_t *ret_looked)
{
	struct lines lines = {.matcher = matcher, .text = text, .len = len};
	struct tl_match *gate = matcher->rules->gates.first;
	int r;

	begin_find(matcher);
	r = gate ? tl_match_scan(gate, text, len, on_line_hit, &lines) : every_line(&lines);
	if (r < 0)
		return r;
	*ret_looked = len;
	if (lines.full) { /* the last line's candidates may be missing */
		while (matcher->candidate_count &&
		       matcher->candidates[matcher->candidate_count - 1].from == lines.from)
			matcher->candidate_count--;
		if (lines.from == 0)
			return TL_ETOOBIG;
		*ret_looked = lines.from;
	}
	if (gate)
		confirm_lines(matcher, text);
	return finish_find(matcher, text, *ret_looked);
}

/* ---- parts of long lines -------------------------------------------------------------------- */

struct part {
	struct matcher *matcher;
	size_t len, reach;
	bool second; /* gate; the first one leaves to it what it knows */
	bool ask;    /* the second */
};

/* A part opens nothing for the lines below: where it ends its line does not. */
static int add_part(struct part *part, unsigned rule, size_t from, size_t to)
{
	struct matcher *matcher = part->matcher;
	struct by_rule *state = &matcher->by_rule[rule];
	const struct rule *row = &matcher->rules->set.rules[rule];

	if (state->idle || !row->code || row->follow != FOLLOW_NONE)
		return 0;
	if (state->covered > 0 && matcher->candidates[state->latest].to >= from) {
		matcher->candidates[state->latest].to = to;
		return 0;
	}
	if (matcher->candidate_count == CANDIDATES_MAX)
		return TL_ETOOBIG;
	state->latest = matcher->candidate_count;
	matcher->candidates[matcher->candidate_count++] =
		(struct candidate){rule, from, to, 0, part->len};
	return 0;
}

static int on_part_hit(void *arg, unsigned rule, size_t end)
{
	struct part *part = arg;
	struct by_rule *state = &part->matcher->by_rule[rule];
	size_t block = (end ? end - 1 : 0) / BLOCK * BLOCK;
	size_t to = block + BLOCK < part->len ? block + BLOCK : part->len;
	int r;

	if (end <= state->covered)
		return 0;
	if (part->matcher->rules->set.rules[rule].follow != FOLLOW_NONE) {
		state->covered = part->len;
		return 0;
	}
	if (!part->second && part->matcher->rules->set.rules[rule].confirmed) {
		part->ask = true;
		state->covered = part->len;
		return 0;
	}
	r = add_part(part, rule, block > part->reach ? block - part->reach : 0, to);
	state->covered = to;
	return r;
}

/* What the first gate left to the second: where it was, is for the second to say. */
static int second_part(struct part *part, const char *text)
{
	struct matcher *matcher = part->matcher;

	for (size_t i = 0; i < matcher->rules->set.count; i++)
		if (matcher->rules->set.rules[i].confirmed)
			matcher->by_rule[i].covered = matcher->by_rule[i].covered ? 0 : part->len;
	part->second = true;
	return tl_match_scan(matcher->rules->gates.second, text, part->len, on_part_hit, part);
}

int matcher_part(struct matcher *matcher, const char *text, size_t len, size_t reach)
{
	struct part part = {.matcher = matcher, .len = len, .reach = reach};
	int r = 0;

	begin_find(matcher);
	if (matcher->rules->gates.first)
		r = tl_match_scan(matcher->rules->gates.first, text, len, on_part_hit, &part);
	else
		for (size_t i = 0; r == 0 && i < matcher->rules->set.count; i++)
			r = add_part(&part, (unsigned)i, 0, len);
	if (r == 0 && part.ask)
		r = second_part(&part, text);
	return r < 0 ? r : finish_find(matcher, text, len);
}
