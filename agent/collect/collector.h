/* A collector is one row of one table (table/GROUP.c): what it takes, how much, how long. Rows of the
 * kinds below are data; built-in ones name a function. A row runs in a collecting process (worker.h) and
 * fails alone: what it could not have is noted, and a process that hangs or crashes is replaced. */
#ifndef TOWLINE_COLLECT_COLLECTOR_H
#define TOWLINE_COLLECT_COLLECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/clock.h>
#include <towline/err.h>

#include "collect/bundle_writer.h"
#include "collect/slice.h"

struct collect_context;
struct collector;
struct member_stream;

enum collector_kind {
	COLLECT_FILES,	 /* sources are globs; regular files only, no link followed out */
	COLLECT_KERNEL,	 /* sources are globs below /proc and /sys: read to their end */
	COLLECT_COMMAND, /* sources are an argv; never a shell */
	COLLECT_JOURNAL, /* sources are journal matches ("UNIT=…", "_TRANSPORT=kernel"), none: all */
	COLLECT_HTTP,	 /* sources are one URL and what to send: a probe of a local service */
	COLLECT_TLS,	 /* sources are "host:port": the certificates it shows */
	COLLECT_BUILTIN /* run */
};

/* What a reader could learn of persons and secrets, were there no redaction: a site decides by it. */
enum collector_sensitivity {
	COLLECT_LOW,	/* facts about the machine */
	COLLECT_MEDIUM, /* names, addresses, what people and programs do */
	COLLECT_HIGH	/* configurations and logs where secrets are common */
};

/* What a row is flagged with. */
#define COLLECT_QUICK 1u      /* part of the profile "quick" */
#define COLLECT_PRIVILEGED 2u /* complete as root only */
#define COLLECT_TAIL 4u	      /* of a longer file the end is taken */
#define COLLECT_LINKS 8u      /* a link is followed into /etc, /run, /usr/lib, /usr/share */
#define COLLECT_DEFAULT 16u   /* part of the profile "standard" */
#define COLLECT_TIMED 32u     /* lines with time stamps: cut to the asked range, with rotations */
#define COLLECT_BINARY \
	64u /* taken even where it is no text; what is compressed is unpacked all the same */

struct collector {
	const char *name;  /* unique; [a-z-]+ */
	const char *group; /* identity, memory, storage, processes, network, logs, packages, … */
	const char *summary;
	enum collector_kind kind;
	enum collector_sensitivity sensitivity;
	unsigned flags;
	const char *const *sources; /* ends with NULL */
	/* Returns 0 (having noted what went wrong) or the fault that ends the row. Rows of any kind may
	 * have one; it is run in place of the kind's own. */
	int (*run)(struct collect_context *context, struct tl_err *err);
	uint64_t max_bytes; /* of one member, before redaction */
	int timeout_ms;	    /* of the row */
};

/* What a run of one collector has in hand. */
struct collect_context {
	struct member_stream *stream;
	const struct tl_clock *clock;
	const char *root; /* "" on a host; a directory that stands for / in tests */
	int root_fd;
	int64_t started_s;
	int64_t deadline_ms; /* monotonic, of the row */
	const struct collector *row;
	struct slice_range range; /* of time that is wanted */
	bool range_is_usual;	  /* it is the profile's: nobody asked for it */
	const char *outcome;	  /* "ok", "absent", "partial": what the index says of the row */
};

#define COLLECTORS_MAX 512

/* The table: every built-in row, group after group (agent/collect/table), in the order of the bundle.
 * Static storage. Any thread. */
const struct collector *collectors_all(size_t *ret_count);

/* The four kinds' runners. */
TL_MUST_CHECK int collect_files(struct collect_context *context, struct tl_err *err);
TL_MUST_CHECK int collect_command(struct collect_context *context, struct tl_err *err);

/* What a collector gives away goes through these alone, in a process of its own: looked at by the
 * analyzers, redacted, counted and bounded before anything is written. One member at a time. */
TL_MUST_CHECK int collect_member_begin(struct collect_context *context,
				       const struct bundle_member *member, struct tl_err *err);
TL_MUST_CHECK int collect_member_write(struct collect_context *context, const void *bytes,
				       size_t len, struct tl_err *err);
/* Bytes given since begin, before redaction. */
uint64_t collect_member_given(const struct collect_context *context);
/* Whether consent and policy let everything through as it is (level off). */
bool collect_is_unredacted(const struct collect_context *context);
/* `status`: "ok", "truncated", "timeout", "failed". */
TL_MUST_CHECK int collect_member_end(struct collect_context *context, const char *status,
				     struct tl_err *err);
/* A whole member: one JSON value, each of its strings redacted. */
TL_MUST_CHECK int collect_member_json(struct collect_context *context, const char *path,
				      const json_t *json, struct tl_err *err);
/* Redacts a text for what is put into JSON lines piece by piece. */
TL_MUST_CHECK int collect_member_redact(struct collect_context *context, const char *text,
					size_t len, struct tl_buf *out, struct tl_err *err);

/* Notes a source that could not be had, or not wholly, for errors.jsonl. */
void collect_note(struct collect_context *context, const char *source, const char *kind,
		  const char *text);
/* True when a person or policy wants this path of the host left out: it is not even opened then. */
bool collect_excluded(const struct collect_context *context, const char *path);
/* True when the row's time is over; notes it for `source`. */
bool collect_expired(struct collect_context *context, const char *source);

/* Built-in collectors. */
int collect_identity(struct collect_context *context, struct tl_err *err);
int collect_health(struct collect_context *context, struct tl_err *err);
int collect_processes(struct collect_context *context, struct tl_err *err);
int collect_packages(struct collect_context *context, struct tl_err *err);
int collect_journal(struct collect_context *context, struct tl_err *err);

#endif
