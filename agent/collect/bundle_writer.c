#include "collect/bundle_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <towline/bundle.h>
#include <towline/clock.h>
#include <towline/fs.h>
#include <towline/id.h>
#include <towline/str.h>

#include "collect/spool.h"

#define COMPRESSION_LEVEL "3"
#define PATH_PART_MAX 255 /* of a component, so that any file system takes it */
#define NOTES_MAX 20000
#define NOTE_TEXT_MAX 1024

struct bundle_writer {
	int fd;
	char id[TL_ID_LEN + 1];
	int64_t started_s;
	struct archive *archive;
	struct tl_redactor *redactor; /* of the member that is being written */
	struct tl_redactor *texts;    /* of names and our own JSON */
	struct spool spool;
	struct tl_sha256 *packed_hash;
	uint64_t packed_bytes;
	struct tl_err fault; /* of the output, as it happened */
	json_t *paths, *index, *report, *totals, *notes;
	uint64_t note_count;
	/* the member in hand */
	char path[TL_BUNDLE_PATH_MAX];
	unsigned mode;
	int64_t mtime_s;
	uint64_t given;
	char index_sha256[TL_SHA256_HEX];
};

static la_ssize_t write_packed(struct archive *archive, void *arg, const void *bytes, size_t len)
{
	struct bundle_writer *writer = arg;

	if (tl_fs_write_all(writer->fd, bytes, len, &writer->fault) < 0) {
		tl_err_prefix(&writer->fault, "the bundle cannot be written");
		archive_set_error(archive, EIO, "write");
		return -1;
	}
	tl_sha256_update(writer->packed_hash, bytes, len);
	writer->packed_bytes += len;
	return (la_ssize_t)len;
}

static int archive_fault(const struct bundle_writer *writer, struct tl_err *err)
{
	if (writer->fault.code)
		return tl_err_set(err, writer->fault.code, "%s", tl_err_text(&writer->fault));
	return tl_err_set(err, TL_EIO, "the bundle cannot be written: %s",
			  archive_error_string(writer->archive));
}

static int open_archive(struct bundle_writer *writer, struct tl_err *err)
{
	struct archive *archive = writer->archive;

	if (archive_write_set_format_pax_restricted(archive) != ARCHIVE_OK ||
	    archive_write_add_filter_zstd(archive) != ARCHIVE_OK ||
	    archive_write_set_filter_option(archive, "zstd", "compression-level",
					    COMPRESSION_LEVEL) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK ||
	    archive_write_open(archive, writer, NULL, write_packed, NULL) != ARCHIVE_OK)
		return archive_fault(writer, err);
	return 0;
}

int bundle_writer_new(int fd, const char *id, int64_t started_s,
		      const struct tl_redact_rules *rules, struct bundle_writer **ret_writer,
		      struct tl_err *err)
{
	tl_auto(bundle_writer) struct bundle_writer *writer = calloc(1, sizeof *writer);
	int r;

	if (!writer)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	writer->fd = fd;
	writer->started_s = started_s;
	writer->spool.fd = -1;
	snprintf(writer->id, sizeof writer->id, "%s", id);
	writer->archive = archive_write_new();
	writer->packed_hash = tl_sha256_new();
	writer->paths = json_object();
	writer->index = json_array();
	writer->report = json_object();
	writer->totals = json_object();
	writer->notes = json_array();
	if (!writer->archive || !writer->packed_hash || !writer->notes)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	r = spool_init(&writer->spool, err);
	if (r == 0)
		r = tl_redactor_new(rules, &tl_redact_limits_default, &writer->redactor, err);
	if (r == 0)
		r = tl_redactor_new(rules, &tl_redact_limits_default, &writer->texts, err);
	if (r == 0)
		r = open_archive(writer, err);
	if (r < 0)
		return r;
	*ret_writer = tl_steal(&writer);
	return 0;
}

