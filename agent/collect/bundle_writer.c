#include "collect/bundle_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <towline/bundle.h>
#include <towline/fs.h>
#include <towline/id.h>
#include <towline/sealed.h>
#include <towline/str.h>

#define COMPRESSION_LEVEL "3"
#define PATH_PART_MAX 255 /* of a component, so that any file system takes it */
#define NOTES_MAX 20000
#define PIECE (64 * 1024)

struct bundle_writer {
	struct bundle_options options;
	char id[TL_ID_LEN + 1];
	struct archive *archive;
	struct tl_sealer *sealer; /* NULL: not encrypted */
	struct tl_sha256 *member_hash, *packed_hash;
	uint64_t packed_bytes;
	struct tl_err fault; /* of the output, as it happened */
	json_t *paths, *index, *report, *totals, *notes;
	uint64_t note_count;
	char index_sha256[TL_SHA256_HEX]; /* of the last member, at the end INDEX.json */
	char path[TL_BUNDLE_PATH_MAX];	  /* of the member in hand */
	char piece[PIECE];
};

/* A tl_sealer_output. */
static int write_file(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	struct bundle_writer *writer = arg;
	uint64_t max = writer->options.max_bytes;
	int r;

	if (max > 0 && len > max - writer->packed_bytes)
		return tl_err_set(err, TL_ETOOBIG,
				  "the bundle is larger than the %llu bytes that are taken",
				  (unsigned long long)max);
	r = tl_fs_write_all(writer->options.fd, bytes, len, err);
	if (r < 0) {
		tl_err_prefix(err, "the bundle cannot be written");
		return r;
	}
	tl_sha256_update(writer->packed_hash, bytes, len);
	writer->packed_bytes += len;
	return 0;
}

static int put(struct bundle_writer *writer, const void *bytes, size_t len)
{
	if (writer->fault.code)
		return writer->fault.code;
	return writer->sealer ? tl_sealer_write(writer->sealer, bytes, len, &writer->fault)
			      : write_file(writer, bytes, len, &writer->fault);
}

static la_ssize_t write_packed(struct archive *archive, void *arg, const void *bytes, size_t len)
{
	if (put(arg, bytes, len) == 0)
		return (la_ssize_t)len;
	archive_set_error(archive, EIO, "write");
	return -1;
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

int bundle_writer_open(const struct bundle_options *options, struct bundle_writer **ret_writer,
		       struct tl_err *err)
{
	tl_auto(bundle_writer) struct bundle_writer *writer = calloc(1, sizeof *writer);
	int r = 0;

	if (!writer)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	writer->options = *options;
	snprintf(writer->id, sizeof writer->id, "%s", options->id);
	writer->archive = archive_write_new();
	writer->member_hash = tl_sha256_new();
	writer->packed_hash = tl_sha256_new();
	writer->paths = json_object();
	writer->index = json_array();
	writer->report = json_object();
	writer->totals = json_object();
	writer->notes = json_array();
	if (!writer->archive || !writer->packed_hash || !writer->notes)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	if (options->recipients)
		r = tl_sealer_new(options->recipients, write_file, writer, &writer->sealer, err);
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
		/* an unfinished bundle must not look whole: what is packed yet leads nowhere */
		if (!writer->fault.code)
			tl_err_set(&writer->fault, TL_ECANCELED, "the bundle is given up");
		archive_write_free(writer->archive);
	}
	tl_sealer_free(writer->sealer);
	tl_sha256_free(writer->member_hash);
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
static void make_safe(const char *path, struct tl_buf *out)
{
	size_t part = 0;

	for (size_t i = 0; path[i]; i++) {
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
		    (dot && (!path[i + 1] || path[i + 1] == '.' || path[i + 1] == '/'))) {
			tl_buf_printf(out, "%%%02X", c);
			part += 3;
			continue;
		}
		tl_buf_putc(out, (char)c);
		part++;
	}
}

/* What is written by no collector: whoever reads a bundle believes these members. */
static bool is_own(const char *path)
{
	static const char *const names[] = {"MANIFEST.json", "INDEX.json", "errors.jsonl",
					    "redaction", "analysis"};

	for (size_t i = 0; i < TL_ARRAY_LEN(names); i++) {
		size_t len = strlen(names[i]);

		if (strncmp(path, names[i], len) == 0 && (!path[len] || path[len] == '/'))
			return true;
	}
	return false;
}

