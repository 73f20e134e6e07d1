#include <string.h>
#include <strings.h>

#include "redact/identity_address.h"
#include "redact/identity_text.h"

#define ARPA "ip6.arpa"
#define TEXT_MAX 45 /* INET6_ADDRSTRLEN - 1 */
#define GROUPS 8
#define SOCKET_LEN 37 /* 32 digits, a colon, four digits */

/* Where parsing of an address stands. */
struct groups {
	uint8_t bytes[16];
	size_t count; /* of 16-bit groups */
	size_t gap;   /* group index of "::", GROUPS when there is none */
	size_t end;   /* in the text */
};

static bool read_v4_tail(const struct identity_text *text, size_t at, struct groups *groups)
{
	struct identity_address tail;
	size_t len = 0;

	while (len < 15 && (is_digit(text_at(text, at + len)) || text_at(text, at + len) == '.'))
		len++;
	while (len > 0 && text_at(text, at + len - 1) == '.')
		len--;
	if (groups->count > GROUPS - 2 || !identity_v4_read(text->bytes + at, len, &tail) ||
	    tail.form != IDENTITY_PLAIN)
		return false;
	memcpy(groups->bytes + 2 * groups->count, tail.bytes, 4);
	groups->count += 2;
	groups->end = at + len;
	return true;
}

/* Reads group after group, each behind a colon but the first, up to what belongs to none. */
static bool read_groups(const struct identity_text *text, size_t at, struct groups *groups)
{
	*groups = (struct groups){.gap = GROUPS, .end = at};
	while (groups->count < GROUPS) {
		bool first = groups->count == 0 && groups->gap == GROUPS;
		size_t from = groups->end, len;
		unsigned value = 0;

		if (text_at(text, from) == ':' && text_at(text, from + 1) == ':' &&
		    groups->gap == GROUPS) {
			groups->gap = groups->count;
			groups->end = from += 2;
		} else if (!first && text_at(text, from - 1) != ':') {
			if (text_at(text, from) != ':')
				break;
			from++;
		}
		len = text_hex_run(text, from, 5);
		if (len == 0 || len > 4)
			break;
		if (text_at(text, from + len) == '.' && read_v4_tail(text, from, groups))
			break;
		for (size_t i = 0; i < len; i++)
			value = value << 4 | hex_value(text_at(text, from + i));
		groups->bytes[2 * groups->count] = (uint8_t)(value >> 8);
		groups->bytes[2 * groups->count + 1] = (uint8_t)value;
		groups->count++;
		groups->end = from + len;
	}
	return groups->gap < GROUPS ? groups->count < GROUPS : groups->count == GROUPS;
}

/* Groups behind the gap move to the end. */
static void close_gap(struct groups *groups)
{
	size_t before = 2 * groups->gap, after = 2 * (groups->count - groups->gap);

	if (groups->gap == GROUPS)
		return;
	memmove(groups->bytes + 16 - after, groups->bytes + before, after);
	memset(groups->bytes + before, 0, 16 - after - before);
}

/* Is the address in a part of the space that is in use? What looks like one otherwise ("abc::def") is a
 * name in a program. */
static bool is_assigned(const uint8_t bytes[static 16])
{
	return (bytes[0] & 0xe0) == 0x20 || (bytes[0] & 0xfe) == 0xfc ||
	       (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) || bytes[0] == 0xff ||
	       memcmp(bytes, (uint8_t[10]){0}, 10) == 0 || memcmp(bytes, "\0\x64\xff\x9b", 4) == 0;
}

/* Behind an address nothing may follow that makes it longer. A port may stand behind eight groups. */
static bool ends_well(const struct identity_text *text, const struct groups *groups)
{
	unsigned char c = text_at(text, groups->end), next = text_at(text, groups->end + 1);
	size_t digits = 1;

	if (is_word(c) || c == '_')
		return false;
	if (c != ':' || (!is_hex(next) && next != ':'))
		return true;
	if (groups->gap < GROUPS)
		return false;
	while (digits < 6 && is_digit(text_at(text, groups->end + digits)))
		digits++;
	return digits > 1 && !is_word(text_at(text, groups->end + digits)) &&
	       text_at(text, groups->end + digits) != ':';
}

