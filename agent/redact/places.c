#include "redact/places.h"

#include <stdint.h>
#include <string.h>

#define BLOCK 1024    /* of a long line: what a hit makes worth looking at */
#define SIGHT 8192    /* of a long line: what an expression sees behind the place of its match */
#define NEAR 2	      /* what a line holds is told from there on */
#define PIECES_MAX 64 /* of a part, for what each holds */

/* ---- lines ---------------------------------------------------------------------------------- */

/* What stands from somewhere up to a line's end. */
struct held {
	size_t from; /* SIZE_MAX: not looked at */
	uint64_t kinds;
};

struct lines {
	struct matcher *matcher;
	const char *text;
	size_t len;
	size_t from, to; /* of the line that had the last hit; `to`: its newline */
	bool entered;
	struct held line, tail;
};

static void enter_line(struct lines *lines, size_t at)
{
	const char *before = at ? memrchr(lines->text, '\n', at) : NULL;
	const char *behind = memchr(lines->text + at, '\n', lines->len - at);

	lines->from = before ? (size_t)(before - lines->text) + 1 : 0;
	lines->to = behind ? (size_t)(behind - lines->text) : lines->len;
	lines->line.from = lines->tail.from = SIZE_MAX;
	lines->entered = true;
}

static uint64_t kinds_from(const struct lines *lines, struct held *held, size_t from)
{
	if (held->from != from)
		*held = (struct held){from, needs_kinds(lines->text + from, lines->to - from)};
	return held->kinds;
}

static int try_line(struct lines *lines, unsigned rule)
{
	const struct needs *needs = &lines->matcher->rules->set.rules[rule].needs;
	struct place place = {rule,	 lines->from, lines->to, lines->from,
			      lines->to, lines->to,   NO_PLACE};

	lines->matcher->by_rule[rule].covered = lines->to + 1;
	if (!needs_are_met(needs, kinds_from(lines, &lines->line, lines->from)))
		return 0;
	return matcher_add(lines->matcher, &place, lines->text);
}

/* A match begins near the keyword, and so holds nothing that stands further ahead. */
static int try_keyword(struct lines *lines, unsigned rule, size_t start, size_t end)
{
	const struct rule *row = &lines->matcher->rules->set.rules[rule];
	size_t within = (size_t)row->within, ahead = start - lines->from;
	size_t from = ahead > within ? start - within : lines->from;
	size_t to = lines->to - end > within ? end + within : lines->to;
	struct place place = {rule, from, to, lines->from, lines->to, lines->to, NO_PLACE};
	uint64_t held = within <= NEAR && ahead > NEAR
				? kinds_from(lines, &lines->tail, start - NEAR)
				: kinds_from(lines, &lines->line, lines->from);

	if (!needs_are_met(&row->needs, held)) {
		lines->matcher->by_rule[rule].covered = lines->to + 1;
		return 0;
	}
	return matcher_add(lines->matcher, &place, lines->text);
}

static int on_line_hit(void *arg, unsigned which, size_t end)
{
	struct lines *lines = arg;
	const struct gate *gate = &lines->matcher->rules->gate;
	const struct gate_mark *mark = &gate->marks[which];
	size_t start = end - mark->len;
	int r = 0;

	if (!lines->entered || end > lines->to + 1)
		enter_line(lines, end ? end - 1 : 0);
	for (size_t i = mark->first; r == 0 && i < mark->beyond; i++) {
		unsigned rule = gate->owners[i];

		if (end <= lines->matcher->by_rule[rule].covered)
			continue;
		if (mark->len && start >= lines->from && end <= lines->to &&
		    lines->matcher->rules->set.rules[rule].within >= 0)
			r = try_keyword(lines, rule, start, end);
		else
			r = try_line(lines, rule);
	}
	return r;
}

/* Without a gate every rule is worth a try on every line. */
static int every_line(struct lines *lines)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < lines->len; at = lines->to + 1) {
		enter_line(lines, at);
		for (unsigned i = 0; r == 0 && i < lines->matcher->rules->set.count; i++)
			if (lines->matcher->by_rule[i].covered != SIZE_MAX)
				r = try_line(lines, i);
	}
	return r;
}

