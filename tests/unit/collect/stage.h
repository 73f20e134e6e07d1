/* A stage for collector tests: a directory that stands for /, and a bundle that is made from it. */
#ifndef TOWLINE_TEST_STAGE_H
#define TOWLINE_TEST_STAGE_H

#include <towline/bundle.h>

#include "collect/collect.h"

struct stage {
	char root[128];
	struct tl_clock_fake clock; /* wall time stands still */
	const char *since, *until;  /* of collections from now on */
	const char *profile;	    /* one of /profiles/ below the root; NULL: full */
	const char *rules;	    /* directory of redaction's rules below the root; NULL: none */
	json_t *members;	    /* of the last bundle: path → contents as text */
	struct tl_bundle_facts facts;
	json_t *exclude; /* owned; NULL: nothing is left out */
	enum tl_redact_level level;
	int64_t max_bytes; /* of the bundle; 0: any */
	struct tl_err err;
};

int stage_set_up(void **state);
int stage_tear_down(void **state);

/* Makes `path` (and its directories) below the root. */
void stage_file(struct stage *stage, const char *path, const char *text);
/* The full name of `path` below the root; static storage. */
const char *stage_path(const struct stage *stage, const char *path);

/* Runs the rows; checks the bundle and fills members and facts when it succeeds. */
int stage_collect(struct stage *stage, const struct collector *rows, size_t count);
/* A member's text; NULL when it is not in the bundle. */
const char *stage_member(const struct stage *stage, const char *path);
/* True when errors.jsonl has an entry of `kind` for `source`. */
bool stage_noted(const struct stage *stage, const char *source, const char *kind);
/* An index entry's status; NULL when there is none. */
const char *stage_status(const struct stage *stage, const char *path);

#endif
