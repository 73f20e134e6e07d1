/* ssh-keygen signs what is read here, and verifies what is made here. */
#include "tests.h"

#include <openssl/evp.h>
#include <towline/crypto.h>
#include <towline/sshkey.h>
#include <towline/sshsig.h>
#include <towline/str.h>

#include "scratch.h"

#define MESSAGE "let me in\n"
#define NS TL_SSHSIG_SESSION

static int sh(const char *dir, const char *command)
{
	char line[2048];

	snprintf(line, sizeof line, "cd %s && { %s; } >/dev/null 2>&1", dir, command);
	return system(line);
}

static void read_text(const char *dir, const char *name, char *text, size_t room)
{
	char path[512];
	FILE *file;
	size_t len;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	file = fopen(path, "r");
	assert_non_null(file);
	len = fread(text, 1, room - 1, file);
	text[len] = '\0';
	fclose(file);
}

static void write_text(const char *dir, const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Makes a key (KEYGEN) and signs MESSAGE by it (SIGN: options); the armour is in `signature`. */
static void make(const char *dir, const char *keygen, const char *options,
		 char signature[static TL_SSHSIG_MAX])
{
	char command[600];

	write_text(dir, "message", MESSAGE);
	snprintf(command, sizeof command,
		 "rm -f key key.pub message.sig; ssh-keygen -q -N '' -C erin -f key %s && "
		 "ssh-keygen -q -Y sign -f key -n " NS " %s message",
		 keygen, options);
	assert_int_equal(sh(dir, command), 0);
	read_text(dir, "message.sig", signature, TL_SSHSIG_MAX);
}

static int verify(const char *signature, const char *message, struct tl_buf *key,
		  struct tl_err *err)
{
	return tl_sshsig_verify(signature, NS, message, strlen(message), key, err);
}

static void what_ssh_keygen_signs_is_verified(void **state)
{
	static const struct {
		const char *keygen, *options;
	} rows[] = {
		{"-t ed25519", ""},
		{"-t ed25519", "-O hashalg=sha256"},
		{"-t ecdsa -b 256", ""},
		{"-t ecdsa -b 384", ""},
		{"-t ecdsa -b 521", ""},
		{"-t rsa -b 2048", ""},
		{"-t rsa -b 2048", "-O hashalg=sha256"},
	};
	char signature[TL_SSHSIG_MAX], line[8192], fingerprint[TL_SSH_FINGERPRINT_MAX];

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
		tl_auto(tl_buf) struct tl_buf own = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
		struct tl_err err = TL_ERR_INIT;

		make(*state, rows[i].keygen, rows[i].options, signature);
		if (verify(signature, MESSAGE, &key, &err) != 0)
			fail_msg("%s %s: %s", rows[i].keygen, rows[i].options, tl_err_text(&err));
		read_text(*state, "key.pub", line, sizeof line);
		assert_int_equal(tl_sshkey_of_line(line, &own, &err), 0);
		assert_int_equal(key.len, own.len);
		assert_memory_equal(key.data, own.data, own.len);
		assert_int_equal(sh(*state, "ssh-keygen -lf key.pub | cut -d' ' -f2 >print"), 0);
		read_text(*state, "print", line, sizeof line);
		tl_sshkey_fingerprint(key.data, key.len, fingerprint);
		assert_int_equal(strncmp(line, fingerprint, strlen(fingerprint)), 0);
		assert_true(tl_sshkey_is_fingerprint(fingerprint));
	}
}

static void another_message_is_not_verified(void **state)
{
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	char signature[TL_SSHSIG_MAX];

	make(*state, "-t ed25519", "", signature);
	assert_int_equal(verify(signature, "let me in", &key, NULL), TL_ESIG);
	assert_int_equal(key.len, 0);
}

static void a_signature_for_another_purpose_is_refused(void **state)
{
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	char signature[TL_SSHSIG_MAX];
	struct tl_err err = TL_ERR_INIT;

	make(*state, "-t ed25519", "", signature);
	assert_int_equal(tl_sshsig_verify(signature, TL_SSHSIG_ROSTER, MESSAGE, strlen(MESSAGE),
					  &key, &err),
			 TL_EINVAL);
	assert_says(&err, "another purpose");
}

