#include "collect/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <towline/bundle.h>
#include <towline/fs.h>
#include <towline/id.h>
#include <towline/str.h>

#include "collect/interrupt.h"

struct run {
	const struct collect_request *request;
	const struct collect_options *options;
	struct collect_context context;
	int progress_fd;
	json_t *outcomes; /* of each row, for the index */
	size_t selected;
};

static void run_clear(struct run *run)
{
	if (run->context.root_fd >= 0)
		close(run->context.root_fd);
	redacting_writer_free(run->context.writer);
	json_decref(run->outcomes);
}
TL_DEFINE_AUTO(run, run_clear);

void collect_note(struct collect_context *context, const char *source, const char *kind,
		  const char *text)
{
	context->outcome = "partial";
	redacting_writer_note(context->writer, context->row->name, source, kind, text);
}

int collect_member_begin(struct collect_context *context, const struct bundle_member *member,
			 struct tl_err *err)
{
	return redacting_writer_begin(context->writer, member, err);
}

int collect_member_write(struct collect_context *context, const void *bytes, size_t len,
			 struct tl_err *err)
{
	return redacting_writer_write(context->writer, bytes, len, err);
}

uint64_t collect_member_given(const struct collect_context *context)
{
	return redacting_writer_given(context->writer);
}

int collect_member_end(struct collect_context *context, const char *status, struct tl_err *err)
{
	return redacting_writer_end(context->writer, status, err);
}

int collect_member_json(struct collect_context *context, const char *path, const json_t *json,
			struct tl_err *err)
{
	return redacting_writer_json(context->writer, path, json, err);
}

int collect_member_redact(struct collect_context *context, const char *text, size_t len,
			  struct tl_buf *out, struct tl_err *err)
{
	return redacting_writer_redact(context->writer, text, len, out, err);
}

bool collect_expired(struct collect_context *context, const char *source)
{
	if (tl_clock_mono_ms(context->clock) < context->deadline_ms)
		return false;
	collect_note(context, source, "timeout", "the collector's time was over");
	return true;
}

static bool is_selected(const struct run *run, const struct collector *row)
{
	return !tl_streq(run->request->profile, "quick") || (row->flags & COLLECT_QUICK);
}

/* A person watches, perhaps: nothing depends on it. */
static void tell(struct run *run, const char *state, size_t index)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(1024);
	const struct collector *row = run->context.row;
	tl_json *json = NULL;

	if (run->progress_fd < 0)
		return;
	json = json_pack("{s:s, s:s, s:s, s:I, s:I}", "collector", row->name, "summary",
			 row->summary, "state", state, "index", (json_int_t)index, "count",
			 (json_int_t)run->selected);
	tl_json_write(&line, json);
	tl_buf_putc(&line, '\n');
	if (tl_buf_check(&line) < 0 || write(run->progress_fd, line.data, line.len) < 0)
		run->progress_fd = -1;
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

/* Written before anything is collected: what was asked, by which rules, within which limits. */
static int write_manifest(struct run *run, const char *id, struct tl_err *err)
{
	const struct collect_request *request = run->request;
	tl_json *coverage = json_array();
	tl_json *manifest = NULL;
	char started[TL_TIME_TEXT];

	tl_time_rfc3339(run->context.started_s * 1000, started);
	for (size_t i = 0; i < run->options->row_count; i++) {
		const struct collector *row = &run->options->rows[i];

		if (!is_selected(run, row))
			continue;
		run->selected++;
		json_array_append_new(coverage,
				      json_pack("{s:s, s:s, s:s, s:b, s:I, s:i}", "collector",
						row->name, "group", row->group, "summary",
						row->summary, "privileged",
						(row->flags & COLLECT_PRIVILEGED) != 0, "max_bytes",
						(json_int_t)row->max_bytes, "timeout_ms",
						row->timeout_ms));
	}
	manifest =
		json_pack("{s:i, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:O}", "schema",
			  TL_BUNDLE_SCHEMA, "bundle", id, "started", started, "ruleset",
			  TL_REDACT_RULESET, "agent_version", text_or_null(request->agent_version),
			  "host", text_or_null(request->host), "help_id",
			  text_or_null(request->help_id), "ticket", text_or_null(request->ticket),
			  "summary", text_or_null(request->summary), "profile", request->profile,
			  "privileged", geteuid() == 0, "coverage", coverage);
	if (!manifest)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the manifest");
	return redacting_writer_json(run->context.writer, "MANIFEST.json", manifest, err);
}

