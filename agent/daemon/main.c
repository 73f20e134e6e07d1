/* towline-agent: the endpoint's line to its relay, and what a person at the endpoint can do with it. */
#include "collect/analyzers_command.h"
#include "collect/profile_command.h"
#include "daemon/cmd.h"
#include "health/command.h"
#include "redact/command.h"
#include "redact/reveal.h"

#include <towline/bundle_command.h>

static const struct tl_cli_option json_options[] = {
	{0, "json", NULL, "Print one line of JSON."},
	{0},
};
static const struct tl_cli_option collect_options[] = {
	{0, "around", "TIME[±SPAN]", "Logs around a moment, 15m to both sides: \"14:30±5m\"."},
	{0, "boot", "BOOT", "Logs of one boot: 0 is this one, -1 the one before, or its id."},
	{0, "dry-run", NULL, "Show what would be taken, with sizes, and take nothing."},
	{0, "exclude", "GLOB", "Leave out collectors, groups or paths. May be repeated."},
	{0, "include", "GLOB", "Add collectors or groups to the profile's. May be repeated."},
	{0, "json", NULL, "Print lines of JSON: progress, and the result last."},
	{0, "level", "LEVEL", "What is removed: secrets, identities (also names), off."},
	{'o', "output", "FILE", "Where the bundle goes; made new (towline-ID.tar.zst), or -."},
	{0, "profile", "NAME", "What is collected: see \"profile list\" (collect.profile)."},
	{0, "recipient", "CERT", "Encrypt to this certificate (PEM file). May be repeated."},
	{0, "since", "TIME", "Logs from here on: \"2h\", \"yesterday\", \"2026-03-01 09:30\"."},
	{0, "ticket", "NUMBER", "The ticket that the bundle is for."},
	{0, "until", "TIME", "Logs up to here."},
	{0, "yes", NULL, "Agree to --level off without being asked."},
	{0},
};
static const struct tl_cli_option consent_options[] = {
	{0, "answer", "yes|no", "Answer the request SESSION at once, for everything it asks."},
	{0, "watch", NULL, "Stay for further requests when the first session has ended."},
	{0},
};
static const struct tl_cli_option enroll_options[] = {
	{0, "name", "NAME", "The name the host gets at the relay (this machine's host name)."},
	{0},
};
static const struct tl_cli_option help_options[] = {
	{0, "around", "TIME[±SPAN]", "Logs around a moment, 15m to both sides: \"14:30±5m\"."},
	{0, "boot", "BOOT", "Logs of one boot: 0 is this one, -1 the one before, or its id."},
	{0, "exclude", "GLOB", "Leave out collectors, groups or paths. May be repeated."},
	{0, "include", "GLOB", "Add collectors or groups to the profile's. May be repeated."},
	{0, "json", NULL, "Print one line of JSON."},
	{0, "level", "LEVEL", "What is removed: secrets, or identities (also names)."},
	{0, "no-wait", NULL, "Do not wait until the ticket is there and the bundle is sent."},
	{0, "profile", "NAME", "What is collected: see \"profile list\" (collect.profile)."},
	{0, "since", "TIME", "Logs from here on: \"2h\", \"yesterday\", \"2026-03-01 09:30\"."},
	{0, "until", "TIME", "Logs up to here."},
	{0, "yes", NULL, "Agree to sending without being asked."},
	{0},
};
static const struct tl_cli_option check_options[] = {
	{0, "sample", NULL, "Print a commented sample instead of checking."},
	{0},
};

static const struct tl_cli_command commands[] = {
	TL_ANALYZERS_COMMANDS(tl_cmd_collector, tl_cmd_collector),
	{"check-config", NULL, 0, 0, "check the configuration", NULL, check_options,
	 tl_cmd_check_config},
	{"collect", NULL, 0, 0, "make a bundle and keep it here",
	 "Needs neither relay nor daemon. The bundle holds what this user may read, redacted as "
	 "always. What policy.yaml forbids is left out here, too.",
	 collect_options, tl_cmd_collect},
	{"consent", "[SESSION]", 0, 1, "decide about remote sessions",
	 "Waits for requests, shows who asks, why and for how long, and asks about each thing the "
	 "session wants. No answer is a no. While a session is open it says so, and who else "
	 "watches; "
	 "\"stop\" ends it, \"pause\" and \"resume\" hold it, \"extend MINUTES\" prolongs it.",
	 consent_options, tl_cmd_consent},
	TL_BUNDLE_DIFF_COMMAND("diff", tl_cmd_diff),
	{"enroll", "TOKEN|-", 1, 1, "make this machine known to a relay",
	 "TOKEN is the line that the relay's administrator gave you; - reads it from standard "
	 "input, "
	 "which keeps it out of the shell's history and the process list. The helper must run.",
	 enroll_options, tl_cmd_enroll},
	{"extend", "SESSION MINUTES", 2, 2, "let a remote session last longer",
	 "As far as policy.yaml (sessions.extend_minutes) and the relay's grant allow.", NULL,
	 tl_cmd_extend},
	{"get-help", "[SUMMARY]", 0, 1, "ask for help",
	 "Collects what helps to understand the trouble, shows what would be sent and where, and "
	 "asks. "
	 "Without a connection the request is queued and sent later; nothing is lost.",
	 help_options, tl_cmd_get_help},
	TL_BUNDLE_INSPECT_COMMAND("inspect", tl_cmd_inspect),
	TL_HEALTH_COMMAND(tl_cmd_health),
	{"pause", "SESSION", 1, 1, "let nothing in or out of a remote session for a while",
	 "The programs in it run on. Only a person here lifts this pause, with \"resume\".", NULL,
	 tl_cmd_pause},
	TL_PROFILE_COMMANDS(tl_cmd_collector, tl_cmd_collector, tl_cmd_collector),
	TL_REDACT_COMMAND(tl_cmd_redact),
	{"resume", "SESSION", 1, 1, "let a paused remote session go on", NULL, NULL, tl_cmd_resume},
	TL_REVEAL_COMMAND(tl_cmd_reveal),
	{"run", NULL, 0, 0, "run the agent",
	 "Keeps one connection to the relay, sends what is queued, and answers local users. Ends "
	 "by "
	 "itself when another agent with the same identity connects.",
	 NULL, tl_cmd_run},
	{"sessions", NULL, 0, 0, "list the remote sessions", NULL, json_options, tl_cmd_sessions},
	{"status", NULL, 0, 0, "show how the agent is", NULL, json_options, tl_cmd_status},
	{"stop", "SESSION", 1, 1, "end a remote session", NULL, NULL, tl_cmd_stop},
};

static const struct tl_cli_option program_options[] = {
	{0, "config", "FILE", "The configuration (" TL_AGENT_CONFIG_PATH ", if it is there)."},
	{0},
};

int main(int argc, char **argv)
{
	static const struct tl_cli_program program = {
		.name = "towline-agent",
		.summary = "get help on this machine, and let help in when you agree",
		.options = program_options,
		.commands = commands,
		.command_count = TL_ARRAY_LEN(commands),
	};

	return tl_cli_main(&program, argc, argv);
}
