#include <towline/id.h>

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <towline/crypto.h>

#define RANDOM_LEN 10
#define TIME_DIGITS 10

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_ms = UINT64_MAX;
static uint8_t last_random[RANDOM_LEN];

static void count_up(uint8_t bytes[static RANDOM_LEN])
{
	for (int i = RANDOM_LEN - 1; i >= 0 && ++bytes[i] == 0; i--)
		;
}

/* Within a millisecond the random part counts up, as the specification has it: what one process writes
 * in order stays in order. The first bit starts at 0, so that it does not run over. */
static void draw(uint64_t ms, uint8_t random[static RANDOM_LEN])
{
	pthread_mutex_lock(&last_lock);
	if (ms == last_ms) {
		count_up(last_random);
	} else {
		tl_random(last_random, sizeof last_random);
		last_random[0] &= 0x7f;
	}
	last_ms = ms;
	memcpy(random, last_random, RANDOM_LEN);
	pthread_mutex_unlock(&last_lock);
}

struct tl_id tl_id_new(const struct tl_clock *clock)
{
	uint64_t ms = (uint64_t)tl_clock_wall_ms(clock);
	uint8_t random[RANDOM_LEN];
	struct tl_id id = {.text = ""};

	draw(ms, random);
	for (int i = 0; i < TIME_DIGITS; i++)
		id.text[i] = digits[ms >> (5 * (TIME_DIGITS - 1 - i)) & (i ? 31 : 7)];
	for (int i = 0; i < TL_ID_LEN - TIME_DIGITS; i++) {
		int bit = i * 5;
		unsigned pair = (unsigned)random[bit / 8] << 8 |
				(bit / 8 + 1 < RANDOM_LEN ? random[bit / 8 + 1] : 0u);

		id.text[TIME_DIGITS + i] = digits[pair >> (11 - bit % 8) & 31];
	}
	return id;
}

/* The first digit holds the upper 3 of 48 + 2 bits: above 7 the time would not fit. */
bool tl_id_is_valid(const char *text)
{
	if (strnlen(text, TL_ID_LEN + 1) != TL_ID_LEN || text[0] > '7')
		return false;
	return strspn(text, digits) == TL_ID_LEN;
}
