#include "core/backoff.h"

#include <towline/crypto.h>

#define ATTEMPT_MAX 6 /* 1 s << 6 is beyond the last cap */

void tl_backoff_reset(struct tl_backoff *backoff)
{
	*backoff = (struct tl_backoff){0};
}

void tl_backoff_ask(struct tl_backoff *backoff, int64_t after_ms)
{
	if (after_ms > TL_BACKOFF_ASKED_MAX_MS)
		after_ms = TL_BACKOFF_ASKED_MAX_MS;
	if (after_ms > backoff->asked_ms)
		backoff->asked_ms = after_ms;
}

int64_t tl_backoff_next(struct tl_backoff *backoff, uint32_t random)
{
	int64_t cap_ms = (int64_t)TL_BACKOFF_FIRST_MS << backoff->attempt;
	int64_t asked_ms = backoff->asked_ms;

	if (cap_ms > TL_BACKOFF_LAST_MS)
		cap_ms = TL_BACKOFF_LAST_MS;
	if (backoff->attempt < ATTEMPT_MAX)
		backoff->attempt++;
	backoff->asked_ms = 0;
	return asked_ms + (int64_t)(((uint64_t)random * (uint64_t)(cap_ms + 1)) >> 32);
}

int64_t tl_backoff_draw(struct tl_backoff *backoff)
{
	uint32_t random;

	tl_random(&random, sizeof(random));
	return tl_backoff_next(backoff, random);
}
