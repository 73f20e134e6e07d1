/* OpenSSH's key revocation lists (openssh/PROTOCOL.krl), as `ssh-keygen -k` writes them. A list that is not understood
 * to its last byte revokes everything. Signatures in it are not looked at: the file is trusted as it lies. Any
 * thread. */
#ifndef TOWLINE_SERVER_SSH_KRL_H
#define TOWLINE_SERVER_SSH_KRL_H

#include <stdbool.h>
#include <towline/sshkey.h>

/* What shows up at a login. */
struct tl_krl_query {
	struct tl_ssh_string key; /* wire blob of the plain key */
	/* Of a certificate; no authority: it is a plain key. */
	struct tl_ssh_string authority; /* wire blob of who signed */
	uint64_t serial;		/* 0: the authority gives none, and none is looked for */
	const char *key_id;
};

/* True for bytes that begin as such a list. */
bool tl_krl_is(const void *bytes, size_t len);
/* 0: not revoked. TL_EAUTH: revoked, or the list is damaged or of a kind that is not known. */
TL_MUST_CHECK int tl_krl_check(const void *bytes, size_t len, const struct tl_krl_query *query,
			       struct tl_err *err);

#endif
