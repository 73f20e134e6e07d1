/* Signatures by the engineer's own key, made by OpenSSH's programs: the key stays where it is, in ssh-agent, a file
 * or a token, and whoever asks for a passphrase or a touch is one that the engineer knows. Blocking. */
#ifndef TOWLINE_SERVER_CLI_SIGNING_H
#define TOWLINE_SERVER_CLI_SIGNING_H

#include <towline/sshsig.h>
#include <towline/str.h>

struct tl_signing_key {
	char *file; /* private or public key file; NULL: `line`, by ssh-agent */
	char *line; /* "TYPE BASE64" */
	struct tl_strv
		keys; /* fingerprints of it and of what else this workstation can log in with */
};
void tl_signing_key_clear(struct tl_signing_key *key);
TL_DEFINE_AUTO(tl_signing_key, tl_signing_key_clear);

/* Chooses among `registered` (lines): `file` where one is named, else the first that ssh-agent holds, else one of
 * ~/.ssh/id_*. Nothing that is not on this workstation is ever taken, whatever the relay says is registered.
 * TL_ENOENT: there is none. */
TL_MUST_CHECK int tl_signing_choose(const char *file, const struct tl_strv *registered,
				    struct tl_signing_key *ret_key, struct tl_err *err);
/* Appends the armoured signature over `text`. */
TL_MUST_CHECK int tl_signing_sign(const struct tl_signing_key *key, const char *name_space,
				  const char *text, size_t len, struct tl_buf *signature,
				  struct tl_err *err);

#endif
