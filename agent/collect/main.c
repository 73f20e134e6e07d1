/* towline-collect: makes one bundle. Run by the helper or the agent, never by a person:
 * fd 0 one JSON request, fd 1 the JSON result, fd 3 the bundle, fd 4 (where open) progress, fd 5 (where
 * the request says so) the map of pseudonyms. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <towline/fs.h>
#include <towline/log.h>
#include <towline/str.h>

#include "analyze/analyze.h"
#include "collect/analyzers_command.h"
#include "collect/analyzers_run.h"
#include "collect/collect.h"
#include "collect/interrupt.h"
#include "collect/limits.h"
#include "collect/places.h"
#include "collect/profile_command.h"
#include "collect/profile_run.h"

#define BUNDLE_FD 3
#define PROGRESS_FD 4
#define MAP_FD 5

static const char usage[] =
	"usage: towline-collect <REQUEST 3>BUNDLE [4>PROGRESS] >RESULT\n"
	"       towline-collect profile lint|list|show …\n"
	"\n"
	"Collects a diagnostic bundle, redacted as it is read. Run by towline-helper and\n"
	"towline-agent; people use \"towline-agent collect\" and \"towline-agent profile\".\n"
	"\n"
	"REQUEST is one JSON object, RESULT another (docs/protocol.md, collect.run); after a\n"
	"failure RESULT is {\"code\", \"text\"}.\n";

static int read_request(json_t **ret_json, struct tl_err *err)
{
	static char text[COLLECT_REQUEST_MAX + 1];
	size_t len = 0;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, text + len, sizeof text - len);
		int r = interrupt_check(err);

		if (r < 0)
			return r;
		if (n < 0 && errno != EINTR)
			return tl_err_sys(err, TL_EIO, errno, "the request cannot be read");
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
		if (len > COLLECT_REQUEST_MAX)
			return tl_err_set(err, TL_ETOOBIG, "the request is larger than %d bytes",
					  COLLECT_REQUEST_MAX);
	}
	return tl_json_parse(text, len, ret_json, err);
}

static int collect(struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(64 * 1024 * 1024);
	tl_json *json = NULL;
	tl_json *result = NULL;
	struct collect_request request;
	struct places places;
	struct collect_options options = {
		.clock = tl_clock_system(),
		.root = "",
		.bundle_fd = BUNDLE_FD,
		.progress_fd = fcntl(PROGRESS_FD, F_GETFD) < 0 ? -1 : PROGRESS_FD,
		.map_fd = MAP_FD,
	};
	int r = read_request(&json, err);

	options.rows = collectors_all(&options.row_count);
	places_find(&places, &options);
	if (r == 0)
		r = collect_request_read(json, &request, err);
	if (r == 0)
		r = collect_run(&request, &options, &result, err);
	if (r < 0)
		return r;
	tl_json_write(&line, result);
	tl_buf_putc(&line, '\n');
	if (tl_buf_check(&line) < 0)
		return tl_err_set(err, TL_ETOOBIG, "the result is too large");
	return tl_fs_write_all(STDOUT_FILENO, line.data, line.len, err);
}

/* For whoever waits for the result, and for the log. */
static void tell_failure(const struct tl_err *err)
{
	tl_json *json =
		json_pack("{s:s, s:s}", "code", tl_err_name(err->code), "text", tl_err_text(err));

	fprintf(stderr, "towline-collect: %s\n", tl_err_text(err));
	if (json && json_dumpfd(json, STDOUT_FILENO, JSON_COMPACT) == 0)
		(void)!write(STDOUT_FILENO, "\n", 1);
}

/* Who collects for others may not write where root's cache is: root compiles for it beforehand. */
static int prepare(const struct tl_cli *cli TL_UNUSED, struct tl_err *err)
{
	tl_auto(tl_redact_rules) struct tl_redact_rules *rules = NULL;
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *analyzers = NULL;
	struct collect_options options = {.root = ""};
	struct places places;
	int r;

	places_find(&places, &options);
	limits_be_idle();
	r = tl_redact_rules_open(&(struct tl_redact_sources){options.rules_dir, options.cache_dir},
				 &rules, err);
	if (r == 0)
		r = tl_analysis_rules_open(&(struct tl_analysis_sources){options.analyzers_dir,
									 options.cache_dir},
					   &analyzers, err);
	return r;
}

static const struct tl_cli_command commands[] = {
	TL_ANALYZERS_COMMANDS(analyzers_lint, analyzers_list),
	{"prepare", NULL, 0, 0, "compile the rules for later collections", NULL, NULL, prepare},
	TL_PROFILE_COMMANDS(profile_lint, profile_list, profile_show),
};
static const struct tl_cli_option program_options[] = {
	{0, "config", "FILE", "The agent's configuration; not needed here."},
	{0},
};
static const struct tl_cli_program commands_program = {
	.name = "towline-agent",
	.summary = "profiles and analyzers, apart from the resident agent",
	.options = program_options,
	.commands = commands,
	.command_count = TL_ARRAY_LEN(commands),
};

static int run_collection(void)
{
	struct tl_err err = TL_ERR_INIT;
	int r;

	if (fcntl(BUNDLE_FD, F_GETFD) < 0) {
		fputs("towline-collect: descriptor 3, where the bundle goes, is not open\n",
		      stderr);
		return tl_err_exit_status(TL_EUSAGE);
	}
	for (int fd = BUNDLE_FD; fd <= MAP_FD; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	interrupt_install();
	/* nobody waits for a bundle whose asker has gone */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	limits_be_idle();
	r = collect(&err);
	if (r < 0)
		tell_failure(&err);
	return tl_err_exit_status(r);
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return run_collection();
	if (!tl_streq(argv[1], "--help"))
		return tl_cli_main(&commands_program, argc, argv);
	fputs(usage, stdout);
	return 0;
}
