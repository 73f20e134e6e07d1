#include <towline/yaml.h>

#include <towline/str.h>

#include "tests.h"

struct rule {
	const char *id;
	int64_t count, wait_ms;
	uint64_t size;
	double weight;
	bool on;
	int level;
	const struct tl_yaml_node *words, *rest;
};

static const char *const levels[] = {"low", "high", NULL};

static const struct tl_yaml_member members[] = {
	{"id", TL_YAML_TEXT, true, offsetof(struct rule, id), 0, 8},
	{"count", TL_YAML_INT, false, offsetof(struct rule, count), 1, 9},
	{"wait", TL_YAML_DURATION, false, offsetof(struct rule, wait_ms)},
	{"size", TL_YAML_SIZE, false, offsetof(struct rule, size)},
	{"weight", TL_YAML_NUMBER, false, offsetof(struct rule, weight)},
	{"on", TL_YAML_BOOL, false, offsetof(struct rule, on)},
	{"level", TL_YAML_CHOICE, false, offsetof(struct rule, level), 0, 0, levels},
	{"words", TL_YAML_TEXTS, false, offsetof(struct rule, words), 0, 2},
	{"rest", TL_YAML_NODE, false, offsetof(struct rule, rest)},
};

static int read_rule(const char *text, struct tl_yaml **ret_yaml, struct rule *rule,
		     struct tl_err *err)
{
	int r = tl_yaml_parse("r.yaml", text, strlen(text), ret_yaml, err);

	return r < 0 ? r
		     : tl_yaml_read(*ret_yaml, tl_yaml_root(*ret_yaml), members,
				    TL_ARRAY_LEN(members), rule, err);
}

static void each_type_is_read(void **state TL_UNUSED)
{
	tl_auto(tl_yaml) struct tl_yaml *yaml = NULL;
	struct tl_err err = TL_ERR_INIT;
	struct rule rule = {.id = NULL};

	assert_int_equal(read_rule("id: a\ncount: 3\nwait: 2s\nsize: 4K\nweight: 0.5\non: true\n"
				   "level: high\nwords: [x, y]\nrest: {a: [1]}\n",
				   &yaml, &rule, &err),
			 0);
	assert_string_equal(rule.id, "a");
	assert_int_equal(rule.count, 3);
	assert_int_equal(rule.wait_ms, 2000);
	assert_int_equal(rule.size, 4096);
	assert_true(rule.weight > 0.49 && rule.weight < 0.51);
	assert_true(rule.on);
	assert_int_equal(rule.level, 1);
	assert_int_equal(rule.words->count, 2);
	assert_string_equal(rule.words->first->next->text, "y");
	assert_int_equal(rule.rest->first->kind, TL_YAML_LIST);
}

static void an_absent_member_leaves_its_field(void **state TL_UNUSED)
{
	tl_auto(tl_yaml) struct tl_yaml *yaml = NULL;
	struct tl_err err = TL_ERR_INIT;
	struct rule rule = {.count = 7};

	assert_int_equal(read_rule("id: a\n", &yaml, &rule, &err), 0);
	assert_int_equal(rule.count, 7);
}

static void an_empty_document_is_an_empty_mapping(void **state TL_UNUSED)
{
	tl_auto(tl_yaml) struct tl_yaml *yaml = NULL;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_yaml_parse("e", "# nothing\n", 10, &yaml, &err), 0);
	assert_int_equal(tl_yaml_root(yaml)->kind, TL_YAML_MAP);
	assert_int_equal(tl_yaml_root(yaml)->count, 0);
}

static void a_fault_names_file_line_and_remedy(void **state TL_UNUSED)
{
	static const struct {
		const char *text, *says;
	} faults[] = {
		{"id: a\nconut: 1\n", "r.yaml:2: unknown key \"conut\": did you mean \"count\"?"},
		{"count: 1\n", "r.yaml:1: id is missing"},
		{"id: a\nid: b\n", "r.yaml:2: id is set twice: first on line 1"},
		{"id: a\ncount: 10\n", "r.yaml:2: count is out of its range: 10"},
		{"id: a\ncount: x\n", "r.yaml:2: count must be a number"},
		{"id: a\nlevel: mid\n", "r.yaml:2: level must be one of low, high"},
		{"id: a\nwords: x\n", "r.yaml:2: words must be a list"},
		{"id: a\nwords: [1, 2, 3]\n", "r.yaml:2: words has more than 2 items"},
		{"id: a\nwords:\n- [1]\n", "r.yaml:3: words holds plain values only"},
		{"id: a\nwait: 5\n", "r.yaml:2: wait must be a duration"},
		{"id: a\nweight: inf\n", "r.yaml:2: weight must be a number"},
		{"id: longer than 8\n", "r.yaml:1: id is longer than 8 bytes"},
		{"id: [a]\n", "r.yaml:1: id takes one value"},
		{"- a\n", "r.yaml:1: lines of the form \"key: value\" are expected"},
		{"id: &x a\n", "r.yaml:1: anchors and tags are not used here"},
		{"id: *x\n", "r.yaml:1: anchors and aliases are not used here"},
		{"id: a\n---\nid: b\n", "r.yaml:2: only one document is allowed"},
		{"id: \"a\\0b\"\n", "r.yaml:1: a value contains a NUL character"},
		{"id: [\n", "this is not YAML"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(faults); i++) {
		tl_auto(tl_yaml) struct tl_yaml *yaml = NULL;
		struct tl_err err = TL_ERR_INIT;
		struct rule rule = {.id = NULL};

		assert_int_equal(read_rule(faults[i].text, &yaml, &rule, &err), TL_ECONFIG);
		assert_says(&err, faults[i].says);
	}
}

static void what_is_nested_too_deep_is_refused(void **state TL_UNUSED)
{
	tl_auto(tl_yaml) struct tl_yaml *yaml = NULL;
	struct tl_err err = TL_ERR_INIT;
	const char *text = "[[[[[[[[[[[[[[1]]]]]]]]]]]]]]";

	assert_int_equal(tl_yaml_parse("d", text, strlen(text), &yaml, &err), TL_ECONFIG);
	assert_says(&err, "nested too deep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_is_read),
		cmocka_unit_test(an_absent_member_leaves_its_field),
		cmocka_unit_test(an_empty_document_is_an_empty_mapping),
		cmocka_unit_test(a_fault_names_file_line_and_remedy),
		cmocka_unit_test(what_is_nested_too_deep_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
