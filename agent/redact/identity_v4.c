#include <string.h>

#include "redact/identity_address.h"
#include "redact/identity_text.h"

#define ARPA ".in-addr.arpa"
#define SMALL 60 /* octets of a version number are hardly larger */
#define LARGE 100
#define ADDRESS_BITS_MAX 32

struct quad {
	const struct identity_text *text;
	size_t start, end;
	uint8_t octets[4];
	bool private; /* in a network that only addresses are taken from */
	bool small, large;
};

/* What stands before a number with four parts that is no address. */
static const char *const version_words[] = {"version", "versions", "ver",  "vers",
					    "v",       "firmware", "bios", "oid",
					    "section", "chapter",  NULL};
/* The same, but addresses are seen behind these, too: private ones are believed. */
static const char *const release_words[] = {"release", "revision", "rev",   "build",	 "driver",
					    "library", "lib",	   "using", "microcode", NULL};
/* What stands behind it. */
static const char *const machine_words[] = {"amd64",   "arm64",	  "i386",  "x86_64",
					    "aarch64", "noarch",  "armhf", "ppc64el",
					    "s390x",   "riscv64", NULL};
/* Before the dashes of an address in a host's name; other words are believed with private ones only. */
static const char *const host_words[] = {"ip",	   "ec2",  "dhcp", "host", "static",
					 "client", "pool", "dyn",  "node", "dynamic",
					 "vm",	   "cust", "dsl",  NULL};

static bool is_listed(const char *word, size_t len, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == len && strncasecmp(*list, word, len) == 0)
			return true;
	return false;
}

bool text_has(const struct identity_text *text, size_t at, const char *word)
{
	size_t len = strlen(word);

	return at < text->len && text->len - at >= len &&
	       lower((unsigned char)text->bytes[at]) == (unsigned char)*word &&
	       strncasecmp(text->bytes + at, word, len) == 0;
}

bool text_hex(const struct identity_text *text, size_t at, size_t count, uint8_t *ret_bytes)
{
	for (size_t i = 0; i < count; i++) {
		unsigned char high = text_at(text, at + 2 * i), low = text_at(text, at + 2 * i + 1);

		if (!is_hex(high) || !is_hex(low))
			return false;
		ret_bytes[i] = (uint8_t)(hex_value(high) << 4 | hex_value(low));
	}
	return true;
}

size_t text_hex_run(const struct identity_text *text, size_t at, size_t max)
{
	size_t len = 0;

	while (len < max && is_hex(text_at(text, at + len)))
		len++;
	return len;
}

/* Digits of a decimal number up to 255 at `at`; 0 when there is none. */
static size_t read_octet(const struct identity_text *text, size_t at, uint8_t *ret_octet)
{
	unsigned value = 0;
	size_t len = 0;

	while (is_digit(text_at(text, at + len))) {
		value = value * 10 + (unsigned)(text_at(text, at + len) - '0');
		if (++len > 3 || value > 255)
			return 0;
	}
	*ret_octet = (uint8_t)value;
	return len;
}

/* Up to four octets with `separator` between them. Leading zeros only where each has three digits. */
static size_t read_octets(const struct identity_text *text, size_t at, char separator,
			  uint8_t octets[static 4], size_t *ret_end)
{
	size_t count = 0, end = at, three = 0;
	bool zeros = false;

	while (count < 4) {
		size_t from = count ? end + 1 : end;
		size_t len = count && text_at(text, end) != (unsigned char)separator
				     ? 0
				     : read_octet(text, from, &octets[count]);

		if (len == 0)
			break;
		zeros = zeros || (len > 1 && text_at(text, from) == '0');
		three += len == 3;
		end = from + len;
		count++;
	}
	*ret_end = end;
	return zeros && three != count ? 0 : count;
}

static bool read_quad(const struct identity_text *text, size_t start, char separator,
		      struct quad *quad)
{
	const uint8_t *octets;

