/* `towline roster`: the file that an offline key signs, made and checked without a relay. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <towline/fs.h>
#include <towline/roster.h>
#include <towline/sshkey.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/signing.h"

#define DAY_MS INT64_C(86400000)
#define DAYS_DEFAULT 90
#define DAYS_MAX 3660
#define LINE_MAX_BYTES 8192

/* ---- the file ---------------------------------------------------------------------------------- */

static int load(const char *file, json_t **ret_roster, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_ROSTER_MAX);
	int rc = tl_fs_read_file(AT_FDCWD, file, &text, err);

	if (rc == 0)
		rc = tl_json_parse(tl_buf_str(&text), text.len, ret_roster, err);
	if (rc == 0 && !json_is_array(json_object_get(*ret_roster, "engineers"))) {
		json_decref(tl_steal(ret_roster));
		rc = tl_err_set(err, TL_EINVAL, "it is no roster");
	}
	return rc == 0 ? 0 : tl_err_prefix(err, "%s", file);
}

/* Only what an endpoint would read; a draft has the version 0. */
static int check(const json_t *roster, struct tl_err *err)
{
	tl_auto(tl_roster) struct tl_roster read = {.version = 0};
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_ROSTER_MAX);
	tl_json *next = json_copy((json_t *)(uintptr_t)roster);

	if (json_integer_value(json_object_get(roster, "version")) == 0)
		json_object_set_new(next, "version", json_integer(1));
	tl_json_write(&text, next);
	if (tl_buf_check(&text))
		return tl_err_set(err, TL_ETOOBIG, "a roster has at most %d bytes", TL_ROSTER_MAX);
	return tl_roster_read(text.data, text.len, &read, err);
}

static int save(const char *file, const json_t *roster, bool anew, struct tl_err *err)
{
	tl_free char *text = json_dumps(roster, JSON_INDENT(2) | JSON_SORT_KEYS);
	int rc = check(roster, err);

	if (rc != 0)
		return rc;
	if (!text)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	return anew ? tl_fs_create_file(AT_FDCWD, file, 0644, text, strlen(text), err)
		    : tl_fs_write_file(AT_FDCWD, file, 0644, text, strlen(text), err);
}

static void set_expiry(json_t *roster, int64_t days)
{
	char text[TL_TIME_TEXT];

	tl_time_rfc3339(tl_clock_wall_ms(tl_clock_system()) + days * DAY_MS, text);
	json_object_set_new(roster, "expires", json_string(text));
}

int tl_command_roster_init(const struct tl_cli *cli, struct tl_err *err)
{
	tl_json *roster = json_pack("{s:i, s:[]}", "version", 0, "engineers");

	set_expiry(roster, DAYS_DEFAULT);
	return save(tl_cli_operand(cli, 0), roster, true, err);
}

/* ---- entries ----------------------------------------------------------------------------------- */

static bool drop_engineer(json_t *engineers, const char *login)
{
	for (size_t i = 0; i < json_array_size(engineers); i++) {
		const json_t *entry = json_array_get(engineers, i);

		if (!tl_streq(json_string_value(json_object_get(entry, "login")), login))
			continue;
		json_array_remove(engineers, i);
		return true;
	}
	return false;
}

static int add_keys(const struct tl_cli *cli, json_t *list, struct tl_err *err)
{
	const char *file;

	for (size_t i = 0; (file = tl_cli_get_nth(cli, "key", i)); i++) {
		tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(LINE_MAX_BYTES);
		tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
		int rc = tl_fs_read_file(AT_FDCWD, file, &line, err);

		if (rc == 0)
			rc = tl_sshkey_of_line(tl_buf_str(&line), &blob, err);
		if (rc != 0)
			return tl_err_prefix(err, "%s", file);
		json_array_append_new(list, json_stringn(line.data, strcspn(line.data, "\r\n")));
	}
	if (json_array_size(list) == 0)
		return tl_err_set(err, TL_EUSAGE, "which keys? give --key FILE.pub");
	return 0;
}

