#include <sys/stat.h>

#include "../common/tests.h"
#include "collect/plan.h"
#include "stage.h"

#define S(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct collector table[] = {
	{"always", "a", "s", COLLECT_COMMAND, COLLECT_LOW, COLLECT_QUICK | COLLECT_DEFAULT,
	 S("true"), NULL, 1000, 1000},
	{"often", "a", "s", COLLECT_COMMAND, COLLECT_LOW, COLLECT_DEFAULT, S("true"), NULL, 1000,
	 1000},
	{"rarely", "b", "s", COLLECT_COMMAND, COLLECT_LOW, 0, S("true"), NULL, 1000, 1000},
	{"of-unit", "b", "s", COLLECT_COMMAND, COLLECT_LOW, 0, S("ls", "--", "/x/{unit}.d"), NULL,
	 1000, 1000},
};

static struct collect_request request;
static struct plan plan;
static struct tl_err err;

static int make(struct stage *stage)
{
	static char dir[256];
	struct collect_options options = {
		.clock = &stage->clock.clock,
		.root = stage->root,
		.rows = table,
		.row_count = TL_ARRAY_LEN(table),
		.profiles_dir = dir,
	};

	snprintf(dir, sizeof dir, "%s", stage_path(stage, "/profiles"));
	plan_clear(&plan);
	err = (struct tl_err)TL_ERR_INIT;
	return plan_make(&request, &options, &plan, &err);
}

/* The names of what is planned of our table, separated by blanks. */
static const char *names(void)
{
	static char text[1000];

	text[0] = '\0';
	for (size_t i = 0; i < plan.count; i++)
		for (size_t j = 0; j < TL_ARRAY_LEN(table); j++)
			if (strcmp(plan.rows[i].name, table[j].name) == 0)
				snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
					 text[0] ? " " : "", table[j].name);
	return text;
}

static void profile(struct stage *stage, const char *name, const char *text)
{
	char path[128], whole[2000];

	snprintf(path, sizeof path, "/profiles/%s.yaml", name);
	snprintf(whole, sizeof whole, "name: %s\nsummary: of a test\n%s", name, text);
	stage_file(stage, path, whole);
	chmod(stage_path(stage, path), 0644);
	chmod(stage_path(stage, "/profiles"), 0755);
}

static void presets_choose_by_flags(void **state)
{
	static const struct {
		const char *profile, *names;
	} rows[] = {{"quick", "always"},
		    {"standard", "always often"},
		    {"full", "always often rarely"}};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		request = (struct collect_request){.profile = rows[i].profile};
		assert_int_equal(make(*state), 0);
		assert_string_equal(names(), rows[i].names);
	}
}

static void profile_adds_to_what_it_extends_and_takes_from_it(void **state)
{
	profile(*state, "one", "extends: quick\ngroups: [b]\n");
	profile(*state, "two", "extends: one\ncollectors: [oft*]\nexclude: [alw*]\n");
	request = (struct collect_request){.profile = "two"};
	assert_int_equal(make(*state), 0);
	assert_string_equal(names(), "often rarely");
}

static void sites_profile_may_extend_the_built_in_one_of_its_name(void **state)
{
	profile(*state, "quick", "extends: quick\ncollectors: [rarely]\n");
	request = (struct collect_request){.profile = "quick"};
	assert_int_equal(make(*state), 0);
	assert_string_equal(names(), "always rarely");
}

static void circle_is_refused_with_its_line(void **state)
{
	profile(*state, "one", "extends: two\n");
	profile(*state, "two", "extends: one\n");
	request = (struct collect_request){.profile = "one"};
	assert_int_equal(make(*state), TL_ECONFIG);
	assert_says(&err, "one.yaml:3: profiles extend each other in a circle");
}

static void limits_of_the_nearest_profile_hold(void **state)
{
	profile(*state, "one",
		"extends: quick\nlimits:\n  - collector: alw*\n    max: 5K\n    timeout: 5s\n");
	profile(*state, "two", "extends: one\nlimits:\n  - collector: always\n    max: 9K\n");
	request = (struct collect_request){.profile = "two"};
	assert_int_equal(make(*state), 0);
	assert_int_equal(plan.rows[0].max_bytes, 9 * 1024);
	assert_int_equal(plan.rows[0].timeout_ms, 5000);
}

