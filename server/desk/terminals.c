#include "desk/terminals.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/crypto.h>
#include <towline/id.h>
#include <towline/str.h>
#include <unistd.h>

struct place {
	char session[TL_ID_LEN + 1]; /* "": free */
	char user[TL_ID_LEN + 1];
};

struct ticket {
	struct place of;
	uint8_t sha256[TL_SHA256_LEN]; /* of its text */
	int64_t until_ms;
};

struct tl_terminals {
	pthread_mutex_t lock;
	tl_terminal_carrier *carrier;
	void *arg;
	struct place places[TL_TERMINALS_MAX];
	struct ticket tickets[TL_TERMINALS_MAX];
};

struct tl_terminals *tl_terminals_new(void)
{
	struct tl_terminals *terminals = calloc(1, sizeof *terminals);

	if (terminals)
		pthread_mutex_init(&terminals->lock, NULL);
	return terminals;
}

void tl_terminals_free(struct tl_terminals *terminals)
{
	if (!terminals)
		return;
	pthread_mutex_destroy(&terminals->lock);
	free(terminals);
}

void tl_terminals_carry(struct tl_terminals *terminals, tl_terminal_carrier *carrier, void *arg)
{
	pthread_mutex_lock(&terminals->lock);
	terminals->carrier = carrier;
	terminals->arg = arg;
	pthread_mutex_unlock(&terminals->lock);
}

/* ---- places ----------------------------------------------------------------------------------- */

static void set_place(struct place *place, const char *session, const char *user)
{
	snprintf(place->session, sizeof place->session, "%s", session);
	snprintf(place->user, sizeof place->user, "%s", user);
}

/* Under the lock. */
static struct place *find(struct tl_terminals *terminals, const char *session)
{
	for (size_t i = 0; i < TL_TERMINALS_MAX && *session; i++)
		if (strcmp(terminals->places[i].session, session) == 0)
			return &terminals->places[i];
	return NULL;
}

static int take_place(struct tl_terminals *terminals, const char *session, const char *user,
		      struct tl_err *err)
{
	struct place *spare = NULL;
	unsigned own = 0;

	if (!terminals->carrier)
		return tl_err_set(err, TL_EBUSY, "the relay carries no terminals now; try again");
	for (size_t i = 0; i < TL_TERMINALS_MAX; i++) {
		struct place *place = &terminals->places[i];

		own += place->session[0] && strcmp(place->user, user) == 0;
		if (!place->session[0])
			spare = place;
	}
	if (own >= TL_TERMINALS_OF_ONE_MAX)
		return tl_err_set(err, TL_EBUSY, "you have %u terminals open; end one first", own);
	if (!spare)
		return tl_err_set(err, TL_EBUSY, "the relay carries %d terminals, its most",
				  TL_TERMINALS_MAX);
	set_place(spare, session, user);
	return 0;
}

int tl_terminals_reserve(struct tl_terminals *terminals, const char *session, const char *user,
			 bool *ret_fresh, struct tl_err *err)
{
	bool fresh;
	int rc = 0;

	pthread_mutex_lock(&terminals->lock);
	fresh = find(terminals, session) == NULL;
	if (fresh)
		rc = take_place(terminals, session, user, err);
	pthread_mutex_unlock(&terminals->lock);
	if (rc == 0)
		*ret_fresh = fresh;
	return rc;
}

bool tl_terminals_has(struct tl_terminals *terminals, const char *session)
{
	bool has;

	pthread_mutex_lock(&terminals->lock);
	has = find(terminals, session) != NULL;
	pthread_mutex_unlock(&terminals->lock);
	return has;
}

void tl_terminals_attach(struct tl_terminals *terminals, const struct tl_terminal_ask *ask, int fd)
{
	pthread_mutex_lock(&terminals->lock);
	if (terminals->carrier)
		terminals->carrier(terminals->arg, ask, fd);
	else
		close(fd);
	pthread_mutex_unlock(&terminals->lock);
}

