/* Writes a bundle (docs/bundle-format.md) to a descriptor: members in the order they come, each
 * redacted in the stream before it reaches a disk, then report, errors and index.
 * Deterministic: the same members give the same bytes. One thread at a time. */
#ifndef TOWLINE_COLLECT_BUNDLE_WRITER_H
#define TOWLINE_COLLECT_BUNDLE_WRITER_H

#include <stdint.h>
#include <towline/attr.h>
#include <towline/crypto.h>
#include <towline/err.h>
#include <towline/json.h>

#include "redact/redact.h"

struct bundle_writer;

struct bundle_writer_facts {
	uint64_t size; /* of the packed bundle */
	char sha256[TL_SHA256_HEX];
	char index_sha256[TL_SHA256_HEX];
	json_t *files;	    /* owned: [{path, size}], in order, INDEX.json included */
	json_t *redactions; /* owned: rule → count, over all members */
	uint64_t errors;
};
void bundle_writer_facts_clear(struct bundle_writer_facts *facts);
TL_DEFINE_AUTO(bundle_writer_facts, bundle_writer_facts_clear);

struct bundle_member {
	const char *path; /* below the top directory, as on the host: redacted and made safe here */
	unsigned mode;
	int64_t mtime_s;
};

/* `fd` stays the caller's. `started_s` is the modification time of members that have none of their
 * own. */
TL_MUST_CHECK int bundle_writer_new(int fd, const char *id, int64_t started_s,
				    const struct tl_redact_rules *rules,
				    struct bundle_writer **ret_writer, struct tl_err *err);

/* One member: begin, write any number of pieces, end with its status ("ok", "truncated", …). */
TL_MUST_CHECK int bundle_writer_begin(struct bundle_writer *writer,
				      const struct bundle_member *member, struct tl_err *err);
TL_MUST_CHECK int bundle_writer_write(struct bundle_writer *writer, const void *bytes, size_t len,
				      struct tl_err *err);
TL_MUST_CHECK int bundle_writer_end(struct bundle_writer *writer, const char *status,
				    struct tl_err *err);
/* Raw bytes that the current member was given so far. */
uint64_t bundle_writer_given(const struct bundle_writer *writer);

/* A whole member of our own making: one JSON value, each of its strings redacted. */
TL_MUST_CHECK int bundle_writer_json(struct bundle_writer *writer, const char *path,
				     const json_t *json, struct tl_err *err);

/* Notes what was skipped, cut or refused and why, for errors.jsonl. `kind` is one of "denied",
 * "missing", "timeout", "truncated", "failed", "refused". */
void bundle_writer_note(struct bundle_writer *writer, const char *collector, const char *source,
			const char *kind, const char *text);

/* Redacts a text with the writer's rules; for what is put into JSON lines piece by piece. */
TL_MUST_CHECK int bundle_writer_redact(struct bundle_writer *writer, const char *text, size_t len,
				       struct tl_buf *out, struct tl_err *err);

/* Writes redaction/report.json, errors.jsonl and INDEX.json (with `collectors` in it, may be NULL)
 * and closes the archive. */
TL_MUST_CHECK int bundle_writer_finish(struct bundle_writer *writer, json_t *collectors,
				       struct bundle_writer_facts *ret_facts, struct tl_err *err);
void bundle_writer_free(struct bundle_writer *writer);
TL_DEFINE_AUTO_PTR(bundle_writer, bundle_writer_free);

#endif
