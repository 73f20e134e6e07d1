/* SSH public keys and signatures in wire form (RFC 4251 §5, RFC 4253 §6.6, RFC 5656, RFC 8332, RFC 8709,
 * openssh/PROTOCOL.u2f), verified with OpenSSL: for what is signed outside a connection, such as
 * certificates. No libssh. Any thread. */
#ifndef TOWLINE_SSHKEY_H
#define TOWLINE_SSHKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>

#define TL_SSH_KEY_BLOB_MAX 4096  /* RSA of 16384 bits has 2.1 KiB */
#define TL_SSH_FINGERPRINT_MAX 51 /* "SHA256:", 43 characters, and the terminator */

/* Takes fields off bytes from outside. A field that does not fit gives 0 or an empty one and marks the
 * reader bad: read all, then look once. */
struct tl_ssh_reader {
	const uint8_t *at;
	size_t left;
	bool bad;
};

struct tl_ssh_string {
	const uint8_t *bytes; /* borrowed */
	size_t len;
};

uint8_t tl_ssh_read_u8(struct tl_ssh_reader *reader);
uint32_t tl_ssh_read_u32(struct tl_ssh_reader *reader);
uint64_t tl_ssh_read_u64(struct tl_ssh_reader *reader);
struct tl_ssh_string tl_ssh_read_string(struct tl_ssh_reader *reader);
bool tl_ssh_string_is(struct tl_ssh_string string, const char *text);
/* Copies it as text; false when it holds a NUL or does not fit. */
bool tl_ssh_string_text(struct tl_ssh_string string, char *text, size_t room);

/* The same the other way: into a buffer, whose bound is the caller's. */
void tl_ssh_put_u32(struct tl_buf *out, uint32_t value);
void tl_ssh_put_u64(struct tl_buf *out, uint64_t value);
void tl_ssh_put_string(struct tl_buf *out, const void *bytes, size_t len);
void tl_ssh_put_text(struct tl_buf *out, const char *text);

/* Checks a plain public key (wire form) of one of the kinds below: whole, nothing behind it, a security key's
 * for "ssh:…". 0; TL_EINVAL: damaged; TL_EUNSUPPORTED with a sentence. */
TL_MUST_CHECK int tl_sshkey_check(struct tl_ssh_string key, struct tl_err *err);

/* Checks `signature` (wire form) over `data` by the plain public key `key` (wire form): Ed25519, ECDSA on
 * the NIST curves, RSA of 2048 to 16384 bits with SHA-2, and the two security-key types. 0; TL_ESIG; or
 * TL_EUNSUPPORTED for a key or algorithm that is not accepted, SHA-1 among them. */
TL_MUST_CHECK int tl_sshkey_verify(struct tl_ssh_string key, struct tl_ssh_string signature,
				   struct tl_ssh_string data, struct tl_err *err);

/* Appends the wire blob of "TYPE BASE64 [comment]", a plain key without options. TL_EINVAL for anything else,
 * certificates among it. */
TL_MUST_CHECK int tl_sshkey_of_line(const char *line, struct tl_buf *blob, struct tl_err *err);
/* Appends a private key as ssh reads it from a file: OpenSSH's format, without a passphrase. */
struct tl_key;
TL_MUST_CHECK int tl_sshkey_private(const struct tl_key *key, const char *comment,
				    struct tl_buf *out);
/* As `ssh-keygen -l` shows it. */
void tl_sshkey_fingerprint(const void *blob, size_t len,
			   char fingerprint[static TL_SSH_FINGERPRINT_MAX]);
/* True for "SHA256:" and the base64 of 32 bytes. */
bool tl_sshkey_is_fingerprint(const char *text);

#endif
