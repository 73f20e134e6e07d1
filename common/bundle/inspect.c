#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <towline/bundle.h>
#include <towline/bundle_inspect.h>
#include <towline/str.h>

static const struct {
	const char *member, *label;
} manifest_rows[] = {
	{"host", "host"},	{"ticket", "ticket"},	{"summary", "summary"},
	{"profile", "profile"}, {"started", "started"}, {"agent_version", "agent"},
	{"ruleset", "rules"},
};

static void print_text(FILE *out, const char *text)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT(64 * 1024);

	tl_str_printable(&clean, text, strlen(text));
	fputs(tl_buf_check(&clean) < 0 ? "(too long)" : tl_buf_str(&clean), out);
}

static void print_manifest(const struct tl_bundle_facts *facts, FILE *out)
{
	fprintf(out, "bundle   %s\n", facts->id);
	for (size_t i = 0; i < TL_ARRAY_LEN(manifest_rows); i++) {
		const json_t *value = json_object_get(facts->manifest, manifest_rows[i].member);

		if (!json_is_string(value))
			continue;
		fprintf(out, "%-8s ", manifest_rows[i].label);
		print_text(out, json_string_value(value));
		fputc('\n', out);
	}
	fprintf(out, "size     %" PRIu64 " bytes, %" PRIu64 " unpacked\n", facts->packed_bytes,
		facts->unpacked_bytes);
	fprintf(out, "sha256   %s\n", facts->sha256);
}

static void print_size(int64_t size, FILE *out)
{
	static const char units[] = "BKMG";
	double shown = (double)size;
	size_t unit = 0;

	for (; shown >= 1024 && unit < sizeof units - 2; unit++)
		shown /= 1024;
	fprintf(out, unit ? "%8.1f %c  " : "%8.0f %c  ", shown, units[unit]);
}

/* The directories of `path` that `before` does not have, each on a line of its own; returns the name's
 * depth. */
static size_t print_directories(const char *path, const char *before, FILE *out)
{
	size_t depth = 0;
	bool shared = true;

	for (const char *slash = strchr(path, '/'), *from = path; slash;
	     from = slash + 1, slash = strchr(from, '/'), depth++) {
		shared = shared && strncmp(path, before, (size_t)(slash - path) + 1) == 0;
		if (!shared)
			fprintf(out, "%12s%*s%.*s/\n", "", (int)depth * 2, "", (int)(slash - from),
				from);
	}
	return depth;
}

static void print_file(const json_t *file, const char *before, FILE *out)
{
	const char *path = json_string_value(json_object_get(file, "path"));
	const char *status = json_string_value(json_object_get(file, "status"));
	const char *name = strrchr(path, '/');
	size_t depth = print_directories(path, before, out);

	print_size(json_integer_value(json_object_get(file, "size")), out);
	fprintf(out, "%*s", (int)depth * 2, "");
	print_text(out, name ? name + 1 : path);
	if (status && strcmp(status, "ok") != 0) {
		fputs("  (", out);
		print_text(out, status);
		fputc(')', out);
	}
	fputc('\n', out);
}

static const char *path_of(const void *file)
{
	return json_string_value(json_object_get(*(const json_t *const *)file, "path"));
}

static int by_path(const void *a, const void *b)
{
	return strcmp(path_of(a), path_of(b));
}

/* As a tree. The paths have been found safe to print. */
static void print_files(const json_t *index, FILE *out)
{
	const json_t *files = json_object_get(index, "files");
	size_t count = json_array_size(files);
	tl_free const json_t **sorted = calloc(count + 1, sizeof *sorted);
	const char *before = "";

	fprintf(out, "\n%zu files\n", count);
	for (size_t i = 0; sorted && i < count; i++)
		sorted[i] = json_array_get(files, i);
	if (sorted)
		qsort(sorted, count, sizeof *sorted, by_path);
	for (size_t i = 0; sorted && i < count; i++) {
		print_file(sorted[i], before, out);
		before = path_of(&sorted[i]);
	}
}