	*quad = (struct quad){.text = text, .start = start, .small = true};
	if (read_octets(text, start, separator, quad->octets, &quad->end) != 4)
		return false;
	octets = quad->octets;
	quad->private = octets[0] == 10 || (octets[0] == 172 && (octets[1] & 0xf0) == 16) ||
			(octets[0] == 192 && octets[1] == 168) ||
			(octets[0] == 169 && octets[1] == 254) ||
			(octets[0] == 100 && (octets[1] & 0xc0) == 64);
	for (size_t i = 0; i < 4; i++) {
		quad->small = quad->small && octets[i] < SMALL;
		quad->large = quad->large || octets[i] >= LARGE;
	}
	return true;
}

static bool precedes_word(const struct identity_text *text, size_t at, const char *const *list)
{
	size_t end = at, start;

	while (end > 0 && at - end < 6 && is_one_of(text->bytes[end - 1], " \t=:\"'("))
		end--;
	start = end;
	while (start > 0 && end - start < 12 && is_letter(text_at(text, start - 1)))
		start--;
	return end > start && is_listed(text->bytes + start, end - start, list);
}

static bool follows_word(const struct identity_text *text, size_t at, const char *const *list)
{
	size_t start = at, end;

	while (start - at < 64 && (text_at(text, start) == ' ' || text_at(text, start) == '\t'))
		start++;
	end = start;
	while (end - start < 12 && (is_word(text_at(text, end)) || text_at(text, end) == '_'))
		end++;
	return start > at && is_listed(text->bytes + start, end - start, list);
}

/* A fifth part: a packet's port as tcpdump writes it, otherwise the parts of something else. */
static bool is_packet(const struct quad *quad)
{
	const struct identity_text *text = quad->text;
	size_t end = quad->end + 1;

	while (is_digit(text_at(text, end)))
		end++;
	if (end - quad->end > 6 || is_word(text_at(text, end)) ||
	    (text_at(text, end) == '.' && is_digit(text_at(text, end + 1))))
		return false;
	return text_has(text, quad->start - 3, "ip ") || text_has(text, quad->start - 2, "> ") ||
	       text_has(text, end, " > ");
}

/* Behind a dash: a range of addresses, a package's revision, or a word. */
static bool is_before_dash(const struct quad *quad)
{
	struct quad last;
	uint8_t octet;
	size_t len;

	if (!is_digit(text_at(quad->text, quad->end + 1)))
		return quad->private || !quad->small;
	if (read_quad(quad->text, quad->end + 1, '.', &last))
		return true;
	len = read_octet(quad->text, quad->end + 1, &octet);
	return quad->private && len > 0 && octet > quad->octets[3] &&
	       !is_word(text_at(quad->text, quad->end + 1 + len)) &&
	       !is_one_of(text_at(quad->text, quad->end + 1 + len), ".+~-");
}

static bool ends_well(const struct quad *quad)
{
	unsigned char c = text_at(quad->text, quad->end), next = text_at(quad->text, quad->end + 1);

	if (c == '.' && is_digit(next))
		return is_packet(quad);
	if (is_word(c) || (is_word(next) && (c == '~' || c == '+')))
		return false;
	if (c == '-' && is_word(next))
		return is_before_dash(quad);
	if (c == '_')
		return quad->private;
	return c != '.' || !is_word(next) || quad->private || !quad->small;
}

/* Behind "name/": the version of a product, unless the name is part of a path. */
static bool is_in_path(const struct quad *quad)
{
	size_t at = quad->start - 1;

	if (!is_word(text_at(quad->text, at - 1)))
		return true;
	while (at > 0 && (is_word(text_at(quad->text, at - 1)) ||
			  is_one_of(quad->text->bytes[at - 1], "._-")))
		at--;
	return text_at(quad->text, at - 1) == '/';
}

/* Does a word go on behind it ("-12.0.4.66.dist-info")? */
static bool is_glued(const struct quad *quad)
{
	return is_one_of(text_at(quad->text, quad->end), ".-_") &&
	       is_letter(text_at(quad->text, quad->end + 1));
}

