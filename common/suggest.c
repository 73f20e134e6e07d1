#include "suggest.h"

#include <stdint.h>
#include <string.h>

#define WORD_MAX 63

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Letters inserted, dropped, changed or swapped with their neighbour (optimal string alignment);
 * words longer than WORD_MAX are never near. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	uint8_t cost[WORD_MAX + 1][WORD_MAX + 1];

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return SIZE_MAX;
	for (size_t i = 0; i <= a_len; i++)
		for (size_t k = 0; k <= b_len; k++) {
			size_t best = i + k;

			if (i && k)
				best = least(cost[i - 1][k - 1] + (a[i - 1] != b[k - 1]),
					     least(cost[i - 1][k], cost[i][k - 1]) + (size_t)1);
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				best = least(best, cost[i - 2][k - 2] + (size_t)1);
			cost[i][k] = (uint8_t)best;
		}
	return cost[a_len][b_len];
}

void suggest_init(struct suggest *suggest, const char *wrong)
{
	size_t len = strlen(wrong);

	/* A third of the letters may be wrong: what is further off is a guess, not a slip. */
	*suggest = (struct suggest){.wrong = wrong, .best_distance = (len < 3 ? 1 : len / 3) + 1};
}

void suggest_offer(struct suggest *suggest, const char *word, size_t len)
{
	size_t d = distance(suggest->wrong, strlen(suggest->wrong), word, len);

	if (d >= suggest->best_distance)
		return;
	suggest->best_distance = d;
	suggest->best = word;
	suggest->best_len = len;
}
