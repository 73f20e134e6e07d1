#include <string.h>

#include "redact/identity_address.h"
#include "redact/identity_text.h"

#define GROUPS_MAX 33

/* Longer rows of octets that MAC addresses are part of. Rows of other lengths are fingerprints. */
static const struct row {
	size_t groups;
	const char *begin; /* what its first octets are (lower case), NULL: anything */
	const char *end;   /* what its last are */
	size_t at;	   /* the octet that the address begins with */
	size_t len;
} rows[] = {
	{6, NULL, NULL, 0, 6},
	{7, "01:", NULL, 1, 6},		  /* DHCP client identifier, RFC 2132 section 9.14 */
	{8, NULL, NULL, 0, 8},		  /* EUI-64 of a MAC; others are serial numbers */
	{10, "00:03:00:01:", NULL, 4, 6}, /* DUID of a link-layer address, RFC 8415 section 11.4 */
	{14, "00:01:00:01:", NULL, 8, 6}, /* … and time, section 11.2 */
	{20, NULL, NULL, 12, 8}, /* InfiniBand, RFC 4391 section 9.1.1: see is_infiniband */
};

/* A frame's header as netfilter logs it: to, from, type. */
static const char *const frame_ends[] = {":08:00", ":86:dd", ":08:06", NULL};

static bool is_dash_or_colon(unsigned char c)
{
	return c == ':' || c == '-';
}

/* Octets of two digits from `start`, with one separator between them. */
static size_t count_groups(const struct identity_text *text, size_t start)
{
	unsigned char separator = text_at(text, start + 2);
	size_t count = 0, at = start;

	while (count < GROUPS_MAX && is_hex(text_at(text, at)) && is_hex(text_at(text, at + 1))) {
		count++;
		at += 2;
		if (text_at(text, at) != separator || !is_hex(text_at(text, at + 1)))
			break;
		at++;
	}
	at = start + count * 3 - (count > 0);
	return is_word(text_at(text, at)) || text_at(text, at) == '_' ? 0 : count;
}

static bool is_frame(const struct identity_text *text, size_t start, size_t groups)
{
	for (size_t i = 0; groups == 14 && frame_ends[i]; i++)
		if (text_has(text, start + 12 * 3 - 1, frame_ends[i]))
			return true;
	return false;
}

static bool is_infiniband(const struct identity_text *text, size_t start)
{
	return text_has(text, start + 4 * 3, "fe:80:00:00:00:00:00:00:");
}

static bool take(const struct identity_text *text, size_t start, size_t len,
		 struct identity_span *ret_span)
{
	struct identity_address address;
	size_t end = start + 3 * len - 1;

	if (!identity_mac_read(text->bytes + start, end - start, &address) ||
	    identity_mac_stays(address.bytes, len))
		return false;
	*ret_span = (struct identity_span){TL_IDENTITY_MAC, start, end};
	return true;
}

/* `at` is the first separator. */
static bool find_row(const struct identity_text *text, size_t at, struct identity_span *ret_span)
{
	size_t start = at - 2, groups;

	if (at < 2 || is_word(text_at(text, start - 1)) || text_at(text, start - 1) == '_' ||
	    text_at(text, start - 1) == '-')
		return false;
	groups = count_groups(text, start);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *row = &rows[i];

		if (row->groups != groups || (row->begin && !text_has(text, start, row->begin)) ||
		    (groups == 20 && !is_infiniband(text, start)) ||
		    (groups == 8 && !text_has(text, start + 9, "ff:fe:")))
			continue;
		return take(text, start + 3 * row->at, row->len, ret_span);
	}
	return false;
}

/* Both addresses of a frame: `at` is the first separator of the row or of its second address. */
static bool find_frame(const struct identity_text *text, size_t at, struct identity_span *ret_span)
{
	size_t start = at - 2;

	if (at < 2)
		return false;
	if (!is_word(text_at(text, start - 1)) && is_frame(text, start, count_groups(text, start)))
		return take(text, start, 6, ret_span) || take(text, start + 18, 6, ret_span);
	return start >= 18 && !is_word(text_at(text, start - 19)) &&
	       is_frame(text, start - 18, count_groups(text, start - 18)) &&
	       take(text, start, 6, ret_span);
}

