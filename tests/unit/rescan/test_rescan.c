/* The second look as a stream: canaries, lines, names, bounds. */
#include "rescan/rescan.h"

#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <towline/fs.h>
#include <towline/str.h>

#include "../common/tests.h"

#define SECRET "db_password=k3Vq9ZtB7wXe2LmPc8Rd"

struct rig {
	struct tl_rescan *rescan;
	struct tl_canary *canary;
};

static int rig_up(void **state)
{
	struct rig *rig = calloc(1, sizeof *rig);

	*state = rig;
	return tl_rescan_new(&rig->rescan, NULL) < 0 || tl_canary_new(&rig->canary, NULL) < 0 ||
	       tl_rescan_add_canary(rig->rescan, rig->canary, NULL) < 0;
}

static int rig_down(void **state)
{
	struct rig *rig = *state;

	tl_rescan_free(rig->rescan);
	tl_canary_free(rig->canary);
	free(rig);
	return 0;
}

static void look(struct rig *rig, const char *text, size_t len, size_t piece)
{
	tl_rescan_begin(rig->rescan, "root/x");
	for (size_t at = 0; at < len; at += piece)
		tl_rescan_feed(rig->rescan, text + at, len - at < piece ? len - at : piece);
	tl_rescan_end(rig->rescan);
}

static const struct tl_rescan_hit *only_hit(struct rig *rig)
{
	size_t count;
	const struct tl_rescan_hit *hits = tl_rescan_hits(rig->rescan, &count);

	assert_int_equal(count, 1);
	return hits;
}

static void clean_text_passes(void **state)
{
	struct rig *rig = *state;
	struct tl_err err = TL_ERR_INIT;

	look(rig, "all is well\n", 12, 12);
	assert_int_equal(tl_rescan_verdict(rig->rescan, &err), 0);
	assert_int_equal(tl_rescan_count(rig->rescan), 0);
}

static void a_hit_names_path_line_and_kind_but_not_the_secret(void **state)
{
	struct rig *rig = *state;
	struct tl_err err = TL_ERR_INIT;

	look(rig, "one\ntwo\n" SECRET "\n", 9 + strlen(SECRET), 5);
	assert_string_equal(only_hit(rig)->path, "root/x");
	assert_int_equal(only_hit(rig)->line, 3);
	assert_string_equal(only_hit(rig)->kind, "assigned-secret");
	assert_int_equal(tl_rescan_verdict(rig->rescan, &err), TL_EDENIED);
	assert_says(&err, "assigned-secret in root/x, line 3");
	assert_null(strstr(err.text, "k3Vq9"));
}

static void each_canary_is_found_in_any_pieces(void **state)
{
	struct rig *rig = *state;

	for (size_t i = 0; i < tl_canary_count(rig->canary); i++) {
		for (size_t piece = 1; piece < 40; piece++) {
			tl_auto(tl_rescan) struct tl_rescan *rescan = NULL;
			struct rig one = {.canary = rig->canary};
			tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(1024);

			assert_int_equal(tl_rescan_new(&rescan, NULL), 0);
			assert_int_equal(tl_rescan_add_canary(rescan, rig->canary, NULL), 0);
			one.rescan = rescan;
			tl_buf_printf(&text, "%.*s%s after", (int)(piece % 9), "123456789",
				      tl_canary_value(rig->canary, i));
			look(&one, text.data, text.len, piece);
			assert_string_equal(only_hit(&one)->kind, "canary");
		}
	}
}

static void half_a_canary_is_found(void **state)
{
	struct rig *rig = *state;
	char text[64];

	snprintf(text, sizeof text, "[redacted:x]%.15s", tl_canary_value(rig->canary, 1) + 7);
	look(rig, text, strlen(text), 3);
	assert_string_equal(only_hit(rig)->kind, "canary");
}

static void a_canary_in_a_name_is_found_and_not_repeated(void **state)
{
	struct rig *rig = *state;
	char path[128];

	snprintf(path, sizeof path, "root/%s", tl_canary_value(rig->canary, 0));
	tl_rescan_begin(rig->rescan, path);
	tl_rescan_end(rig->rescan);
	assert_string_equal(only_hit(rig)->path, "[member]");
	assert_int_equal(only_hit(rig)->line, 0);
}

static void the_canaries_text_is_one_of_secrets(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_rescan) struct tl_rescan *rescan = NULL;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(8192);
	struct rig without = {.rescan = NULL};

	tl_canary_text(rig->canary, &text);
	for (size_t i = 0; i < tl_canary_count(rig->canary); i++)
		assert_non_null(strstr(tl_buf_str(&text), tl_canary_value(rig->canary, i)));
	assert_int_equal(tl_rescan_new(&rescan, NULL), 0);
	without.rescan = rescan;
	look(&without, text.data, text.len, 100);
	assert_int_equal(tl_rescan_count(rescan), 6);
}

