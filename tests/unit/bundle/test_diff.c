#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include <towline/bundle_diff.h>
#include <towline/fs.h>
#include <towline/str.h>

#include "forge.h"

static struct tl_err err;

static struct tl_snapshot *parse(const char *name, const char *text)
{
	struct tl_snapshot *snapshot = NULL;
	int r = tl_snapshot_parse(name, text, strlen(text), &snapshot, &err);

	if (r < 0)
		fail_msg("%s", tl_err_text(&err));
	return snapshot;
}

static json_t *compare(const char *name, const char *before, const char *after)
{
	tl_auto(tl_snapshot) struct tl_snapshot *a = parse(name, before), *b = parse(name, after);
	json_t *changes = NULL;

	assert_int_equal(tl_snapshot_compare(a, b, false, &changes, &err), 0);
	return changes;
}

/* The only change there is has these members. */
static void assert_change(const json_t *changes, const char *expected)
{
	tl_json *wanted = NULL;
	const json_t *change = json_array_get(changes, 0);
	const char *name;
	json_t *value;

	assert_int_equal(json_array_size(changes), 1);
	assert_int_equal(tl_json_parse(expected, strlen(expected), &wanted, &err), 0);
	json_object_foreach(wanted, name, value)
	{
		if (!json_equal(value, json_object_get(change, name))) {
			tl_free char *text = json_dumps(change, JSON_COMPACT);

			fail_msg("%s is not as wanted in %s", name, text);
		}
	}
}

static void versions_are_ordered_as_dpkg_orders_them(void **state TL_UNUSED)
{
	static const struct {
		const char *a, *b;
	} rising[] = {{"1.0", "1.1"},
		      {"1.9", "1.10"},
		      {"1.0~rc1", "1.0"},
		      {"1.0~~", "1.0~"},
		      {"9", "1:0"},
		      {"1.0", "1.0a"},
		      {"1.0a", "1.0+b"},
		      {"2.36-9+deb12u9", "2.36-9+deb12u10"},
		      {"99999999999999999998", "99999999999999999999"},
		      {"1.0-1", "1.0-1.1"}};

	for (size_t i = 0; i < TL_ARRAY_LEN(rising); i++) {
		assert_true(tl_version_compare(rising[i].a, rising[i].b) < 0);
		assert_true(tl_version_compare(rising[i].b, rising[i].a) > 0);
		assert_int_equal(tl_version_compare(rising[i].a, rising[i].a), 0);
	}
	assert_int_equal(tl_version_compare("1.01", "1.1"), 0);
	assert_int_equal(tl_version_compare("0:1", "1"), 0);
}

static void package_that_is_newer_is_upgraded(void **state TL_UNUSED)
{
	tl_json *changes = compare("snapshot/packages.tsv", "openssl\t3.0.9\tamd64\tinstalled\n",
				   "openssl\t3.0.22\tamd64\tinstalled\n");

	assert_change(changes,
		      "{\"matter\":\"packages\",\"key\":\"openssl:amd64\",\"kind\":\"changed\","
		      "\"before\":\"3.0.9\",\"after\":\"3.0.22\",\"direction\":\"upgraded\"}");
	assert_true(tl_changes_differ(changes));
}

static void package_that_came_is_added_with_its_version(void **state TL_UNUSED)
{
	tl_json *changes =
		compare("snapshot/packages.tsv", "a\t1\tall\ti\n", "a\t1\tall\ti\nb\t2\tall\ti\n");

	assert_change(changes, "{\"key\":\"b:all\",\"kind\":\"added\",\"after\":\"2\"}");
}

#define HEALTH(facts) "{\"schema\":1,\"taken\":\"x\",\"facts\":[" facts "]}"
#define DISK(value, verdict) \
	"{\"name\":\"disk_used\",\"subject\":\"/\",\"unit\":\"%\",\"value\":" value \
	",\"verdict\":\"" verdict "\"}"

static void verdict_that_rises_is_worse(void **state TL_UNUSED)
{
	tl_json *changes = compare("snapshot/health.json", HEALTH(DISK("89", "ok")),
				   HEALTH(DISK("90", "warning")));

	assert_change(changes, "{\"key\":\"disk_used /\",\"kind\":\"changed\",\"unit\":\"%\","
			       "\"before\":89,\"after\":90,\"verdict_before\":\"ok\","
			       "\"verdict_after\":\"warning\",\"direction\":\"worse\"}");
}

