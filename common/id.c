#include <towline/id.h>

#include <stdint.h>
#include <string.h>
#include <towline/crypto.h>

#define RANDOM_LEN 10
#define TIME_DIGITS 10

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

struct tl_id tl_id_new(const struct tl_clock *clock)
{
	uint64_t ms = (uint64_t)tl_clock_wall_ms(clock);
	uint8_t random[RANDOM_LEN];
	struct tl_id id = {.text = ""};

	tl_random(random, sizeof random);
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
