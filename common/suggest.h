/* "Did you mean …": the nearest of the words offered, when one is near enough. */
#ifndef COMMON_SUGGEST_H
#define COMMON_SUGGEST_H

#include <stddef.h>

struct suggest {
	const char *wrong;
	const char *best; /* NULL: nothing is near; else one of the words offered */
	size_t best_len;
	size_t best_distance;
};

void suggest_init(struct suggest *suggest, const char *wrong);
void suggest_offer(struct suggest *suggest, const char *word, size_t len);

#endif
