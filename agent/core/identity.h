/* Who this host is: the enrolment's result and the keys that never leave it.
 *
 * In the state directory: identity.key (Ed25519, authenticates the host and signs bundles),
 * ssh_host.key (the host key of sessions), ca.pem (the only CA that TLS trusts) and identity.json,
 * written last: a directory without it is not enrolled. Any thread. */
#ifndef TOWLINE_AGENT_IDENTITY_H
#define TOWLINE_AGENT_IDENTITY_H

#include <jansson.h>
#include <towline/attr.h>
#include <towline/crypto.h>
#include <towline/err.h>
#include <towline/id.h>
#include <towline/sshkey.h>

#define TL_IDENTITY_FILE "identity.json"
#define TL_IDENTITY_KEY_FILE "identity.key"
#define TL_IDENTITY_SSH_KEY_FILE "ssh_host.key"
#define TL_IDENTITY_CA_FILE "ca.pem"

struct tl_identity {
	char host_id[TL_ID_LEN + 1];
	char relay_id[TL_ID_LEN + 1];
	char url[513];
	char name[256];
	char authority_key[TL_KEY_ID_LEN + 1]; /* base64url of the session authority's public key */
	char roster_key
		[TL_SSH_FINGERPRINT_MAX]; /* who signs the roster of engineers, as the enrolment token
						    said; "": nobody */
};

/* TL_ENOENT when the host is not enrolled; the sentence says how to. */
TL_MUST_CHECK int tl_identity_load(int state_fd, struct tl_identity *ret_identity,
				   struct tl_err *err);
TL_MUST_CHECK int tl_identity_save(int state_fd, const struct tl_identity *identity,
				   struct tl_err *err);
/* The members of identity.json, as they travel to the helper too. The caller owns the result. */
json_t *tl_identity_json(const struct tl_identity *identity);
TL_MUST_CHECK int tl_identity_from_json(const json_t *json, struct tl_identity *ret_identity,
					struct tl_err *err);
/* The relay's host as its URL has it, without port; an IPv6 address without brackets. */
#define TL_RELAY_HOST_MAX 256
void tl_identity_relay_host(const struct tl_identity *identity,
			    char host[static TL_RELAY_HOST_MAX]);
bool tl_identity_equal(const struct tl_identity *a, const struct tl_identity *b);

/* Loads the key file, making it first where there is none. */
TL_MUST_CHECK int tl_identity_key(int state_fd, const char *file, struct tl_key **ret_key,
				  struct tl_err *err);
/* A public key from its base64url form. */
TL_MUST_CHECK int tl_public_key_parse(const char *text, struct tl_key **ret_key,
				      struct tl_err *err);
/* Appends the base64url form of a key's public half. */
void tl_public_key_write(const struct tl_key *key, struct tl_buf *out);

#endif