static void weak_keys_and_certificates_are_refused(void **state)
{
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	char signature[TL_SSHSIG_MAX];

	make(*state, "-t rsa -b 1024", "", signature);
	assert_int_equal(verify(signature, MESSAGE, &key, NULL), TL_EUNSUPPORTED);
	make(*state, "-t ed25519", "", signature);
	assert_int_equal(sh(*state, "ssh-keygen -q -s key -I erin -n erin key.pub && rm -f "
				    "message.sig && ssh-keygen -q -Y sign -f key-cert.pub -n " NS
				    " message"),
			 0);
	read_text(*state, "message.sig", signature, sizeof signature);
	assert_int_equal(verify(signature, MESSAGE, &key, NULL), TL_EUNSUPPORTED);
}

static void no_changed_byte_is_verified(void **state)
{
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	char signature[TL_SSHSIG_MAX];

	make(*state, "-t ed25519", "", signature);
	for (size_t i = 0; signature[i]; i++) {
		char kept = signature[i];

		if (strchr("\r\n", kept))
			continue;
		signature[i] = kept == 'A' ? 'B' : 'A';
		if (verify(signature, MESSAGE, &key, NULL) == 0)
			fail_msg("byte %zu", i);
		signature[i] = kept;
	}
	assert_int_equal(verify(signature, MESSAGE, &key, NULL), 0);
}

static void what_is_no_signature_is_said_to_be_none(void **state)
{
	static const char *const texts[] = {
		"",
		"ssh-ed25519 AAAA",
		"-----BEGIN SSH SIGNATURE-----",
		"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
		"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\nmore",
		"-----BEGIN SSH SIGNATURE-----\n!!!\n-----END SSH SIGNATURE-----\n",
	};

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(texts); i++) {
		tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
		struct tl_err err = TL_ERR_INIT;

		assert_int_equal(verify(texts[i], MESSAGE, &key, &err), TL_EINVAL);
		assert_says(&err, "no SSH signature");
	}
}

/* ---- a security key, made of software ----------------------------------------------------------- */

static void put(struct tl_buf *out, const void *bytes, size_t len)
{
	const uint8_t head[] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len};

	tl_buf_append(out, head, sizeof head);
	tl_buf_append(out, bytes, len);
}

static void put_text(struct tl_buf *out, const char *text)
{
	put(out, text, strlen(text));
}

static void write_security_blob(const struct tl_key *key, struct tl_buf *blob)
{
	uint8_t public[TL_ED25519_PUBLIC_LEN];

	tl_key_public(key, public);
	put_text(blob, "sk-ssh-ed25519@openssh.com");
	put(blob, public, sizeof public);
	put_text(blob, "ssh:");
}

/* What the token signs: application, flags, counter, message (openssh/PROTOCOL.u2f). */
static void touch(const struct tl_key *key, uint8_t flags, const struct tl_buf *text,
		  struct tl_buf *signature)
{
	uint8_t wrapped[2 * TL_SHA256_LEN + 5], raw[TL_ED25519_SIGNATURE_LEN];
	const uint8_t tail[] = {flags, 0, 0, 0, 7};

	tl_sha256_of("ssh:", 4, wrapped);
	memcpy(wrapped + TL_SHA256_LEN, tail, sizeof tail);
	tl_sha256_of(text->data, text->len, wrapped + TL_SHA256_LEN + sizeof tail);
	assert_int_equal(tl_key_sign(key, wrapped, sizeof wrapped, raw), 0);
	put_text(signature, "sk-ssh-ed25519@openssh.com");
	put(signature, raw, sizeof raw);
	tl_buf_append(signature, tail, sizeof tail);
}

