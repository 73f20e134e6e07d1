/* Public keys as people have them: lines, and fingerprints of them. */
#include <stdio.h>
#include <string.h>
#include <towline/crypto.h>
#include <towline/sshkey.h>
#include <towline/str.h>

#define FINGERPRINT_PREFIX "SHA256:"

static const char *const key_types[] = {
	"ssh-ed25519",
	"ecdsa-sha2-nistp256",
	"ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521",
	"sk-ssh-ed25519@openssh.com",
	"sk-ecdsa-sha2-nistp256@openssh.com",
	"ssh-rsa",
};

static bool is_known_type(const char *name, size_t len)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(key_types); i++)
		if (strlen(key_types[i]) == len && memcmp(key_types[i], name, len) == 0)
			return true;
	return false;
}

static bool is_one_line(const char *text)
{
	const char *end = text + strcspn(text, "\r\n");

	return end[strspn(end, "\r\n")] == '\0';
}

int tl_sshkey_of_line(const char *line, struct tl_buf *blob, struct tl_err *err)
{
	size_t type_len = strcspn(line, " ");
	const char *at = line + type_len + strspn(line + type_len, " ");
	struct tl_ssh_reader reader;
	size_t before = blob->len;
	struct tl_ssh_string type;

	if (!is_known_type(line, type_len) || !is_one_line(line))
		return tl_err_set(err, TL_EINVAL, "\"%.40s\" is not a plain SSH public key", line);
	if (tl_base64_decode(blob, at, strcspn(at, " \t\r\n")) || tl_buf_check(blob) ||
	    blob->len == before)
		return tl_err_set(err, TL_EINVAL, "the SSH public key is damaged");
	reader = (struct tl_ssh_reader){.at = (const uint8_t *)blob->data + before,
					.left = blob->len - before};
	type = tl_ssh_read_string(&reader);
	if (reader.bad || type.len != type_len || memcmp(type.bytes, line, type_len) != 0)
		return tl_err_set(err, TL_EINVAL, "the SSH public key is damaged");
	return 0;
}

void tl_sshkey_fingerprint(const void *blob, size_t len,
			   char fingerprint[static TL_SSH_FINGERPRINT_MAX])
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(64);
	uint8_t digest[TL_SHA256_LEN];

	tl_sha256_of(blob, len, digest);
	tl_base64_encode(&text, digest, sizeof digest);
	snprintf(fingerprint, TL_SSH_FINGERPRINT_MAX, FINGERPRINT_PREFIX "%.43s",
		 tl_buf_str(&text));
}

bool tl_sshkey_is_fingerprint(const char *text)
{
	tl_auto(tl_buf) struct tl_buf digest = TL_BUF_INIT(TL_SHA256_LEN);
	char padded[48];

	if (!tl_str_starts(text, FINGERPRINT_PREFIX) || strlen(text) != TL_SSH_FINGERPRINT_MAX - 1)
		return false;
	snprintf(padded, sizeof padded, "%s=", text + strlen(FINGERPRINT_PREFIX));
	return tl_base64_decode(&digest, padded, strlen(padded)) == 0 &&
	       digest.len == TL_SHA256_LEN;
}
