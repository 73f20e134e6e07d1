#include "redact/rebundle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <towline/bundle.h>
#include <towline/bundle_inspect.h>
#include <towline/str.h>

#include "collect/bundle_writer.h"
#include "rescan/bundle.h"

#define JSON_MEMBER_MAX (32 * 1024 * 1024)

/* What is made anew and not carried over. */
static const char *const own_members[] = {"MANIFEST.json", "INDEX.json", "errors.jsonl",
					  "redaction/report.json"};

struct rebundle {
	const struct redaction *redaction;
	struct tl_bundle_facts facts; /* of the old one */
	struct bundle_writer *writer;
	struct tl_redactor *redactor, *texts;
	struct spool *spool;
	struct tl_buf path; /* of the member, redacted */
	struct tl_buf json; /* of a member that is one value */
	json_t *file;	    /* its entry in the old index; borrowed */
	unsigned mode;
	int64_t mtime_s;
	bool own, is_json, open;
};

static void rebundle_clear(struct rebundle *work)
{
	tl_bundle_facts_clear(&work->facts);
	bundle_writer_free(work->writer);
	tl_redactor_free(work->redactor);
	tl_redactor_free(work->texts);
	spool_free(work->spool);
	tl_buf_clear(&work->path);
	tl_buf_clear(&work->json);
}
TL_DEFINE_AUTO(rebundle, rebundle_clear);

