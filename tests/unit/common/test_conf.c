#include "conf_sample.h"
#include "scratch.h"
#include "tests.h"

static int parse(const char *text, struct sample *sample, struct tl_err *err)
{
	*sample = (struct sample){.name = NULL};
	return tl_conf_parse(&sample_schema, "sample.yaml", "/etc/x", text, strlen(text), sample,
			     err);
}

static void defaults_fill_what_the_file_leaves_out(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;
	struct sample sample;

	assert_int_equal(parse("name: n\n", &sample, &err), 0);
	assert_string_equal(sample.name, "n");
	assert_string_equal(sample.data, "/etc/x/data");
	assert_int_equal(sample.port, 8443);
	assert_int_equal(sample.wait_ms, 90000);
	assert_int_equal(sample.most_bytes, 64 << 20);
	assert_true(sample.strict);
	assert_int_equal(sample.level, 1);
	assert_int_equal(sample.hosts.count, 2);
	assert_string_equal(sample.hosts.items[1], "b");
	tl_conf_clear(&sample_schema, &sample);
}

static void each_type_is_read(void **state TL_UNUSED)
{
	static const char text[] = "---\n"
				   "# a comment\n"
				   "name: 'a b'\n"
				   "data: /var/lib\n"
				   "port: 1\n"
				   "level: low\n"
				   "hosts: [x, \"y\", z]\n"
				   "limits:\n"
				   "  most: 2K\n"
				   "  wait: 1h\n"
				   "  deep: {strict: false}\n";
	struct tl_err err = TL_ERR_INIT;
	struct sample sample;

	assert_int_equal(parse(text, &sample, &err), 0);
	assert_string_equal(sample.name, "a b");
	assert_string_equal(sample.data, "/var/lib");
	assert_int_equal(sample.port, 1);
	assert_int_equal(sample.level, 0);
	assert_int_equal(sample.hosts.count, 3);
	assert_string_equal(sample.hosts.items[2], "z");
	assert_int_equal(sample.most_bytes, 2048);
	assert_int_equal(sample.wait_ms, 3600000);
	assert_false(sample.strict);
	tl_conf_clear(&sample_schema, &sample);
}

static void an_empty_list_replaces_the_default(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;
	struct sample sample;

	assert_int_equal(parse("name: n\nhosts: []\n", &sample, &err), 0);
	assert_int_equal(sample.hosts.count, 0);
	tl_conf_clear(&sample_schema, &sample);
}

static void each_mistake_is_named_with_its_line(void **state TL_UNUSED)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"", "name is missing"},
		{"name: n\nprot: 1\n",
		 "sample.yaml:2: unknown key \"prot\": did you mean \"port\"?"},
		{"name: n\nzzzzzz: 1\n", "sample.yaml:2: unknown key \"zzzzzz\""},
		{"name: n\nname: m\n", "sample.yaml:2: name is set twice: first on line 1"},
		{"name: n\nlimits:\n  wait: 1h\nlimits:\n  most: 2K\n",
		 "sample.yaml:4: group limits"},
		{"name: n\nlimits:\n  wat: 1h\n", "did you mean \"limits.wait\"?"},
		{"name: n\nlimits: 5\n", "sample.yaml:2: limits is a group"},
		{"name: n\nlimits.wait: 1h\n", "sample.yaml:2: write a key with a dot"},
		{"name: ''\n", "sample.yaml:1: name must be text"},
		{"name: 01234567890\n", "at most 10 bytes"},
		{"name: [a]\n", "sample.yaml:1: name takes one value"},
		{"name: n\n\nport: 0\n", "sample.yaml:3: port must be a number from 1 to 65535"},
		{"name: n\nport: 1x\n", "port must be a number"},
		{"name: n\nport: {a: 1}\n", "port takes one value"},
		{"name: n\nlevel: mid\n", "level must be one of low, high"},
		{"name: n\nhosts: a\n", "hosts must be a list"},
		{"name: n\nhosts: [a, b, c, d]\n", "at most 3 items"},
		{"name: n\nhosts: [[a]]\n", "a list holds plain values only"},
		{"name: n\nlimits:\n  wait: 90\n", "sample.yaml:3: limits.wait must be a duration"},
		{"name: n\nlimits:\n  wait: 2h\n", "from 1s to 1h"},
		{"name: n\nlimits:\n  most: 2G\n", "from 1K to 1G"},
		{"name: n\nlimits:\n  deep:\n    strict: yes\n", "must be true or false"},
		{"name: &a n\n", "anchors"},
		{"name: n\nhosts: *a\n", "anchors"},
		{"name: !!str n\n", "tags"},
		{"name: n\n---\nname: m\n", "only one document"},
		{"just text\n", "\"key: value\""},
		{"- a\n", "\"key: value\""},
		{"? [a]\n: b\n", "a key must be a plain word"},
		{"name: n\n\tport: 1\n", "not YAML"},
		{"name: \"n\n", "not YAML"},
		{"name: \"\\0\"\n", "NUL"},
		{"name: \xff\n", "not YAML"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		struct tl_err err = TL_ERR_INIT;
		struct sample sample;

		assert_int_equal(parse(rows[i].text, &sample, &err), TL_ECONFIG);
		assert_says(&err, rows[i].words);
		assert_says(&err, "sample.yaml:");
		tl_conf_clear(&sample_schema, &sample);
	}
}