static bool begins_well(const struct quad *quad)
{
	unsigned char c = text_at(quad->text, quad->start - 1);
	unsigned char before = text_at(quad->text, quad->start - 2);

	if (c == '~' || c == '+' || c == '^' || (c == '=' && before == '='))
		return false;
	if ((c == '-' || c == '_') && is_letter(before))
		return quad->private || (!quad->small && (quad->large || !is_glued(quad)));
	return c != '/' || quad->private || is_in_path(quad);
}

static bool is_object_id(const uint8_t octets[static 4])
{
	return (octets[0] == 2 && octets[1] == 5 && (octets[2] == 4 || octets[2] == 29)) ||
	       (octets[0] == 1 && octets[1] == 3 && octets[2] == 6 && octets[3] == 1);
}

static bool is_address(const struct quad *quad)
{
	if (identity_v4_stays(quad->octets) || is_object_id(quad->octets) || !ends_well(quad) ||
	    !begins_well(quad))
		return false;
	if (precedes_word(quad->text, quad->start, version_words) ||
	    follows_word(quad->text, quad->end, machine_words))
		return false;
	return quad->private || !precedes_word(quad->text, quad->start, release_words);
}

/* "/24" behind an address. */
static size_t prefix_len(const struct identity_text *text, size_t at, unsigned max, int *ret_bits)
{
	unsigned value = 0;
	size_t len = 1;

	if (text_at(text, at) != '/' || !is_digit(text_at(text, at + 1)))
		return 0;
	while (len < 4 && is_digit(text_at(text, at + len)))
		value = value * 10 + (unsigned)(text_at(text, at + len++) - '0');
	if (value > max || is_word(text_at(text, at + len)) || text_at(text, at + len) == '/' ||
	    (text_at(text, at + len) == '.' && is_digit(text_at(text, at + len + 1))))
		return 0;
	*ret_bits = (int)value;
	return len;
}

static bool find_arpa(const struct identity_text *text, size_t start,
		      struct identity_span *ret_span)
{
	uint8_t octets[4] = {0};
	size_t end, count = read_octets(text, start, '.', octets, &end);

	if (count == 0 || !text_has(text, end, ARPA) || is_word(text_at(text, end + strlen(ARPA))))
		return false;
	*ret_span = (struct identity_span){TL_IDENTITY_IPV4, start, end + strlen(ARPA)};
	return true;
}

bool identity_v4_at_dot(const struct identity_text *text, size_t at, struct identity_span *ret_span)
{
	size_t start = at;
	struct quad quad;
	int bits;

	while (at - start < 3 && is_digit(text_at(text, start - 1)))
		start--;
	if (start == at || is_word(text_at(text, start - 1)) || text_at(text, start - 1) == '.')
		return false;
	if (find_arpa(text, start, ret_span))
		return true;
	if (!read_quad(text, start, '.', &quad) || !is_address(&quad))
		return false;
	quad.end += prefix_len(text, quad.end, ADDRESS_BITS_MAX, &bits);
	*ret_span = (struct identity_span){TL_IDENTITY_IPV4, quad.start, quad.end};
	return true;
}

static size_t digits_start(const struct identity_text *text, size_t at)
{
	size_t start = at;

	while (at - start < 4 && is_digit(text_at(text, start - 1)))
		start--;
	return start;
}

static bool ends_dashes(const struct quad *quad)
{
	unsigned char next = text_at(quad->text, quad->end);

	return !is_word(next) && (next != '-' || !is_digit(text_at(quad->text, quad->end + 1)));
}

/* A name that begins with an address: `at` is the first dash inside it. */
static bool find_bare_dashes(const struct identity_text *text, size_t at, struct quad *quad)
{
	size_t start = digits_start(text, at);
	unsigned char before = text_at(text, start - 1);

	return start < at && !is_word(before) && !is_one_of(before, "-._") &&
	       read_quad(text, start, '-', quad) && quad->private && ends_dashes(quad) &&
	       text_at(text, quad->end) == '.' && is_letter(text_at(text, quad->end + 1));
}

/* "ip-10-1-2-3": `at` is the dash before the address. */
static bool find_dashes(const struct identity_text *text, size_t at, struct quad *quad)
{
	size_t word = at;

	while (at - word < 12 && is_word(text_at(text, word - 1)))
		word--;
	return word < at && !is_digit(text_at(text, word)) && read_quad(text, at + 1, '-', quad) &&
	       ends_dashes(quad) &&
	       (quad->private || is_listed(text->bytes + word, at - word, host_words));
}

