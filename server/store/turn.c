#include "store/turn.h"

#include <pthread.h>
#include <time.h>

struct waiter {
	struct waiter *next;
	pthread_cond_t called;
	bool has_it;
};

/* One for all databases: a relay has one. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool taken;
static struct waiter *first, **last = &first;

static void leave(struct waiter *waiter)
{
	struct waiter **at = &first;

	while (*at != waiter)
		at = &(*at)->next;
	*at = waiter->next;
	if (last == &waiter->next)
		last = at;
}

/* With the lock held. */
static bool wait_for_call(struct waiter *waiter, int64_t wait_ms)
{
	struct timespec until;
	int timed_out = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	*last = waiter;
	last = &waiter->next;
	while (!waiter->has_it && !timed_out)
		timed_out = pthread_cond_clockwait(&waiter->called, &lock, CLOCK_MONOTONIC, &until);
	if (!waiter->has_it)
		leave(waiter);
	return waiter->has_it;
}

int tl_turn_take(int64_t wait_ms, struct tl_err *err)
{
	struct waiter waiter = {.called = PTHREAD_COND_INITIALIZER};
	bool mine = true;

	pthread_mutex_lock(&lock);
	if (taken)
		mine = wait_for_call(&waiter, wait_ms);
	else
		taken = true;
	pthread_mutex_unlock(&lock);
	/* It is on the list no more: who gives the turn takes it off, who gives up leaves. */
	/* NOLINTNEXTLINE(clang-analyzer-core.StackAddressEscape) */
	return mine ? 0 : tl_err_set(err, TL_EBUSY, "the database is busy");
}

void tl_turn_give(void)
{
	struct waiter *next;

	pthread_mutex_lock(&lock);
	next = first;
	if (next) {
		leave(next);
		next->has_it = true;
		pthread_cond_signal(&next->called);
	} else {
		taken = false;
	}
	pthread_mutex_unlock(&lock);
}
