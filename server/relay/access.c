/* Commands about how people get in by SSH: second factors, the authority for certificates, revocation. They work
 * while the relay runs. */
#include <fcntl.h>
#include <stdio.h>
#include <towline/fs.h>
#include <towline/sshkey.h>

#include "desk/factor.h"
#include "desk/revocation.h"
#include "desk/ssh_ca.h"
#include "relay/relay.h"

/* ---- second factors ----------------------------------------------------------------------------- */

struct totp_command {
	const struct tl_relay *relay;
	const char *login;
	struct tl_buf *uri;
	struct tl_strv *recovery_codes;
};

static int give_factor(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct totp_command *command = arg;
	const struct tl_vault *vault = &command->relay->desk.vault;
	int r = tl_factor_begin(change, vault, command->login, command->relay->config.name,
				command->uri, err);

	return r ? r
		 : tl_factor_confirm(change, vault, command->login, NULL, command->recovery_codes,
				     err);
}

static int take_factor(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct totp_command *command = arg;

	return tl_factor_remove(change, command->login, err);
}

static void print_factor(const struct totp_command *command)
{
	printf("%s\n\nRecovery codes, each good once:\n", tl_buf_str(command->uri));
	for (size_t i = 0; i < command->recovery_codes->count; i++)
		printf("  %s\n", command->recovery_codes->items[i]);
}

int tl_relay_user_totp(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_buf) struct tl_buf uri = TL_BUF_SECRET_INIT(2048);
	tl_auto(tl_strv) struct tl_strv codes = TL_STRV_INIT;
	bool removing = tl_cli_has(cli, "remove");
	struct totp_command command = {.relay = &relay,
				       .login = tl_cli_operand(cli, 0),
				       .uri = &uri,
				       .recovery_codes = &codes};
	int r = tl_relay_open(cli, &relay, err);

	if (r || (!removing && (r = tl_relay_open_vault(&relay, err))) ||
	    (r = tl_relay_change(&relay, removing ? take_factor : give_factor, &command, err)))
		return r;
	if (!removing)
		print_factor(&command);
	return 0;
}

/* ---- the authority ------------------------------------------------------------------------------ */

static void print_authority(const struct tl_key *key, const struct tl_relay *relay)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(1024);

	tl_key_ssh_line(key, relay->config.name, &line);
	puts(tl_buf_str(&line));
}

int tl_relay_ca_create(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_key) struct tl_key *key = NULL;
	int r;

	if ((r = tl_relay_open(cli, &relay, err)) || (r = tl_key_generate(&key, err)) ||
	    (r = tl_key_save(key, AT_FDCWD, relay.config.ssh_ca_key, err)))
		return r;
	print_authority(key, &relay);
	return 0;
}

int tl_relay_ca_show(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_key) struct tl_key *key = NULL;
	int r;

	if ((r = tl_relay_open(cli, &relay, err)) ||
	    (r = tl_key_load(AT_FDCWD, relay.config.ssh_ca_key, &key, err)))
		return r;
	print_authority(key, &relay);
	return 0;
}

/* Prints a list, a line each, the members in this order; what is not there is "-". */
static void print_rows(const json_t *list, const char *const *names)
{
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row)
	{
		for (const char *const *name = names; *name; name++) {
			const json_t *value = json_object_get(row, *name);
			const char *gap = name == names ? "" : "  ";

			if (json_is_integer(value))
				printf("%s%lld", gap, (long long)json_integer_value(value));
			else
				printf("%s%s", gap,
				       json_is_string(value) ? json_string_value(value) : "-");
		}
		putchar('\n');
	}
}

static int open_store(const struct tl_cli *cli, struct tl_relay *relay, struct tl_store **ret_store,
		      struct tl_err *err)
{
	int r = tl_relay_open(cli, relay, err);

	return r ? r : tl_relay_open_store(relay, ret_store, err);
}

int tl_relay_ca_list(const struct tl_cli *cli, struct tl_err *err)
{
	static const char *const names[] = {"serial",  "login",	      "expires",
					    "address", "fingerprint", NULL};
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_store) struct tl_store *store = NULL;
	tl_json *list = NULL;
	int r;

	if ((r = open_store(cli, &relay, &store, err)) ||
	    (r = tl_ssh_ca_list(store, tl_clock_wall_ms(tl_clock_system()), &list, err)))
		return r;
	print_rows(list, names);
	return 0;
}

/* ---- revocation --------------------------------------------------------------------------------- */

static int add_revocation(struct tl_change *change, void *arg, struct tl_err *err)
{
	return tl_revocation_add(change, arg, err);
}

static int revoke_it(const struct tl_cli *cli, const char *kind, const char *value,
		     struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	const char *reason = tl_cli_get(cli, "reason");
	struct tl_revocation what = {kind, value, reason ? reason : ""};
	int r = tl_relay_open(cli, &relay, err);

	return r ? r : tl_relay_change(&relay, add_revocation, &what, err);
}

int tl_relay_revoke_serial(const struct tl_cli *cli, struct tl_err *err)
{
	return revoke_it(cli, "serial", tl_cli_operand(cli, 0), err);
}

int tl_relay_revoke_id(const struct tl_cli *cli, struct tl_err *err)
{
	return revoke_it(cli, "id", tl_cli_operand(cli, 0), err);
}

int tl_relay_revoke_key(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(16384);
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	const char *what = tl_cli_operand(cli, 0);
	char fingerprint[TL_SSH_FINGERPRINT_MAX];
	int r;

	if (tl_sshkey_is_fingerprint(what))
		return revoke_it(cli, "key", what, err);
	if ((r = tl_fs_read_file(AT_FDCWD, what, &text, err)) ||
	    (r = tl_sshkey_of_line(tl_buf_str(&text), &blob, err)))
		return r;
	tl_sshkey_fingerprint(blob.data, blob.len, fingerprint);
	return revoke_it(cli, "key", fingerprint, err);
}

int tl_relay_revoke_list(const struct tl_cli *cli, struct tl_err *err)
{
	static const char *const names[] = {"at", "kind", "value", "actor", "reason", NULL};
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_store) struct tl_store *store = NULL;
	tl_json *list = NULL;
	int r;

	if ((r = open_store(cli, &relay, &store, err)) ||
	    (r = tl_revocation_list(store, &list, err)))
		return r;
	print_rows(list, names);
	return 0;
}