static void small_move_of_a_number_is_no_change(void **state TL_UNUSED)
{
	tl_json *changes =
		compare("snapshot/health.json", HEALTH(DISK("50", "ok")), HEALTH(DISK("52", "ok")));

	assert_int_equal(json_array_size(changes), 0);
}

static void fact_that_cannot_be_had_is_not_better(void **state TL_UNUSED)
{
	tl_json *unknown = compare("snapshot/health.json", HEALTH(DISK("95", "critical")),
				   HEALTH(DISK("null", "unknown")));
	tl_json *missing = compare("snapshot/health.json",
				   HEALTH("{\"name\":\"swap\",\"unit\":\"%\",\"value\":99,"
					  "\"verdict\":\"critical\"}"),
				   HEALTH(""));

	assert_change(unknown, "{\"kind\":\"unknown\",\"verdict_before\":\"critical\"}");
	assert_change(missing, "{\"kind\":\"unknown\",\"verdict_before\":\"critical\"}");
	assert_false(tl_changes_differ(unknown));
	assert_false(tl_changes_differ(missing));
}

static void items_are_compared_by_name_whatever_their_order(void **state TL_UNUSED)
{
	tl_json *changes = compare("snapshot/units.json",
				   "{\"schema\":1,\"items\":[{\"name\":\"a\",\"state\":\"active\"},"
				   "{\"name\":\"b\",\"state\":\"active\"}]}",
				   "{\"schema\":1,\"items\":[{\"name\":\"b\",\"state\":\"failed\"},"
				   "{\"name\":\"a\",\"state\":\"active\"}]}");

	assert_change(changes, "{\"matter\":\"units\",\"key\":\"b\",\"member\":\"state\","
			       "\"before\":\"active\",\"after\":\"failed\"}");
}

static void setting_that_is_gone_is_removed(void **state TL_UNUSED)
{
	tl_json *changes = compare("snapshot/sysctl.json",
				   "{\"items\":[{\"name\":\"vm.swappiness\",\"value\":\"60\"}]}",
				   "{\"items\":[]}");

	assert_change(changes, "{\"key\":\"vm.swappiness\",\"kind\":\"removed\"}");
}

static void what_moves_by_itself_is_told_only_when_asked_for(void **state TL_UNUSED)
{
	const char *a = "1\tinit\n", *b = "2\tinit\n";
	tl_json *changes = compare("snapshot/processes.tsv", a, b);
	tl_json *all = NULL;
	tl_auto(tl_snapshot) struct tl_snapshot *before = parse("snapshot/processes.tsv", a);
	tl_auto(tl_snapshot) struct tl_snapshot *after = parse("snapshot/processes.tsv", b);

	assert_int_equal(json_array_size(changes), 0);
	assert_int_equal(tl_snapshot_compare(before, after, true, &all, &err), 0);
	assert_int_equal(json_array_size(all), 2);
}

/* ---- bundles and directories ------------------------------------------------------------------ */

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(tl_fs_write_file(-100, path, 0600, text, strlen(text), &err), 0);
}

struct place {
	char dir[64];
	struct tl_snapshot *snapshot;
};

static void place_clear(struct place *place)
{
	char command[128];

	snprintf(command, sizeof command, "rm -r %s", place->dir);
	assert_int_equal(system(command), 0);
	tl_snapshot_free(place->snapshot);
}
TL_DEFINE_AUTO(place, place_clear);

