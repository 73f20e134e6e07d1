/* The roster: who the engineers are and by which keys, in a file that an offline key signs.
 *
 * {"version":7,"expires":"2027-01-01T00:00:00Z","engineers":[{"login","name","keys":["ssh-ed25519 AAAA…"],
 * "scopes"?:["terminal"],"expires"?:"…","break_glass"?:true}]} with a signature of `ssh-keygen -Y sign` beside it
 * (towline/sshsig.h, namespace TL_SSHSIG_ROSTER). The relay only hands it on: an endpoint believes the one whose
 * fingerprint it pinned, and never an older version than it has seen. Any thread. */
#ifndef TOWLINE_ROSTER_H
#define TOWLINE_ROSTER_H

#include <towline/clock.h>
#include <towline/grant.h>
#include <towline/sshsig.h>

#define TL_ROSTER_MAX (96 * 1024) /* bytes of its text: some 500 engineers */
#define TL_ROSTER_ENGINEERS_MAX 1000
#define TL_ROSTER_KEYS_MAX 16 /* of an engineer */

struct tl_roster_engineer {
	char login[65];
	char name[129];
	struct tl_strv keys; /* fingerprints */
	unsigned scopes;     /* that the engineer may ask for */
	bool break_glass;
	int64_t expires_ms; /* 0: with the roster */
};

struct tl_roster {
	int64_t version, expires_ms;
	struct tl_roster_engineer *engineers;
	size_t count;
};

void tl_roster_clear(struct tl_roster *roster);
TL_DEFINE_AUTO(tl_roster, tl_roster_clear);

/* Reads a roster, signed or not yet: every limit, each login and each key once. The caller clears *ret_roster. */
TL_MUST_CHECK int tl_roster_read(const char *text, size_t len, struct tl_roster *ret_roster,
				 struct tl_err *err);
/* The same after its signature was found good and the key's fingerprint to be `pinned`. TL_ESIG, TL_EINVAL,
 * TL_EDENIED for another key. Looks at no clock: tl_roster_check_time does. */
TL_MUST_CHECK int tl_roster_verify(const char *text, size_t len, const char *signature,
				   const char *pinned, struct tl_roster *ret_roster,
				   struct tl_err *err);
/* TL_EEXPIRED with both times in the sentence. */
TL_MUST_CHECK int tl_roster_check_time(const struct tl_roster *roster, const struct tl_clock *clock,
				       struct tl_err *err);
/* Whose key it is, or NULL; borrowed. */
const struct tl_roster_engineer *tl_roster_of_key(const struct tl_roster *roster,
						  const char *fingerprint);
const struct tl_roster_engineer *tl_roster_of_login(const struct tl_roster *roster,
						    const char *login);

#endif
