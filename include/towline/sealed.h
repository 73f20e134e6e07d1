/* Sealed bundles: a bundle encrypted to persons' X.509 certificates as CMS AuthEnvelopedData (RFC 5083)
 * with AES-256-GCM (RFC 5084), so that "openssl cms -decrypt" opens it. Keys of recipients: RSA (OAEP
 * with SHA-256, RFC 3560) and EC (ephemeral-static ECDH, RFC 5753). Written as it comes, in little
 * memory. Part of towline_sealed. One thread at a time. */
#ifndef TOWLINE_SEALED_H
#define TOWLINE_SEALED_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <towline/json.h>

#define TL_SEALED_SUFFIX ".p7m"
#define TL_SEALED_TYPE "application/pkcs7-mime; smime-type=authEnveloped-data"
#define TL_RECIPIENTS_MAX 32
#define TL_SEALED_MAX_BYTES (UINT64_C(1) << 30) /* that are opened */
#define TL_SEALED_HEAD_MAX (64 * 1024)		/* within which the list of recipients stands */
#define TL_SEALED_MAGIC 32			/* bytes that tl_sealed_is needs */

struct tl_recipients;
TL_MUST_CHECK int tl_recipients_new(struct tl_recipients **ret_recipients, struct tl_err *err);
/* Adds each certificate of a PEM text; `name` is what a fault calls it. TL_EINVAL where there is none,
 * or for a key that nothing can be encrypted to. Validity in time is not looked at: an endpoint's
 * clock may be wrong when help is needed, and whoever configured the certificate trusts it. */
TL_MUST_CHECK int tl_recipients_add(struct tl_recipients *recipients, const char *pem,
				    const char *name, struct tl_err *err);
size_t tl_recipients_count(const struct tl_recipients *recipients);
void tl_recipients_free(struct tl_recipients *recipients);
TL_DEFINE_AUTO_PTR(tl_recipients, tl_recipients_free);

/* Receives the sealed bytes. A negative result ends the sealing and is returned by it. */
typedef int tl_sealer_output(void *arg, const void *bytes, size_t len, struct tl_err *err);

struct tl_sealer;
TL_MUST_CHECK int tl_sealer_new(const struct tl_recipients *recipients, tl_sealer_output *output,
				void *arg, struct tl_sealer **ret_sealer, struct tl_err *err);
TL_MUST_CHECK int tl_sealer_write(struct tl_sealer *sealer, const void *bytes, size_t len,
				  struct tl_err *err);
/* After it nothing may be written. Without it what came out is not whole, and does not open. */
TL_MUST_CHECK int tl_sealer_finish(struct tl_sealer *sealer, struct tl_err *err);
void tl_sealer_free(struct tl_sealer *sealer);
TL_DEFINE_AUTO_PTR(tl_sealer, tl_sealer_free);

/* Is this the beginning of such a file? By its object identifier; `len` may be anything. */
bool tl_sealed_is(const void *head, size_t len);
/* Whom the file is for, from its first bytes (hostile; TL_SEALED_HEAD_MAX of them, or all):
 * [{"issuer", "serial"} | {"key_id"}], serial and key identifier in hexadecimal. */
TL_MUST_CHECK int tl_sealed_recipients(const void *head, size_t len, json_t **ret_recipients,
				       struct tl_err *err);

/* Does the file at `fd` begin like one? Reads from its beginning and goes back there: false for what
 * cannot go back. */
bool tl_sealed_fd(int fd);

struct tl_sealed_facts {
	uint64_t bytes;
	char sha256[65];
	json_t *recipients; /* owned */
};
void tl_sealed_facts_clear(struct tl_sealed_facts *facts);
TL_DEFINE_AUTO(tl_sealed_facts, tl_sealed_facts_clear);
/* What can be said of the sealed file read from `fd` without its key. TL_ETOOBIG beyond `max_bytes`. */
TL_MUST_CHECK int tl_sealed_check(int fd, uint64_t max_bytes, struct tl_sealed_facts *ret_facts,
				  struct tl_err *err);

struct tl_unseal_key {
	const char *key_path;  /* PEM; a passphrase is asked for on the terminal */
	const char *cert_path; /* PEM; NULL: each recipient is tried */
};
/* Opens the sealed file read from `fd`: *ret_fd is what it holds, in memory, at its beginning. TL_ESIG
 * when a byte was changed, TL_EDENIED when the key is no recipient's. Nothing of it is given away
 * before all of it is authenticated. */
TL_MUST_CHECK int tl_unseal(int fd, const struct tl_unseal_key *key, int *ret_fd,
			    struct tl_err *err);

#endif
