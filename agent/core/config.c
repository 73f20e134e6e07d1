#include "core/config.h"

#include <fcntl.h>
#include <sys/un.h>
#include <towline/fs.h>
#include <towline/log.h>
#include <unistd.h>

#define CERTIFICATE_MAX (16 * 1024)

static const char *const log_formats[] = {"auto", "text", "json", "journal", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};

#define KEY(field) offsetof(struct tl_agent_config, field)

static const struct tl_conf_key keys[] = {
	{"collect.profile", TL_CONF_TEXT, KEY(profile), "standard", 1, 64, NULL,
	 "The collector profile that a help request runs. The helper's policy may refuse it."},
	{"collect.recipients", TL_CONF_LIST, KEY(recipients), "", 0, 16, NULL,
	 "Files with certificates (PEM, RSA or EC) to which bundles are encrypted before they rest "
	 "anywhere. Empty: bundles are not encrypted."},
	{"health.interval", TL_CONF_DURATION, KEY(health_interval_ms), "60s", 0, 86400000, NULL,
	 "How often the relay is told how this machine is, with a heartbeat. 0s: never."},
	{"helper.dir", TL_CONF_PATH, KEY(helper_dir), "/run/towline", 0, 0, NULL,
	 "The directory of the helper's sockets, helper.sock and consent.sock."},
	{"log.format", TL_CONF_CHOICE, KEY(log_format), "auto", 0, 0, log_formats,
	 "How log lines are written. auto: to the journal when stderr is the journal, else text."},
	{"log.level", TL_CONF_CHOICE, KEY(log_level), "info", 0, 0, log_levels,
	 "The least important level that is written."},
	{"proxy", TL_CONF_TEXT, KEY(proxy), "", 0, 1024, NULL,
	 "The HTTP proxy for everything the agent does, http://[USER:PASSWORD@]HOST:PORT. Empty: "
	 "the "
	 "environment's HTTPS_PROXY and NO_PROXY decide."},
	{"queue.max_bytes", TL_CONF_SIZE, KEY(queue_max_bytes), "2G", 1048576, INT64_MAX, NULL,
	 "The most disk space that bundles waiting for the relay may take. A new request beyond it "
	 "is "
	 "refused; nothing accepted is dropped."},
	{"queue.max_items", TL_CONF_INT, KEY(queue_max_items), "64", 1, 10000, NULL,
	 "The most help requests that may wait for the relay."},
	{"run_dir", TL_CONF_PATH, KEY(run_dir), "/run/towline", 0, 0, NULL,
	 "The directory of agent.sock, over which every local user may ask for help."},
	{"state_dir", TL_CONF_PATH, KEY(state_dir), "/var/lib/towline-agent", 0, 0, NULL,
	 "The directory of the identity key, the queue and the bundles that wait."},
	{"upload.chunk_size", TL_CONF_SIZE, KEY(chunk_bytes), "4M", 65536, 67108864, NULL,
	 "How much of a bundle one request carries: what is sent again, at most, after a broken "
	 "one. "
	 "Below 1M for proxies that limit requests."},
};

const struct tl_conf_schema tl_agent_schema = {
	.name = "agent.yaml",
	.intro = "Towline's agent. Every key is optional; the values shown are the defaults.",
	.keys = keys,
	.key_count = TL_ARRAY_LEN(keys),
	.struct_size = sizeof(struct tl_agent_config),
};

int tl_agent_config_load(const char *path, struct tl_agent_config *ret_config, struct tl_err *err)
{
	if (!path && access(TL_AGENT_CONFIG_PATH, F_OK) != 0)
		return tl_conf_parse(&tl_agent_schema, "defaults", "/etc/towline", "", 0,
				     ret_config, err);
	return tl_conf_load(&tl_agent_schema, path ? path : TL_AGENT_CONFIG_PATH, ret_config, err);
}

void tl_agent_config_clear(struct tl_agent_config *config)
{
	tl_conf_clear(&tl_agent_schema, config);
}

int tl_agent_recipients(const struct tl_agent_config *config, json_t **ret_list, struct tl_err *err)
{
	tl_json *list = json_array();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < config->recipients.count; i++) {
		const char *path = config->recipients.items[i];
		tl_auto(tl_buf) struct tl_buf pem = TL_BUF_INIT(CERTIFICATE_MAX);

		rc = tl_fs_read_file(AT_FDCWD, path, &pem, err);
		if (rc == 0 && json_array_append_new(list, json_string(tl_buf_str(&pem))) < 0)
			rc = tl_err_set(err, TL_ECONFIG, "%s is no certificate in PEM", path);
		if (rc != 0)
			tl_err_prefix(err, "collect.recipients");
	}
	if (rc == 0)
		*ret_list = tl_steal(&list);
	return rc;
}

int tl_agent_socket_path(const char *dir, const char *name, struct tl_buf *out, struct tl_err *err)
{
	tl_buf_printf(out, "%s/%s", dir, name);
	if (tl_buf_check(out) != 0 || out->len >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return tl_err_set(err, TL_ECONFIG,
				  "%s is too long for a socket's directory: choose a shorter path",
				  dir);
	return 0;
}

void tl_agent_log_open(const struct tl_agent_config *config, const char *program)
{
	static const enum tl_log_level levels[] = {TL_LOG_ERROR, TL_LOG_WARNING, TL_LOG_INFO,
						   TL_LOG_DEBUG};

	tl_log_open(program, (enum tl_log_format)config->log_format, levels[config->log_level]);
}
