#include "suggest.h"

#include <stdint.h>
#include <string.h>

#define WORD_MAX 63

/* Levenshtein's distance, one row at a time; words longer than WORD_MAX are never near. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[WORD_MAX + 1];

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return SIZE_MAX;
	for (size_t k = 0; k <= b_len; k++)
		row[k] = k;
	for (size_t i = 1; i <= a_len; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t k = 1; k <= b_len; k++) {
			size_t best = corner + (a[i - 1] != b[k - 1]);

			corner = row[k];
			best = best < row[k] + 1 ? best : row[k] + 1;
			row[k] = best < row[k - 1] + 1 ? best : row[k - 1] + 1;
		}
	}
	return row[b_len];
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
