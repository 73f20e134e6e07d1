/* The child towline-session: its request and orders on stdin, its result on stdout. Part of a session
 * (daemon/session.c), whose memory it shares. Loop thread only. */
#ifndef TOWLINE_AGENT_DIALLER_H
#define TOWLINE_AGENT_DIALLER_H

#include <stdbool.h>
#include <sys/types.h>
#include <towline/err.h>
#include <towline/json.h>
#include <uv.h>

#define TL_DIALLER_LINE_MAX (64 * 1024)

struct tl_dialler_watch; /* the poll handle, which outlives the dialler until it is closed */

struct tl_dialler {
	void (*on_line)(void *arg, const json_t *line);
	void (*on_exit)(void *arg); /* it has ended and all its lines were read */
	void *arg;
	pid_t pid; /* 0: none */
	int input_fd;
	struct tl_dialler_watch *watch;
	bool exited;
};

void tl_dialler_init(struct tl_dialler *dialler, void (*on_line)(void *arg, const json_t *line),
		     void (*on_exit)(void *arg), void *arg);
/* `request` is borrowed. */
TL_MUST_CHECK int tl_dialler_start(struct tl_dialler *dialler, uv_loop_t *loop,
				   const json_t *request, struct tl_err *err);
/* Sends an order; a child that does not read any more will be noticed by its exit. */
void tl_dialler_tell(struct tl_dialler *dialler, const json_t *line);
void tl_dialler_kill(struct tl_dialler *dialler);
/* After SIGCHLD. */
void tl_dialler_reap(struct tl_dialler *dialler);
/* No callback comes any more. */
void tl_dialler_close(struct tl_dialler *dialler);

#endif