static size_t prefix_len(const struct identity_text *text, size_t at, int *ret_bits)
{
	unsigned value = 0;
	size_t len = 1;

	if (text_at(text, at) != '/')
		return 0;
	while (len < 5 && is_digit(text_at(text, at + len)))
		value = value * 10 + (unsigned)(text_at(text, at + len++) - '0');
	if (len == 1 || value > 128 || is_word(text_at(text, at + len)))
		return 0;
	*ret_bits = (int)value;
	return len;
}

/* Where an address that has the colon `at` in it can begin. A word before it ends in a colon of its own. */
static size_t find_start(const struct identity_text *text, size_t at)
{
	size_t start = at;

	while (at - start < TEXT_MAX &&
	       (is_hex(text_at(text, start - 1)) || text_at(text, start - 1) == ':'))
		start--;
	if (is_word(text_at(text, start - 1)) || text_at(text, start - 1) == '_') {
		while (start < at && text_at(text, start) != ':')
			start++;
		start++;
	}
	if (text_at(text, start) == ':' && text_at(text, start + 1) != ':')
		start++;
	return start;
}

/* Are there enough colons: two in a row, or two more behind this one? A clock's time has not. */
static bool is_plausible(const struct identity_text *text, size_t at)
{
	for (unsigned groups = 0; groups < 2; groups++) {
		size_t len;

		if (text_at(text, at + 1) == ':')
			return true;
		len = text_hex_run(text, at + 1, 5);
		at += len + 1;
		if (len == 0 || len > 4 || text_at(text, at) != ':')
			return false;
	}
	return true;
}

bool identity_v6_at_colon(const struct identity_text *text, size_t at,
			  struct identity_span *ret_span)
{
	struct groups groups;
	size_t start;
	int bits;

	if (!is_plausible(text, at))
		return false;
	start = find_start(text, at);
	if (start > at || !read_groups(text, start, &groups) || groups.end <= at ||
	    !ends_well(text, &groups))
		return false;
	close_gap(&groups);
	if (!is_assigned(groups.bytes) || identity_v6_stays(groups.bytes))
		return false;
	groups.end += prefix_len(text, groups.end, &bits);
	*ret_span = (struct identity_span){TL_IDENTITY_IPV6, start, groups.end};
	return true;
}

/* Nibbles, each with a dot behind it, before "ip6.arpa". */
static size_t read_nibbles(const struct identity_text *text, size_t at, uint8_t nibbles[static 32],
			   size_t *ret_end)
{
	size_t count = 0;

	while (count < 32 && is_hex(text_at(text, at)) && text_at(text, at + 1) == '.') {
		nibbles[count++] = (uint8_t)hex_value(text_at(text, at));
		at += 2;
	}
	*ret_end = at + strlen(ARPA);
	return text_has(text, at, ARPA) && !is_word(text_at(text, *ret_end)) ? count : 0;
}

bool identity_v6_at_dot(const struct identity_text *text, size_t at, struct identity_span *ret_span)
{
	unsigned char before = text_at(text, at - 2);
	uint8_t nibbles[32];
	size_t end;

	if (!is_hex(text_at(text, at - 1)) || is_word(before) || before == '.' ||
	    read_nibbles(text, at - 1, nibbles, &end) == 0)
		return false;
	*ret_span = (struct identity_span){TL_IDENTITY_IPV6, at - 1, end};
	return true;
}

static bool read_reversed(const struct identity_text *text, struct identity_address *address)
{
	uint8_t nibbles[32];
	size_t end, count = read_nibbles(text, 0, nibbles, &end);

	for (size_t i = 0; i < count; i++)
		address->bytes[i / 2] |= (uint8_t)(nibbles[count - 1 - i] << (i % 2 ? 0 : 4));
	address->given = count;
	address->bits = count < 32 ? (int)count * 4 : IDENTITY_WHOLE;
	address->form = IDENTITY_REVERSED;
	return count > 0 && end == text->len;
}

static bool has_upper(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] >= 'A' && text[i] <= 'F')
			return true;
	return false;
}