static int add_scopes(const struct tl_cli *cli, json_t *entry, struct tl_err *err)
{
	const char *text = tl_cli_get(cli, "scopes");
	unsigned scopes = 0;
	int rc = text ? tl_scopes_parse(text, &scopes, err) : 0;

	if (rc == 0 && text)
		json_object_set_new(entry, "scopes", tl_grant_scopes_json(scopes));
	return rc;
}

int tl_command_roster_add(const struct tl_cli *cli, struct tl_err *err)
{
	const char *file = tl_cli_operand(cli, 0), *login = tl_cli_operand(cli, 1);
	const char *name = tl_cli_get(cli, "name"), *expires = tl_cli_get(cli, "expires");
	tl_json *roster = NULL, *entry = NULL;
	json_t *keys = json_array(), *engineers;
	int rc;

	entry = json_pack("{s:s, s:s, s:o, s:s*}", "login", login, "name", name ? name : login,
			  "keys", keys, "expires", expires);
	if (!entry)
		return tl_err_set(err, TL_EUSAGE, "the login or name is not UTF-8");
	if (tl_cli_has(cli, "break-glass"))
		json_object_set_new(entry, "break_glass", json_true());
	rc = load(file, &roster, err);
	if (rc == 0)
		rc = add_keys(cli, keys, err);
	if (rc == 0)
		rc = add_scopes(cli, entry, err);
	if (rc != 0)
		return rc;
	engineers = json_object_get(roster, "engineers");
	drop_engineer(engineers, login);
	json_array_append(engineers, entry);
	return save(file, roster, false, err);
}

int tl_command_roster_remove(const struct tl_cli *cli, struct tl_err *err)
{
	const char *file = tl_cli_operand(cli, 0), *login = tl_cli_operand(cli, 1);
	tl_json *roster = NULL;
	int rc = load(file, &roster, err);

	if (rc == 0 && !drop_engineer(json_object_get(roster, "engineers"), login))
		rc = tl_err_set(err, TL_ENOENT, "the roster has no engineer \"%s\"", login);
	return rc == 0 ? save(file, roster, false, err) : rc;
}

/* ---- the signature ----------------------------------------------------------------------------- */

static void name_signature(const char *file, char name[static 4096])
{
	snprintf(name, 4096, "%s.sig", file);
}

static int fingerprint_of_signer(const struct tl_buf *text, const char *signature,
				 char fingerprint[static TL_SSH_FINGERPRINT_MAX],
				 struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	int rc = tl_sshsig_verify(signature, TL_SSHSIG_ROSTER, text->data, text->len, &key, err);

	if (rc == 0)
		tl_sshkey_fingerprint(key.data, key.len, fingerprint);
	return rc;
}

static int raise_version(const char *file, int64_t days, struct tl_err *err)
{
	tl_json *roster = NULL;
	int rc = load(file, &roster, err);

	if (rc != 0)
		return rc;
	json_object_set_new(roster, "version",
			    json_integer(json_integer_value(json_object_get(roster, "version")) +
					 1));
	set_expiry(roster, days);
	return save(file, roster, false, err);
}

