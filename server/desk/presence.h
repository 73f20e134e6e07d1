/* Who is at which session right now: watchers and second engineers, each for as long as the stream is open
 * by which they watch; and who types. In memory, thread-safe: a restarted relay has nobody, and the sessions
 * that need a second engineer hold. */
#ifndef TOWLINE_SERVER_PRESENCE_H
#define TOWLINE_SERVER_PRESENCE_H

#include <stdbool.h>
#include <towline/clock.h>
#include <towline/crypto.h>
#include <towline/id.h>
#include <towline/json.h>

#define TL_PRESENCE_MAX 16 /* at one session */

struct tl_presence;

struct tl_attendee {
	char session[TL_ID_LEN + 1], host[TL_ID_LEN + 1], ticket[TL_ID_LEN + 1];
	char login[65], name[129];
	bool second; /* joined as the second engineer */
};

struct tl_presence *tl_presence_new(void);
void tl_presence_free(struct tl_presence *presence);

/* TL_EBUSY when TL_PRESENCE_MAX are there, TL_ECONFLICT when a second engineer is there already. */
TL_MUST_CHECK int tl_presence_join(struct tl_presence *presence, const struct tl_attendee *attendee,
				   uint64_t *ret_id, struct tl_err *err);
/* Who left. The entry waits for tl_presence_next_departure. *ret_typed: it was who typed. */
void tl_presence_leave(struct tl_presence *presence, uint64_t id, struct tl_attendee *ret_attendee,
		       bool *ret_typed);
/* Somebody has left and was not written down, or a second engineer is there to be vouched for. */
bool tl_presence_has_news(struct tl_presence *presence);
/* True while there is another one that left and was not written down: *ret_attendee. */
bool tl_presence_next_departure(struct tl_presence *presence, struct tl_attendee *ret_attendee);

/* Is `login` at the session (as the second engineer, if `second`)? */
bool tl_presence_has(struct tl_presence *presence, const char *session, const char *login,
		     bool second);
/* Who types instead of the session's engineer; "" ends it. TL_EDENIED unless `login` is the second. */
TL_MUST_CHECK int tl_presence_type(struct tl_presence *presence, const char *session,
				   const char *login, bool on, struct tl_err *err);
bool tl_presence_types(struct tl_presence *presence, const char *session, const char *login);

/* The recording has more: true when those who watch are to be told, which is once until one of them reads. */
bool tl_presence_grew(struct tl_presence *presence, const char *session);
void tl_presence_reads(struct tl_presence *presence, const char *session);

/* Makes the host's event "company" of who is there now ({"session","watchers":[{"login","name"}],"second"?},
 * the second's statement signed anew) and has it sent; one at a time, so that the newest comes last. */
void tl_presence_tell(struct tl_presence *presence, const char *session,
		      const struct tl_key *authority, const struct tl_clock *clock,
		      void (*send)(void *arg, const json_t *company), void *arg);
/* Calls back for each session that has a second engineer. */
void tl_presence_each_second(struct tl_presence *presence,
			     void (*on_session)(void *arg, const char *session, const char *host),
			     void *arg);

#endif
