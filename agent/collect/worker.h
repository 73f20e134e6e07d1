/* A collecting process: forked from the main one with its rules and its table, it takes numbers of rows
 * from a stream and answers with frames. It may hang or crash; the main process ends it then, with all
 * that it started. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_WORKER_H
#define TOWLINE_COLLECT_WORKER_H

#include <stdbool.h>
#include <sys/types.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>

#include "collect/collector.h"
#include "collect/member.h"

/* What each collecting process is given; all of it belongs to the main process. */
struct worker_setup {
	struct member_options members; /* but `fd` */
	const struct tl_clock *clock;
	const struct collector *rows;
	const char *root;
	int root_fd;
	int64_t started_s;
	struct slice_range range;
	bool range_is_usual;
	const char *canary; /* sent through the redactor first; NULL: none */
};

struct worker {
	pid_t pid; /* 0: there is none */
	int fd;
	bool privileged; /* keeps the rights that rows flagged COLLECT_PRIVILEGED need */
	bool ready;
	struct tl_buf in;
};

/* TL_EIO when no process can be made. */
TL_MUST_CHECK int worker_start(const struct worker_setup *setup, bool privileged,
			       struct worker *ret_worker, struct tl_err *err);
/* Gives it the row's number. TL_EUNREACH when it has ended. */
TL_MUST_CHECK int worker_give(const struct worker *worker, uint32_t row);
/* Reads what it said into worker->in: 1, or 0 when the stream has ended. Does not block after poll(2). */
TL_MUST_CHECK int worker_read(struct worker *worker, struct tl_err *err);
/* Kills it and all that it started, and forgets it. Does not wait for a process that cannot die yet. */
void worker_end(struct worker *worker);
/* Kills what is left of ended ones. */
void worker_sweep(const struct worker *workers, size_t count);

#endif
