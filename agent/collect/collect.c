#include "collect/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/bundle.h>
#include <towline/id.h>
#include <towline/sealed.h>
#include <towline/str.h>

#include "collect/engine.h"
#include "collect/findings.h"
#include "collect/manifest.h"
#include "collect/plan.h"
#include "collect/preview.h"
#include "collect/watch.h"
#include "redact/identity.h"
#include "redact/identity_key.h"

struct run {
	const struct collect_request *request;
	const struct collect_options *options;
	struct plan plan;
	struct tl_redact_rules *rules;
	struct tl_analysis_rules *analyzers;
	struct tl_err analyzers_trouble;  /* what is wrong with the site's */
	struct tl_identities *identities; /* NULL: none are replaced */
	struct tl_redactor *texts;	  /* of what the main process writes itself */
	struct tl_recipients *recipients;
	struct watch watch;
	struct bundle_writer *writer;
	int root_fd;
};

static void run_clear(struct run *run)
{
	if (run->root_fd >= 0)
		close(run->root_fd);
	bundle_writer_free(run->writer);
	tl_redactor_free(run->texts);
	tl_identities_free(run->identities);
	tl_recipients_free(run->recipients);
	watch_clear(&run->watch);
	tl_redact_rules_free(run->rules);
	tl_analysis_rules_free(run->analyzers);
	plan_clear(&run->plan);
}
TL_DEFINE_AUTO(run, run_clear);

static int open_root(struct run *run, struct tl_err *err)
{
	const char *root = run->options->root[0] ? run->options->root : "/";

	run->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return run->root_fd < 0 ? tl_err_sys(err, TL_EIO, errno, "%s cannot be opened", root) : 0;
}

static int open_identities(struct run *run, struct tl_err *err)
{
	char own[PATH_MAX];
	struct tl_identity_places places = {
		.state_dir = run->request->state_dir ? run->request->state_dir : own,
		.site_file = run->options->names_file,
		.root = run->options->root,
		.map_fd = run->request->has_map ? run->options->map_fd : 0,
	};
	int r = 0;

	if (run->request->level != TL_REDACT_IDENTITIES)
		return 0;
	if (!run->request->state_dir)
		r = tl_identity_state_dir(own, err);
	return r < 0 ? r : tl_identities_open(&places, &run->identities, err);
}

static int open_rules(struct run *run, struct tl_err *err)
{
	struct tl_redact_sources sources = {run->options->rules_dir, run->options->cache_dir};
	int r = tl_redact_rules_open(&sources, &run->rules, err);

	if (r == 0)
		r = open_identities(run, err);
	if (r == 0)
		r = tl_redactor_new(run->rules, &tl_redact_limits_default, &run->texts, err);
	if (r < 0)
		return r;
	tl_redactor_set_level(run->texts, run->request->level);
	tl_redactor_set_identities(run->texts, run->identities);
	return 0;
}

/* A member of our own making: each of its strings redacted. */
static int append_json(struct run *run, const char *path, const json_t *json, struct tl_err *err)
{
	tl_json *counts = json_object();
	tl_json *clean = NULL;
	int r;

	if (!json)
		return tl_err_set(err, TL_ENOMEM, "out of memory for %s", path);
	r = tl_redact_json(run->texts, json, counts, &clean, err);
	return r < 0 ? r : bundle_writer_append_json(run->writer, path, clean, counts, err);
}

static int read_recipients(struct run *run, struct tl_err *err)
{
	const json_t *list = run->request->recipients;
	int r = json_array_size(list) > 0 ? tl_recipients_new(&run->recipients, err) : 0;

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		const char *pem = json_string_value(json_array_get(list, i));
		char name[32];

		snprintf(name, sizeof name, "recipient %zu", i + 1);
		r = pem ? tl_recipients_add(run->recipients, pem, name, err)
			: tl_err_set(err, TL_EINVAL, "%s is no certificate", name);
	}
	return r;
}

/* Where nothing is taken out, there is nothing to look for. */
static bool is_watched(const struct run *run)
{
	return run->request->level != TL_REDACT_OFF;
}

static int open_bundle(struct run *run, const char *id, struct tl_err *err)
{
	const char *ruleset = tl_redact_rules_name(run->rules);
	struct bundle_options options = {
		.fd = run->options->bundle_fd,
		.id = id,
		.started_s = run->plan.started_s,
		.ruleset = ruleset,
		.max_bytes = (uint64_t)run->request->max_bytes,
	};
	struct manifest manifest = {run->request, &run->plan, id, ruleset};
	tl_json *json = manifest_make(&manifest);
	int r = read_recipients(run, err);

	options.recipients = run->recipients;
	options.watch = is_watched(run) ? &run->watch.bundle : NULL;
	if (r == 0 && is_watched(run))
		r = watch_open(&run->watch, err);
	if (r == 0)
		r = bundle_writer_open(&options, &run->writer, err);
	return r < 0 ? r : append_json(run, "MANIFEST.json", json, err);
}

