#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include <towline/str.h>

#include "stage.h"

#define S(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct collector command_row(const char *const *argv, int timeout_ms)
{
	return (struct collector){.name = "command",
				  .group = "test",
				  .summary = "a command of a test",
				  .kind = COLLECT_COMMAND,
				  .sources = argv,
				  .max_bytes = 1000,
				  .timeout_ms = timeout_ms};
}

static void manifest_says_what_was_asked_and_covered(void **state)
{
	struct stage *stage = *state;
	struct collector row = command_row(S("sh", "-c", "echo hi"), 5000);
	const json_t *manifest;

	assert_int_equal(stage_collect(stage, &row, 1), 0);
	manifest = stage->facts.manifest;
	assert_string_equal(json_string_value(json_object_get(manifest, "summary")),
			    "api_key=[redacted:assignment]");
	assert_string_equal(json_string_value(json_object_get(manifest, "started")),
			    "2026-01-01T00:00:00.000Z");
	assert_int_equal(json_array_size(json_object_get(manifest, "coverage")), 1);
	assert_int_equal(json_array_size(json_object_get(stage->facts.index, "collectors")), 1);
}

static void command_output_has_its_circumstances_beside_it(void **state)
{
	struct stage *stage = *state;
	struct collector row = command_row(S("sh", "-c", "echo password=hunter2; exit 4"), 5000);

	assert_int_equal(stage_collect(stage, &row, 1), 0);
	assert_string_equal(stage_member(stage, "cmd/test/command"),
			    "password=[redacted:assignment]\n");
	assert_non_null(strstr(stage_member(stage, "cmd/test/command.meta.json"), "\"exit\":4"));
	assert_null(strstr(stage_member(stage, "cmd/test/command.meta.json"), "hunter2"));
	assert_true(stage_noted(stage, "sh", "failed"));
}

static void hung_command_does_not_stop_the_rest(void **state)
{
	struct stage *stage = *state;
	struct collector rows[2] = {command_row(S("sleep", "1000"), 200),
				    command_row(S("sh", "-c", "echo after"), 5000)};

	rows[1].name = "second";
	assert_int_equal(stage_collect(stage, rows, 2), 0);
	assert_true(stage_noted(stage, "sleep", "timeout"));
	assert_string_equal(stage_status(stage, "cmd/test/command"), "timeout");
	assert_string_equal(stage_member(stage, "cmd/test/second"), "after\n");
}

static void missing_program_leaves_no_member(void **state)
{
	struct stage *stage = *state;
	struct collector row = command_row(S("no-such-program-here"), 5000);

	assert_int_equal(stage_collect(stage, &row, 1), 0);
	assert_null(stage_member(stage, "cmd/test/command"));
	assert_int_equal(json_array_size(stage->facts.errors), 0);
}

static void built_in_collectors_read_their_files(void **state)
{
	struct stage *stage = *state;
	struct collector rows[] = {
		{"packages", "packages", "s", COLLECT_BUILTIN, COLLECT_LOW, 0, NULL,
		 collect_packages, 10000, 5000},
		{"processes", "processes", "s", COLLECT_BUILTIN, COLLECT_LOW, 0, NULL,
		 collect_processes, 10000, 5000},
		{"health", "health", "s", COLLECT_BUILTIN, COLLECT_LOW, 0, NULL, collect_health,
		 10000, 5000},
		{"identity", "identity", "s", COLLECT_BUILTIN, COLLECT_LOW, 0, NULL,
		 collect_identity, 10000, 5000},
	};

	stage_file(
		stage, "/var/lib/dpkg/status",
		"Package: zlib\nStatus: install ok installed\nVersion: 1.2\nArchitecture: amd64\n\n"
		"Package: last\nVersion: 2\n");
	stage_file(stage, "/proc/7/stat", "7 (a b) S 1 7 7 0 -1 0 0 0 0 0 3 4 0 0 20 0 1 0 5 0 0");
	stage_file(stage, "/proc/7/status",
		   "Name:\ta b\nUid:\t1000\t1000\nVmRSS:\t 12 kB\nThreads:\t2\n");
	stage_file(stage, "/proc/7/cmdline", "prog --password canary5 -v");
	stage_file(stage, "/proc/loadavg", "1.50 3.00 0.10 1/2 3\n");
	stage_file(stage, "/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 20 kB\n");
	assert_int_equal(stage_collect(stage, rows, TL_ARRAY_LEN(rows)), 0);
	assert_string_equal(stage_member(stage, "snapshot/packages.tsv"),
			    "zlib\t1.2\tamd64\tinstall ok installed\nlast\t2\t\t\n");
	assert_non_null(
		strstr(stage_member(stage, "snapshot/processes.tsv"),
		       "7\t1\t1000\tS\t2\t12\t7\ta b\tprog --password [redacted:argument] -v"));
	assert_non_null(strstr(stage_member(stage, "snapshot/health.json"), "\"facts\":["));
	assert_non_null(stage_member(stage, "snapshot/identity.json"));
}

static void same_host_gives_the_same_bundle(void **state)
{
	struct stage *stage = *state;
	struct collector row = {"files", "logs",	  "s",	COLLECT_FILES, COLLECT_LOW,
				0,	 S("/var/log/*"), NULL, 1000,	       5000};
	char sha256[65];

	stage_file(stage, "/var/log/b", "b\n");
	stage_file(stage, "/var/log/a", "a\n");
	stage_file(stage, "/var/log/c", "c\n");
	/* the index tells how long each collector took: here none takes any time */
	tl_clock_fake_init(&stage->clock, stage->clock.wall_now_ms);
	assert_int_equal(stage_collect(stage, &row, 1), 0);
	memcpy(sha256, stage->facts.sha256, sizeof sha256);
	assert_int_equal(stage_collect(stage, &row, 1), 0);
	assert_string_equal(stage->facts.sha256, sha256);
}

static void request_is_read_strictly(void **state TL_UNUSED)
{
	static const struct {
		const char *text;
		int code;
	} rows[] = {
		{"{}", 0},
		{"{\"profile\":\"quick\",\"summary\":\"s\"}", 0},
		{"{\"level\":\"identities\"}", 0},
		{"{\"level\":\"none\"}", TL_EINVAL},
		{"{\"unknown\":1}", TL_EINVAL},
		{"{\"summary\":7}", TL_EINVAL},
		{"{\"help_id\":\"../../x\"}", TL_EINVAL},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		tl_json *json = json_loads(rows[i].text, 0, NULL);
		struct collect_request request;

		assert_int_equal(collect_request_read(json, &request, NULL), rows[i].code);
	}
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		STAGED(manifest_says_what_was_asked_and_covered),
		STAGED(command_output_has_its_circumstances_beside_it),
		STAGED(hung_command_does_not_stop_the_rest),
		STAGED(missing_program_leaves_no_member),
		STAGED(built_in_collectors_read_their_files),
		STAGED(same_host_gives_the_same_bundle),
		cmocka_unit_test(request_is_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
