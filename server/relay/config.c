#include "relay/config.h"

#include <libgen.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <towline/grant.h>
#include <towline/id.h>
#include <towline/line.h>
#include <towline/sshkey.h>

static const char *const log_formats[] = {"auto", "text", "json", "journal", NULL};
static const char *const factor_rules[] = {"off", "enrolled", "required", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};

static const char *const second_leaves[] = {"pause", "end", NULL};

#define AT(field) offsetof(struct tl_relay_config, field)

static const struct tl_conf_key keys[] = {
	{"blobs", TL_CONF_PATH, AT(blobs), "blobs", 0, 0, NULL,
	 "Directory of bundles and recordings."},
	{"connections", TL_CONF_INT, AT(connections), "20000", 16, 1000000, NULL,
	 "Connections served at once; beyond it new ones wait."},
	{"drain", TL_CONF_DURATION, AT(drain_ms), "10s", 0, 600000, NULL,
	 "How long a stopping relay lets running requests end."},
	{"id", TL_CONF_TEXT, AT(id), NULL, 0, TL_ID_LEN, NULL,
	 "The relay's identifier, made by init. Endpoints pin it: never change it."},
	{"keys.authority", TL_CONF_PATH, AT(authority_key), "authority.key", 0, 0, NULL,
	 "Private key of the session authority, which signs grants. Endpoints pin its public "
	 "half."},
	{"keys.secrets", TL_CONF_PATH, AT(secrets_key), "secrets.key", 0, 0, NULL,
	 "Key that seals second factors in the store; made when there is none."},
	{"keys.ssh_host", TL_CONF_PATH, AT(ssh_host_key), "ssh_host.key", 0, 0, NULL,
	 "Private host key of the SSH front door."},
	{"keys.ssh_user_ca", TL_CONF_PATH, AT(ssh_ca_key), "ssh_user_ca.key", 0, 0, NULL,
	 "Private key of the relay's own authority for SSH certificates of engineers; without the "
	 "file "
	 "it issues none."},
	{"keys.token", TL_CONF_PATH, AT(token_key), "token.key", 0, 0, NULL,
	 "Private key that signs the access tokens of endpoints."},
	{"limits.bundle", TL_CONF_SIZE, AT(max_bundle_bytes), "2G", 1024, INT64_MAX, NULL,
	 "Largest bundle taken."},
	{"limits.grant_life", TL_CONF_DURATION, AT(grant_life_ms), "5m", 10000,
	 TL_GRANT_LIFE_MAX_MS, NULL,
	 "Time from an engineer's request until the session must have begun."},
	{"limits.host_bundles", TL_CONF_SIZE, AT(host_quota_bytes), "50G", 1024, INT64_MAX, NULL,
	 "What all bundles of one host may have in all."},
	{"limits.host_tickets", TL_CONF_INT, AT(host_tickets_max), "1000", 1, 1000000, NULL,
	 "How many open tickets a host may have."},
	{"limits.recording", TL_CONF_SIZE, AT(max_recording_bytes), "1G", 1024, INT64_MAX, NULL,
	 "Largest session recording taken from an endpoint."},
	{"limits.resume", TL_CONF_DURATION, AT(resume_ms), "60s", 0, TL_LINE_GAP_MAX_MS, NULL,
	 "How long a session waits for an endpoint whose connection broke. 0: it ends at once."},
	{"limits.session", TL_CONF_DURATION, AT(session_max_ms), "4h", 60000,
	 (int64_t)TL_GRANT_SESSION_MAX_S * 1000, NULL, "Longest session."},
	{"listen", TL_CONF_TEXT, AT(listen), "[::]:8443", 0, 280, NULL,
	 "ADDRESS:PORT of HTTPS. Port 0 takes a free one, see run.json."},
	{"log.format", TL_CONF_CHOICE, AT(log_format), "auto", 0, 0, log_formats,
	 "How log entries are written; auto uses the journal when started by systemd."},
	{"log.level", TL_CONF_CHOICE, AT(log_level), "info", 0, 0, log_levels,
	 "The least important entries that are written."},
	{"loops", TL_CONF_INT, AT(loops), "0", 0, 64, NULL, "Event loops; 0: by processors."},
	{"name", TL_CONF_TEXT, AT(name), "Towline", 0, 128, NULL,
	 "The relay's name, as people know it."},
	{"public_url", TL_CONF_TEXT, AT(public_url), "", 0, 512, NULL,
	 "URL by which endpoints reach the relay; written into enrolment tokens."},
	{"roster.key", TL_CONF_TEXT, AT(roster_key), "", 0, 64, NULL,
	 "Fingerprint (SHA256:…) of the offline key that signs the roster of engineers: written "
	 "into "
	 "enrolment tokens, and a roster by another key is not published."},
	{"second.away", TL_CONF_DURATION, AT(second_away_ms), "5m", 10000,
	 (int64_t)TL_SECOND_AWAY_MAX_S * 1000, NULL,
	 "How long a session under four eyes waits for its second engineer, before it begins and "
	 "later."},
	{"second.for", TL_CONF_LIST, AT(second_for), "", 0, 256, NULL,
	 "Sessions under four eyes: host names and ticket numbers, each with * and ?. No byte "
	 "passes "
	 "in them before a second engineer has joined (towline session join)."},
	{"second.leaves", TL_CONF_CHOICE, AT(second_leaves), "pause", 0, 0, second_leaves,
	 "What happens when the second engineer leaves: pause, and end after second.away; or end."},
	{"ssh.certificate_life", TL_CONF_DURATION, AT(ssh_certificate_ms), "8h", 60000,
	 7 * 86400000LL, NULL, "How long a certificate of `towline login` is valid."},
	{"ssh.connections", TL_CONF_INT, AT(ssh_connections), "4096", 1, 100000, NULL,
	 "SSH connections served at once."},
	{"ssh.login_grace", TL_CONF_DURATION, AT(ssh_login_grace_ms), "30s", 1000, 600000, NULL,
	 "Time to log in by SSH. Whoever has proven a key and is asked for a code has it again."},
	{"ssh.second_factor", TL_CONF_CHOICE, AT(second_factor), "enrolled", 0, 0, factor_rules,
	 "Who shows a code after the key: nobody (off), who has enrolled one (enrolled), or "
	 "everybody "
	 "(required). Certificates that the relay issued for a code count as one."},
	{"ssh.waiting", TL_CONF_INT, AT(ssh_waiting), "256", 1, 100000, NULL,
	 "SSH connections that may be without login at once. Beyond it the one that waited "
	 "longest, "
	 "of the network with most of them, makes room."},
	{"ssh.waiting_per_network", TL_CONF_INT, AT(ssh_waiting_per_network), "32", 1, 100000, NULL,
	 "The same of one address (IPv6: one /64). After ten connections without login in a minute "
	 "it is 2 for the rest of that minute."},
	{"ssh_certificates.authorities", TL_CONF_PATH, AT(ssh_authorities), "", 0, 0, NULL,
	 "File of the authorities whose user certificates engineers may log in with: public keys, "
	 "one a line. A certificate's principal is the engineer's login. Empty: no certificates."},
	{"ssh_certificates.revoked", TL_CONF_PATH, AT(ssh_revoked), "", 0, 0, NULL,
	 "File of what no longer lets anybody in: a key revocation list of OpenSSH (ssh-keygen "
	 "-k), "
	 "or a line each: \"serial NUMBER\", \"id TEXT\" or \"key BASE64\". Read at each login, by "
	 "registered keys, too."},
	{"ssh_listen", TL_CONF_TEXT, AT(ssh_listen), "[::]:8022", 0, 280, NULL,
	 "ADDRESS:PORT of the engineers' SSH front door."},
	{"store", TL_CONF_TEXT, AT(store), "sqlite:relay.db", 0, 1024, NULL,
	 "Database: sqlite:PATH or postgresql://…"},
	{"tls.ca", TL_CONF_PATH, AT(ca), "ca.pem", 0, 0, NULL,
	 "PEM of the root that endpoints shall pin."},
	{"tls.certificate", TL_CONF_PATH, AT(certificate), "server.pem", 0, 0, NULL,
	 "PEM chain of the server certificate; read again on SIGHUP."},
	{"tls.key", TL_CONF_PATH, AT(certificate_key), "server.key", 0, 0, NULL,
	 "PEM private key of the server certificate."},
	{"trusted_proxies", TL_CONF_LIST, AT(trusted_proxies), "", 0, 64, NULL,
	 "Addresses or CIDR ranges whose X-Forwarded-For is believed."},
	{"workers", TL_CONF_INT, AT(workers), "0", 0, 256, NULL,
	 "Worker threads, each with its own store connection; 0: by processors."},
};

