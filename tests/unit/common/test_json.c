#include "tests.h"
#include <towline/json.h>

static int parse(const char *text, size_t len, struct tl_err *err)
{
	tl_json *json = NULL;

	return tl_json_parse(text, len, &json, err);
}

static void plain_values_are_read(void **state TL_UNUSED)
{
	static const char *const good[] = {"{}", "[1,2.5,\"\\u00e4\",null,true]", " 1 ", "\"[[[\""};

	for (size_t i = 0; i < TL_ARRAY_LEN(good); i++)
		assert_int_equal(parse(good[i], strlen(good[i]), NULL), 0);
}

static void sloppy_values_are_refused(void **state TL_UNUSED)
{
	static const char *const bad[] = {
		"",	      "{",	 "{}x",	     "{} {}",	    "{\"a\":1,\"a\":1}",
		"[1,]",	      "{'a':1}", "\"\xff\"", "\"\xc3\"",    "\"\xed\xa0\x80\"",
		"nul",	      "01",	 "\"\t\"",   "\"\\u0000\"", "1e999",
		"\"\\ud800\""};

	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++)
		assert_int_equal(parse(bad[i], strlen(bad[i]), NULL), TL_EINVAL);
	assert_int_equal(parse("{}\0", 3, NULL), TL_EINVAL);
}

static void the_place_is_named_and_the_input_is_not_quoted(void **state TL_UNUSED)
{
	static const char text[] = "{\n \"password\": hunter2\n}";
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(parse(text, strlen(text), &err), TL_EINVAL);
	assert_says(&err, "line 2");
	assert_null(strstr(tl_err_text(&err), "hunter2"));
}

static void depth_is_limited(void **state TL_UNUSED)
{
	char text[2 * TL_JSON_DEPTH_MAX + 3] = "";
	struct tl_err err = TL_ERR_INIT;

	memset(text, '[', TL_JSON_DEPTH_MAX);
	memset(text + TL_JSON_DEPTH_MAX, ']', TL_JSON_DEPTH_MAX);
	assert_int_equal(parse(text, strlen(text), &err), 0);
	memset(text, '[', TL_JSON_DEPTH_MAX + 1);
	memset(text + TL_JSON_DEPTH_MAX + 1, ']', TL_JSON_DEPTH_MAX + 1);
	assert_int_equal(parse(text, strlen(text), &err), TL_EINVAL);
	assert_says(&err, "deeper");
}

static void brackets_in_strings_do_not_count(void **state TL_UNUSED)
{
	static const char text[] = "\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"";

	assert_int_equal(parse(text, strlen(text), NULL), 0);
}

struct thing {
	const char *text, *name, *id;
	int64_t number;
	bool flag;
	json_t *list, *object;
};

static const struct tl_json_member members[] = {
	{"text", TL_JSON_TEXT, true, offsetof(struct thing, text), 1, 5},
	{"name", TL_JSON_NAME, false, offsetof(struct thing, name), 0, 5},
	{"id", TL_JSON_ID, false, offsetof(struct thing, id), 0, 0},
	{"number", TL_JSON_INT, false, offsetof(struct thing, number), -5, 5},
	{"flag", TL_JSON_BOOL, false, offsetof(struct thing, flag), 0, 0},
	{"list", TL_JSON_ARRAY, false, offsetof(struct thing, list), 0, 2},
	{"object", TL_JSON_OBJECT, false, offsetof(struct thing, object), 0, 0},
};

static void members_fill_the_struct(void **state TL_UNUSED)
{
	tl_json *json = json_loads(
		"{\"text\":\"abc\",\"name\":\"a.b\",\"id\":\"01aryz6s410000000000000000\","
		"\"number\":-5,\"flag\":true,\"list\":[1],\"object\":{}}",
		0, NULL);
	struct thing thing = {.text = NULL};
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_json_read(json, members, TL_ARRAY_LEN(members), &thing, &err), 0);
	assert_string_equal(thing.text, "abc");
	assert_string_equal(thing.name, "a.b");
	assert_string_equal(thing.id, "01aryz6s410000000000000000");
	assert_int_equal(thing.number, -5);
	assert_true(thing.flag);
	assert_int_equal(json_array_size(thing.list), 1);
	assert_true(json_is_object(thing.object));
}

static void absent_optional_members_stay_untouched(void **state TL_UNUSED)
{
	tl_json *json = json_loads("{\"text\":\"abc\"}", 0, NULL);
	struct thing thing = {.number = 3, .flag = true};

	assert_int_equal(tl_json_read(json, members, TL_ARRAY_LEN(members), &thing, NULL), 0);
	assert_int_equal(thing.number, 3);
	assert_true(thing.flag);
}

static void each_wrong_member_is_named(void **state TL_UNUSED)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"[]", "object is expected"},
		{"{}", "\"text\" is missing"},
		{"{\"text\":1}", "\"text\" must be a string"},
		{"{\"text\":\"\"}", "\"text\" is shorter"},
		{"{\"text\":\"abcdef\"}", "\"text\" is longer than 5"},
		{"{\"text\":\"a\",\"severity\":1}", "\"severity\" is not known here"},
		{"{\"text\":\"a\",\"name\":\"a/b\"}", "\"name\" may contain only"},
		{"{\"text\":\"a\",\"id\":\"x\"}", "\"id\" is not an identifier"},
		{"{\"text\":\"a\",\"number\":6}", "\"number\" must be from -5 to 5"},
		{"{\"text\":\"a\",\"number\":1.0}", "\"number\" must be an integer"},
		{"{\"text\":\"a\",\"flag\":1}", "\"flag\" must be true or false"},
		{"{\"text\":\"a\",\"list\":[1,2,3]}", "\"list\" has more than 2"},
		{"{\"text\":\"a\",\"list\":{}}", "\"list\" must be an array"},
		{"{\"text\":\"a\",\"object\":[]}", "\"object\" must be an object"},
		{"{\"text\":\"a\",\"object\":null}", "\"object\" must be an object"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		tl_json *json = json_loads(rows[i].text, 0, NULL);
		struct thing thing = {.text = NULL};
		struct tl_err err = TL_ERR_INIT;

		assert_int_equal(tl_json_read(json, members, TL_ARRAY_LEN(members), &thing, &err),
				 TL_EINVAL);
		assert_says(&err, rows[i].words);
	}
}

static void equal_values_give_equal_bytes(void **state TL_UNUSED)
{
	tl_json *json = json_loads("{\"b\" : [1, 2], \"a\": \"\\u00e4\"}", 0, NULL);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(100), small = TL_BUF_INIT(5);

	tl_json_write(&out, json);
	assert_string_equal(tl_buf_str(&out), "{\"a\":\"\xc3\xa4\",\"b\":[1,2]}");
	tl_json_write(&small, json);
	assert_int_equal(tl_buf_check(&small), TL_ETOOBIG);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_values_are_read),
		cmocka_unit_test(sloppy_values_are_refused),
		cmocka_unit_test(the_place_is_named_and_the_input_is_not_quoted),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(brackets_in_strings_do_not_count),
		cmocka_unit_test(members_fill_the_struct),
		cmocka_unit_test(absent_optional_members_stay_untouched),
		cmocka_unit_test(each_wrong_member_is_named),
		cmocka_unit_test(equal_values_give_equal_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
