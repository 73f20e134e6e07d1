#include <towline/sshkey.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>
#include <towline/buf.h>
#include <towline/crypto.h>
#include <towline/str.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384
#define SIGNED_MAX (2 * TL_SHA256_LEN + 5) /* what a security key signs */

static inline void pkey_auto_(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}
#define auto_pkey tl_cleanup(pkey_auto_) EVP_PKEY

/* ---- the wire ---------------------------------------------------------------------------------- */

static const uint8_t *take(struct tl_ssh_reader *reader, size_t len)
{
	const uint8_t *at = reader->at;

	if (reader->bad || len > reader->left) {
		reader->bad = true;
		return NULL;
	}
	reader->at += len;
	reader->left -= len;
	return at;
}

uint8_t tl_ssh_read_u8(struct tl_ssh_reader *reader)
{
	const uint8_t *at = take(reader, 1);

	return at ? *at : 0;
}

uint32_t tl_ssh_read_u32(struct tl_ssh_reader *reader)
{
	const uint8_t *at = take(reader, 4);

	return at ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]
		  : 0;
}

uint64_t tl_ssh_read_u64(struct tl_ssh_reader *reader)
{
	uint64_t high = tl_ssh_read_u32(reader);

	return high << 32 | tl_ssh_read_u32(reader);
}

struct tl_ssh_string tl_ssh_read_string(struct tl_ssh_reader *reader)
{
	uint32_t len = tl_ssh_read_u32(reader);
	const uint8_t *at = take(reader, len);

	return (struct tl_ssh_string){.bytes = at ? at : (const uint8_t *)"", .len = at ? len : 0};
}

bool tl_ssh_string_is(struct tl_ssh_string string, const char *text)
{
	return string.len == strlen(text) && memcmp(string.bytes, text, string.len) == 0;
}

bool tl_ssh_string_text(struct tl_ssh_string string, char *text, size_t room)
{
	if (string.len >= room || memchr(string.bytes, '\0', string.len))
		return false;
	memcpy(text, string.bytes, string.len);
	text[string.len] = '\0';
	return true;
}

static struct tl_ssh_reader reader_of(struct tl_ssh_string string)
{
	return (struct tl_ssh_reader){.at = string.bytes, .left = string.len};
}

static bool is_read(const struct tl_ssh_reader *reader)
{
	return !reader->bad && reader->left == 0;
}

/* ---- keys -------------------------------------------------------------------------------------- */

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (params && context && EVP_PKEY_fromdata_init(context) == 1 &&
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(params);
	return key;
}

static EVP_PKEY *read_ed25519(struct tl_ssh_reader *reader)
{
	struct tl_ssh_string point = tl_ssh_read_string(reader);

	if (point.len != TL_ED25519_PUBLIC_LEN)
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point.bytes, point.len);
}

static EVP_PKEY *read_ecdsa(struct tl_ssh_reader *reader, const char *curve, const char *group)
{
	struct tl_ssh_string name = tl_ssh_read_string(reader);
	struct tl_ssh_string point = tl_ssh_read_string(reader);
	OSSL_PARAM_BLD *build;
	EVP_PKEY *key = NULL;

	/* Uncompressed only (RFC 5656 §3.1); OpenSSL checks that the point is on the curve. */
	if (!tl_ssh_string_is(name, curve) || point.len == 0 || point.bytes[0] != 4)
		return NULL;
	build = OSSL_PARAM_BLD_new();
	if (build &&
	    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point.bytes,
					     point.len) == 1)
		key = from_params("EC", build);
	OSSL_PARAM_BLD_free(build);
	return key;
}

