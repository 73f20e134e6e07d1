#include "redact/identity_address.h"

#include <stdlib.h>
#include <string.h>
#include <towline/err.h>

struct range {
	uint8_t prefix[16];
	unsigned bits;
};

static const struct range v4_staying[] = {
	{{0}, 8},		    /* unspecified, wildcard masks */
	{{127}, 8},		    /* loopback */
	{{192, 0, 0}, 24},	    /* IETF protocol assignments */
	{{192, 0, 2}, 24},	    /* documentation, RFC 5737 */
	{{198, 51, 100}, 24},	    /* documentation */
	{{203, 0, 113}, 24},	    /* documentation */
	{{198, 18}, 15},	    /* benchmarks, RFC 2544 */
	{{169, 254, 169, 254}, 32}, /* every cloud's metadata service */
	{{224}, 3},		    /* multicast, reserved (pseudonyms), masks, broadcast */
};

/* Networks that a pseudonym does not leave. */
static const struct range v4_private[] = {
	{{10}, 8}, {{172, 16}, 12}, {{192, 168}, 16}, {{169, 254}, 16}, {{100, 64}, 10},
};

static const struct range v6_staying[] = {
	{{0}, 127},			/* ::, ::1 */
	{{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation, RFC 3849 */
	{{0x3f, 0xff}, 20},		/* documentation, RFC 9637: pseudonyms */
	{{0xfd, 0x00, 0x0e, 0xc2}, 32}, /* a cloud's metadata service */
};

/* Where an IPv4 address is inside an IPv6 address. */
static const struct {
	struct range range;
	unsigned at;
} v6_embedding[] = {
	{{{[10] = 0xff, [11] = 0xff}, 96}, 12},		    /* mapped, RFC 4291 */
	{{{0x00, 0x64, 0xff, 0x9b}, 96}, 12},		    /* NAT64, RFC 6052 */
	{{{0x20, 0x02}, 16}, 2},			    /* 6to4, RFC 3056 */
	{{{0xfe, 0x80, [10] = 0x5e, [11] = 0xfe}, 96}, 12}, /* ISATAP, RFC 5214 */
	{{{0xfe, 0x80, [8] = 0x02, [10] = 0x5e, [11] = 0xfe}, 96}, 12},
};

static const struct range v6_private[] = {
	{{0xfe, 0x80}, 64}, /* link-local */
	{{0xfc}, 7},	    /* unique local: the bit that says who assigned it is mapped */
	{{0x20, 0x01}, 32}, /* Teredo */
};

/* Of a multicast group the part that is made from an address: solicited-node, RFC 4291. */
static const struct range v6_solicited = {{0xff, 0x02, [11] = 0x01, [12] = 0xff}, 104};

int identity_prf_init(struct identity_prf *prf, const uint8_t *key, size_t len)
{
	memset(prf->inner, 0x36, sizeof prf->inner);
	memset(prf->outer, 0x5c, sizeof prf->outer);
	for (size_t i = 0; i < len && i < sizeof prf->inner; i++) {
		prf->inner[i] ^= key[i];
		prf->outer[i] ^= key[i];
	}
	prf->hash = tl_sha256_new();
	prf->nodes = calloc(IDENTITY_NODES_KEPT, sizeof *prf->nodes);
	return prf->nodes ? 0 : TL_ENOMEM;
}

void identity_prf_of(const struct identity_prf *prf, const char *tag, const void *bytes, size_t len,
		     uint8_t digest[static TL_SHA256_LEN])
{
	tl_sha256_update(prf->hash, prf->inner, sizeof prf->inner);
	tl_sha256_update(prf->hash, "towline ", 8);
	tl_sha256_update(prf->hash, tag, strlen(tag) + 1);
	tl_sha256_update(prf->hash, bytes, len);
	tl_sha256_final(prf->hash, digest);
	tl_sha256_update(prf->hash, prf->outer, sizeof prf->outer);
	tl_sha256_update(prf->hash, digest, TL_SHA256_LEN);
	tl_sha256_final(prf->hash, digest);
}

void identity_prf_clear(struct identity_prf *prf)
{
	tl_wipe(prf->inner, sizeof prf->inner);
	tl_wipe(prf->outer, sizeof prf->outer);
	tl_sha256_free(prf->hash);
	if (prf->nodes)
		tl_wipe(prf->nodes, IDENTITY_NODES_KEPT * sizeof *prf->nodes);
	free(prf->nodes);
}

static bool is_in(const uint8_t *address, const struct range *range)
{
	unsigned whole = range->bits / 8, rest = range->bits % 8;

	if (memcmp(address, range->prefix, whole) != 0)
		return false;
	return rest == 0 || ((address[whole] ^ range->prefix[whole]) >> (8 - rest)) == 0;
}

static const struct range *find_range(const uint8_t *address, const struct range *ranges,
				      size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_in(address, &ranges[i]))
			return &ranges[i];
	return NULL;
}

bool identity_v4_stays(const uint8_t address[static 4])
{
	return find_range(address, v4_staying, sizeof v4_staying / sizeof *v4_staying) != NULL;
}

bool identity_v6_stays(const uint8_t address[static 16])
{
	if (find_range(address, v6_staying, sizeof v6_staying / sizeof *v6_staying))
		return true;
	if (address[0] == 0xff)
		return !is_in(address, &v6_solicited);
	for (size_t i = 0; i < sizeof v6_embedding / sizeof *v6_embedding; i++)
		if (is_in(address, &v6_embedding[i].range))
			return identity_v4_stays(address + v6_embedding[i].at);
	return false;
}

bool identity_mac_stays(const uint8_t *mac, size_t len)
{
	bool zeros = true, ones = true;

	for (size_t i = 0; i < len; i++) {
		zeros = zeros && mac[i] == 0;
		ones = ones && mac[i] == 0xff;
	}
	if (zeros || ones)
		return true;
	/* Groups: IPv4, IPv6 except those made from an address, bridges. fe:ff… is a bridge's own. */
	return memcmp(mac, "\x01\x00\x5e", 3) == 0 || memcmp(mac, "\x01\x80\xc2", 3) == 0 ||
	       (memcmp(mac, "\x33\x33", 2) == 0 && mac[2] != 0xff) ||
	       memcmp(mac, "\xfe\xff\xff\xff\xff\xff", 6) == 0;
}

static const uint8_t *node_digest(const struct identity_prf *prf, const char *tag,
				  const uint8_t *prefix, size_t len)
{
	char family = tag[3]; /* of "ipv4", "ipv6" */
	uint32_t hash = 2166136261u + (unsigned char)family;
	struct identity_node *node;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ prefix[i]) * 16777619u; /* FNV-1a */
	node = &prf->nodes[(hash ^ hash >> 15) % IDENTITY_NODES_KEPT];
	if (node->tag != family || node->len != len || memcmp(node->prefix, prefix, len) != 0) {
		identity_prf_of(prf, tag, prefix, len, node->digest);
		node->tag = family;
		node->len = (uint8_t)len;
		memcpy(node->prefix, prefix, len);
	}
	return node->digest;
}