static void two_runs_have_other_canaries(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_canary) struct tl_canary *other = NULL;

	assert_int_equal(tl_canary_new(&other, NULL), 0);
	for (size_t i = 0; i < tl_canary_count(other); i++)
		assert_string_not_equal(tl_canary_value(other, i), tl_canary_value(rig->canary, i));
}

static void a_secret_far_into_a_long_line_is_found(void **state)
{
	static const size_t lengths[] = {100, 16000, 16380, 18000, 18425, 40000, 300000};

	for (size_t i = 0; i < TL_ARRAY_LEN(lengths); i++) {
		for (size_t piece = 1000; piece < 400000; piece *= 7) {
			struct rig one = {.rescan = NULL};
			size_t len = lengths[i] + strlen(SECRET) + 100;
			tl_free char *text = malloc(len);

			memset(text, '.', len);
			memcpy(text + lengths[i], " " SECRET " ", strlen(SECRET) + 2);
			assert_int_equal(tl_rescan_new(&one.rescan, NULL), 0);
			look(&one, text, len, piece);
			assert_int_equal(only_hit(&one)->line, 1);
			tl_rescan_free(one.rescan);
		}
	}
	(void)state;
}

static void a_key_split_between_feeds_is_found(void **state)
{
	static const char begin[] = "-----BEGIN RSA PRIVATE KEY-----\n";
	static const char line[] =
		"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n";
	struct rig *rig = *state;

	tl_rescan_begin(rig->rescan, "root/key");
	tl_rescan_feed(rig->rescan, begin, strlen(begin));
	tl_rescan_feed(rig->rescan, line, strlen(line));
	tl_rescan_end(rig->rescan);
	assert_string_equal(only_hit(rig)->kind, "private-key");
}

static void members_do_not_run_into_each_other(void **state)
{
	struct rig *rig = *state;

	look(rig, "db_password=", 12, 12);
	look(rig, "k3Vq9ZtB7wXe2LmPc8Rd", 20, 20);
	assert_int_equal(tl_rescan_count(rig->rescan), 0);
}

static void hits_are_counted_beyond_those_remembered(void **state)
{
	struct rig *rig = *state;
	size_t count;

	for (size_t i = 0; i < TL_RESCAN_HITS_MAX + 9; i++)
		look(rig, SECRET, strlen(SECRET), 64);
	tl_rescan_hits(rig->rescan, &count);
	assert_int_equal(count, TL_RESCAN_HITS_MAX);
	assert_true(tl_rescan_count(rig->rescan) > TL_RESCAN_HITS_MAX);
}

static void the_report_lists_the_hits(void **state)
{
	struct rig *rig = *state;
	json_t *report;

	look(rig, SECRET, strlen(SECRET), 64);
	report = tl_rescan_report(rig->rescan);
	assert_int_equal(json_array_size(report), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(report, 0), "path")),
			    "root/x");
	json_decref(report);
}

static void too_many_canaries_are_refused(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(tl_rescan_add_canary(rig->rescan, rig->canary, NULL), 0);
	assert_int_equal(tl_rescan_add_canary(rig->rescan, rig->canary, NULL), TL_ETOOBIG);
}

/* Any hit there would withhold the bundle of an innocent host. */
static void the_clean_corpus_has_no_hit(void **state)
{
	struct rig *rig = *state;
	glob_t files;

	assert_int_equal(glob(TOWLINE_CORPUS "/clean/*", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(64 * 1024 * 1024);
		struct tl_err err = TL_ERR_INIT;

		assert_int_equal(tl_fs_read_file(AT_FDCWD, files.gl_pathv[i], &text, NULL), 0);
		tl_rescan_begin(rig->rescan, files.gl_pathv[i]);
		tl_rescan_feed(rig->rescan, text.data, text.len);
		tl_rescan_end(rig->rescan);
		if (tl_rescan_verdict(rig->rescan, &err) < 0)
			fail_msg("%s", err.text);
	}
	assert_true(files.gl_pathc >= 10);
	globfree(&files);
}

#define rig_test(function) cmocka_unit_test_setup_teardown(function, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(clean_text_passes),
		rig_test(a_hit_names_path_line_and_kind_but_not_the_secret),
		rig_test(each_canary_is_found_in_any_pieces),
		rig_test(half_a_canary_is_found),
		rig_test(a_canary_in_a_name_is_found_and_not_repeated),
		rig_test(the_canaries_text_is_one_of_secrets),
		rig_test(two_runs_have_other_canaries),
		rig_test(a_secret_far_into_a_long_line_is_found),
		rig_test(a_key_split_between_feeds_is_found),
		rig_test(members_do_not_run_into_each_other),
		rig_test(hits_are_counted_beyond_those_remembered),
		rig_test(the_report_lists_the_hits),
		rig_test(too_many_canaries_are_refused),
		rig_test(the_clean_corpus_has_no_hit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
