/* Whether somebody touched the security key (openssh/PROTOCOL.u2f).
 *
 * libssh 0.10 verifies a security key's signature with the flags that came with it and then forgets them, so that a
 * key that signs for itself would do. What it verifies passes OpenSSL's EVP_DigestVerify, which this module stands in
 * front of, as the dynamic linker has it; there the flags are read. Where that does not work (another build of libssh),
 * nothing is seen and no security key is accepted. One thread at a time watches one session. */
#ifndef TOWLINE_SSH_PRESENCE_H
#define TOWLINE_SSH_PRESENCE_H

#include <stdbool.h>

struct tl_ssh_presence {
	bool seen;   /* a security key's signature was verified */
	bool absent; /* one of them by nobody's touch: counts for the whole connection */
};

/* What this thread verifies from now on is noted in `presence`; NULL: nowhere. */
void tl_ssh_presence_watch(struct tl_ssh_presence *presence);

static inline bool tl_ssh_presence_is_proven(const struct tl_ssh_presence *presence)
{
	return presence->seen && !presence->absent;
}

#endif
