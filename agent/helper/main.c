/* towline-helper: the endpoint's owner in code. Policy, consent, collection and session processes. */
#include <stdio.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <towline/cli.h>
#include <towline/log.h>

#include "helper/helper.h"
#include "helper/privilege.h"

#define SOCKET_DIR "/run/towline"
#define STATE_DIR "/var/lib/towline-helper"
#define AGENT_USER "towline-agent"

static int parse_consent(const char *text, enum tl_consent_flag *ret_flag, struct tl_err *err)
{
	static const char *const names[] = {"ask", "yes", "no"};

	*ret_flag = TL_CONSENT_FLAG_ASK;
	for (size_t i = 0; text && i < TL_ARRAY_LEN(names); i++) {
		if (tl_streq(text, names[i])) {
			*ret_flag = (enum tl_consent_flag)i;
			return 0;
		}
	}
	return text ? tl_err_set(err, TL_EUSAGE, "--consent takes ask, yes or no") : 0;
}

static const char *value_or(const struct tl_cli *cli, const char *option, const char *otherwise)
{
	const char *value = tl_cli_get(cli, option);

	return value ? value : otherwise;
}

static int run(const struct tl_cli *cli, struct tl_err *err)
{
	struct tl_helper_options options = {
		.policy_file = tl_cli_get(cli, "policy"),
		.socket_dir = value_or(cli, "socket-dir", SOCKET_DIR),
		.state_dir = value_or(cli, "state", STATE_DIR),
		.agent_user = value_or(cli, "agent-user", geteuid() == 0 ? AGENT_USER : NULL),
		.agent_state = tl_cli_get(cli, "agent-state"),
		.pam_dir = tl_cli_get(cli, "pam-dir"),
	};
	tl_auto(tl_helper) struct tl_helper *helper = NULL;
	int rc = parse_consent(tl_cli_get(cli, "consent"), &options.consent, err);

	if (rc != 0)
		return rc;
	umask(0077);
	tl_log_open("towline-helper", TL_LOG_AUTO, TL_LOG_INFO);
	rc = tl_helper_new(&options, &helper, err);
	if (rc == 0)
		tl_cgroup_open(&helper->cgroup);
	if (rc == 0)
		rc = tl_privilege_drop(err);
	if (rc != 0)
		return rc;
	tl_log_info("ready", TL_S("sockets", options.socket_dir));
	sd_notify(0, "READY=1");
	tl_helper_run(helper);
	return 0;
}

static int check_config(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_policy) struct tl_policy policy = {.collect_timeout_ms = 0};
	const char *path = tl_cli_get(cli, "policy");
	int rc;

	if (tl_cli_has(cli, "sample")) {
		tl_conf_print_sample(&tl_policy_schema, stdout);
		return 0;
	}
	rc = tl_policy_load(path, &policy, err);
	if (rc == 0)
		printf("%s is in order.\n", path ? path : TL_POLICY_PATH);
	return rc;
}

static const struct tl_cli_option run_options[] = {
	{0, "socket-dir", "DIR", "Directory of helper.sock and consent.sock (" SOCKET_DIR ")."},
	{0, "state", "DIR",
	 "Directory of the consent key, the pinned enrolment and used grants (" STATE_DIR ")."},
	{0, "agent-user", "USER",
	 "Account, by name or number, that the agent runs as (" AGENT_USER
	 " for root, else the caller)."},
	{0, "agent-state", "DIR",
	 "The agent's state directory: an enrolment found there is pinned before the agent "
	 "speaks."},
	{0, "pam-dir", "DIR", "Directory of the PAM service \"towline\" (/etc/pam.d)."},
	{0, "consent", "ask|yes|no",
	 "Who answers requests for sessions: a person (ask), or this flag, for demonstrations. As "
	 "root, "
	 "yes needs consent.unattended in the policy."},
	{0},
};

static const struct tl_cli_option check_options[] = {
	{0, "sample", NULL, "Print a commented sample instead of checking."},
	{0},
};

static const struct tl_cli_option program_options[] = {
	{0, "policy", "FILE", "The policy (" TL_POLICY_PATH ")."},
	{0},
};

static const struct tl_cli_command commands[] = {
	{"check-config", NULL, 0, 0, "check the policy", NULL, check_options, check_config},
	{"run", NULL, 0, 0, "run the helper",
	 "Answers the agent at helper.sock and local users at consent.sock. Decides about sessions "
	 "by "
	 "the policy and by asking a person; starts their shells and the collector. Never uses the "
	 "network.",
	 run_options, run},
};

int main(int argc, char **argv)
{
	static const struct tl_cli_program program = {
		.name = "towline-helper",
		.summary = "policy, consent and session processes of a Towline endpoint",
		.options = program_options,
		.commands = commands,
		.command_count = TL_ARRAY_LEN(commands),
	};

	return tl_cli_main(&program, argc, argv);
}