static void add_counts(json_t *sum, const json_t *counts)
{
	const char *rule;
	json_t *count;

	json_object_foreach((json_t *)(uintptr_t)counts, rule, count)
		json_object_set_new(sum, rule,
				    json_integer(json_integer_value(count) +
						 json_integer_value(json_object_get(sum, rule))));
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The writer makes names safe: what was made safe before is undone. */
static void decode_path(const char *path, struct tl_buf *out)
{
	for (; *path; path++) {
		int high = *path == '%' ? hex_digit(path[1]) : -1;
		int low = high >= 0 ? hex_digit(path[2]) : -1;

		if (low < 0) {
			tl_buf_putc(out, *path);
			continue;
		}
		tl_buf_putc(out, (char)(high * 16 + low));
		path += 2;
	}
}

static json_t *find_file(const struct rebundle *work, const char *path)
{
	json_t *files = json_object_get(work->facts.index, "files"), *file;
	size_t i;

	json_array_foreach(files, i,
			   file) if (tl_streq(json_string_value(json_object_get(file, "path")),
					      path)) return file;
	return NULL;
}

static json_t *old_counts(const struct rebundle *work, const char *path)
{
	return json_object_get(json_object_get(work->facts.redaction, "files"), path);
}

static int redact_path(struct rebundle *work, const char *path, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf plain = TL_BUF_INIT(TL_BUNDLE_PATH_MAX);
	tl_json *counts = json_object();
	int r;

	decode_path(path, &plain);
	tl_buf_reset(&work->path);
	r = tl_redact_text(work->texts, tl_buf_str(&plain), plain.len, &work->path, err);
	tl_redactor_report(work->texts, counts);
	bundle_writer_count(work->writer, counts);
	return r;
}

static bool is_value(const char *path)
{
	return (tl_str_starts(path, "snapshot/") || tl_str_starts(path, "analysis/") ||
		tl_str_starts(path, "cmd/")) &&
	       tl_str_ends(path, ".json");
}

static int begin_member(struct rebundle *work, const struct tl_bundle_member *member,
			struct tl_err *err)
{
	int r;

	work->own = false;
	for (size_t i = 0; i < TL_ARRAY_LEN(own_members); i++)
		work->own |= tl_streq(member->path, own_members[i]);
	work->open = true;
	if (work->own)
		return 0;
	work->file = find_file(work, member->path);
	work->is_json = is_value(member->path) && member->size <= JSON_MEMBER_MAX;
	work->mode = member->mode;
	work->mtime_s = member->mtime_s;
	tl_buf_reset(&work->json);
	r = redact_path(work, member->path, err);
	if (r == 0)
		r = spool_reset(work->spool, err);
	if (r < 0)
		return r;
	tl_redactor_set_path(work->redactor, tl_str_starts(member->path, "root/") ? member->path + 4
										  : member->path);
	tl_redactor_begin(work->redactor, spool_write, work->spool);
	return 0;
}

static int append(struct rebundle *work, const struct bundle_bytes *bytes, struct tl_err *err)
{
	const struct bundle_member member = {tl_buf_str(&work->path), work->mode, work->mtime_s};

	return bundle_writer_append(work->writer, &member, bytes, err);
}

/* The new counts, and those of the first time. */
static json_t *sum_counts(const struct rebundle *work, json_t *fresh)
{
	const char *path = json_string_value(json_object_get(work->file, "path"));

	add_counts(fresh, old_counts(work, path ? path : ""));
	return fresh;
}

static int end_value(struct rebundle *work, json_t *counts, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(2 * JSON_MEMBER_MAX);
	tl_json *value = NULL, *clean = NULL;
	int r = tl_json_parse(tl_buf_str(&work->json), work->json.len, &value, err);

	if (r == 0)
		r = tl_redact_json(work->texts, value, counts, &clean, err);
	if (r < 0)
		return r;
	tl_json_write(&text, clean);
	tl_buf_putc(&text, '\n');
	if (tl_buf_check(&text) < 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	return append(work,
		      &(struct bundle_bytes){
			      .memory = text.data,
			      .size = text.len,
			      .status = json_string_value(json_object_get(work->file, "status")),
			      .collector =
				      json_string_value(json_object_get(work->file, "collector")),
			      .redactions = sum_counts(work, counts),
		      },
		      err);
}

static int end_member(struct rebundle *work, struct tl_err *err)
{
	tl_json *counts = json_object();
	int r;

	work->open = false;
	if (work->own)
		return 0;
	if (work->is_json)
		return end_value(work, counts, err);
	r = tl_redactor_flush(work->redactor, err);
	if (r < 0)
		return r;
	tl_redactor_report(work->redactor, counts);
	return append(work,
		      &(struct bundle_bytes){
			      .spool = work->spool,
			      .size = spool_size(work->spool),
			      .status = json_string_value(json_object_get(work->file, "status")),
			      .collector =
				      json_string_value(json_object_get(work->file, "collector")),
			      .redactions = sum_counts(work, counts),
		      },
		      err);
}

static int on_member(void *arg, const struct tl_bundle_member *member, struct tl_err *err)
{
	return begin_member(arg, member, err);
}

static int on_data(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	struct rebundle *work = arg;

	if (len == 0)
		return end_member(work, err);
	if (work->own)
		return 0;
	if (!work->is_json)
		return tl_redactor_feed(work->redactor, bytes, len, err);
	tl_buf_append(&work->json, bytes, len);
	return tl_buf_check(&work->json) < 0
		       ? tl_err_set(err, TL_ENOMEM, "out of memory for the bundle")
		       : 0;
}

static int write_manifest(struct rebundle *work, struct tl_err *err)
{
	tl_json *counts = json_object(), *clean = NULL;
	int r = tl_redact_json(work->texts, work->facts.manifest, counts, &clean, err);

	if (r < 0)
		return r;
	json_object_set_new(clean, "ruleset",
			    json_string(tl_redact_rules_name(work->redaction->rules)));
	add_counts(counts, old_counts(work, "MANIFEST.json"));
	return bundle_writer_append_json(work->writer, "MANIFEST.json", clean, counts, err);
}

/* What was noted, and what names and notes had hidden in them the first time. */
static int carry_over(struct rebundle *work, struct tl_err *err)
{
	tl_json *counts = json_object(), *named = json_object();
	json_t *files = json_object_get(work->facts.redaction, "files"), *of_file, *note;
	const char *path;
	size_t i;

	add_counts(counts, json_object_get(work->facts.redaction, "totals"));
	json_object_foreach(files, path, of_file)
	{
		const char *rule;
		json_t *count;

		json_object_foreach(of_file, rule, count)
			json_object_set_new(counts, rule,
					    json_integer(json_integer_value(
								 json_object_get(counts, rule)) -
							 json_integer_value(count)));
	}
	json_array_foreach(work->facts.errors, i, note)
	{
		json_t *clean = NULL;
		int r = tl_redact_json(work->texts, note, counts, &clean, err);

		if (r < 0)
			return r;
		bundle_writer_add_note(work->writer, clean);
	}
	json_object_foreach(counts, path, note) if (json_integer_value(note) > 0)
		json_object_set(named, path, note);
	bundle_writer_count(work->writer, named);
	return 0;
}

static int open_all(struct rebundle *work, int out, int64_t started_s, struct tl_err *err)
{
	const struct bundle_options options = {
		.fd = out,
		.id = work->facts.id,
		.started_s = started_s,
		.ruleset = tl_redact_rules_name(work->redaction->rules),
	};
	int r = redaction_redactor(work->redaction, &work->redactor, err);

	tl_buf_init(&work->path, TL_BUNDLE_PATH_MAX * 4);
	tl_buf_init(&work->json, JSON_MEMBER_MAX);
	if (r == 0)
		r = redaction_redactor(work->redaction, &work->texts, err);
	if (r == 0)
		r = spool_new(false, &work->spool, err);
	return r < 0 ? r : bundle_writer_open(&options, &work->writer, err);
}

static int on_first(void *arg, const struct tl_bundle_member *member, struct tl_err *err TL_UNUSED)
{
	*(int64_t *)arg = member->mtime_s;
	return TL_ECANCELED; /* one is enough */
}

static int started(int fd, int64_t *ret_started_s, struct tl_err *err)
{
	const struct tl_bundle_visitor visitor = {.member = on_first, .arg = ret_started_s};
	int r = lseek(fd, 0, SEEK_SET) < 0
			? tl_err_sys(err, TL_EIO, errno, "the bundle cannot be read twice")
			: tl_bundle_walk(fd, &tl_bundle_limits_default, &visitor, err);

	return r == TL_ECANCELED ? 0 : r;
}

static int copy_members(struct rebundle *work, int fd, struct tl_err *err)
{
	const struct tl_bundle_visitor visitor = {on_member, on_data, work};
	tl_auto(bundle_writer_facts) struct bundle_writer_facts facts = {.size = 0};
	int r = write_manifest(work, err);

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = tl_err_sys(err, TL_EIO, errno, "the bundle cannot be read twice");
	if (r == 0)
		r = tl_bundle_walk(fd, &tl_bundle_limits_default, &visitor, err);
	if (r == 0)
		r = carry_over(work, err);
	return r < 0 ? r
		     : bundle_writer_close(work->writer,
					   json_object_get(work->facts.index, "collectors"), &facts,
					   err);
}

/* The second look, as at every bundle that may leave. */
static int look_again(int fd, struct tl_err *err)
{
	tl_auto(tl_rescan) struct tl_rescan *rescan = NULL;
	int r = lseek(fd, 0, SEEK_SET) == 0
			? tl_rescan_new(&rescan, err)
			: tl_err_sys(err, TL_EIO, errno, "the new bundle cannot be read again");

	if (r == 0)
		r = tl_rescan_bundle(rescan, fd, &tl_bundle_limits_default, err);
	return r == 0 ? tl_rescan_verdict(rescan, err) : r;
}

int redact_bundle(const struct redaction *redaction, const char *from, const char *to,
		  struct tl_err *err)
{
	tl_auto(rebundle) struct rebundle work = {.redaction = redaction};
	tl_fd int in = -1, out = -1;
	int64_t started_s = 0;
	int r = tl_bundle_open(from, NULL, &in, err);

	if (r == 0)
		r = tl_bundle_check(in, &tl_bundle_limits_default, &work.facts, err);
	if (r == 0)
		r = started(in, &started_s, err);
	if (r < 0)
		return r;
	out = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return tl_err_sys(err, errno == EEXIST ? TL_EEXIST : TL_EIO, errno,
				  "%s cannot be made", to);
	r = open_all(&work, out, started_s, err);
	if (r == 0)
		r = copy_members(&work, in, err);
	if (r == 0)
		r = look_again(out, err);
	if (r == 0 && fsync(out) != 0)
		r = tl_err_sys(err, TL_EIO, errno, "%s cannot be written", to);
	if (r < 0)
		unlink(to);
	return r;
}
