/* OpenSSH user certificates (openssh/PROTOCOL.certkeys): read, verified and judged here, because libssh
 * proves only that the client holds the key. Whatever this code does not accept is no login.
 *
 * Any thread. */
#ifndef TOWLINE_SERVER_SSH_CERTIFICATE_H
#define TOWLINE_SERVER_SSH_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <towline/buf.h>
#include <towline/err.h>
#include <towline/str.h>

#define TL_CERTIFICATE_BYTES_MAX 16384
#define TL_CERTIFICATE_PRINCIPALS_MAX 64
#define TL_CERTIFICATE_NAME_MAX 255 /* of key id and principal */
#define TL_CERTIFICATE_LIST_MAX (1024 * 1024)

struct tl_certificate {
	char *key_text;	      /* base64 of the plain public key's blob */
	char *authority_text; /* the same of the key that signed */
	uint64_t serial;
	char key_id[TL_CERTIFICATE_NAME_MAX + 1];
	struct tl_strv principals;		/* at least one */
	uint64_t valid_after_s, valid_before_s; /* since the epoch; before: exclusive */
	char *source_address;			/* CIDR list; NULL: from anywhere */
	bool permits_pty, permits_forwarding, permits_agent;
	bool is_of_known; /* its authority is trusted, whatever else is wrong: set by who reads the lists */
	bool second_factor; /* the relay issued it, and had seen a code */
};

/* Reads the wire blob of a *-cert-v01@openssh.com user certificate and checks its signature by the key
 * inside it. TL_EINVAL: damaged, or not signed by that key; TL_EUNSUPPORTED: a host certificate, another
 * algorithm (SHA-1, DSA, RSA below 2048 bits), an unknown critical option. Clear it in any case. */
TL_MUST_CHECK int tl_certificate_read(const void *blob, size_t len,
				      struct tl_certificate *ret_certificate, struct tl_err *err);
void tl_certificate_clear(struct tl_certificate *certificate);
TL_DEFINE_AUTO(tl_certificate, tl_certificate_clear);

/* True for the name of a certificate's type. */
bool tl_certificate_is_type(const char *name, size_t len);

/* What a certificate is judged by. The texts are those of two files: public keys, one a line as in
 * authorized_keys; and what was revoked, a line each: "serial NUMBER", "id TEXT" or "key BASE64" (of the
 * engineer's plain key). Blank lines and # comments are skipped, anything else refuses every certificate. */
struct tl_certificate_rules {
	const char *authorities, *revoked;
	int64_t now_s;
	const char *address; /* of the peer, without port */
};
/* By the text of what was revoked alone. `certificate` NULL: a plain key, given as base64 of its blob. */
TL_MUST_CHECK int tl_certificate_judge_revoked(const char *revoked, const char *key_text,
					       const struct tl_certificate *certificate,
					       struct tl_err *err);
/* 0, or TL_EAUTH with the sentence for the log. */
TL_MUST_CHECK int tl_certificate_judge(const struct tl_certificate *certificate,
				       const struct tl_certificate_rules *rules,
				       struct tl_err *err);

#endif
