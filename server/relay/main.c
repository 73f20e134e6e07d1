#include "relay/relay.h"

static const struct tl_cli_option program_options[] = {
	{'c', "config", "FILE", "configuration file (default: " TL_RELAY_CONFIG_PATH ")"},
	{0},
};

static const struct tl_cli_option init_options[] = {
	{0, "name", "NAME", "the relay's name, as people know it"},
	{0, "listen", "ADDRESS:PORT", "where HTTPS listens; port 0 takes a free one"},
	{0, "ssh-listen", "ADDRESS:PORT", "where the SSH front door listens"},
	{0, "store", "URL", "sqlite:PATH (default: relay.db in DIR) or postgresql://…"},
	{0, "public-url", "URL", "how endpoints reach the relay"},
	{0, "host", "NAME,…", "further names and addresses for the server certificate"},
	{0},
};

static const struct tl_cli_option serve_options[] = {
	{0, "check-config", NULL, "check the configuration and leave"},
	{0},
};

static const struct tl_cli_option user_options[] = {
	{0, "name", "NAME", "as people know the user (default: the login)"},
	{0, "role", "ROLE,…", "requester, engineer (default), supervisor, auditor, admin"},
	{0, "ssh-key", "FILE", "public key to register"},
	{0},
};

static const struct tl_cli_option totp_options[] = {
	{0, "remove", NULL, "take the second factor away"},
	{0},
};

static const struct tl_cli_option revoke_options[] = {
	{0, "reason", "TEXT", "why: it stands in the list and on the audit trail"},
	{0},
};

static const struct tl_cli_option token_options[] = {
	{0, "user", "LOGIN", "whose token"},
	{0, "name", "NAME", "what it is for"},
	{0, "expires", "DURATION", "how long it lives: 8h, 30d (default: until revoked)"},
	{0},
};

static const struct tl_cli_option enrol_options[] = {
	{0, "expires", "DURATION", "how long it may be used (default: 15m, at most 7d)"},
	{0, "url", "URL", "the relay's URL (default: public_url, else localhost)"},
	{0},
};

static const struct tl_cli_command commands[] = {
	{"audit export", NULL, 0, 0, "print the audit trail as JSON lines", NULL, NULL,
	 tl_relay_audit_export},
	{"audit verify", NULL, 0, 0, "recompute the audit trail's hash chain", NULL, NULL,
	 tl_relay_audit_verify},
	{"backup", "FILE", 1, 1, "copy the SQLite store while the relay runs",
	 "Writes the whole store, as of one moment, into a new file. Blobs are files that never "
	 "change: copy them afterwards. A PostgreSQL store is backed up with pg_dump.",
	 NULL, tl_relay_backup},
	{"ca create", NULL, 0, 0, "make the authority for SSH certificates of engineers",
	 "`init` makes one already; this is for relays that are older. Restart the relay "
	 "afterwards.",
	 NULL, tl_relay_ca_create},
	{"ca list", NULL, 0, 0, "list the SSH certificates that are valid now", NULL, NULL,
	 tl_relay_ca_list},
	{"ca show", NULL, 0, 0, "print the public key of that authority",
	 "A line for TrustedUserCAKeys of other SSH servers, if they shall know it.", NULL,
	 tl_relay_ca_show},
	{"check-config", NULL, 0, 0, "check the configuration and the files it names", NULL, NULL,
	 tl_relay_check_config},
	{"enrol-token create", NULL, 0, 0, "print a one-time token for enrolling a host",
	 "Give the token to whoever runs `towline-agent enroll TOKEN` on the host. It is printed "
	 "once: "
	 "the relay keeps only its hash.",
	 enrol_options, tl_relay_enrol_token_create},
	{"host list", NULL, 0, 0, "list the enrolled hosts", NULL, NULL, tl_relay_host_list},
	{"host revoke", "HOST", 1, 1, "take a host's rights away for good", NULL, NULL,
	 tl_relay_host_revoke},
	{"init", "DIR", 1, 1, "make a new relay in a directory",
	 "Makes a certificate authority and a server certificate for localhost and --host, the "
	 "session "
	 "authority's key, the store and relay.yaml. Refuses a directory that holds a relay.",
	 init_options, tl_relay_init},
	{"migrate", NULL, 0, 0, "bring the store's schema to this version", NULL, NULL,
	 tl_relay_migrate},
	{"openapi", NULL, 0, 0, "print the API's OpenAPI description", NULL, NULL,
	 tl_relay_openapi},
	{"revoke id", "TEXT", 1, 1, "let no SSH certificate of this key id in any more", NULL,
	 revoke_options, tl_relay_revoke_id},
	{"revoke key", "FILE|FINGERPRINT", 1, 1,
	 "let no SSH key, nor what it certifies or is certified, in any more",
	 "An engineer's key, registered or certified, or an authority's.", revoke_options,
	 tl_relay_revoke_key},
	{"revoke list", NULL, 0, 0, "list what was revoked, by whom and why", NULL, NULL,
	 tl_relay_revoke_list},
	{"revoke serial", "NUMBER", 1, 1, "let an SSH certificate of the relay's own in no more",
	 NULL, revoke_options, tl_relay_revoke_serial},
	{"roster publish", "FILE", 1, 1, "publish a roster of engineers",
	 "FILE is the roster, FILE.sig its signature by the offline key (`towline roster sign`). "
	 "Checks "
	 "both, and hands the roster to every endpoint.",
	 NULL, tl_relay_roster_publish},
	{"serve", NULL, 0, 0, "run the relay",
	 "Writes the ports into run.json beside the configuration. SIGHUP reads the certificate "
	 "again, "
	 "SIGTERM ends the relay when running requests have ended. Takes sockets from systemd.",
	 serve_options, tl_relay_serve},
	{"token create", NULL, 0, 0, "print a new API token",
	 "The token is printed once: the relay keeps only its hash.", token_options,
	 tl_relay_token_create},
	{"user add", "LOGIN", 1, 1, "add a user", NULL, user_options, tl_relay_user_add},
	{"user disable", "LOGIN", 1, 1, "lock a user out; the user's sessions end", NULL, NULL,
	 tl_relay_user_disable},
	{"user key add", "LOGIN FILE", 2, 2, "register a user's SSH public key", NULL, NULL,
	 tl_relay_user_key_add},
	{"user key remove", "LOGIN FINGERPRINT", 2, 2,
	 "take a user's SSH public key away; the user's sessions end", NULL, NULL,
	 tl_relay_user_key_remove},
	{"user list", NULL, 0, 0, "list the users with roles and keys", NULL, NULL,
	 tl_relay_user_list},
	{"user totp", "LOGIN", 1, 1, "give a user a second factor, or take it away",
	 "Prints the otpauth:// URI for the phone, and recovery codes, each good once. Whoever had "
	 "one "
	 "has the new one from now on. Users with an API token do it themselves: `towline totp "
	 "enrol`.",
	 totp_options, tl_relay_user_totp},
};

const struct tl_cli_program tl_relay_program = {
	.name = "towline-relay",
	.summary = "the relay that ties agents, tickets and engineers together",
	.help = "A new relay:\n\n"
		"    towline-relay init /var/lib/towline-relay --public-url "
		"https://relay.example:8443 "
		"--host relay.example\n"
		"    towline-relay -c /var/lib/towline-relay/relay.yaml serve",
	.options = program_options,
	.commands = commands,
	.command_count = TL_ARRAY_LEN(commands),
};

int main(int argc, char **argv)
{
	return tl_cli_main(&tl_relay_program, argc, argv);
}
