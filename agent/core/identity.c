#include "core/identity.h"

#include <stdio.h>
#include <towline/fs.h>
#include <towline/json.h>
#include <towline/str.h>

#include "core/token.h"

#define FILE_MAX 8192

struct identity_text {
	const char *host_id, *relay_id, *url, *name, *authority_key, *roster_key;
};

static const struct tl_json_member members[] = {
	{"authority_key", TL_JSON_TEXT, true, offsetof(struct identity_text, authority_key)},
	{"host_id", TL_JSON_ID, true, offsetof(struct identity_text, host_id)},
	{"name", TL_JSON_TEXT, true, offsetof(struct identity_text, name), 0, 255},
	{"relay_id", TL_JSON_ID, true, offsetof(struct identity_text, relay_id)},
	{"roster_key", TL_JSON_TEXT, false, offsetof(struct identity_text, roster_key)},
	{"url", TL_JSON_TEXT, true, offsetof(struct identity_text, url), 0, TL_ENROL_URL_MAX},
};

int tl_identity_from_json(const json_t *json, struct tl_identity *ret_identity, struct tl_err *err)
{
	struct identity_text text = {.roster_key = ""};
	struct tl_key *key = NULL;
	int rc = tl_json_read(json, members, TL_ARRAY_LEN(members), &text, err);

	if (rc != 0)
		return rc;
	if (!tl_relay_url_is_valid(text.url))
		return tl_err_set(err, TL_EINVAL, "the relay's address is no https URL");
	if (text.roster_key[0] && !tl_sshkey_is_fingerprint(text.roster_key))
		return tl_err_set(err, TL_EINVAL, "the key of the roster is no fingerprint");
	rc = tl_public_key_parse(text.authority_key, &key, err);
	tl_key_free(key);
	if (rc != 0)
		return rc;
	snprintf(ret_identity->host_id, sizeof(ret_identity->host_id), "%s", text.host_id);
	snprintf(ret_identity->relay_id, sizeof(ret_identity->relay_id), "%s", text.relay_id);
	snprintf(ret_identity->url, sizeof(ret_identity->url), "%s", text.url);
	snprintf(ret_identity->name, sizeof(ret_identity->name), "%s", text.name);
	snprintf(ret_identity->authority_key, sizeof(ret_identity->authority_key), "%s",
		 text.authority_key);
	snprintf(ret_identity->roster_key, sizeof(ret_identity->roster_key), "%s", text.roster_key);
	return 0;
}

json_t *tl_identity_json(const struct tl_identity *identity)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*}", "host_id", identity->host_id,
			 "relay_id", identity->relay_id, "url", identity->url, "name",
			 identity->name, "authority_key", identity->authority_key, "roster_key",
			 identity->roster_key[0] ? identity->roster_key : NULL);
}

void tl_identity_relay_host(const struct tl_identity *identity, char host[static TL_RELAY_HOST_MAX])
{
	const char *begin = strstr(identity->url, "://");
	size_t len;

	begin = begin ? begin + 3 : identity->url;
	if (*begin == '[')
		len = strcspn(++begin, "]");
	else
		len = strcspn(begin, ":/");
	if (len >= TL_RELAY_HOST_MAX)
		len = 0;
	memcpy(host, begin, len);
	host[len] = '\0';
}

bool tl_identity_equal(const struct tl_identity *a, const struct tl_identity *b)
{
	return tl_streq(a->host_id, b->host_id) && tl_streq(a->relay_id, b->relay_id) &&
	       tl_streq(a->authority_key, b->authority_key) &&
	       tl_streq(a->roster_key, b->roster_key);
}

int tl_identity_load(int state_fd, struct tl_identity *ret_identity, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(FILE_MAX);
	tl_json *json = NULL;
	int rc = tl_fs_read_file(state_fd, TL_IDENTITY_FILE, &text, err);

	if (rc == TL_ENOENT)
		return tl_err_set(err, TL_ENOENT,
				  "this host is not enrolled: run \"towline-agent enroll TOKEN\"");
	if (rc == 0)
		rc = tl_json_parse(tl_buf_str(&text), text.len, &json, err);
	if (rc == 0)
		rc = tl_identity_from_json(json, ret_identity, err);
	return rc == 0 ? 0 : tl_err_prefix(err, TL_IDENTITY_FILE);
}

int tl_identity_save(int state_fd, const struct tl_identity *identity, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(FILE_MAX);
	tl_json *json = tl_identity_json(identity);

	if (!json)
		return tl_err_set(err, TL_EINVAL, "the relay gave a name that is no UTF-8");
	tl_json_write(&text, json);
	tl_buf_putc(&text, '\n');
	if (tl_buf_check(&text) != 0)
		return tl_err_set(err, TL_ETOOBIG, "the identity does not fit its file");
	return tl_fs_write_file(state_fd, TL_IDENTITY_FILE, 0644, text.data, text.len, err);
}

int tl_identity_key(int state_fd, const char *file, struct tl_key **ret_key, struct tl_err *err)
{
	tl_auto(tl_key) struct tl_key *key = NULL;
	int rc = tl_key_load(state_fd, file, &key, err);

	if (rc == TL_ENOENT) {
		rc = tl_key_generate(&key, err);
		if (rc == 0)
			rc = tl_key_save(key, state_fd, file, err);
	}
	if (rc == 0)
		*ret_key = tl_steal(&key);
	return rc;
}

int tl_public_key_parse(const char *text, struct tl_key **ret_key, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_INIT(TL_ED25519_PUBLIC_LEN);

	if (tl_base64url_decode(&bytes, text, strlen(text)) != 0 ||
	    bytes.len != TL_ED25519_PUBLIC_LEN)
		return tl_err_set(err, TL_EINVAL, "a public key is not 32 bytes in base64url");
	return tl_key_from_public((const uint8_t *)bytes.data, ret_key, err);
}

void tl_public_key_write(const struct tl_key *key, struct tl_buf *out)
{
	uint8_t public[TL_ED25519_PUBLIC_LEN];

	tl_key_public(key, public);
	tl_base64url_encode(out, public, sizeof(public));
}