/* Names the member in hand; a name that is taken gets "~2", "~3", …: `paths` has the last number. */
static int choose_path(struct bundle_writer *writer, const char *path, bool collected,
		       struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf safe = TL_BUF_INIT(TL_BUNDLE_PATH_MAX - TL_ID_LEN - 16);
	json_int_t n;

	make_safe(path, &safe);
	if (tl_buf_check(&safe) < 0 || safe.len == 0 || safe.data[safe.len - 1] == '/')
		return tl_err_set(err, TL_EINVAL, "a name cannot stand in the bundle: too long");
	if (collected && is_own(tl_buf_str(&safe)))
		return tl_err_set(err, TL_EINVAL,
				  "a name cannot stand in the bundle: it is the "
				  "bundle's own");
	snprintf(writer->path, sizeof writer->path, "%s", tl_buf_str(&safe));
	n = json_integer_value(json_object_get(writer->paths, writer->path));
	while (json_object_get(writer->paths, writer->path))
		snprintf(writer->path, sizeof writer->path, "%s~%lld", tl_buf_str(&safe),
			 (long long)++n);
	return json_object_set_new(writer->paths, writer->path, json_integer(1)) < 0 ||
			       (n > 0 && json_object_set_new(writer->paths, tl_buf_str(&safe),
							     json_integer(n)) < 0)
		       ? tl_err_set(err, TL_ENOMEM, "out of memory for the bundle's paths")
		       : 0;
}

static inline void entry_auto_(struct archive_entry **entry)
{
	archive_entry_free(*entry);
}

static int write_header(struct bundle_writer *writer, const struct bundle_member *member,
			uint64_t size, struct tl_err *err)
{
	tl_cleanup(entry_auto_) struct archive_entry *entry = archive_entry_new();
	char path[TL_BUNDLE_PATH_MAX + TL_ID_LEN + 2];

	snprintf(path, sizeof path, "%s/%s", writer->id, writer->path);
	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, (mode_t)member->mode & 0777);
	archive_entry_set_size(entry, (la_int64_t)size);
	archive_entry_set_mtime(entry, member->mtime_s, 0);
	archive_entry_set_uid(entry, 0);
	archive_entry_set_gid(entry, 0);
	return archive_write_header(writer->archive, entry) == ARCHIVE_OK
		       ? 0
		       : archive_fault(writer, err);
}

static int write_piece(struct bundle_writer *writer, const void *bytes, size_t len,
		       struct tl_err *err)
{
	const struct bundle_watch *watch = writer->options.watch;
	int r = watch ? watch->data(watch->arg, bytes, len, err) : 0;

	if (r < 0)
		return r;
	tl_sha256_update(writer->member_hash, bytes, len);
	return archive_write_data(writer->archive, bytes, len) == (la_ssize_t)len
		       ? 0
		       : archive_fault(writer, err);
}

static int write_bytes(struct bundle_writer *writer, const struct bundle_bytes *bytes,
		       struct tl_err *err)
{
	const struct bundle_watch *watch = writer->options.watch;
	uint64_t at = 0;
	int r = watch ? watch->begin(watch->arg, writer->path, err) : 0;

	if (r == 0 && !bytes->spool && bytes->size > 0)
		r = write_piece(writer, bytes->memory, (size_t)bytes->size, err);
	while (r == 0 && bytes->spool && at < bytes->size) {
		size_t len = bytes->size - at < PIECE ? (size_t)(bytes->size - at) : PIECE;

		r = spool_read(bytes->spool, bytes->offset + at, writer->piece, len, err);
		if (r == 0)
			r = write_piece(writer, writer->piece, len, err);
		at += len;
	}
	if (r == 0 && watch)
		r = watch->data(watch->arg, NULL, 0, err);
	return r;
}

void bundle_writer_count(struct bundle_writer *writer, json_t *redactions)
{
	const char *rule;
	json_t *count;

	json_object_foreach(redactions, rule, count)
	{
		json_int_t before = json_integer_value(json_object_get(writer->totals, rule));

		json_object_set_new(writer->totals, rule,
				    json_integer(before + json_integer_value(count)));
	}
}

