/* towline-agent enroll, run, check-config */
#include <curl/curl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <unistd.h>

#include "core/enrol.h"
#include "daemon/agent.h"
#include "daemon/cmd.h"

static int read_token(const char *operand, struct tl_enrol_token *ret_token, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(TL_ENROL_TOKEN_MAX + 64);
	char bytes[256];
	size_t got;

	if (!tl_streq(operand, "-"))
		return tl_enrol_token_parse(operand, strlen(operand), ret_token, err);
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "Paste the enrolment token and press Enter:\n");
	while ((got = isatty(STDIN_FILENO)
			      ? (fgets(bytes, sizeof(bytes), stdin) ? strlen(bytes) : 0)
			      : fread(bytes, 1, sizeof(bytes), stdin)) > 0) {
		tl_buf_append(&text, bytes, got);
		if (isatty(STDIN_FILENO) && bytes[got - 1] == '\n')
			break;
	}
	tl_wipe(bytes, sizeof(bytes));
	return tl_enrol_token_parse(tl_buf_str(&text), text.len, ret_token, err);
}

/* The helper's consent key is registered with the host: without it the relay could believe no
 * consent, and so take no bundle and open no session. */
static int ask_consent_key(const struct tl_cli *cli, char *ret_key, size_t capacity,
			   struct tl_err *err)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
	tl_json *args = json_pack("{s:s}", "agent_version", TOWLINE_VERSION);
	tl_fd int fd = -1;
	const char *key;
	int rc = tl_cmd_connect(cli, TL_CMD_HELPER, &fd, err);

	if (rc == 0)
		rc = tl_ipc_call(fd, "hello", args, NULL, 0, 10000, &answer, err);
	if (rc != 0)
		return tl_err_prefix(err,
				     "the helper must run before the enrolment, for its consent "
				     "key is registered with it");
	key = json_string_value(json_object_get(answer.json, "consent_key"));
	if (!key || strlen(key) >= capacity)
		return tl_err_set(err, TL_EPROTO, "the helper gave no consent key");
	snprintf(ret_key, capacity, "%s", key);
	return 0;
}

static int host_name(const struct tl_cli *cli, char *ret_name, size_t capacity, struct tl_err *err)
{
	const char *given = tl_cli_get(cli, "name");

	if (given)
		snprintf(ret_name, capacity, "%s", given);
	else if (gethostname(ret_name, capacity) != 0)
		ret_name[0] = '\0';
	ret_name[capacity - 1] = '\0';
	if (!tl_str_is_name(ret_name, 200))
		return tl_err_set(err, TL_EUSAGE,
				  "give the host a name of letters, digits, dots and dashes with "
				  "--name");
	return 0;
}

int tl_cmd_enroll(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_agent_config) struct tl_agent_config config = {.profile = NULL};
	tl_auto(tl_enrol_token) struct tl_enrol_token token = {.url = ""};
	struct tl_identity identity = {.name = ""};
	char name[256], consent_key[64];
	tl_fd int state_fd = -1;
	int rc = tl_cmd_config(cli, &config, err);

	umask(0077);
	if (rc == 0)
		rc = host_name(cli, name, sizeof(name), err);
	if (rc == 0)
		rc = read_token(tl_cli_operand(cli, 0), &token, err);
	if (rc == 0)
		rc = tl_fs_make_dir(config.state_dir, 0700, &state_fd, err);
	if (rc == 0)
		rc = ask_consent_key(cli, consent_key, sizeof(consent_key), err);
	if (rc != 0)
		return rc;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	rc = tl_enrol(&(struct tl_enrol_options){.state_fd = state_fd,
						 .state_dir = config.state_dir,
						 .proxy = config.proxy,
						 .name = name,
						 .consent_key = consent_key},
		      &token, &identity, err);
	curl_global_cleanup();
	if (rc == 0)
		printf("Enrolled at %s as %s (host %s).\n", identity.url, identity.name,
		       identity.host_id);
	return rc;
}

int tl_cmd_run(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_agent_config) struct tl_agent_config config = {.profile = NULL};
	tl_auto(tl_agent) struct tl_agent *agent = NULL;
	int rc = tl_cmd_config(cli, &config, err);

	if (rc != 0)
		return rc;
	umask(0077);
	tl_agent_log_open(&config, "towline-agent");
	rc = tl_agent_new(&config, &agent, err);
	return rc == 0 ? tl_agent_run(agent, err) : rc;
}

int tl_cmd_check_config(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_agent_config) struct tl_agent_config config = {.profile = NULL};
	const char *path = tl_cli_get(cli, "config");
	int rc;

	if (tl_cli_has(cli, "sample")) {
		tl_conf_print_sample(&tl_agent_schema, stdout);
		return 0;
	}
	rc = tl_cmd_config(cli, &config, err);
	if (rc == 0)
		printf("%s is in order.\n", path ? path : TL_AGENT_CONFIG_PATH);
	return rc;
}
