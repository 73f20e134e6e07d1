/* Signatures by SSH keys outside of a connection, as `ssh-keygen -Y sign` makes them (openssh/PROTOCOL.sshsig):
 * what an engineer asks for and who the engineers are is signed so. Read and verified here with OpenSSL; no
 * certificate is accepted in a key's place, SHA-1 never, and a security key must say that somebody was present.
 * Any thread. */
#ifndef TOWLINE_SSHSIG_H
#define TOWLINE_SSHSIG_H

#include <stddef.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>

/* A signature is good for one purpose: its namespace. */
#define TL_SSHSIG_SESSION "session@towline"
#define TL_SSHSIG_ROSTER "roster@towline"
#define TL_SSHSIG_MAX (16 * 1024) /* bytes of an armoured signature: RSA of 16384 bits has 6 KiB */

/* Verifies the armoured `signature` over `message` in `name_space` by the key that it carries; whose key that is,
 * the caller judges. Appends the key's wire blob to `key`. TL_EINVAL: no signature, or of another namespace;
 * TL_EUNSUPPORTED: a key, digest or version that is not accepted; TL_ESIG. */
TL_MUST_CHECK int tl_sshsig_verify(const char *signature, const char *name_space,
				   const void *message, size_t len, struct tl_buf *key,
				   struct tl_err *err);

#endif
