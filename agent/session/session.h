/* One session on the endpoint: an SSH server on the called-home stream, its programs started by the
 * helper, recorded here in the end-to-end lane. Loop thread only. */
#ifndef TOWLINE_SESSION_SESSION_H
#define TOWLINE_SESSION_SESSION_H

#include <towline/record.h>
#include <uv.h>

#include "session/request.h"

#define TL_SESSION_RECORD_RESERVE (8 * 1024 * 1024) /* of disk, found before anything begins */

struct tl_session;

struct tl_session_outcome {
	const char *reason; /* one sentence; lives during the call */
	uint64_t bytes_in, bytes_out;
};

struct tl_session_config {
	const struct tl_session_request *request; /* borrowed for the session's life */
	const struct tl_key *host_key;
	struct tl_record *record; /* NULL in the bastion lane; borrowed */
	/* Called once, when everything is over; free the session then. */
	void (*on_end)(void *arg, const struct tl_session_outcome *outcome);
	void *arg;
};

/* Serves `fd` (taken over, also on failure). */
TL_MUST_CHECK int tl_session_start(uv_loop_t *loop, int fd, const struct tl_session_config *config,
				   struct tl_session **ret_session, struct tl_err *err);
/* Ends it with `reason`, which the engineer reads. */
void tl_session_stop(struct tl_session *session, const char *reason);
void tl_session_free(struct tl_session *session);

#endif