static int run_kind(struct collect_context *context, struct tl_err *err)
{
	switch (context->row->kind) {
	case COLLECT_FILES:
	case COLLECT_KERNEL:
		return collect_files(context, err);
	case COLLECT_COMMAND:
		return collect_command(context, err);
	case COLLECT_BUILTIN:
	case COLLECT_JOURNAL:
	case COLLECT_HTTP:
	case COLLECT_TLS:
		return context->row->run(context, err);
	}
	return TL_EINTERNAL;
}

static int run_row(struct run *run, const struct collector *row, size_t index, struct tl_err *err)
{
	struct collect_context *context = &run->context;
	int64_t now = tl_clock_mono_ms(context->clock);
	int r = interrupt_check(err);

	if (r < 0)
		return r;
	context->row = row;
	context->outcome = "ok";
	context->deadline_ms = now + row->timeout_ms;
	tell(run, "running", index);
	r = run_kind(context, err);
	if (r < 0 && r != TL_ECANCELED)
		tl_err_prefix(err, "collector %s", row->name);
	if (r < 0)
		return r;
	tell(run, context->outcome, index);
	json_array_append_new(run->outcomes,
			      json_pack("{s:s, s:s, s:I}", "collector", row->name, "outcome",
					context->outcome, "ms",
					(json_int_t)(tl_clock_mono_ms(context->clock) - now)));
	return 0;
}

static int run_rows(struct run *run, struct tl_err *err)
{
	size_t index = 0;

	for (size_t i = 0; i < run->options->row_count; i++) {
		const struct collector *row = &run->options->rows[i];
		int r;

		if (!is_selected(run, row))
			continue;
		r = run_row(run, row, ++index, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int finish(struct run *run, const char *id, json_t **ret_result, struct tl_err *err)
{
	tl_auto(bundle_writer_facts) struct bundle_writer_facts facts = {.size = 0};
	int r = redacting_writer_finish(run->context.writer, run->outcomes, &facts, err);
	json_t *result;

	if (r < 0)
		return r;
	result = json_pack("{s:s, s:s, s:s, s:I, s:O, s:O, s:I}", "bundle", id, "sha256",
			   facts.sha256, "index_sha256", facts.index_sha256, "size",
			   (json_int_t)facts.size, "files", facts.files, "redactions",
			   facts.redactions, "errors", (json_int_t)facts.errors);
	if (!result)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the result");
	*ret_result = result;
	return 0;
}

static int open_root(struct run *run, struct tl_err *err)
{
	const char *root = run->options->root[0] ? run->options->root : "/";

	run->context.root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return run->context.root_fd < 0
		       ? tl_err_sys(err, TL_EIO, errno, "%s cannot be opened", root)
		       : 0;
}

int collect_run(const struct collect_request *request, const struct collect_options *options,
		json_t **ret_result, struct tl_err *err)
{
	tl_auto(tl_redact_rules) struct tl_redact_rules *rules = NULL;
	tl_auto(run) struct run run = {
		.request = request,
		.options = options,
		.context = {.clock = options->clock, .root = options->root, .root_fd = -1},
		.progress_fd = options->progress_fd,
		.outcomes = json_array(),
	};
	struct tl_id id = tl_id_new(options->clock);
	const char *name = request->bundle ? request->bundle : id.text;
	int r = tl_redact_rules_new(tl_redact_builtin, tl_redact_builtin_count, &rules, err);

	run.context.started_s = tl_clock_wall_ms(options->clock) / 1000;
	if (r == 0)
		r = open_root(&run, err);
	if (r == 0)
		r = redacting_writer_new(&(struct bundle_options){.fd = options->bundle_fd,
								  .id = name,
								  .started_s =
									  run.context.started_s},
					 rules, &run.context.writer, err);
	if (r == 0)
		r = write_manifest(&run, name, err);
	if (r == 0)
		r = run_rows(&run, err);
	return r < 0 ? r : finish(&run, name, ret_result, err);
}
