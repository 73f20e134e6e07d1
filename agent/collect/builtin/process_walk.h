/* All processes in the order of their numbers, bounded. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_PROCESS_WALK_H
#define TOWLINE_COLLECT_PROCESS_WALK_H

#include "collect/collector.h"

#define PROCESS_COMM_MAX 64

struct process_stat {
	int pid, parent, threads;
	char comm[PROCESS_COMM_MAX];
	char state;
	uint64_t user_ticks, system_ticks, start_ticks, rss_pages, minor_faults, major_faults;
};

typedef int process_visit(struct collect_context *context, const struct process_stat *process,
			  void *arg, struct tl_err *err);

/* Calls `visit` for each; stops at its first failure, an interruption, or (noted) the row's time. */
TL_MUST_CHECK int process_walk(struct collect_context *context, process_visit *visit, void *arg,
			       struct tl_err *err);
/* Reads /proc/PATH/stat, where PATH is a pid or "PID/task/TID". */
bool process_read_stat(const struct collect_context *context, const char *path,
		       struct process_stat *ret_stat);

#endif
