/* The collecting process's side of collect_member_*: raw bytes come in, the analyzers look at them, the
 * redactor takes out what must not leave, and frames go to the main process. Nothing here reaches a disk.
 * Private to agent/collect. */
#ifndef TOWLINE_COLLECT_MEMBER_H
#define TOWLINE_COLLECT_MEMBER_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

#include "analyze/analyze.h"
#include "collect/collector.h"
#include "collect/exclude.h"
#include "redact/redact.h"

#define MEMBER_SLACK (256 * 1024)  /* beyond a member's limit, for the record that was begun */
#define MEMBER_TIMED_FACTOR 4	   /* so much more may a log give where a range is asked for */
#define MEMBER_ROW_MIN (16u << 20) /* a row may give that much in all, however small its members */
#define MEMBER_ROW_FACTOR 16	   /* or that many of its largest members */
#define MEMBER_RATE (96u << 20)	   /* bytes a second, of one row */

struct member_stream;

struct member_options {
	int fd; /* where frames go; stays the caller's */
	const struct tl_redact_rules *rules;
	struct tl_analysis_rules *analyzers; /* NULL: nothing is looked for */
	const struct exclude *exclude;	     /* may be NULL */
	enum tl_redact_level level;
	struct tl_identities *identities; /* NULL: none are replaced */
	uint64_t bytes_per_s;		  /* 0: MEMBER_RATE */
};
TL_MUST_CHECK int member_stream_new(const struct member_options *options,
				    struct member_stream **ret_stream, struct tl_err *err);
/* A row begins: its limits count from here. */
void member_stream_row(struct member_stream *stream, const struct collector *row);
/* Sends `text` through the redactor as a frame of its own. */
TL_MUST_CHECK int member_stream_canary(struct member_stream *stream, const char *text,
				       struct tl_err *err);
/* The row is over. `fault` (may be NULL) is what ended it. */
TL_MUST_CHECK int member_stream_end(struct member_stream *stream,
				    const struct collect_context *context, int64_t ms,
				    const struct tl_err *fault, struct tl_err *err);
void member_stream_free(struct member_stream *stream);
TL_DEFINE_AUTO_PTR(member_stream, member_stream_free);

/* What a row may give in all. */
uint64_t member_row_max(const struct collector *row);

#endif
