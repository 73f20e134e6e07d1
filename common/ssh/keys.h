/* SSH keys as text and between OpenSSL and libssh. A key is known by the base64 of its wire blob
 * (RFC 4253 §6.6), compared exactly; certificates are refused wherever a key is expected, because
 * libssh does not verify them, and have a text of their own for who does. Any thread. */
#ifndef TOWLINE_SSH_KEYS_H
#define TOWLINE_SSH_KEYS_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <towline/buf.h>
#include <towline/crypto.h>
#include <towline/err.h>

#define TL_SSH_KEY_TEXT_MAX 4096 /* base64 of an RSA key of 16,384 bits is 2,760 characters */

/* Replaces `out` by the base64 of a public key's blob. TL_EUNSUPPORTED for a certificate or a key type
 * that is not accepted. */
TL_MUST_CHECK int tl_ssh_key_text(const ssh_key key, struct tl_buf *out, struct tl_err *err);

#define TL_SSH_CERTIFICATE_TEXT_MAX (24 * 1024)

/* True for a certificate: its text says nothing about who may come in until it was judged. */
bool tl_ssh_key_is_certificate(const ssh_key key);
/* True for a security key's, certified or not. */
bool tl_ssh_key_is_security_key(const ssh_key key);
/* Replaces `out` by the base64 of a certificate's blob. */
TL_MUST_CHECK int tl_ssh_certificate_text(const ssh_key key, struct tl_buf *out,
					  struct tl_err *err);

/* Replaces `out` by the base64 field of an authorized_keys line ("TYPE BASE64 COMMENT", no options),
 * after checking that blob and type fit. */
TL_MUST_CHECK int tl_ssh_key_of_line(const char *line, struct tl_buf *out, struct tl_err *err);

/* A private key for libssh. The caller frees it (ssh_key_free). */
TL_MUST_CHECK int tl_ssh_key_import(const struct tl_key *key, ssh_key *ret_key, struct tl_err *err);

#endif
