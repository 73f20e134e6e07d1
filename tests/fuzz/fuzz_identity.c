/* Any text: identities are found in order and apart, each can be read and replaced, twice the same, and what
 * has been replaced is no longer known by its name. Labels of domain names keep their meaning. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <towline/buf.h>

#include "../unit/redact/identity_sample.h"
#include "redact/punycode.h"

#define OUT_MAX (64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct order {
	size_t end, len;
};

static int check_order(void *arg, enum tl_identity_class class, size_t start, size_t end)
{
	struct order *order = arg;

	if (start < order->end || end <= start || end > order->len ||
	    end - start > TL_IDENTITY_LONGEST || class >= TL_IDENTITY_CLASSES)
		abort();
	order->end = end;
	return 0;
}

static void check_labels(const char *text, size_t len)
{
	tl_auto(tl_buf) struct tl_buf ascii = TL_BUF_INIT(OUT_MAX);
	tl_auto(tl_buf) struct tl_buf back = TL_BUF_INIT(OUT_MAX);

	punycode_decode_name(text, len, &back);
	tl_buf_reset(&back);
	if ((len >= 4 && strncasecmp(text, "xn--", 4) == 0) ||
	    !punycode_encode(text, len, &ascii) || ascii.len > PUNYCODE_LABEL_MAX)
		return;
	if (!punycode_decode(tl_buf_str(&ascii), ascii.len, &back) || back.len != len ||
	    memcmp(back.data, text, len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tl_identities *identities;
	tl_auto(tl_buf) struct tl_buf once = TL_BUF_INIT(OUT_MAX);
	tl_auto(tl_buf) struct tl_buf again = TL_BUF_INIT(OUT_MAX);
	struct order order = {.len = size};
	const char *text = (const char *)data;

	if (!identities)
		identities = identity_sample(7);
	if (tl_identities_find(identities, text, size, check_order, &order) < 0 ||
	    tl_identities_text(identities, text, size, &once) < 0 ||
	    tl_identities_text(identities, text, size, &again) < 0)
		abort();
	if (once.len != again.len || (once.len && memcmp(once.data, again.data, once.len) != 0))
		abort();
	if (once.len && memmem(once.data, once.len, "[redacted:", 10) &&
	    !memmem(text, size, "[redacted:", 10))
		abort();
	check_labels(text, size);
	return 0;
}