int find_in_lines(struct matcher *matcher, const char *text, size_t len)
{
	struct lines lines = {.matcher = matcher, .text = text, .len = len};
	struct tl_match *gate = matcher->rules->gate.match;
	int r;

	matcher_begin(matcher);
	r = gate ? tl_match_scan(gate, text, len, on_line_hit, &lines) : every_line(&lines);
	return r < 0 ? r : matcher_finish(matcher, text, len);
}

/* ---- parts of long lines -------------------------------------------------------------------- */

struct part {
	struct matcher *matcher;
	const char *text;
	size_t len, reach, piece;
	uint64_t behind[PIECES_MAX]; /* what stands from each piece on */
};

static void measure_part(struct part *part)
{
	uint64_t held = 0;

	part->piece = part->len / PIECES_MAX + 1;
	for (size_t i = PIECES_MAX; i-- > 0;) {
		size_t from = i * part->piece, left = from < part->len ? part->len - from : 0;

		held |= needs_kinds(part->text + (left ? from : 0),
				    left < part->piece ? left : part->piece);
		part->behind[i] = held;
	}
}

static int try_part(struct part *part, unsigned rule, size_t from, size_t to)
{
	const struct rule *row = &part->matcher->rules->set.rules[rule];
	size_t sight = part->len - to > SIGHT ? to + SIGHT : part->len;

	/* A part opens nothing for the lines below: where it ends its line does not. */
	if (row->follow != FOLLOW_NONE ||
	    !needs_are_met(&row->needs, part->behind[from / part->piece])) {
		part->matcher->by_rule[rule].covered = SIZE_MAX;
		return 0;
	}
	return matcher_add(part->matcher,
			   &(struct place){rule, from, to, 0, sight, part->len, NO_PLACE},
			   part->text);
}

static int try_block(struct part *part, unsigned rule, size_t end)
{
	size_t block = (end ? end - 1 : 0) / BLOCK * BLOCK;
	size_t to = block + BLOCK < part->len ? block + BLOCK : part->len;

	part->matcher->by_rule[rule].covered = to;
	return try_part(part, rule, block > part->reach ? block - part->reach : 0, to);
}

static int on_part_hit(void *arg, unsigned which, size_t end)
{
	struct part *part = arg;
	const struct gate *gate = &part->matcher->rules->gate;
	const struct gate_mark *mark = &gate->marks[which];
	size_t start = end - mark->len;
	bool spent = true;
	int r = 0;

	if (part->matcher->spent[which])
		return 0;
	for (size_t i = mark->first; r == 0 && i < mark->beyond; i++) {
		unsigned rule = gate->owners[i];
		const struct by_rule *state = &part->matcher->by_rule[rule];
		int64_t within = part->matcher->rules->set.rules[rule].within;
		size_t near = (size_t)within;

		if (end > state->covered && (mark->len == 0 || within < 0))
			r = try_block(part, rule, end);
		else if (end > state->covered)
			r = try_part(part, rule, start > near ? start - near : 0,
				     part->len - end > near ? end + near : part->len);
		spent &= state->covered == SIZE_MAX;
	}
	part->matcher->spent[which] = spent;
	return r;
}

int find_in_part(struct matcher *matcher, const char *text, size_t len, size_t reach)
{
	struct part part = {.matcher = matcher, .text = text, .len = len, .reach = reach};
	struct tl_match *gate = matcher->rules->gate.match;
	int r = 0;

	matcher_begin(matcher);
	memset(matcher->spent, 0, matcher->rules->gate.mark_count);
	measure_part(&part);
	if (gate)
		r = tl_match_scan(gate, text, len, on_part_hit, &part);
	for (unsigned i = 0; !gate && r == 0 && i < matcher->rules->set.count; i++)
		if (matcher->by_rule[i].covered != SIZE_MAX)
			r = try_part(&part, i, 0, len);
	return r < 0 ? r : matcher_finish(matcher, text, len);
}
