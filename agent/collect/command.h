/* Runs one program with bounded output and time: no shell, no input, a clean environment, a process
 * group of its own that is killed as a whole. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_COMMAND_H
#define TOWLINE_COLLECT_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/clock.h>
#include <towline/err.h>

#define COMMAND_STDERR_MAX 4096

struct command {
	const char *const *argv; /* ends with NULL; argv[0] is sought in the system's directories */
	uint64_t max_bytes;	 /* of standard output */
	int timeout_ms;
	/* Receives standard output. */
	int (*output)(void *arg, const void *bytes, size_t len, struct tl_err *err);
	void *arg;
};

struct command_result {
	bool missing;		   /* there is no such program: nothing ran */
	bool timed_out, truncated; /* killed therefore */
	int exit;		   /* status, or -1 */
	int signal;		   /* that ended it, or 0 */
	int64_t ms;
	char errors[COMMAND_STDERR_MAX + 1]; /* the beginning of standard error */
};

/* 0 when it ran or is missing, however it ended; otherwise the fault of output, an interruption, or
 * TL_EIO when no process can be made. No process of the group is left. */
TL_MUST_CHECK int command_run(const struct command *command, const struct tl_clock *clock,
			      struct command_result *ret_result, struct tl_err *err);

#endif