static int add_to_index(struct bundle_writer *writer, const struct bundle_member *member,
			const struct bundle_bytes *bytes, struct tl_err *err)
{
	uint8_t digest[TL_SHA256_LEN];
	char sha256[TL_SHA256_HEX];
	json_t *entry;

	tl_sha256_final(writer->member_hash, digest);
	tl_hex_encode(digest, sizeof digest, sha256);
	memcpy(writer->index_sha256, sha256, sizeof sha256);
	entry = json_pack("{s:s, s:I, s:s, s:i, s:I, s:s}", "path", writer->path, "size",
			  (json_int_t)bytes->size, "sha256", sha256, "mode",
			  (int)(member->mode & 0777), "mtime", (json_int_t)member->mtime_s,
			  "status", bytes->status);
	if (bytes->collector)
		json_object_set_new(entry, "collector", json_string(bytes->collector));
	if (json_object_size(bytes->redactions) > 0)
		json_object_set_new(writer->report, writer->path,
				    json_deep_copy(bytes->redactions));
	bundle_writer_count(writer, bytes->redactions);
	return json_array_append_new(writer->index, entry) < 0
		       ? tl_err_set(err, TL_ENOMEM, "out of memory for the bundle's index")
		       : 0;
}

int bundle_writer_append(struct bundle_writer *writer, const struct bundle_member *member,
			 const struct bundle_bytes *bytes, struct tl_err *err)
{
	struct bundle_member timed = *member;
	int r = choose_path(writer, member->path, bytes->collector != NULL, err);

	if (timed.mtime_s == 0)
		timed.mtime_s = writer->options.started_s;
	if (r == 0)
		r = write_header(writer, &timed, bytes->size, err);
	if (r == 0)
		r = write_bytes(writer, bytes, err);
	return r == 0 ? add_to_index(writer, &timed, bytes, err) : r;
}

static int append_text(struct bundle_writer *writer, const char *path, const struct tl_buf *text,
		       json_t *redactions, struct tl_err *err)
{
	struct bundle_member member = {.path = path, .mode = 0644};
	struct bundle_bytes bytes = {
		.memory = text->data,
		.size = text->len,
		.status = "ok",
		.redactions = redactions,
	};

	if (tl_buf_check(text) < 0)
		return tl_err_set(err, TL_ETOOBIG, "%s is too large", path);
	return bundle_writer_append(writer, &member, &bytes, err);
}

int bundle_writer_append_json(struct bundle_writer *writer, const char *path, const json_t *json,
			      json_t *redactions, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(64 * 1024 * 1024);

	tl_json_write(&text, json);
	tl_buf_putc(&text, '\n');
	return append_text(writer, path, &text, redactions, err);
}

void bundle_writer_add_note(struct bundle_writer *writer, json_t *note)
{
	writer->note_count++;
	if (json_array_size(writer->notes) < NOTES_MAX)
		json_array_append_new(writer->notes, note);
	else
		json_decref(note);
}

static int write_notes(struct bundle_writer *writer, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(64 * 1024 * 1024);

	for (size_t i = 0; i < json_array_size(writer->notes); i++) {
		tl_json_write(&text, json_array_get(writer->notes, i));
		tl_buf_putc(&text, '\n');
	}
	return append_text(writer, "errors.jsonl", &text, NULL, err);
}

static int write_report(struct bundle_writer *writer, struct tl_err *err)
{
	tl_json *report = json_pack("{s:i, s:s, s:s, s:O, s:O}", "schema", TL_BUNDLE_SCHEMA,
				    "bundle", writer->id, "ruleset", writer->options.ruleset,
				    "files", writer->report, "totals", writer->totals);

	if (!report)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the redaction report");
	return bundle_writer_append_json(writer, "redaction/report.json", report, NULL, err);
}

static int write_index(struct bundle_writer *writer, json_t *collectors, struct tl_err *err)
{
	tl_json *index = json_pack("{s:i, s:s, s:O, s:O*}", "schema", TL_BUNDLE_SCHEMA, "bundle",
				   writer->id, "files", writer->index, "collectors", collectors);

	if (!index)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle's index");
	return bundle_writer_append_json(writer, "INDEX.json", index, NULL, err);
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

uint64_t bundle_writer_packed(const struct bundle_writer *writer)
{
	return writer->packed_bytes;
}

int bundle_writer_close(struct bundle_writer *writer, json_t *collectors,
			struct bundle_writer_facts *ret_facts, struct tl_err *err)
{
	uint8_t digest[TL_SHA256_LEN];
	int r = write_notes(writer, err);

	if (r == 0)
		r = write_report(writer, err);
	if (r == 0)
		r = write_index(writer, collectors, err);
	if (r == 0 && archive_write_close(writer->archive) != ARCHIVE_OK)
		r = archive_fault(writer, err);
	if (r == 0 && writer->sealer)
		r = tl_sealer_finish(writer->sealer, err);
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
