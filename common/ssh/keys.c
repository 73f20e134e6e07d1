#include "ssh/keys.h"

#include <string.h>
#include <towline/sshkey.h>
#include <towline/str.h>

/* Key types that may authenticate; the name is that of the blob's first field. */
static const struct {
	enum ssh_keytypes_e type;
	const char *name;
} accepted_types[] = {
	{SSH_KEYTYPE_ED25519, "ssh-ed25519"},
	{SSH_KEYTYPE_SK_ED25519, "sk-ssh-ed25519@openssh.com"},
	{SSH_KEYTYPE_ECDSA_P256, "ecdsa-sha2-nistp256"},
	{SSH_KEYTYPE_ECDSA_P384, "ecdsa-sha2-nistp384"},
	{SSH_KEYTYPE_ECDSA_P521, "ecdsa-sha2-nistp521"},
	{SSH_KEYTYPE_SK_ECDSA, "sk-ecdsa-sha2-nistp256@openssh.com"},
	{SSH_KEYTYPE_RSA, "ssh-rsa"},
};

static const enum ssh_keytypes_e certificate_types[] = {
	SSH_KEYTYPE_ED25519_CERT01,    SSH_KEYTYPE_SK_ED25519_CERT01, SSH_KEYTYPE_ECDSA_P256_CERT01,
	SSH_KEYTYPE_ECDSA_P384_CERT01, SSH_KEYTYPE_ECDSA_P521_CERT01, SSH_KEYTYPE_SK_ECDSA_CERT01,
	SSH_KEYTYPE_RSA_CERT01,
};

bool tl_ssh_key_is_certificate(const ssh_key key)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(certificate_types); i++)
		if (certificate_types[i] == ssh_key_type(key))
			return true;
	return false;
}

bool tl_ssh_key_is_security_key(const ssh_key key)
{
	switch (ssh_key_type(key)) {
	case SSH_KEYTYPE_SK_ED25519:
	case SSH_KEYTYPE_SK_ED25519_CERT01:
	case SSH_KEYTYPE_SK_ECDSA:
	case SSH_KEYTYPE_SK_ECDSA_CERT01:
		return true;
	default:
		return false;
	}
}

static bool is_accepted(enum ssh_keytypes_e type)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(accepted_types); i++)
		if (accepted_types[i].type == type)
			return true;
	return false;
}

static int export_text(const ssh_key key, struct tl_buf *out, struct tl_err *err)
{
	char *text = NULL;

	if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
		return tl_err_set(err, TL_EINVAL, "the key cannot be read");
	tl_buf_reset(out);
	tl_buf_puts(out, text);
	ssh_string_free_char(text);
	return tl_buf_check(out);
}

int tl_ssh_certificate_text(const ssh_key key, struct tl_buf *out, struct tl_err *err)
{
	return export_text(key, out, err);
}

int tl_ssh_key_text(const ssh_key key, struct tl_buf *out, struct tl_err *err)
{
	if (!is_accepted(ssh_key_type(key)))
		return tl_err_set(err, TL_EUNSUPPORTED,
				  "keys of type %s are not accepted: use a plain Ed25519, ECDSA or "
				  "RSA key",
				  ssh_key_type_to_char(ssh_key_type(key)));
	return export_text(key, out, err);
}

/* The blob begins with its type's name as an SSH string (RFC 4251 §5). */
static bool blob_is_of(const struct tl_buf *blob, const char *name)
{
	size_t len = strlen(name);
	const uint8_t *bytes = (const uint8_t *)blob->data;

	return blob->len > 4 + len && bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 0 &&
	       bytes[3] == len && memcmp(bytes + 4, name, len) == 0;
}

static const char *accepted_name(const char *text, size_t len)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(accepted_types); i++)
		if (strlen(accepted_types[i].name) == len &&
		    memcmp(text, accepted_types[i].name, len) == 0)
			return accepted_types[i].name;
	return NULL;
}

int tl_ssh_key_of_line(const char *line, struct tl_buf *out, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_TEXT_MAX);
	size_t type_len = strcspn(line, " \t");
	const char *name = accepted_name(line, type_len);
	const char *base64 = line + type_len + strspn(line + type_len, " \t");
	size_t len = strcspn(base64, " \t");

	if (!name)
		return tl_err_set(
			err, TL_EUNSUPPORTED,
			"not a plain public key line (TYPE BASE64 COMMENT; no options, no "
			"certificate)");
	if (tl_base64_decode(&blob, base64, len) != 0 || tl_buf_check(&blob) != 0 ||
	    !blob_is_of(&blob, name))
		return tl_err_set(err, TL_EINVAL, "the %s key is damaged", name);
	tl_buf_reset(out);
	tl_buf_append(out, base64, len);
	return tl_buf_check(out);
}

/* libssh reads a PKCS#8 Ed25519 key but forgets its public half (0.10.6: "ssh_get_key_params: Out of
 * memory"); of OpenSSH's own format it reads both. */
int tl_ssh_key_import(const struct tl_key *key, ssh_key *ret_key, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(TL_SSH_KEY_TEXT_MAX);

	if (tl_sshkey_private(key, "", &text) != 0 ||
	    ssh_pki_import_privkey_base64(tl_buf_str(&text), NULL, NULL, NULL, ret_key) != SSH_OK)
		return tl_err_set(err, TL_EINTERNAL, "the key cannot be handed to the SSH library");
	return 0;
}
