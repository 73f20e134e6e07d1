/* An event stream, fed whole and in pieces: both ways give the same events. */
#include <stdint.h>
#include <stdlib.h>

#include "core/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_event(void *arg, const char *event, const char *data, size_t len)
{
	uint64_t *sum = arg;

	for (const char *at = event; *at; at++)
		*sum = *sum * 31 + (unsigned char)*at;
	for (size_t i = 0; i < len; i++)
		*sum = *sum * 31 + (unsigned char)data[i];
	*sum = *sum * 31 + 1;
}

static uint64_t feed(const uint8_t *data, size_t size, size_t piece)
{
	tl_auto(tl_sse) struct tl_sse sse;
	uint64_t sum = 0;

	tl_sse_init(&sse, on_event, &sum);
	for (size_t at = 0; at < size; at += piece) {
		size_t len = size - at < piece ? size - at : piece;

		if (tl_sse_feed(&sse, (const char *)data + at, len) != 0)
			break;
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 65536)
		return 0;
	if (feed(data, size, size + 1) != feed(data, size, 1) ||
	    feed(data, size, 3) != feed(data, size, 7))
		abort();
	return 0;
}
