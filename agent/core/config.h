/* agent.yaml: what the agent's owner may set, and where the agent keeps and finds things.
 * One table (tl_agent_schema) makes loading, `check-config`, the sample and agent.yaml(5). Any thread. */
#ifndef TOWLINE_AGENT_CONFIG_H
#define TOWLINE_AGENT_CONFIG_H

#include <towline/conf.h>
#include <towline/err.h>
#include <towline/json.h>

#define TL_AGENT_CONFIG_PATH "/etc/towline/agent.yaml"

struct tl_agent_config {
	char *profile;		    /* collector profile of a help request */
	struct tl_strv recipients;  /* paths of certificates that bundles are sealed to */
	uint64_t chunk_bytes;	    /* of an upload's request */
	int64_t health_interval_ms; /* 0: the relay is not told */
	char *helper_dir;	    /* where helper.sock and consent.sock are */
	int log_format;		    /* enum tl_log_format */
	int log_level;		    /* index: error, warning, info, debug */
	char *proxy;		    /* "" : HTTPS_PROXY and NO_PROXY decide */
	uint64_t queue_max_bytes;
	int64_t queue_max_items;
	char *run_dir;	 /* agent.sock */
	char *state_dir; /* identity, queue, bundles */
};

extern const struct tl_conf_schema tl_agent_schema;

/* Loads `path`; NULL means TL_AGENT_CONFIG_PATH, which may be missing (defaults then).
 * *ret_config is zeroed by the caller and cleared with tl_agent_config_clear, after failure too. */
TL_MUST_CHECK int tl_agent_config_load(const char *path, struct tl_agent_config *ret_config,
				       struct tl_err *err);
void tl_agent_config_clear(struct tl_agent_config *config);
TL_DEFINE_AUTO(tl_agent_config, tl_agent_config_clear);

/* Reads the certificates of collect.recipients: *ret_list is the caller's, an empty array where there are none. */
TL_MUST_CHECK int tl_agent_recipients(const struct tl_agent_config *config, json_t **ret_list,
				      struct tl_err *err);

/* Appends "DIR/NAME" and checks that it fits a Unix socket address (107 bytes). */
TL_MUST_CHECK int tl_agent_socket_path(const char *dir, const char *name, struct tl_buf *out,
				       struct tl_err *err);

/* Opens the log as the configuration says. */
void tl_agent_log_open(const struct tl_agent_config *config, const char *program);

#endif
