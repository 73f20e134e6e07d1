#include "collect/redacting_writer.h"

#include <stdio.h>
#include <string.h>
#include <towline/bundle.h>
#include <towline/str.h>

#define NOTE_TEXT_MAX 1024

struct redacting_writer {
	struct bundle_writer *bundle;
	struct tl_redactor *redactor; /* of the member that is being written */
	struct tl_redactor *texts;    /* of names, notes and our own JSON */
	struct spool *spool;
	struct tl_buf path; /* the member's, redacted */
	struct bundle_member member;
	uint64_t given;
};

int redacting_writer_new(const struct bundle_options *options, const struct tl_redact_rules *rules,
			 struct redacting_writer **ret_writer, struct tl_err *err)
{
	tl_auto(redacting_writer) struct redacting_writer *writer = calloc(1, sizeof *writer);
	struct bundle_options bundle = *options;
	int r;

	if (!writer)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	tl_buf_init(&writer->path, TL_BUNDLE_PATH_MAX * 4);
	bundle.ruleset = TL_REDACT_RULESET;
	r = spool_new(options->recipients != NULL, &writer->spool, err);
	if (r == 0)
		r = tl_redactor_new(rules, &tl_redact_limits_default, &writer->redactor, err);
	if (r == 0)
		r = tl_redactor_new(rules, &tl_redact_limits_default, &writer->texts, err);
	if (r == 0)
		r = bundle_writer_open(&bundle, &writer->bundle, err);
	if (r < 0)
		return r;
	*ret_writer = tl_steal(&writer);
	return 0;
}

void redacting_writer_free(struct redacting_writer *writer)
{
	if (!writer)
		return;
	bundle_writer_free(writer->bundle);
	tl_redactor_free(writer->redactor);
	tl_redactor_free(writer->texts);
	spool_free(writer->spool);
	tl_buf_clear(&writer->path);
	free(writer);
}

static void count_texts(struct redacting_writer *writer)
{
	tl_json *counts = json_object();

	tl_redactor_report(writer->texts, counts);
	bundle_writer_count(writer->bundle, counts);
}

int redacting_writer_redact(struct redacting_writer *writer, const char *text, size_t len,
			    struct tl_buf *out, struct tl_err *err)
{
	int r = tl_redact_text(writer->texts, text, len, out, err);

	if (r == 0)
		count_texts(writer);
	return r;
}

int redacting_writer_begin(struct redacting_writer *writer, const struct bundle_member *member,
			   struct tl_err *err)
{
	int r;

	tl_redactor_begin(writer->redactor, spool_write, writer->spool);
	tl_buf_reset(&writer->path);
	r = redacting_writer_redact(writer, member->path, strlen(member->path), &writer->path, err);
	if (r < 0)
		return r;
	writer->member = *member;
	writer->given = 0;
	return spool_reset(writer->spool, err);
}

int redacting_writer_write(struct redacting_writer *writer, const void *bytes, size_t len,
			   struct tl_err *err)
{
	writer->given += len;
	return tl_redactor_feed(writer->redactor, bytes, len, err);
}

uint64_t redacting_writer_given(const struct redacting_writer *writer)
{
	return writer->given;
}

int redacting_writer_end(struct redacting_writer *writer, const char *status, struct tl_err *err)
{
	tl_json *counts = json_object();
	struct bundle_bytes bytes = {.spool = writer->spool,
				     .status = status,
				     .redactions = counts};
	int r = tl_redactor_flush(writer->redactor, err);

	if (r < 0)
		return r;
	tl_redactor_report(writer->redactor, counts);
	bytes.size = spool_size(writer->spool);
	writer->member.path = tl_buf_str(&writer->path);
	return bundle_writer_append(writer->bundle, &writer->member, &bytes, err);
}

int redacting_writer_json(struct redacting_writer *writer, const char *path, const json_t *json,
			  struct tl_err *err)
{
	tl_json *counts = json_object();
	tl_json *clean = NULL;
	tl_auto(tl_buf) struct tl_buf name = TL_BUF_INIT(TL_BUNDLE_PATH_MAX * 4);
	int r = redacting_writer_redact(writer, path, strlen(path), &name, err);

	if (r == 0)
		r = tl_redact_json(writer->texts, json, counts, &clean, err);
	if (r == 0)
		r = bundle_writer_append_json(writer->bundle, tl_buf_str(&name), clean, counts,
					      err);
	return r;
}

/* Names from the host may be no UTF-8: they are noted as they print. */
static json_t *printable(const char *text)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(NOTE_TEXT_MAX * 4);

	tl_str_printable(&out, text, strnlen(text, NOTE_TEXT_MAX));
	return json_string(tl_buf_str(&out));
}

void redacting_writer_note(struct redacting_writer *writer, const char *collector,
			   const char *source, const char *kind, const char *text)
{
	tl_json *counts = json_object();
	tl_json *note = json_pack("{s:s, s:o, s:s, s:o}", "collector", collector, "source",
				  printable(source), "kind", kind, "text", printable(text));
	json_t *clean;

	if (tl_redact_json(writer->texts, note, counts, &clean, NULL) < 0)
		clean = json_pack("{s:s, s:s, s:s, s:s}", "collector", collector, "source", "?",
				  "kind", kind, "text", "[withheld: redaction failed]");
	bundle_writer_count(writer->bundle, counts);
	bundle_writer_add_note(writer->bundle, clean);
}

int redacting_writer_finish(struct redacting_writer *writer, json_t *collectors,
			    struct bundle_writer_facts *ret_facts, struct tl_err *err)
{
	return bundle_writer_close(writer->bundle, collectors, ret_facts, err);
}