void tl_terminals_ended(struct tl_terminals *terminals, const char *session)
{
	struct place *place;

	pthread_mutex_lock(&terminals->lock);
	place = find(terminals, session);
	if (place)
		*place = (struct place){.session = ""};
	pthread_mutex_unlock(&terminals->lock);
}

/* ---- tickets ---------------------------------------------------------------------------------- */

static int make_text(char ret_ticket[static TL_TERMINAL_TICKET_TEXT], struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_TERMINAL_TICKET_TEXT + 1);
	uint8_t random[32];

	tl_random(random, sizeof random);
	tl_base64url_encode(&text, random, sizeof random);
	if (tl_buf_check(&text) != 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	snprintf(ret_ticket, TL_TERMINAL_TICKET_TEXT, "%s", tl_buf_str(&text));
	return 0;
}

/* The session's own, else one whose time has passed. */
static struct ticket *pick(struct tl_terminals *terminals, const char *session, const char *user,
			   int64_t now_ms)
{
	struct ticket *spare = NULL;
	unsigned own = 0;

	for (size_t i = 0; i < TL_TERMINALS_MAX; i++) {
		struct ticket *ticket = &terminals->tickets[i];

		if (ticket->until_ms <= now_ms)
			spare = ticket;
		else if (strcmp(ticket->of.session, session) == 0)
			return ticket;
		else
			own += strcmp(ticket->of.user, user) == 0;
	}
	return own < TL_TERMINALS_OF_ONE_MAX ? spare : NULL;
}

int tl_terminals_ticket(struct tl_terminals *terminals, const char *session, const char *user,
			int64_t now_ms, char ret_ticket[static TL_TERMINAL_TICKET_TEXT],
			struct tl_err *err)
{
	struct ticket *ticket;
	int rc = make_text(ret_ticket, err);

	if (rc != 0)
		return rc;
	pthread_mutex_lock(&terminals->lock);
	ticket = pick(terminals, session, user, now_ms);
	if (ticket) {
		set_place(&ticket->of, session, user);
		tl_sha256_of(ret_ticket, strlen(ret_ticket), ticket->sha256);
		ticket->until_ms = now_ms + TL_TERMINAL_TICKET_LIFE_MS;
	}
	pthread_mutex_unlock(&terminals->lock);
	return ticket ? 0
		      : tl_err_set(err, TL_EBUSY, "too many tickets wait to be used; try again");
}

/* A ticket that is shown for another session is spent, too. */
static bool spend(struct ticket *ticket, const uint8_t sha256[static TL_SHA256_LEN],
		  const char *session, int64_t now_ms, char ret_user[static 27])
{
	bool in_time = ticket->until_ms > now_ms;

	if (CRYPTO_memcmp(ticket->sha256, sha256, TL_SHA256_LEN) != 0)
		return false;
	ticket->until_ms = 0;
	if (!in_time || strcmp(ticket->of.session, session) != 0)
		return false;
	memcpy(ret_user, ticket->of.user, sizeof ticket->of.user);
	return true;
}

int tl_terminals_redeem(struct tl_terminals *terminals, const char *ticket, const char *session,
			int64_t now_ms, char ret_user[static 27], struct tl_err *err)
{
	uint8_t sha256[TL_SHA256_LEN];
	bool good = false;

	tl_sha256_of(ticket, strlen(ticket), sha256);
	pthread_mutex_lock(&terminals->lock);
	for (size_t i = 0; i < TL_TERMINALS_MAX && !good; i++)
		good = spend(&terminals->tickets[i], sha256, session, now_ms, ret_user);
	pthread_mutex_unlock(&terminals->lock);
	return good ? 0
		    : tl_err_set(
			      err, TL_EAUTH,
			      "the terminal's ticket is unknown, spent or older than 30 seconds");
}
