/* Commands on a relay's store: people, tokens, hosts, audit, schema. They work while it runs. */
#include <fcntl.h>
#include <stdio.h>
#include <towline/fs.h>
#include <towline/roster.h>
#include <towline/sshkey.h>

#include "desk/change.h"
#include "desk/host.h"
#include "desk/people.h"
#include "desk/roster.h"
#include "relay/ca.h"
#include "relay/relay.h"
#include "store/audit.h"

/* Opens relay and store by the command line and runs `body` as one change. */
static int run_change(const struct tl_cli *cli, tl_relay_change_body *body, void *arg,
		      struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	int r = tl_relay_open(cli, &relay, err);

	return r ? r : tl_relay_change(&relay, body, arg, err);
}

/* Opens relay and store for reading. */
static int open_both(const struct tl_cli *cli, struct tl_relay *relay, struct tl_store **ret_store,
		     struct tl_err *err)
{
	int r = tl_relay_open(cli, relay, err);

	return r ? r : tl_relay_open_store(relay, ret_store, err);
}

/* ---- people ----------------------------------------------------------------------------------- */

static int read_key_file(const char *path, struct tl_buf *out, struct tl_err *err)
{
	int r = tl_fs_read_file(AT_FDCWD, path, out, err);

	if (r)
		return r;
	while (out->len > 0 && strchr("\r\n ", out->data[out->len - 1]))
		out->data[--out->len] = '\0';
	if (out->len == 0 || strchr(out->data, '\n'))
		return tl_err_set(err, TL_EINVAL, "%s must hold one public key (id_….pub)", path);
	return 0;
}

struct user_command {
	struct tl_user_new user;
	const char *key; /* NULL: none */
};

static int add_user(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct user_command *command = arg;
	int r = tl_user_add(change, &command->user, err);

	if (r || !command->key)
		return r;
	return tl_user_key_add(change, command->user.login, command->key, err);
}

int tl_relay_user_add(const struct tl_cli *cli, struct tl_err *err)
{
	const char *login = tl_cli_operand(cli, 0), *name = tl_cli_get(cli, "name");
	const char *role = tl_cli_get(cli, "role"), *file = tl_cli_get(cli, "ssh-key");
	struct user_command command = {.user = {.login = login, .name = name ? name : login}};
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(8192);
	int r;

	if ((r = tl_roles_parse(role ? role : "engineer", &command.user.roles, err)) ||
	    (file && (r = read_key_file(file, &key, err))))
		return r;
	command.key = file ? tl_buf_str(&key) : NULL;
	return run_change(cli, add_user, &command, err);
}

static int add_key(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct user_command *command = arg;

	return tl_user_key_add(change, command->user.login, command->key, err);
}

int tl_relay_user_key_add(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(8192);
	struct user_command command = {.user = {.login = tl_cli_operand(cli, 0)}};
	int r = read_key_file(tl_cli_operand(cli, 1), &key, err);

	if (r)
		return r;
	command.key = tl_buf_str(&key);
	return run_change(cli, add_key, &command, err);
}

struct key_removal {
	const char *login, *fingerprint;
};

static int remove_key(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct key_removal *removal = arg;

	return tl_user_key_remove(change, removal->login, removal->fingerprint, err);
}

int tl_relay_user_key_remove(const struct tl_cli *cli, struct tl_err *err)
{
	struct key_removal removal = {tl_cli_operand(cli, 0), tl_cli_operand(cli, 1)};

	return run_change(cli, remove_key, &removal, err);
}

static int disable_user(struct tl_change *change, void *arg, struct tl_err *err)
{
	return tl_user_disable(change, *(const char **)arg, err);
}

int tl_relay_user_disable(const struct tl_cli *cli, struct tl_err *err)
{
	const char *login = tl_cli_operand(cli, 0);

	return run_change(cli, disable_user, &login, err);
}

static void print_words(const json_t *list)
{
	const json_t *word;
	size_t i;

	json_array_foreach(list, i, word) printf("%s%s", i ? "," : "", json_string_value(word));
}