void bundle_writer_free(struct bundle_writer *writer)
{
	if (!writer)
		return;
	if (writer->archive) {
		archive_write_fail(writer->archive); /* an unfinished bundle must not look whole */
		archive_write_free(writer->archive);
	}
	tl_redactor_free(writer->redactor);
	tl_redactor_free(writer->texts);
	spool_clear(&writer->spool);
	tl_sha256_free(writer->packed_hash);
	json_decref(writer->paths);
	json_decref(writer->index);
	json_decref(writer->report);
	json_decref(writer->totals);
	json_decref(writer->notes);
	free(writer);
}

/* Members have printable ASCII names: other bytes, '%' and '\' become %XX; "." and ".." lose their
 * meaning; components stay below PATH_PART_MAX. */
static void make_safe(const char *path, size_t len, struct tl_buf *out)
{
	size_t part = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)path[i];
		bool dot = c == '.' && part == 0;

		if (c == '/') {
			if (part > 0)
				tl_buf_putc(out, '/');
			part = 0;
			continue;
		}
		if (part + 3 > PATH_PART_MAX)
			continue;
		if (c <= 0x20 || c > 0x7e || c == '%' || c == '\\' ||
		    (dot && (i + 1 == len || path[i + 1] == '.' || path[i + 1] == '/'))) {
			tl_buf_printf(out, "%%%02X", c);
			part += 3;
			continue;
		}
		tl_buf_putc(out, (char)c);
		part++;
	}
}

/* Names the member in hand; a name that is taken gets "~2", "~3", … */
static int choose_path(struct bundle_writer *writer, const char *path, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT(TL_BUNDLE_PATH_MAX * 4);
	tl_auto(tl_buf) struct tl_buf safe = TL_BUF_INIT(TL_BUNDLE_PATH_MAX - TL_ID_LEN - 16);
	int r = tl_redact_text(writer->texts, path, strlen(path), &clean, err);

	if (r < 0)
		return r;
	tl_redactor_report(writer->texts, writer->totals);
	make_safe(tl_buf_str(&clean), clean.len, &safe);
	if (tl_buf_check(&safe) < 0 || safe.len == 0 || safe.data[safe.len - 1] == '/')
		return tl_err_set(err, TL_EINVAL, "a name cannot stand in the bundle: too long");
	snprintf(writer->path, sizeof writer->path, "%s", tl_buf_str(&safe));
	for (unsigned n = 2; json_object_get(writer->paths, writer->path); n++)
		snprintf(writer->path, sizeof writer->path, "%s~%u", tl_buf_str(&safe), n);
	json_object_set_new(writer->paths, writer->path, json_true());
	return 0;
}

static int begin_raw(struct bundle_writer *writer, const struct bundle_member *member,
		     struct tl_err *err)
{
	int r = choose_path(writer, member->path, err);

	if (r < 0)
		return r;
	writer->mode = member->mode & 0777;
	writer->mtime_s = member->mtime_s ? member->mtime_s : writer->started_s;
	writer->given = 0;
	return spool_reset(&writer->spool, err);
}

int bundle_writer_begin(struct bundle_writer *writer, const struct bundle_member *member,
			struct tl_err *err)
{
	tl_redactor_begin(writer->redactor, spool_write, &writer->spool);
	return begin_raw(writer, member, err);
}

int bundle_writer_write(struct bundle_writer *writer, const void *bytes, size_t len,
			struct tl_err *err)
{
	writer->given += len;
	return tl_redactor_feed(writer->redactor, bytes, len, err);
}

uint64_t bundle_writer_given(const struct bundle_writer *writer)
{
	return writer->given;
}

static inline void entry_auto_(struct archive_entry **entry)
{
	archive_entry_free(*entry);
}