const struct tl_conf_schema tl_relay_schema = {
	.name = "relay.yaml",
	.intro = "Configuration of towline-relay. Relative paths are relative to this file's "
		 "directory.",
	.keys = keys,
	.key_count = TL_ARRAY_LEN(keys),
	.struct_size = sizeof(struct tl_relay_config),
};

/* "sqlite:relay.db" means the file beside relay.yaml, wherever the relay was started. */
static int resolve_store(struct tl_relay_config *config, struct tl_err *err)
{
	char *url;

	if (!tl_str_starts(config->store, "sqlite:") || config->store[7] == '/')
		return 0;
	if (asprintf(&url, "sqlite:%s/%s", config->dir, config->store + 7) < 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	free(config->store);
	config->store = url;
	return 0;
}

static int set_dir(struct tl_relay_config *config, const char *path, struct tl_err *err)
{
	tl_free char *full = realpath(path, NULL);

	if (!full)
		return tl_err_set(err, TL_ENOENT, "cannot find %s", path);
	config->dir = strdup(dirname(full));
	return config->dir ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory");
}

int tl_relay_config_load(const char *path, struct tl_relay_config *ret_config, struct tl_err *err)
{
	int r;

	if (!path)
		path = TL_RELAY_CONFIG_PATH;
	if ((r = tl_conf_load(&tl_relay_schema, path, ret_config, err)) ||
	    (r = set_dir(ret_config, path, err)))
		return r;
	if (!tl_id_is_valid(ret_config->id))
		return tl_err_set(err, TL_ECONFIG, "%s: id is not an identifier made by init",
				  path);
	if (*ret_config->public_url && !tl_str_starts(ret_config->public_url, "https://"))
		return tl_err_set(err, TL_ECONFIG, "%s: public_url must start with https://", path);
	if (*ret_config->roster_key && !tl_sshkey_is_fingerprint(ret_config->roster_key))
		return tl_err_set(err, TL_ECONFIG,
				  "%s: roster.key is no fingerprint as `ssh-keygen -l` shows it "
				  "(SHA256:…)",
				  path);
	return resolve_store(ret_config, err);
}

void tl_relay_config_clear(struct tl_relay_config *config)
{
	free(config->dir);
	config->dir = NULL;
	tl_conf_clear(&tl_relay_schema, config);
}