int tl_command_roster_sign(const struct tl_cli *cli, struct tl_err *err)
{
	const char *file = tl_cli_operand(cli, 0), *text_days = tl_cli_get(cli, "days");
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_ROSTER_MAX);
	tl_auto(tl_buf) struct tl_buf signature = TL_BUF_INIT(TL_SSHSIG_MAX);
	char name[4096], fingerprint[TL_SSH_FINGERPRINT_MAX];
	const char *key_file = tl_cli_get(cli, "key");
	struct tl_signing_key key = {.file = (char *)(uintptr_t)key_file};
	int64_t days = DAYS_DEFAULT;
	int rc;

	if (!key_file)
		return tl_err_set(err, TL_EUSAGE, "which key? give --key FILE");
	if (text_days && tl_str_i64(text_days, 1, DAYS_MAX, &days) != 0)
		return tl_err_set(err, TL_EUSAGE, "--days takes 1 to %d", DAYS_MAX);
	name_signature(file, name);
	rc = raise_version(file, days, err);
	if (rc == 0)
		rc = tl_fs_read_file(AT_FDCWD, file, &text, err);
	if (rc == 0)
		rc = tl_signing_sign(&key, TL_SSHSIG_ROSTER, text.data, text.len, &signature, err);
	if (rc == 0)
		rc = fingerprint_of_signer(&text, tl_buf_str(&signature), fingerprint, err);
	if (rc == 0)
		rc = tl_fs_write_file(AT_FDCWD, name, 0644, signature.data, signature.len, err);
	if (rc == 0)
		printf("Signed by %s: %s\n", fingerprint, name);
	return rc;
}

static int read_both(const char *file, struct tl_buf *text, struct tl_buf *signature,
		     struct tl_err *err)
{
	char name[4096];
	int rc = tl_fs_read_file(AT_FDCWD, file, text, err);

	name_signature(file, name);
	return rc ? rc : tl_fs_read_file(AT_FDCWD, name, signature, err);
}

static void print_engineer(const struct tl_roster_engineer *engineer)
{
	tl_auto(tl_buf) struct tl_buf scopes = TL_BUF_INIT(128), name = TL_BUF_INIT(1024);

	tl_scopes_write(engineer->scopes, &scopes);
	tl_str_printable(&name, engineer->name, strlen(engineer->name));
	printf("%-16s %-24s %s%s\n", engineer->login, tl_buf_str(&name), tl_buf_str(&scopes),
	       engineer->break_glass ? " break-glass" : "");
	for (size_t i = 0; i < engineer->keys.count; i++)
		printf("\t%s\n", engineer->keys.items[i]);
}

int tl_command_roster_verify(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_ROSTER_MAX);
	tl_auto(tl_buf) struct tl_buf signature = TL_BUF_INIT(TL_SSHSIG_MAX);
	tl_auto(tl_roster) struct tl_roster roster = {.version = 0};
	const char *pinned = tl_cli_get(cli, "fingerprint");
	char fingerprint[TL_SSH_FINGERPRINT_MAX], expires[TL_TIME_TEXT];
	int rc = read_both(tl_cli_operand(cli, 0), &text, &signature, err);

	if (rc == 0)
		rc = fingerprint_of_signer(&text, tl_buf_str(&signature), fingerprint, err);
	if (rc == 0)
		rc = tl_roster_verify(text.data, text.len, tl_buf_str(&signature),
				      pinned ? pinned : fingerprint, &roster, err);
	if (rc == 0)
		rc = tl_roster_check_time(&roster, tl_clock_system(), err);
	if (rc != 0)
		return rc;
	tl_time_rfc3339(roster.expires_ms, expires);
	printf("Version %" PRId64 ", good until %s, signed by %s\n", roster.version, expires,
	       fingerprint);
	for (size_t i = 0; i < roster.count; i++)
		print_engineer(&roster.engineers[i]);
	return 0;
}

int tl_command_roster_publish(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_ROSTER_MAX);
	tl_auto(tl_buf) struct tl_buf signature = TL_BUF_INIT(TL_SSHSIG_MAX);
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_json *body = NULL, *reply = NULL;
	int rc = read_both(tl_cli_operand(cli, 0), &text, &signature, err);

	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc != 0)
		return rc;
	body = json_pack("{s:s, s:s}", "roster", tl_buf_str(&text), "signature",
			 tl_buf_str(&signature));
	if (!body)
		return tl_err_set(err, TL_EINVAL, "the roster is not UTF-8");
	rc = tl_api_post(api, "/v1/roster", body, &reply, err);
	if (rc == 0)
		printf("Published.\n");
	return rc;
}