/* One digest has a bit for each of the 255 inner nodes of an octet's tree of bits: bit n is flipped as the
 * node says that the octet's bits before it lead to. */
static uint8_t map_octet(const struct identity_prf *prf, const char *tag, const uint8_t *in,
			 size_t index, unsigned fixed_bits)
{
	const uint8_t *digest = node_digest(prf, tag, in, index);
	uint8_t out = 0;
	unsigned node = 1;

	for (unsigned bit = 0; bit < 8; bit++) {
		unsigned value = (in[index] >> (7 - bit)) & 1;
		unsigned flip = (digest[node / 8] >> (node % 8)) & 1;

		if (index * 8 + bit < fixed_bits)
			flip = 0;
		out = (uint8_t)(out << 1 | (value ^ flip));
		node = node * 2 + value;
	}
	return out;
}

static void map_octets(const struct identity_prf *prf, const char *tag, const uint8_t *in,
		       size_t from, size_t to, unsigned fixed_bits, uint8_t *out)
{
	for (size_t i = from; i < to; i++)
		out[i] = (i + 1) * 8 <= fixed_bits ? in[i] : map_octet(prf, tag, in, i, fixed_bits);
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	while (len > 0 && bytes[len - 1] == 0)
		len--;
	return len == 0;
}

/* Are all bits behind the first `bits` zero? */
static bool is_network(const uint8_t *address, size_t len, unsigned bits)
{
	size_t whole = bits / 8;

	if (bits % 8) {
		if ((uint8_t)(address[whole] << (bits % 8)))
			return false;
		whole++;
	}
	return is_zero(address + whole, len - whole);
}

static void mask(uint8_t *address, size_t len, unsigned bits)
{
	for (size_t i = 0; i < len; i++) {
		if (i * 8 >= bits)
			address[i] = 0;
		else if (bits - i * 8 < 8)
			address[i] &= (uint8_t)(0xff << (8 - (bits - i * 8)));
	}
}

static void map_v4_whole(const struct identity_prf *prf, const uint8_t *in, uint8_t *out)
{
	const struct range *range =
		find_range(in, v4_private, sizeof v4_private / sizeof *v4_private);
	uint8_t digest[TL_SHA256_LEN];

	map_octets(prf, "ipv4", in, 0, 4, range ? range->bits : 0, out);
	if (range)
		return;
	identity_prf_of(prf, "ipv4 public", in, 1, digest);
	out[0] = (uint8_t)(0xf0 | (digest[0] & 0x0f));
	if (out[0] == 0xff) /* 255.… looks like a mask */
		out[0] = 0xfe;
}