static int run_rows(struct run *run, struct engine_facts *ret_facts, struct tl_err *err)
{
	struct worker_setup setup = {
		.members = {.rules = run->rules,
			    .analyzers = run->analyzers,
			    .level = run->request->level,
			    .identities = run->identities,
			    .exclude = &run->plan.exclude},
		.clock = run->options->clock,
		.rows = run->plan.rows,
		.root = run->options->root,
		.root_fd = run->root_fd,
		.started_s = run->plan.started_s,
		.range = run->plan.range,
		.range_is_usual = run->plan.range_is_usual,
		.canary = is_watched(run) ? tl_buf_str(&run->watch.text) : NULL,
	};
	struct progress progress;
	struct engine_options options = {
		.setup = &setup,
		.row_count = run->plan.count,
		.writer = run->writer,
		.max_bytes = (uint64_t)run->request->max_bytes,
		.sealed = run->recipients != NULL,
		.progress = &progress,
	};

	progress_init(&progress, run->options->progress_fd, run->options->clock, run->plan.count);
	return engine_run(&options, ret_facts, err);
}

/* analysis/results.json, and what was wrong with the site's analyzers. */
static int append_findings(struct run *run, const struct engine_facts *rows, json_t **ret_findings,
			   struct tl_err *err)
{
	int r = findings_conclude(run->analyzers, rows->findings, ret_findings, err);

	if (r == 0 && run->analyzers_trouble.code)
		bundle_writer_add_note(run->writer,
				       json_pack("{s:s, s:s, s:s, s:s}", "collector", "analyzers",
						 "source", run->options->analyzers_dir, "kind",
						 "failed", "text",
						 tl_err_text(&run->analyzers_trouble)));
	return r < 0 ? r : append_json(run, "analysis/results.json", *ret_findings, err);
}

static int finish(struct run *run, const char *id, const struct engine_facts *rows,
		  json_t **ret_result, struct tl_err *err)
{
	tl_auto(bundle_writer_facts) struct bundle_writer_facts facts = {.size = 0};
	tl_json *findings = NULL;
	int r = append_findings(run, rows, &findings, err);
	json_t *result;

	if (r == 0 && is_watched(run))
		r = watch_append(run->writer, rows->canary, err);
	if (r == 0)
		r = bundle_writer_close(run->writer, rows->index, &facts, err);
	if (r < 0)
		return r;
	result = json_pack("{s:s, s:s, s:s, s:I, s:O, s:O, s:I, s:O, s:O, s:o}", "bundle", id,
			   "sha256", facts.sha256, "index_sha256", facts.index_sha256, "size",
			   (json_int_t)facts.size, "files", facts.files, "redactions",
			   facts.redactions, "errors", (json_int_t)facts.errors, "problems",
			   rows->problems, "collectors", rows->rows, "findings",
			   findings_counts(findings));
	if (!result)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the result");
	*ret_result = result;
	return 0;
}

static int preview(struct run *run, json_t **ret_result, struct tl_err *err)
{
	tl_json *all = NULL;
	int r = open_rules(run, err);

	if (r == 0)
		r = preview_make(&run->plan, run->options->root, &all, err);
	return r < 0 ? r : tl_redact_json(run->texts, all, NULL, ret_result, err);
}

static int open_analyzers(struct run *run, struct tl_err *err)
{
	struct tl_analysis_sources sources = {run->options->analyzers_dir, run->options->cache_dir};

	return findings_open(&sources, &run->analyzers, &run->analyzers_trouble, err);
}

static int make_bundle(struct run *run, json_t **ret_result, struct tl_err *err)
{
	tl_auto(engine_facts) struct engine_facts rows = {.rows = NULL};
	struct tl_id id = tl_id_new(run->options->clock);
	const char *name = run->request->bundle ? run->request->bundle : id.text;
	int r = open_rules(run, err);

	if (r == 0)
		r = open_analyzers(run, err);
	if (r == 0)
		r = open_root(run, err);
	if (r == 0)
		r = open_bundle(run, name, err);
	if (r == 0)
		r = run_rows(run, &rows, err);
	return r < 0 ? r : finish(run, name, &rows, ret_result, err);
}

/* What a fault left behind must not be taken for a bundle, and holds room on a disk that may be full. */
static void empty_file(int fd)
{
	struct stat status;

	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && ftruncate(fd, 0) == 0)
		(void)lseek(fd, 0, SEEK_SET);
}

int collect_run(const struct collect_request *request, const struct collect_options *options,
		json_t **ret_result, struct tl_err *err)
{
	tl_auto(run) struct run run = {.request = request, .options = options, .root_fd = -1};
	int r = plan_make(request, options, &run.plan, err);

	if (r == 0 && request->dry_run)
		return preview(&run, ret_result, err);
	if (r == 0)
		r = make_bundle(&run, ret_result, err);
	if (r < 0)
		empty_file(options->bundle_fd);
	return r;
}