/* An unpacked bundle whose collector "units" ended as `outcome` (NULL: did not run). */
static void make_place(struct place *place, const char *outcome, const char *units)
{
	char index[512], path[128];

	strcpy(place->dir, "/tmp/towline-diff-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(path, sizeof path, "%s/snapshot", place->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(index, sizeof index,
		 "{\"schema\":1,\"files\":[%s],\"collectors\":[{\"collector\":\"%s\",\"outcome\":"
		 "\"%s\",\"ms\":1},{\"collector\":\"mounts\",\"outcome\":\"ok\"}]}",
		 units ? "{\"path\":\"snapshot/"
			 "units.json\",\"status\":\"ok\",\"collector\":\"units\"}"
		       : "",
		 outcome ? "units" : "other", outcome ? outcome : "ok");
	put(place->dir, "INDEX.json", index);
	put(place->dir, "snapshot/mounts.json", "{\"items\":[{\"name\":\"/\"}]}");
	if (units)
		put(place->dir, "snapshot/units.json", units);
	assert_int_equal(tl_snapshot_load(place->dir, NULL, &place->snapshot, &err), 0);
}

#define ONE_UNIT "{\"items\":[{\"name\":\"a\",\"state\":\"failed\"}]}"
#define NO_UNIT "{\"items\":[]}"

static void assert_kind(const char *outcome, const char *units, const char *kind)
{
	tl_auto(place) struct place before = {.dir = ""}, after = {.dir = ""};
	tl_json *changes = NULL;
	char expected[64];

	make_place(&before, "ok", ONE_UNIT);
	make_place(&after, outcome, units);
	assert_int_equal(tl_snapshot_compare(before.snapshot, after.snapshot, false, &changes,
					     &err),
			 0);
	snprintf(expected, sizeof expected, "{\"matter\":\"units\",\"kind\":\"%s\"}", kind);
	assert_change(changes, expected);
}

static void what_was_looked_for_and_is_not_there_is_removed(void **state TL_UNUSED)
{
	assert_kind("ok", NO_UNIT, "removed");
	assert_kind("absent", NULL, "removed");
}

static void what_was_not_collected_is_unknown(void **state TL_UNUSED)
{
	assert_kind(NULL, NULL, "unknown");
	assert_kind("partial", NULL, "unknown");
	assert_kind("partial", NO_UNIT, "unknown");
}

static void bundle_without_snapshots_is_refused(void **state TL_UNUSED)
{
	tl_fd int fd = forge_finish(forge_sound());
	struct tl_snapshot *snapshot = NULL;
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	assert_int_equal(tl_snapshot_load(path, NULL, &snapshot, &err), TL_EINVAL);
	assert_non_null(strstr(tl_err_text(&err), "holds no snapshot"));
}

static void printed_changes_cannot_steer_a_terminal(void **state TL_UNUSED)
{
	tl_json *changes = compare("snapshot/x.json", "{\"items\":[{\"name\":\"\\u001b[2J\"}]}",
				   "{\"items\":[{\"name\":\"b\",\"v\":\"\\u001b]0;x\\u0007\"}]}");
	tl_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	tl_changes_print(changes, out);
	fclose(out);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "+ b"));
}

static void unit_of_a_fact_cannot_steer_a_terminal(void **state TL_UNUSED)
{
	tl_json *changes =
		compare("snapshot/health.json",
			"{\"facts\":[{\"name\":\"a\",\"unit\":\"\\u001b[2J\",\"value\":1}]}",
			"{\"facts\":[{\"name\":\"a\",\"unit\":\"\\u001b[2J\",\"value\":900}]}");
	tl_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	tl_changes_print(changes, out);
	fclose(out);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "[2J"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_are_ordered_as_dpkg_orders_them),
		cmocka_unit_test(package_that_is_newer_is_upgraded),
		cmocka_unit_test(package_that_came_is_added_with_its_version),
		cmocka_unit_test(verdict_that_rises_is_worse),
		cmocka_unit_test(small_move_of_a_number_is_no_change),
		cmocka_unit_test(fact_that_cannot_be_had_is_not_better),
		cmocka_unit_test(items_are_compared_by_name_whatever_their_order),
		cmocka_unit_test(setting_that_is_gone_is_removed),
		cmocka_unit_test(what_moves_by_itself_is_told_only_when_asked_for),
		cmocka_unit_test(what_was_looked_for_and_is_not_there_is_removed),
		cmocka_unit_test(what_was_not_collected_is_unknown),
		cmocka_unit_test(bundle_without_snapshots_is_refused),
		cmocka_unit_test(printed_changes_cannot_steer_a_terminal),
		cmocka_unit_test(unit_of_a_fact_cannot_steer_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
