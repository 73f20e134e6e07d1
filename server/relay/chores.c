#include "relay/chores.h"

#include <malloc.h>
#include <towline/log.h>

#include "desk/attend.h"
#include "desk/roster.h"

#define SWEEP_EVERY_MS 60000
#define SLOW_EVERY_MS 10000 /* what need not be quick */
/* Fewer new connections than this since the last look: the storm, if there was one, is over. */
#define QUIET 50

static void sweep(struct tl_chores *chores)
{
	tl_auto(tl_store) struct tl_store *store = NULL;
	struct tl_desk *desk = &chores->relay->desk;
	int64_t now_ms = tl_clock_mono_ms(desk->clock);
	struct tl_err err = TL_ERR_INIT;

	if (now_ms - chores->swept_ms < SWEEP_EVERY_MS)
		return;
	chores->swept_ms = now_ms;
	if (tl_store_open(desk->store_url, &store, &err) || tl_desk_sweep(desk, store, &err))
		tl_log_warning("what has expired was not swept", TL_ERR(&err));
}

/* An engineer does not wait longer than the grant lives, whatever became of the endpoint. */
static void end_waits(const struct tl_chores *chores)
{
	const struct tl_desk *desk = &chores->relay->desk;

	tl_broker_expire(desk->broker, tl_clock_mono_ms(tl_clock_system()) - desk->grant_life_ms,
			 "the request expired: the session did not begin in time");
}

/* A handshake needs twice the memory that its connection keeps. What is freed lies between what stays,
 * where only malloc_trim finds it. It stops the allocations of others while it works: once after a storm,
 * not in it. */
static void give_memory_back(struct tl_chores *chores)
{
	uint64_t accepted = tl_http_accepted(chores->relay->desk.http);
	uint64_t news = accepted - chores->accepted;

	chores->accepted = accepted;
	chores->untidy |= news > 0;
	if (!chores->untidy || news >= QUIET)
		return;
	chores->untidy = false;
	int64_t start_ms = tl_clock_mono_ms(tl_clock_system());
	malloc_trim(0);
	tl_log_debug("memory given back",
		     TL_I("ms", tl_clock_mono_ms(tl_clock_system()) - start_ms));
}

/* The store is opened only when there is something to write: most of the time nobody left. */
static void attend(struct tl_chores *chores)
{
	tl_auto(tl_store) struct tl_store *store = NULL;
	struct tl_desk *desk = &chores->relay->desk;
	struct tl_err err = TL_ERR_INIT;

	if (!tl_presence_has_news(desk->presence))
		return;
	if (tl_store_open(desk->store_url, &store, &err) || tl_attend_chores(desk, store, &err))
		tl_log_warning("who left a session was not written down", TL_ERR(&err));
}

/* What commands and other nodes have written, and this process has to act on. */
static void look_around(struct tl_chores *chores)
{
	struct tl_desk *desk = &chores->relay->desk;
	struct tl_err err = TL_ERR_INIT;

	if ((!chores->store && tl_store_open(desk->store_url, &chores->store, &err)) ||
	    tl_desk_attend(desk, chores->store, &err) ||
	    tl_roster_tell(desk, chores->store, &chores->roster_version, &err)) {
		tl_log_warning("the store was not looked at", TL_ERR(&err));
		tl_store_close(chores->store);
		chores->store = NULL;
	}
}

void tl_chores_clear(struct tl_chores *chores)
{
	tl_store_close(chores->store);
	chores->store = NULL;
}

void tl_chores_run(struct tl_chores *chores)
{
	int64_t now_ms = tl_clock_mono_ms(chores->relay->desk.clock);

	look_around(chores);
	if (now_ms - chores->slow_ms < SLOW_EVERY_MS)
		return;
	chores->slow_ms = now_ms;
	attend(chores);
	end_waits(chores);
	sweep(chores);
	give_memory_back(chores);
}
