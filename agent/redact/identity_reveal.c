#include <string.h>

#include "redact/identity_index.h"
#include "redact/identity_map.h"

#define CANDIDATE_MAX 96 /* bytes of an address in any form */

typedef bool read_address(const char *text, size_t len, struct identity_address *ret_address);
typedef void write_address(const struct identity_address *address, struct tl_buf *out);

static const struct {
	read_address *read;
	write_address *write;
} kinds[] = {
	{identity_v4_read, identity_v4_write},
	{identity_mac_read, identity_mac_write},
	{identity_v6_read, identity_v6_write},
};

static bool is_address_byte(unsigned char c)
{
	return is_word(c) || c == '.' || c == ':' || c == '-' || c == '/';
}

/* An address in whatever form, revealed in the same form. */
static bool reveal_address(const struct tl_identity_map *map, const char *text, size_t len,
			   struct tl_buf *out)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(kinds); i++) {
		tl_auto(tl_buf) struct tl_buf plain = TL_BUF_INIT(64);
		struct identity_address address, original;
		struct identity_address copy;
		const char *found;

		if (!kinds[i].read(text, len, &address))
			continue;
		copy = address;
		copy.form = IDENTITY_PLAIN;
		copy.bits = -1;
		copy.upper = false;
		kinds[i].write(&copy, &plain);
		found = tl_identity_map_find(map, tl_buf_str(&plain), plain.len);
		if (!found || !kinds[i].read(found, strlen(found), &original))
			continue;
		memcpy(address.bytes, original.bytes, sizeof address.bytes);
		kinds[i].write(&address, out);
		return true;
	}
	return false;
}

/* The longest address that begins at `at` and ends at a boundary; its length, or 0. */
static size_t reveal_run(const struct tl_identity_map *map, const struct identity_text *text,
			 size_t at, struct tl_buf *out)
{
	size_t end = at;

	while (end - at < CANDIDATE_MAX && is_address_byte(text_at(text, end)))
		end++;
	for (; end - at > 6; end--)
		if (!is_word(text_at(text, end)) && is_word(text_at(text, end - 1)) &&
		    reveal_address(map, text->bytes + at, end - at, out))
			return end - at;
	return 0;
}

static size_t reveal_name(const struct tl_identity_map *map, const struct identity_text *text,
			  size_t at, struct tl_buf *out)
{
	size_t len = identity_pseudonym_len(text, at);
	const char *found;

	if (len == 0)
		return 0;
	if (text_has(text, at + len, ".invalid"))
		len += strlen(".invalid");
	found = tl_identity_map_find(map, text->bytes + at, len);
	if (found)
		tl_buf_puts(out, found);
	return found ? len : 0;
}

/* "enx001122334455": the MAC in an interface's name. */
static size_t reveal_interface(const struct tl_identity_map *map, const struct identity_text *text,
			       size_t at, struct tl_buf *out)
{
	tl_auto(tl_buf) struct tl_buf mac = TL_BUF_INIT(64);

	if ((!text_has(text, at, "enx") && !text_has(text, at, "wlx") &&
	     !text_has(text, at, "wwx")) ||
	    text_hex_run(text, at + 3, 13) != 12 || is_word(text_at(text, at + 15)) ||
	    !reveal_address(map, text->bytes + at + 3, 12, &mac))
		return 0;
	tl_buf_append(out, text->bytes + at, 3);
	tl_buf_puts(out, tl_buf_str(&mac));
	return 15;
}

static size_t reveal_at(const struct tl_identity_map *map, const struct identity_text *text,
			size_t at, struct tl_buf *out)
{
	size_t taken = reveal_name(map, text, at, out);

	if (taken == 0)
		taken = reveal_interface(map, text, at, out);
	return taken == 0 && is_hex(text_at(text, at)) ? reveal_run(map, text, at, out) : taken;
}

void tl_identity_map_reveal(const struct tl_identity_map *map, const char *bytes, size_t len,
			    struct tl_buf *out)
{
	struct identity_text text = {bytes, len};

	for (size_t at = 0; at < len;) {
		size_t taken = 0;

		if (is_word(text_at(&text, at)) && !is_word(text_at(&text, at - 1)))
			taken = reveal_at(map, &text, at, out);
		if (taken == 0)
			tl_buf_putc(out, bytes[at++]);
		at += taken;
	}
}
