/* Thousands of simulated agents on one epoll: each connects over TLS, gets its access token with a
 * signed assertion and opens the push stream (docs/protocol.md), all at once, and then holds it. They
 * come again as agents do: after what a 503 asks for, or after a failure with full jitter, 1 s doubling
 * to 60 s. One whose stream ends while it is held is lost, unless the relay said that it should come again. */
#ifndef TOWLINE_BENCH_SWARM_H
#define TOWLINE_BENCH_SWARM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <towline/buf.h>
#include <towline/crypto.h>
#include <towline/id.h>

#define SWARM_INPUT_MAX (16 * 1024)

enum agent_phase { CONNECTING, SHAKING, ASKING_TOKEN, OPENING_STREAM, HOLDING, WAITING, LOST };

struct agent {
	struct tl_key *key;
	char host[TL_ID_LEN + 1];
	int fd;
	struct ssl_st *ssl;
	enum agent_phase phase;
	struct tl_buf out, in;
	unsigned failures;
	bool sent_away;	  /* the relay's retry event has come: it stops */
	int64_t retry_ms; /* while waiting: when to connect again (CLOCK_BOOTTIME) */
};

struct swarm {
	struct agent *agents;
	size_t count, holding, lost;
	size_t postponed; /* times that the relay asked an agent to come later */
	size_t returned;  /* streams opened anew after the relay had sent the agent away */
	size_t failed;	  /* times that a connection failed and was tried again */
	struct sockaddr_in address;
	const char *relay_id;
	struct ssl_ctx_st *context;
	int epoll_fd;
	char first_failure[256]; /* why, of the first connection that failed */
};

TL_MUST_CHECK int swarm_new(size_t count, unsigned port, const char *ca_file, const char *relay_id,
			    struct swarm **ret_swarm, struct tl_err *err);
void swarm_free(struct swarm *swarm);
TL_DEFINE_AUTO_PTR(swarm, swarm_free);

/* Makes each agent's key and registers it as a host, by the store: enrolment is not measured. */
TL_MUST_CHECK int swarm_enrol(struct swarm *swarm, const char *store_url, struct tl_err *err);
/* Signs all assertions ahead, so that the storm measures the relay, and starts all connections. */
TL_MUST_CHECK int swarm_start(struct swarm *swarm, struct tl_err *err);
/* Serves events until every agent holds its stream or is lost, at most until `deadline_ms`. */
TL_MUST_CHECK int swarm_until_settled(struct swarm *swarm, int64_t deadline_ms, struct tl_err *err);
/* Serves events until every agent was sent away by a relay that stops, and is back. */
TL_MUST_CHECK int swarm_until_returned(struct swarm *swarm, int64_t deadline_ms,
				       struct tl_err *err);
/* Serves events until `deadline_ms` (CLOCK_BOOTTIME). */
TL_MUST_CHECK int swarm_hold(struct swarm *swarm, int64_t deadline_ms, struct tl_err *err);

#endif