bool identity_v4_at_dash(const struct identity_text *text, size_t at,
			 struct identity_span *ret_span)
{
	struct quad quad;

	if (!is_digit(text_at(text, at + 1)) ||
	    (!find_dashes(text, at, &quad) && !find_bare_dashes(text, at, &quad)) ||
	    identity_v4_stays(quad.octets))
		return false;
	*ret_span = (struct identity_span){TL_IDENTITY_IPV4, quad.start, quad.end};
	return true;
}

static bool read_kernel_order(const struct identity_text *text, struct identity_address *address)
{
	uint8_t bytes[4];

	if (!text_hex(text, 0, 4, bytes))
		return false;
	/* The kernel prints the number that the address' bytes are on this kind of machine. */
	for (size_t i = 0; i < 4; i++)
		address->bytes[i] = bytes[__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 3 - i : i];
	address->form = IDENTITY_HEX;
	return true;
}

static bool read_reversed(const struct identity_text *text, struct identity_address *address)
{
	uint8_t octets[4];
	size_t end, count = read_octets(text, 0, '.', octets, &end);

	for (size_t i = 0; i < count; i++)
		address->bytes[i] = octets[count - 1 - i];
	address->given = count;
	address->bits = count < 4 ? (int)count * 8 : IDENTITY_WHOLE;
	address->form = IDENTITY_REVERSED;
	return count > 0;
}

bool identity_v4_read(const char *bytes, size_t len, struct identity_address *ret_address)
{
	struct identity_text text = {bytes, len};
	struct identity_address address = {.len = 4, .bits = IDENTITY_WHOLE};
	bool dashed = memchr(bytes, '-', len) != NULL;
	size_t end, arpa = strlen(ARPA);
	bool ok;

	if (len > arpa && text_has(&text, len - arpa, ARPA)) {
		ok = read_reversed(&text, &address);
	} else if (len == 8 && !memchr(bytes, '.', len) && !dashed) {
		ok = read_kernel_order(&text, &address);
	} else {
		ok = read_octets(&text, 0, dashed ? '-' : '.', address.bytes, &end) == 4;
		end += ok ? prefix_len(&text, end, ADDRESS_BITS_MAX, &address.bits) : 0;
		ok = ok && end == len;
		address.form = dashed ? IDENTITY_DASHED : IDENTITY_PLAIN;
	}
	if (ok)
		*ret_address = address;
	return ok;
}

static void put_octets(const uint8_t bytes[static 4], char separator, struct tl_buf *out)
{
	char text[16], *at = text;

	for (size_t i = 0; i < 4; i++) {
		if (bytes[i] >= 100)
			*at++ = (char)('0' + bytes[i] / 100);
		if (bytes[i] >= 10)
			*at++ = (char)('0' + bytes[i] / 10 % 10);
		*at++ = (char)('0' + bytes[i] % 10);
		*at++ = separator;
	}
	tl_buf_append(out, text, (size_t)(at - text) - 1);
}

void identity_v4_write(const struct identity_address *address, struct tl_buf *out)
{
	const uint8_t *bytes = address->bytes;
	bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

	switch (address->form) {
	case IDENTITY_REVERSED:
		for (size_t i = address->given; i-- > 0;)
			tl_buf_printf(out, "%u%s", bytes[i], i ? "." : ARPA);
		return;
	case IDENTITY_HEX:
		for (size_t i = 0; i < 4; i++)
			tl_buf_printf(out, "%02X", bytes[little ? 3 - i : i]);
		return;
	case IDENTITY_DASHED:
		put_octets(bytes, '-', out);
		return;
	case IDENTITY_PLAIN:
	case IDENTITY_CISCO:
	case IDENTITY_SOCKET:
		put_octets(bytes, '.', out);
		if (address->bits != IDENTITY_WHOLE)
			tl_buf_printf(out, "/%d", address->bits);
	}
}
