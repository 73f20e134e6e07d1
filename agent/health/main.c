/* towline-health: carries out towline-agent's command "health", and feeds the agent's heartbeat, in a process
 * of its own. */
#include <fnmatch.h>
#include <stdio.h>
#include <towline/str.h>

#include "health/command.h"
#include "health/feed.h"
#include "health/local.h"
#include "health/print.h"

#define NAGIOS_UNKNOWN 3

/* Nagios knows four statuses, and every failure is the fourth. */
static int nagios_status = -1;

/* A check of nothing must not look well. */
static int check_only(const char *only, struct tl_err *err)
{
	for (size_t i = 0; only && i < tl_health_kind_count; i++)
		if (fnmatch(only, tl_health_kinds[i].name, 0) == 0)
			return 0;
	return only ? tl_err_set(err, TL_ENOENT,
				 "no fact is called \"%.64s\": health.yaml(5) lists them", only)
		    : 0;
}

static int take(const struct tl_cli *cli, json_t **ret_snapshot, struct tl_err *err)
{
	struct tl_health_agent agent = {.queue_items = -1};
	struct tl_health_options options = {
		.config = tl_cli_get(cli, "thresholds"),
		.only = tl_cli_get(cli, "only"),
		.agent = &agent,
	};
	struct health_local local;
	int r = check_only(options.only, err);

	if (r == 0)
		r = health_local_load(tl_cli_get(cli, "config"), &local, &agent, err);
	return r < 0 ? r : tl_health_take(&options, ret_snapshot, err);
}

static int lint(const struct tl_cli *cli, struct tl_err *err)
{
	struct tl_health_options options = {.config = tl_cli_get(cli, "thresholds")};
	int r = tl_health_lint(&options, err);

	if (r == 0)
		printf("The thresholds are valid.\n");
	return r;
}

static void print_json(const json_t *snapshot)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4 * 1024 * 1024);

	tl_json_write(&text, snapshot);
	puts(tl_buf_str(&text));
}

static int command_health(const struct tl_cli *cli, struct tl_err *err)
{
	static const char *const formats[] = {"json", "lint", "nagios", "prometheus"};
	tl_json *snapshot = NULL;
	int given = 0, r;

	for (size_t i = 0; i < TL_ARRAY_LEN(formats); i++)
		given += tl_cli_has(cli, formats[i]);
	if (tl_cli_has(cli, "nagios"))
		nagios_status = NAGIOS_UNKNOWN;
	if (given > 1)
		return tl_err_set(err, TL_EUSAGE,
				  "only one of --json, --lint, --nagios and --prometheus");
	if (tl_cli_has(cli, "lint"))
		return lint(cli, err);
	r = take(cli, &snapshot, err);
	if (r < 0) {
		if (nagios_status >= 0)
			printf("TOWLINE UNKNOWN - %s\n", tl_err_text(err));
		return r;
	}
	/* Not part of a snapshot's form: it is for the next one. */
	json_object_del(snapshot, "marks");
	json_object_del(snapshot, "costly_taken");
	if (tl_cli_has(cli, "json"))
		print_json(snapshot);
	else if (tl_cli_has(cli, "prometheus"))
		health_print_prometheus(stdout, snapshot);
	else if (tl_cli_has(cli, "nagios"))
		nagios_status = health_print_nagios(stdout, snapshot);
	else
		health_print_table(stdout, snapshot);
	return 0;
}

static int command_feed(const struct tl_cli *cli, struct tl_err *err)
{
	(void)cli;
	return health_feed(err);
}

static const struct tl_cli_command commands[] = {
	{"feed", NULL, 0, 0, "feed the agent's heartbeat (run by the agent only)", NULL, NULL,
	 command_feed},
	TL_HEALTH_COMMAND(command_health),
};

static const struct tl_cli_option program_options[] = {
	{0, "config", "FILE", "The agent's configuration: its relay's name and CA are looked at."},
	{0},
};

int main(int argc, char **argv)
{
	static const struct tl_cli_program program = {
		.name = "towline-agent",
		.summary = "how this machine is, apart from the resident agent",
		.options = program_options,
		.commands = commands,
		.command_count = TL_ARRAY_LEN(commands),
	};
	int status = tl_cli_main(&program, argc, argv);

	return nagios_status >= 0 ? nagios_status : status;
}
