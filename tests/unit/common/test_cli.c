/* Each test runs tl_cli_main with its output caught in temporary files. */
#include "tests.h"
#include <sys/resource.h>
#include <towline/cli.h>

static struct {
	int runs;
	const char *relay, *verbose, *json;
	size_t operand_count;
	char operands[4][32];
	int outcome;
} seen;

static int run(const struct tl_cli *cli, struct tl_err *err)
{
	static char relay[64];

	seen.runs++;
	snprintf(relay, sizeof relay, "%s",
		 tl_cli_get(cli, "relay") ? tl_cli_get(cli, "relay") : "");
	seen.relay = tl_cli_has(cli, "relay") ? relay : NULL;
	seen.verbose = tl_cli_has(cli, "verbose") ? "" : NULL;
	seen.json = tl_cli_has(cli, "json") ? "" : NULL;
	seen.operand_count = tl_cli_operand_count(cli);
	for (size_t i = 0; i < seen.operand_count && i < 4; i++)
		snprintf(seen.operands[i], 32, "%s", tl_cli_operand(cli, i));
	assert_null(tl_cli_operand(cli, seen.operand_count));
	if (seen.outcome)
		return tl_err_set(err, seen.outcome, "it went wrong");
	puts("ran");
	return 0;
}

static const struct tl_cli_option program_options[] = {
	{'r', "relay", "URL", "The relay to talk to."},
	{'v', "verbose", NULL, "Say more."},
	{0, NULL, NULL, NULL},
};
static const struct tl_cli_option show_options[] = {
	{'j', "json", NULL, "Print JSON."},
	{0, NULL, NULL, NULL},
};
static const struct tl_cli_command commands[] = {
	{"status", NULL, 0, 0, "Show the state", NULL, NULL, run},
	{"ticket list", NULL, 0, 0, "List tickets", NULL, NULL, run},
	{"ticket show", "TICKET [FILE]", 1, 2, "Show one ticket",
	 "Everything of it.\n\nExample:\n\n  prog ticket show T-1\n", show_options, run},
};
static const struct tl_cli_program program = {
	.name = "prog",
	.summary = "Do things",
	.help = "A sentence that is long enough to be wrapped at the eightieth column of the "
		"terminal.",
	.options = program_options,
	.commands = commands,
	.command_count = TL_ARRAY_LEN(commands),
};

static const struct tl_cli_command bare_commands[] = {
	{NULL, "[FILE]...", 0, -1, "Do it", NULL, show_options, run},
};
static const struct tl_cli_program bare = {.name = "bare",
					   .summary = "Do one thing",
					   .commands = bare_commands,
					   .command_count = 1};

static char output[8192], errors[2048];

static void slurp(FILE *file, char *text, size_t size)
{
	size_t got;

	rewind(file);
	got = fread(text, 1, size - 1, file);
	text[got] = '\0';
	fclose(file);
}

static int call(const struct tl_cli_program *which, const char *line)
{
	char copy[256], *argv[16] = {(char[]){"prog"}}, *save = NULL;
	FILE *caught_out = tmpfile(), *caught_err = tmpfile();
	int argc = 1, out = dup(STDOUT_FILENO), errs = dup(STDERR_FILENO), status;

	snprintf(copy, sizeof copy, "%s", line);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	seen.runs = 0;
	fflush(NULL);
	dup2(fileno(caught_out), STDOUT_FILENO);
	dup2(fileno(caught_err), STDERR_FILENO);
	status = tl_cli_main(which, argc, argv);
	fflush(NULL);
	dup2(out, STDOUT_FILENO);
	dup2(errs, STDERR_FILENO);
	close(out);
	close(errs);
	slurp(caught_out, output, sizeof output);
	slurp(caught_err, errors, sizeof errors);
	return status;
}

static void a_two_word_command_runs(void **state TL_UNUSED)
{
	assert_int_equal(call(&program, "ticket show T-1"), 0);
	assert_int_equal(seen.runs, 1);
	assert_int_equal(seen.operand_count, 1);
	assert_string_equal(seen.operands[0], "T-1");
	assert_null(seen.json);
	assert_string_equal(output, "ran\n");
	assert_string_equal(errors, "");
}

static void options_stand_anywhere_and_in_any_form(void **state TL_UNUSED)
{
	static const char *const lines[] = {
		"--relay=URL -v ticket show --json T-1 f",
		"--relay URL ticket show T-1 f --verbose --json",
		"-r URL ticket show -vj T-1 f",
		"-rURL ticket show -jv T-1 f",
		"ticket show -jvr URL T-1 f",
		"ticket show T-1 -jvrURL f",
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(lines); i++) {
		assert_int_equal(call(&program, lines[i]), 0);
		assert_string_equal(seen.relay, "URL");
		assert_non_null(seen.verbose);
		assert_non_null(seen.json);
		assert_int_equal(seen.operand_count, 2);
		assert_string_equal(seen.operands[1], "f");
	}
}

static void two_dashes_end_the_options(void **state TL_UNUSED)
{
	assert_int_equal(call(&program, "ticket show -- --json -"), 0);
	assert_null(seen.json);
	assert_string_equal(seen.operands[0], "--json");
	assert_string_equal(seen.operands[1], "-");
}

static void the_last_value_counts(void **state TL_UNUSED)
{
	assert_int_equal(call(&program, "status --relay=a --relay=b"), 0);
	assert_string_equal(seen.relay, "b");
}

