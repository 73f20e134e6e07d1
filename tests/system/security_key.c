/* A security key in software, for ssh-sk-helper (OpenSSH's PROTOCOL.u2f; the interface is that of its version 10).
 * The key handle is the private key itself: what no real key would do. TOWLINE_TEST_UNTOUCHED in the environment
 * makes it sign with nobody present. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define API_VERSION 0x000a0000
#define ALGORITHM_ECDSA 0
#define ALGORITHM_ED25519 1
#define FAILED (-1)
#define PRESENT 0x01

struct sk_option {
	char *name, *value;
	uint8_t required;
};

struct sk_enroll_response {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation_cert;
	size_t attestation_cert_len;
	uint8_t *authdata;
	size_t authdata_len;
};

struct sk_sign_response {
	uint8_t flags;
	uint32_t counter;
	uint8_t *sig_r;
	size_t sig_r_len;
	uint8_t *sig_s;
	size_t sig_s_len;
};

struct sk_resident_key;

uint32_t sk_api_version(void);
int sk_enroll(uint32_t algorithm, const uint8_t *challenge, size_t challenge_len,
	      const char *application, uint8_t flags, const char *pin, struct sk_option **options,
	      struct sk_enroll_response **response);
int sk_sign(uint32_t algorithm, const uint8_t *data, size_t len, const char *application,
	    const uint8_t *handle, size_t handle_len, uint8_t flags, const char *pin,
	    struct sk_option **options, struct sk_sign_response **response);
int sk_load_resident_keys(const char *pin, struct sk_option **options,
			  struct sk_resident_key ***keys, size_t *count);

uint32_t sk_api_version(void)
{
	return API_VERSION;
}

static uint8_t *copy(const void *bytes, size_t len)
{
	uint8_t *made = malloc(len ? len : 1);

	if (made)
		memcpy(made, bytes, len);
	return made;
}

int sk_enroll(uint32_t algorithm, const uint8_t *challenge, size_t challenge_len,
	      const char *application, uint8_t flags, const char *pin, struct sk_option **options,
	      struct sk_enroll_response **response)
{
	struct sk_enroll_response *made = calloc(1, sizeof(*made));
	EVP_PKEY *key = algorithm == ALGORITHM_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
						       : EVP_EC_gen("P-256");
	uint8_t *der = NULL, public[128];
	size_t public_len = sizeof(public);
	int der_len, good;

	(void)challenge, (void)challenge_len, (void)application, (void)pin, (void)options;
	if (!made || !key)
		return FAILED;
	good = algorithm == ALGORITHM_ED25519
		       ? EVP_PKEY_get_raw_public_key(key, public, &public_len)
		       : EVP_PKEY_get_octet_string_param(key, "pub", public, sizeof(public),
							 &public_len);
	der_len = i2d_PrivateKey(key, &der);
	if (good != 1 || der_len <= 0)
		return FAILED;
	made->flags = flags;
	made->public_key = copy(public, made->public_key_len = public_len);
	made->key_handle = copy(der, made->key_handle_len = (size_t)der_len);
	made->signature = copy("", 0);
	made->attestation_cert = copy("", 0);
	made->authdata = copy("", 0);
	*response = made;
	return 0;
}

/* ECDSA's DER becomes the two numbers. */
static int split(const uint8_t *der, size_t len, struct sk_sign_response *made)
{
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
	uint8_t r[32], s[32];

	if (!pair || BN_bn2binpad(ECDSA_SIG_get0_r(pair), r, sizeof(r)) < 0 ||
	    BN_bn2binpad(ECDSA_SIG_get0_s(pair), s, sizeof(s)) < 0)
		return FAILED;
	made->sig_r = copy(r, made->sig_r_len = sizeof(r));
	made->sig_s = copy(s, made->sig_s_len = sizeof(s));
	return 0;
}

int sk_sign(uint32_t algorithm, const uint8_t *data, size_t len, const char *application,
	    const uint8_t *handle, size_t handle_len, uint8_t flags, const char *pin,
	    struct sk_option **options, struct sk_sign_response **response)
{
	struct sk_sign_response *made = calloc(1, sizeof(*made));
	EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &handle, (long)handle_len);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t text[32 + 1 + 4 + 32], signature[256];
	size_t signature_len = sizeof(signature);

	(void)flags, (void)pin, (void)options;
	if (!made || !key || !context)
		return FAILED;
	made->flags = getenv("TOWLINE_TEST_UNTOUCHED") ? 0 : PRESENT;
	made->counter = 1;
	SHA256((const uint8_t *)application, strlen(application), text);
	text[32] = made->flags;
	memcpy(text + 33, (const uint8_t[]){0, 0, 0, 1}, 4);
	SHA256(data, len, text + 37);
	if (EVP_DigestSignInit(context, NULL, algorithm == ALGORITHM_ED25519 ? NULL : EVP_sha256(),
			       NULL, key) != 1 ||
	    EVP_DigestSign(context, signature, &signature_len, text, sizeof(text)) != 1)
		return FAILED;
	*response = made;
	if (algorithm == ALGORITHM_ECDSA)
		return split(signature, signature_len, made);
	made->sig_r = copy(signature, made->sig_r_len = signature_len);
	return 0;
}

int sk_load_resident_keys(const char *pin, struct sk_option **options,
			  struct sk_resident_key ***keys, size_t *count)
{
	(void)pin, (void)options, (void)keys;
	*count = 0;
	return FAILED;
}