/* Is the octet before `at` inside a row, rather than at its beginning? */
static bool is_inside(const struct identity_text *text, size_t at)
{
	return text_at(text, at - 3) == ':' && is_hex(text_at(text, at - 4)) &&
	       is_hex(text_at(text, at - 5)) && !is_word(text_at(text, at - 6));
}

bool identity_mac_at_colon(const struct identity_text *text, size_t at,
			   struct identity_span *ret_span)
{
	if (text_at(text, at + 3) != ':')
		return false;
	return find_frame(text, at, ret_span) ||
	       (!is_inside(text, at) && find_row(text, at, ret_span));
}

bool identity_mac_at_dash(const struct identity_text *text, size_t at,
			  struct identity_span *ret_span)
{
	size_t start = at - 2;

	if (text_at(text, at + 3) != '-' || at < 2 || is_word(text_at(text, start - 1)) ||
	    text_at(text, start - 1) == '-')
		return false;
	switch (count_groups(text, start)) {
	case 6:
		return take(text, start, 6, ret_span);
	case 7: /* PXE: the hardware's type before it */
		return text_has(text, start, "01-") && take(text, start + 3, 6, ret_span);
	case 8:
		return take(text, start, 8, ret_span);
	default:
		return false;
	}
}

bool identity_mac_at_dot(const struct identity_text *text, size_t at,
			 struct identity_span *ret_span)
{
	size_t start = at - 4, end = at + 10;
	struct identity_address address;
	unsigned char before;

	if (at < 4 || text_at(text, at + 5) != '.')
		return false;
	before = text_at(text, start - 1);
	if (is_word(before) || before == '.' || before == '-' || is_word(text_at(text, end)) ||
	    text_at(text, end) == '-' ||
	    (text_at(text, end) == '.' && is_word(text_at(text, end + 1))))
		return false;
	for (size_t i = start, letters = 0; i <= end; i++) {
		letters += is_letter(text_at(text, i));
		if (i == end && letters == 0) /* a number of three parts */
			return false;
	}
	if (!identity_mac_read(text->bytes + start, end - start, &address) ||
	    identity_mac_stays(address.bytes, 6))
		return false;
	*ret_span = (struct identity_span){TL_IDENTITY_MAC, start, end};
	return true;
}

static enum identity_form form_of(const char *text, size_t len)
{
	if (len == 14 && text[4] == '.')
		return IDENTITY_CISCO;
	if (len == 12)
		return IDENTITY_HEX;
	return text[2] == '-' ? IDENTITY_DASHED : IDENTITY_PLAIN;
}

bool identity_mac_read(const char *text, size_t len, struct identity_address *ret_address)
{
	struct identity_address address = {.bits = IDENTITY_WHOLE};
	size_t digits = 0;

	if (len != 12 && len != 14 && len != 17 && len != 23)
		return false;
	address.form = form_of(text, len);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (!is_hex(c)) {
			if (c != '.' && !is_dash_or_colon(c))
				return false;
			continue;
		}
		if (digits == 16)
			return false;
		address.upper = address.upper || (c >= 'A' && c <= 'F');
		address.bytes[digits / 2] |= (uint8_t)(hex_value(c) << (digits % 2 ? 0 : 4));
		digits++;
	}
	address.len = digits / 2;
	if (digits != 12 && digits != 16)
		return false;
	*ret_address = address;
	return true;
}

void identity_mac_write(const struct identity_address *address, struct tl_buf *out)
{
	char digits[3];

	for (size_t i = 0; i < address->len; i++) {
		if (i > 0 && address->form == IDENTITY_CISCO && i % 2 == 0)
			tl_buf_putc(out, '.');
		if (i > 0 && address->form == IDENTITY_DASHED)
			tl_buf_putc(out, '-');
		if (i > 0 && address->form == IDENTITY_PLAIN)
			tl_buf_putc(out, ':');
		tl_hex_encode(&address->bytes[i], 1, digits);
		for (size_t k = 0; k < 2; k++)
			tl_buf_putc(out,
				    (char)(address->upper && is_letter((unsigned char)digits[k])
						   ? digits[k] & ~0x20
						   : digits[k]));
	}
}
