/* People and what lets them in: users, SSH keys, API tokens, enrolment tokens. Shared by the API and
 * the commands. Each function runs inside a change. Workers only. */
#ifndef TOWLINE_SERVER_PEOPLE_H
#define TOWLINE_SERVER_PEOPLE_H

#include <towline/crypto.h>
#include <towline/id.h>

#include "desk/change.h"

#define TL_TOKEN_TEXT_MAX 64	      /* "tlt_" and 43 characters */
#define TL_ENROL_LIFE_MS (15 * 60000) /* default */
#define TL_ENROL_LIFE_MAX_MS (7 * 86400000LL)

/* The organisation that everything belongs to; made when there is none. */
TL_MUST_CHECK int tl_organisation_ensure(struct tl_change *change, const char *name,
					 struct tl_err *err);

/* "engineer,admin" → TL_ROLE_* bits. TL_EINVAL names the word. */
TL_MUST_CHECK int tl_roles_parse(const char *text, unsigned *ret_roles, struct tl_err *err);
json_t *tl_roles_list(unsigned roles);

struct tl_user_new {
	const char *login, *name;
	unsigned roles;
};
/* TL_EEXIST when the login is taken. */
TL_MUST_CHECK int tl_user_add(struct tl_change *change, const struct tl_user_new *user,
			      struct tl_err *err);
/* The user's id; TL_ENOENT. */
TL_MUST_CHECK int tl_user_find(struct tl_store *store, const char *login,
			       char ret_id[static TL_ID_LEN + 1], struct tl_err *err);
/* TL_ENOENT. A disabled user's keys and tokens are refused from now on, and sessions end: at once where `serve`
 * does this, else when it looks (tl_desk_attend). */
TL_MUST_CHECK int tl_user_disable(struct tl_change *change, const char *login, struct tl_err *err);
/* `line` as in authorized_keys, without options: a plain key, never a certificate. TL_EINVAL, TL_EEXIST
 * when somebody has registered it. */
TL_MUST_CHECK int tl_user_key_add(struct tl_change *change, const char *login, const char *line,
				  struct tl_err *err);
/* Takes the key with this fingerprint away. TL_ENOENT. */
TL_MUST_CHECK int tl_user_key_remove(struct tl_change *change, const char *login,
				     const char *fingerprint, struct tl_err *err);
/* All users with their roles and key fingerprints. */
TL_MUST_CHECK int tl_user_list(struct tl_store *store, json_t **ret_list, struct tl_err *err);

/* Makes an API token; only its hash is kept. expires_ms 0: never. */
TL_MUST_CHECK int tl_api_token_create(struct tl_change *change, const char *login, const char *name,
				      int64_t expires_ms, char ret_id[static TL_ID_LEN + 1],
				      char ret_token[static TL_TOKEN_TEXT_MAX], struct tl_err *err);
/* `login` NULL: anybody's. TL_ENOENT. */
TL_MUST_CHECK int tl_api_token_revoke(struct tl_change *change, const char *id, const char *login,
				      struct tl_err *err);

struct tl_enrol_token_new {
	const char *public_url, *ca_sha256; /* what the token tells the agent */
	int64_t life_ms;
	const char *roster_key; /* fingerprint of the key that signs rosters; NULL or "": none */
};
/* Appends the whole line "tl1.…" to `out` (empty it before: the change may run twice). */
TL_MUST_CHECK int tl_enrol_token_create(struct tl_change *change,
					const struct tl_enrol_token_new *wanted, struct tl_buf *out,
					struct tl_err *err);

#endif
