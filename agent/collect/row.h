/* What one collector gave, as the main process keeps it until its turn: redacted bytes in a spool, and
 * the facts about its members and troubles. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_ROW_H
#define TOWLINE_COLLECT_ROW_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <towline/json.h>

#include "collect/bundle_writer.h"
#include "collect/collector.h"
#include "collect/frame.h"

struct row_member;

struct row {
	const struct collector *collector;
	struct spool *spool; /* NULL until bytes came */
	bool sealed;	     /* what rests on disk is encrypted */
	struct row_member *members;
	size_t count, room;
	bool open; /* the last member is not whole yet */
	uint64_t bytes;
	uint64_t said;	  /* bytes of JSON: facts, notes, findings */
	json_t *notes;	  /* owned: lines of errors.jsonl */
	json_t *hidden;	  /* owned: rule → count outside of members */
	json_t *findings; /* owned: what the analyzers said, in the order it came; NULL: nothing */
	char outcome[16];
	bool faulty; /* a fault ended it, and its process with it */
	int64_t ms;
};

void row_init(struct row *row, const struct collector *collector, bool sealed);
void row_clear(struct row *row);
TL_DEFINE_AUTO(row, row_clear);

/* Takes what a collecting process said; FRAME_ROW ends the row: 1. Otherwise 0, or TL_EPROTO when it makes
 * no sense, TL_ETOOBIG beyond the collector's limits, or the fault of the spool. */
TL_MUST_CHECK int row_take(struct row *row, const struct frame *frame, struct tl_err *err);
/* The collecting process is no more: the half-written member is dropped and named. `kind` as in
 * errors.jsonl. */
void row_break(struct row *row, const char *kind, const char *text, int64_t ms);
/* A line of errors.jsonl. */
void row_note(struct row *row, const char *source, const char *kind, const char *text);

/* Puts the row's members, notes and counts into the bundle. Members that `room` bytes of the file do not
 * hold for certain are left out and named. */
TL_MUST_CHECK int row_append(struct row *row, struct bundle_writer *writer, uint64_t room,
			     struct tl_err *err);
/* The row's entry in INDEX.json, which has no time in it: the same input gives the same bytes. The caller
 * owns it. */
json_t *row_index(const struct row *row);
/* How it went, for whoever asked; the caller owns it. */
json_t *row_facts(const struct row *row);

#endif