static void parameter_is_checked_and_filled_in(void **state)
{
	profile(*state, "one", "collectors: [of-unit]\nparameter: unit\n");
	request = (struct collect_request){.profile = "one:nginx.service"};
	assert_int_equal(make(*state), 0);
	assert_string_equal(names(), "of-unit");
	assert_string_equal(plan.rows[0].sources[2], "/x/nginx.service.d");
	assert_string_equal(plan.profile, "one:nginx.service");
	for (size_t i = 0; i < 5; i++) {
		static const char *const bad[] = {"one:-x", "one:../x", "one:a b", "one:", "one"};

		request.profile = bad[i];
		assert_int_equal(make(*state), TL_EINVAL);
	}
	request.profile = "quick:x";
	assert_int_equal(make(*state), TL_EINVAL);
}

static void request_adds_and_takes_away(void **state)
{
	tl_json *include = json_pack("[s]", "rarely"),
		*exclude = json_pack("[s, s]", "often", "/etc");

	request = (struct collect_request){.profile = "standard",
					   .include = include,
					   .exclude = exclude};
	assert_int_equal(make(*state), 0);
	assert_string_equal(names(), "always rarely");
	assert_true(exclude_has_path(&plan.exclude, "/etc/passwd"));
	assert_true(exclude_has_path(&plan.exclude, "root/etc/passwd"));
	assert_false(exclude_has_path(&plan.exclude, "/etcetera"));
}

static void what_a_person_names_must_be_there(void **state)
{
	tl_json *exclude = json_pack("[s, s]", "often", "gone-since");
	tl_json *right = json_pack("[s, s]", "oft*", "b"), *wrong = json_pack("[s]", "oftn");

	request =
		(struct collect_request){.profile = "standard", .exclude = exclude, .named = right};
	assert_int_equal(make(*state), 0);
	request.named = wrong;
	assert_int_equal(make(*state), TL_EINVAL);
	assert_says(&err, "no collector and no group is called \"oftn\"");
}

static void nothing_left_is_a_mistake(void **state)
{
	tl_json *exclude = json_pack("[s]", "*");

	request = (struct collect_request){.profile = "quick", .exclude = exclude};
	assert_int_equal(make(*state), TL_EINVAL);
	assert_says(&err, "nothing to collect");
}

static void profiles_range_holds_where_none_is_asked_for(void **state)
{
	struct stage *stage = *state;
	int64_t now_us;

	profile(stage, "one", "extends: quick\nsince: 2h\n");
	request = (struct collect_request){.profile = "one"};
	assert_int_equal(make(stage), 0);
	now_us = plan.started_s * 1000000;
	assert_int_equal(plan.range.since_us, now_us - INT64_C(7200) * 1000000);
	request.until = "1h";
	assert_int_equal(make(stage), 0);
	assert_int_equal(plan.range.since_us, INT64_MIN);
}

static void unknown_profile_is_answered_with_those_there_are(void **state)
{
	request = (struct collect_request){.profile = "everything"};
	assert_int_equal(make(*state), TL_EINVAL);
	assert_says(&err, "standard");
	assert_says(&err, "service:");
}

static int tear_down(void **state)
{
	plan_clear(&plan);
	return stage_tear_down(state);
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_set_up, tear_down)
	const struct CMUnitTest tests[] = {
		STAGED(presets_choose_by_flags),
		STAGED(profile_adds_to_what_it_extends_and_takes_from_it),
		STAGED(sites_profile_may_extend_the_built_in_one_of_its_name),
		STAGED(circle_is_refused_with_its_line),
		STAGED(limits_of_the_nearest_profile_hold),
		STAGED(parameter_is_checked_and_filled_in),
		STAGED(request_adds_and_takes_away),
		STAGED(what_a_person_names_must_be_there),
		STAGED(nothing_left_is_a_mistake),
		STAGED(profiles_range_holds_where_none_is_asked_for),
		STAGED(unknown_profile_is_answered_with_those_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
