/* Runs rows in collecting processes and puts what they give into the bundle in the table's order, so that
 * the same input gives the same bytes however many processes there are. A process that hangs, crashes or
 * gives too much is ended and replaced; its row keeps what was whole. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_ENGINE_H
#define TOWLINE_COLLECT_ENGINE_H

#include <towline/attr.h>
#include <towline/err.h>
#include <towline/json.h>

#include "collect/bundle_writer.h"
#include "collect/progress.h"
#include "collect/worker.h"

#define ENGINE_WORKERS_MAX 4
#define ENGINE_PROBLEMS_MAX 50
/* What a row may take beyond its own time before its process is ended: rows that watch their deadline
 * keep what they have. */
#define ENGINE_GRACE_MS 2000

struct engine_options {
	const struct worker_setup *setup;
	size_t row_count;
	struct bundle_writer *writer;
	uint64_t max_bytes; /* of the bundle; 0: the reader's limit */
	bool sealed;	    /* nothing readable may rest on disk */
	struct progress *progress;
};

struct engine_facts {
	json_t *index;	  /* owned: the rows' entries in INDEX.json */
	json_t *rows;	  /* owned: how each row went */
	json_t *problems; /* owned: the first of errors.jsonl's lines, one of each kind of each row */
	json_t *findings; /* owned: what the analyzers found, in the table's order */
	char *canary;	  /* owned: what the redactor left of the canaries */
};
void engine_facts_clear(struct engine_facts *facts);
TL_DEFINE_AUTO(engine_facts, engine_facts_clear);

/* The rows' troubles are in the bundle; a negative result is a fault of the bundle itself, or an
 * interruption. No process is left either way. */
TL_MUST_CHECK int engine_run(const struct engine_options *options, struct engine_facts *ret_facts,
			     struct tl_err *err);

#endif
