/* Looking for canaries in a stream: every eighth run of eight bytes is looked up among all runs of eight
 * bytes of the values, so that fifteen bytes of a value in a row are always seen, in whatever pieces they
 * come. Private to agent/rescan. One thread at a time. */
#ifndef TOWLINE_RESCAN_CANARY_H
#define TOWLINE_RESCAN_CANARY_H

#include <stdbool.h>

#include "rescan/rescan.h"

#define CANARY_WINDOW 8
#define CANARY_SLOTS 4096 /* of windows; at most half are used */
#define CANARY_VALUES_MAX 16

struct canary_search {
	uint64_t windows[CANARY_SLOTS]; /* 0: free; no value has NUL bytes */
	size_t count, values;
	unsigned char rest[CANARY_WINDOW]; /* of the last piece */
	size_t rest_len;
};

/* TL_ETOOBIG when there are too many. */
TL_MUST_CHECK int canary_search_add(struct canary_search *search, const char *value);
void canary_search_begin(struct canary_search *search);
/* Is a part of a value in these bytes and those before them? Offset behind its window in *ret_end. */
bool canary_search_feed(struct canary_search *search, const char *bytes, size_t len,
			size_t *ret_end);

#endif