static EVP_PKEY *read_rsa(struct tl_ssh_reader *reader)
{
	struct tl_ssh_string exponent = tl_ssh_read_string(reader);
	struct tl_ssh_string modulus = tl_ssh_read_string(reader);
	OSSL_PARAM_BLD *build;
	BIGNUM *e, *n;
	EVP_PKEY *key = NULL;

	if (modulus.len > RSA_BITS_MAX / 8 + 1 || exponent.len > 8)
		return NULL;
	e = BN_bin2bn(exponent.bytes, (int)exponent.len, NULL);
	n = BN_bin2bn(modulus.bytes, (int)modulus.len, NULL);
	build = OSSL_PARAM_BLD_new();
	if (e && n && build && BN_num_bits(n) >= RSA_BITS_MIN &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1 &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1)
		key = from_params("RSA", build);
	OSSL_PARAM_BLD_free(build);
	BN_free(e);
	BN_free(n);
	return key;
}

/* One row a key type. `curve` and `group`: ECDSA's, in SSH's and OpenSSL's words. */
static const struct key_type {
	const char *name, *curve, *group;
	bool security_key;
	const EVP_MD *(*digest)(void);
} key_types[] = {
	{"ssh-ed25519", NULL, NULL, false, NULL},
	{"sk-ssh-ed25519@openssh.com", NULL, NULL, true, NULL},
	{"ecdsa-sha2-nistp256", "nistp256", "P-256", false, EVP_sha256},
	{"ecdsa-sha2-nistp384", "nistp384", "P-384", false, EVP_sha384},
	{"ecdsa-sha2-nistp521", "nistp521", "P-521", false, EVP_sha512},
	{"sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", "P-256", true, EVP_sha256},
	{"ssh-rsa", NULL, NULL, false, EVP_sha256},
};

static const struct key_type *find_type(struct tl_ssh_string name)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(key_types); i++)
		if (tl_ssh_string_is(name, key_types[i].name))
			return &key_types[i];
	return NULL;
}

static bool is_rsa(const struct key_type *type)
{
	return tl_streq(type->name, "ssh-rsa");
}

static EVP_PKEY *read_key(const struct key_type *type, struct tl_ssh_reader *reader)
{
	if (is_rsa(type))
		return read_rsa(reader);
	return type->curve ? read_ecdsa(reader, type->curve, type->group) : read_ed25519(reader);
}

/* ---- signatures -------------------------------------------------------------------------------- */

/* ECDSA: two mpints (RFC 5656 §3.1.2) become the DER that OpenSSL reads. */
static int ecdsa_der(struct tl_ssh_string signature, unsigned char **ret_der)
{
	struct tl_ssh_reader reader = reader_of(signature);
	struct tl_ssh_string r = tl_ssh_read_string(&reader), s = tl_ssh_read_string(&reader);
	ECDSA_SIG *pair;
	BIGNUM *r_number, *s_number;
	int len = -1;

	if (!is_read(&reader) || r.len > 67 || s.len > 67)
		return -1;
	pair = ECDSA_SIG_new();
	r_number = BN_bin2bn(r.bytes, (int)r.len, NULL);
	s_number = BN_bin2bn(s.bytes, (int)s.len, NULL);
	if (pair && r_number && s_number && ECDSA_SIG_set0(pair, r_number, s_number) == 1) {
		*ret_der = NULL;
		len = i2d_ECDSA_SIG(pair, ret_der);
	} else {
		BN_free(r_number);
		BN_free(s_number);
	}
	ECDSA_SIG_free(pair);
	return len;
}

static bool verify_raw(EVP_PKEY *key, const EVP_MD *digest, struct tl_ssh_string signature,
		       struct tl_ssh_string data)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context && EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
		    EVP_DigestVerify(context, signature.bytes, signature.len, data.bytes,
				     data.len) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

static bool verify_ecdsa(EVP_PKEY *key, const EVP_MD *digest, struct tl_ssh_string signature,
			 struct tl_ssh_string data)
{
	unsigned char *der = NULL;
	int len = ecdsa_der(signature, &der);
	bool good = len > 0 &&
		    verify_raw(key, digest,
			       (struct tl_ssh_string){.bytes = der, .len = (size_t)len}, data);

	OPENSSL_free(der);
	return good;
}

/* A security key signs SHA-256(application), flags, counter, SHA-256(message); it must say that somebody
 * was present. */
