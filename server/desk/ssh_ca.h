/* The relay's own authority for SSH user certificates (openssh/PROTOCOL.certkeys): short-lived, one a login
 * of `towline login`, written down so that they can be revoked by serial. Workers only. */
#ifndef TOWLINE_SERVER_SSH_CA_H
#define TOWLINE_SERVER_SSH_CA_H

#include <towline/crypto.h>
#include <towline/sshkey.h>

#include "desk/change.h"

/* An extension of ours: the relay saw a code of the second factor. It counts from this authority alone. */
#define TL_SSH_CA_SECOND_FACTOR "second-factor@towline"
#define TL_SSH_CA_KEY_ID_MAX 160
#define TL_SSH_CA_LINE_MAX 16384
#define TL_SSH_CA_SKEW_S 60 /* valid this long before it was issued: clocks differ */

struct tl_ssh_ca_wish {
	const struct tl_key *authority;
	const char *user, *login; /* id, and the only principal */
	const char *key_line;	  /* the engineer's public key */
	const char *source;	  /* address it is bound to, NULL: none */
	bool second_factor;
	int64_t life_s;
};

struct tl_ssh_ca_issued {
	int64_t serial, expires_ms;
	char key_id[TL_SSH_CA_KEY_ID_MAX];
};

/* Inside a change: signs a certificate and writes it down. `line` receives it as in id_…-cert.pub (empty it
 * before: the change may run twice). TL_EINVAL, TL_EUNSUPPORTED: not a key that gets one. */
TL_MUST_CHECK int tl_ssh_ca_issue(struct tl_change *change, const struct tl_ssh_ca_wish *wish,
				  struct tl_buf *line, struct tl_ssh_ca_issued *ret_issued,
				  struct tl_err *err);

/* Certificates that are valid now, newest first, for people: serial, login, key id, times, address. */
TL_MUST_CHECK int tl_ssh_ca_list(struct tl_store *store, int64_t now_ms, json_t **ret_list,
				 struct tl_err *err);

#endif