static int write_header(struct bundle_writer *writer, struct tl_err *err)
{
	tl_cleanup(entry_auto_) struct archive_entry *entry = archive_entry_new();
	char path[TL_BUNDLE_PATH_MAX + TL_ID_LEN + 2];

	snprintf(path, sizeof path, "%s/%s", writer->id, writer->path);
	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, (mode_t)writer->mode);
	archive_entry_set_size(entry, (la_int64_t)writer->spool.bytes);
	archive_entry_set_mtime(entry, writer->mtime_s, 0);
	archive_entry_set_uid(entry, 0);
	archive_entry_set_gid(entry, 0);
	return archive_write_header(writer->archive, entry) == ARCHIVE_OK
		       ? 0
		       : archive_fault(writer, err);
}

static int copy_spool(struct bundle_writer *writer, struct tl_err *err)
{
	char piece[64 * 1024];
	uint64_t at = 0;

	while (at < writer->spool.bytes) {
		ssize_t n = pread(writer->spool.fd, piece, sizeof piece, (off_t)at);

		if (n <= 0)
			return tl_err_sys(err, TL_EIO, n < 0 ? errno : EIO,
					  "the temporary file cannot be read");
		if (archive_write_data(writer->archive, piece, (size_t)n) != n)
			return archive_fault(writer, err);
		at += (uint64_t)n;
	}
	return 0;
}

/* Puts the spooled bytes into the archive and the index. */
static int end_raw(struct bundle_writer *writer, const char *status, struct tl_err *err)
{
	char sha256[TL_SHA256_HEX];
	json_t *entry;
	int r = write_header(writer, err);

	if (r == 0)
		r = copy_spool(writer, err);
	if (r < 0)
		return r;
	spool_digest(&writer->spool, sha256);
	memcpy(writer->index_sha256, sha256, sizeof sha256);
	entry = json_pack("{s:s, s:I, s:s, s:i, s:I, s:s}", "path", writer->path, "size",
			  (json_int_t)writer->spool.bytes, "sha256", sha256, "mode",
			  (int)writer->mode, "mtime", (json_int_t)writer->mtime_s, "status",
			  status);
	return json_array_append_new(writer->index, entry) < 0
		       ? tl_err_set(err, TL_ENOMEM, "out of memory for the bundle's index")
		       : 0;
}

static void add_counts(struct bundle_writer *writer, json_t *counts)
{
	if (json_object_size(counts) > 0)
		json_object_set(writer->report, writer->path, counts);
}

int bundle_writer_end(struct bundle_writer *writer, const char *status, struct tl_err *err)
{
	tl_json *counts = json_object();
	int r = tl_redactor_flush(writer->redactor, err);

	if (r < 0)
		return r;
	tl_redactor_report(writer->redactor, counts);
	tl_redactor_report(writer->redactor, writer->totals);
	add_counts(writer, counts);
	return end_raw(writer, status, err);
}

static int write_json(struct bundle_writer *writer, const char *path, const json_t *json,
		      bool lines, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(64 * 1024 * 1024);
	struct bundle_member member = {.path = path, .mode = 0644};
	int r = begin_raw(writer, &member, err);

	for (size_t i = 0; lines && i < json_array_size(json); i++) {
		tl_json_write(&text, json_array_get(json, i));
		tl_buf_putc(&text, '\n');
	}
	if (!lines) {
		tl_json_write(&text, json);
		tl_buf_putc(&text, '\n');
	}
	if (r == 0 && tl_buf_check(&text) < 0)
		r = tl_err_set(err, TL_ETOOBIG, "%s is too large", path);
	if (r == 0 && text.len > 0)
		r = spool_write(&writer->spool, text.data, text.len, err);
	return r < 0 ? r : end_raw(writer, "ok", err);
}

static int write_redacted_json(struct bundle_writer *writer, const char *path, const json_t *json,
			       bool lines, struct tl_err *err)
{
	tl_json *counts = json_object();
	tl_json *clean = NULL;
	const char *rule;
	json_t *count;
	int r = tl_redact_json(writer->texts, json, counts, &clean, err);

	if (r < 0)
		return r;
	json_object_foreach(counts, rule, count)
	{
		json_int_t before = json_integer_value(json_object_get(writer->totals, rule));

		json_object_set_new(writer->totals, rule,
				    json_integer(before + json_integer_value(count)));
	}
	r = write_json(writer, path, clean, lines, err);
	if (r == 0)
		add_counts(writer, counts);
	return r;
}

