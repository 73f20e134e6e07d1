/* A program behind an SSH channel: the helper started it, its descriptors are ours. Bytes move both
 * ways with back-pressure, and nothing it wrote before its end is lost. Loop thread only. */
#ifndef TOWLINE_SESSION_PROCESS_H
#define TOWLINE_SESSION_PROCESS_H

#include <towline/record.h>

#include "session/helper.h"
#include "ssh/server.h"

struct tl_process;

struct tl_process_config {
	uv_loop_t *loop;
	struct tl_session_helper *helper;
	const char *session;
	struct tl_record *record; /* NULL: somebody else records */
	const char *agent_socket; /* for SSH_AUTH_SOCK; NULL: none. Borrowed for the call */
	/* The recording broke: the session must end. */
	void (*on_record_failed)(void *arg, const struct tl_err *err);
	void *arg;
};

/* Asks the helper for the channel's program and answers the channel when it has started. `config` is
 * copied; the process is freed with tl_process_free before its channel. */
TL_MUST_CHECK int tl_process_start(const struct tl_process_config *config,
				   struct tl_ssh_server_channel *channel,
				   struct tl_process **ret_process, struct tl_err *err);
bool tl_process_pump(struct tl_process *process);
void tl_process_resize(struct tl_process *process);
void tl_process_signal(struct tl_process *process, const char *name);
/* Hangs up: closes its terminal or pipes and, where it still runs, sends HUP. */
void tl_process_free(struct tl_process *process);

#endif
