/* Pseudonyms in the stream, through the redactor: pieces and windows do not matter, secrets come first. */
#include <string.h>
#include <towline/str.h>

#include "../common/tests.h"
#include "identity_sample.h"
#include "redact/redact.h"

#define OUT_MAX (1024 * 1024)

struct rig {
	struct tl_redact_rules *rules;
	struct tl_identities *identities;
	struct tl_redactor *redactor;
};

static const char rules[] = "rules:\n"
			    "  - id: assignment\n"
			    "    keywords: [password]\n"
			    "    regex: 'password=([^\\s]+)'\n";

static int rig_up(void **state)
{
	static const struct tl_redact_limits limits = {4096, 1024, 100000};
	struct rig *rig = calloc(1, sizeof *rig);

	*state = rig;
	if (tl_redact_rules_parse("r.yaml", rules, strlen(rules), &rig->rules, NULL) < 0 ||
	    tl_redactor_new(rig->rules, &limits, &rig->redactor, NULL) < 0)
		return -1;
	rig->identities = identity_sample(5);
	tl_redactor_set_identities(rig->redactor, rig->identities);
	return 0;
}

static int rig_down(void **state)
{
	struct rig *rig = *state;

	tl_redactor_free(rig->redactor);
	tl_redact_rules_free(rig->rules);
	tl_identities_free(rig->identities);
	free(rig);
	return 0;
}

static int to_buf(void *arg, const void *bytes, size_t len, struct tl_err *err TL_UNUSED)
{
	tl_buf_append(arg, bytes, len);
	return 0;
}

static void run(struct rig *rig, const struct tl_buf *text, size_t piece, struct tl_buf *out)
{
	tl_buf_reset(out);
	tl_redactor_begin(rig->redactor, to_buf, out);
	for (size_t at = 0; at < text->len; at += piece) {
		size_t len = text->len - at < piece ? text->len - at : piece;

		assert_int_equal(tl_redactor_feed(rig->redactor, text->data + at, len, NULL), 0);
	}
	assert_int_equal(tl_redactor_flush(rig->redactor, NULL), 0);
}

static void lines(struct tl_buf *text, const char *end, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		tl_buf_printf(text,
			      "12:34:%02u web01 sshd[%u]: alice@acme.com from 10.1.%u.%u port 22, "
			      "2a02:8070::%x, 00:11:22:33:44:%02x in /home/alice v1.2.3.4%s",
			      i % 60, i, i % 256, i % 7, i, i % 256, end);
}

static void pieces_do_not_matter(void **state)
{
	static const size_t pieces[] = {1, 3, 7, 64, 1000, 4096, 5000};
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(OUT_MAX), whole = TL_BUF_INIT(OUT_MAX);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);

	lines(&text, "\n", 100);
	lines(&text, "; ", 200); /* one line, longer than windows */
	run(*state, &text, SIZE_MAX / 2, &whole);
	for (size_t i = 0; i < TL_ARRAY_LEN(pieces); i++) {
		run(*state, &text, pieces[i], &out);
		assert_int_equal(out.len, whole.len);
		assert_memory_equal(out.data, whole.data, whole.len);
	}
}

static void no_identity_passes_in_lines_or_windows(void **state)
{
	static const char *const originals[] = {"web01", "alice",    "acme", "10.1.1.1",
						"2a02:", "00:11:22", NULL};
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(OUT_MAX), out = TL_BUF_INIT(OUT_MAX);

	lines(&text, "\n", 50);
	lines(&text, "; ", 500);
	run(*state, &text, 777, &out);
	for (size_t i = 0; originals[i]; i++)
		if (strstr(tl_buf_str(&out), originals[i]))
			fail_msg("%s came out", originals[i]);
	assert_non_null(strstr(out.data, "12:34:01"));
	assert_non_null(strstr(out.data, "v1.2.3.4"));
}

static void a_secret_wins_over_an_identity_inside_it(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(256), out = TL_BUF_INIT(256);

	tl_buf_puts(&text, "password=alice-10.1.2.3 on web01\n");
	run(rig, &text, 5, &out);
	assert_true(tl_str_starts(tl_buf_str(&out), "password=[redacted:assignment] on host-"));
}

static void the_report_counts_by_class(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(256), out = TL_BUF_INIT(256);
	tl_json *counts = json_object();

	tl_buf_puts(&text, "10.1.2.3 10.1.2.4 alice web01 x@acme.com\n");
	run(rig, &text, 500, &out);
	tl_redactor_report(rig->redactor, counts);
	assert_int_equal(json_integer_value(json_object_get(counts, "ipv4")), 2);
	assert_int_equal(json_integer_value(json_object_get(counts, "user")), 1);
	assert_int_equal(json_integer_value(json_object_get(counts, "host")), 1);
	assert_int_equal(json_integer_value(json_object_get(counts, "email")), 1);
}

#define rig_test(function) cmocka_unit_test_setup_teardown(function, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(pieces_do_not_matter),
		rig_test(no_identity_passes_in_lines_or_windows),
		rig_test(a_secret_wins_over_an_identity_inside_it),
		rig_test(the_report_counts_by_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
