#include "collect/builtin/dns_probe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <towline/attr.h>
#include <towline/crypto.h>
#include <unistd.h>

#define HEADER 12
#define ANSWER_MAX 1500

/* RFC 1035 §4.1: one question, recursion desired; name ".", type NS, class IN. */
static size_t write_question(uint8_t question[static HEADER + 5], uint16_t id)
{
	static const uint8_t form[HEADER + 5] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1};

	memcpy(question, form, sizeof form);
	question[0] = (uint8_t)(id >> 8);
	question[1] = (uint8_t)id;
	return sizeof form;
}

int dns_probe_read(const uint8_t *answer, size_t len, uint16_t id)
{
	if (len < HEADER || answer[0] != id >> 8 || answer[1] != (id & 0xff) || !(answer[2] & 0x80))
		return -1;
	return answer[3] & 0x0f;
}

static int exchange(int fd, const struct tl_clock *clock, int timeout_ms)
{
	uint8_t question[HEADER + 5], answer[ANSWER_MAX];
	int64_t deadline_ms = tl_clock_mono_ms(clock) + timeout_ms;
	size_t len;
	uint16_t id;
	int rcode = -1;

	tl_random(&id, sizeof id);
	len = write_question(question, id);
	if (send(fd, question, len, MSG_NOSIGNAL) < 0)
		return -1;
	while (rcode < 0) {
		struct pollfd polled = {.fd = fd, .events = POLLIN};
		int64_t left = deadline_ms - tl_clock_mono_ms(clock);
		ssize_t n;

		errno = 0;
		if (left <= 0 || poll(&polled, 1, (int)left) <= 0)
			return -1;
		n = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return -1;
		rcode = n > 0 ? dns_probe_read(answer, (size_t)n, id) : -1;
	}
	return rcode;
}

void dns_probe(const struct sockaddr *server, socklen_t len, const struct tl_clock *clock,
	       int timeout_ms, struct dns_probe_result *ret_result)
{
	int64_t begun_ms = tl_clock_mono_ms(clock);
	tl_fd int fd = socket(server->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*ret_result = (struct dns_probe_result){.rcode = -1};
	if (fd < 0 || connect(fd, server, len) < 0)
		ret_result->sys_errno = errno;
	else
		ret_result->rcode = exchange(fd, clock, timeout_ms);
	if (ret_result->rcode < 0 && ret_result->sys_errno == 0)
		ret_result->sys_errno = errno;
	ret_result->ms = tl_clock_mono_ms(clock) - begun_ms;
}
