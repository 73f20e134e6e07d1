/* A bundle writer for raw bytes: each member, name and note passes the redactor before it reaches the
 * archive. One thread at a time. */
#ifndef TOWLINE_COLLECT_REDACTING_WRITER_H
#define TOWLINE_COLLECT_REDACTING_WRITER_H

#include "collect/bundle_writer.h"
#include "redact/redact.h"

struct redacting_writer;

/* `options->ruleset` is set here. */
TL_MUST_CHECK int redacting_writer_new(const struct bundle_options *options,
				       const struct tl_redact_rules *rules,
				       struct redacting_writer **ret_writer, struct tl_err *err);

/* One member: begin, write any number of pieces, end with its status ("ok", "truncated", …). */
TL_MUST_CHECK int redacting_writer_begin(struct redacting_writer *writer,
					 const struct bundle_member *member, struct tl_err *err);
TL_MUST_CHECK int redacting_writer_write(struct redacting_writer *writer, const void *bytes,
					 size_t len, struct tl_err *err);
TL_MUST_CHECK int redacting_writer_end(struct redacting_writer *writer, const char *status,
				       struct tl_err *err);
/* Raw bytes that the current member was given so far. */
uint64_t redacting_writer_given(const struct redacting_writer *writer);

/* A whole member of our own making: one JSON value, each of its strings redacted. */
TL_MUST_CHECK int redacting_writer_json(struct redacting_writer *writer, const char *path,
					const json_t *json, struct tl_err *err);

/* Notes what was skipped, cut or refused and why, for errors.jsonl. `kind` is one of "denied",
 * "missing", "timeout", "truncated", "failed", "refused". */
void redacting_writer_note(struct redacting_writer *writer, const char *collector,
			   const char *source, const char *kind, const char *text);

/* Redacts a text with the writer's rules; for what is put into JSON lines piece by piece. */
TL_MUST_CHECK int redacting_writer_redact(struct redacting_writer *writer, const char *text,
					  size_t len, struct tl_buf *out, struct tl_err *err);

TL_MUST_CHECK int redacting_writer_finish(struct redacting_writer *writer, json_t *collectors,
					  struct bundle_writer_facts *ret_facts,
					  struct tl_err *err);
void redacting_writer_free(struct redacting_writer *writer);
TL_DEFINE_AUTO_PTR(redacting_writer, redacting_writer_free);

#endif