static void usage_errors_exit_with_64_and_the_usage(void **state TL_UNUSED)
{
	static const struct {
		const char *line, *words;
	} rows[] = {
		{"", "a command is missing"},
		{"ticket", "ticket takes one of: list, show"},
		{"ticket sho", "ticket takes one of: list, show"},
		{"tiket", "did you mean \"ticket\"?"},
		{"statsu", "did you mean \"status\"?"},
		{"xyzzy", "unknown command \"xyzzy\""},
		{"status --relya=x", "did you mean --relay?"},
		{"status --json", "unknown option --json"},
		{"status -x", "unknown option -x"},
		{"status --relay", "needs a value: --relay=URL"},
		{"status -r", "needs a value"},
		{"status --verbose=yes", "takes no value"},
		{"status extra", "unexpected argument \"extra\""},
		{"ticket show", "an argument is missing: TICKET [FILE]"},
		{"ticket show a b c", "unexpected argument \"c\""},
		{"help xyzzy", "unknown command"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		assert_int_equal(call(&program, rows[i].line), 64);
		assert_int_equal(seen.runs, 0);
		if (!strstr(errors, rows[i].words))
			fail_msg("\"%s\" does not say \"%s\"", errors, rows[i].words);
		assert_non_null(strstr(errors, "\nUsage: prog "));
		assert_string_equal(output, "");
	}
}

static void help_is_answered_for_program_and_command(void **state TL_UNUSED)
{
	static const char *const whole[] = {"--help", "-h", "help", "-v --help"};
	static const char *const one[] = {"help ticket show", "ticket show --help",
					  "ticket show -h", "--help ticket show"};

	for (size_t i = 0; i < TL_ARRAY_LEN(whole); i++) {
		assert_int_equal(call(&program, whole[i]), 0);
		assert_non_null(strstr(output, "Usage: prog COMMAND"));
		assert_non_null(strstr(output, "  ticket show             Show one ticket\n"));
		assert_non_null(
			strstr(output, "  -r, --relay=URL         The relay to talk to.\n"));
	}
	for (size_t i = 0; i < TL_ARRAY_LEN(one); i++) {
		assert_int_equal(call(&program, one[i]), 0);
		assert_non_null(
			strstr(output, "Usage: prog ticket show [OPTION]... TICKET [FILE]\n"));
		assert_non_null(strstr(output, "\n  prog ticket show T-1\n"));
		assert_non_null(strstr(output, "  -j, --json "));
		assert_int_equal(seen.runs, 0);
	}
}

static void help_keeps_to_80_columns(void **state TL_UNUSED)
{
	assert_int_equal(call(&program, "help"), 0);
	for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 80);
}

static void the_version_is_told(void **state TL_UNUSED)
{
	assert_int_equal(call(&program, "--version"), 0);
	assert_string_equal(output, "prog " TOWLINE_VERSION "\n");
}

static void a_commands_failure_is_mapped(void **state TL_UNUSED)
{
	seen.outcome = TL_EUNREACH;
	assert_int_equal(call(&program, "status"), 69);
	seen.outcome = 0;
	assert_string_equal(errors, "prog: it went wrong\n");
}

static void a_program_without_commands_takes_operands(void **state TL_UNUSED)
{
	assert_int_equal(call(&bare, "--json a b c"), 0);
	assert_int_equal(seen.operand_count, 3);
	assert_non_null(seen.json);
	assert_int_equal(call(&bare, ""), 0);
	assert_int_equal(seen.operand_count, 0);
	assert_int_equal(call(&bare, "--help"), 0);
	assert_non_null(strstr(output, "Usage: bare [OPTION]... [FILE]...\n"));
	assert_null(strstr(output, "Commands:"));
}

static void lost_output_is_a_failure(void **state TL_UNUSED)
{
	int out = dup(STDOUT_FILENO), status;
	char *argv[] = {(char[]){"prog"}, (char[]){"status"}, NULL};

	fflush(stdout);
	if (!freopen("/dev/full", "w", stdout))
		fail_msg("no /dev/full");
	status = tl_cli_main(&program, 2, argv);
	clearerr(stdout);
	dup2(out, fileno(stdout));
	close(out);
	assert_int_equal(status, 74);
}

static void the_man_page_has_commands_and_options(void **state TL_UNUSED)
{
	assert_int_equal(call(&program, "--mdoc"), 0);
	assert_non_null(strstr(output, ".Sh COMMANDS\n"));
	assert_non_null(strstr(output, ".It Cm ticket show Ar TICKET [FILE]\n"));
	assert_non_null(strstr(output, ".Sh OPTIONS\n"));
	assert_non_null(strstr(output, ".It Fl r , Fl \\-relay Ns = Ns Ar URL\n"));
}

static void a_command_runs_without_core_files(void **state TL_UNUSED)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_CORE, &limit), 0);
	assert_int_equal(call(&program, "status"), 0);
	assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
	assert_int_equal(limit.rlim_cur, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_two_word_command_runs),
		cmocka_unit_test(options_stand_anywhere_and_in_any_form),
		cmocka_unit_test(two_dashes_end_the_options),
		cmocka_unit_test(the_last_value_counts),
		cmocka_unit_test(usage_errors_exit_with_64_and_the_usage),
		cmocka_unit_test(help_is_answered_for_program_and_command),
		cmocka_unit_test(help_keeps_to_80_columns),
		cmocka_unit_test(the_version_is_told),
		cmocka_unit_test(a_commands_failure_is_mapped),
		cmocka_unit_test(a_program_without_commands_takes_operands),
		cmocka_unit_test(lost_output_is_a_failure),
		cmocka_unit_test(the_man_page_has_commands_and_options),
		cmocka_unit_test(a_command_runs_without_core_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
