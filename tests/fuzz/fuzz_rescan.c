/* Any text around a canary, in any pieces: the canary is found, and memory is left alone. The first byte
 * chooses the pieces' size, the second where the canary stands. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rescan/rescan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct tl_rescan *rescan, const char *text, size_t len, size_t piece)
{
	for (size_t at = 0; at < len; at += piece)
		tl_rescan_feed(rescan, text + at, len - at < piece ? len - at : piece);
}

static bool has_canary(const struct tl_rescan *rescan)
{
	size_t count;
	const struct tl_rescan_hit *hits = tl_rescan_hits(rescan, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(hits[i].kind, "canary") == 0)
			return true;
	return tl_rescan_count(rescan) > count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tl_canary *canary;
	tl_auto(tl_rescan) struct tl_rescan *rescan = NULL;
	const char *text = (const char *)data + 2;
	const char *value;
	size_t piece, at;

	if (size < 2)
		return 0;
	if ((!canary && tl_canary_new(&canary, NULL) < 0) || tl_rescan_new(&rescan, NULL) < 0 ||
	    tl_rescan_add_canary(rescan, canary, NULL) < 0)
		abort();
	piece = (size_t)data[0] + 1;
	at = (size - 2) * data[1] / 255;
	value = tl_canary_value(canary, data[1] % tl_canary_count(canary));
	tl_rescan_begin(rescan, "root/etc/x");
	feed(rescan, text, size - 2, piece);
	tl_rescan_end(rescan);
	if (has_canary(rescan)) /* libFuzzer reads it from the comparisons */
		return 0;
	tl_rescan_begin(rescan, "root/etc/y");
	feed(rescan, text, at, piece);
	feed(rescan, value, strlen(value), piece);
	feed(rescan, text + at, size - 2 - at, piece);
	tl_rescan_end(rescan);
	if (!has_canary(rescan))
		abort();
	return 0;
}
