/* The relay's own certificate authority: made at init, for relays without an operator's certificate.
 * ECDSA P-256 throughout, which every TLS client takes. Main thread. */
#ifndef TOWLINE_RELAY_CA_H
#define TOWLINE_RELAY_CA_H

#include <towline/buf.h>
#include <towline/crypto.h>
#include <towline/str.h>

#define TL_CA_DAYS 3650
#define TL_CA_SERVER_DAYS 397 /* the longest that browsers take */

struct tl_ca;

/* A new authority, named "<name> CA". */
TL_MUST_CHECK int tl_ca_new(const char *name, struct tl_ca **ret_ca, struct tl_err *err);
/* From what tl_ca_write wrote. */
TL_MUST_CHECK int tl_ca_load(const struct tl_buf *certificate_pem, const struct tl_buf *key_pem,
			     struct tl_ca **ret_ca, struct tl_err *err);
TL_MUST_CHECK int tl_ca_write(const struct tl_ca *ca, struct tl_buf *certificate_pem,
			      struct tl_buf *secret_key_pem, struct tl_err *err);
/* A server certificate for `names` (host names and addresses) with a fresh key. */
TL_MUST_CHECK int tl_ca_issue(const struct tl_ca *ca, const struct tl_strv *names,
			      struct tl_buf *certificate_pem, struct tl_buf *secret_key_pem,
			      struct tl_err *err);
void tl_ca_free(struct tl_ca *ca);
TL_DEFINE_AUTO_PTR(tl_ca, tl_ca_free);

/* SHA-256 of the DER of the first certificate in `pem`, hex: what an enrolment token pins. */
TL_MUST_CHECK int tl_ca_fingerprint(const char *pem, size_t len, char hex[static TL_SHA256_HEX],
				    struct tl_err *err);

#endif
