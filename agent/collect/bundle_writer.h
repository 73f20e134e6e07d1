/* Writes a bundle (docs/bundle-format.md) to a descriptor: members in the order they come, then report,
 * errors and index; packed, hashed and, where recipients are given, encrypted on the way.
 *
 * It knows no redactor: what it is given has been redacted, names and notes included. Deterministic:
 * the same members give the same bytes, encryption aside. One thread at a time. */
#ifndef TOWLINE_COLLECT_BUNDLE_WRITER_H
#define TOWLINE_COLLECT_BUNDLE_WRITER_H

#include <stdint.h>
#include <towline/attr.h>
#include <towline/crypto.h>
#include <towline/err.h>
#include <towline/json.h>

#include "collect/spool.h"

struct bundle_writer;
struct tl_recipients; /* towline/sealed.h */

struct bundle_writer_facts {
	uint64_t size;		    /* of the file */
	char sha256[TL_SHA256_HEX]; /* of the file: encrypted, where it is */
	char index_sha256[TL_SHA256_HEX];
	json_t *files;	    /* owned: [{path, size}], in order, INDEX.json included */
	json_t *redactions; /* owned: rule → count, over all members */
	uint64_t errors;
};
void bundle_writer_facts_clear(struct bundle_writer_facts *facts);
TL_DEFINE_AUTO(bundle_writer_facts, bundle_writer_facts_clear);

/* Sees every member as it goes into the archive, our own too: the re-scan. A negative result fails the
 * bundle. `bytes` NULL ends a member. */
struct bundle_watch {
	int (*begin)(void *arg, const char *path, struct tl_err *err);
	int (*data)(void *arg, const void *bytes, size_t len, struct tl_err *err);
	void *arg;
};

struct bundle_options {
	int fd;					/* stays the caller's; need not be seekable */
	const char *id;				/* the bundle's: its top directory */
	int64_t started_s;			/* the time of members that have none */
	const char *ruleset;			/* named in the report */
	const struct tl_recipients *recipients; /* NULL: not encrypted */
	const struct bundle_watch *watch;	/* may be NULL; must live as long */
	uint64_t max_bytes;			/* of the file; TL_ETOOBIG beyond; 0: no limit */
};
TL_MUST_CHECK int bundle_writer_open(const struct bundle_options *options,
				     struct bundle_writer **ret_writer, struct tl_err *err);

struct bundle_member {
	const char *path; /* below the top directory, as on the host; made safe and unique here */
	unsigned mode;
	int64_t mtime_s; /* 0: none of its own */
};

/* Where a member's bytes stand. */
struct bundle_bytes {
	struct spool *spool; /* NULL: at `memory` */
	uint64_t offset;
	const void *memory;
	uint64_t size;
	const char *status;    /* "ok", "truncated", … for the index */
	const char *collector; /* whose it is; NULL: our own */
	json_t *redactions;    /* rule → count, of this member; NULL: none */
};
TL_MUST_CHECK int bundle_writer_append(struct bundle_writer *writer,
				       const struct bundle_member *member,
				       const struct bundle_bytes *bytes, struct tl_err *err);
/* A member that is one JSON value, mode 0644. `redactions` as in bundle_bytes. */
TL_MUST_CHECK int bundle_writer_append_json(struct bundle_writer *writer, const char *path,
					    const json_t *json, json_t *redactions,
					    struct tl_err *err);
/* Adds what was hidden outside of members (in names, notes) to the report's totals. */
void bundle_writer_count(struct bundle_writer *writer, json_t *redactions);
/* A line of errors.jsonl, {"collector", "source", "kind", "text"}; takes `note` over. Lines beyond
 * 20,000 are counted only. */
void bundle_writer_add_note(struct bundle_writer *writer, json_t *note);

/* Bytes of the file so far; what the packer still holds is not among them. */
uint64_t bundle_writer_packed(const struct bundle_writer *writer);

/* Writes errors.jsonl, redaction/report.json and INDEX.json (with `collectors` in it, may be NULL)
 * and closes the archive. */
TL_MUST_CHECK int bundle_writer_close(struct bundle_writer *writer, json_t *collectors,
				      struct bundle_writer_facts *ret_facts, struct tl_err *err);
void bundle_writer_free(struct bundle_writer *writer);
TL_DEFINE_AUTO_PTR(bundle_writer, bundle_writer_free);

#endif
