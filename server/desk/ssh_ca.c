#include "desk/ssh_ca.h"

#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "desk/reply.h"

#define NONCE_LEN 32
#define TYPE_USER 1
#define BLOB_MAX 12288
#define PERMITS_MAX 512

static const char *const permits[] = {"permit-agent-forwarding", "permit-port-forwarding",
				      "permit-pty"};

/* "ssh-ed25519" and "sk-ssh-ed25519@openssh.com" alike become "…-cert-v01@openssh.com". */
static void type_of(struct tl_ssh_string plain, char type[static 96])
{
	static const char domain[] = "@openssh.com";
	size_t len = plain.len;

	if (len > sizeof domain - 1 &&
	    memcmp(plain.bytes + len - (sizeof domain - 1), domain, sizeof domain - 1) == 0)
		len -= sizeof domain - 1;
	snprintf(type, 96, "%.*s-cert-v01%s", (int)len, (const char *)plain.bytes, domain);
}

/* Options and extensions are pairs of strings; what a value holds is a string within it. */
static void put_pair(struct tl_buf *out, const char *name, const char *value)
{
	tl_auto(tl_buf) struct tl_buf inner = TL_BUF_INIT(PERMITS_MAX);

	if (value)
		tl_ssh_put_text(&inner, value);
	tl_ssh_put_text(out, name);
	tl_ssh_put_string(out, tl_buf_str(&inner), inner.len);
}

static void put_lists(const struct tl_ssh_ca_wish *wish, struct tl_buf *out)
{
	tl_auto(tl_buf) struct tl_buf critical = TL_BUF_INIT(PERMITS_MAX);
	tl_auto(tl_buf) struct tl_buf extensions = TL_BUF_INIT(PERMITS_MAX);

	if (wish->source)
		put_pair(&critical, "source-address", wish->source);
	for (size_t i = 0; i < TL_ARRAY_LEN(permits); i++)
		put_pair(&extensions, permits[i], NULL);
	if (wish->second_factor)
		put_pair(&extensions, TL_SSH_CA_SECOND_FACTOR, NULL);
	tl_ssh_put_string(out, tl_buf_str(&critical), critical.len);
	tl_ssh_put_string(out, tl_buf_str(&extensions), extensions.len);
	tl_ssh_put_text(out, ""); /* reserved */
}

static void put_key_of(const struct tl_key *key, struct tl_buf *out)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(128);
	uint8_t public[TL_ED25519_PUBLIC_LEN];

	tl_key_public(key, public);
	tl_ssh_put_text(&blob, "ssh-ed25519");
	tl_ssh_put_string(&blob, public, sizeof public);
	tl_ssh_put_string(out, tl_buf_str(&blob), blob.len);
}

static int put_signature(const struct tl_key *authority, struct tl_buf *out)
{
	tl_auto(tl_buf) struct tl_buf signature = TL_BUF_INIT(256);
	uint8_t bytes[TL_ED25519_SIGNATURE_LEN];
	int r = tl_buf_check(out);

	if (r || (r = tl_key_sign(authority, out->data, out->len, bytes)))
		return r;
	tl_ssh_put_text(&signature, "ssh-ed25519");
	tl_ssh_put_string(&signature, bytes, sizeof bytes);
	tl_ssh_put_string(out, tl_buf_str(&signature), signature.len);
	return tl_buf_check(out);
}

/* `blob`: the engineer's plain key. */
static int make(const struct tl_ssh_ca_wish *wish, const struct tl_ssh_ca_issued *issued,
		const struct tl_buf *blob, int64_t now_s, struct tl_buf *line)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(BLOB_MAX);
	tl_auto(tl_buf) struct tl_buf principals = TL_BUF_INIT(PERMITS_MAX);
	struct tl_ssh_reader fields = {.at = (const uint8_t *)blob->data, .left = blob->len};
	struct tl_ssh_string plain = tl_ssh_read_string(&fields);
	uint8_t nonce[NONCE_LEN];
	char type[96];
	int r;

	tl_random(nonce, sizeof nonce);
	type_of(plain, type);
	tl_ssh_put_text(&out, type);
	tl_ssh_put_string(&out, nonce, sizeof nonce);
	tl_buf_append(&out, fields.at, fields.left); /* the plain key's own fields */
	tl_ssh_put_u64(&out, (uint64_t)issued->serial);
	tl_ssh_put_u32(&out, TYPE_USER);
	tl_ssh_put_text(&out, issued->key_id);
	tl_ssh_put_text(&principals, wish->login);
	tl_ssh_put_string(&out, tl_buf_str(&principals), principals.len);
	tl_ssh_put_u64(&out, (uint64_t)(now_s - TL_SSH_CA_SKEW_S));
	tl_ssh_put_u64(&out, (uint64_t)(issued->expires_ms / 1000));
	put_lists(wish, &out);
	put_key_of(wish->authority, &out);
	r = put_signature(wish->authority, &out);
	if (r)
		return r;
	tl_buf_printf(line, "%s ", type);
	tl_base64_encode(line, out.data, out.len);
	tl_buf_printf(line, " %s", issued->key_id);
	return tl_buf_check(line);
}

