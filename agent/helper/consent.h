/* One question to a person, and its one answer. No loop, no clock, no socket: events go in, a state
 * comes out, so that every order of events can be tested. */
#ifndef TOWLINE_HELPER_CONSENT_H
#define TOWLINE_HELPER_CONSENT_H

#include <stdbool.h>
#include <sys/types.h>
#include <towline/err.h>

enum tl_consent_state {
	TL_CONSENT_ASKING,
	TL_CONSENT_YES,
	TL_CONSENT_NO,
	TL_CONSENT_TIMEOUT,
	TL_CONSENT_WITHDRAWN /* who asked has gone, or takes it back */
};

enum tl_consent_event { TL_CONSENT_EV_ANSWER, TL_CONSENT_EV_DEADLINE, TL_CONSENT_EV_WITHDRAW };

struct tl_consent {
	enum tl_consent_state state;
	unsigned asked_scopes;
	unsigned given_scopes; /* with TL_CONSENT_YES: never more than asked */
	uid_t uid;	       /* who answered */
};

struct tl_consent_answer {
	bool yes;
	unsigned scopes;
	uid_t uid;
};

void tl_consent_init(struct tl_consent *consent, unsigned asked_scopes);

/* The only way on. `answer` goes with TL_CONSENT_EV_ANSWER. TL_ECONFLICT when it was decided before
 * (the first answer counts), TL_EINVAL for scopes that were not asked for: the state then stays. A yes
 * without any scope is a no. */
TL_MUST_CHECK int tl_consent_step(struct tl_consent *consent, enum tl_consent_event event,
				  const struct tl_consent_answer *answer, struct tl_err *err);

/* As receipts have it: "yes", "no", "timeout"; withdrawn is "no". */
const char *tl_consent_decision(const struct tl_consent *consent);

#endif
