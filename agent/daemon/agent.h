/* The agent's root object: what it is, whom it talks to, and the activities under way. */
#ifndef TOWLINE_AGENT_AGENT_H
#define TOWLINE_AGENT_AGENT_H

#include <uv.h>

#include "core/config.h"
#include "core/identity.h"
#include "core/relay.h"
#include "core/service.h"
#include "daemon/delivery.h"
#include "daemon/health.h"
#include "daemon/link.h"
#include "daemon/queue.h"
#include "daemon/stream.h"

#define TL_AGENT_DONE_SESSIONS \
	32 /* ids remembered, so that a grant sent again is not asked again */

struct tl_help;
struct tl_agent_session;

struct tl_agent {
	struct tl_agent_config config;
	const struct tl_clock *clock;
	uv_loop_t loop;
	uv_signal_t signals[3]; /* SIGTERM, SIGINT, SIGCHLD */
	uv_async_t stop;	/* ends the loop's work outside of whatever callback asked for it */
	uv_timer_t heartbeat;
	int64_t heartbeat_ms;
	struct tl_agent_health health;
	int state_fd, lock_fd, bundles_fd;
	struct tl_identity identity;
	json_t *identity_json;
	struct tl_call *roster_call; /* that is under way */
	bool roster_due;	     /* the helper has not been shown the newest */
	struct tl_key *key;
	char ca_file[4096];
	char helper_socket[108];
	int64_t started_mono_ms;
	struct tl_relay *relay;
	struct tl_stream *stream;
	struct tl_queue *queue;
	struct tl_delivery *delivery;
	struct tl_link *link;
	struct tl_service *door;
	struct tl_help *helps;
	int64_t bundle_room; /* what the relay last said that it takes; -1: never heard */
	struct tl_agent_session *sessions;
	char done_sessions[TL_AGENT_DONE_SESSIONS][TL_ID_LEN + 1];
	unsigned next_done;
	bool stopping;
	struct tl_err end; /* why it ends by itself; code 0: it was asked to */
};

extern const struct tl_verb tl_agent_verbs[];
extern const size_t tl_agent_verb_count;

/* Loads identity and queue, opens agent.sock. Takes *config over. TL_ENOENT when not enrolled. */
TL_MUST_CHECK int tl_agent_new(struct tl_agent_config *config, struct tl_agent **ret_agent,
			       struct tl_err *err);
/* Until a signal, or until another agent with the same identity takes over (TL_ECONFLICT). */
TL_MUST_CHECK int tl_agent_run(struct tl_agent *agent, struct tl_err *err);
void tl_agent_free(struct tl_agent *agent);
TL_DEFINE_AUTO_PTR(tl_agent, tl_agent_free);

#endif
