/* The algorithms that Towline's SSH speaks, and sessions set up with exactly these: no configuration
 * file of the system is read. What libssh does not know is skipped by it, so that stronger ones stand
 * first for the day it does. Strict key exchange (CVE-2023-48795) is libssh's own and always offered.
 * Any thread; a session belongs to one. */
#ifndef TOWLINE_SSH_ALGORITHMS_H
#define TOWLINE_SSH_ALGORITHMS_H

#include <libssh/libssh.h>
#include <towline/crypto.h>
#include <towline/err.h>

/* AES-CTR is for clients without an authenticated cipher (paramiko), always with an encrypt-then-MAC. */
#define TL_SSH_CIPHERS \
	"aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-gcm@openssh.com," \
	"aes256-ctr,aes192-ctr,aes128-ctr"
#define TL_SSH_KEX \
	"sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org"
#define TL_SSH_MACS "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com"
#define TL_SSH_HOST_KEYS "ssh-ed25519"
/* Our software version. OpenSSH's client uses its extensions only with servers whose name begins so; of
 * them we need eow@openssh.com: without it `ssh HOST journalctl -f | head` would never end. */
#define TL_SSH_VERSION "OpenSSH_Towline"
#define TL_SSH_RSA_BITS_MIN 2048
/* Signature algorithms of user keys and certificates: no SHA-1, no DSA. libssh checks that the client
 * holds the key; whether a certificate counts is decided elsewhere (server/ssh/certificate.h). */
#define TL_SSH_USER_KEYS \
	"ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384," \
	"ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256," \
	"sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com," \
	"ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com," \
	"ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com," \
	"rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com"

/* A server session on `fd`, a connected non-blocking stream which it takes over when this succeeds. */
TL_MUST_CHECK int tl_ssh_server_session(const struct tl_key *host_key, int fd,
					ssh_session *ret_session, struct tl_err *err);
/* The same for a client. */
TL_MUST_CHECK int tl_ssh_client_session(const char *user, int fd, ssh_session *ret_session,
					struct tl_err *err);

#endif
