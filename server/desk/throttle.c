#include "desk/throttle.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <towline/crypto.h>

#define WAYS 8 /* slots an address may take */

struct slot {
	uint64_t key; /* 0: free */
	int64_t window_start_ms;
	unsigned failures;
};

struct tl_throttle {
	pthread_mutex_t lock;
	const struct tl_clock *clock;
	uint8_t salt[16]; /* nobody outside chooses which slots collide */
	struct slot slots[TL_THROTTLE_SLOTS];
};

struct tl_throttle *tl_throttle_new(const struct tl_clock *clock)
{
	struct tl_throttle *throttle = calloc(1, sizeof *throttle);

	if (!throttle)
		return NULL;
	pthread_mutex_init(&throttle->lock, NULL);
	throttle->clock = clock;
	tl_random(throttle->salt, sizeof throttle->salt);
	return throttle;
}

void tl_throttle_free(struct tl_throttle *throttle)
{
	if (!throttle)
		return;
	pthread_mutex_destroy(&throttle->lock);
	free(throttle);
}

static uint64_t key_of(const struct tl_throttle *throttle, const char *address)
{
	uint8_t input[sizeof throttle->salt + 64] = {0}, digest[TL_SHA256_LEN];
	uint8_t *tail = input + sizeof throttle->salt;
	struct in6_addr v6;
	uint64_t key;

	memcpy(input, throttle->salt, sizeof throttle->salt);
	if (inet_pton(AF_INET6, address, &v6) == 1)
		memcpy(tail, v6.s6_addr, IN6_IS_ADDR_V4MAPPED(&v6) ? 16 : 8);
	else
		strncpy((char *)tail, address, 63);
	tl_sha256_of(input, sizeof input, digest);
	memcpy(&key, digest, sizeof key);
	return key ? key : 1;
}

/* The address's slot, or the one that may be taken for it: a free one, else the longest quiet. */
static struct slot *slot_of(struct tl_throttle *throttle, uint64_t key)
{
	size_t first = (key >> 16) % (TL_THROTTLE_SLOTS / WAYS) * WAYS;
	struct slot *oldest = &throttle->slots[first];
	size_t i;

	for (i = first; i < first + WAYS; i++) {
		struct slot *slot = &throttle->slots[i];

		if (slot->key == key)
			return slot;
		if (slot->window_start_ms < oldest->window_start_ms)
			oldest = slot;
	}
	return oldest;
}

void tl_throttle_failed(struct tl_throttle *throttle, const char *address)
{
	int64_t now = tl_clock_mono_ms(throttle->clock);
	uint64_t key = key_of(throttle, address);
	struct slot *slot;

	pthread_mutex_lock(&throttle->lock);
	slot = slot_of(throttle, key);
	if (slot->key != key || now - slot->window_start_ms >= TL_THROTTLE_WINDOW_MS)
		*slot = (struct slot){.key = key, .window_start_ms = now};
	slot->failures++;
	pthread_mutex_unlock(&throttle->lock);
}

unsigned tl_throttle_wait_s(struct tl_throttle *throttle, const char *address)
{
	int64_t now = tl_clock_mono_ms(throttle->clock), left;
	uint64_t key = key_of(throttle, address);
	const struct slot *slot;
	unsigned wait_s = 0;

	pthread_mutex_lock(&throttle->lock);
	slot = slot_of(throttle, key);
	left = slot->window_start_ms + TL_THROTTLE_WINDOW_MS - now;
	if (slot->key == key && slot->failures >= TL_THROTTLE_FAILURES && left > 0)
		wait_s = (unsigned)(left / 1000) + 1;
	pthread_mutex_unlock(&throttle->lock);
	return wait_s;
}
