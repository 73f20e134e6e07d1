/* Terminals in a browser: where the routes that ask for them meet the SSH front door that carries them,
 * and the tickets that open their WebSockets. In memory, for this process alone; any thread. */
#ifndef TOWLINE_SERVER_TERMINALS_H
#define TOWLINE_SERVER_TERMINALS_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/err.h>

#include "desk/session.h"

#define TL_TERMINALS_MAX 256
#define TL_TERMINALS_OF_ONE_MAX 16	 /* engineer */
#define TL_TERMINAL_TICKET_LIFE_MS 30000 /* a browser presents it at once */
#define TL_TERMINAL_TICKET_TEXT 44	 /* 256 bits in base64url, and a NUL */

struct tl_terminals;

struct tl_terminal_ask {
	char session[27]; /* asked for by the API, in the bastion lane */
	char host_name[256], ticket[33];
	struct tl_engineer engineer;
	unsigned scopes;
	char address[64];
};

/* Who carries terminals: takes `fd` over, a WebSocket's local side (http/http.h), and the session up, if it does not
 * carry it yet. Called on any thread; must not block. */
typedef void tl_terminal_carrier(void *arg, const struct tl_terminal_ask *ask, int fd);

struct tl_terminals *tl_terminals_new(void);
void tl_terminals_free(struct tl_terminals *terminals);
/* NULL: nobody does any more; then no call of the former one runs after this returns. */
void tl_terminals_carry(struct tl_terminals *terminals, tl_terminal_carrier *carrier, void *arg);

/* A place for the terminal of `session`, before it is attached to; *ret_fresh is false where it has one. TL_EBUSY says why
 * there is none. Given back by tl_terminals_ended. */
TL_MUST_CHECK int tl_terminals_reserve(struct tl_terminals *terminals, const char *session,
				       const char *user, bool *ret_fresh, struct tl_err *err);
bool tl_terminals_has(struct tl_terminals *terminals, const char *session);
/* `fd` is taken over. */
void tl_terminals_attach(struct tl_terminals *terminals, const struct tl_terminal_ask *ask, int fd);
void tl_terminals_ended(struct tl_terminals *terminals, const char *session);

/* One use, of `user` for the terminal of `session`, until TL_TERMINAL_TICKET_LIFE_MS after `now_ms`; an older
 * one for the same session is void. TL_EBUSY when the user or all have too many. */
TL_MUST_CHECK int tl_terminals_ticket(struct tl_terminals *terminals, const char *session,
				      const char *user, int64_t now_ms,
				      char ret_ticket[static TL_TERMINAL_TICKET_TEXT],
				      struct tl_err *err);
/* Spends it. TL_EAUTH for any that is not good for `session`, one sentence for all. */
TL_MUST_CHECK int tl_terminals_redeem(struct tl_terminals *terminals, const char *ticket,
				      const char *session, int64_t now_ms, char ret_user[static 27],
				      struct tl_err *err);

#endif
