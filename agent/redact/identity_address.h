/* Pseudonyms of addresses, as bytes: what stays, and what the rest becomes (identity.h says how). Private to
 * agent/redact. One thread at a time. */
#ifndef TOWLINE_REDACT_IDENTITY_ADDRESS_H
#define TOWLINE_REDACT_IDENTITY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/crypto.h>

#define IDENTITY_WHOLE (-1) /* an address without a prefix length */

#define IDENTITY_NODES_KEPT 1024
/* The digest of an address' first octets: what its next octet is mapped by. */
struct identity_node {
	char tag; /* 0: none */
	uint8_t len, prefix[16], digest[TL_SHA256_LEN];
};

/* HMAC-SHA-256 (RFC 2104) under one key, with the padded keys kept. */
struct identity_prf {
	uint8_t inner[64], outer[64];
	struct tl_sha256 *hash;
	struct identity_node *nodes; /* made last */
};
/* 0 or TL_ENOMEM. */
TL_MUST_CHECK int identity_prf_init(struct identity_prf *prf, const uint8_t *key, size_t len);
/* The digest of "towline <tag>\0" and the bytes. */
void identity_prf_of(const struct identity_prf *prf, const char *tag, const void *bytes, size_t len,
		     uint8_t digest[static TL_SHA256_LEN]);
void identity_prf_clear(struct identity_prf *prf);

/* Is there nothing to hide: loopback, unspecified, multicast, reserved, documentation, a netmask? */
bool identity_v4_stays(const uint8_t address[static 4]);
bool identity_v6_stays(const uint8_t address[static 16]);
bool identity_mac_stays(const uint8_t *mac, size_t len);

/* `bits`: the prefix length that stands behind the address, or IDENTITY_WHOLE. A network (no bit set
 * behind its prefix) becomes the network that its addresses' pseudonyms are in; without a prefix length
 * zeros at the end are taken for one. */
void identity_v4_map(const struct identity_prf *prf, const uint8_t in[static 4], int bits,
		     uint8_t out[static 4]);
void identity_v6_map(const struct identity_prf *prf, const uint8_t in[static 16], int bits,
		     uint8_t out[static 16]);
/* 6 bytes, or 8 (EUI-64). An address that holds another MAC's bytes becomes one that holds its pseudonym. */
void identity_mac_map(const struct identity_prf *prf, const uint8_t *in, size_t len, uint8_t *out);

#endif
