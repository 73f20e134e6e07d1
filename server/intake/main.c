/* towline-intake: reads a bundle on fd 0, believes nothing, and prints one JSON object about it. Run
 * by the relay for each upload. */
#include <stdio.h>
#include <string.h>
#include <towline/bundle.h>
#include <towline/crypto.h>
#include <towline/fs.h>
#include <towline/sealed.h>
#include <towline/str.h>

#include "intake/lock.h"

#define OUTPUT_MAX (8u * 1024 * 1024)
#define FINDINGS_MAX 50 /* the worst stand first */
#define SUMMARY_MAX 300
#define ERRORS_MAX 1000 /* lines of errors.jsonl that are passed on */
#define FILES_MAX 20000

static const char usage[] =
	"usage: towline-intake <BUNDLE\n"
	"\n"
	"Checks a bundle in a locked process and prints what it is, as one JSON object. Run by\n"
	"towline-relay; people use \"towline bundle inspect\".\n";

static json_t *list_files(const json_t *index)
{
	const json_t *files = json_object_get(index, "files");
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(files) && i < FILES_MAX; i++) {
		const json_t *file = json_array_get(files, i);

		json_array_append_new(list,
				      json_pack("{s:O, s:O}", "path", json_object_get(file, "path"),
						"size", json_object_get(file, "size")));
	}
	return list;
}

static json_t *first_errors(const json_t *errors)
{
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(errors) && i < ERRORS_MAX; i++)
		json_array_append(list, json_array_get(errors, i));
	return list;
}

/* One finding as the desk keeps it, NULL for one that does not look like it: the host may say anything. */
static json_t *describe_finding(const json_t *finding)
{
	static const char *const severities[] = {"critical", "error", "warning", "info"};
	const char *rule = json_string_value(json_object_get(finding, "rule"));
	const char *severity = json_string_value(json_object_get(finding, "severity"));
	const char *summary = json_string_value(json_object_get(finding, "summary"));

	if (!rule || !tl_str_is_name(rule, 64) || !summary || strlen(summary) > SUMMARY_MAX)
		return NULL;
	for (size_t i = 0; i < TL_ARRAY_LEN(severities); i++)
		if (tl_streq(severity, severities[i]))
			return json_pack("{s:s, s:s, s:s}", "rule", rule, "severity", severity,
					 "summary", summary);
	return NULL;
}

static json_t *list_findings(const json_t *analysis)
{
	const json_t *results = json_object_get(analysis, "results");
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(results) && json_array_size(list) < FINDINGS_MAX;
	     i++) {
		json_t *finding = describe_finding(json_array_get(results, i));

		if (finding)
			json_array_append_new(list, finding);
	}
	return list;
}

static json_t *describe(const struct tl_bundle_facts *facts)
{
	return json_pack("{s:b, s:s, s:I, s:I, s:I, s:s, s:s, s:O, s:O, s:o, s:o, s:o}", "ok", 1,
			 "bundle", facts->id, "packed_bytes", (json_int_t)facts->packed_bytes,
			 "unpacked_bytes", (json_int_t)facts->unpacked_bytes, "members",
			 (json_int_t)facts->members, "sha256", facts->sha256, "index_sha256",
			 facts->index_sha256, "manifest", facts->manifest, "redaction",
			 facts->redaction, "errors", first_errors(facts->errors), "files",
			 list_files(facts->index), "findings", list_findings(facts->analysis));
}

static int print(const json_t *json, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(OUTPUT_MAX);

	tl_json_write(&line, json);
	tl_buf_putc(&line, '\n');
	if (tl_buf_check(&line) < 0)
		return tl_err_set(err, TL_ETOOBIG, "the bundle says more of itself than %u bytes",
				  OUTPUT_MAX);
	return tl_fs_write_all(STDOUT_FILENO, line.data, line.len, err);
}

/* Nobody here has the key: whom it is for, and its hash. */
static int check_sealed(struct tl_err *err)
{
	tl_auto(tl_sealed_facts) struct tl_sealed_facts facts = {.bytes = 0};
	tl_json *json = NULL;
	int r = tl_sealed_check(STDIN_FILENO, tl_bundle_limits_default.max_packed_bytes, &facts,
				err);

	if (r < 0)
		return r;
	json = json_pack("{s:b, s:s, s:I, s:s, s:O}", "ok", 1, "kind", "sealed", "packed_bytes",
			 (json_int_t)facts.bytes, "sha256", facts.sha256, "recipients",
			 facts.recipients);
	return json ? print(json, err)
		    : tl_err_set(err, TL_ENOMEM, "out of memory for the bundle's facts");
}

static int check(struct tl_err *err)
{
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	tl_json *json = NULL;
	int r = tl_bundle_check(STDIN_FILENO, &tl_bundle_limits_default, &facts, err);

	if (r < 0)
		return r;
	json = describe(&facts);
	return json ? print(json, err)
		    : tl_err_set(err, TL_ENOMEM, "out of memory for the bundle's facts");
}

static void print_refusal(const struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_ERR_TEXT_MAX * 5);
	struct tl_err ignored;
	tl_json *json = NULL;

	tl_str_printable(&text, tl_err_text(err), strlen(tl_err_text(err)));
	json = json_pack("{s:b, s:s, s:s}", "ok", 0, "code", tl_err_name(err->code), "text",
			 tl_buf_str(&text));
	if (json && print(json, &ignored) < 0)
		return; /* nobody listens: the exit status says it too */
}

/* What the libraries open when first used is opened before the lock. */
static void warm_up(void)
{
	char hex[TL_SHA256_HEX];

	tl_sha256_hex_of("", 0, hex);
	json_object_seed(0);
}

int main(int argc, char **argv)
{
	struct tl_err err = TL_ERR_INIT;
	int r;

	if (argc > 1) {
		bool help = tl_streq(argv[1], "--help");

		fputs(usage, help ? stdout : stderr);
		return help ? 0 : tl_err_exit_status(TL_EUSAGE);
	}
	warm_up();
	r = intake_lock(&err);
	if (r == 0)
		r = tl_sealed_fd(STDIN_FILENO) ? check_sealed(&err) : check(&err);
	if (r < 0)
		print_refusal(&err);
	return tl_err_exit_status(r);
}
