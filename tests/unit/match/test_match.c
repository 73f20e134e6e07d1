#include "match/match.h"

#include "tests.h"

#define HITS_MAX 64

struct hits {
	struct {
		unsigned id;
		size_t end;
	} items[HITS_MAX];
	size_t count;
	int answer;
};

static int note(void *arg, unsigned id, size_t end)
{
	struct hits *hits = arg;

	if (hits->count < HITS_MAX) {
		hits->items[hits->count].id = id;
		hits->items[hits->count].end = end;
	}
	hits->count++;
	return hits->answer;
}

static struct tl_match *open_patterns(const struct tl_match_pattern *patterns, size_t count)
{
	struct tl_match *match = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_match_open(patterns, count, NULL, &match, &err) < 0)
		fail_msg("%s", tl_err_text(&err));
	return match;
}

static size_t scan(const struct tl_match_pattern *pattern, const char *text, struct hits *hits)
{
	tl_auto(tl_match) struct tl_match *match = open_patterns(pattern, 1);

	assert_int_equal(tl_match_scan(match, text, strlen(text), note, hits), 0);
	return hits->count;
}

static void each_expression_is_reported_under_its_id(void **state TL_UNUSED)
{
	static const struct tl_match_pattern patterns[] = {{"a[0-9]b", 7, 0},
							   {"x.y", 3, 0},
							   {"zzz", 7, 0}};
	tl_auto(tl_match) struct tl_match *match = open_patterns(patterns, 3);
	struct hits hits = {.count = 0};

	assert_int_equal(tl_match_scan(match, "-a5b-x.y-zzz", 12, note, &hits), 0);
	assert_int_equal(hits.count, 3);
	assert_int_equal(hits.items[0].id, 7);
	assert_int_equal(hits.items[0].end, 4);
	assert_int_equal(hits.items[1].id, 3);
	assert_int_equal(hits.items[1].end, 8);
	assert_int_equal(hits.items[2].id, 7);
	assert_int_equal(hits.items[2].end, 12);
}

static void literal_stands_for_itself(void **state TL_UNUSED)
{
	static const struct tl_match_pattern pattern = {"a.(b", 1, TL_MATCH_LITERAL};

	assert_int_equal(scan(&pattern, "a.(b axxb", &(struct hits){.count = 0}), 1);
}

static void caseless_literal_is_found_in_any_case(void **state TL_UNUSED)
{
	static const struct tl_match_pattern pattern = {"PassWord", 1,
							TL_MATCH_LITERAL | TL_MATCH_CASELESS};

	assert_int_equal(scan(&pattern, "password PASSWORD", &(struct hits){.count = 0}), 2);
}

static void anchors_stand_at_lines_where_asked(void **state TL_UNUSED)
{
	static const struct tl_match_pattern lines = {"^b$", 1, TL_MATCH_MULTILINE};
	static const struct tl_match_pattern text = {"^b$", 1, 0};

	assert_int_equal(scan(&lines, "a\nb\nc", &(struct hits){.count = 0}), 1);
	assert_int_equal(scan(&text, "a\nb\nc", &(struct hits){.count = 0}), 0);
}

static void every_place_where_it_can_end_is_reported(void **state TL_UNUSED)
{
	static const struct tl_match_pattern every = {"ab+", 1, 0};
	static const struct tl_match_pattern once = {"ab+", 1, TL_MATCH_ONCE};

	assert_int_equal(scan(&every, "abbb", &(struct hits){.count = 0}), 3);
	assert_int_equal(scan(&once, "abbb", &(struct hits){.count = 0}), 1);
}

static void lookaround_needs_the_prefilter(void **state TL_UNUSED)
{
	static const struct tl_match_pattern strict = {"(?<!x)key(?=:)", 5, 0};
	static const struct tl_match_pattern loose = {"(?<!x)key(?=:)", 5, TL_MATCH_PREFILTER};
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_match_check(&strict, &err), TL_EINVAL);
	assert_says(&err, "expression 5");
	assert_int_equal(scan(&loose, "xkey", &(struct hits){.count = 0}), 1);
}

static void refused_expression_gives_way_to_its_other_one(void **state TL_UNUSED)
{
	static const struct tl_match_pattern patterns[] = {{"good", 1, 0},
							   {"(a)\\1{3}(?<!b)", 2, 0, "aaa"},
							   {"last", 3, 0}};
	tl_auto(tl_match) struct tl_match *match = open_patterns(patterns, 3);
	struct hits hits = {.count = 0};

	assert_int_equal(tl_match_scan(match, "good aaa last", 13, note, &hits), 0);
	assert_int_equal(hits.count, 3);
	assert_int_equal(hits.items[1].id, 2);
}

static void refused_replacement_is_an_error(void **state TL_UNUSED)
{
	static const struct tl_match_pattern pattern = {"(unclosed", 9, 0, "[also"};
	struct tl_match *match = NULL;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_match_open(&pattern, 1, NULL, &match, &err), TL_EINVAL);
	assert_says(&err, "expression 9");
	assert_null(match);
}

static void answer_of_the_receiver_ends_the_scan(void **state TL_UNUSED)
{
	static const struct tl_match_pattern pattern = {"a", 1, 0};
	tl_auto(tl_match) struct tl_match *match = open_patterns(&pattern, 1);
	struct hits hits = {.answer = TL_ETOOBIG};

	assert_int_equal(tl_match_scan(match, "aaa", 3, note, &hits), TL_ETOOBIG);
	assert_int_equal(hits.count, 1);
	hits = (struct hits){.answer = 7};
	assert_int_equal(tl_match_scan(match, "aaa", 3, note, &hits), 7);
}

static void of_no_expressions_nothing_is_found(void **state TL_UNUSED)
{
	tl_auto(tl_match) struct tl_match *match = open_patterns(NULL, 0);

	assert_int_equal(tl_match_scan(match, "text", 4, note, NULL), 0);
}

static void too_many_expressions_are_refused(void **state TL_UNUSED)
{
	struct tl_match *match = NULL;

	assert_int_equal(tl_match_open(NULL, TL_MATCH_PATTERNS_MAX + 1, NULL, &match, NULL),
			 TL_ETOOBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_expression_is_reported_under_its_id),
		cmocka_unit_test(literal_stands_for_itself),
		cmocka_unit_test(caseless_literal_is_found_in_any_case),
		cmocka_unit_test(anchors_stand_at_lines_where_asked),
		cmocka_unit_test(every_place_where_it_can_end_is_reported),
		cmocka_unit_test(lookaround_needs_the_prefilter),
		cmocka_unit_test(refused_expression_gives_way_to_its_other_one),
		cmocka_unit_test(refused_replacement_is_an_error),
		cmocka_unit_test(answer_of_the_receiver_ends_the_scan),
		cmocka_unit_test(of_no_expressions_nothing_is_found),
		cmocka_unit_test(too_many_expressions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