int tl_relay_user_list(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_store) struct tl_store *store = NULL;
	tl_json *users = NULL;
	const json_t *user;
	size_t i;
	int r;

	if ((r = open_both(cli, &relay, &store, err)) || (r = tl_user_list(store, &users, err)))
		return r;
	json_array_foreach(users, i, user)
	{
		printf("%-20s %-24s ", json_string_value(json_object_get(user, "login")),
		       json_string_value(json_object_get(user, "name")));
		print_words(json_object_get(user, "roles"));
		printf("%s ", json_is_true(json_object_get(user, "disabled")) ? " (disabled)" : "");
		print_words(json_object_get(user, "keys"));
		putchar('\n');
	}
	return 0;
}

/* ---- tokens ----------------------------------------------------------------------------------- */

struct token_command {
	const char *login, *name;
	int64_t life_ms; /* 0: for ever */
	char id[TL_ID_LEN + 1], token[TL_TOKEN_TEXT_MAX];
};

static int create_token(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct token_command *command = arg;
	int64_t expires_ms = command->life_ms ? change->now_ms + command->life_ms : 0;

	return tl_api_token_create(change, command->login, command->name, expires_ms, command->id,
				   command->token, err);
}

static int read_life(const struct tl_cli *cli, int64_t *ret_ms, struct tl_err *err)
{
	const char *text = tl_cli_get(cli, "expires");

	if (text && (tl_str_duration_ms(text, ret_ms) || *ret_ms <= 0))
		return tl_err_set(err, TL_EUSAGE,
				  "--expires takes a duration such as 15m, 8h or 30d");
	return 0;
}

int tl_relay_token_create(const struct tl_cli *cli, struct tl_err *err)
{
	const char *name = tl_cli_get(cli, "name");
	struct token_command command = {.login = tl_cli_get(cli, "user"), .name = name ? name : ""};
	int r;

	if (!command.login)
		return tl_err_set(err, TL_EUSAGE, "whose token? give --user LOGIN");
	if ((r = read_life(cli, &command.life_ms, err)) ||
	    (r = run_change(cli, create_token, &command, err)))
		return r;
	printf("%s\n", command.token);
	tl_wipe(command.token, sizeof command.token);
	return 0;
}

struct enrol_command {
	struct tl_enrol_token_new wanted;
	struct tl_buf line;
};

static int create_enrol_token(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct enrol_command *command = arg;

	return tl_enrol_token_create(change, &command->wanted, &command->line, err);
}

/* What the token tells the agent: URL and CA. */
static int describe_relay(const struct tl_cli *cli, struct tl_buf *url,
			  char ca_sha256[static TL_SHA256_HEX],
			  char roster_key[static TL_SSH_FINGERPRINT_MAX], struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_INIT(65536);
	int r = tl_relay_open(cli, &relay, err);

	if (r)
		return r;
	snprintf(roster_key, TL_SSH_FINGERPRINT_MAX, "%s", relay.config.roster_key);
	if (tl_cli_get(cli, "url")) {
		tl_buf_puts(url, tl_cli_get(cli, "url"));
		if (!tl_str_starts(tl_buf_str(url), "https://"))
			return tl_err_set(err, TL_EUSAGE, "--url must start with https://");
	} else if ((r = tl_relay_public_url(&relay, url, err))) {
		return r;
	}
	if ((r = tl_fs_read_file(AT_FDCWD, relay.config.ca, &pem, err)))
		return r;
	return tl_ca_fingerprint(pem.data, pem.len, ca_sha256, err);
}

int tl_relay_enrol_token_create(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf url = TL_BUF_INIT(1024);
	struct enrol_command command = {.wanted = {.life_ms = TL_ENROL_LIFE_MS},
					.line = TL_BUF_SECRET_INIT(4096)};
	char ca_sha256[TL_SHA256_HEX], roster_key[TL_SSH_FINGERPRINT_MAX];
	int r;

	if ((r = read_life(cli, &command.wanted.life_ms, err)) ||
	    (r = describe_relay(cli, &url, ca_sha256, roster_key, err)))
		return r;
	command.wanted.public_url = tl_buf_str(&url);
	command.wanted.ca_sha256 = ca_sha256;
	command.wanted.roster_key = roster_key;
	r = run_change(cli, create_enrol_token, &command, err);
	if (r == 0)
		printf("%s\n", tl_buf_str(&command.line));
	tl_buf_clear(&command.line);
	return r;
}

