/* The relay as SSH client of an endpoint that called home: key exchange, the host key's check against
 * the one enrolled, login with the session's own key. Channels are the owner's. Loop thread only. */
#ifndef TOWLINE_SERVER_SSH_UPSTREAM_H
#define TOWLINE_SERVER_SSH_UPSTREAM_H

#include <towline/crypto.h>
#include <uv.h>

#include "ssh/link.h"

struct tl_upstream;

struct tl_upstream_config {
	const char *host_key_line; /* "ssh-ed25519 …": no other key is accepted */
	const struct tl_key *key;  /* the session's; borrowed for the call */
	void (*ready)(void *arg);
	/* The endpoint asks for a channel; true: taken over, to be freed with ssh_message_free. */
	bool (*open)(void *arg, ssh_message message);
	bool (*pump)(void *arg); /* once ready; true when anything moved */
	void (*closed)(void *arg, const char *reason);
	void *arg;
};

/* `fd` is taken over, also on failure. */
TL_MUST_CHECK int tl_upstream_new(uv_loop_t *loop, int fd, const struct tl_upstream_config *config,
				  struct tl_upstream **ret_upstream, struct tl_err *err);
struct tl_ssh_link *tl_upstream_link(const struct tl_upstream *upstream);
void tl_upstream_free(struct tl_upstream *upstream);

#endif