/* The kernel prints an address of /proc/net/tcp6 as four numbers, with their digits in this machine's
 * order, and one of if_inet6 and ipv6_route as it is. */
static void swap_words(uint8_t bytes[static 16])
{
	for (size_t i = 0; i < 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__; i += 4) {
		uint8_t word[4] = {bytes[i + 3], bytes[i + 2], bytes[i + 1], bytes[i]};

		memcpy(bytes + i, word, 4);
	}
}

bool identity_v6_read(const char *bytes, size_t len, struct identity_address *ret_address)
{
	struct identity_text text = {bytes, len};
	struct identity_address address = {.len = 16, .bits = IDENTITY_WHOLE};
	struct groups groups;
	size_t arpa = strlen(ARPA);
	bool ok;

	address.upper = has_upper(bytes, len);
	if (len > arpa && text_has(&text, len - arpa, ARPA)) {
		ok = read_reversed(&text, &address);
	} else if (len == 32 ||
		   (len == SOCKET_LEN && bytes[32] == ':' && text_hex_run(&text, 0, 33) == 32)) {
		ok = text_hex(&text, 0, 16, address.bytes);
		address.form = len == 32 ? IDENTITY_HEX : IDENTITY_SOCKET;
		if (address.form == IDENTITY_SOCKET) {
			swap_words(address.bytes);
			memcpy(address.port, bytes + 32, SOCKET_LEN - 32);
		}
	} else {
		ok = read_groups(&text, 0, &groups);
		if (ok)
			close_gap(&groups);
		memcpy(address.bytes, groups.bytes, 16);
		groups.end += ok ? prefix_len(&text, groups.end, &address.bits) : 0;
		ok = ok && groups.end == len;
	}
	if (ok)
		*ret_address = address;
	return ok;
}

/* The longest run of at least two zero groups, RFC 5952 section 4.2. */
static size_t find_gap(const uint8_t bytes[static 16], size_t *ret_count)
{
	size_t best = GROUPS, best_count = 1;

	for (size_t i = 0; i < GROUPS; i++) {
		size_t count = 0;

		while (i + count < GROUPS && !bytes[2 * (i + count)] && !bytes[2 * (i + count) + 1])
			count++;
		if (count > best_count) {
			best = i;
			best_count = count;
		}
	}
	*ret_count = best_count;
	return best;
}

static void write_groups(const struct identity_address *address, struct tl_buf *out)
{
	const uint8_t *bytes = address->bytes;
	bool mapped = memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
	size_t gap_count, gap = find_gap(bytes, &gap_count);
	size_t end = mapped ? GROUPS - 2 : GROUPS;

	for (size_t i = 0; i < end; i++) {
		if (i == gap) {
			tl_buf_puts(out, "::");
			i += gap_count - 1;
			continue;
		}
		if (i > 0 && i != gap + gap_count)
			tl_buf_putc(out, ':');
		tl_buf_printf(out, "%x", (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1]);
	}
	if (mapped)
		tl_buf_printf(out, ":%u.%u.%u.%u", bytes[12], bytes[13], bytes[14], bytes[15]);
}

void identity_v6_write(const struct identity_address *address, struct tl_buf *out)
{
	struct identity_address copy = *address;

	switch (address->form) {
	case IDENTITY_REVERSED:
		for (size_t i = address->given; i-- > 0;)
			tl_buf_printf(out, "%x.", address->bytes[i / 2] >> (i % 2 ? 0 : 4) & 0x0fu);
		tl_buf_puts(out, ARPA);
		return;
	case IDENTITY_SOCKET:
		swap_words(copy.bytes);
		for (size_t i = 0; i < 16; i++)
			tl_buf_printf(out, "%02X", copy.bytes[i]);
		tl_buf_append(out, address->port, SOCKET_LEN - 32);
		return;
	case IDENTITY_HEX:
		for (size_t i = 0; i < 16; i++)
			tl_buf_printf(out, "%02x", copy.bytes[i]);
		return;
	case IDENTITY_PLAIN:
	case IDENTITY_DASHED:
	case IDENTITY_CISCO:
		write_groups(address, out);
		if (address->bits != IDENTITY_WHOLE)
			tl_buf_printf(out, "/%d", address->bits);
	}
}
