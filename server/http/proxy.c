#include "http/proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <towline/attr.h>
#include <towline/str.h>

#define V1_MAX 107

struct network {
	struct tl_address address;
	unsigned bits;
};

struct tl_trust {
	size_t count;
	struct network networks[];
};

static struct tl_address from_v4(const void *bytes)
{
	struct tl_address address = {.in6 = {.s6_addr = {[10] = 0xff, [11] = 0xff}}};

	memcpy(address.in6.s6_addr + 12, bytes, 4);
	return address;
}

static struct tl_address from_v6(const void *bytes)
{
	struct tl_address address = {.in6 = IN6ADDR_ANY_INIT};

	memcpy(address.in6.s6_addr, bytes, 16);
	return address;
}

struct tl_address tl_address_of(const struct sockaddr *from)
{
	if (from->sa_family == AF_INET)
		return from_v4(&((const struct sockaddr_in *)(const void *)from)->sin_addr);
	if (from->sa_family == AF_INET6)
		return from_v6(&((const struct sockaddr_in6 *)(const void *)from)->sin6_addr);
	return (struct tl_address){.in6 = IN6ADDR_ANY_INIT};
}

static bool is_v4(const struct tl_address *address)
{
	return IN6_IS_ADDR_V4MAPPED(&address->in6);
}

void tl_address_format(const struct tl_address *address, char text[static INET6_ADDRSTRLEN])
{
	if (is_v4(address))
		inet_ntop(AF_INET, address->in6.s6_addr + 12, text, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, &address->in6, text, INET6_ADDRSTRLEN);
}

static bool parse_plain(const char *text, struct tl_address *ret_address)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		*ret_address = from_v4(bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		*ret_address = from_v6(bytes);
	else
		return false;
	return true;
}

bool tl_address_parse(const char *text, size_t len, struct tl_address *ret_address)
{
	char copy[INET6_ADDRSTRLEN + 10];
	char *end;

	if (len == 0 || len >= sizeof copy)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (parse_plain(copy, ret_address))
		return true;
	if (*copy == '[' && (end = strchr(copy, ']'))) {
		*end = '\0';
		return parse_plain(copy + 1, ret_address);
	}
	end = strchr(copy, ':');
	if (!end)
		return false;
	*end = '\0';
	return parse_plain(copy, ret_address);
}

static int parse_network(const char *text, struct network *network, struct tl_err *err)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t bits = 0;
	unsigned width;

	if (!tl_address_parse(text, len, &network->address))
		return tl_err_set(err, TL_ECONFIG, "trusted proxy \"%s\" is not an address", text);
	width = is_v4(&network->address) ? 32 : 128;
	network->bits = 128;
	if (!slash)
		return 0;
	if (tl_str_u64(slash + 1, width, &bits) < 0)
		return tl_err_set(err, TL_ECONFIG, "trusted proxy \"%s\" has a bad prefix length",
				  text);
	network->bits = 128 - width + (unsigned)bits;
	return 0;
}

int tl_trust_new(const char *const *texts, struct tl_trust **ret_trust, struct tl_err *err)
{
	struct tl_trust *trust;
	size_t count = 0;

	while (texts && texts[count])
		count++;
	trust = calloc(1, sizeof *trust + count * sizeof trust->networks[0]);
	if (!trust)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the trusted proxies");
	trust->count = count;
	for (size_t i = 0; i < count; i++) {
		int rc = parse_network(texts[i], &trust->networks[i], err);

		if (rc < 0) {
			free(trust);
			return rc;
		}
	}
	*ret_trust = trust;
	return 0;
}

static bool network_has(const struct network *network, const struct tl_address *address)
{
	const uint8_t *a = network->address.in6.s6_addr, *b = address->in6.s6_addr;
	unsigned bytes = network->bits / 8, rest = network->bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

bool tl_trust_has(const struct tl_trust *trust, const struct tl_address *address)
{
	for (size_t i = 0; trust && i < trust->count; i++)
		if (network_has(&trust->networks[i], address))
			return true;
	return false;
}

void tl_trust_free(struct tl_trust *trust)
{
	free(trust);
}

struct tl_address tl_proxy_client(const struct tl_trust *trust, const struct tl_address *peer,
				  const char *forwarded_for)
{
	struct tl_address client = *peer;
	size_t len = forwarded_for ? strlen(forwarded_for) : 0;

	while (len > 0 && tl_trust_has(trust, &client)) {
		struct tl_address next;
		size_t end, start;

		while (len > 0 && strchr(" \t,", forwarded_for[len - 1]))
			len--;
		end = start = len;
		while (start > 0 && forwarded_for[start - 1] != ',')
			start--;
		len = start;
		while (start < end && strchr(" \t", forwarded_for[start]))
			start++;
		if (!tl_address_parse(forwarded_for + start, end - start, &next))
			break;
		client = next;
	}
	return client;
}

static const unsigned char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* "PROXY TCP4 client proxy client-port proxy-port\r\n" */
static ssize_t read_v1(const char *bytes, size_t len, struct tl_address *ret_client)
{
	size_t window = len < V1_MAX ? len : V1_MAX;
	const char *end = memchr(bytes, '\n', window);
	const char *at = bytes + 6, *stop;

	if (!end)
		return len < V1_MAX ? -1 : -2;
	if (end[-1] != '\r')
		return -2;
	if (end - at >= 7 && memcmp(at, "UNKNOWN", 7) == 0)
		return end - bytes + 1;
	if (end - at < 5 || (memcmp(at, "TCP4 ", 5) != 0 && memcmp(at, "TCP6 ", 5) != 0))
		return -2;
	at += 5;
	stop = memchr(at, ' ', (size_t)(end - at));
	if (!stop || !tl_address_parse(at, (size_t)(stop - at), ret_client))
		return -2;
	return end - bytes + 1;
}

static ssize_t read_v2(const unsigned char *bytes, size_t len, struct tl_address *ret_client)
{
	size_t size;

	if (len < 16)
		return -1;
	size = (size_t)bytes[14] << 8 | bytes[15];
	if (bytes[12] >> 4 != 2 || (bytes[12] & 15) > 1 || 16 + size > TL_PROXY_HEADER_MAX)
		return -2;
	if (len < 16 + size)
		return -1;
	if ((bytes[12] & 15) == 0) /* LOCAL: a health check by the proxy itself */
		return (ssize_t)(16 + size);
	if (bytes[13] == 0x11 && size >= 12)
		*ret_client = from_v4(bytes + 16);
	else if (bytes[13] == 0x21 && size >= 36)
		*ret_client = from_v6(bytes + 16);
	else if (bytes[13] != 0)
		return -2;
	return (ssize_t)(16 + size);
}

static bool starts(const void *bytes, size_t len, const void *prefix, size_t prefix_len)
{
	return memcmp(bytes, prefix, len < prefix_len ? len : prefix_len) == 0;
}

ssize_t tl_proxy_header(const void *bytes, size_t len, struct tl_address *ret_client)
{
	if (len == 0)
		return -1;
	if (starts(bytes, len, "PROXY ", 6))
		return len < 6 ? -1 : read_v1(bytes, len, ret_client);
	if (starts(bytes, len, v2_signature, sizeof v2_signature))
		return len < sizeof v2_signature ? -1 : read_v2(bytes, len, ret_client);
	return 0;
}
