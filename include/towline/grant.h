/* A grant: the relay's signed statement that one engineer may open one session to one host.
 *
 * Travels as a compact JWS (typ TL_JWT_GRANT) signed by the session authority whose public key was
 * pinned at enrolment. Only the endpoint's helper decides by it; everybody else passes it on.
 * Claims: iss relay id · aud host id · jti session id · sub engineer login · name · ticket · purpose ·
 * lane · scopes[] · keys[] (authorized_keys lines) · iat · nbf · exp · max_s; and where they apply stated
 * (the purpose is in the engineer's own words) · user (account that is asked for) · break_glass (emergency:
 * nobody is asked) · statement and signature (towline/statement.h) · second and second_away_s (four eyes) ·
 * forwards[] (towline/forward.h). Any thread. */
#ifndef TOWLINE_GRANT_H
#define TOWLINE_GRANT_H

#include <towline/clock.h>
#include <towline/crypto.h>
#include <towline/id.h>
#include <towline/json.h>
#include <towline/str.h>

#define TL_GRANT_KEYS_MAX 16
#define TL_GRANT_LIFE_MAX_MS (15 * 60 * 1000) /* from issue until the session must have begun */
#define TL_GRANT_SESSION_MAX_S (12 * 3600)
#define TL_GRANT_STATEMENT_MAX 4096
#define TL_GRANT_SIGNATURE_MAX 8192

enum tl_lane { TL_LANE_BASTION, TL_LANE_END_TO_END };
const char *tl_lane_name(enum tl_lane lane); /* "bastion", "end-to-end" */
TL_MUST_CHECK int tl_lane_parse(const char *name, enum tl_lane *ret_lane);

/* What a session may do; a bit each, named "terminal", "exec", "files", "forwarding",
 * "agent" (of the engineer's ssh-agent). */
#define TL_SCOPE_TERMINAL 1u
#define TL_SCOPE_EXEC 2u
#define TL_SCOPE_FILES 4u
#define TL_SCOPE_FORWARDING 8u
#define TL_SCOPE_AGENT 16u
#define TL_SCOPE_ALL 31u
#define TL_SCOPES_TEXT 64 /* room for all names */
/* "terminal,exec": comma-separated, in the order above. */
void tl_scopes_write(unsigned scopes, struct tl_buf *out);
TL_MUST_CHECK int tl_scopes_parse(const char *text, unsigned *ret_scopes, struct tl_err *err);

/* Four eyes: no byte passes before a second engineer has joined; and when that one leaves, the session is
 * held for second_away_s and then ends, or ends at once. */
enum tl_second { TL_SECOND_NONE, TL_SECOND_PAUSE, TL_SECOND_END };
#define TL_SECOND_AWAY_MAX_S 3600

struct tl_grant {
	char session[TL_ID_LEN + 1];
	char relay[TL_ID_LEN + 1];
	char host[TL_ID_LEN + 1];
	char engineer[65]; /* login */
	char name[129];	   /* as people know the engineer */
	char ticket[33];   /* "T-1042" */
	char purpose[513];
	bool purpose_stated; /* by the engineer; else it is the ticket's summary */
	char user[65];	  /* account that the session is to run as; "": as the host's policy says */
	bool break_glass; /* an emergency: nobody is asked where policy allows it */
	enum tl_lane lane;
	unsigned scopes;
	struct tl_strv keys; /* authorized_keys lines, plain keys only: never certificates */
	struct tl_strv
		forwards; /* patterns, with TL_SCOPE_FORWARDING alone: what is not listed is refused */
	int64_t issued_ms, not_before_ms,
		expires_ms;	     /* wall clock; expires: must have begun by then */
	int64_t max_s;		     /* longest duration of the session, seconds */
	char *statement, *signature; /* the engineer's own request; NULL: none */
	enum tl_second second;
	int64_t second_away_s; /* unless TL_SECOND_NONE */
};

void tl_grant_clear(struct tl_grant *grant);
TL_DEFINE_AUTO(tl_grant, tl_grant_clear);

/* Signs. The text is appended to `out`. */
TL_MUST_CHECK int tl_grant_sign(const struct tl_grant *grant, const struct tl_key *authority,
				struct tl_buf *out, struct tl_err *err);

/* Verifies signature, form and every limit, that it is meant for `host`, and its times. TL_ESIG,
 * TL_EINVAL, TL_EDENIED (another host), TL_EEXPIRED. *ret_grant is the caller's to clear. */
TL_MUST_CHECK int tl_grant_verify(const char *token, size_t len, const struct tl_key *authority,
				  const char *host, const struct tl_clock *clock,
				  struct tl_grant *ret_grant, struct tl_err *err);

/* Of what a person reads: not empty, one line, no control characters. */
bool tl_grant_is_sentence(const char *text);
/* Scopes and lists of texts as arrays, for what else carries them; the caller owns the first two. */
json_t *tl_grant_scopes_json(unsigned scopes);
json_t *tl_grant_texts_json(const struct tl_strv *texts);
TL_MUST_CHECK int tl_grant_scopes_of_json(const json_t *array, unsigned *ret_scopes,
					  struct tl_err *err);
TL_MUST_CHECK int tl_grant_texts_of_json(const json_t *array, struct tl_strv *texts,
					 struct tl_err *err);

#endif
