/* PROXY headers, versions 1 and 2, and the addresses of X-Forwarded-For. */
#include <stdint.h>
#include <string.h>
#include <towline/attr.h>

#include "http/proxy.h"

static void forwarded(const uint8_t *data, size_t size)
{
	static const char *const everyone[] = {"0.0.0.0/0", "::/0", NULL};
	tl_free char *text = calloc(1, size + 1);
	struct tl_trust *trust = NULL;
	struct tl_address peer = {.in6 = IN6ADDR_LOOPBACK_INIT};
	char client[INET6_ADDRSTRLEN];

	if (!text || tl_trust_new(everyone, &trust, NULL) < 0)
		__builtin_trap();
	if (size > 0)
		memcpy(text, data, size);
	peer = tl_proxy_client(trust, &peer, text);
	tl_address_format(&peer, client);
	tl_trust_free(trust);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tl_address client = {.in6 = IN6ADDR_ANY_INIT};
	ssize_t used = tl_proxy_header(data, size, &client);

	if (used > (ssize_t)size || used < -2)
		__builtin_trap();
	forwarded(data, size);
	return 0;
}
