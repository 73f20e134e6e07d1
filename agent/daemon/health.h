/* The health of the machine, as the heartbeat tells it: towline-health takes a snapshot in a process of its own
 * and says what the relay has not heard yet (agent/health/feed.h). The agent keeps no snapshot but a descriptor of
 * what it was given to pass on the next time, so that it stays small.
 *
 * A snapshot runs, then waits for the relay's answer to the heartbeat that carried it. One that the relay did not
 * take, or that it asks to have whole, makes the next one whole. Loop thread only. */
#ifndef TOWLINE_AGENT_DAEMON_HEALTH_H
#define TOWLINE_AGENT_DAEMON_HEALTH_H

#include <sys/types.h>
#include <towline/clock.h>
#include <towline/json.h>
#include <uv.h>

#define TL_AGENT_HEALTH_DEADLINE_MS 15000
#define TL_AGENT_HEALTH_FULL_EVERY 60	       /* snapshots */
#define TL_AGENT_HEALTH_BYTES_MAX (200 * 1024) /* of one message */

/* Only one at a time. */
enum tl_agent_health_state { TL_HEALTH_IDLE, TL_HEALTH_TAKING, TL_HEALTH_TOLD };

struct tl_agent_health_options {
	uv_loop_t *loop;
	const struct tl_clock *clock;
	int64_t interval_ms; /* 0: no snapshots */
	/* A snapshot is there (borrowed; what the heartbeat's "health" is), or NULL: it failed. */
	void (*on_taken)(void *arg, const json_t *health);
	void *arg;
};

struct tl_agent_health {
	struct tl_agent_health_options options;
	enum tl_agent_health_state state;
	uv_timer_t deadline;
	pid_t pid;
	int out_fd, next_fd; /* of the running child */
	int state_fd;	     /* what the relay knows; -1: nothing */
	int64_t seq, due_ms;
	unsigned since_full;
	bool is_refused;
	bool is_forgotten; /* while one is under way */
};

void tl_agent_health_init(struct tl_agent_health *health,
			  const struct tl_agent_health_options *options);
/* True when a snapshot is to be taken now. */
bool tl_agent_health_is_due(const struct tl_agent_health *health);
/* Starts one; `facts` is what only the agent knows (agent/health/feed.h). False when that is not possible:
 * on_taken will not be called then. */
bool tl_agent_health_take(struct tl_agent_health *health, const json_t *facts);
/* After SIGCHLD. */
void tl_agent_health_reap(struct tl_agent_health *health);
enum tl_agent_health_answer {
	TL_HEALTH_TAKEN,
	TL_HEALTH_LOST,	  /* or not understood: the next one is whole */
	TL_HEALTH_REFUSED /* a relay that knows no health: none until the next connection */
};
/* The heartbeat that carried the snapshot was answered, or will never be. */
void tl_agent_health_answered(struct tl_agent_health *health, enum tl_agent_health_answer answer);
/* A new connection: the next one is due at once, and whole. */
void tl_agent_health_forget(struct tl_agent_health *health);
void tl_agent_health_close(struct tl_agent_health *health);

#endif
