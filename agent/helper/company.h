/* Who else is at a session, and whether bytes may pass in it. No loop, no socket: facts go in, and what
 * follows from them comes out, so that every order of facts can be tested.
 *
 * Watchers are what the relay says. The second engineer of a session under four eyes is believed by the
 * relay's signed statement only (towline/second.h), and for as long as that lives. A pause of the relay's and
 * a person's at this machine are told apart: each is lifted by who made it. */
#ifndef TOWLINE_HELPER_COMPANY_H
#define TOWLINE_HELPER_COMPANY_H

#include <jansson.h>
#include <towline/grant.h>
#include <towline/second.h>

#define TL_COMPANY_MAX 8 /* more watchers count, and are not named */

enum tl_pause { TL_PAUSE_RELAY, TL_PAUSE_PERSON, TL_PAUSE_COUNT };

struct tl_watcher {
	char login[65], name[129];
};

struct tl_company {
	enum tl_second need;
	int64_t away_ms;
	char engineer[65]; /* who must not be the own second */
	struct tl_watcher watchers[TL_COMPANY_MAX];
	size_t watcher_count;
	bool has_second, had_second;
	struct tl_second_statement second;
	char paused_by[TL_PAUSE_COUNT][160]; /* "": not paused */
	char hold[200];			     /* see tl_company_hold */
};

void tl_company_init(struct tl_company *company, enum tl_second need, int64_t away_ms,
		     const char *engineer);
/* What comes of a fact is appended to `said`, a sentence or several: for engineer, person and recording. */
void tl_company_watched(struct tl_company *company, const struct tl_watcher *watchers, size_t count,
			struct tl_buf *said);
/* The second's newest statement; NULL: no second is there any more. TL_EDENIED when it is the session's own
 * engineer. */
TL_MUST_CHECK int tl_company_joined(struct tl_company *company,
				    const struct tl_second_statement *statement,
				    struct tl_buf *said, struct tl_err *err);
/* `by` NULL: resumed. */
void tl_company_paused(struct tl_company *company, enum tl_pause whose, const char *by,
		       struct tl_buf *said);

/* Why no byte may pass now, in one sentence; NULL when they may. */
const char *tl_company_hold(struct tl_company *company);
/* No second engineer was there yet: nothing may be started either. */
bool tl_company_is_waiting(const struct tl_company *company);
/* How long from `now_ms` until this has to be looked at again: the end of the second's statement, or of the
 * patience without one; 0: the session ends at once; -1: nothing is waited for. */
int64_t tl_company_wait_ms(const struct tl_company *company, int64_t now_ms);

/* {"watchers":[{"login","name"}…],"second"?,"held"?}, added to `json`. */
void tl_company_describe(struct tl_company *company, json_t *json);

#endif