static void print_evidence(const json_t *finding, FILE *out)
{
	const json_t *evidence = json_object_get(finding, "evidence");

	for (size_t i = 0; i < json_array_size(evidence); i++) {
		const json_t *one = json_array_get(evidence, i);
		const char *file = json_string_value(json_object_get(one, "file"));
		const char *text = json_string_value(json_object_get(one, "text"));

		fputs("            ", out);
		print_text(out, file ? file : "?");
		fprintf(out, ":%lld", (long long)json_integer_value(json_object_get(one, "line")));
		fputs(text ? ": " : "", out);
		print_text(out, text ? text : "");
		fputc('\n', out);
	}
}

static void print_findings(const json_t *analysis, FILE *out)
{
	static const char *const shown[] = {"summary", "remedy"};
	const json_t *results = json_object_get(analysis, "results");

	if (!analysis)
		return;
	fprintf(out, "\n%zu findings\n", json_array_size(results));
	for (size_t i = 0; i < json_array_size(results); i++) {
		const json_t *finding = json_array_get(results, i);
		const char *severity = json_string_value(json_object_get(finding, "severity"));
		tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT(64);

		severity = severity ? severity : "?";
		tl_str_printable(&clean, severity, strnlen(severity, 9));
		fprintf(out, "  %-9s ", tl_buf_str(&clean));
		for (size_t j = 0; j < TL_ARRAY_LEN(shown); j++) {
			const char *text = json_string_value(json_object_get(finding, shown[j]));

			if (!text)
				continue;
			fputs(j ? "            " : "", out);
			print_text(out, text);
			fputc('\n', out);
		}
		print_evidence(finding, out);
	}
}

static void print_redactions(json_t *report, FILE *out)
{
	json_t *totals = json_object_get(report, "totals");
	const char *rule;
	json_t *count;

	fputs("\nredactions\n", out);
	if (json_object_size(totals) == 0)
		fputs("  none\n", out);
	json_object_foreach(totals, rule, count)
	{
		fprintf(out, "%12lld  ", (long long)json_integer_value(count));
		print_text(out, rule);
		fputc('\n', out);
	}
}

static void print_errors(const json_t *errors, FILE *out)
{
	fprintf(out, "\n%zu not collected, or not wholly\n", json_array_size(errors));
	for (size_t i = 0; i < json_array_size(errors); i++) {
		const json_t *line = json_array_get(errors, i);
		const char *source = json_string_value(json_object_get(line, "source"));
		const char *text = json_string_value(json_object_get(line, "text"));

		fputs("  ", out);
		print_text(out, source ? source : "?");
		fputs(": ", out);
		print_text(out, text ? text : "?");
		fputc('\n', out);
	}
}

static int print_json(const struct tl_bundle_facts *facts, FILE *out, struct tl_err *err)
{
	tl_json *all =
		json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:O, s:O, s:O, s:O, s:O*}", "bundle",
			  facts->id, "packed_bytes", (json_int_t)facts->packed_bytes,
			  "unpacked_bytes", (json_int_t)facts->unpacked_bytes, "members",
			  (json_int_t)facts->members, "sha256", facts->sha256, "index_sha256",
			  facts->index_sha256, "manifest", facts->manifest, "index", facts->index,
			  "redaction", facts->redaction, "errors", facts->errors, "analysis",
			  facts->analysis);

	if (!all)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle's facts");
	json_dumpf(all, out, JSON_COMPACT | JSON_SORT_KEYS);
	fputc('\n', out);
	return 0;
}

int tl_bundle_inspect(int fd, FILE *out, bool json, struct tl_err *err)
{
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	int r;

	if (lseek(fd, 0, SEEK_SET) < 0 && errno != ESPIPE)
		return tl_err_sys(err, TL_EIO, errno, "the bundle cannot be read");
	r = tl_bundle_check(fd, &tl_bundle_limits_default, &facts, err);
	if (r < 0)
		return r;
	if (json)
		return print_json(&facts, out, err);
	print_manifest(&facts, out);
	print_files(facts.index, out);
	print_findings(facts.analysis, out);
	print_redactions(facts.redaction, out);
	print_errors(facts.errors, out);
	return 0;
}
