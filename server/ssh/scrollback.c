#include "ssh/scrollback.h"

#include <stdlib.h>
#include <string.h>
#include <towline/err.h>

int tl_scrollback_add(struct tl_scrollback *scrollback, const void *bytes, size_t len)
{
	size_t at = (size_t)(scrollback->end % TL_SCROLLBACK_BYTES);
	size_t first = TL_SCROLLBACK_BYTES - at < len ? TL_SCROLLBACK_BYTES - at : len;

	if (len == 0)
		return 0;
	if (!scrollback->ring)
		scrollback->ring = malloc(TL_SCROLLBACK_BYTES);
	if (!scrollback->ring)
		return TL_ENOMEM;
	memcpy(scrollback->ring + at, bytes, first);
	memcpy(scrollback->ring, (const char *)bytes + first, len - first);
	scrollback->end += len;
	return 0;
}

uint64_t tl_scrollback_begin(const struct tl_scrollback *scrollback)
{
	return scrollback->end > TL_SCROLLBACK_BYTES ? scrollback->end - TL_SCROLLBACK_BYTES : 0;
}

size_t tl_scrollback_peek(const struct tl_scrollback *scrollback, uint64_t position,
			  const char **ret_bytes)
{
	size_t at = (size_t)(position % TL_SCROLLBACK_BYTES);
	uint64_t len = scrollback->end - position;

	*ret_bytes = scrollback->ring ? scrollback->ring + at : "";
	return len < TL_SCROLLBACK_BYTES - at ? (size_t)len : TL_SCROLLBACK_BYTES - at;
}

void tl_scrollback_clear(struct tl_scrollback *scrollback)
{
	free(scrollback->ring);
	*scrollback = (struct tl_scrollback){.end = 0};
}