/* ---- roster ----------------------------------------------------------------------------------- */

struct roster_command {
	struct tl_roster_text text;
	const char *pinned;
};

static int publish_roster(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct roster_command *command = arg;

	return tl_roster_publish(change, command->pinned, &command->text, err);
}

int tl_relay_roster_publish(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_ROSTER_MAX);
	tl_auto(tl_buf) struct tl_buf signature = TL_BUF_INIT(TL_SSHSIG_MAX);
	const char *file = tl_cli_operand(cli, 0);
	struct roster_command command;
	char beside[4096];
	int r = tl_relay_open(cli, &relay, err);

	snprintf(beside, sizeof beside, "%s.sig", file);
	if (r || (r = tl_fs_read_file(AT_FDCWD, file, &text, err)) ||
	    (r = tl_fs_read_file(AT_FDCWD, beside, &signature, err)))
		return r;
	command = (struct roster_command){{tl_buf_str(&text), tl_buf_str(&signature)},
					  relay.config.roster_key};
	return run_change(cli, publish_roster, &command, err);
}

/* ---- hosts ------------------------------------------------------------------------------------ */

int tl_relay_host_list(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_store) struct tl_store *store = NULL;
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	int64_t now = tl_clock_wall_ms(tl_clock_system());
	int r;

	if ((r = open_both(cli, &relay, &store, err)) ||
	    (r = tl_store_query(store, "SELECT " TL_HOST_COLUMNS " FROM host h ORDER BY h.name",
				TL_NO_ARGS, &rows, err)))
		return r;
	while ((r = tl_rows_next(rows, err)) > 0) {
		tl_json *host = tl_host_make(rows, now);

		printf("%s  %-8s %-7s %s\n", tl_rows_text(rows, 0), tl_rows_text(rows, 2),
		       json_is_true(json_object_get(host, "online")) ? "online" : "offline",
		       tl_rows_text(rows, 1));
	}
	return r;
}

static int revoke_host(struct tl_change *change, void *arg, struct tl_err *err)
{
	return tl_host_revoke(change, *(const char **)arg, err);
}

int tl_relay_host_revoke(const struct tl_cli *cli, struct tl_err *err)
{
	const char *host = tl_cli_operand(cli, 0);

	return run_change(cli, revoke_host, &host, err);
}

/* ---- audit and schema ------------------------------------------------------------------------- */

int tl_relay_audit_verify(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_store) struct tl_store *store = NULL;
	int64_t entries;
	int r;

	if ((r = open_both(cli, &relay, &store, err)) ||
	    (r = tl_audit_verify(store, &entries, err)))
		return r;
	printf("%lld entries, the chain is whole\n", (long long)entries);
	return 0;
}

int tl_relay_audit_export(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_store) struct tl_store *store = NULL;
	int r = open_both(cli, &relay, &store, err);

	return r ? r : tl_audit_export(store, stdout, err);
}

int tl_relay_migrate(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_store) struct tl_store *store = NULL;
	int r;

	if ((r = tl_relay_open(cli, &relay, err)) ||
	    (r = tl_store_open(relay.config.store, &store, err)))
		return r;
	return tl_store_migrate(store, err);
}

int tl_relay_backup(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_store) struct tl_store *store = NULL;
	const char *path = tl_cli_operand(cli, 0);
	int r;

	if ((r = open_both(cli, &relay, &store, err)) || (r = tl_store_backup(store, path, err)))
		return r;
	printf("the store, as it was a moment ago, is in %s\n", path);
	return 0;
}

int tl_relay_check_config(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	int r;

	if ((r = tl_relay_open(cli, &relay, err)) || (r = tl_relay_open_desk(&relay, err)))
		return r;
	printf("the configuration is valid\n");
	return 0;
}