static int note(struct tl_change *change, const struct tl_ssh_ca_wish *wish,
		const struct tl_ssh_ca_issued *issued, const char *fingerprint, struct tl_err *err)
{
	char serial[24];
	int r = tl_store_exec(
		change->store,
		"INSERT INTO ssh_certificate (serial, user_id, key_id, fingerprint, address, "
		"second_factor, issued_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		TL_ARGS(TL_ARG_INT(issued->serial), TL_ARG_TEXT(wish->user),
			TL_ARG_TEXT(issued->key_id), TL_ARG_TEXT(fingerprint),
			TL_ARG_TEXT(change->address), TL_ARG_INT(wish->second_factor),
			TL_ARG_INT(change->now_ms), TL_ARG_INT(issued->expires_ms)),
		NULL, err);

	if (r)
		return r;
	snprintf(serial, sizeof serial, "%lld", (long long)issued->serial);
	return tl_change_tell(
		change,
		&(struct tl_fact){.action = "ssh-certificate.issue",
				  .object_kind = "ssh-certificate",
				  .object = serial,
				  .detail = json_pack("{s:s, s:s, s:s, s:b, s:s?}", "login",
						      wish->login, "key_id", issued->key_id,
						      "fingerprint", fingerprint, "second_factor",
						      (int)wish->second_factor, "source_address",
						      wish->source)},
		err);
}

int tl_ssh_ca_issue(struct tl_change *change, const struct tl_ssh_ca_wish *wish,
		    struct tl_buf *line, struct tl_ssh_ca_issued *ret_issued, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	struct tl_ssh_ca_issued issued = {.serial = 0};
	char fingerprint[TL_SSH_FINGERPRINT_MAX];
	int r;

	if ((r = tl_sshkey_of_line(wish->key_line, &blob, err)) ||
	    (r = tl_sshkey_check((struct tl_ssh_string){(const uint8_t *)blob.data, blob.len},
				 err)) ||
	    (r = tl_store_next_number(change->store, "ssh-certificate", &issued.serial, err)))
		return r;
	issued.expires_ms = change->now_ms + wish->life_s * 1000;
	snprintf(issued.key_id, sizeof issued.key_id, "%s towline #%lld", wish->login,
		 (long long)issued.serial);
	tl_buf_reset(line);
	r = make(wish, &issued, &blob, change->now_ms / 1000, line);
	if (r)
		return tl_err_set(err, r, "the certificate cannot be made");
	tl_sshkey_fingerprint(blob.data, blob.len, fingerprint);
	r = note(change, wish, &issued, fingerprint, err);
	if (r == 0)
		*ret_issued = issued;
	return r;
}

int tl_ssh_ca_list(struct tl_store *store, int64_t now_ms, json_t **ret_list, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	tl_json *list = json_array();
	int r = tl_store_query(
		store,
		"SELECT c.serial, u.login, c.key_id, c.fingerprint, c.address, c.issued_ms, "
		"c.expires_ms FROM ssh_certificate c JOIN app_user u ON u.id = c.user_id "
		"WHERE c.expires_ms > $1 ORDER BY c.serial DESC",
		TL_ARGS(TL_ARG_INT(now_ms)), &rows, err);

	if (r)
		return r;
	while ((r = tl_rows_next(rows, err)) > 0)
		json_array_append_new(list, json_pack("{s:I, s:s, s:s, s:s, s:o, s:o, s:o}",
						      "serial", (json_int_t)tl_rows_int(rows, 0),
						      "login", tl_rows_text(rows, 1), "key_id",
						      tl_rows_text(rows, 2), "fingerprint",
						      tl_rows_text(rows, 3), "address",
						      tl_row_text(rows, 4), "issued",
						      tl_row_time(rows, 5), "expires",
						      tl_row_time(rows, 6)));
	if (r == 0)
		*ret_list = tl_steal(&list);
	return r;
}
