#include "record_line.h"

#include <stdint.h>
#include <towline/str.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Length of the character that a lead byte announces; 0 for a byte that cannot lead (RFC 3629). */
static size_t announced(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* True when the bytes may still become a character once more of them come. */
static bool is_beginning(const uint8_t *bytes, size_t len)
{
	if (len > 1 &&
	    ((bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f) ||
	     (bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f)))
		return false;
	for (size_t i = 1; i < len; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return false;
	return true;
}

static void put_ascii(struct tl_buf *out, char c)
{
	switch (c) {
	case '\0': /* no strict JSON reader takes it */
		tl_buf_puts(out, REPLACEMENT);
		return;
	case '"':
		tl_buf_puts(out, "\\\"");
		return;
	case '\\':
		tl_buf_puts(out, "\\\\");
		return;
	case '\n':
		tl_buf_puts(out, "\\n");
		return;
	case '\r':
		tl_buf_puts(out, "\\r");
		return;
	default:
		break;
	}
	if ((uint8_t)c < 0x20 || c == 0x7f)
		tl_buf_printf(out, "\\u%04x", (unsigned)(uint8_t)c);
	else
		tl_buf_putc(out, c);
}

/* A run of plain printable ASCII, which needs no escape: most of what terminals show. */
static size_t plain_run(const char *bytes, size_t len)
{
	size_t i = 0;

	while (i < len && (uint8_t)bytes[i] >= 0x20 && (uint8_t)bytes[i] < 0x7f &&
	       bytes[i] != '"' && bytes[i] != '\\')
		i++;
	return i;
}

void tl_record_escape(struct tl_buf *out, const char *bytes, size_t len, size_t *ret_rest)
{
	size_t at = 0;

	if (ret_rest)
		*ret_rest = 0;
	while (at < len) {
		size_t run = plain_run(bytes + at, len - at);
		size_t want;

		tl_buf_append(out, bytes + at, run);
		at += run;
		if (at == len)
			return;
		want = announced((uint8_t)bytes[at]);
		if (want > len - at && ret_rest &&
		    is_beginning((const uint8_t *)bytes + at, len - at)) {
			*ret_rest = len - at;
			return;
		}
		if (want == 1) {
			put_ascii(out, bytes[at++]);
		} else if (want > 1 && want <= len - at && tl_str_is_utf8(bytes + at, want)) {
			tl_buf_append(out, bytes + at, want);
			at += want;
		} else {
			tl_buf_puts(out, REPLACEMENT);
			at++;
		}
	}
}
