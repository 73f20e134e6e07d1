/* Starts one program for a collector: a process group of its own, no input, a clean environment, bounded
 * by limits_for_command, and gone when the process that started it is. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_SPAWN_H
#define TOWLINE_COLLECT_SPAWN_H

#include <sys/types.h>

struct spawn {
	const char *path;
	const char *const *argv; /* ends with NULL */
	int out, errors;	 /* become standard output and error; stay the caller's */
	int timeout_ms;
};

/* 0, or an errno. */
int spawn_program(const struct spawn *spawn, pid_t *ret_pid);

#endif