static void an_empty_file_is_all_defaults(void **state TL_UNUSED)
{
	const struct tl_conf_schema optional = {.name = "o",
						.keys = sample_schema.keys,
						.key_count = 6,
						.struct_size = sizeof(struct sample)};
	static const char *const texts[] = {"", "---\n", "# only a comment\n"};
	struct tl_err err = TL_ERR_INIT;

	for (size_t i = 0; i < TL_ARRAY_LEN(texts); i++) {
		struct sample sample = {.name = NULL};

		assert_int_equal(tl_conf_parse(&optional, "o", "/", texts[i], strlen(texts[i]),
					       &sample, &err),
				 0);
		tl_conf_clear(&optional, &sample);
	}
}

static char *printed(void (*print)(const struct tl_conf_schema *schema, FILE *out))
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	print(&sample_schema, out);
	fclose(out);
	return text;
}

static void the_sample_without_its_comment_signs_is_the_defaults(void **state TL_UNUSED)
{
	tl_free char *text = printed(tl_conf_print_sample);
	tl_auto(tl_buf) struct tl_buf file = TL_BUF_INIT(65536);
	struct tl_err err = TL_ERR_INIT;
	struct sample sample = {.name = NULL};
	char with_name[] = "#name: given";

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		assert_true(strlen(line) <= 80);
		if (strcmp(line, "#name:") == 0)
			line = with_name;
		/* Prose has one blank after the sign; keys have none, or their group's margin. */
		tl_buf_printf(&file, "%s\n",
			      line[0] == '#' && (line[1] != ' ' || line[2] == ' ') ? line + 1
										   : line);
	}
	assert_int_equal(parse(tl_buf_str(&file), &sample, &err), 0);
	assert_int_equal(sample.port, 8443);
	assert_int_equal(sample.wait_ms, 90000);
	assert_int_equal(sample.hosts.count, 2);
	assert_true(sample.strict);
	tl_conf_clear(&sample_schema, &sample);
}

static void the_man_page_names_each_key(void **state TL_UNUSED)
{
	tl_free char *text = printed(tl_conf_print_mdoc);

	for (size_t i = 0; i < sample_schema.key_count; i++) {
		tl_free char *item = NULL;

		assert_true(asprintf(&item, ".It Ic %s\n", sample_schema.keys[i].name) > 0);
		assert_non_null(strstr(text, item));
	}
	assert_non_null(
		strstr(text,
		       "A duration (such as 90s, 15m or 8h) from 1s to 1h; 90s when not set."));
	assert_non_null(strstr(text, "must be set."));
}

static void a_file_is_read_and_its_directory_resolves_paths(void **state)
{
	tl_free char *path = NULL, *data = NULL;
	struct tl_err err = TL_ERR_INIT;
	struct sample sample = {.name = NULL};
	FILE *out;

	assert_true(asprintf(&path, "%s/s.yaml", (char *)*state) > 0);
	assert_true(asprintf(&data, "%s/data", (char *)*state) > 0);
	assert_int_equal(tl_conf_load(&sample_schema, path, &sample, &err), TL_ENOENT);
	tl_conf_clear(&sample_schema, &sample);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs("name: n\n", out);
	fclose(out);
	assert_int_equal(tl_conf_load(&sample_schema, path, &sample, &err), 0);
	assert_string_equal(sample.data, data);
	tl_conf_clear(&sample_schema, &sample);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_fill_what_the_file_leaves_out),
		cmocka_unit_test(each_type_is_read),
		cmocka_unit_test(an_empty_list_replaces_the_default),
		cmocka_unit_test(each_mistake_is_named_with_its_line),
		cmocka_unit_test(an_empty_file_is_all_defaults),
		cmocka_unit_test(the_sample_without_its_comment_signs_is_the_defaults),
		cmocka_unit_test(the_man_page_names_each_key),
		cmocka_unit_test_setup_teardown(a_file_is_read_and_its_directory_resolves_paths,
						scratch_set_up, scratch_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