static void sign_by_token(const struct tl_key *key, uint8_t flags, struct tl_buf *armour)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(512), text = TL_BUF_INIT(512);
	tl_auto(tl_buf) struct tl_buf inner = TL_BUF_INIT(512), whole = TL_BUF_INIT(2048);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned digest_len;

	write_security_blob(key, &blob);
	EVP_Digest(MESSAGE, strlen(MESSAGE), digest, &digest_len, EVP_sha512(), NULL);
	tl_buf_puts(&text, "SSHSIG");
	put_text(&text, NS);
	put_text(&text, "");
	put_text(&text, "sha512");
	put(&text, digest, digest_len);
	touch(key, flags, &text, &inner);
	tl_buf_append(&whole, "SSHSIG\0\0\0\1", 10);
	put(&whole, blob.data, blob.len);
	put_text(&whole, NS);
	put_text(&whole, "");
	put_text(&whole, "sha512");
	put(&whole, inner.data, inner.len);
	tl_buf_puts(armour, "-----BEGIN SSH SIGNATURE-----\n");
	tl_base64_encode(armour, whole.data, whole.len);
	tl_buf_puts(armour, "\n-----END SSH SIGNATURE-----\n");
	assert_int_equal(tl_buf_check(armour), 0);
}

static void a_touched_security_key_is_verified_as_by_ssh_keygen(void **state)
{
	tl_auto(tl_buf) struct tl_buf armour = TL_BUF_INIT(4096), key = TL_BUF_INIT(4096);
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(512), line = TL_BUF_INIT(1024);
	tl_auto(tl_key) struct tl_key *token = NULL;

	assert_int_equal(tl_key_generate(&token, NULL), 0);
	sign_by_token(token, 0x01, &armour);
	write_security_blob(token, &blob);
	tl_buf_puts(&line, "erin sk-ssh-ed25519@openssh.com ");
	tl_base64_encode(&line, blob.data, blob.len);
	tl_buf_puts(&line, "\n");
	write_text(*state, "signers", tl_buf_str(&line));
	write_text(*state, "sig", tl_buf_str(&armour));
	write_text(*state, "message", MESSAGE);
	assert_int_equal(sh(*state,
			    "ssh-keygen -Y verify -f signers -I erin -n " NS " -s sig <message"),
			 0);
	assert_int_equal(verify(tl_buf_str(&armour), MESSAGE, &key, NULL), 0);
	assert_memory_equal(key.data, blob.data, blob.len);
}

static void an_untouched_security_key_is_refused(void **state)
{
	tl_auto(tl_buf) struct tl_buf armour = TL_BUF_INIT(4096), key = TL_BUF_INIT(4096);
	tl_auto(tl_key) struct tl_key *token = NULL;

	(void)state;
	assert_int_equal(tl_key_generate(&token, NULL), 0);
	sign_by_token(token, 0x04, &armour); /* verified by a PIN, but nobody touched it */
	assert_int_equal(verify(tl_buf_str(&armour), MESSAGE, &key, NULL), TL_ESIG);
}

/* ---- lines -------------------------------------------------------------------------------------- */

static void only_plain_key_lines_are_read(void **state)
{
	static const char *const lines[] = {
		"",
		"ssh-ed25519",
		"ssh-ed25519 !!!",
		"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIPxRzY5iGKGjjaR+0AIw8FgIFu0TujMDrF3rkRVIkIAl",
		"command=\"id\" ssh-ed25519 "
		"AAAAC3NzaC1lZDI1NTE5AAAAIPxRzY5iGKGjjaR+0AIw8FgIFu0TujMDrF3rkRVIkIAl",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPxRzY5iGKGjjaR+0AIw8FgIFu0TujMDrF3rkRVIkIAl "
		"a\nb",
		"ssh-dss AAAAB3NzaC1kc3M=",
	};

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(lines); i++) {
		tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);

		assert_int_equal(tl_sshkey_of_line(lines[i], &blob, NULL), TL_EINVAL);
	}
	assert_false(tl_sshkey_is_fingerprint("SHA256:abc"));
	assert_false(tl_sshkey_is_fingerprint("MD5:abc"));
}

#define SCRATCHED(test) cmocka_unit_test_setup_teardown(test, scratch_set_up, scratch_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCHED(what_ssh_keygen_signs_is_verified),
		SCRATCHED(another_message_is_not_verified),
		SCRATCHED(a_signature_for_another_purpose_is_refused),
		SCRATCHED(weak_keys_and_certificates_are_refused),
		SCRATCHED(no_changed_byte_is_verified),
		cmocka_unit_test(what_is_no_signature_is_said_to_be_none),
		SCRATCHED(a_touched_security_key_is_verified_as_by_ssh_keygen),
		cmocka_unit_test(an_untouched_security_key_is_refused),
		cmocka_unit_test(only_plain_key_lines_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
