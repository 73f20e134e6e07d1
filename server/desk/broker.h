/* The session broker: where an engineer's SSH connection (server/ssh) meets the endpoint that calls
 * home (an upgraded HTTP connection, server/desk/session.c). In memory, thread-safe.
 *
 * Order of a session: tl_session_request (worker; row, timeline, audit, grant pushed) →
 * tl_broker_wait → either tl_broker_deliver (call home arrived) or tl_broker_refuse (consent refused,
 * policy, timeout) ends the wait exactly once. */
#ifndef TOWLINE_SERVER_BROKER_H
#define TOWLINE_SERVER_BROKER_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

struct tl_broker;

struct tl_broker *tl_broker_new(void);
void tl_broker_free(struct tl_broker *broker);

/* Called once, on any thread, without the broker's lock: `fd` (taken over; a non-blocking stream that
 * speaks SSH with the endpoint as server) or -1 with one sentence why not. Must not block. */
typedef void tl_broker_result(void *arg, int fd, const char *refusal);

/* Says that somebody will soon wait for `session`: an outcome that comes first (policy may refuse
 * within the millisecond) is kept for tl_broker_wait. Called by tl_session_request before the grant
 * is pushed; at most TL_BROKER_EXPECTED are kept, the oldest gives way. */
#define TL_BROKER_EXPECTED 256
void tl_broker_expect(struct tl_broker *broker, const char *session);

/* Nobody will wait any more: what was kept is let go, and a stream in it closed. One who waits stays. */
void tl_broker_forget(struct tl_broker *broker, const char *session);

/* Starts waiting; an outcome that is there already is told before this returns. TL_EEXIST when somebody waits for that session already. */
TL_MUST_CHECK int tl_broker_wait(struct tl_broker *broker, const char *session,
				 tl_broker_result *on_result, void *arg, struct tl_err *err);
/* Withdraws: on_result will not be called after this returns (true), or was called (false). */
bool tl_broker_cancel(struct tl_broker *broker, const char *session);
/* TL_ENOENT when nobody waits (the fd stays the caller's). */
TL_MUST_CHECK int tl_broker_deliver(struct tl_broker *broker, const char *session, int fd,
				    struct tl_err *err);
void tl_broker_refuse(struct tl_broker *broker, const char *session, const char *sentence);

/* Ends every wait that began before `began_before_ms` (tl_clock_mono_ms of the system's clock) with
 * `sentence`: nobody answered, and who would have may be gone. */
void tl_broker_expire(struct tl_broker *broker, int64_t began_before_ms, const char *sentence);

/* A running session's way to be stopped (by user, engineer, supervisor or revocation). */
typedef void tl_broker_stop(void *arg, const char *why); /* any thread; must not block */
TL_MUST_CHECK int tl_broker_running(struct tl_broker *broker, const char *session,
				    tl_broker_stop *on_stop, void *arg, struct tl_err *err);
/* A running session in which another one may type (bastion lane). Both callbacks: any thread, must not
 * block. */
struct tl_broker_keyboard {
	/* `who` types from now on instead of the session's engineer; NULL: the engineer again. */
	void (*type)(void *arg, const char *who);
	int (*input)(void *arg, const void *bytes, size_t len); /* TL_EBUSY: not so much at once */
};
/* After tl_broker_running, with the same arg. */
void tl_broker_set_keyboard(struct tl_broker *broker, const char *session,
			    const struct tl_broker_keyboard *keyboard);
/* TL_ENOENT when it does not run here, or has no keyboard. */
TL_MUST_CHECK int tl_broker_input(struct tl_broker *broker, const char *session, const void *bytes,
				  size_t len);
int tl_broker_type(struct tl_broker *broker, const char *session, const char *who);
void tl_broker_ended(struct tl_broker *broker, const char *session);
/* TL_ENOENT when it does not run here. */
TL_MUST_CHECK int tl_broker_stop_session(struct tl_broker *broker, const char *session,
					 const char *why);

#endif