static bool wrap_security_key(struct tl_ssh_string application, struct tl_ssh_reader *reader,
			      struct tl_ssh_string data, uint8_t wrapped[static SIGNED_MAX])
{
	const uint8_t *tail = reader->at; /* flags and counter as they stand */
	uint8_t flags = tl_ssh_read_u8(reader);

	(void)tl_ssh_read_u32(reader);
	if (reader->bad || !(flags & 0x01))
		return false;
	tl_sha256_of(application.bytes, application.len, wrapped);
	memcpy(wrapped + TL_SHA256_LEN, tail, 5);
	tl_sha256_of(data.bytes, data.len, wrapped + TL_SHA256_LEN + 5);
	return true;
}

/* The digest that the signature's own name asks for; NULL with false: not accepted. */
static bool choose_digest(const struct key_type *type, struct tl_ssh_string name,
			  const EVP_MD **ret_digest)
{
	*ret_digest = type->digest ? type->digest() : NULL;
	if (!is_rsa(type))
		return tl_ssh_string_is(name, type->name);
	if (tl_ssh_string_is(name, "rsa-sha2-512"))
		*ret_digest = EVP_sha512();
	else
		return tl_ssh_string_is(name, "rsa-sha2-256");
	return true;
}

static int unsupported(struct tl_err *err)
{
	return tl_err_set(err, TL_EUNSUPPORTED,
			  "the key or signature is of a kind that is not accepted");
}

/* OpenSSH's own prefix for what a security key signs: signatures made for a web site are none for SSH. */
static bool is_for_ssh(struct tl_ssh_string application)
{
	return application.len >= 4 && memcmp(application.bytes, "ssh:", 4) == 0;
}

int tl_sshkey_check(struct tl_ssh_string key, struct tl_err *err)
{
	struct tl_ssh_reader keys = reader_of(key);
	const struct key_type *type = find_type(tl_ssh_read_string(&keys));
	auto_pkey *pkey = type ? read_key(type, &keys) : NULL;

	if (!type)
		return unsupported(err);
	if (!pkey && is_rsa(type))
		return tl_err_set(err, TL_EUNSUPPORTED, "an RSA key must have %d to %d bits",
				  RSA_BITS_MIN, RSA_BITS_MAX);
	if (!pkey)
		return tl_err_set(err, TL_EINVAL, "the %s key is damaged", type->name);
	if (type->security_key && !is_for_ssh(tl_ssh_read_string(&keys)))
		return tl_err_set(err, TL_EUNSUPPORTED,
				  "the security key's application does not begin with \"ssh:\"");
	return is_read(&keys) ? 0 : tl_err_set(err, TL_EINVAL, "the %s key is damaged", type->name);
}

int tl_sshkey_verify(struct tl_ssh_string key, struct tl_ssh_string signature,
		     struct tl_ssh_string data, struct tl_err *err)
{
	struct tl_ssh_reader keys = reader_of(key), signs = reader_of(signature);
	const struct key_type *type = find_type(tl_ssh_read_string(&keys));
	struct tl_ssh_string name = tl_ssh_read_string(&signs);
	struct tl_ssh_string bytes = tl_ssh_read_string(&signs);
	uint8_t wrapped[SIGNED_MAX];
	const EVP_MD *digest;
	auto_pkey *pkey = NULL;
	bool good;

	if (!type || !choose_digest(type, name, &digest))
		return unsupported(err);
	pkey = read_key(type, &keys);
	if (!pkey)
		return unsupported(err);
	if (type->security_key) {
		struct tl_ssh_string application = tl_ssh_read_string(&keys);

		if (!is_for_ssh(application) ||
		    !wrap_security_key(application, &signs, data, wrapped))
			return tl_err_set(err, TL_ESIG,
					  "the security key's signature is not valid");
		data = (struct tl_ssh_string){.bytes = wrapped, .len = sizeof wrapped};
	}
	good = is_read(&keys) && is_read(&signs) &&
	       (type->curve ? verify_ecdsa(pkey, digest, bytes, data)
			    : verify_raw(pkey, digest, bytes, data));
	return good ? 0 : tl_err_set(err, TL_ESIG, "the signature is not valid");
}