int bundle_writer_json(struct bundle_writer *writer, const char *path, const json_t *json,
		       struct tl_err *err)
{
	return write_redacted_json(writer, path, json, false, err);
}

int bundle_writer_redact(struct bundle_writer *writer, const char *text, size_t len,
			 struct tl_buf *out, struct tl_err *err)
{
	int r = tl_redact_text(writer->texts, text, len, out, err);

	if (r == 0)
		tl_redactor_report(writer->texts, writer->totals);
	return r;
}

/* Names from the host may be no UTF-8: they are noted as they print. */
static json_t *printable(const char *text)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(NOTE_TEXT_MAX * 4);

	tl_str_printable(&out, text, strnlen(text, NOTE_TEXT_MAX));
	return json_string(tl_buf_str(&out));
}

void bundle_writer_note(struct bundle_writer *writer, const char *collector, const char *source,
			const char *kind, const char *text)
{
	json_t *note;

	writer->note_count++;
	if (json_array_size(writer->notes) >= NOTES_MAX)
		return;
	note = json_pack("{s:s, s:o, s:s, s:o}", "collector", collector, "source",
			 printable(source), "kind", kind, "text", printable(text));
	json_array_append_new(writer->notes, note);
}

static int write_report(struct bundle_writer *writer, struct tl_err *err)
{
	tl_json *report = json_pack("{s:i, s:s, s:s, s:O, s:O}", "schema", TL_BUNDLE_SCHEMA,
				    "bundle", writer->id, "ruleset", TL_REDACT_RULESET, "files",
				    writer->report, "totals", writer->totals);

	if (!report)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the redaction report");
	return write_json(writer, "redaction/report.json", report, false, err);
}

static int write_index(struct bundle_writer *writer, json_t *collectors, struct tl_err *err)
{
	tl_json *index = json_pack("{s:i, s:s, s:O, s:O*}", "schema", TL_BUNDLE_SCHEMA, "bundle",
				   writer->id, "files", writer->index, "collectors", collectors);

	if (!index)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle's index");
	return write_json(writer, "INDEX.json", index, false, err);
}

static json_t *list_files(const json_t *index)
{
	json_t *files = json_array();

	for (size_t i = 0; i < json_array_size(index); i++) {
		const json_t *entry = json_array_get(index, i);

		json_array_append_new(files, json_pack("{s:O, s:O}", "path",
						       json_object_get(entry, "path"), "size",
						       json_object_get(entry, "size")));
	}
	return files;
}

int bundle_writer_finish(struct bundle_writer *writer, json_t *collectors,
			 struct bundle_writer_facts *ret_facts, struct tl_err *err)
{
	uint8_t digest[TL_SHA256_LEN];
	/* errors.jsonl first: redacting it adds to the counts that the report states */
	int r = write_redacted_json(writer, "errors.jsonl", writer->notes, true, err);

	if (r == 0)
		r = write_report(writer, err);
	if (r == 0)
		r = write_index(writer, collectors, err);
	if (r == 0 && archive_write_close(writer->archive) != ARCHIVE_OK)
		r = archive_fault(writer, err);
	if (r < 0)
		return r;
	tl_sha256_final(writer->packed_hash, digest);
	*ret_facts = (struct bundle_writer_facts){
		.size = writer->packed_bytes,
		.files = list_files(writer->index),
		.redactions = json_incref(writer->totals),
		.errors = writer->note_count,
	};
	tl_hex_encode(digest, sizeof digest, ret_facts->sha256);
	memcpy(ret_facts->index_sha256, writer->index_sha256, sizeof ret_facts->index_sha256);
	return 0;
}

void bundle_writer_facts_clear(struct bundle_writer_facts *facts)
{
	json_decref(facts->files);
	json_decref(facts->redactions);
	*facts = (struct bundle_writer_facts){.size = 0};
}
