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

static void print_files(const json_t *index, FILE *out)
{
	const json_t *files = json_object_get(index, "files");

	fprintf(out, "\n%zu files\n", json_array_size(files));
	for (size_t i = 0; i < json_array_size(files); i++) {
		const json_t *file = json_array_get(files, i);
		const char *status = json_string_value(json_object_get(file, "status"));

		fprintf(out, "%12lld  ",
			(long long)json_integer_value(json_object_get(file, "size")));
		print_text(out, json_string_value(json_object_get(file, "path")));
		if (status && strcmp(status, "ok") != 0) {
			fputs("  (", out);
			print_text(out, status);
			fputc(')', out);
		}
		fputc('\n', out);
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
		json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:O, s:O, s:O, s:O}", "bundle", facts->id,
			  "packed_bytes", (json_int_t)facts->packed_bytes, "unpacked_bytes",
			  (json_int_t)facts->unpacked_bytes, "members", (json_int_t)facts->members,
			  "sha256", facts->sha256, "index_sha256", facts->index_sha256, "manifest",
			  facts->manifest, "index", facts->index, "redaction", facts->redaction,
			  "errors", facts->errors);

	if (!all)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle's facts");
	json_dumpf(all, out, JSON_COMPACT | JSON_SORT_KEYS);
	fputc('\n', out);
	return 0;
}

int tl_bundle_inspect(int fd, FILE *out, bool json, struct tl_err *err)
{
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	int r = tl_bundle_check(fd, &tl_bundle_limits_default, &facts, err);

	if (r < 0)
		return r;
	if (json)
		return print_json(&facts, out, err);
	print_manifest(&facts, out);
	print_files(facts.index, out);
	print_redactions(facts.redaction, out);
	print_errors(facts.errors, out);
	return 0;
}
