/* Recognising addresses in a text, and writing them as they were written. What looks like an address and is
 * none (clock times, versions, object identifiers, PCI addresses, fingerprints) is told by what stands
 * around it; where that says nothing, a private IPv4 address is taken for one. Private to agent/redact. */
#ifndef TOWLINE_REDACT_IDENTITY_TEXT_H
#define TOWLINE_REDACT_IDENTITY_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "redact/identity.h"

struct identity_text {
	const char *bytes;
	size_t len;
};

struct identity_span {
	enum tl_identity_class class;
	size_t start, end;
};

/* The byte at `at`, 0 outside of the text (also for -1). */
static inline unsigned char text_at(const struct identity_text *text, size_t at)
{
	return at < text->len ? (unsigned char)text->bytes[at] : 0;
}

static inline bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_letter(unsigned char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static inline bool is_hex(unsigned char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Letters, digits and whatever is not ASCII. */
static inline bool is_word(unsigned char c)
{
	return is_digit(c) || is_letter(c) || c >= 0x80;
}

static inline bool is_one_of(unsigned char c, const char *list)
{
	return c != 0 && strchr(list, c) != NULL;
}

static inline unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static inline unsigned hex_value(unsigned char c)
{
	return is_digit(c) ? c - 0x30u : (c | 0x20u) - 0x61u + 10u;
}

/* Does `word` (lower case) stand at `at`, in any case? */
bool text_has(const struct identity_text *text, size_t at, const char *word);
/* Reads `count` hexadecimal digit pairs. */
bool text_hex(const struct identity_text *text, size_t at, size_t count, uint8_t *ret_bytes);
size_t text_hex_run(const struct identity_text *text, size_t at, size_t max);

/* Each is asked at one byte of an address that is rare in other text (`at`), and fills *ret_span when
 * it belongs to an identity. */
typedef bool identity_recogniser(const struct identity_text *text, size_t at,
				 struct identity_span *ret_span);
identity_recogniser identity_v4_at_dot;	 /* 10.1.2.3, 10.1.2.0/24, 3.2.1.10.in-addr.arpa */
identity_recogniser identity_v4_at_dash; /* ip-10-1-2-3 */
identity_recogniser identity_v6_at_colon;
identity_recogniser identity_v6_at_dot; /* ….ip6.arpa */
identity_recogniser identity_mac_at_colon;
identity_recogniser identity_mac_at_dash;
identity_recogniser identity_mac_at_dot;
identity_recogniser identity_kernel_at_colon; /* /proc/net/tcp, udp, raw */
/* A word of letters and digits that begins at `at`: /proc/net/route, if_inet6, ipv6_route; a MAC in an
 * interface's name. */
identity_recogniser identity_kernel_at_word;

enum identity_form {
	IDENTITY_PLAIN,	  /* with colons or dots, as usual */
	IDENTITY_DASHED,  /* 10-1-2-3, 00-11-22-33-44-55 */
	IDENTITY_CISCO,	  /* 0011.2233.4455 */
	IDENTITY_HEX,	  /* digits only; of IPv4 in the kernel's order of bytes */
	IDENTITY_SOCKET,  /* IPv6 of /proc/net/tcp6: the kernel's order, the port behind it */
	IDENTITY_REVERSED /* of DNS */
};

/* An address as it was written. */
struct identity_address {
	uint8_t bytes[16];
	size_t len;   /* 4, 6, 8 or 16 */
	size_t given; /* octets or nibbles of a reversed one */
	int bits;     /* its prefix length, or IDENTITY_WHOLE */
	enum identity_form form;
	bool upper;   /* hexadecimal digits */
	char port[6]; /* of a socket, with its colon; not terminated */
};

/* Reads what a recogniser found. */
TL_MUST_CHECK bool identity_v4_read(const char *text, size_t len,
				    struct identity_address *ret_address);
TL_MUST_CHECK bool identity_v6_read(const char *text, size_t len,
				    struct identity_address *ret_address);
TL_MUST_CHECK bool identity_mac_read(const char *text, size_t len,
				     struct identity_address *ret_address);
void identity_v4_write(const struct identity_address *address, struct tl_buf *out);
void identity_v6_write(const struct identity_address *address, struct tl_buf *out);
void identity_mac_write(const struct identity_address *address, struct tl_buf *out);

#endif
