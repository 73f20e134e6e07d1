#include <towline/sshsig.h>

#include <openssl/evp.h>
#include <string.h>
#include <towline/sshkey.h>
#include <towline/str.h>

#define MAGIC "SSHSIG"
#define MAGIC_LEN 6
#define VERSION 1
#define BEGIN "-----BEGIN SSH SIGNATURE-----"
#define END "-----END SSH SIGNATURE-----"
#define SIGNED_MAX 512 /* magic, names and a digest */

/* ---- the armour -------------------------------------------------------------------------------- */

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

static int not_armoured(struct tl_err *err)
{
	return tl_err_set(err, TL_EINVAL,
			  "this is no SSH signature: it begins with \"" BEGIN "\", as "
			  "`ssh-keygen -Y sign` writes it");
}

static int read_armour(const char *text, struct tl_buf *blob, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf base64 = TL_BUF_INIT(TL_SSHSIG_MAX);
	const char *at = skip_blanks(text), *end;

	if (strlen(text) > TL_SSHSIG_MAX)
		return tl_err_set(err, TL_ETOOBIG, "a signature has at most %d bytes",
				  TL_SSHSIG_MAX);
	end = strstr(at, END);
	if (!tl_str_starts(at, BEGIN) || !end || *skip_blanks(end + strlen(END)))
		return not_armoured(err);
	for (at = skip_blanks(at + strlen(BEGIN)); at < end; at = skip_blanks(at)) {
		size_t len = strcspn(at, " \t\r\n");

		tl_buf_append(&base64, at, (size_t)(end - at) < len ? (size_t)(end - at) : len);
		at += len;
	}
	if (tl_buf_check(&base64) || tl_base64_decode(blob, tl_buf_str(&base64), base64.len) ||
	    tl_buf_check(blob))
		return not_armoured(err);
	return 0;
}

/* ---- what is inside ---------------------------------------------------------------------------- */

struct fields {
	struct tl_ssh_string key, name_space, reserved, digest, signature;
};

static int read_fields(const struct tl_buf *blob, struct fields *ret_fields, struct tl_err *err)
{
	struct tl_ssh_reader reader = {.at = (const uint8_t *)blob->data, .left = blob->len};
	struct fields fields;
	uint32_t version;

	if (blob->len < MAGIC_LEN || memcmp(blob->data, MAGIC, MAGIC_LEN) != 0)
		return not_armoured(err);
	reader.at += MAGIC_LEN;
	reader.left -= MAGIC_LEN;
	version = tl_ssh_read_u32(&reader);
	fields.key = tl_ssh_read_string(&reader);
	fields.name_space = tl_ssh_read_string(&reader);
	fields.reserved = tl_ssh_read_string(&reader);
	fields.digest = tl_ssh_read_string(&reader);
	fields.signature = tl_ssh_read_string(&reader);
	if (!reader.bad && version != VERSION)
		return tl_err_set(err, TL_EUNSUPPORTED,
				  "the signature is of a version that is not known");
	if (reader.bad || reader.left > 0)
		return tl_err_set(err, TL_EINVAL, "the signature is damaged");
	*ret_fields = fields;
	return 0;
}

/* What was signed in the message's place. Its digest is one of two. */
static int write_signed(const struct fields *fields, const void *message, size_t len,
			struct tl_buf *out, struct tl_err *err)
{
	const EVP_MD *type = tl_ssh_string_is(fields->digest, "sha512")	  ? EVP_sha512()
			     : tl_ssh_string_is(fields->digest, "sha256") ? EVP_sha256()
									  : NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_len;

	if (!type)
		return tl_err_set(err, TL_EUNSUPPORTED,
				  "the signature's digest is neither sha256 nor sha512");
	if (EVP_Digest(message, len, digest, &digest_len, type, NULL) != 1)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	tl_buf_append(out, MAGIC, MAGIC_LEN);
	tl_ssh_put_string(out, fields->name_space.bytes, fields->name_space.len);
	tl_ssh_put_string(out, fields->reserved.bytes, fields->reserved.len);
	tl_ssh_put_string(out, fields->digest.bytes, fields->digest.len);
	tl_ssh_put_string(out, digest, digest_len);
	return tl_buf_check(out) ? tl_err_set(err, TL_EINVAL, "the signature is damaged") : 0;
}

int tl_sshsig_verify(const char *signature, const char *name_space, const void *message, size_t len,
		     struct tl_buf *key, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSHSIG_MAX);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(SIGNED_MAX);
	struct fields fields = {0}; /* gcc with -fsanitize=thread does not see that it is filled */
	int rc = read_armour(signature, &blob, err);

	if (rc == 0)
		rc = read_fields(&blob, &fields, err);
	if (rc != 0)
		return rc;
	if (!tl_ssh_string_is(fields.name_space, name_space))
		return tl_err_set(err, TL_EINVAL,
				  "the signature is for another purpose than \"%s\"", name_space);
	rc = write_signed(&fields, message, len, &text, err);
	if (rc == 0)
		rc = tl_sshkey_verify(fields.key, fields.signature,
				      (struct tl_ssh_string){(const uint8_t *)text.data, text.len},
				      err);
	if (rc != 0)
		return rc;
	tl_buf_append(key, fields.key.bytes, fields.key.len);
	return tl_buf_check(key) ? tl_err_set(err, TL_ETOOBIG, "the key is too large") : 0;
}
