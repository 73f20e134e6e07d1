/* relay.yaml: the relay's configuration. docs/man/relay.yaml.5 is made from its table. */
#ifndef TOWLINE_RELAY_CONFIG_H
#define TOWLINE_RELAY_CONFIG_H

#include <stdint.h>
#include <towline/conf.h>

#define TL_RELAY_CONFIG_PATH "/etc/towline/relay.yaml"

struct tl_relay_config {
	char *id, *name, *public_url;
	char *listen, *ssh_listen;
	char *certificate, *certificate_key, *ca;
	char *authority_key, *token_key, *ssh_host_key, *secrets_key, *ssh_ca_key;
	char *ssh_authorities, *ssh_revoked;
	char *roster_key;
	char *store, *blobs;
	int log_format, log_level, second_factor; /* indices of choices */
	uint64_t max_bundle_bytes, max_recording_bytes, host_quota_bytes;
	int64_t host_tickets_max;
	int64_t grant_life_ms, session_max_ms, resume_ms, drain_ms;
	int64_t connections, loops, workers;
	int64_t ssh_connections, ssh_waiting, ssh_waiting_per_network, ssh_login_grace_ms,
		ssh_certificate_ms;
	struct tl_strv second_for, trusted_proxies;
	int second_leaves; /* index of a choice */
	int64_t second_away_ms;
	char *dir; /* the file's directory: where run.json goes; set by the loader */
};

extern const struct tl_conf_schema tl_relay_schema;

/* Loads `path` (NULL: TL_RELAY_CONFIG_PATH) and checks what the table alone cannot. Clear it after
 * failure too. */
TL_MUST_CHECK int tl_relay_config_load(const char *path, struct tl_relay_config *ret_config,
				       struct tl_err *err);
void tl_relay_config_clear(struct tl_relay_config *config);
TL_DEFINE_AUTO(tl_relay_config, tl_relay_config_clear);

#endif
