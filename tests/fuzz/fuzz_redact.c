/* Any text around a planted secret, in any pieces: the secret never comes out, and the pieces do not
 * matter. The first two bytes choose the pieces' size and where the secret stands. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <towline/buf.h>

#include "redact/redact.h"

#define CANARY "c4n4ryQ7zJ9wX2"
#define PLANTED " password=\"" CANARY "\" "
#define OUT_MAX (64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int to_buf(void *arg, const void *bytes, size_t len, struct tl_err *err TL_UNUSED)
{
	tl_buf_append(arg, bytes, len);
	return 0;
}

static struct tl_redactor *redactor_for_all(void)
{
	static const struct tl_redact_limits limits = {1024, 256, 100000};
	static const struct tl_redact_sources sources = {.site_dir = NULL};
	static struct tl_redact_rules *rules;
	static struct tl_redactor *redactor;

	if (!redactor && (tl_redact_rules_open(&sources, &rules, NULL) < 0 ||
			  tl_redactor_new(rules, &limits, &redactor, NULL) < 0))
		abort();
	return redactor;
}

static void redact(const struct tl_buf *text, size_t piece, struct tl_buf *out)
{
	struct tl_redactor *redactor = redactor_for_all();

	tl_redactor_begin(redactor, to_buf, out);
	for (size_t at = 0; at < text->len; at += piece) {
		size_t len = text->len - at < piece ? text->len - at : piece;

		if (tl_redactor_feed(redactor, text->data + at, len, NULL) < 0)
			abort();
	}
	if (tl_redactor_flush(redactor, NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(OUT_MAX);
	tl_auto(tl_buf) struct tl_buf whole = TL_BUF_INIT(OUT_MAX);
	tl_auto(tl_buf) struct tl_buf pieces = TL_BUF_INIT(OUT_MAX);
	size_t piece, at;

	if (size < 2)
		return 0;
	piece = (size_t)data[0] + 1;
	at = (size - 2) * data[1] / 255;
	tl_buf_append(&text, data + 2, at);
	tl_buf_puts(&text, PLANTED);
	tl_buf_append(&text, data + 2 + at, size - 2 - at);
	redact(&text, text.len, &whole);
	redact(&text, piece, &pieces);
	if (whole.len != pieces.len ||
	    (whole.len && memcmp(whole.data, pieces.data, whole.len) != 0))
		abort();
	if (whole.len && memmem(whole.data, whole.len, CANARY, strlen(CANARY)) &&
	    !memmem(data, size, CANARY, strlen(CANARY)))
		abort();
	return 0;
}
