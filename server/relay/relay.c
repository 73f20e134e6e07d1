#include "relay/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <towline/fs.h>
#include <towline/json.h>
#include <towline/log.h>
#include <towline/program.h>

#include "relay/ca.h"

#define CA_PEM_MAX 65536

static const enum tl_log_level levels[] = {TL_LOG_ERROR, TL_LOG_WARNING, TL_LOG_INFO, TL_LOG_DEBUG};

/* Each relay process has a directory of its own on its host; `serve` locks it. */
static void name_node(const struct tl_relay_config *config, char node[static TL_DESK_NODE_MAX])
{
	char host[HOST_NAME_MAX + 1] = "";

	(void)gethostname(host, sizeof host - 1);
	snprintf(node, TL_DESK_NODE_MAX, "%s:%s", host, config->dir);
}

int tl_relay_open(const struct tl_cli *cli, struct tl_relay *relay, struct tl_err *err)
{
	struct tl_relay_config *config = &relay->config;
	struct tl_desk *desk = &relay->desk;
	int r = tl_relay_config_load(tl_cli_get(cli, "config"), config, err);

	if (r)
		return r;
	tl_log_open("towline-relay", (enum tl_log_format)config->log_format,
		    levels[config->log_level]);
	snprintf(desk->relay_id, sizeof desk->relay_id, "%s", config->id);
	name_node(config, desk->node);
	desk->name = config->name;
	desk->public_url = config->public_url;
	desk->store_url = config->store;
	desk->ssh_authorities = config->ssh_authorities;
	desk->ssh_revoked = config->ssh_revoked;
	desk->roster_key = config->roster_key;
	desk->factor_rule = (enum tl_factor_rule)config->second_factor;
	desk->ssh_certificate_s = config->ssh_certificate_ms / 1000;
	desk->clock = tl_clock_system();
	desk->max_bundle_bytes = config->max_bundle_bytes;
	desk->host_quota_bytes = config->host_quota_bytes;
	desk->host_tickets_max = config->host_tickets_max;
	desk->max_recording_bytes = config->max_recording_bytes;
	desk->grant_life_ms = config->grant_life_ms;
	desk->resume_ms = config->resume_ms;
	desk->session_max_s = config->session_max_ms / 1000;
	desk->second_for = &config->second_for;
	desk->second_leaves = config->second_leaves == 0 ? TL_SECOND_PAUSE : TL_SECOND_END;
	desk->second_away_s = config->second_away_ms / 1000;
	return 0;
}

static int load_ca(struct tl_relay *relay, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_INIT(CA_PEM_MAX);
	int r;

	if ((r = tl_fs_read_file(AT_FDCWD, relay->config.ca, &pem, err)) ||
	    (r = tl_ca_fingerprint(pem.data, pem.len, relay->desk.ca_sha256, err)))
		return tl_err_prefix(err, "tls.ca");
	relay->desk.ca_pem = tl_buf_take(&pem);
	return relay->desk.ca_pem ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory");
}

static int load_ssh_host_key(struct tl_relay *relay, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(1024);
	tl_auto(tl_key) struct tl_key *key = NULL;
	int r = tl_key_load(AT_FDCWD, relay->config.ssh_host_key, &key, err);

	if (r)
		return r;
	tl_key_ssh_line(key, "towline-relay", &line);
	relay->desk.ssh_host_key = tl_buf_take(&line);
	return relay->desk.ssh_host_key ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory");
}

int tl_relay_open_vault(struct tl_relay *relay, struct tl_err *err)
{
	return tl_vault_open(relay->config.secrets_key, &relay->desk.vault, err);
}

/* Relays made before there was one have none until `ca create`. */
static int load_ssh_ca(struct tl_relay *relay, struct tl_err *err)
{
	if (access(relay->config.ssh_ca_key, F_OK) != 0)
		return 0;
	return tl_key_load(AT_FDCWD, relay->config.ssh_ca_key, &relay->desk.ssh_ca, err);
}

static int load_keys(struct tl_relay *relay, struct tl_err *err)
{
	const struct tl_relay_config *config = &relay->config;
	int r;

	if ((r = tl_key_load(AT_FDCWD, config->authority_key, &relay->desk.authority, err)) ||
	    (r = tl_key_load(AT_FDCWD, config->token_key, &relay->desk.token_key, err)) ||
	    (r = load_ssh_host_key(relay, err)) || (r = tl_relay_open_vault(relay, err)) ||
	    (r = load_ssh_ca(relay, err)))
		return r;
	return load_ca(relay, err);
}

static int open_blobs(struct tl_relay *relay, struct tl_err *err)
{
	char url[PATH_MAX + 8];

	snprintf(url, sizeof url, "file:%s", relay->config.blobs);
	return tl_blobs_open(url, &relay->desk.blobs, err);
}

int tl_relay_open_desk(struct tl_relay *relay, struct tl_err *err)
{
	struct tl_desk *desk = &relay->desk;
	char intake[PATH_MAX];
	int r;

	if ((r = load_keys(relay, err)) || (r = open_blobs(relay, err)) ||
	    (r = tl_program_path("towline-intake", intake, err)))
		return r;
	desk->intake_program = strdup(intake);
	desk->broker = tl_broker_new();
	desk->presence = tl_presence_new();
	desk->terminals = tl_terminals_new();
	desk->throttle = tl_throttle_new(desk->clock);
	if (!desk->intake_program || !desk->broker || !desk->presence || !desk->terminals ||
	    !desk->throttle)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	return 0;
}

int tl_relay_open_store(const struct tl_relay *relay, struct tl_store **ret_store,
			struct tl_err *err)
{
	tl_auto(tl_store) struct tl_store *store = NULL;
	int r;

	if ((r = tl_store_open(relay->config.store, &store, err)))
		return r;
	if ((r = tl_store_check_schema(store, err)))
		return tl_err_prefix(err, "run \"towline-relay migrate\" first");
	*ret_store = tl_steal(&store);
	return 0;
}

int tl_relay_change(const struct tl_relay *relay, tl_relay_change_body *body, void *arg,
		    struct tl_err *err)
{
	tl_auto(tl_store) struct tl_store *store = NULL;
	struct tl_change change;
	int r = tl_relay_open_store(relay, &store, err);

	if (r)
		return r;
	tl_change_init_system(&change, store, tl_clock_system(), NULL, body, arg);
	change.actor = "towline-relay";
	return tl_change_run(&change, err);
}

void tl_relay_clear(struct tl_relay *relay)
{
	tl_desk_clear(&relay->desk);
	tl_relay_config_clear(&relay->config);
}

/* The port that `serve` noted in run.json. */
static int running_port(const struct tl_relay *relay, json_int_t *ret_port, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096);
	char path[PATH_MAX];
	tl_json *run = NULL;

	snprintf(path, sizeof path, "%s/run.json", relay->config.dir);
	if (tl_fs_read_file(AT_FDCWD, path, &text, err) ||
	    tl_json_parse(tl_buf_str(&text), text.len, &run, err))
		return tl_err_set(err, TL_ECONFIG,
				  "public_url is not set and the relay does not run; "
				  "give --url");
	*ret_port = json_integer_value(json_object_get(run, "https_port"));
	return 0;
}

int tl_relay_public_url(const struct tl_relay *relay, struct tl_buf *out, struct tl_err *err)
{
	json_int_t port;
	int r;

	if (*relay->config.public_url) {
		tl_buf_puts(out, relay->config.public_url);
	} else {
		if ((r = running_port(relay, &port, err)))
			return r;
		tl_buf_printf(out, "https://localhost:%lld", (long long)port);
	}
	return tl_buf_check(out);
}
