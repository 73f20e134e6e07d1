/* A pattern, a host and a port as lines: what a list and an engineer say about places to forward to. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <towline/forward.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_strv) struct tl_strv list = TL_STRV_INIT;
	struct sockaddr_in loopback = {.sin_family = AF_INET};
	char text[1024], *rest = text;
	const char *pattern, *host, *port;
	uint64_t number = 0;

	if (size >= sizeof(text) || memchr(data, 0, size))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	pattern = strsep(&rest, "\n");
	host = rest ? strsep(&rest, "\n") : "";
	port = rest ? rest : "";
	if (tl_forward_check(pattern, NULL) != 0 || tl_strv_push(&list, pattern) != 0 ||
	    tl_str_u64(port, UINT32_MAX, &number) != 0)
		return 0;
	inet_pton(AF_INET, "169.254.169.254", &loopback.sin_addr);
	/* Without digits of its own no pattern leads to the metadata service, whatever the host is called. */
	if (tl_forward_permits(&list, host, (unsigned)number, (const struct sockaddr *)&loopback,
			       false) &&
	    !strstr(pattern, "169.254.") && !strchr(pattern, '['))
		abort();
	if (tl_forward_may_listen(&list, host, (unsigned)number) &&
	    !tl_str_starts(pattern, "listen:"))
		abort();
	return 0;
}
