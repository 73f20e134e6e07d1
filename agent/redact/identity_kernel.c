#include <string.h>

#include "redact/identity_address.h"
#include "redact/identity_text.h"

#define SOCKET_LEN 37 /* 32 digits, a colon, four digits */

/* Addresses as the kernel's tables have them: hexadecimal, without separators. */

static bool take(const struct identity_text *text, size_t start, size_t len,
		 struct identity_span *ret_span)
{
	struct identity_address address;

	if (len == 8) {
		if (!identity_v4_read(text->bytes + start, len, &address) ||
		    identity_v4_stays(address.bytes))
			return false;
	} else if (!identity_v6_read(text->bytes + start, len, &address) ||
		   identity_v6_stays(address.bytes)) {
		return false;
	}
	*ret_span = (struct identity_span){len == 8 ? TL_IDENTITY_IPV4 : TL_IDENTITY_IPV6, start,
					   start + len};
	return true;
}

static bool is_blank_or_end(const struct identity_text *text, size_t at)
{
	unsigned char c = text_at(text, at);

	return at >= text->len || c == ' ' || c == '\t' || c == '\n';
}

/* "0100007F:0016 " of /proc/net/tcp, or 32 digits of tcp6. */
bool identity_kernel_at_colon(const struct identity_text *text, size_t at,
			      struct identity_span *ret_span)
{
	size_t digits = 0;

	if (text_hex_run(text, at + 1, 5) != 4 || !is_blank_or_end(text, at + 5))
		return false;
	while (digits < 33 && is_hex(text_at(text, at - 1 - digits)) &&
	       text_at(text, at - 1 - digits) < 'a')
		digits++;
	if ((digits != 8 && digits != 32) || text_at(text, at - 1 - digits) != ' ')
		return false;
	/* The port says that the digits are in the kernel's order. */
	return take(text, at - digits, digits == 8 ? 8 : SOCKET_LEN, ret_span);
}

/* A column of /proc/net/route: destination (gateway and flags behind it), gateway (flags behind it). */
static bool is_route(const struct identity_text *text, size_t at)
{
	size_t next = at + 9;

	if (text_at(text, at - 1) != '\t' || text_at(text, at + 8) != '\t')
		return false;
	if (text_hex_run(text, next, 9) == 8 && text_at(text, next + 8) == '\t')
		next += 9;
	return text_hex_run(text, next, 5) == 4 && text_at(text, next + 4) == '\t';
}

/* A column of if_inet6 or ipv6_route: 32 digits, then two or eight more. */
static bool is_inet6(const struct identity_text *text, size_t at)
{
	unsigned char before = text_at(text, at - 1);
	size_t digits = text_hex_run(text, at + 33, 9);

	return (at == 0 || before == '\n' || before == ' ') && text_at(text, at + 32) == ' ' &&
	       (digits == 2 || digits == 8) && text_at(text, at + 33 + digits) == ' ';
}

/* "enx001122334455": systemd's names of interfaces, by MAC. */
static bool is_interface(const struct identity_text *text, size_t at)
{
	return (text_has(text, at, "enx") || text_has(text, at, "wlx") ||
		text_has(text, at, "wwx")) &&
	       text_hex_run(text, at + 3, 13) == 12 && !is_word(text_at(text, at + 15));
}

bool identity_kernel_at_word(const struct identity_text *text, size_t at,
			     struct identity_span *ret_span)
{
	size_t digits;

	if (is_interface(text, at)) {
		*ret_span = (struct identity_span){TL_IDENTITY_MAC, at + 3, at + 15};
		return true;
	}
	digits = text_hex_run(text, at, 33);
	if (digits == 8 && is_route(text, at))
		return take(text, at, 8, ret_span);
	return digits == 32 && is_inet6(text, at) && take(text, at, 32, ret_span);
}