void identity_v4_map(const struct identity_prf *prf, const uint8_t in[static 4], int bits,
		     uint8_t out[static 4])
{
	uint8_t zero[4];

	if (identity_v4_stays(in) || (bits >= 0 && bits < 8)) {
		memcpy(out, in, 4);
		return;
	}
	map_v4_whole(prf, in, out);
	if (bits >= 0 && bits < 32 && is_network(in, 4, (unsigned)bits)) {
		mask(out, 4, (unsigned)bits);
		return;
	}
	if (in[3] == 0) {
		for (size_t i = 3; i > 0 && in[i] == 0; i--)
			out[i] = 0;
		return;
	}
	if (out[3] != 0)
		return;
	/* A host gets no network's address: it changes places with the one that ends in 0. */
	memcpy(zero, in, 4);
	zero[3] = 0;
	out[3] = map_octet(prf, "ipv4", zero, 3, 0);
}

static bool is_eui64(const uint8_t *address)
{
	return address[11] == 0xff && address[12] == 0xfe;
}

static void map_v6_interface(const struct identity_prf *prf, const uint8_t *in, uint8_t *out)
{
	uint8_t mac[6] = {in[8] ^ 2, in[9], in[10], in[13], in[14], in[15]}, mapped[6];

	if (!is_eui64(in)) {
		map_octets(prf, "ipv6", in, 8, 16, 0, out);
		return;
	}
	identity_mac_map(prf, mac, sizeof mac, mapped);
	memcpy(out + 8,
	       (uint8_t[]){mapped[0] ^ 2, mapped[1], mapped[2], 0xff, 0xfe, mapped[3], mapped[4],
			   mapped[5]},
	       8);
}

static void map_v6_whole(const struct identity_prf *prf, const uint8_t *in, uint8_t *out)
{
	const struct range *range =
		find_range(in, v6_private, sizeof v6_private / sizeof *v6_private);
	uint8_t digest[TL_SHA256_LEN];

	map_octets(prf, "ipv6", in, 0, 8, range ? range->bits : 0, out);
	map_v6_interface(prf, in, out);
	if (range)
		return;
	identity_prf_of(prf, "ipv6 public", in, 4, digest);
	memcpy(out, (uint8_t[]){0x3f, 0xff, digest[0] & 0x0f, digest[1]}, 4);
}

void identity_v6_map(const struct identity_prf *prf, const uint8_t in[static 16], int bits,
		     uint8_t out[static 16])
{
	memcpy(out, in, 16);
	if (identity_v6_stays(in) || (bits >= 0 && bits < 8))
		return;
	for (size_t i = 0; i < sizeof v6_embedding / sizeof *v6_embedding; i++) {
		unsigned at = v6_embedding[i].at;

		if (!is_in(in, &v6_embedding[i].range))
			continue;
		identity_v4_map(prf, in + at, IDENTITY_WHOLE, out + at);
		if (at < 12)
			map_octets(prf, "ipv6", in, at + 4, 16, 0, out);
		return;
	}
	if (is_in(in, &v6_solicited)) {
		map_octets(prf, "ipv6", in, 13, 16, 0, out);
		return;
	}
	map_v6_whole(prf, in, out);
	if (bits >= 0 && bits < 128 && is_network(in, 16, (unsigned)bits))
		mask(out, 16, (unsigned)bits);
	else if (is_zero(in + 8, 8))
		mask(out, 16, 64);
}

void identity_mac_map(const struct identity_prf *prf, const uint8_t *in, size_t len, uint8_t *out)
{
	uint8_t digest[TL_SHA256_LEN];

	memcpy(out, in, len);
	if (identity_mac_stays(in, len))
		return;
	if (len == 8 && in[3] == 0xff && in[4] == 0xfe) {
		uint8_t mac[6] = {in[0], in[1], in[2], in[5], in[6], in[7]}, mapped[6];

		identity_mac_map(prf, mac, sizeof mac, mapped);
		memcpy(out, mapped, 3);
		memcpy(out + 5, mapped + 3, 3);
		return;
	}
	identity_prf_of(prf, "mac", in, len, digest);
	if (memcmp(in, "\x33\x33\xff", 3) == 0) {
		memcpy(out + 3, digest, len - 3);
		return;
	}
	/* Group and locally administered stay: the two low bits of the first octet (IEEE 802). */
	digest[0] = (uint8_t)((digest[0] & ~3) | (in[0] & 3));
	memcpy(out, digest, len);
}
